//! What a host's networks shall be like: a function of what is in the store and what the host owns.
//!
//!     net/over, blk/… h1 10.5.1.0/24, blk/… h2 10.5.2.0/24, host/h2 192.168.1.12
//!         on h1:  network over, subnet 10.5.1.0/24, peer 192.168.1.12=10.5.2.0/24
//!
//! What leads to other hosts goes only when the store says so and is believed: while it is being
//! told again what it forgot, or has suddenly forgotten much, what was there stays.
//! Never here: the kernel.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use ropewalk_spec::{Far, Network, NetworkName, Peer, RawNetwork, SpecError};
use serde::{Deserialize, Serialize};

use crate::block::Place;
use crate::keep::{Compare, Txn, Write};
use crate::key::Key;
use crate::own::{Held, HeldState, Journal, Standing};
use crate::record::{BlockState, Host, Net};
use crate::view::View;

/// A network as it shall be on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What is the same on all hosts.
    pub net: Net,
    /// The host's own blocks.
    pub own: Vec<IpNet>,
    /// What of them is not leased: in dispute, or on another host now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<IpNet>,
    /// The host was removed, and it is not known yet what of it is its own.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
    /// The other hosts, and their blocks. They are written down beside the network's definition, and
    /// nowhere else: there may be thousands.
    #[serde(skip)]
    pub peers: Arc<Peers>,
    /// Ports of this host that lead to their sandboxes.
    #[serde(default)]
    pub far: BTreeSet<Far>,
}

/// Other hosts by their addresses, and their blocks in order.
pub type Peers = BTreeMap<IpAddr, Peer>;

/// What is known of another host beside its address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Its address of the other family.
    pub also: Option<IpAddr>,
    /// What fits through its uplink.
    pub mtu: Option<u32>,
}

impl Wish {
    /// As a network.
    ///
    /// # Errors
    /// The first option that cannot be.
    pub fn network(&self, name: &NetworkName) -> Result<Network, SpecError> {
        self.raw(name).check()?.with_peers(self.peers.as_ref().clone())
    }

    /// Nothing of it is the host's any more, as far as is known.
    pub fn fence(&mut self) {
        self.without.clone_from(&self.own);
        self.fenced = true;
    }

    /// As options of a network, without the other hosts.
    #[must_use]
    pub fn raw(&self, name: &NetworkName) -> RawNetwork {
        let texts = |nets: &[IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>();
        let led = matches!(self.net.spec.mode.as_deref(), Some("routed" | "vxlan"));
        let pools: Vec<IpNet> = self.net.pools.iter().map(|pool| pool.net).collect();
        let there = |far: &&Far| self.blocks().any(|block| block.contains(&far.to));
        RawNetwork {
            name: name.to_string(),
            subnet: if self.of_lan() { self.net.spec.subnet.clone() } else { texts(&self.own) },
            own: texts(&self.own),
            without: texts(&self.without),
            fenced: self.fenced,
            pool: if led && !self.of_lan() { texts(&pools) } else { Vec::new() },
            far: self.far.iter().filter(there).map(ToString::to_string).collect(),
            ..self.net.spec.clone()
        }
    }

    /// Whether its addresses are of a LAN that all hosts are on: nothing leads to the other hosts.
    #[must_use]
    pub fn of_lan(&self) -> bool {
        on_lan(&self.net)
    }

    /// Whether an address is of the network.
    #[must_use]
    pub fn holds(&self, ip: IpAddr) -> bool {
        let lan = self.net.spec.subnet.iter().filter_map(|net| net.parse::<IpNet>().ok());
        let mut all = self.net.pools.iter().map(|pool| pool.net).chain(lan);
        all.any(|net| net.contains(&ip))
    }

    /// Whether a host can have single addresses outside its blocks: on a bridge, neighbours would look
    /// for them in vain.
    #[must_use]
    pub fn lends(&self) -> bool {
        lends(&self.net)
    }

    /// The blocks of others.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> {
        self.peers.values().flat_map(|peer| &peer.blocks).copied()
    }

