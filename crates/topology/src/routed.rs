//! The routed topology: a veth pair and a host route for each sandbox, and no bridge.
//!
//!     sandbox eth0 10.9.0.2/32 ── leg 169.254.1.1/32    host: 10.9.0.2 dev leg proto ropewalk
//!     sandbox: 169.254.1.1 dev eth0 scope link, default via 169.254.1.1
//!
//! Other hosts' blocks: by their host where it is on a link of this one, else through a tunnel.
//!
//!     10.5.2.0/24 via 192.168.1.12 dev eth0 proto ropewalk src 192.168.1.11
//!     10.5.3.0/24 via 10.5.3.0 dev rwv-web onlink proto ropewalk src 10.5.1.0
//!
//! Every leg carries the gateway address, so it answers on each link without any other route, and
//! no address of the subnet is spent on it. What is in the subnet but not attached is unreachable,
//! instead of going back out by the default route. That route is also what has a BGP speaker tell of the
//! subnet: where it may be another host's by now, each half has an end instead, and nobody is told.
//! Never here: netlink, allocation, naming.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Addr, Body, Ns, Route, RouteKey, RouteKind, Scope, SysctlPath, proto, table};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Network, Peer, Vxlan, names};

use crate::firewall;
use crate::isolation::{Open, isolation};
use crate::passage::passage;
use crate::vxlan::{self, End, Way};
use crate::wiring::{HostFacts, Near, Wiring, forwarding, setting};

/// The metric of the route that ends a subnet: the last one that is looked at.
const LAST: u32 = u32::MAX;

/// Forwarding, an end for each subnet, the ways to other hosts, and the network's elements of the
/// rule set.
pub(crate) fn network(
    network: &Network,
    ways: &Vxlan,
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    forwarding(&mut plan, network, host)?;
    for subnet in &network.subnets {
        for net in ended(network, subnet.net) {
            plan.ensure(&Ns::HOST, Body::Route(end(net)))?;
        }
    }
    passage(&mut plan, network)?;
    isolation(&mut plan, network, Open::Lan)?;
    others(&mut plan, network, ways, host)?;
    vxlan::unchanged(&mut plan, network)?;
    vxlan::far(&mut plan, ways, |(ip, peer), block| match near(ip, peer, block, host) {
        Some((_, link)) => link.own,
        None => own(network, block).or(host.underlay),
    })?;
    Ok(plan)
}

/// What leads to other hosts, and this host's end of the tunnel, if one is needed.
fn others(
    plan: &mut Plan,
    network: &Network,
    ways: &Vxlan,
    host: &HostFacts,
) -> Result<(), Duplicate> {
    let far = |(ip, peer): (&IpAddr, &Peer)| {
        peer.blocks.iter().any(|block| near(*ip, peer, *block, host).is_none())
    };
    if let Some(local) = host.underlay.filter(|_| ways.peers.iter().any(far)) {
        end_of(network, ways, host, local).make(plan)?;
        let own: BTreeSet<IpAddr> =
            network.subnets.iter().filter_map(|subnet| own(network, subnet.net)).collect();
        for ip in own {
            let address = Addr::global(names::tunnel(&network.name), IpNet::from(ip));
            plan.ensure(&Ns::HOST, Body::Addr(address))?;
        }
    }
    if network.led() { Ok(()) } else { lead(plan, network, ways, host) }
}

/// What leads to other hosts: those on a link by themselves, the others by the tunnel.
pub(crate) fn lead(
    plan: &mut Plan,
    network: &Network,
    ways: &Vxlan,
    host: &HostFacts,
) -> Result<(), Duplicate> {
    for (ip, peer) in &ways.peers {
        let mut behind = Vec::new();
        for block in peer.blocks.iter().copied() {
            match direct(*ip, peer, block, host) {
                Some(route) => plan.ensure(&Ns::HOST, Body::Route(route))?,
                None => behind.push(block),
            }
        }
        if let Some(local) = host.underlay.filter(|_| !behind.is_empty()) {
            end_of(network, ways, host, local).lead(plan, *ip, peer, &behind)?;
        }
    }
    Ok(())
}

