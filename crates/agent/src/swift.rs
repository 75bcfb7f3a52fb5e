//! Ways to new blocks and single addresses at once: what is simple of what was heard is in the kernel before
//! a round decides.
//!
//!     blk/over/0a050200-28 is h2's ─▶ who had it ─▶ one batch                 a round follows, and writes it down
//!     exc/over/0a050307 is h2's
//!
//! Only ways are changed, of networks that are made, to hosts that are known; nothing is taken away.
//! What is not so simple, or fails, is left to the round.  Never here: what is decided.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use ropewalk_cluster::{
    Block, BlockState, Exception, Fresh, HostId, Memory, Place, Pool, Reached, View, reached,
};
use ropewalk_engine::{Engine, Lead, Paths, Peers};
use ropewalk_spec::{NetworkName, Peer};

/// The networks that are made, and where their blocks are.
#[derive(Default)]
pub(crate) struct Swift(BTreeMap<NetworkName, Led>);

/// A network, as the kernel has it.
struct Led {
    lead: Lead,
    /// The hosts that the last round led to: what leads to them themselves is there.
    peers: Arc<Peers>,
    /// What was led elsewhere since, and a block of each host that was new.
    moved: BTreeMap<IpNet, IpAddr>,
    hosts: BTreeMap<IpAddr, IpNet>,
}

/// A block that has come to a host, with what is known of that one, and where it was before.
struct News {
    block: IpNet,
    ip: IpAddr,
    more: Reached,
    before: Option<IpAddr>,
}

impl Swift {
    /// Knows how things are after a round. Where that cannot be told, rounds do everything.
    pub(crate) fn learn(&mut self, paths: &Paths, memory: &Memory) {
        self.0.clear();
        let Ok(mut engine) = Engine::open(paths) else { return };
        for (name, wish) in &memory.made {
            if memory.begun.contains(name) {
                continue;
            }
            let like = wish.peers.keys().next().copied();
            let Ok(Some(lead)) = engine.lead(name, like) else { continue };
            let (moved, hosts) = Default::default();
            let peers = Arc::clone(&wish.peers);
            self.0.insert(name.clone(), Led { lead, peers, moved, hosts });
        }
    }

    /// Leads to what was heard of as the store says; true when that is all that was to be done for it.
    pub(crate) fn lead(&mut self, view: &View, memory: &Memory, fresh: &Fresh) -> bool {
        let v4 = memory.journal.me.addresses.first().is_none_or(IpAddr::is_ipv4);
        let mut whole = true;
        let mut all: BTreeMap<&NetworkName, Vec<News>> = BTreeMap::new();
        let known = |id: &HostId| reached(&view.hosts.get(id)?.value, v4);
        let mut take = |network, block, owner: Option<&HostId>, before: &Option<HostId>| {
            let Some((ip, more)) = owner.and_then(known) else {
                whole = false;
                return;
            };
            let before = before.as_ref().and_then(known).map(|(ip, _)| ip);
            all.entry(network).or_default().push(News { block, ip, more, before });
        };
        for (place, before) in &fresh.blocks {
            let at = view.blocks.get(place).filter(|kept| simple(view, &kept.value, memory, place));
            take(&place.network, place.block, at.map(|kept| &kept.value.h), before);
        }
        for (one, before) in &fresh.singles {
            let at = view.exceptions.get(one).filter(|kept| alone(view, &kept.value, memory, one));
            take(&one.0, IpNet::from(one.1), at.map(|kept| &kept.value.h), before);
        }
        for (network, news) in all {
            whole &= self.0.get_mut(network).is_some_and(|led| led.change(news));
        }
        whole
    }
}

