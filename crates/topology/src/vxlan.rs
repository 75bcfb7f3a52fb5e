//! The vxlan topology: a bridge on each host with a block of its own, and tunnels between the hosts.
//!
//!     10.5.1.2 ─ rw-over 10.5.1.1 ─ rwv-over ═ UDP 4789 ═ rwv-over ─ rw-over 10.5.2.1 ─ 10.5.2.2
//!     host 1: 10.5.2.0/24 via 10.5.2.0 dev rwv-over onlink      10.5.2.0 is at HOST 2's tunnel end
//!
//! For each peer a forwarding entry, for each of its blocks a route and a neighbour that stands for
//! the peer's tunnel end: nothing is learned, asked for or flooded. The hardware address of a tunnel
//! end follows from what all hosts know.  Never here: netlink, how peers are found.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Body, Fdb, FdbKey, IfName, Link, LinkKind, Mac, Neigh, NeighKey, Ns, Route, RouteKey,
    SysctlPath, VxlanSpec, proto,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Network, Reach, Vxlan, names};

use crate::wiring::{HostFacts, Wiring, setting};
use crate::{bridge, firewall};

/// The bridge, the tunnel end, and what leads to the peers.
pub(crate) fn network(
    network: &Network,
    tunnel: &Vxlan,
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let mut plan = bridge::network(network, None, Reach::Open, host)?;
    let Some(local) = host.underlay else { return Ok(plan) };
    let dev = names::tunnel(&network.name);
    plan.ensure(&Ns::HOST, Body::Link(end(network, tunnel, local, host)))?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&dev, "accept_ra"), "0"))?;
    for (peer, blocks) in &tunnel.peers {
        let mac = names::tunnel_mac(&network.name, tunnel.vni, *peer);
        plan.ensure(&Ns::HOST, Body::Fdb(to(&dev, mac, *peer)))?;
        for block in blocks {
            plan.ensure(&Ns::HOST, Body::Neigh(at(&dev, *block, mac)))?;
            plan.ensure(&Ns::HOST, Body::Route(route(network, &dev, *block)))?;
        }
    }
    let own: Vec<IpNet> = network.subnets.iter().map(|subnet| subnet.net).collect();
    let theirs: Vec<IpNet> = tunnel.blocks().collect();
    for element in firewall::direct_between(&own, &theirs) {
        plan.ensure(&Ns::HOST, element)?;
    }
    Ok(plan)
}

/// As on a bridge.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    bridge::attach(wiring, None, Reach::Open)
}

/// `ip link add rwv-over address MAC mtu MTU up type vxlan id VNI dstport PORT local HOST nolearning`
fn end(network: &Network, tunnel: &Vxlan, local: IpAddr, host: &HostFacts) -> Link {
    let (vni, port) = (tunnel.vni, tunnel.port);
    // Not bound to the interface: the outer packets go as the host's routes say, and the tunnel
    // outlives the interface.
    let spec = VxlanSpec { vni, port, local: Some(local), dev: None, learning: false };
    let mut link = Link::up(names::tunnel(&network.name), LinkKind::Vxlan(spec));
    link.mac = Some(names::tunnel_mac(&network.name, vni, local));
    link.mtu = Some(host.mtu);
    link.altnames.insert(names::tunnel_altname(&network.name));
    // What comes from a peer comes from the network, and passes as such.
    link.group = names::group(&network.name);
    link
}

/// `bridge fdb add MAC dev DEV dst PEER self permanent`
fn to(dev: &IfName, mac: Mac, peer: IpAddr) -> Fdb {
    let key = FdbKey { dev: dev.clone(), mac, own: true, dst: Some(peer), vlan: None };
    Fdb { key, state: Neigh::PERMANENT, derived: false }
}

/// `ip neigh add BLOCK lladdr MAC dev DEV nud permanent`: the block's own address, which nobody
/// has, stands for the tunnel end.
fn at(dev: &IfName, block: IpNet, mac: Mac) -> Neigh {
    let key = NeighKey { dev: dev.clone(), ip: block.network(), proxy: false };
    let state = Neigh::PERMANENT;
    Neigh { key, mac: Some(mac), state, proto: proto::ROPEWALK, derived: false }
}

/// `ip route add BLOCK via BLOCK dev DEV onlink src GATEWAY`: what the host itself sends comes from
/// an address that the peer has a way back to.
fn route(network: &Network, dev: &IfName, block: IpNet) -> Route {
    let mut route = Route::unicast(RouteKey::main(block), dev.clone(), Some(block.network()));
    route.hops.iter_mut().for_each(|hop| hop.onlink = true);
    let family = |ip: &IpAddr| ip.is_ipv4() == block.addr().is_ipv4();
    route.prefsrc = network.subnets.iter().filter_map(|subnet| subnet.gateway).find(family);
    route
}
