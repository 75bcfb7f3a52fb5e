//! Lineage: which objects go with which, and in which order objects can be made.
//!
//!     address on eth0 ─▶ eth0 ─▶ its veth peer · the namespace it is in
//!     element ─▶ set ─▶ table
//!
//! Never here: what a particular host has; only what follows from the facts themselves.

use std::collections::BTreeSet;

use ropewalk_facts::nft::TableKey;
use ropewalk_facts::{
    Body, Fact, Id, IfName, Key, Link, LinkKind, Ns, QdiscKey, Route, RouteKind, Side,
};

/// How texts of namespaces that have a name begin.
const NAMED: &str = "netns:";

/// The namespace with this name under /run/netns.
pub(crate) fn named(name: &str) -> Ns {
    Ns::new(format!("{NAMED}{name}"))
}

/// The other end of a pair.
pub(crate) fn peer_key(link: &Link) -> Option<Key> {
    match &link.kind {
        LinkKind::Veth { peer: Some(peer) } => {
            Some(Id::Link(peer.name.clone()).at(peer.ns.clone()))
        }
        LinkKind::Veth { peer: None }
        | LinkKind::Bridge
        | LinkKind::Dummy
        | LinkKind::Ifb
        | LinkKind::Macvlan { .. }
        | LinkKind::Ipvlan { .. }
        | LinkKind::Vlan { .. }
        | LinkKind::Tap(_)
        | LinkKind::Vrf { .. }
        | LinkKind::Vxlan(_)
        | LinkKind::Moved { .. }
        | LinkKind::Loopback
        | LinkKind::Other(_) => None,
    }
}

/// The link that one stands on.
pub(crate) fn lower_key(link: &Link) -> Option<Key> {
    link.kind.lower().map(|lower| Id::Link(lower.name.clone()).at(lower.ns.clone()))
}

/// The link that one is while it is where it belongs.
pub(crate) fn origin_key(link: &Link) -> Option<Key> {
    link.kind.origin().map(|from| Id::Link(from.name.clone()).at(from.ns.clone()))
}

/// True for a link that is joined to one of another namespace: the other end of a pair, the link
/// that it stands on, or the place where it belongs.
pub(crate) fn leads_out(ns: &Ns, link: &Link) -> bool {
    let joined = [peer_key(link), lower_key(link), origin_key(link)];
    joined.iter().flatten().any(|key| key.ns != *ns)
}

/// True when `fact` goes with one of the objects `gone`, the other end of a pair apart. A pair
/// that leads out of a namespace is not left to the namespace: that goes later than its name, and
/// not at all while something lives in it. An IPv6 route of several ways goes with the last of
/// them, an IPv4 one with the first. Rules and elements are not left to their chain or set: what
/// they speak of may have to go before it.
pub(crate) fn goes_with(fact: &Fact, gone: &BTreeSet<Key>) -> bool {
    let leads_out = fact.body.as_link().is_some_and(|link| leads_out(&fact.ns, link));
    let space = fact.ns.as_str().strip_prefix(NAMED).filter(|_| !leads_out);
    let mut parents =
        parents(fact).into_iter().filter(|key| !matches!(key.id, Id::Set(_) | Id::Chain(_)));
    let v6_route = |route: &Route| route.key.dst.addr().is_ipv6() && route.hops.len() > 1;
    space.is_some_and(|name| gone.contains(&Id::Netns(name.into()).at(Ns::HOST)))
        || if fact.body.as_route().is_some_and(v6_route) {
            parents.all(|key| gone.contains(&key))
        } else {
            parents.any(|key| gone.contains(&key))
        }
}