/// A block of the network's pools that is another host's, and has nothing to do with this one.
fn simple(view: &View, block: &Block, memory: &Memory, place: &Place) -> bool {
    let ours = memory.journal.held.contains_key(place) || memory.journal.given.contains_key(place);
    let pools = view.nets.get(&place.network).map(|net| net.value.pools.as_slice());
    let cut = |pool: &Pool| pool.len == place.block.prefix_len() && pool.net.contains(&place.block);
    let whole = pools.is_some_and(|pools| pools.iter().any(cut));
    block.state == BlockState::Own && block.h != memory.journal.host && !ours && whole
}

/// A single address of the network's pools that is another host's, has nothing to do with this one, and is
/// not the number of a block: behind a tunnel, that stands for the block's host.
fn alone(
    view: &View,
    one: &Exception,
    memory: &Memory,
    (network, ip): &(NetworkName, IpAddr),
) -> bool {
    let journal = &memory.journal;
    let mut held = journal.held.keys().chain(journal.exceptions.keys());
    let ours = held.any(|place| place.network == *network && place.block.contains(ip));
    let pools = view.nets.get(network).map(|net| net.value.pools.as_slice()).unwrap_or_default();
    let first = |pool: &Pool| IpNet::new(*ip, pool.len).is_ok_and(|block| block.network() == *ip);
    let pool = pools.iter().find(|pool| pool.net.contains(ip));
    !one.asked && one.h != journal.host && !ours && pool.is_some_and(|pool| !first(pool))
}

impl Led {
    fn change(&mut self, news: Vec<News>) -> bool {
        let (mut before, mut after) = (Peers::new(), Peers::new());
        for News { block, ip, more: Reached { also, mtu }, before: old } in news {
            let old = self.moved.insert(block, ip).or_else(|| {
                old.filter(|old| self.leads(*old, block)).or_else(|| self.leader(block))
            });
            if old == Some(ip) {
                continue;
            }
            let peer = || Peer { blocks: Vec::new(), also, mtu };
            after.entry(ip).or_insert_with(peer).blocks.push(block);
            if let Some(old) = old {
                before.entry(old).or_insert_with(peer).blocks.push(block);
            }
            let first = self.peers.get(&ip).and_then(|peer| peer.blocks.first()).copied();
            let known = first.unwrap_or_else(|| *self.hosts.entry(ip).or_insert(block));
            let there = &mut before.entry(ip).or_insert_with(peer).blocks;
            if known != block && !there.contains(&known) {
                there.push(known);
            }
        }
        after.is_empty() || self.lead.change(before, after).is_ok()
    }

    /// By which host the last round led to a block, where the store does not say: it was wiped, or the
    /// block is new.
    fn leader(&self, block: IpNet) -> Option<IpAddr> {
        self.peers.keys().copied().find(|ip| self.leads(*ip, block))
    }

