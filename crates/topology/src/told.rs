//! The wiring that a container runtime told: what there is on the host for its networks, and what
//! one attachment owns.
//!
//!     bridge   sandbox eth0 10.22.0.5/16 ── veth… ─ cni0 10.22.0.1/16 ── forwarding, masquerade
//!     ptp      sandbox eth0 10.1.0.5/24 ── veth… 10.1.0.1/32   host: 10.1.0.5 dev veth…
//!     macvlan, ipvlan, vlan, host-device, dummy, tap: as in `direct`
//!
//! The networks of runtimes are open, as their users know them: nothing is shut between them, and
//! nothing is watched but what is asked for.  Never here: netlink, what a runtime's words mean.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, IfName, Link, LinkKind, MemberFlags, MemberVlan, NextHop, Ns, Peer, Route,
    RouteKey, Scope, SysctlPath, proto, table,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Shared, Told, Way, Wired, names};

use crate::firewall;
use crate::wiring::{HostFacts, Wiring, forward, high, setting};

/// What the attachments of a network share.
///
/// # Errors
/// None: what two of the list have in common is stated once.
pub fn shared(list: &[Shared], host: &HostFacts) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    for one in list {
        for mut body in bodies(one, host) {
            if let Body::Link(link) = &mut body {
                said_of(link, list);
            }
            if !plan.states(&body.id().at(Ns::HOST)) {
                plan.ensure(&Ns::HOST, body)?;
            }
        }
    }
    Ok(plan)
}

/// Adds to a bridge what the list says of it elsewhere.
fn said_of(link: &mut Link, list: &[Shared]) {
    let has = |one: &Shared| list.contains(one);
    let bridge = || link.name.clone();
    if has(&Shared::Apart { bridge: bridge() }) {
        link.group = names::shared_bridge_group(&link.name);
    }
    if has(&Shared::Promisc { bridge: bridge() }) {
        link.promisc = Some(true);
    }
    if has(&Shared::Filtering { bridge: bridge() }) {
        link.vlan_filtering = Some(true);
    }
}

fn bodies(one: &Shared, host: &HostFacts) -> Vec<Body> {
    match one {
        Shared::Forwarding { v6 } => forward(*v6, host),
        Shared::Bridge { name } => bridge(name, host),
        Shared::Gateway { bridge, net } => {
            vec![Body::Addr(Addr::global(bridge.clone(), *net))]
        }
        Shared::Rules => firewall::facts(),
        Shared::Turning { net } => with_rules(*net),
        Shared::Localnet { dev } => vec![setting(SysctlPath::conf4(dev, "route_localnet"), "1")],
        Shared::Apart { bridge } => apart(bridge),
        Shared::Entry { bridge, vlan, usual } => entry(bridge, *vlan, *usual),
        // It is said of the bridge.
        Shared::Promisc { .. } | Shared::Filtering { .. } => Vec::new(),
        // What others' rules are answered with depends on those.
        Shared::Passing => Vec::new(),
    }
}

fn with_rules(net: IpNet) -> Vec<Body> {
    let mut all = firewall::facts();
    all.extend(firewall::direct(&[net]));
    all
}

/// A bridge of our own has an address that follows from its name, as several networks may say that
/// it is there. Its MTU is the smallest of its members', which is the kernel's own rule.
fn bridge(name: &IfName, host: &HostFacts) -> Vec<Body> {
    let mut link = Link::up(name.clone(), LinkKind::Bridge);
    let mut all = Vec::new();
    if !host.foreign_bridge {
        link.mac = Some(names::shared_bridge_mac(name));
        link.altnames.insert(names::shared_bridge_altname(name));
        all.push(setting(SysctlPath::conf6(name, "accept_dad"), "0"));
    }
    all.push(setting(SysctlPath::conf6(name, "accept_ra"), "0"));
    all.insert(0, Body::Link(link));
    all
}