/// The objects that take `fact` with them when one of them goes: of its namespace, but for the link
/// that a link stands on.
pub(crate) fn parents(fact: &Fact) -> Vec<Key> {
    let mut ids: Vec<Id> = devs(&fact.body).into_iter().map(Id::Link).collect();
    let table = |table: &TableKey| Id::Table(table.clone());
    if let Some(x) = fact.body.as_nft_rule() {
        ids.extend([Id::Chain(x.key.chain.clone()), table(&x.key.chain.table)]);
    } else if let Some(x) = fact.body.as_element() {
        ids.extend([Id::Set(x.key.set.clone()), table(&x.key.set.table)]);
    } else if let Some(x) = fact.body.as_set() {
        ids.push(table(&x.key.table));
    } else if let Some(x) = fact.body.as_chain() {
        ids.push(table(&x.key.table));
    } else if let Some(x) = fact.body.as_filter() {
        ids.push(Id::Qdisc(QdiscKey { dev: x.key.dev.clone(), side: Side::Ingress }));
    }
    let own = ids.into_iter().map(|id| id.at(fact.ns.clone()));
    own.chain(fact.body.as_link().and_then(lower_key)).collect()
}

/// The links without which `body` cannot be: where one goes, it goes.
pub(crate) fn devs(body: &Body) -> Vec<IfName> {
    match body {
        Body::Member(x) => vec![x.dev.clone()],
        Body::Sysctl(x) => x.path.dev().into_iter().collect(),
        Body::Addr(x) => vec![x.key.dev.clone()],
        Body::Route(x) => route_devs(x),
        Body::Neigh(x) => vec![x.key.dev.clone()],
        Body::Fdb(x) => vec![x.key.dev.clone()],
        Body::Qdisc(x) => vec![x.key.dev.clone()],
        Body::Filter(x) => vec![x.key.dev.clone()],
        Body::Link(Link { kind: LinkKind::Vxlan(spec), .. }) => spec.dev.iter().cloned().collect(),
        Body::Netns(_)
        | Body::Link(_)
        | Body::Rule(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => vec![],
    }
}

/// The links that a route leads over. IPv6 routes that lead nowhere go by the loopback device, said
/// or not (`fib6_nh_init`, net/ipv6/route.c).
pub(crate) fn route_devs(route: &Route) -> Vec<IfName> {
    let said: Vec<IfName> = route.hops.iter().filter_map(|hop| hop.dev.clone()).collect();
    if said.is_empty() && route.key.dst.addr().is_ipv6() && leads_nowhere(route.kind) {
        return IfName::new("lo").into_iter().collect();
    }
    said
}

/// True for kinds of routes that do not lead to a link.
pub(crate) fn leads_nowhere(kind: RouteKind) -> bool {
    matches!(
        kind,
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw
    )
}

/// A number by which facts of one namespace sort into an order in which they can be made: bridges
/// before members, routes on a link before those by a gateway, rules by their place.
pub(crate) fn rank(fact: &Fact) -> (u8, u32) {
    match &fact.body {
        Body::Netns(_) => (0, 0),
        Body::Link(x) if matches!(x.kind, LinkKind::Vxlan(_)) || x.kind.stacked() => (1, 2),
        Body::Link(x) => (1, u32::from(x.master.is_some())),
        Body::Member(_) => (2, 0),
        Body::Sysctl(_) => (3, 0),
        Body::Addr(x) => (4, u32::from(x.secondary)),
        Body::Route(x) => {
            let by_gateway = x.hops.iter().any(|hop| hop.via.is_some());
            let local = x.kind == RouteKind::Local;
            (5, u32::from(!local) + u32::from(by_gateway))
        }
        Body::Rule(_) => (6, 0),
        Body::Neigh(_) => (7, 0),
        Body::Fdb(_) => (8, 0),
        Body::Qdisc(_) => (8, 1),
        Body::Filter(_) => (8, 2),
        Body::Table(_) => (9, 0),
        Body::Set(_) => (10, 0),
        Body::Chain(_) => (11, 0),
        Body::NftRule(x) => (12, x.at.unwrap_or(u32::MAX)),
        Body::Element(_) => (13, 0),
    }
}
