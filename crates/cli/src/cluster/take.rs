//! `ropewalk join … --network web=10.9.0.0/16`: networks of this host that become the cluster's.
//!
//!     web 10.9.3.0/24, here alone   →   net/web 10.9.0.0/16 in blocks of /24, of which 10.9.3.0/24 is this host's
//!
//! Nothing is renumbered or made anew: the agent adds the ways to the other hosts.  Never here: whose a
//! block is (`cluster`), how a bridge gets a tunnel (`engine`).

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use ropewalk_cluster::own::{Held, HeldState};
use ropewalk_cluster::{HostId, Memory, Net, Pool, View, Wish, verbs};
use ropewalk_engine::{Code, Engine, Fault, Paths};
use ropewalk_spec::{Mode, Network, NetworkName, RawNetwork, Reach};

use crate::table::Taken;

/// What is taken along.
pub(super) struct Along {
    /// As if it stood in a store of the host's own.
    pub(super) own: View,
    wishes: BTreeMap<NetworkName, Wish>,
}

impl Along {
    /// With what is taken along as what was begun, and the blocks as the host's.
    pub(super) fn remembered(&self, mut memory: Memory) -> Memory {
        for place in self.own.blocks.keys() {
            let held = Held { generation: 1, state: HeldState::Own, without: BTreeSet::new() };
            memory.journal.held.insert(place.clone(), held);
        }
        memory.begun.extend(self.wishes.keys().cloned());
        memory.made.extend(self.wishes.clone());
        memory
    }
}

/// What this host takes along into the cluster of `there`.
pub(super) fn along(
    paths: &Paths,
    taken: &[Taken],
    there: &View,
    host: &HostId,
) -> Result<Along, Fault> {
    let mut wishes = BTreeMap::new();
    if !taken.is_empty() {
        let engine = Engine::open(paths)?;
        for one in taken {
            let network = engine.definition(&one.name)?;
            wishes.insert(one.name.clone(), wish(&network, one, there)?);
        }
    }
    let nets = wishes.iter().map(|(name, wish)| {
        let Wish { net, own, .. } = wish;
        (name.clone(), (net.clone(), own.clone()))
    });
    Ok(Along { own: verbs::alone(nets.collect(), host), wishes })
}

fn wish(network: &Network, taken: &Taken, there: &View) -> Result<Wish, Fault> {
    let name = &taken.name;
    let known = there.nets.get(name).map(|kept| kept.value.clone());
    let was_known = known.is_some();
    let net = match known {
        Some(net) => net,
        None => Net { spec: spec(network)?, pools: pools(network, taken)? },
    };
    let own = net.pools.iter().map(|pool| block(network, pool)).collect::<Result<Vec<_>, _>>()?;
    let (without, peers, far) = Default::default();
    let wish = Wish { net, own, without, fenced: false, peers, far };
    let same = |part: &Network| {
        network == part || network.differs_in_peers_only(part) || network.grows_into(part)
    };
    match wish.raw(name).check() {
        Ok(part) if same(&part) => Ok(wish),
        Ok(_) | Err(_) if was_known => {
            let what = format!("the cluster's network {name} has other settings than the one here");
            Err(refused(what).or_try(format!("ropewalk network inspect {name}")))
        }
        Ok(_) | Err(_) => {
            let what = format!("network {name} has settings that are of one host alone");
            let which =
                "its gateway, range, parent or families are not those that other hosts would have";
            Err(refused(what).cause(which))
        }
    }
}

/// What is the same on all hosts.
fn spec(network: &Network) -> Result<RawNetwork, Fault> {
    let mode = match &network.mode {
        Mode::Bridge { bridge: None, reach: Reach::Open } | Mode::Vxlan(_) => "vxlan",
        Mode::Routed(_) => "routed",
        Mode::Bridge { .. }
        | Mode::Flat { .. }
        | Mode::Uplink { .. }
        | Mode::Direct(_)
        | Mode::Cni { .. } => {
            let what = format!("network {} cannot be that of many hosts", network.name);
            let which = "a bridge of ropewalk's own, a routed or a vxlan network can";
            return Err(refused(what).cause(which));
        }
    };
    let raw = RawNetwork::from(network.clone());
    Ok(RawNetwork {
        name: String::new(),
        mode: Some(mode.to_owned()),
        subnet: Vec::new(),
        gateway: Vec::new(),
        range: Vec::new(),
        peer: Vec::new(),
        far: Vec::new(),
        parent: None,
        ..raw
    })
}

/// A pool for each subnet, of which that is a block.
fn pools(network: &Network, taken: &Taken) -> Result<Vec<Pool>, Fault> {
    let pool = |net: IpNet| {
        let wide = |pool: &&IpNet| pool.contains(&net) && pool.prefix_len() < net.prefix_len();
        let found = taken.pools.iter().find(wide);
        found
            .map(|pool| Pool { net: *pool, len: net.prefix_len(), exclude: Vec::new() })
            .ok_or_else(|| {
                let name = &taken.name;
                let what = format!("all addresses that network {name} shall have are to be said");
                let which = format!("{net} of this host is to be one block of them");
                refused(what).cause(which).or_try(format!("--network {name}={}", wider(net)))
            })
    };
    network.subnets.iter().map(|subnet| pool(subnet.net)).collect()
}

/// An example of a pool: 256 blocks, one of which is `net`.
fn wider(net: IpNet) -> IpNet {
    let len = net.prefix_len().saturating_sub(8);
    IpNet::new(net.addr(), len).map_or(net, |pool| pool.trunc())
}

/// The subnet that is a block of `pool`.
fn block(network: &Network, pool: &Pool) -> Result<IpNet, Fault> {
    let mut nets = network.subnets.iter().map(|subnet| subnet.net);
    let found = nets.find(|net| pool.net.contains(net) && net.prefix_len() == pool.len);
    found.ok_or_else(|| {
        let all: Vec<String> =
            network.subnets.iter().map(|subnet| subnet.net.to_string()).collect();
        let (name, all) = (&network.name, all.join(", "));
        let what = format!("no subnet of network {name} is a block of the cluster's {}", pool.net);
        refused(what).cause(format!("it has {all}; blocks are of /{}", pool.len))
    })
}

fn refused(what: String) -> Fault {
    Fault::new(Code::ClusterRefused, what)
}
