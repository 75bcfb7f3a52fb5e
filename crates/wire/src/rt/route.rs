//! Routes.
//!
//!     ip route add KIND DST [via GW] dev NAME table T metric M proto P scope S [src IP] [mtu N] …
//!     struct rtmsg { family, dst_len, src_len, tos, table, protocol, scope, type: u8, flags u32 }
//!     struct rtnexthop { len u16, flags u8, weight-1 u8, index i32 }    one for each way of several

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::seen::SeenRoute;
use ropewalk_facts::{NextHop, Route, RouteKey, RouteKind, Scope, proto};

use super::consts::*;
use super::{Links, Make, ip};
use crate::Error;
use crate::nl::{Attr, Attrs, Message, Request, Writer, attrs, flag, u16_at, u32_at};

/// Length of `struct rtmsg`.
const HEADER: usize = 12;
/// Length of `struct rtnexthop`.
const HOP: usize = 8;

pub(super) const KINDS: [(u8, RouteKind); 9] = [
    (RTN_UNICAST, RouteKind::Unicast),
    (RTN_LOCAL, RouteKind::Local),
    (RTN_BROADCAST, RouteKind::Broadcast),
    (RTN_ANYCAST, RouteKind::Anycast),
    (RTN_MULTICAST, RouteKind::Multicast),
    (RTN_BLACKHOLE, RouteKind::Blackhole),
    (RTN_UNREACHABLE, RouteKind::Unreachable),
    (RTN_PROHIBIT, RouteKind::Prohibit),
    (RTN_THROW, RouteKind::Throw),
];

fn kind_number(kind: RouteKind) -> u8 {
    KINDS.iter().find(|(_, k)| *k == kind).map_or(RTN_UNICAST, |(n, _)| *n)
}

/// The header's bytes before the flags.
struct Head {
    dst: IpNet,
    proto: u8,
    scope: u8,
    kind: u8,
    flags: u32,
}

/// A body for a route in `table`, which has an attribute where a byte does not hold it.
fn begin(head: &Head, table: u32) -> Writer {
    let family = ip::family(head.dst.addr());
    let small = u8::try_from(table).unwrap_or(RT_TABLE_UNSPEC);
    let Head { proto, scope, kind, flags, .. } = *head;
    let [a, b, c, d] = flags.to_ne_bytes();
    let len = head.dst.prefix_len();
    let mut w = Writer::with(&[family, len, 0, 0, small, proto, scope, kind, a, b, c, d]);
    if head.dst.prefix_len() > 0 {
        ip::put(&mut w, RTA_DST, head.dst.network());
    }
    w.u32(RTA_TABLE, table);
    w
}

pub(super) fn create(route: &Route, make: Make, links: &Links) -> Result<Vec<Request>, Error> {
    let single = match route.hops.as_slice() {
        [one] if route.nhid.is_none() => Some(one),
        _ => None,
    };
    let head = Head {
        dst: route.key.dst,
        proto: route.proto,
        scope: route.scope.0,
        kind: entry_kind(route),
        flags: single.map_or(0, |hop| u32::from(hop_flags(hop))),
    };
    let mut w = begin(&head, route.key.table);
    w.u32(RTA_PRIORITY, route.key.metric);
    if let Some(src) = route.prefsrc {
        ip::put(&mut w, RTA_PREFSRC, src);
    }
    metrics(&mut w, route);
    if let Some(id) = route.nhid {
        w.u32(RTA_NH_ID, id);
        return Ok(vec![Request { kind: RTM_NEWROUTE, flags: make.flags(), body: w.finish()? }]);
    }
    match single {
        Some(hop) => {
            if let Some(dev) = &hop.dev {
                w.u32(RTA_OIF, links.need(dev)?);
            }
            gateway(&mut w, route.key.dst, hop);
        }
        None if route.hops.is_empty() => {}
        None => {
            let at = w.block(RTA_MULTIPATH);
            route.hops.iter().try_for_each(|hop| way(&mut w, route.key.dst, hop, links))?;
            w.close(at);
        }
    }
    Ok(vec![Request { kind: RTM_NEWROUTE, flags: make.flags(), body: w.finish()? }])
}

