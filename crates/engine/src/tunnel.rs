//! This host's end of a network's tunnel: its address, what it leaves of the MTU, and whether all
//! that can be.
//!
//! Pure: a snapshot of the host in, facts and objections out.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{IfName, LinkKind, Route, Snapshot, proto, table};
use ropewalk_spec::{Mode, Network, Vxlan, names};

use crate::code::Code;
use crate::fault::Fault;
use crate::{host, network, parent};

/// The tunnel of `network`, if it is of such a mode.
pub(crate) fn of(network: &Network) -> Option<&Vxlan> {
    let routed = matches!(network.mode, Mode::Routed(_));
    // Without other hosts, a routed network has none.
    network.mode.ways().filter(|ways| !routed || !ways.peers.is_empty())
}

/// The address of this end: of the peers' family, on their subnet where there is one. Without
/// peers IPv4 goes before IPv6.
pub(crate) fn underlay(tunnel: &Vxlan, found: &Snapshot, parent: &IfName) -> Option<IpAddr> {
    let mut all = host::addresses(found, parent);
    let peer = tunnel.peers.keys().next();
    all.retain(|net| peer.is_none_or(|peer| peer.is_ipv4() == net.addr().is_ipv4()));
    all.sort_by_key(|net| {
        let near = peer.is_some_and(|peer| net.contains(peer));
        (!near, matches!(net, IpNet::V6(_)))
    });
    all.first().map(IpNet::addr)
}

/// The link by which the host reaches `ip`: the most specific of its routes, the best metric first.
pub(crate) fn toward(found: &Snapshot, ip: IpAddr) -> Option<IfName> {
    let routes = ways_to(found, ip);
    routes.into_iter().flat_map(|r| &r.hops).find_map(|hop| hop.dev.clone())
}

/// The link of the host that `ip` is on: no router is between, and no tunnel. `routes` are those of
/// the host's main table.
pub(crate) fn on_link(routes: &[&Route], ip: IpAddr) -> Option<IfName> {
    let leads = routes.iter().filter(|r| r.key.dst.contains(&ip));
    let best = leads.min_by_key(|r| (std::cmp::Reverse(r.key.dst.prefix_len()), r.key.metric))?;
    let [hop] = best.hops.as_slice() else { return None };
    let direct = best.key.dst.prefix_len() > 0 && hop.via.is_none();
    hop.dev.clone().filter(|_| direct)
}

/// The routes that lead to `ip`, the one that is taken first.
fn ways_to(found: &Snapshot, ip: IpAddr) -> Vec<&Route> {
    let leads = |r: &&Route| r.key.table == table::MAIN && r.key.dst.contains(&ip);
    let mut routes: Vec<_> = host::routes(found).filter(leads).collect();
    routes.sort_by_key(|r| (std::cmp::Reverse(r.key.dst.prefix_len()), r.key.metric));
    routes
}

/// Why the tunnel of `network` cannot be, if it cannot.
pub(crate) fn objection(network: &Network, found: &Snapshot) -> Option<Fault> {
    let tunnel = of(network)?;
    let unfit = |what: String| Fault::new(Code::ParentUnfit, what);
    let Some(name) = parent::of(network, found) else {
        let what = "no interface leads to the peers, and there is no default route";
        return Some(unfit(what.into()).or_try("name one with --parent"));
    };
    let Some(link) = host::link(found, &name) else {
        let fault = unfit(format!("there is no interface {name} for the tunnel to leave by"));
        return Some(fault.or_try("ip -br link    lists them; name one with --parent"));
    };
    if !link.up {
        let fault = unfit(format!("{name} is down"));
        return Some(fault.or_try(format!("ip link set {name} up")));
    }
    let Some(local) = underlay(tunnel, found, &name) else {
        let v4 = tunnel.peers.keys().next().is_none_or(IpAddr::is_ipv4);
        let family = if v4 { "IPv4" } else { "IPv6" };
        let fault = unfit(format!("{name} has no {family} address to be this end of the tunnel"));
        return Some(fault.or_try("name another with --parent"));
    };
    if tunnel.peers.contains_key(&local) {
        let what = format!("{local} is this host's own address, and no peer's");
        return Some(Fault::new(Code::BadInput, what).or_try("list the other hosts only"));
    }
    let routed_mode = matches!(network.mode, Mode::Routed(_));
    let overhead = if routed_mode { 0 } else { Vxlan::overhead(local) };
    let most = link.mtu.map(|mtu| mtu.saturating_sub(overhead));
    if let Some((wish, most)) = network.mtu.zip(most).filter(|(wish, most)| wish > most) {
        let what = match routed_mode {
            true => format!("an MTU of {wish} is too much for {name}"),
            false => format!("an MTU of {wish} and the tunnel's header are too much for {name}"),
        };
        return Some(unfit(what).or_try(format!("--mtu {most}, or leave it out")));
    }
    taken(network, tunnel, found).or_else(|| routed(network, tunnel, found))
}

/// Says which other tunnel has the number and port, which the kernel refuses.
fn taken(network: &Network, tunnel: &Vxlan, found: &Snapshot) -> Option<Fault> {
    let own = names::tunnel(&network.name);
    let same = |kind: &LinkKind| matches!(kind, LinkKind::Vxlan(s) if s.vni == tunnel.vni && s.port == tunnel.port);
    let mut links = found.iter().filter_map(|fact| fact.body.as_link());
    let other = links.find(|link| link.name != own && same(&link.kind))?;
    let what = format!("{} has the number {} on port {}", other.name, tunnel.vni, tunnel.port);
    Some(Fault::new(Code::BadInput, what).or_try("choose another --vni, on all hosts"))
}

/// Says which block of a peer the host has another way to.
fn routed(network: &Network, tunnel: &Vxlan, found: &Snapshot) -> Option<Fault> {
    let own = names::tunnel(&network.name);
    let all: Vec<&Route> = host::leading(found, Some(&own)).collect();
    // The routes to the peers' blocks themselves are as many as these.
    let ours = all.iter().any(|r| r.proto == proto::ROPEWALK);
    let blocks: BTreeSet<IpNet> = tunnel.blocks().filter(|_| ours).collect();
    let mut others = all;
    others.retain(|r| r.proto != proto::ROPEWALK || !blocks.contains(&r.key.dst));
    tunnel.blocks().find_map(|block| {
        let route = others.iter().find(|route| host::overlap(route.key.dst, block))?;
        let what = format!("the host already routes {} of {block}", route.key.dst);
        let cause = format!("it leads to {}", network::ways(route));
        Some(Fault::new(Code::SubnetRouted, what).cause(cause).or_try("choose other --subnets"))
    })
}
