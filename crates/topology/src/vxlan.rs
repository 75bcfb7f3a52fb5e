//! The vxlan topology: a bridge on each host with a block of its own, and tunnels between the hosts.
//!
//!     10.5.1.2 ─ rw-over 10.5.1.1 ─ rwv-over ═ UDP 4789 ═ rwv-over ─ rw-over 10.5.2.1 ─ 10.5.2.2
//!     host 1: 10.5.2.0/24 via 10.5.2.0 dev rwv-over onlink      10.5.2.0 is at HOST 2's tunnel end
//!
//! For each peer a forwarding entry, for each of its blocks a route and a neighbour that stands for
//! the peer's tunnel end: nothing is learned, asked for or flooded. The hardware address of a tunnel
//! end follows from what all hosts know.  Never here: netlink, how peers are found.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ropewalk_facts::{
    Body, Fdb, FdbKey, IfName, Link, LinkKind, Mac, Neigh, NeighKey, Ns, Route, RouteKey, Scope,
    SysctlPath, VxlanSpec, proto,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Far, Network, Peer, Reach, Vxlan, names};

use crate::passage::widest;
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
    End { network, tunnel, local, mtu: host.mtu, own: gateway }.make(&mut plan)?;
    if !network.led() {
        lead(&mut plan, network, tunnel, host)?;
    }
    unchanged(&mut plan, network)?;
    far(&mut plan, tunnel, |_, block| gateway(network, block))?;
    Ok(plan)
}

/// What leads to the peers.
pub(crate) fn lead(
    plan: &mut Plan,
    network: &Network,
    tunnel: &Vxlan,
    host: &HostFacts,
) -> Result<(), Duplicate> {
    let Some(local) = host.underlay else { return Ok(()) };
    let end = End { network, tunnel, local, mtu: host.mtu, own: gateway };
    tunnel.peers.iter().try_for_each(|(ip, peer)| end.lead(plan, *ip, peer, &peer.blocks))
}

/// As on a bridge.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    bridge::attach(wiring, None, Reach::Open)
}

/// The host's address on the network, of the family of `block`.
fn gateway(network: &Network, block: IpNet) -> Option<IpAddr> {
    let family = |ip: &IpAddr| ip.is_ipv4() == block.addr().is_ipv4();
    network.subnets.iter().filter_map(|subnet| subnet.gateway).find(family)
}

/// Between this host's part of the network and that of the others nothing is changed.
pub(crate) fn unchanged(plan: &mut Plan, network: &Network) -> Result<(), Duplicate> {
    let own: Vec<IpNet> = network.subnets.iter().map(|subnet| subnet.net).collect();
    let theirs = network.elsewhere();
    let (own, mut theirs) = (widest(&own, &theirs), widest(&theirs, &own));
    theirs.retain(|net| !own.contains(net));
    let elements = firewall::direct_between(&own, &theirs);
    elements.into_iter().try_for_each(|element| plan.ensure(&Ns::HOST, element))
}

/// Ports of this host that lead to sandboxes of others. What `own` says of a peer and a block of it is
/// the address of this host that is spoken from on the way there.
pub(crate) fn far(
    plan: &mut Plan,
    ways: &Vxlan,
    own: impl Fn((IpAddr, &Peer), IpNet) -> Option<IpAddr>,
) -> Result<(), Duplicate> {
    for Far { port, to } in &ways.far {
        let peer = ways.peers.iter().find_map(|(ip, peer)| {
            let block = peer.blocks.iter().find(|block| block.contains(to))?;
            own((*ip, peer), *block)
        });
        let Some(element) = peer.and_then(|own| firewall::far(*to, own)) else { continue };
        if !plan.states(&element.id().at(Ns::HOST)) {
            plan.ensure(&Ns::HOST, element)?;
        }
        for (from, target) in port.pairs() {
            let to = SocketAddr::new(*to, target);
            if let Some(element) = firewall::publish(port.proto.number(), None, from, to) {
                plan.ensure(&Ns::HOST, element)?;
            }
        }
    }
    Ok(())
}

/// What leads to one block of another host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The route.
    pub route: Route,
    /// By a tunnel: where the host is, and who stands for its end.
    pub behind: Option<(Fdb, Neigh)>,
}

/// What leads to a block of the peer at `ip`; none while this host has no address to begin at.
pub(crate) fn way(
    network: &Network,
    tunnel: &Vxlan,
    host: &HostFacts,
    (ip, peer): (IpAddr, &Peer),
    block: IpNet,
) -> Option<Way> {
    let end = End { network, tunnel, local: host.underlay?, mtu: host.mtu, own: gateway };
    Some(end.way(ip, peer, block))
}

/// This host's end of the tunnels of a network.
pub(crate) struct End<'a> {
    pub(crate) network: &'a Network,
    pub(crate) tunnel: &'a Vxlan,
    /// Its underlay address.
    pub(crate) local: IpAddr,
    /// What fits through it.
    pub(crate) mtu: u32,
    /// What the host itself sends to a block comes from there: the peer has a way back to it.
    pub(crate) own: fn(&Network, IpNet) -> Option<IpAddr>,
}