    /// How many blocks of others are not known any more, of how many that were.
    #[must_use]
    pub fn lost(
        made: &BTreeMap<NetworkName, Self>,
        wanted: &BTreeMap<NetworkName, Self>,
    ) -> (usize, usize) {
        let lost = |(name, before): (&NetworkName, &Self)| match wanted.get(name) {
            Some(wish) if wish.peers == before.peers => 0,
            Some(wish) => {
                let mut known: Vec<IpNet> = wish.blocks().collect();
                known.sort_unstable();
                before.blocks().filter(|block| known.binary_search(block).is_err()).count()
            }
            None => before.blocks().count(),
        };
        let all = made.values().map(|wish| wish.blocks().count());
        (made.iter().map(lost).sum(), all.sum())
    }

    /// With the peers of `before` that are not known any more, unless their blocks are another's.
    #[must_use]
    pub fn and_before(mut self, before: &Self) -> Self {
        let known: BTreeSet<IpNet> = self.blocks().chain(self.own.iter().copied()).collect();
        let peers = Arc::make_mut(&mut self.peers);
        for (host, peer) in before.peers.iter() {
            let lost = peer.blocks.iter().filter(|block| !known.contains(*block));
            let lost: Vec<IpNet> = lost.copied().collect();
            if !lost.is_empty() {
                let (blocks, also, mtu) = (Vec::new(), peer.also, peer.mtu);
                let kept = peers.entry(*host).or_insert(Peer { blocks, also, mtu });
                kept.blocks.extend(lost);
                kept.blocks.sort_unstable();
            }
        }
        for far in &before.far {
            let meets = |other: &Far| other.publish().conflicts(&far.publish());
            if !self.far.iter().any(meets) {
                self.far.insert(*far);
            }
        }
        self
    }
}

/// The networks that a host can make: those of which it holds a block of every pool. One that was
/// made keeps the blocks that it was made with, as long as they are held and not let go.
#[must_use]
pub fn wishes(
    view: &View,
    journal: &Journal,
    made: &BTreeMap<NetworkName, Wish>,
    let_go: &BTreeSet<Place>,
) -> BTreeMap<NetworkName, Wish> {
    let v4 = journal.me.addresses.first().is_none_or(IpAddr::is_ipv4);
    let hosts = view.hosts.iter().filter(|(id, _)| **id != journal.host);
    let hosts: BTreeMap<_, _> =
        hosts.filter_map(|(id, host)| Some((id, reached(&host.value, v4)?))).collect();
    let mut wishes = BTreeMap::new();
    for (name, net) in &view.nets {
        let pools: Vec<IpNet> = net.value.pools.iter().map(|pool| pool.net).collect();
        let before = made.get(name).map(|wish| wish.own.as_slice()).unwrap_or_default();
        let own: Vec<Vec<IpNet>> =
            pools.iter().map(|pool| held(journal, let_go, name, pool, before)).collect();
        if own.iter().any(Vec::is_empty) {
            continue;
        }
        let mut own = own.concat();
        if lends(&net.value) {
            own.extend(alone(journal, let_go, name, &own));
        }
        let without = without(journal, name, &own);
        let mut peers = Peers::new();
        let mut place = |(ip, more): &(IpAddr, Reached), net: IpNet| {
            let Reached { also, mtu } = *more;
            let peer = || Peer { blocks: Vec::new(), also, mtu };
            peers.entry(*ip).or_insert_with(peer).blocks.push(net);
        };
        let blocks = view.blocks.iter().filter(|(place, block)| {
            place.network == *name && block.value.state == BlockState::Own
        });
        for (Place { block: net, .. }, block) in blocks {
            let inside = pools.iter().any(|pool| pool.contains(net));
            if let Some(host) = hosts.get(&block.value.h).filter(|_| inside)
                && !own.contains(net)
                && journal.standing == Standing::Member
            {
                place(host, *net);
            }
        }
        let elsewhere = view.exceptions.iter().filter(|((network, _), exception)| {
            network == name && !exception.value.asked && journal.standing == Standing::Member
        });
        for ((_, ip), exception) in elsewhere {
            if let Some(host) = hosts.get(&exception.value.h)
                && pools.iter().any(|pool| pool.contains(ip))
                && !own.contains(&IpNet::from(*ip))
            {
                place(host, IpNet::from(*ip));
            }
        }
        if on_lan(&net.value) {
            // Who is where, is asked on the wire.
            peers.clear();
        }
        for peer in peers.values_mut() {
            peer.blocks.sort_unstable();
            peer.blocks.shrink_to_fit();
        }
        let net = net.value.clone();
        let (peers, far) = (Arc::new(peers), BTreeSet::new());
        wishes.insert(name.clone(), Wish { net, own, without, fenced: false, peers, far });
    }
    wishes
}

