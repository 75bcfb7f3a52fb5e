//! What a host refuses by a setting, a rule or a route: forwarding, filters of sources, blackholes.

use ropewalk_facts::{IfName, Ns, RouteKind, RuleAction, table};

use super::edit::{self, node};
use super::{evidence, place, within, written};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::{Stop, Why};
use crate::world::World;

/// A route that refuses.
pub(super) fn refused(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Why::Refused(refusal) = &stop.why else { continue };
        let ns = &stop.ns;
        let code =
            if refusal.kind == RouteKind::Blackhole { "BLACKHOLE_ROUTE" } else { "PROHIBIT_ROUTE" };
        if let Some(route) = refusal.route.clone() {
            let at = ns.clone();
            let net = if route.key.dst.prefix_len() == 0 {
                "default".to_owned()
            } else {
                route.key.dst.to_string()
            };
            let in_table = if route.key.table == table::MAIN {
                String::new()
            } else {
                format!(" table {}", route.key.table)
            };
            // Without its kind, which is not that of the entry where a nexthop object refuses.
            let ip = edit::ip(stop.packet.v6());
            let line = format!("{ip} route del {net}{in_table} metric {}", route.key.metric);
            let line = line.trim_end_matches(" metric 0").to_owned();
            let key = route.key.clone();
            add.push(Candidate {
                code,
                place: called(ns).to_owned(),
                sentence: format!(
                    "{} has {} {} route for {net}, which takes {}",
                    called(ns),
                    if route.kind == RouteKind::Unreachable { "an" } else { "a" },
                    route.kind.name(),
                    stop.packet.dst
                ),
                evidence: vec![evidence(
                    ns,
                    "route",
                    format!("{} {net}", route.kind.name()),
                    &format!("ip route show {net}"),
                )],
                fix: vec![within(ns, &line)],
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        n.routes.retain(|r| r.key != key || r.kind == RouteKind::Unicast)
                    });
                })),
            });
        }
    }
}

/// A policy rule that leads to the wrong table, or refuses.
pub(super) fn rules(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for rule in n.rules.iter().filter(|r| !r.derived()) {
            if matches!(rule.action, RuleAction::Lookup(table::LOCAL | table::MAIN)) {
                continue;
            }
            let at = ns.clone();
            let gone = rule.clone();
            let does = match rule.action {
                RuleAction::Lookup(t) => format!("looks up table {t}"),
                RuleAction::Blackhole => "drops".to_owned(),
                RuleAction::Unreachable | RuleAction::Prohibit | RuleAction::Other(_) => {
                    "refuses".to_owned()
                }
            };
            let from = rule.from.map(|f| format!(" from {f}")).unwrap_or_default();
            add.push(Candidate {
                code: "POLICY_ROUTE",
                place: called(&ns).to_owned(),
                sentence: format!(
                    "the rule {}{from} of {} {does}, and there the packet gets lost",
                    rule.priority,
                    called(&ns)
                ),
                evidence: vec![evidence(
                    &ns,
                    "rule",
                    format!("{}:{from} {does}", rule.priority),
                    "ip rule show",
                )],
                fix: vec![within(
                    &ns,
                    &format!("{} rule del pref {}", edit::ip(rule.v6), rule.priority),
                )],
                rank: 3,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.rules.retain(|r| *r != gone))
                })),
            });
        }
    }
}