impl End<'_> {
    /// The tunnel end itself.
    pub(crate) fn make(&self, plan: &mut Plan) -> Result<(), Duplicate> {
        plan.ensure(&Ns::HOST, Body::Link(self.link()))?;
        plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&self.dev(), "accept_ra"), "0"))
    }

    /// What leads to `blocks` of the peer at `ip`.
    pub(crate) fn lead(
        &self,
        plan: &mut Plan,
        ip: IpAddr,
        peer: &Peer,
        blocks: &[IpNet],
    ) -> Result<(), Duplicate> {
        let dev = self.dev();
        let mac = names::tunnel_mac(&self.network.name, self.tunnel.vni, ip);
        plan.ensure(&Ns::HOST, Body::Fdb(to(&dev, mac, ip)))?;
        for block in blocks {
            plan.ensure(&Ns::HOST, Body::Neigh(at(&dev, *block, mac)))?;
            plan.ensure(&Ns::HOST, Body::Route(self.route(peer, *block)))?;
        }
        Ok(())
    }

    /// What leads to one block of the peer at `ip`.
    pub(crate) fn way(&self, ip: IpAddr, peer: &Peer, block: IpNet) -> Way {
        let dev = self.dev();
        let mac = names::tunnel_mac(&self.network.name, self.tunnel.vni, ip);
        let behind = Some((to(&dev, mac, ip), at(&dev, block, mac)));
        Way { route: self.route(peer, block), behind }
    }

    fn dev(&self) -> IfName {
        names::tunnel(&self.network.name)
    }

    /// `ip link add rwv-over address MAC mtu MTU up type vxlan id VNI dstport PORT local HOST nolearning`
    fn link(&self) -> Link {
        let (vni, port) = (self.tunnel.vni, self.tunnel.port);
        // Not bound to the interface: the outer packets go as the host's routes say, and the tunnel
        // outlives the interface.
        let spec = VxlanSpec { vni, port, local: Some(self.local), dev: None, learning: false };
        let mut link = Link::up(self.dev(), LinkKind::Vxlan(spec));
        link.mac = Some(names::tunnel_mac(&self.network.name, vni, self.local));
        link.mtu = Some(self.mtu);
        link.altnames.insert(names::tunnel_altname(&self.network.name));
        // What comes from a peer comes from the network, and passes as such.
        link.group = names::group(&self.network.name);
        link
    }

    /// `ip route add BLOCK via BLOCK dev DEV onlink src OWN [mtu MTU]`
    fn route(&self, peer: &Peer, block: IpNet) -> Route {
        let mut route = Route::unicast(RouteKey::main(block), self.dev(), Some(block.network()));
        route.hops.iter_mut().for_each(|hop| hop.onlink = true);
        route.scope = apart(block.network());
        route.prefsrc = (self.own)(self.network, block);
        let theirs = peer.mtu.map(|mtu| mtu.saturating_sub(Vxlan::overhead(self.local)));
        route.mtu = fits(theirs, self.mtu, block);
        route
    }
}

/// The scope of a route by a gateway to another host: a number between universe and site, by the gateway.
///
/// It changes nothing for a packet. The kernel looks for a next hop that it knows by protocol, scope, source,
/// metric and link (`fib_info_hashfn`, net/ipv4/fib_semantics.c), and not by the gateway: thousands of hosts on
/// one link would be one chain, which each new route walks. Interior routes may have a scope of their own
/// (`rt_scope_t`, include/uapi/linux/rtnetlink.h).
pub(crate) fn apart(via: IpAddr) -> Scope {
    /// `RT_SCOPE_SITE`.
    const SITE: u32 = 200;
    let IpAddr::V4(via) = via else { return Scope::GLOBAL };
    // The upper half of a product by the golden ratio: neighbours come far from each other.
    let mixed = via.to_bits().wrapping_mul(0x9e37_79b9) >> 16;
    Scope(u8::try_from(mixed % SITE).unwrap_or_default())
}

/// What fits through both uplinks, where the peer's is known: a packet that is too long is answered
/// by this host, instead of being lost on its way.
pub(crate) fn fits(theirs: Option<u32>, here: u32, block: IpNet) -> Option<u32> {
    /// What every link of IPv6 has (RFC 8200 §5).
    const LEAST_V6: u32 = 1280;
    let least = if block.addr().is_ipv4() { 0 } else { LEAST_V6 };
    theirs.map(|mtu| mtu.max(least).min(here))
}

/// `bridge fdb add MAC dev DEV dst PEER self permanent`
fn to(dev: &IfName, mac: Mac, peer: IpAddr) -> Fdb {
    let key = FdbKey { dev: dev.clone(), mac, own: true, dst: Some(peer), vlan: None };
    Fdb { key, state: Neigh::PERMANENT, derived: false }
}

/// `ip neigh add BLOCK lladdr MAC dev DEV nud permanent`: the block's own address, which no sandbox
/// has, stands for the tunnel end.
fn at(dev: &IfName, block: IpNet, mac: Mac) -> Neigh {
    let key = NeighKey { dev: dev.clone(), ip: block.network(), proxy: false };
    let state = Neigh::PERMANENT;
    Neigh { key, mac: Some(mac), state, proto: proto::ROPEWALK, derived: false }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn thousands_of_next_hops_on_one_link_are_not_one_chain_of_the_kernel() {
        let small = (0..5000_u32).map(|n| IpAddr::V4((0x0a05_0000 + (n << 4)).into()));
        let wide = (0..5000_u32).map(|n| IpAddr::V4((0x0a00_0000 + (n << 8)).into()));
        let hosts = (0..5000_u32).map(|n| IpAddr::V4((0xc0a8_0001 + n).into()));
        for vias in [small.collect::<Vec<_>>(), wide.collect(), hosts.collect()] {
            let mut chains: BTreeMap<Scope, usize> = BTreeMap::new();
            vias.iter().for_each(|via| *chains.entry(apart(*via)).or_default() += 1);
            assert!(chains.keys().all(|scope| scope.0 < 200), "past what interior routes may have");
            assert!(chains.values().all(|long| *long <= 50), "twice the mean: {chains:?}");
        }
        assert_eq!(apart([0xfd; 16].into()), Scope::GLOBAL, "IPv6 has no scopes of routes");
    }
}