/// Whether a host can have single addresses of a network outside its blocks.
pub(crate) fn lends(net: &Net) -> bool {
    matches!(net.spec.mode.as_deref(), Some("routed" | "flat"))
}

fn on_lan(net: &Net) -> bool {
    !net.spec.subnet.is_empty()
}

/// Where a host is reached, by IPv4 or not, and what else is known of it.
#[must_use]
pub fn reached(host: &Host, v4: bool) -> Option<(IpAddr, Reached)> {
    let of = |v4: bool| host.addresses.iter().copied().find(|ip| ip.is_ipv4() == v4);
    Some((of(v4)?, Reached { also: of(!v4), mtu: host.mtu }))
}

/// Tells a store that has forgotten of the networks that were made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Again(BTreeSet<NetworkName>);

impl Again {
    /// Those that it does not know, while it is being told. One that it has known meanwhile and does
    /// not know any more was taken away by a person.
    pub fn told(
        &mut self,
        view: &View,
        made: &BTreeMap<NetworkName, Wish>,
        telling: bool,
    ) -> Vec<Txn> {
        if !telling {
            self.0.clear();
            return Vec::new();
        }
        self.0.extend(view.nets.keys().cloned());
        let lost = made.iter().filter(|(name, _)| !self.0.contains(*name));
        let txn = |(name, wish): (&NetworkName, &Wish)| {
            let key = Key::Net(name.clone()).to_string();
            let value = serde_json::to_vec(&wish.net).unwrap_or_default();
            let compares = vec![Compare::Absent(key.clone())];
            Txn { compares, writes: vec![Write::Put(key, value)] }
        };
        lost.map(txn).collect()
    }
}

/// What of `own` is not to be leased.
fn without(journal: &Journal, network: &NetworkName, own: &[IpNet]) -> Vec<IpNet> {
    let here = journal.held.iter().filter(|(place, _)| place.network == *network);
    let out = |(place, held): (&Place, &Held)| -> Vec<IpNet> {
        let disputed = (held.state == HeldState::Disputed).then_some(place.block);
        disputed.into_iter().chain(held.without.iter().copied().map(IpNet::from)).collect()
    };
    let inside = |net: &IpNet| own.iter().any(|block| block.contains(net));
    here.flat_map(out).filter(inside).collect()
}

/// The single addresses that are the host's, and not in a block of its own.
fn alone(
    journal: &Journal,
    let_go: &BTreeSet<Place>,
    network: &NetworkName,
    blocks: &[IpNet],
) -> Vec<IpNet> {
    let here = journal.exceptions.keys().filter(|place| place.network == *network);
    let kept = here.filter(|place| !let_go.contains(place)).map(|place| place.block);
    kept.filter(|ip| !blocks.iter().any(|block| block.contains(ip))).collect()
}