/// Switches of the host.
pub(super) fn settings(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Some(dev) = stop.dev.clone() else { continue };
        let ns = &stop.ns;
        match &stop.why {
            Why::NotForwarding => forwarding(case, stop, &dev, add),
            Why::RpFilter { mode, back } => {
                way_back(case, stop, &dev, add);
                let way = back.as_ref().map_or("nowhere".to_owned(), |b| format!("by {b}"));
                let words = if *mode == 1 { "strict" } else { "loose" };
                switch(
                    case,
                    ns,
                    &dev,
                    "rp_filter",
                    "0",
                    2,
                    Candidate {
                        code: "RP_FILTER",
                        place: place(ns, Some(&dev)),
                        sentence: format!(
                            "{words} rp_filter on {dev} in {}: {} comes in there, while the way back to it leads {way}",
                            called(ns),
                            stop.packet.src
                        ),
                        evidence: Vec::new(),
                        fix: Vec::new(),
                        rank: 3,
                        change: None,
                    },
                    add,
                );
            }
            Why::Localnet if stop.packet.src.is_loopback() && *ns != case.question.from() => {
                super::source::from_loopback(case, stop, add);
            }
            Why::Martian if stop.packet.src.is_loopback() && *ns != case.question.from() => {
                super::source::from_loopback(case, stop, add);
            }
            Why::Localnet => {
                if stop.packet.src.is_loopback() {
                    super::source::out_of_loopback(case, stop, &dev, add);
                }
                switch(
                    case,
                    ns,
                    &dev,
                    "route_localnet",
                    "1",
                    0,
                    Candidate {
                        code: "ROUTE_LOCALNET_OFF",
                        place: place(ns, Some(&dev)),
                        sentence: format!(
                            "{} takes no addresses of loopback from {dev}: route_localnet is off",
                            called(ns)
                        ),
                        evidence: Vec::new(),
                        fix: Vec::new(),
                        rank: 2,
                        change: None,
                    },
                    add,
                )
            }
            Why::Martian => switch(
                case,
                ns,
                &dev,
                "accept_local",
                "1",
                0,
                Candidate {
                    code: "MARTIAN_SOURCE",
                    place: place(ns, Some(&dev)),
                    sentence: format!(
                        "{} gets a packet on {dev} from {}, which is its own address, and drops it",
                        called(ns),
                        stop.packet.src
                    ),
                    evidence: Vec::new(),
                    fix: Vec::new(),
                    rank: 14,
                    change: None,
                },
                add,
            ),
            _ => {}
        }
    }
    super::hops::ttl(case, add);
}

/// The way back to the source, by the link that it came in by.
fn way_back(case: &Case<'_>, stop: &Stop, dev: &IfName, add: &mut Vec<Candidate>) {
    let (ns, src) = (&stop.ns, stop.packet.src);
    for (via, out) in edit::gateways(case.world, ns, src.is_ipv6()) {
        if out != *dev {
            continue;
        }
        let (at, net) = (ns.clone(), edit::host(src));
        add.push(Candidate {
            code: "RP_FILTER",
            place: place(ns, Some(dev)),
            sentence: format!("rp_filter on {dev} in {}: {src} comes in there, while the way back to it is another", called(ns)),
            evidence: vec![evidence(ns, "rp_filter", "on", &format!("sysctl net.ipv4.conf.{dev}.rp_filter"))],
            fix: vec![within(ns, &format!("ip route add {net} via {via} dev {dev}"))],
            rank: 4,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| n.routes.push(edit::route(net, &out, Some(via))));
            })),
        });
    }
}

/// A setting of a link and of all, of which both are set. `more`: 2 when the greater counts.
#[expect(clippy::too_many_arguments, reason = "a setting, its value, and what is said of it")]
fn switch(
    case: &Case<'_>,
    ns: &Ns,
    dev: &IfName,
    leaf: &str,
    value: &'static str,
    more: u8,
    base: Candidate,
    add: &mut Vec<Candidate>,
) {
    let Some(n) = case.world.node(ns) else { return };
    let one = format!("net/ipv4/conf/{dev}/{leaf}");
    let all = format!("net/ipv4/conf/all/{leaf}");
    let mut paths = vec![one];
    if more == 2 && n.number(&all) != 0 {
        paths.push(all);
    }
    let at = ns.clone();
    let dots = |p: &String| p.replace('/', ".");
    add.push(Candidate {
        evidence: paths
            .iter()
            .map(|p| evidence(ns, dots(p), n.number(p).to_string(), &format!("sysctl {}", dots(p))))
            .collect(),
        fix: paths.iter().map(|p| within(ns, &format!("sysctl -w {}={value}", dots(p)))).collect(),
        change: Some(Box::new(move |w: &mut World| {
            paths.iter().for_each(|p| edit::set(w, &at, p, value));
        })),
        ..base
    });
}

