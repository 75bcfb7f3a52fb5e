//! Short ways to say facts.

use ropewalk_facts::{
    Addr, Body, Fact, Fdb, FdbKey, Id, IfName, Key, Link, LinkKind, Mac, MemberFlags, Neigh,
    NeighKey, NextHop, Ns, Peer, Route, RouteKey, Scope, Snapshot, Sysctl, SysctlPath,
};
use ropewalk_plan::{Change, Plan, Step, describe, predict};

pub(crate) fn red() -> Ns {
    Ns::new("netns:red")
}

pub(crate) fn name(name: &str) -> IfName {
    name.parse().unwrap()
}

pub(crate) fn veth(ns: &Ns, dev: &str, to: &Ns, end: &str) -> Link {
    assert!(ns != to || dev != end);
    let peer = Peer { ns: to.clone(), name: name(end) };
    Link::up(name(dev), LinkKind::Veth { peer: Some(peer) })
}

pub(crate) fn bridge(dev: &str) -> Link {
    Link::up(name(dev), LinkKind::Bridge)
}

pub(crate) fn addr(dev: &str, net: &str) -> Body {
    Body::Addr(Addr::global(name(dev), net.parse().unwrap()))
}

pub(crate) fn secondary(dev: &str, net: &str) -> Body {
    let addr = Addr::global(name(dev), net.parse().unwrap());
    Body::Addr(Addr { secondary: true, ..addr })
}

/// `dst`, by `via` unless that is empty.
pub(crate) fn route(dst: &str, dev: &str, via: &str) -> Route {
    let key = RouteKey::main(dst.parse().unwrap());
    Route::unicast(key, name(dev), (!via.is_empty()).then(|| via.parse().unwrap()))
}

pub(crate) fn multipath(dst: &str, hops: &[(&str, &str)]) -> Body {
    let hop = |(dev, via): &(&str, &str)| NextHop {
        via: Some(via.parse().unwrap()),
        dev: Some(name(dev)),
        weight: 1,
        onlink: false,
    };
    let hops = hops.iter().map(hop).collect();
    Body::Route(Route { hops, scope: Scope::GLOBAL, ..route(dst, "lo", "") })
}

pub(crate) fn neigh(dev: &str, ip: &str, mac: Option<&str>) -> Body {
    let key = NeighKey { dev: name(dev), ip: ip.parse().unwrap(), proxy: mac.is_none() };
    let state = if mac.is_some() { Neigh::PERMANENT } else { 0 };
    let mac = mac.map(|mac| mac.parse().unwrap());
    Body::Neigh(Neigh { key, mac, state, proto: 0, derived: false })
}

pub(crate) fn fdb(dev: &str, last: u8, own: bool) -> Body {
    let mac = Mac([2, 0, 0, 0, 0, last]);
    let key = FdbKey { dev: name(dev), mac, own, dst: None, vlan: None };
    Body::Fdb(Fdb { key, state: Neigh::PERMANENT, derived: false })
}

pub(crate) fn flags(dev: &str) -> MemberFlags {
    MemberFlags::of(name(dev))
}

pub(crate) fn sysctl(path: &str, value: &str) -> Body {
    let path = SysctlPath::new(path).unwrap();
    Body::Sysctl(Sysctl { path, value: value.into() })
}

pub(crate) fn host(body: Body) -> Fact {
    body.at(Ns::HOST)
}

pub(crate) fn link_key(ns: &Ns, dev: &str) -> Key {
    Id::Link(name(dev)).at(ns.clone())
}

pub(crate) fn plan(steps: impl IntoIterator<Item = Step>) -> Plan {
    Plan::try_from(steps.into_iter().collect::<Vec<_>>()).unwrap()
}

/// Carries out steps one after the other, with all that follows.
pub(crate) fn built(facts: impl IntoIterator<Item = Fact>) -> Snapshot {
    let mut snap = Snapshot::default();
    predict(&plan(facts.into_iter().map(Step::Ensure)), &mut snap).unwrap();
    snap
}

pub(crate) fn changes(step: Step, snap: &Snapshot) -> Vec<Change> {
    predict(&plan([step]), &mut snap.clone()).unwrap()
}

/// One line for each change.
pub(crate) fn lines(changes: &[Change]) -> String {
    lines_in(changes, &Snapshot::default())
}

/// The same where `snap` is known.
pub(crate) fn lines_in(changes: &[Change], snap: &Snapshot) -> String {
    changes.iter().map(|change| describe(change, snap) + "\n").collect()
}

/// What a step changes, one line each.
pub(crate) fn told(step: Step, snap: &Snapshot) -> String {
    lines(&changes(step, snap))
}