/// The kind of the entry itself: where a nexthop object refuses, the kernel tells its kind, and the entry is
/// one like others (`fib_dump_info`, net/ipv4/fib_semantics.c).
fn entry_kind(route: &Route) -> u8 {
    kind_number(if route.nhid.is_some() { RouteKind::Unicast } else { route.kind })
}

fn hop_flags(hop: &NextHop) -> u8 {
    if hop.onlink { RTNH_F_ONLINK } else { 0 }
}

fn metrics(w: &mut Writer, route: &Route) {
    if route.mtu.is_none() && route.advmss.is_none() {
        return;
    }
    w.nest(RTA_METRICS, |w| {
        if let Some(mtu) = route.mtu {
            w.u32(RTAX_MTU, mtu);
        }
        if let Some(advmss) = route.advmss {
            w.u32(RTAX_ADVMSS, advmss);
        }
    });
}

/// A gateway of the other family needs an attribute that says which (RFC 5549).
fn gateway(w: &mut Writer, dst: IpNet, hop: &NextHop) {
    let Some(via) = hop.via else { return };
    if via.is_ipv4() == dst.addr().is_ipv4() {
        return ip::put(w, RTA_GATEWAY, via);
    }
    let mut data = u16::from(ip::family(via)).to_ne_bytes().to_vec();
    match via {
        IpAddr::V4(ip) => data.extend(ip.octets()),
        IpAddr::V6(ip) => data.extend(ip.octets()),
    }
    w.bytes(RTA_VIA, &data);
}

/// One of several ways: a header that has its own length, then attributes.
fn way(w: &mut Writer, dst: IpNet, hop: &NextHop, links: &Links) -> Result<(), Error> {
    let index = hop.dev.as_ref().map_or(Ok(0), |dev| links.need(dev))?;
    let mut attributes = Writer::default();
    gateway(&mut attributes, dst, hop);
    let attributes = attributes.finish()?;
    let len = u16::try_from(HOP + attributes.len());
    let [l0, l1] = len.map_err(|_| Error::Overlong { kind: RTA_MULTIPATH })?.to_ne_bytes();
    let weight = u8::try_from(hop.weight.saturating_sub(1)).unwrap_or(u8::MAX);
    let [a, b, c, d] = index.to_ne_bytes();
    w.raw(&[l0, l1, hop_flags(hop), weight, a, b, c, d]);
    w.raw(&attributes);
    Ok(())
}

/// Names the route by its key, its maker and its kind, so that no other route of the same
/// destination is taken; the ways that it leads need not be known any more.
pub(super) fn delete(route: &Route, links: &Links) -> Result<Vec<Request>, Error> {
    let head = Head {
        dst: route.key.dst,
        proto: route.proto,
        scope: RT_SCOPE_NOWHERE,
        kind: entry_kind(route),
        flags: 0,
    };
    let mut w = begin(&head, route.key.table);
    w.u32(RTA_PRIORITY, route.key.metric);
    if let Some(id) = route.nhid {
        // The kernel compares no ways with those of an object (`fib_nh_match`).
        w.u32(RTA_NH_ID, id);
    } else if let [NextHop { dev: Some(dev), .. }] = route.hops.as_slice()
        && let Some(index) = links.index(dev)
    {
        w.u32(RTA_OIF, index);
    }
    Ok(vec![Request { kind: RTM_DELROUTE, flags: 0, body: w.finish()? }])
}

/// Asks what the kernel would do with a packet to `dst` (read it by [`route_taken`]), or with
/// `entry`, which entry of a table says so (read it by [`super::decode`]).
///
/// # Errors
/// None in practice: the message is short.
pub fn route_get(dst: IpAddr, entry: bool) -> Result<Request, Error> {
    let flags = if entry { RTM_F_FIB_MATCH } else { 0 };
    let [a, b, c, d] = flags.to_ne_bytes();
    let len = if dst.is_ipv4() { 32 } else { 128 };
    let mut w = Writer::with(&[ip::family(dst), len, 0, 0, 0, 0, 0, 0, a, b, c, d]);
    ip::put(&mut w, RTA_DST, dst);
    Ok(Request { kind: RTM_GETROUTE, flags: 0, body: w.finish()? })
}