fn forwarding(case: &Case<'_>, stop: &Stop, dev: &IfName, add: &mut Vec<Candidate>) {
    let ns = &stop.ns;
    let Some(n) = case.world.node(ns) else { return };
    let v6 = stop.packet.v6();
    let all = if v6 { "net/ipv6/conf/all/forwarding" } else { "net/ipv4/ip_forward" };
    let off = n.number(all) == 0;
    let one = format!("net/ipv4/conf/{dev}/forwarding");
    let path = if off { all.to_owned() } else { one.clone() };
    let at = ns.clone();
    let dots = path.replace('/', ".");
    let code = if v6 { "IP6_FORWARD_OFF" } else { "IP_FORWARD_OFF" };
    let set = path.clone();
    let here = dev.clone();
    add.push(Candidate {
        code,
        place: if off { called(ns).to_owned() } else { place(ns, Some(dev)) },
        sentence: format!("{dots} is 0, so {} does not forward what comes in by {dev}", called(ns)),
        evidence: vec![evidence(ns, dots.clone(), "0", &format!("sysctl {dots}"))],
        fix: vec![within(ns, &format!("sysctl -w {dots}=1"))],
        rank: 5,
        change: Some(Box::new(move |w: &mut World| {
            edit::set(w, &at, &set, "1");
            let devs: Vec<IfName> =
                w.node(&at).map(|n| n.devs.keys().cloned().collect()).unwrap_or_default();
            let family = if v6 { 6 } else { 4 };
            for dev in devs.iter().filter(|_| off) {
                edit::set(w, &at, &format!("net/ipv{family}/conf/{dev}/forwarding"), "1");
            }
            if !off {
                edit::set(w, &at, &format!("net/ipv4/conf/{here}/forwarding"), "1");
            }
        })),
    });
    wrong_gateway(case, stop, add);
}

/// The one it was sent to is no router, and another one is.
fn wrong_gateway(case: &Case<'_>, stop: &Stop, add: &mut Vec<Candidate>) {
    let router = |ns: &Ns| {
        case.world.node(ns).is_some_and(|n| n.devs.values().filter(|d| !d.loopback()).count() > 1)
    };
    if router(&stop.ns) {
        return;
    }
    let v6 = stop.packet.v6();
    let Some(n) = case.world.node(&stop.ns) else { return };
    let before = case.trip.request.hops.iter().chain(case.trip.reply.iter().flat_map(|r| &r.hops));
    let Some(sender) =
        before.rev().find(|h| h.at == "route" && h.ns != stop.ns).map(|h| h.ns.clone())
    else {
        return;
    };
    let own: Vec<_> = n.addrs.iter().map(|a| a.key.net.addr()).collect();
    let taken = case
        .world
        .node(&sender)
        .map(|s| crate::route::lookup(s, stop.packet.dst, &crate::route::Ask::default()));
    let net = match taken {
        Some(crate::route::Answer::Route(taken)) => taken.route.key.dst,
        _ => edit::everything(v6),
    };
    for (via, out) in
        edit::gateways(case.world, &sender, v6).into_iter().filter(|(via, _)| !own.contains(via))
    {
        let (at, bad) = (sender.clone(), own.clone());
        add.push(Candidate {
            code: "WRONG_GATEWAY",
            place: called(&sender).to_owned(),
            sentence: format!(
                "{} sends by {}, which is no router",
                called(&sender),
                called(&stop.ns)
            ),
            evidence: vec![evidence(
                &sender,
                "route",
                format!("via {}", called(&stop.ns)),
                "ip route show",
            )],
            fix: vec![within(
                &sender,
                &format!("{} route replace {} via {via} dev {out}", edit::ip(v6), written(net)),
            )],
            // One for a part of all may win over the right one.
            rank: if net.prefix_len() == 0 { 3 } else { 9 },
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    for hop in n.routes.iter_mut().flat_map(|r| r.hops.iter_mut()) {
                        if hop.via.is_some_and(|v| bad.contains(&v)) {
                            hop.via = Some(via);
                            hop.dev = Some(out.clone());
                        }
                    }
                });
            })),
        });
    }
}

/// No rule leads to the main table any more.
pub(super) fn no_main(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        let v6 = case.question.dst.is_ipv6();
        let main =
            |r: &&ropewalk_facts::Rule| r.v6 == v6 && r.action == RuleAction::Lookup(table::MAIN);
        if n.rules.iter().any(|r| main(&r)) || !n.rules.iter().any(|r| r.v6 == v6) {
            continue;
        }
        let at = ns.clone();
        let rule = ropewalk_facts::Rule {
            v6,
            priority: 32766,
            from: None,
            to: None,
            iif: None,
            oif: None,
            mark: None,
            ipproto: None,
            sport: None,
            dport: None,
            not: false,
            suppress: None,
            action: RuleAction::Lookup(table::MAIN),
            proto: ropewalk_facts::proto::KERNEL,
        };
        add.push(Candidate {
            code: "POLICY_ROUTE",
            place: called(&ns).to_owned(),
            sentence: format!(
                "no rule of {} leads to the main table, so its routes are not looked at",
                called(&ns)
            ),
            evidence: vec![evidence(&ns, "rule", "none for the main table", "ip rule show")],
            fix: vec![within(&ns, &format!("{} rule add pref 32766 lookup main", edit::ip(v6)))],
            rank: 3,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| n.rules.push(rule.clone()))
            })),
        });
    }
}
