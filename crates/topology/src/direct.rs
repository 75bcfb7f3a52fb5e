//! The direct topologies: the sandbox's interface does not pass the host's own network stack.
//!
//!     LAN 192.168.2.0/24 ── eth1 ─┬─ sandbox eth0 192.168.2.50/24    macvlan, ipvlan, vlan
//!        router .1                └─ rw-lan 192.168.2.48/32, host: 192.168.2.50 dev rw-lan
//!                                     (macvlan with a host link)
//!     sandbox eth0 10.1.0.2/24                                       dummy, tap
//!     sandbox eth0 192.168.2.50/24, which is the host's eth1         host-device
//!
//! The LAN's router is the gateway. A link and the one it stands on do not reach each other, so the
//! host reaches its sandboxes by a macvlan of its own, if it is asked to: with strict `rp_filter` it
//! answers there for nobody but them, or LAN hosts would see the host under two hardware addresses.
//! Never here: netlink, allocation, naming.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, IfName, IpvlanMode, Link, LinkKind, Lower, MacvlanMode, Ns, Peer, Route, RouteKey,
    SysctlPath,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::names::{self, Seed};
use ropewalk_spec::{Direct, Network};

use crate::wiring::{HostFacts, Wiring, setting};

/// The host's own link, where it has one; else nothing is shared.
pub(crate) fn network(
    network: &Network,
    direct: &Direct,
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    let Some(parent) = host.parent.as_ref().filter(|_| direct.host_link()) else {
        return Ok(plan);
    };
    let name = names::bridge(&network.name);
    let lower = Some(Peer { ns: Ns::HOST, name: parent.clone() });
    let kind = LinkKind::Macvlan { lower, mode: MacvlanMode::Bridge, queue: None };
    let mut link = Link::up(name.clone(), kind);
    link.mac = Some(names::mac(&network.name, Seed::Text("host")));
    link.mtu = Some(host.mtu);
    link.altnames.insert(names::bridge_altname(&network.name));
    plan.ensure(&Ns::HOST, Body::Link(link))?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&name, "accept_ra"), "0"))?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&name, "accept_dad"), "0"))?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf4(&name, "rp_filter"), "1"))?;
    for ip in network.subnets.iter().filter_map(|subnet| subnet.host) {
        plan.ensure(&Ns::HOST, Body::Addr(Addr::global(name.clone(), IpNet::from(ip))))?;
    }
    Ok(plan)
}

/// The interface, addresses, and the default route.
pub(crate) fn attach(wiring: &Wiring<'_>, direct: &Direct) -> Result<Plan, Duplicate> {
    let mut plan = match direct {
        Direct::Macvlan { mode, .. } => {
            wiring.single(LinkKind::Macvlan { lower: lower(wiring), mode: *mode, queue: None })?
        }
        Direct::Ipvlan { mode, .. } => {
            wiring.single(LinkKind::Ipvlan { lower: lower(wiring), mode: *mode })?
        }
        Direct::Vlan { id, .. } => {
            wiring.single(LinkKind::Vlan { lower: lower(wiring), id: *id })?
        }
        Direct::HostDevice { parent } => {
            wiring.moved(Peer { ns: Ns::HOST, name: parent.clone() }, None)?
        }
        Direct::Dummy => wiring.single(LinkKind::Dummy)?,
        Direct::Tap(spec) => wiring.single(LinkKind::Tap(spec.clone()))?,
    };
    for net in &wiring.addresses {
        wiring.address(&mut plan, *net)?;
    }
    for net in &wiring.addresses {
        let subnet = wiring.network.subnet_of(net.addr());
        for (to, via) in subnet.iter().flat_map(|subnet| &subnet.routes) {
            other_way(&mut plan, wiring, *to, *via)?;
        }
    }
    for net in &wiring.addresses {
        way_out(&mut plan, wiring, direct, net.addr())?;
    }
    if direct.host_link() {
        let name = names::bridge(&wiring.network.name);
        for net in &wiring.addresses {
            plan.create(&Ns::HOST, Body::Route(to_sandbox(net.addr(), name.clone())))?;
        }
    }
    Ok(plan)
}

/// The link that the sandbox's interface stands on.
fn lower(wiring: &Wiring<'_>) -> Lower {
    wiring.parent.clone().map(|name| Peer { ns: Ns::HOST, name })
}

/// A way out that is not the default one.
fn other_way(
    plan: &mut Plan,
    wiring: &Wiring<'_>,
    to: IpNet,
    via: Option<IpAddr>,
) -> Result<(), Duplicate> {
    let route = Body::Route(Route::unicast(RouteKey::main(to), wiring.ifname.clone(), via));
    if plan.states(&route.id().at(wiring.ns.clone())) {
        return Ok(());
    }
    plan.create(&wiring.ns, route)
}

/// By the gateway of the subnet; where the host's routing is shared, by the interface alone.
fn way_out(
    plan: &mut Plan,
    wiring: &Wiring<'_>,
    direct: &Direct,
    ip: IpAddr,
) -> Result<(), Duplicate> {
    let shared = matches!(direct, Direct::Ipvlan { mode: IpvlanMode::L3 | IpvlanMode::L3s, .. });
    match wiring.gateway(ip) {
        Some(via) => wiring.default_route(plan, via),
        None if shared => wiring.way_out(plan, ip.is_ipv4(), None),
        None => Ok(()),
    }
}

/// The host's way to a sandbox, by its own link.
fn to_sandbox(ip: IpAddr, dev: IfName) -> Route {
    Route::unicast(RouteKey::main(IpNet::from(ip)), dev, None)
}
