//! What differs between the ways that there shall be and those that there are.
//!
//!     see(route, neighbour, entry) …  ─▶ right: a mark · wrong or nobody's: kept      one pass
//!     next(1000)                      ─▶ what is missing or wrong, as changes; in the end what is nobody's
//!
//! Pure. What is right costs a bit of memory, however much there is of it.

use std::collections::{BTreeMap, BTreeSet, btree_map};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Body, Fact, Fdb, Neigh, Ns, Route, Snapshot};
use ropewalk_plan::{Change, Plan, Step, holds, predict};
use ropewalk_spec::{Network, Peer};
use ropewalk_topology::{HostFacts, Way, way};

use crate::fault::Fault;

/// The comparison of a network's ways.
pub(super) struct Gap<'a> {
    network: &'a Network,
    facts: &'a HostFacts,
    peers: &'a BTreeMap<IpAddr, Peer>,
    /// The blocks of all peers in their order, and what of their ways was seen as it shall be.
    blocks: Vec<Block>,
    /// Hosts whose end of the tunnel was seen.
    ends: BTreeSet<IpAddr>,
    /// What was found and is not as it shall be.
    wrong: Snapshot,
    /// What was found and nobody wants.
    stray: Vec<Fact>,
    /// How far `next` is: hosts, and blocks of the one before them.
    hosts: btree_map::Iter<'a, IpAddr, Peer>,
    left: Option<(IpAddr, std::slice::Iter<'a, IpNet>)>,
    /// What is found counts as right, whatever it is.
    only_missing: bool,
}

struct Block {
    net: IpNet,
    host: IpAddr,
    route: bool,
    neigh: bool,
}

static NOBODY: BTreeMap<IpAddr, Peer> = BTreeMap::new();

impl<'a> Gap<'a> {
    pub(super) fn new(network: &'a Network, facts: &'a HostFacts) -> Self {
        let peers = network.mode.ways().map_or(&NOBODY, |ways| &ways.peers);
        let of = |(host, peer): (&IpAddr, &'a Peer)| {
            let host = *host;
            peer.blocks.iter().map(move |net| Block { net: *net, host, route: false, neigh: false })
        };
        let mut blocks: Vec<Block> = peers.iter().flat_map(of).collect();
        blocks.sort_unstable_by_key(|block| block.net);
        let (ends, wrong, stray) = Default::default();
        let (hosts, left, only_missing) = (peers.iter(), None, false);
        Self { network, facts, peers, blocks, ends, wrong, stray, hosts, left, only_missing }
    }

    /// Leaves alone what is there: it may be newer.
    pub(super) fn only_missing(&mut self) {
        self.only_missing = true;
    }

    /// Takes in what was found.
    pub(super) fn see(&mut self, body: Body) {
        let right = if let Body::Route(route) = &body {
            self.see_route(route)
        } else if let Body::Neigh(neigh) = &body {
            self.see_neigh(neigh)
        } else if let Body::Fdb(fdb) = &body {
            self.see_end(fdb)
        } else {
            None
        };
        match right {
            Some(true) => {}
            Some(false) => drop(self.wrong.insert(body.at(Ns::HOST))),
            None if self.only_missing => {}
            None => self.stray.push(body.at(Ns::HOST)),
        }
    }

    /// Whether a route is as it shall be; none when there shall be none.
    fn see_route(&mut self, route: &Route) -> Option<bool> {
        let at = self.blocks.binary_search_by_key(&route.key.dst, |block| block.net).ok()?;
        let right = self.judge(Body::Route(self.way(at)?.route), Body::Route(route.clone()))?;
        self.blocks.get_mut(at)?.route = right;
        Some(right)
    }

    fn see_neigh(&mut self, neigh: &Neigh) -> Option<bool> {
        let first = self.blocks.partition_point(|block| block.net.network() < neigh.key.ip);
        let end = |at: usize| {
            let here = self.blocks.get(at)?.net.network() == neigh.key.ip;
            let (_, right) = self.way(at).filter(|_| here)?.behind?;
            Some((at, Body::Neigh(right)))
        };
        // A single address with the number of a block is another's: the block comes first.
        let (at, right) = [first, first + 1].into_iter().find_map(end)?;
        let right = self.judge(right, Body::Neigh(neigh.clone()))?;
        self.blocks.get_mut(at)?.neigh = right;
        Some(right)
    }