/// The host's way into a VLAN: `BRIDGE.VLAN`, whose other end is a member of the bridge and of that
/// VLAN.
fn entry(bridge: &IfName, vlan: u16, usual: bool) -> Vec<Body> {
    let names = names::vlan_entry(bridge, vlan).zip(names::vlan_entry_leg(bridge, vlan));
    let Some((name, leg)) = names else { return Vec::new() };
    let end = |name: &IfName, other: &IfName| {
        let peer = Peer { ns: Ns::HOST, name: other.clone() };
        let mut link = Link::up(name.clone(), LinkKind::Veth { peer: Some(peer) });
        link.altnames.insert(names::shared_bridge_altname(name));
        link
    };
    let (mut way, mut member) = (end(&name, &leg), end(&leg, &name));
    let mac = names::shared_bridge_mac(&name);
    (way.mac, member.mac) = (Some(mac), Some(high(mac)));
    member.master = Some(bridge.clone());
    let vlans = Some(of_vlan(vlan, usual));
    vec![
        Body::Link(way),
        Body::Link(member),
        Body::Member(MemberFlags { vlans, ..MemberFlags::of(leg) }),
        setting(SysctlPath::conf6(&name, "accept_dad"), "0"),
        setting(SysctlPath::conf6(&name, "accept_ra"), "0"),
    ]
}

/// The VLANs of a member that knows of none: what it sends is of this one; of the usual one, too, as
/// far as it hears.
#[must_use]
pub fn of_vlan(vlan: u16, usual: bool) -> BTreeSet<MemberVlan> {
    let of = |id, pvid| MemberVlan { id, pvid, untagged: true };
    let first = usual.then(|| of(1, false));
    // The last word counts, should they be one.
    first.into_iter().filter(|one| one.id != vlan).chain([of(vlan, true)]).collect()
}

/// In a group of its own, which others that are in one do not reach; the host is no less open.
fn apart(bridge: &IfName) -> Vec<Body> {
    let group = names::shared_bridge_group(bridge);
    let mut all = firewall::facts();
    all.extend(firewall::inside(group, false));
    all.push(firewall::hosted(group));
    all
}

/// What one attachment owns.
///
/// # Errors
/// [`Duplicate`] when it wants one thing twice, as the same address.
pub fn told(wiring: &Wiring<'_>, told: &Told) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    if let (Wired::Member { spoofcheck: true, .. }, Some(mac)) = (&told.wired, wiring.mac) {
        // Before the leg, so that it is never there without.
        for element in firewall::wire_leg(&wiring.leg, mac) {
            plan.create(&Ns::HOST, element)?;
        }
    }
    if told.masquerade {
        // For its addresses alone: another network may have the same subnet, and not ask for it.
        for net in &told.addresses {
            plan.create(&Ns::HOST, firewall::masquerade(IpNet::from(net.addr())))?;
        }
    }
    plan.extend(interface(wiring, told)?)?;
    for (path, value) in settings(&wiring.ifname, told) {
        plan.ensure(&wiring.ns, setting(path, value))?;
    }
    for net in &told.addresses {
        let pair = matches!(told.wired, Wired::Pair { .. });
        let mut addr = Addr::global(wiring.ifname.clone(), *net);
        addr.nodad = addr.nodad && !told.dad;
        // The prefix is behind the host.
        addr.noprefixroute = pair && net.prefix_len() != net.max_prefix_len();
        plan.create(&wiring.ns, Body::Addr(addr))?;
    }
    if let Wired::Pair { gateways } = &told.wired {
        for (net, gateway) in told.addresses.iter().zip(gateways) {
            behind_the_host(&mut plan, wiring, *net, *gateway)?;
        }
    }
    for route in routes(&told.ways, &wiring.ifname) {
        plan.create(&wiring.ns, Body::Route(route))?;
    }
    Ok(plan)
}

/// The interface, with its other end where it has one.
fn interface(wiring: &Wiring<'_>, told: &Told) -> Result<Plan, Duplicate> {
    let ns = if told.inside { &wiring.ns } else { &Ns::HOST };
    let lower = |master: &IfName| Some(Peer { ns: ns.clone(), name: master.clone() });
    match &told.wired {
        Wired::Member { bridge, hairpin, isolated, vlans, .. } => {
            let mut plan = wiring.pair_up(Some(bridge.clone()), told.up)?;
            if *hairpin || *isolated || vlans.is_some() {
                let flags = member(&wiring.leg, *hairpin, *isolated);
                let flags = MemberFlags { vlans: vlans.clone(), ..flags };
                plan.ensure(&Ns::HOST, Body::Member(flags))?;
            }
            Ok(plan)
        }
        Wired::Pair { .. } => wiring.pair_up(None, told.up),
        Wired::Macvlan { master, mode, queue } => {
            let (lower, mode, queue) = (lower(master), *mode, *queue);
            wiring.single(LinkKind::Macvlan { lower, mode, queue })
        }
        Wired::Ipvlan { master, mode } => {
            wiring.single(LinkKind::Ipvlan { lower: lower(master), mode: *mode })
        }
        Wired::Vlan { master, id } => {
            wiring.single(LinkKind::Vlan { lower: lower(master), id: *id })
        }
        Wired::Device { name } => {
            let from = Peer { ns: Ns::HOST, name: name.clone() };
            wiring.moved(from, Some(name.to_string()))
        }
        Wired::Dummy => wiring.single(LinkKind::Dummy),
        Wired::Tap { spec, bridge } => {
            wiring.single_on(LinkKind::Tap(spec.clone()), bridge.as_ref())
        }
    }
}