    /// Whether the last round led to a block by that host.
    fn leads(&self, ip: IpAddr, block: IpNet) -> bool {
        self.peers.get(&ip).is_some_and(|peer| peer.blocks.binary_search(&block).is_ok())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeSet;

    use ropewalk_cluster::keep::{Event, Item, Listing};
    use ropewalk_cluster::own::{Held, HeldState, Journal, Standing};
    use ropewalk_cluster::{Host, Key, PREFIX, Progress, wishes};
    use ropewalk_testnet::Private;

    use super::*;
    use crate::hands::make;

    fn host(n: u8) -> Host {
        let (name, token) = (format!("h{n}"), "t".into());
        let addresses = vec![[192, 168, 1, n].into()];
        Host { name, token, generation: 1, addresses, mtu: None }
    }

    fn item(key: &str, value: String) -> Item {
        let key = format!("{PREFIX}{key}");
        Item { key, value: value.into_bytes(), created: 1, modified: 1 }
    }

    /// Three hosts, of which the first two have a block each of a routed network.
    fn store() -> View {
        let net = r#"{"spec":{"mode":"routed"},"pools":[{"net":"10.5.0.0/16","len":24}]}"#;
        let mut items = vec![item("net/over", net.into())];
        for n in 1..4 {
            let id = HostId::new(n.into());
            items.push(item(&format!("host/{id}"), serde_json::to_string(&host(n)).unwrap()));
            let block = format!(r#"{{"h":"{id}","gen":1,"state":"own"}}"#);
            items.extend((n < 3).then(|| item(&format!("blk/over/0a050{n}00-24"), block)));
        }
        View::new(&Listing { items, revision: 1 })
    }

    /// The first host has made its part of the network.
    fn made(paths: &Paths, view: &View) -> Memory {
        let mut journal = Journal::new(HostId::new(1), host(1), "c".into());
        journal.standing = Standing::Member;
        let held = Held { generation: 1, state: HeldState::Own, without: BTreeSet::new() };
        journal.held.insert("over 10.5.1.0/24".to_owned().try_into().unwrap(), held);
        let made = wishes(view, &journal, &BTreeMap::new(), &BTreeSet::new());
        let (begun, alarms, faults) = Default::default();
        let memory = Memory {
            journal,
            made,
            begun,
            alarms,
            faults,
            progress: Progress::default(),
            away: None,
        };
        for (name, wish) in &memory.made {
            make(paths, name, wish, None).unwrap();
        }
        memory
    }

    #[test]
    fn an_address_that_moves_is_led_to_before_a_round() {
        let net = Private::enter();
        net.sh("ip link add eth0 type veth peer name lan; ip link set lan up
            ip link set eth0 up; ip addr add 192.168.1.1/24 dev eth0");
        let paths = Paths { state: "/run/ropewalk".into(), config: "/etc/ropewalk".into() };
        let mut view = store();
        let memory = made(&paths, &view);
        let mut swift = Swift::default();
        swift.learn(&paths, &memory);
        let mut had: BTreeMap<IpAddr, HostId> = BTreeMap::new();
        let mut comes = |ip: [u8; 4], to: u8, asked: bool| {
            let (ip, h) = (IpAddr::from(ip), HostId::new(to.into()));
            let one: (NetworkName, IpAddr) = ("over".parse().unwrap(), ip);
            let value = format!(r#"{{"h":"{h}","gen":1,"asked":{asked}}}"#);
            let key = Key::Exception(one.0.clone(), ip).to_string();
            let item = Item { key, value: value.into_bytes(), created: 1, modified: 2 };
            view.take(2, &Event::Put(item));
            let singles = [(one, had.insert(ip, h))].into();
            let whole = swift.lead(&view, &memory, &Fresh { singles, ..Fresh::default() });
            let routes = net.sh("ip route show proto 114");
            let of = |line: &&str| line.starts_with(&format!("{ip} "));
            let ways = routes.lines().filter(of).map(|line| line.replace(" src 192.168.1.1", ""));
            (whole, ways.collect::<Vec<_>>().join("\n").trim().to_owned())
        };
        let way = |ip: &str, host: &str| {
            let scope = if host == "192.168.1.2" { 56 } else { 160 };
            (true, format!("{ip} via {host} dev eth0 scope {scope}"))
        };
        assert_eq!(
            comes([10, 5, 9, 9], 2, false),
            way("10.5.9.9", "192.168.1.2"),
            "nobody's block"
        );
        assert_eq!(comes([10, 5, 9, 9], 3, false), way("10.5.9.9", "192.168.1.3"), "it moved");
        assert_eq!(
            comes([10, 5, 2, 9], 3, false),
            way("10.5.2.9", "192.168.1.3"),
            "another's block"
        );
        // The rest is for a round: what is asked for, what is of this host's block, or for this host, and
        // what behind a tunnel stands for a block.
        let none = (false, String::new());
        assert_eq!(comes([10, 5, 2, 8], 3, true), none);
        assert_eq!(comes([10, 5, 1, 8], 2, false), none);
        assert_eq!(comes([10, 5, 8, 8], 1, false), none);
        assert_eq!(comes([10, 5, 8, 0], 2, false), none);
    }
}
