//! Source addresses that no answer finds: of a route, of the program, of loopback.
//!
//!     ip route … src ADDRESS · ping -I ADDRESS

use ropewalk_facts::table;

use super::edit::{self, node};
use super::{evidence, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::{Stop, Why};
use crate::world::World;

/// The source address is one that no answer finds.
pub(super) fn source(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    if !case.trip.back() {
        return;
    }
    let from = case.question.from();
    let Some(n) = case.world.node(&from) else { return };
    for route in
        n.routes.iter().filter(|r| r.prefsrc.is_some() && !r.derived && r.key.table != table::LOCAL)
    {
        let lost = matches!(stop.why, Why::NoWayBack(ip) if Some(ip) == route.prefsrc);
        let Some(src) = route.prefsrc.filter(|src| lost || *src == stop.packet.dst) else {
            continue;
        };
        let at = from.clone();
        let key = route.key.clone();
        let hop = route.hops.first().cloned();
        let via = hop.as_ref().and_then(|h| h.via).map(|v| format!(" via {v}")).unwrap_or_default();
        let out = hop.and_then(|h| h.dev);
        let dev = out.as_ref().map(|d| format!(" dev {d}")).unwrap_or_default();
        let net = if route.key.dst.prefix_len() == 0 {
            "default".to_owned()
        } else {
            route.key.dst.to_string()
        };
        // Another one of its own may have to be named: the kernel takes what it pleases.
        let of_link = |a: &&ropewalk_facts::Addr| {
            let ip = a.key.net.addr();
            Some(&a.key.dev) == out.as_ref()
                && ip != src
                && ip.is_ipv6() == src.is_ipv6()
                && !edit::link_local(ip)
        };
        let others = n.addrs.iter().filter(of_link).map(|a| Some(a.key.net.addr()));
        for (rank, other) in (3..).zip(std::iter::once(None).chain(others)) {
            let (at, key) = (at.clone(), key.clone());
            let named = other.map(|ip| format!(" src {ip}")).unwrap_or_default();
            let command =
                format!("{} route replace {net}{via}{dev}{named}", edit::ip(stop.packet.v6()));
            add.push(Candidate {
                code: "WRONG_SOURCE",
                place: called(&from).to_owned(),
                sentence: format!("{} sends from {src}, as its route for {net} says, and no answer finds that address", called(&from)),
                evidence: vec![evidence(&from, "route", format!("{net} src {src}"), "ip route show")],
                fix: vec![within(&from, &command)],
                rank: if lost { 2 } else { std::cmp::min(rank, 4) },
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.routes.iter_mut().filter(|r| r.key == key).for_each(|r| r.prefsrc = other));
                })),
            });
        }
    }
}

/// The program is bound to a source address that no answer finds; with another one it passes.
pub(super) fn bound_source(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let (q, from) = (case.question, case.question.from());
    let Some(src) = q.saddr else { return };
    let back =
        case.trip.back() || matches!(case.trip.stop().map(|s| &s.why), Some(Why::RpFilter { .. }));
    let free = crate::Question { saddr: None, ..q.clone() };
    if !back || !crate::trip(case.world, &free).passes() {
        return;
    }
    let v6 = q.dst.is_ipv6();
    let tool = if v6 { "ip6tables" } else { "iptables" };
    let at = from.clone();
    add.push(Candidate {
        code: "WRONG_SOURCE",
        place: called(&from).to_owned(),
        sentence: format!("{} sends from {src}, and no answer finds that address; from its own address on the way there it would pass", called(&from)),
        evidence: vec![evidence(&from, "source", src.to_string(), &format!("ip route get {} from {src}", q.dst))],
        fix: vec![within(&from, &format!("{tool} -t nat -I POSTROUTING -s {src} -d {} -j MASQUERADE", q.dst))],
        rank: 6,
        change: Some(Box::new(move |w: &mut World| node(w, &at, |n| edit::masquerade(n, edit::host(src))))),
    });
}

/// A packet leaves with an address of loopback as its source: so no answer can find it.
pub(super) fn from_loopback(case: &Case<'_>, stop: &Stop, add: &mut Vec<Candidate>) {
    let (at, src) = (case.question.from(), edit::host(stop.packet.src));
    let tool = if stop.packet.v6() { "ip6tables" } else { "iptables" };
    add.push(Candidate {
        code: "NO_SNAT",
        place: called(&at).to_owned(),
        sentence: format!(
            "{} sends to {} from {}, and no answer finds an address of loopback",
            called(&at),
            stop.packet.dst,
            stop.packet.src
        ),
        evidence: vec![evidence(&at, "nat", "no rule translates it", "nft list ruleset")],
        fix: vec![within(
            &at,
            &format!("{tool} -t nat -I POSTROUTING -s {src} -d {} -j MASQUERADE", stop.packet.dst),
        )],
        rank: 2,
        change: Some(Box::new(move |w: &mut World| node(w, &at, |n| edit::masquerade(n, src)))),
    });
}

/// A port that is published for the host's own addresses of loopback: they have to be let out, and translated,
/// for nobody answers them.
pub(super) fn out_of_loopback(
    case: &Case<'_>,
    stop: &Stop,
    dev: &ropewalk_facts::IfName,
    add: &mut Vec<Candidate>,
) {
    let (ns, src, dst) = (stop.ns.clone(), edit::host(stop.packet.src), stop.packet.dst);
    if ns != case.question.from() || stop.packet.v6() {
        return;
    }
    let (name, at) = (called(&ns).to_owned(), ns.clone());
    let path = format!("net/ipv4/conf/{dev}/route_localnet");
    add.push(Candidate {
        code: "ROUTE_LOCALNET_OFF",
        place: super::place(&ns, Some(dev)),
        sentence: format!(
            "{name} lets no addresses of loopback out of {dev}: route_localnet is off, and nothing translates them"
        ),
        evidence: vec![evidence(
            &ns,
            "route_localnet",
            "0",
            &format!("sysctl net.ipv4.conf.{dev}.route_localnet"),
        )],
        fix: vec![
            within(&ns, &format!("sysctl -w net.ipv4.conf.{dev}.route_localnet=1")),
            within(&ns, &format!("iptables -t nat -I POSTROUTING -s {src} -d {dst} -j MASQUERADE")),
        ],
        rank: 3,
        change: Some(Box::new(move |w: &mut World| {
            edit::set(w, &at, &path, "1");
            node(w, &at, |n| edit::masquerade(n, src));
        })),
    });
}