/// What leads to a block of the peer at `ip`; by a tunnel, none while this host has no address to begin
/// at.
pub(crate) fn way(
    network: &Network,
    ways: &Vxlan,
    host: &HostFacts,
    (ip, peer): (IpAddr, &Peer),
    block: IpNet,
) -> Option<Way> {
    match direct(ip, peer, block, host) {
        Some(route) => Some(Way { route, behind: None }),
        None => Some(end_of(network, ways, host, host.underlay?).way(ip, peer, block)),
    }
}

/// The route to a block of a peer that is on a link.
fn direct(ip: IpAddr, peer: &Peer, block: IpNet, host: &HostFacts) -> Option<Route> {
    let (via, link) = near(ip, peer, block, host)?;
    let mut route = Route::unicast(RouteKey::main(block), link.dev.clone(), Some(via));
    route.scope = vxlan::apart(via);
    route.prefsrc = link.own;
    route.mtu = vxlan::fits(peer.mtu, host.mtu, block);
    Some(route)
}

fn end_of<'a>(network: &'a Network, ways: &'a Vxlan, host: &HostFacts, local: IpAddr) -> End<'a> {
    End { network, tunnel: ways, local, mtu: host.tunnel_mtu, own }
}

/// The next hop to a block of a peer, where it is on a link.
fn near<'a>(
    ip: IpAddr,
    peer: &Peer,
    block: IpNet,
    host: &'a HostFacts,
) -> Option<(IpAddr, &'a Near)> {
    let family = |ip: &IpAddr| ip.is_ipv4() == block.addr().is_ipv4();
    let ip = [Some(ip), peer.also].into_iter().flatten().find(family)?;
    host.near.get(&ip).map(|link| (ip, link))
}

/// The host's own address in a tunnel: that of the first of its blocks itself, unless blocks are so
/// small that sandboxes have it.
fn own(network: &Network, to: IpNet) -> Option<IpAddr> {
    let family = |net: &IpNet| net.addr().is_ipv4() == to.addr().is_ipv4();
    let net = network.subnets.iter().map(|subnet| subnet.net).find(family)?;
    (net.prefix_len() + 1 < net.max_prefix_len()).then(|| net.network())
}

/// What has an end for a subnet: it, or its halves where nobody is to be told of it. A single address has
/// none, so it has no end then.
fn ended(network: &Network, subnet: IpNet) -> Vec<IpNet> {
    if !network.fenced() {
        return vec![subnet];
    }
    subnet.subnets(subnet.prefix_len() + 1).map(Iterator::collect).unwrap_or_default()
}

/// `ip route add unreachable SUBNET metric 4294967295`
fn end(net: IpNet) -> Route {
    Route {
        key: RouteKey::new(table::MAIN, net, LAST),
        kind: RouteKind::Unreachable,
        hops: Vec::new(),
        scope: Scope::GLOBAL,
        proto: proto::ROPEWALK,
        nhid: None,
        prefsrc: None,
        mtu: None,
        advmss: None,
        derived: false,
    }
}

/// A veth pair, the gateway on its host end, a host route to each address and the way out.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    // Before the leg, so that it is never there without.
    if let Some((mac, addresses)) = wiring.own() {
        for element in firewall::routed_leg(&wiring.leg, mac, &addresses) {
            plan.create(&Ns::HOST, element)?;
        }
    }
    plan.extend(wiring.pair(None)?)?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&wiring.leg, "accept_ra"), "0"))?;
    for net in &wiring.addresses {
        one(&mut plan, wiring, net.addr())?;
    }
    Ok(plan)
}

fn one(plan: &mut Plan, wiring: &Wiring<'_>, ip: IpAddr) -> Result<(), Duplicate> {
    wiring.address(plan, IpNet::from(ip))?;
    let to_ip = RouteKey::main(IpNet::from(ip));
    let route = Route::unicast(to_ip, wiring.leg.clone(), None);
    let Some(gateway) = wiring.gateway(ip) else { return Ok(()) };
    let address = Body::Addr(Addr::global(wiring.leg.clone(), IpNet::from(gateway)));
    if !plan.states(&address.id().at(Ns::HOST)) {
        plan.create(&Ns::HOST, address)?;
        let to_gateway = RouteKey::main(IpNet::from(gateway));
        let link = Route::unicast(to_gateway, wiring.ifname.clone(), None);
        plan.create(&wiring.ns, Body::Route(link))?;
    }
    plan.create(&Ns::HOST, Body::Route(route))?;
    wiring.default_route(plan, gateway)
}
