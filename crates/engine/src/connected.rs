//! The routes that the kernel makes for addresses: `ip route flush` takes them away, and nobody brings
//! them back.
//!
//!     10.9.0.1/24 on rw-web, which is up   →   10.9.0.0/24 dev rw-web proto kernel src 10.9.0.1
//!
//! No plan states them, for whoever makes an address gets them; one that moves them to a table of its
//! own says that they are gone.  Never here: other derived routes.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, Fact, Id, Key, Ns, Route, RouteKey, Scope, Snapshot, proto, table,
};
use ropewalk_plan::{Plan, Step};

/// The metric that the kernel gives them for IPv6 (`IP6_RT_PRIO_ADDRCONF`).
const V6_METRIC: u32 = 256;

/// What has to be known for [`missing`].
pub(crate) fn keys(plan: &Plan) -> Vec<Key> {
    let both = |(ns, addr): (&Ns, &Addr)| {
        let link = Id::Link(addr.key.dev.clone()).at(ns.clone());
        [link, Id::Route(key(addr)).at(ns.clone())]
    };
    addresses(plan).flat_map(both).collect()
}

/// Those that are gone, of addresses of `plan` that are there.
pub(crate) fn missing(plan: &Plan, found: &Snapshot) -> Vec<Fact> {
    let gone = |(ns, addr): &(&Ns, &Addr)| {
        let dev = Id::Link(addr.key.dev.clone()).at((*ns).clone());
        let link = found.fact(&dev).and_then(|fact| fact.body.as_link());
        found.contains(&Id::Addr(addr.key.clone()).at((*ns).clone()))
            && link.is_some_and(|link| link.up && link.master.is_none())
            && !found.contains(&Id::Route(key(addr)).at((*ns).clone()))
            && !plan.states(&Id::Route(key(addr)).at((*ns).clone()))
    };
    addresses(plan).filter(gone).map(|(ns, addr)| route(addr).at(ns.clone())).collect()
}

/// Whether a fact is one of them.
pub(crate) fn is_one(fact: &Fact) -> bool {
    matches!(&fact.body, Body::Route(route) if route.proto == proto::KERNEL)
}

/// Addresses for which the kernel makes a route.
fn addresses(plan: &Plan) -> impl Iterator<Item = (&Ns, &Addr)> {
    let wanted = plan.steps().iter().filter_map(|step| match step {
        Step::Create(fact) | Step::Ensure(fact) => fact.body.as_addr().map(|addr| (&fact.ns, addr)),
        Step::Absent(_) => None,
    });
    wanted.filter(|(_, addr)| {
        let net = addr.key.net;
        net.prefix_len() < net.max_prefix_len() && !addr.noprefixroute && addr.peer.is_none()
    })
}

fn key(addr: &Addr) -> RouteKey {
    let usual = if addr.key.net.addr().is_ipv6() { V6_METRIC } else { 0 };
    RouteKey::new(table::MAIN, addr.key.net, addr.metric.unwrap_or(usual))
}

fn route(addr: &Addr) -> Body {
    let prefsrc = match addr.key.net.addr() {
        IpAddr::V4(ip) => Some(IpAddr::V4(ip)),
        IpAddr::V6(_) => None,
    };
    let scope = if matches!(addr.key.net, IpNet::V4(_)) { Scope::LINK } else { Scope::GLOBAL };
    let route = Route::unicast(key(addr), addr.key.dev.clone(), None);
    Body::Route(Route { proto: proto::KERNEL, prefsrc, scope, ..route })
}