/// As the reference plugins leave what has addresses on a bridge or a LAN.
fn settings(ifname: &IfName, told: &Told) -> Vec<(SysctlPath, &'static str)> {
    let member = matches!(told.wired, Wired::Member { .. });
    let conf6 = |name| SysctlPath::conf6(ifname, name);
    let mut all = Vec::new();
    if member && !told.addresses.is_empty() {
        all.push((SysctlPath::conf4(ifname, "arp_notify"), "1"));
        all.push((conf6("accept_dad"), if told.dad { "1" } else { "0" }));
        all.extend(told.dad.then(|| (conf6("enhanced_dad"), "1")));
    }
    if matches!(told.wired, Wired::Macvlan { .. }) {
        all.push((SysctlPath::conf4(ifname, "arp_notify"), "1"));
        all.push((conf6("ndisc_notify"), "1"));
    }
    all
}

/// How the bridge treats the leg; what is not asked for stays as the kernel has it.
fn member(leg: &IfName, hairpin: bool, isolated: bool) -> MemberFlags {
    MemberFlags {
        hairpin: hairpin.then_some(true),
        isolated: isolated.then_some(true),
        ..MemberFlags::of(leg.clone())
    }
}

/// The host's end has the gateway's address and the way to the sandbox, which reaches its subnet by
/// the gateway.
fn behind_the_host(
    plan: &mut Plan,
    wiring: &Wiring<'_>,
    net: IpNet,
    gateway: Option<IpAddr>,
) -> Result<(), Duplicate> {
    let ip = net.addr();
    let to_sandbox = RouteKey::main(IpNet::from(ip));
    let Some(gateway) = gateway else {
        let route = Route::unicast(to_sandbox, wiring.leg.clone(), None);
        return plan.create(&Ns::HOST, Body::Route(route));
    };
    let address = Body::Addr(Addr::global(wiring.leg.clone(), IpNet::from(gateway)));
    if !plan.states(&address.id().at(Ns::HOST)) {
        plan.create(&Ns::HOST, address)?;
    }
    plan.create(&Ns::HOST, Body::Route(Route::unicast(to_sandbox, wiring.leg.clone(), None)))?;
    for (to, via) in [(IpNet::from(gateway), None), (net.trunc(), Some(gateway))] {
        let mut route = Route::unicast(RouteKey::main(to), wiring.ifname.clone(), via);
        route.prefsrc = Some(ip);
        route.proto = proto::BOOT;
        let stated = plan.states(&Body::Route(route.clone()).id().at(wiring.ns.clone()));
        if !stated {
            plan.create(&wiring.ns, Body::Route(route))?;
        }
    }
    Ok(())
}

/// Two routes to one place are one that divides its traffic.
fn routes(ways: &[Way], dev: &IfName) -> Vec<Route> {
    let mut all: Vec<Route> = Vec::new();
    for way in ways {
        let key = RouteKey::new(way.table.unwrap_or(table::MAIN), way.to, way.metric);
        let hop = NextHop { via: way.via, dev: Some(dev.clone()), weight: 1, onlink: false };
        match all.iter_mut().find(|route| route.key == key) {
            Some(route) if route.hops.contains(&hop) => {}
            Some(route) => route.hops.push(hop),
            None => {
                let mut route = Route::unicast(key, dev.clone(), way.via);
                // As if a person had made it: in a sandbox nothing needs our mark.
                route.proto = proto::BOOT;
                route.mtu = way.mtu;
                route.advmss = way.advmss;
                let v4 = matches!(way.to, IpNet::V4(_));
                route.scope = way.scope.filter(|_| v4).map_or(route.scope, Scope);
                all.push(route);
            }
        }
    }
    all
}