    fn see_end(&mut self, fdb: &Fdb) -> Option<bool> {
        let host = fdb.key.dst?;
        let peer = self.peers.get(&host)?;
        let mut ways =
            peer.blocks.iter().filter_map(|net| way(self.network, self.facts, (host, peer), *net));
        let (end, _) = ways.find_map(|way| way.behind)?;
        let right = self.judge(Body::Fdb(end), Body::Fdb(fdb.clone()))?;
        if right {
            self.ends.insert(host);
        }
        Some(right)
    }

    /// What is missing or wrong of so many blocks, more or less; none when that was all.
    ///
    /// A host after another: the kernel keeps a next hop once for all routes by it, and looks for it from
    /// the last one that came, past all others by the same link (`fib_find_info`, net/ipv4/fib_semantics.c).
    pub(super) fn next(&mut self, many: usize) -> Result<Option<Vec<Change>>, Fault> {
        let mut plan = Plan::new();
        while plan.steps().len() < many
            && let Some((host, net)) = self.next_block()
        {
            let Ok(at) = self.blocks.binary_search_by_key(&net, |block| block.net) else {
                continue;
            };
            let Some(block) = self.blocks.get(at).filter(|block| block.host == host) else {
                continue;
            };
            let (route, neigh) = (block.route, block.neigh);
            let whole = route && neigh && self.ends.contains(&host);
            if !whole && let Some(way) = self.way(at) {
                self.lead(&mut plan, way, host, (route, neigh))?;
            }
        }
        if !plan.steps().is_empty() {
            // Of each thing once: what is made is not kept in mind, there may be a hundred thousand.
            let keys = plan.steps().iter().map(Step::key);
            let mut found: Snapshot = keys.filter_map(|key| self.wrong.remove(&key)).collect();
            return Ok(Some(predict(&plan, &mut found)?));
        }
        let stray = self.stray.split_off(self.stray.len().saturating_sub(many));
        let gone: Vec<Change> = stray.into_iter().map(Change::gone).collect();
        Ok(Some(gone).filter(|gone| !gone.is_empty()))
    }

    /// The next block of this host, or of the one after it.
    fn next_block(&mut self) -> Option<(IpAddr, IpNet)> {
        loop {
            if let Some((host, left)) = &mut self.left
                && let Some(net) = left.next()
            {
                return Some((*host, *net));
            }
            let (host, peer) = self.hosts.next()?;
            self.left = Some((*host, peer.blocks.iter()));
        }
    }

    /// Puts into the plan what of a way was not seen.
    fn lead(
        &mut self,
        plan: &mut Plan,
        way: Way,
        host: IpAddr,
        (route, neigh): (bool, bool),
    ) -> Result<(), Fault> {
        if let Some((end, at)) = way.behind {
            if self.ends.insert(host) {
                plan.ensure(&Ns::HOST, Body::Fdb(end))?;
            }
            let at = Body::Neigh(at);
            if !neigh && !plan.states(&at.id().at(Ns::HOST)) {
                plan.ensure(&Ns::HOST, at)?;
            }
        }
        if !route {
            plan.ensure(&Ns::HOST, Body::Route(way.route))?;
        }
        Ok(())
    }

    /// Whether what was found is as it shall be; none when it is something else.
    fn judge(&self, right: Body, found: Body) -> Option<bool> {
        let same = right.id() == found.id();
        same.then(|| self.only_missing || holds(&right.at(Ns::HOST), &found.at(Ns::HOST)))
    }

    fn way(&self, at: usize) -> Option<Way> {
        let block = self.blocks.get(at)?;
        let peer = self.peers.get(&block.host)?;
        way(self.network, self.facts, (block.host, peer), block.net)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]
    use ropewalk_spec::RawNetwork;

    use super::*;

    fn network() -> Network {
        let text = |text: &str| vec![text.to_owned()];
        let raw = RawNetwork {
            name: "over".into(),
            mode: Some("vxlan".into()),
            subnet: text("10.5.1.0/24"),
            own: text("10.5.1.0/24"),
            pool: text("10.5.0.0/16"),
            ..RawNetwork::default()
        };
        let peer = |nets: &[&str]| {
            let blocks = nets.iter().map(|net| net.parse().unwrap()).collect();
            Peer { blocks, ..Peer::default() }
        };
        let peers = [
            (IpAddr::from([192, 168, 1, 12]), peer(&["10.5.2.0/24", "10.5.4.0/24"])),
            (IpAddr::from([192, 168, 1, 13]), peer(&["10.5.3.0/24"])),
        ];
        raw.check().unwrap().with_peers(peers.into()).unwrap()
    }

