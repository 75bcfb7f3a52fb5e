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

use ipnet::IpNet;
use ropewalk_spec::{NetworkName, Peer, RawNetwork};
use serde::{Deserialize, Serialize};

use crate::keep::{Compare, Txn, Write};
use crate::key::Key;
use crate::own::{HeldState, Journal, Standing};
use crate::record::{BlockState, Host, Net};
use crate::view::View;

/// A network as it shall be on a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    /// What is the same on all hosts.
    pub net: Net,
    /// The host's own blocks.
    pub own: Vec<IpNet>,
    /// The other hosts, and their blocks.
    pub peers: BTreeMap<IpAddr, BTreeSet<IpNet>>,
    /// What else is known of them.
    #[serde(default)]
    pub reached: BTreeMap<IpAddr, Reached>,
}

/// What is known of another host beside its address.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reached {
    /// Its address of the other family.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub also: Option<IpAddr>,
    /// What fits through its uplink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

impl Wish {
    /// As options of a network.
    #[must_use]
    pub fn raw(&self, name: &NetworkName) -> RawNetwork {
        let subnet = self.own.iter().map(ToString::to_string).collect();
        let peers = self.peers.iter().map(|(host, blocks)| {
            let blocks = blocks.iter().copied().collect();
            let Reached { also, mtu } = self.reached.get(host).cloned().unwrap_or_default();
            Peer { blocks, also, mtu }.written(*host)
        });
        RawNetwork {
            name: name.to_string(),
            subnet,
            peer: peers.collect(),
            ..self.net.spec.clone()
        }
    }

    /// The blocks of others.
    pub fn blocks(&self) -> impl Iterator<Item = IpNet> {
        self.peers.values().flatten().copied()
    }

    /// With the peers of `before` that are not known any more, unless their blocks are another's.
    #[must_use]
    pub fn and_before(mut self, before: &Self) -> Self {
        let known: BTreeSet<IpNet> = self.blocks().chain(self.own.iter().copied()).collect();
        for (host, blocks) in &before.peers {
            let lost = blocks.difference(&known).copied().collect::<Vec<_>>();
            if !lost.is_empty() {
                self.peers.entry(*host).or_default().extend(lost);
                let reached = before.reached.get(host).cloned();
                self.reached.entry(*host).or_insert(reached.unwrap_or_default());
            }
        }
        self
    }
}

/// The networks that a host can make: those of which it holds a block of every pool. One that was
/// made keeps the blocks that it was made with, as long as they are held.
#[must_use]
pub fn wishes(
    view: &View,
    journal: &Journal,
    made: &BTreeMap<NetworkName, Wish>,
) -> BTreeMap<NetworkName, Wish> {
    let v4 = journal.me.addresses.first().is_none_or(IpAddr::is_ipv4);
    let hosts = view.hosts.iter().filter(|(id, _)| **id != journal.host);
    let hosts: BTreeMap<_, _> =
        hosts.filter_map(|(id, host)| Some((id, reached(&host.value, v4)?))).collect();
    let mut wishes = BTreeMap::new();
    for (name, net) in &view.nets {
        let pools: Vec<IpNet> = net.value.pools.iter().map(|pool| pool.net).collect();
        let before = made.get(name).map(|wish| wish.own.as_slice()).unwrap_or_default();
        let own: Vec<IpNet> =
            pools.iter().filter_map(|pool| held(journal, name, pool, before)).collect();
        if own.len() != pools.len() {
            continue;
        }
        let mut peers: BTreeMap<IpAddr, BTreeSet<IpNet>> = BTreeMap::new();
        let mut known = BTreeMap::new();
        let blocks = view.blocks.iter().filter(|(place, block)| {
            place.network == *name && block.value.state == BlockState::Own
        });
        for (place, block) in blocks {
            let inside = pools.iter().any(|pool| pool.contains(&place.block));
            if let Some((host, more)) = hosts.get(&block.value.h).filter(|_| inside)
                && !own.contains(&place.block)
                && journal.standing == Standing::Member
            {
                peers.entry(*host).or_default().insert(place.block);
                known.insert(*host, more.clone());
            }
        }
        let net = net.value.clone();
        wishes.insert(name.clone(), Wish { net, own, peers, reached: known });
    }
    wishes
}