/// The blocks of a pool that the host holds and is not giving up, those of `before` first.
fn held(
    journal: &Journal,
    let_go: &BTreeSet<Place>,
    network: &NetworkName,
    pool: &IpNet,
    before: &[IpNet],
) -> Vec<IpNet> {
    let kept = journal.held.iter().filter(|(_, held)| held.state != HeldState::Leaving);
    let here = kept.map(|(place, _)| place).filter(|place| !let_go.contains(place));
    let here = here.filter(|place| place.network == *network && pool.contains(&place.block));
    let mut blocks: Vec<IpNet> = here.map(|place| place.block).collect();
    blocks.sort_by_key(|block| before.iter().position(|made| made == block).unwrap_or(usize::MAX));
    blocks
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::id::HostId;
    use crate::keep::{Item, Listing};
    use crate::record::Host;

    fn host(n: u8) -> Host {
        let (name, token) = (format!("h{n}"), format!("t{n}"));
        let addresses = vec![IpAddr::from([192, 168, 1, n])];
        Host { name, token, generation: 1, addresses, mtu: (n == 2).then_some(1400) }
    }

    fn view(items: &[(&str, String)]) -> View {
        let item = |(key, value): &(&str, String)| Item {
            key: format!("{}{key}", crate::PREFIX),
            value: value.clone().into_bytes(),
            created: 1,
            modified: 1,
        };
        View::new(&Listing { items: items.iter().map(item).collect(), revision: 1 })
    }

    #[test]
    fn each_block_of_another_host_is_behind_that_host() {
        let id = |n: u8| HostId::new(u128::from(n));
        let block = |n: u8| format!(r#"{{"h":"{}","gen":1,"state":"own"}}"#, id(n));
        let pools = r#"[{"net":"10.5.0.0/16","len":24}]"#;
        let net = format!(r#"{{"spec":{{"mode":"routed","vni":42}},"pools":{pools}}}"#);
        let key = |n: u8| format!("host/{}", id(n));
        let hosts: Vec<_> =
            (1..4).map(|n| (key(n), serde_json::to_string(&host(n)).unwrap())).collect();
        let mut items: Vec<(&str, String)> =
            hosts.iter().map(|(key, value)| (key.as_str(), value.clone())).collect();
        items.push(("net/over", net));
        for (n, key) in [(1, "blk/over/0a050100-24"), (2, "blk/over/0a050200-24")] {
            items.push((key, block(n)));
        }
        items.push(("blk/over/0a050300-24", block(3).replace("own", "quarantine")));
        let view = view(&items);
        let mut journal = Journal::new(id(1), host(1), "c".into());
        let none = BTreeMap::new();
        let nothing = BTreeSet::new();
        assert_eq!(wishes(&view, &journal, &none, &nothing), none, "no block, no network");
        journal.standing = Standing::Member;
        let place: Place = "over 10.5.1.0/24".to_owned().try_into().unwrap();
        let held = Held { generation: 1, state: HeldState::Own, without: BTreeSet::new() };
        journal.held.insert(place.clone(), held);
        let all = wishes(&view, &journal, &none, &nothing);
        let name = place.network.clone();
        let wish = all.get(&name).unwrap();
        let raw = wish.raw(&name);
        let one = |net: &str| vec![net.to_owned()];
        assert_eq!((raw.subnet, raw.pool), (one("10.5.1.0/24"), one("10.5.0.0/16")));
        let written = |wish: &Wish| -> Vec<String> {
            let network = wish.network(&name).unwrap();
            let ways = network.mode.ways().unwrap();
            ways.peers.iter().map(|(host, peer)| peer.written(*host)).collect()
        };
        assert_eq!(written(wish), ["192.168.1.2,mtu:1400=10.5.2.0/24"]);
        // What is forgotten stays where it was, what moved is where it is now.
        let mut before = wish.clone();
        let h9 = IpAddr::from([192, 168, 1, 9]);
        let nets = ["10.5.2.0/24", "10.5.9.0/24"].map(|net| net.parse().unwrap());
        let peer = Peer { blocks: nets.to_vec(), ..Peer::default() };
        before.peers = Arc::new(BTreeMap::from([(h9, peer)]));
        let made = BTreeMap::from([(name.clone(), before.clone())]);
        assert_eq!((Wish::lost(&made, &all), Wish::lost(&all, &all)), ((1, 2), (0, 1)));
        assert_eq!(Wish::lost(&made, &none), (2, 2));
        let merged = wish.clone().and_before(&before);
        let both = ["192.168.1.2,mtu:1400=10.5.2.0/24", "192.168.1.9=10.5.9.0/24"];
        assert_eq!(written(&merged), both);
        // A block that comes late stands behind the one it was made with.
        let late: Place = "over 10.5.0.0/24".to_owned().try_into().unwrap();
        let held = journal.held.values().next().unwrap().clone();
        journal.held.insert(late.clone(), held.clone());
        let wider = wishes(&view, &journal, &all, &nothing);
        let raw = wider.get(&name).unwrap().raw(&name);
        assert_eq!(raw.subnet, ["10.5.1.0/24", "10.5.0.0/24"]);
        assert_eq!((raw.own, raw.without), (raw.subnet, vec![]));
        // One in dispute stays, for who has an address of it, and nothing is leased from it.
        journal.held.get_mut(&late).unwrap().state = HeldState::Disputed;
        let disputed = wishes(&view, &journal, &wider, &nothing);
        let raw = disputed.get(&name).unwrap().raw(&name);
        assert_eq!((raw.own.len(), raw.without), (2, vec!["10.5.0.0/24".to_owned()]));
        // A single address is routed to where it is, from another's block and from this host's own.
        journal.held.get_mut(&late).unwrap().state = HeldState::Own;
        let gone: IpAddr = [10, 5, 1, 7].into();
        journal.held.get_mut(&place).unwrap().without.insert(gone);
        let come: Place = "over 10.5.2.9/32".to_owned().try_into().unwrap();
        journal.exceptions.insert(come.clone(), held);
        let mut moved = view.clone();
        let key = format!("{}exc/over/0a050107", crate::PREFIX);
        let value = |asked| format!(r#"{{"h":"{}","gen":1,"asked":{asked}}}"#, id(3)).into_bytes();
        let item = |asked| Item { key: key.clone(), value: value(asked), created: 2, modified: 2 };
        moved.take(2, &crate::keep::Event::Put(item(true)));
        let of = |view: &View| wishes(view, &journal, &wider, &nothing).remove(&name).unwrap();
        let to = ["192.168.1.2,mtu:1400=10.5.2.0/24", "192.168.1.3=10.5.1.7/32"];
        assert_eq!(written(&of(&moved)), to[..1], "not before it is granted");
        moved.take(3, &crate::keep::Event::Put(item(false)));
        let wish = of(&moved);
        assert_eq!(written(&wish), to);
        let raw = wish.raw(&name);
        assert_eq!(raw.own, ["10.5.1.0/24", "10.5.0.0/24", "10.5.2.9/32"]);
        assert_eq!(raw.without, ["10.5.1.7/32"]);
        let network = raw.check().unwrap();
        assert!(network.shares([10, 5, 2, 9].into()) && !network.shares(gone));
        journal.exceptions.clear();
        journal.held.values_mut().for_each(|held| held.without.clear());
        // What is let go is the last that is made with it.
        assert_eq!(wishes(&view, &journal, &wider, &BTreeSet::from([late])), all);
    }

    #[test]
    fn a_network_that_is_removed_while_the_store_is_told_again_stays_removed() {
        let net = r#"{"spec":{},"pools":[]}"#.to_owned();
        let name: NetworkName = "over".parse().unwrap();
        let there = view(&[("net/over", net)]);
        let text = r#"{"net":{"spec":{},"pools":[]},"own":[],"peers":{}}"#;
        let wish: Wish = serde_json::from_str(text).unwrap();
        let (made, empty) = (BTreeMap::from([(name, wish)]), view(&[]));
        let mut again = Again::default();
        assert_eq!(again.told(&empty, &made, true).len(), 1, "wiped");
        assert_eq!(again.told(&there, &made, true), [], "it knows again");
        assert_eq!(again.told(&empty, &made, true), [], "and somebody takes it away");
        assert_eq!(again.told(&empty, &made, false), []);
        assert_eq!(again.told(&empty, &made, true).len(), 1, "wiped once more");
    }
}