    /// What is changed where `there` is found.
    fn changes(network: &Network, facts: &HostFacts, there: &[Fact], many: usize) -> Vec<Change> {
        let mut gap = Gap::new(network, facts);
        there.iter().for_each(|fact| gap.see(fact.body.clone()));
        let mut all = Vec::new();
        while let Some(changes) = gap.next(many).unwrap() {
            all.extend(changes);
        }
        all
    }

    #[test]
    fn what_is_missing_wrong_or_nobodys_is_changed_and_nothing_else() {
        let network = network();
        let underlay = Some(IpAddr::from([192, 168, 1, 11]));
        let facts = HostFacts { underlay, mtu: 1450, ..HostFacts::default() };
        let made = |many| -> Vec<Fact> {
            let all = changes(&network, &facts, &[], many);
            all.into_iter().map(|change| change.new.unwrap()).collect()
        };
        let there = made(1000);
        assert_eq!(there.len(), 2 + 3 + 3, "two ends, and for each block a neighbour and a route");
        let keys = |facts: &[Fact]| facts.iter().map(Fact::key).collect::<BTreeSet<_>>();
        assert_eq!(keys(&made(1)), keys(&there), "in batches the same");
        assert_eq!(changes(&network, &facts, &there, 1000), []);
        for (at, fact) in there.iter().enumerate() {
            let mut less = there.clone();
            less.remove(at);
            let all = changes(&network, &facts, &less, 1000);
            let one = all.iter().map(|change| (change.old.clone(), change.new.clone()));
            assert_eq!(one.collect::<Vec<_>>(), [(None, Some(fact.clone()))]);
        }
        // A block that went over to the other host, and one that is nobody's any more.
        let mut other = network.clone();
        let peers = &mut other.mode.ways_mut().unwrap().peers;
        let net: IpNet = "10.5.4.0/24".parse().unwrap();
        peers.values_mut().for_each(|peer| peer.blocks.retain(|block| *block != net));
        let gone = changes(&other, &facts, &there, 1000);
        assert_eq!(gone.len(), 2);
        assert!(gone.iter().all(|change| change.new.is_none()), "{gone:?}");
        let peers = &mut other.mode.ways_mut().unwrap().peers;
        peers.values_mut().last().unwrap().blocks.push(net);
        let moved = changes(&other, &facts, &there, 1000);
        assert_eq!(moved.len(), 1, "the neighbour stands for another end: {moved:?}");
        assert!(moved.iter().all(|change| change.old.is_some() && change.new.is_some()));
    }

    #[test]
    fn the_routes_by_a_host_come_one_after_another() {
        let network = network();
        let underlay = Some(IpAddr::from([192, 168, 1, 11]));
        let facts = HostFacts { underlay, mtu: 1450, ..HostFacts::default() };
        let made = changes(&network, &facts, &[], 1000);
        let facts = made.iter().filter_map(|change| change.new.as_ref());
        let routes = facts.filter_map(|fact| fact.body.as_route());
        let order: Vec<String> = routes.map(|route| route.key.dst.to_string()).collect();
        // In the order of blocks, each would be looked for past the next hops of all other hosts.
        assert_eq!(order, ["10.5.2.0/24", "10.5.4.0/24", "10.5.3.0/24"]);
    }

    #[test]
    fn what_was_led_to_and_not_written_down_stays_at_the_next_start() {
        let older = network();
        let underlay = Some(IpAddr::from([192, 168, 1, 11]));
        let facts = HostFacts { underlay, mtu: 1450, ..HostFacts::default() };
        let mut newer = older.clone();
        let peers = &mut newer.mode.ways_mut().unwrap().peers;
        let net: IpNet = "10.5.4.0/24".parse().unwrap();
        peers.values_mut().for_each(|peer| peer.blocks.retain(|block| *block != net));
        let last = peers.values_mut().last().unwrap();
        last.blocks.extend([net, "10.5.9.9/32".parse().unwrap()]);
        let made = changes(&newer, &facts, &[], 1000);
        let there: Vec<Fact> = made.into_iter().filter_map(|change| change.new).collect();
        assert_ne!(changes(&older, &facts, &there, 1000), [], "it is told apart");
        let missing = |there: &[Fact]| {
            let mut gap = Gap::new(&older, &facts);
            gap.only_missing();
            there.iter().for_each(|fact| gap.see(fact.body.clone()));
            gap.next(1000).unwrap().unwrap_or_default()
        };
        assert_eq!(missing(&there), []);
        let first = missing(&there[1..]);
        assert_eq!(first.len(), 1, "what is gone is put back: {first:?}");
    }
}