/// Where a host is reached, by IPv4 or not, and what else is known of it.
fn reached(host: &Host, v4: bool) -> Option<(IpAddr, Reached)> {
    let of = |v4: bool| host.addresses.iter().copied().find(|ip| ip.is_ipv4() == v4);
    Some((of(v4)?, Reached { also: of(!v4), mtu: host.mtu }))
}

/// Tells a store that has forgotten of the networks that were made.
#[must_use]
pub fn told_again(view: &View, made: &BTreeMap<NetworkName, Wish>) -> Vec<Txn> {
    let lost = made.iter().filter(|(name, _)| !view.nets.contains_key(name));
    let txn = |(name, wish): (&NetworkName, &Wish)| {
        let key = Key::Net(name.clone()).to_string();
        let value = serde_json::to_vec(&wish.net).unwrap_or_default();
        Txn { compares: vec![Compare::Absent(key.clone())], writes: vec![Write::Put(key, value)] }
    };
    lost.map(txn).collect()
}

/// A block of a pool that the host holds and is not giving up: one of `before`, else the first.
fn held(journal: &Journal, network: &NetworkName, pool: &IpNet, before: &[IpNet]) -> Option<IpNet> {
    let kept = journal.held.iter().filter(|(_, held)| held.state != HeldState::Leaving);
    let here = kept.map(|(place, _)| place);
    let here = here.filter(|place| place.network == *network && pool.contains(&place.block));
    let blocks: Vec<IpNet> = here.map(|place| place.block).collect();
    let made = blocks.iter().find(|block| before.contains(block));
    made.or_else(|| blocks.first()).copied()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::block::Place;
    use crate::id::HostId;
    use crate::keep::{Item, Listing};
    use crate::own::Held;
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
        let net = format!(r#"{{"spec":{{"mode":"vxlan","vni":42}},"pools":{pools}}}"#);
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
        assert_eq!(wishes(&view, &journal, &none), none, "no block, no network");
        journal.standing = Standing::Member;
        let place: Place = "over 10.5.1.0/24".to_owned().try_into().unwrap();
        let held = Held { generation: 1, state: HeldState::Own, without: BTreeSet::new() };
        journal.held.insert(place.clone(), held);
        let all = wishes(&view, &journal, &none);
        let name = place.network;
        let wish = all.get(&name).unwrap();
        let raw = wish.raw(&name);
        assert_eq!(
            (raw.subnet, raw.peer),
            (vec!["10.5.1.0/24".into()], vec!["192.168.1.2,mtu:1400=10.5.2.0/24".into()])
        );
        assert!(wish.raw(&name).check().is_ok());
        // What is forgotten stays where it was, what moved is where it is now.
        let mut before = wish.clone();
        let h9 = IpAddr::from([192, 168, 1, 9]);
        let nets = ["10.5.2.0/24", "10.5.9.0/24"].map(|net| net.parse().unwrap());
        before.peers = BTreeMap::from([(h9, BTreeSet::from(nets))]);
        let merged = wish.clone().and_before(&before).raw(&name);
        assert_eq!(merged.peer, ["192.168.1.2,mtu:1400=10.5.2.0/24", "192.168.1.9=10.5.9.0/24"]);
        assert!(merged.check().is_ok());
        // A block that comes late does not take the place of the one it was made with.
        let late: Place = "over 10.5.0.0/24".to_owned().try_into().unwrap();
        let held = journal.held.values().next().unwrap().clone();
        journal.held.insert(late, held);
        assert_eq!(wishes(&view, &journal, &all), all);
    }
}
