//! Hop limits: of a host, a link, a route, or set by a rule.
//!
//!     sysctl net.ipv4.ip_default_ttl · ip route … hoplimit N · -j TTL --ttl-set 1

use ropewalk_facts::Ns;
use ropewalk_facts::nft::{ChainKey, Expr};

use super::edit::{self, node};
use super::{evidence, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::{Stop, Why};
use crate::world::World;

/// The hop limit: what packets of the sender begin with, or what a rule sets.
pub(super) fn ttl(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops().into_iter().filter(|s| matches!(s.why, Why::Ttl)) {
        let sender = match case.trip.request.end {
            crate::trace::Ending::Delivered { ref ns, .. } if case.trip.back() => ns.clone(),
            _ => case.question.from(),
        };
        let v6 = stop.packet.v6();
        let path = if v6 { "net/ipv6/conf/all/hop_limit" } else { "net/ipv4/ip_default_ttl" };
        let dots = path.replace('/', ".");
        let Some(n) = case.world.node(&sender) else { continue };
        if n.number(path) < 32 {
            let at = sender.clone();
            let found = n.number(path);
            add.push(Candidate {
                code: "TTL_EXPIRED",
                place: called(&sender).to_owned(),
                sentence: format!(
                    "packets of {} may take {found} hops, which ends them in {}",
                    called(&sender),
                    called(&stop.ns)
                ),
                evidence: vec![evidence(
                    &sender,
                    dots.clone(),
                    found.to_string(),
                    &format!("sysctl {dots}"),
                )],
                fix: vec![within(&sender, &format!("sysctl -w {dots}=64"))],
                rank: 3,
                change: Some(Box::new(move |w: &mut World| edit::set(w, &at, path, "64"))),
            });
        }
        own_limits(case, stop, &sender, add);
        for (ns, chain) in &case.trip.ttls {
            set_by_rule(case, stop, ns, chain, add);
        }
    }
}

/// A link (IPv6) or a route of the sender has a low hop limit.
fn own_limits(case: &Case<'_>, stop: &Stop, sender: &Ns, add: &mut Vec<Candidate>) {
    let Some(n) = case.world.node(sender) else { return };
    let said = |what: &str, found: i64| {
        format!(
            "{what} of {} lets packets take {found} hops, which ends them in {}",
            called(sender),
            called(&stop.ns)
        )
    };
    for dev in n.devs.keys().filter(|_| stop.packet.v6()) {
        let path = format!("net/ipv6/conf/{dev}/hop_limit");
        let (found, at) = (n.number(&path), sender.clone());
        if !(1..32).contains(&found) {
            continue;
        }
        let dots = path.replace('/', ".");
        add.push(Candidate {
            code: "TTL_EXPIRED",
            place: called(sender).to_owned(),
            sentence: said(&format!("hop_limit on {dev}"), found),
            evidence: vec![evidence(
                sender,
                dots.clone(),
                found.to_string(),
                &format!("sysctl {dots}"),
            )],
            fix: vec![within(sender, &format!("sysctl -w {dots}=64"))],
            rank: 2,
            change: Some(Box::new(move |w: &mut World| edit::set(w, &at, &path, "64"))),
        });
    }
    for seen in n.seen_routes.iter().filter(|s| s.hops.is_some_and(|h| h < 32)) {
        let (at, route) = (sender.clone(), seen.route.clone());
        let net = super::written(route.key.dst);
        let hop = route.hops.first();
        let via = hop.and_then(|h| h.via).map(|v| format!(" via {v}")).unwrap_or_default();
        let dev = hop.and_then(|h| h.dev.clone()).map(|d| format!(" dev {d}")).unwrap_or_default();
        let v = edit::ip(stop.packet.v6());
        let found = i64::from(seen.hops.unwrap_or(0));
        add.push(Candidate {
            code: "TTL_EXPIRED",
            place: called(sender).to_owned(),
            sentence: said(&format!("the route for {net}"), found),
            evidence: vec![evidence(
                sender,
                "route",
                format!("{net} hoplimit {found}"),
                &format!("{v} route show {net}"),
            )],
            fix: vec![within(sender, &format!("{v} route replace {net}{via}{dev}"))],
            rank: 2,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    n.seen_routes
                        .iter_mut()
                        .filter(|s| s.route == route)
                        .for_each(|s| s.hops = None)
                });
            })),
        });
    }
}

/// A chain sets the hop limit: its rules that do.
fn set_by_rule(case: &Case<'_>, stop: &Stop, ns: &Ns, chain: &ChainKey, add: &mut Vec<Candidate>) {
    let Some(n) = case.world.node(ns) else { return };
    let sets = |expr: &Expr| match expr {
        Expr::Xt { target, name, .. } => *target && matches!(name.as_str(), "TTL" | "HL"),
        Expr::Opaque { name, .. } => name == "payload",
        _ => false,
    };
    let table = &chain.table;
    let lines = n.nft.chains.values().filter(|l| l.chain.key.table == *table);
    let rules = lines.flat_map(|l| &l.rules).filter(|r| r.exprs.iter().any(sets));
    for rule in rules {
        let (fix, change) = super::filter::remove(stop, ns, &rule.key);
        add.push(Candidate {
            code: "TTL_EXPIRED",
            place: called(ns).to_owned(),
            sentence: format!(
                "a rule of {} in {} sets how many hops a packet may take, which ends it in {}",
                rule.key.chain.chain,
                called(ns),
                called(&stop.ns)
            ),
            evidence: vec![evidence(
                ns,
                crate::nft::path(&rule.key.chain),
                "sets the hop limit",
                "nft -a list ruleset",
            )],
            fix,
            rank: 2,
            change: Some(change),
        });
    }
}
