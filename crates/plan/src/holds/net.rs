//! Settings, addresses, routes and neighbours.

use std::net::IpAddr;

use ropewalk_facts::{Addr, Neigh, NextHop, Route, Sysctl};

use crate::lineage::leads_nowhere;

/// Some settings are several numbers with tabs between, which people write with spaces.
pub(super) fn sysctl_holds(wish: &Sysctl, found: &Sysctl) -> bool {
    wish.path == found.path && wish.value.split_whitespace().eq(found.value.split_whitespace())
}

/// Duplicate detection only matters while an address is new; the scope of an IPv6 address follows
/// from the address.
pub(super) fn addr_holds(wish: &Addr, found: &Addr) -> bool {
    wish.key == found.key
        && wish.noprefixroute == found.noprefixroute
        && wish.peer == found.peer
        && (wish.broadcast.is_none() || wish.broadcast == found.broadcast)
        && (wish.metric.is_none() || wish.metric == found.metric)
        && (wish.scope == found.scope || v6(wish))
}

pub(super) fn addr_merge(wish: &Addr, found: &Addr) -> Addr {
    Addr {
        noprefixroute: wish.noprefixroute,
        scope: wish.scope,
        metric: wish.metric.or(found.metric),
        ..found.clone()
    }
}

/// IPv4 takes neither another scope nor another way with the prefix route (`inet_rtm_newaddr`,
/// net/ipv4/devinet.c), nor another broadcast address; another peer is another address.
pub(super) fn addr_fixed(wish: &Addr, found: &Addr) -> Option<&'static str> {
    match () {
        () if wish.peer != found.peer => Some("peer"),
        () if v6(wish) => None,
        () if wish.broadcast.is_some() && wish.broadcast != found.broadcast => Some("broadcast"),
        () if wish.scope != found.scope => Some("scope"),
        () if wish.noprefixroute != found.noprefixroute => Some("noprefixroute"),
        () => None,
    }
}

fn v6(addr: &Addr) -> bool {
    matches!(addr.key.net.addr(), IpAddr::V6(_))
}

/// Who made the route does not matter, only what it does.
pub(super) fn route_holds(wish: &Route, found: &Route) -> bool {
    let v4 = wish.key.dst.addr().is_ipv4();
    wish.key == found.key
        && wish.kind == found.kind
        && (wish.scope == found.scope || !v4)
        && (leads_nowhere(wish.kind) || hops_hold(&wish.hops, &found.hops))
        && (wish.prefsrc.is_none() || wish.prefsrc == found.prefsrc)
        && (wish.mtu.is_none() || wish.mtu == found.mtu)
        && (wish.advmss.is_none() || wish.advmss == found.advmss)
}

fn hops_hold(wish: &[NextHop], found: &[NextHop]) -> bool {
    wish.len() == found.len() && wish.iter().all(|w| found.iter().any(|f| hop_holds(w, f)))
}

fn hop_holds(wish: &NextHop, found: &NextHop) -> bool {
    wish.via == found.via
        && wish.onlink == found.onlink
        && wish.weight == found.weight
        && (wish.dev.is_none() || wish.dev == found.dev)
}

pub(super) fn route_merge(wish: &Route, found: &Route) -> Route {
    Route {
        prefsrc: wish.prefsrc.or(found.prefsrc),
        mtu: wish.mtu.or(found.mtu),
        advmss: wish.advmss.or(found.advmss),
        ..wish.clone()
    }
}

pub(super) fn neigh_holds(wish: &Neigh, found: &Neigh) -> bool {
    wish.key == found.key
        && wish.state == found.state
        && (wish.mac.is_none() || wish.mac == found.mac)
}

pub(super) fn neigh_merge(wish: &Neigh, found: &Neigh) -> Neigh {
    Neigh { mac: wish.mac.or(found.mac), ..wish.clone() }
}