/// An address that the route decides about, unless a longer prefix does: one in the middle, since
/// the first and the last are often the kernel's own.
pub(super) fn probe(key: &RouteKey) -> IpAddr {
    let len = u32::from(key.dst.prefix_len());
    match key.dst.network() {
        IpAddr::V4(ip) => {
            let half = 1u32.checked_shl(31 - len.min(31)).filter(|_| len < 31).unwrap_or(0);
            IpAddr::V4((u32::from(ip) | half).into())
        }
        IpAddr::V6(ip) => {
            let half = 1u128.checked_shl(127 - len.min(127)).filter(|_| len < 127).unwrap_or(0);
            IpAddr::V6((u128::from(ip) | half).into())
        }
    }
}

/// All routes of a family, or those of one table.
pub(super) fn dump(v6: bool, table: Option<u32>) -> Result<Request, Error> {
    let family = if v6 { AF_INET6 } else { AF_INET };
    let mut w = Writer::with(&[family, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    if let Some(table) = table {
        w.u32(RTA_TABLE, table);
    }
    Ok(Request { kind: RTM_GETROUTE, flags: flag::DUMP, body: w.finish()? })
}

/// All routes of a family that somebody made, as their mark says.
pub(super) fn dump_of(v6: bool, proto: u8) -> Request {
    let family = if v6 { AF_INET6 } else { AF_INET };
    let body = vec![family, 0, 0, 0, 0, proto, 0, 0, 0, 0, 0, 0];
    Request { kind: RTM_GETROUTE, flags: flag::DUMP, body }
}

/// A route of a table, and how many hops packets that take it may take.
#[must_use]
pub fn route_seen(message: &Message<'_>, links: &Links) -> Option<SeenRoute> {
    if message.kind != RTM_NEWROUTE {
        return None;
    }
    let route = decode(message.body, links).ok().flatten()?;
    let metrics = attrs(message.body.get(HEADER..)?).first(RTA_METRICS).map(|a| a.attrs());
    let hops = metrics.and_then(|m| m.first(RTAX_HOPLIMIT)).and_then(|a| a.u32());
    let &[family, _, from, tos, ..] = message.body else { return None };
    let source = attrs(message.body.get(HEADER..)?).first(RTA_SRC).map(|a| a.data);
    let from = source.and_then(|source| ip::net(family, from, Some(source)));
    Some(SeenRoute { route, hops, tos, from })
}

/// All that was learned of single addresses beside the tables: redirects, path MTUs.
///
/// # Errors
/// None in practice: the message is short.
pub fn learned_dump(v6: bool) -> Result<Request, Error> {
    let family = if v6 { AF_INET6 } else { AF_INET };
    let [a, b, c, d] = RTM_F_CLONED.to_ne_bytes();
    let w = Writer::with(&[family, 0, 0, 0, 0, 0, 0, 0, a, b, c, d]);
    Ok(Request { kind: RTM_GETROUTE, flags: flag::DUMP, body: w.finish()? })
}

/// What an answer to [`learned_dump`] says; `None` for an entry of a table, and where it leads over
/// a link that is not known.
#[must_use]
pub fn learned(message: &Message<'_>, links: &Links) -> Option<Route> {
    let cached = u32_at(message.body, 8).is_some_and(|flags| flags & RTM_F_CLONED != 0);
    if message.kind != RTM_NEWROUTE || !cached {
        return None;
    }
    read(message.body, links).ok().flatten()
}

/// What the answer to [`route_get`] says: a route for the one address, with the source address
/// that would be taken.
///
/// # Errors
/// As for [`super::decode`].
pub fn route_taken(message: &Message<'_>, links: &Links) -> Result<Option<Route>, Error> {
    if message.kind != RTM_NEWROUTE {
        return Ok(None);
    }
    read(message.body, links)
}

/// `None` also for an answer that is no entry of a table.
pub(super) fn decode(body: &[u8], links: &Links) -> Result<Option<Route>, Error> {
    let cached = u32_at(body, 8).is_some_and(|flags| flags & RTM_F_CLONED != 0);
    if cached { Ok(None) } else { read(body, links) }
}

/// `None` for a route of another family, and for one by a link that facts cannot name.
fn read(body: &[u8], links: &Links) -> Result<Option<Route>, Error> {
    let short = || Error::Malformed { kind: RTM_NEWROUTE };
    let &[family, dst_len, _, _, table, proto, scope, kind, ..] = body else {
        return Err(short());
    };
    let flags = u32_at(body, 8).ok_or_else(short)?;
    let Some(kind) = KINDS.iter().find(|(n, _)| *n == kind).map(|(_, k)| *k) else {
        return Ok(None);
    };
    if !matches!(family, AF_INET | AF_INET6) {
        return Ok(None);
    }
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    let number = |kind| attr(kind).and_then(|a| a.u32());
    let dst = attr(RTA_DST).map(|a| a.data);
    let dst = ip::net(family, dst_len, dst).ok_or_else(short)?.trunc();
    let Some(hops) = hops(&list, flags, links)? else { return Ok(None) };
    // IPv6 says lo where a route leads nowhere.
    let hops = if leads(kind) { hops } else { Vec::new() };
    let metrics = attr(RTA_METRICS).map(|a| a.attrs());
    let metric = |kind| metrics.clone().and_then(|m| m.first(kind)).and_then(|a| a.u32());
    Ok(Some(Route {
        key: RouteKey {
            table: number(RTA_TABLE).unwrap_or(u32::from(table)),
            dst,
            metric: number(RTA_PRIORITY).unwrap_or(0),
        },
        kind,
        hops,
        nhid: number(RTA_NH_ID),
        scope: Scope(scope),
        proto,
        prefsrc: attr(RTA_PREFSRC).and_then(|a| ip::read(a.data)),
        mtu: metric(RTAX_MTU),
        advmss: metric(RTAX_ADVMSS),
        derived: matches!(proto, RTPROT_REDIRECT | proto::KERNEL | proto::RA),
    }))
}

pub(super) fn leads(kind: RouteKind) -> bool {
    match kind {
        RouteKind::Unicast
        | RouteKind::Local
        | RouteKind::Broadcast
        | RouteKind::Anycast
        | RouteKind::Multicast => true,
        RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => {
            false
        }
    }
}

/// The ways, or `None` when one leads over a link without a name.
fn hops(list: &Attrs<'_>, flags: u32, links: &Links) -> Result<Option<Vec<NextHop>>, Error> {
    if let Some(all) = list.clone().first(RTA_MULTIPATH) {
        return ways(all.data, links);
    }
    let oif = list.clone().first(RTA_OIF).and_then(|a| a.u32());
    let via = gateway_of(list);
    if oif.is_none() && via.is_none() {
        return Ok(Some(Vec::new()));
    }
    let onlink = flags & u32::from(RTNH_F_ONLINK) != 0;
    let hop = hop(oif.unwrap_or(0), via, links)?;
    Ok(hop.map(|hop| vec![NextHop { onlink, ..hop }]))
}

fn ways(mut data: &[u8], links: &Links) -> Result<Option<Vec<NextHop>>, Error> {
    let short = || Error::Malformed { kind: RTM_NEWROUTE };
    let mut all = Vec::new();
    while !data.is_empty() {
        let len = usize::from(u16_at(data, 0).ok_or_else(short)?);
        let &[_, _, flags, weight, ..] = data else { return Err(short()) };
        let index = u32_at(data, 4).ok_or_else(short)?;
        let list = attrs(data.get(HOP..len).ok_or_else(short)?);
        let Some(hop) = hop(index, gateway_of(&list), links)? else { return Ok(None) };
        let onlink = flags & RTNH_F_ONLINK != 0;
        all.push(NextHop { weight: u16::from(weight) + 1, onlink, ..hop });
        data = data.get(len.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(Some(all))
}

fn hop(index: u32, via: Option<IpAddr>, links: &Links) -> Result<Option<NextHop>, Error> {
    let bare = NextHop { via, dev: None, weight: 1, onlink: false };
    if index == 0 {
        return Ok(Some(bare));
    }
    Ok(links.dev(index)?.map(|dev| NextHop { dev: Some(dev), ..bare }))
}

fn gateway_of(list: &Attrs<'_>) -> Option<IpAddr> {
    let plain = list.clone().first(RTA_GATEWAY);
    let other = || list.clone().first(RTA_VIA).and_then(|a: Attr<'_>| ip::read(a.data.get(2..)?));
    plain.and_then(|a| ip::read(a.data)).or_else(other)
}
