//! Routes: none, none back, another one, prefixes that do not fit.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Ns, RouteKind, table};

use super::edit::{self, node};
use super::{evidence, place, within, written};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::route::{self, Answer};
use crate::trace::Why;
use crate::world::World;

/// No route, there or back.
pub(super) fn no_route(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    if !matches!(stop.why, Why::NoRoute | Why::NoSource) {
        return;
    }
    let ns = &stop.ns;
    let Some(n) = case.world.node(ns) else { return };
    let v6 = stop.packet.v6();
    let to = stop.packet.dst;
    if n.devs
        .values()
        .all(|d| d.loopback() || matches!(d.kind(), "sit" | "ip6tnl" | "gre" | "ipip" | "tunl"))
    {
        add.push(Candidate {
            code: "NO_INTERFACE",
            place: called(ns).to_owned(),
            sentence: format!("{} has no interface but loopback", called(ns)),
            evidence: vec![evidence(ns, "links", "lo alone", "ip link show")],
            fix: connected(case.world, ns, edit::everything(v6).addr()),
            rank: 0,
            change: None,
        });
    }
    let (code, sentence) = if case.trip.back() {
        (
            "NO_RETURN_ROUTE",
            format!("the request reaches {}, but it has no route back to {to}", called(ns)),
        )
    } else {
        ("NO_ROUTE", format!("{} has no route to {to}", called(ns)))
    };
    let bare =
        !n.routes.iter().any(|r| r.key.dst == edit::everything(v6) && r.key.table == table::MAIN);
    let owner = case.world.owners(to).map(|(_, a)| a.key.net.trunc()).find(|n| n.prefix_len() > 0);
    for (via, dev) in edit::gateways(case.world, ns, v6) {
        let dst = if bare { edit::everything(v6) } else { owner.unwrap_or_else(|| edit::host(to)) };
        let at = ns.clone();
        let near = n.addrs_of(&dev).any(|a| a.key.net.contains(&via)) || edit::link_local(via);
        let onlink = if near { "" } else { " onlink" };
        let line =
            format!("{} route add {} via {via} dev {dev}{onlink}", edit::ip(v6), written(dst));
        add.push(Candidate {
            code,
            place: called(ns).to_owned(),
            sentence: sentence.clone(),
            evidence: vec![evidence(ns, "route", "none", &format!("ip route get {to}"))],
            fix: vec![within(ns, &line)],
            rank: 10,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| n.routes.push(edit::route(dst, &dev, Some(via))))
            })),
        });
    }
}

/// Commands that connect a namespace to the bridge that is there.
pub(super) fn connected(world: &World, ns: &Ns, wanted: IpAddr) -> Vec<String> {
    let v6 = wanted.is_ipv6();
    let Some((host, bridge, free, gateway)) = edit::free(world, None, v6) else {
        return Vec::new();
    };
    let own = IpNet::new(wanted, free.prefix_len()).ok().filter(|net| net.contains(&gateway));
    let own = own.filter(|_| !wanted.is_unspecified()).unwrap_or(free);
    let Some(name) = ns.as_str().strip_prefix("netns:") else { return Vec::new() };
    let (leg, v, nodad) = ("why0", edit::ip(v6), if v6 { " nodad" } else { "" });
    vec![
        within(&host, &format!("ip link add {leg} type veth peer name {leg}c")),
        within(&host, &format!("ip link set {leg}c netns {name}")),
        within(&host, &format!("ip link set {leg} master {bridge} up")),
        within(ns, &format!("ip link set {leg}c name eth0")),
        within(ns, &format!("ip addr add {own} dev eth0{nodad}")),
        within(ns, "ip link set eth0 up"),
        within(ns, &format!("{v} route add default via {gateway}")),
    ]
}

/// The host of a container lacks the route to it.
pub(super) fn host_route(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let mut targets: Vec<IpAddr> = vec![case.question.dst];
    targets.extend(case.stops().iter().map(|s| s.packet.dst));
    targets.sort();
    targets.dedup();
    for ip in targets {
        for (owner, addr) in case.world.owners(ip) {
            let Some(dev) = case.world.dev(owner, &addr.key.dev) else { continue };
            let Some(peer) = dev.other() else { continue };
            let Some(host) = case.world.node(&peer.ns) else { continue };
            let direct = host.devs.get(&peer.name).is_some_and(|d| d.link.master.is_none());
            let has = host.routes.iter().any(|r| {
                r.key.dst == edit::host(ip)
                    && r.hops.iter().any(|h| h.dev.as_ref() == Some(&peer.name))
            });
            let near = match route::lookup(host, ip, &route::Ask::default()) {
                Answer::Route(t) => t.route.hops.iter().any(|h| h.dev.as_ref() == Some(&peer.name)),
                _ => false,
            };
            if !direct || has || near || peer.ns == *owner {
                continue;
            }
            let (at, out) = (peer.ns.clone(), peer.name.clone());
            let net = edit::host(ip);
            add.push(Candidate {
                code: "NO_HOST_ROUTE",
                place: called(&peer.ns).to_owned(),
                sentence: format!(
                    "{} has no route to {ip} by {out}, where {} is",
                    called(&peer.ns),
                    called(owner)
                ),
                evidence: vec![evidence(
                    &peer.ns,
                    "route",
                    format!("none for {net}"),
                    &format!("ip route get {ip}"),
                )],
                fix: vec![within(
                    &peer.ns,
                    &format!("{} route replace {net} dev {out}", edit::ip(ip.is_ipv6())),
                )],
                rank: 4,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.routes.push(edit::route(net, &out, None)));
                })),
            });
        }
    }
}

/// Another route wins, one of several ways is dead, or the next hop is the wrong machine.
pub(super) fn wrong_route(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let mut targets: Vec<IpAddr> =
        vec![case.question.dst, case.question.saddr.unwrap_or(case.question.dst)];
    targets.extend(case.stops().iter().flat_map(|s| [s.packet.dst, s.packet.src]));
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        let fits = |r: &&ropewalk_facts::Route| {
            r.key.table != table::LOCAL
                && r.kind == RouteKind::Unicast
                && targets.iter().any(|t| r.key.dst.contains(t))
                && r.proto != ropewalk_facts::proto::KERNEL
        };
        for route in n.routes.iter().filter(fits) {
            let net = written(route.key.dst);
            let v6 = matches!(route.key.dst, IpNet::V6(_));
            if route.hops.len() > 1 {
                dead_leg(case, &ns, route, add);
            }
            let via = route.hops.first().and_then(|h| h.via);
            let dev = route.hops.first().and_then(|h| h.dev.clone());
            let worse = |r: &ropewalk_facts::Route| {
                r.key.dst == route.key.dst
                    && r.key.table == route.key.table
                    && r.key.metric > route.key.metric
            };
            let beaten = n.routes.iter().any(worse);
            // Sent back out by where it came in, the sender was told of that way, and remembers it.
            let asker = case.trip.request.hops.first().map(|hop| hop.tuple.src);
            let back = asker.map(|ip| route::lookup(n, ip, &route::Ask::default()));
            let told = matches!(&back, Some(Answer::Route(t)) if dev.is_some() && via.is_some()
                && t.route.hops.first().and_then(|h| h.dev.as_ref()) == dev.as_ref());
            let forget = (told && ns != case.question.from()).then(|| {
                within(&case.question.from(), &format!("{} route flush cache", edit::ip(v6)))
            });
            if route.key.dst.prefix_len() > 0 || beaten {
                let at = ns.clone();
                let key = route.key.clone();
                add.push(Candidate {
                    code: "WRONG_ROUTE",
                    place: called(&ns).to_owned(),
                    sentence: format!(
                        "the route for {net} of {} leads{}{} and wins over the right one",
                        called(&ns),
                        via.map(|v| format!(" via {v}")).unwrap_or_default(),
                        dev.as_ref().map(|d| format!(" by {d}")).unwrap_or_default()
                    ),
                    evidence: vec![evidence(
                        &ns,
                        "route",
                        net.clone(),
                        &format!("ip route show {net}"),
                    )],
                    fix: std::iter::once(within(
                        &ns,
                        &format!(
                            "{} route del {net}{}{}{}",
                            edit::ip(v6),
                            via.map(|v| format!(" via {v}")).unwrap_or_default(),
                            if route.key.table == table::MAIN {
                                String::new()
                            } else {
                                format!(" table {}", route.key.table)
                            },
                            if beaten {
                                format!(" metric {}", route.key.metric)
                            } else {
                                String::new()
                            }
                        ),
                    ))
                    .chain(forget)
                    .collect(),
                    rank: if beaten { 4 } else { 8 },
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| n.routes.retain(|r| r.key != key))
                    })),
                });
            }
            let Some(via) = via else { continue };
            for (better, out) in
                edit::gateways(case.world, &ns, v6).into_iter().filter(|(g, _)| *g != via)
            {
                let at = ns.clone();
                let key = route.key.clone();
                let d = out.clone();
                add.push(Candidate {
                    code: "WRONG_NEXTHOP",
                    place: called(&ns).to_owned(),
                    sentence: format!(
                        "{} sends what goes to {net} by {via}, which is not the way; {better} is",
                        called(&ns)
                    ),
                    evidence: vec![evidence(
                        &ns,
                        "route",
                        format!("{net} via {via}"),
                        &format!("ip route show {net}"),
                    )],
                    fix: vec![within(
                        &ns,
                        &format!("{} route replace {net} via {better} dev {out}", edit::ip(v6)),
                    )],
                    rank: if nearer(case.world, via, better, case.question.dst) { 7 } else { 11 },
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| {
                            for r in n.routes.iter_mut().filter(|r| r.key == key) {
                                r.hops = vec![ropewalk_facts::NextHop {
                                    via: Some(better),
                                    dev: Some(d.clone()),
                                    weight: 1,
                                    onlink: false,
                                }];
                            }
                        });
                    })),
                });
            }
        }
    }
}

/// The host at `better` has the target on one of its own links, and that at `via` has not.
fn nearer(world: &World, via: IpAddr, better: IpAddr, dst: IpAddr) -> bool {
    let has = |gateway: IpAddr| {
        world.owners(gateway).any(|(ns, _)| {
            let Some(n) = world.node(ns) else { return false };
            match route::lookup(n, dst, &route::Ask::default()) {
                Answer::Route(t) => {
                    t.route.kind == RouteKind::Local
                        || t.route.hops.first().is_some_and(|h| h.via.is_none())
                }
                _ => false,
            }
        })
    };
    // Or it knows a way at all, and the other one knows none.
    let knows = |gateway: IpAddr| {
        world.owners(gateway).any(|(ns, _)| {
            let found =
                world.node(ns).map(|n| route::lookup(n, dst, &route::Ask::default()));
            matches!(found, Some(Answer::Route(t)) if matches!(t.route.kind, RouteKind::Unicast | RouteKind::Local))
        })
    };
    has(better) && !has(via) || knows(better) && !knows(via)
}

fn dead_leg(case: &Case<'_>, ns: &Ns, route: &ropewalk_facts::Route, add: &mut Vec<Candidate>) {
    let net = written(route.key.dst);
    let v6 = matches!(route.key.dst, IpNet::V6(_));
    for leg in 0..route.hops.len() {
        let rest: Vec<_> = route
            .hops
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != leg)
            .map(|(_, h)| h.clone())
            .collect();
        let Some(dead) = route.hops.get(leg).cloned() else { continue };
        let ways: String = rest
            .iter()
            .map(|h| {
                format!(
                    "{}{}",
                    h.via.map(|v| format!(" via {v}")).unwrap_or_default(),
                    h.dev.as_ref().map(|d| format!(" dev {d}")).unwrap_or_default()
                )
            })
            .collect::<Vec<_>>()
            .join(" nexthop");
        let at = ns.clone();
        let key = route.key.clone();
        let line = if rest.len() == 1 {
            format!("route replace {net}{ways}")
        } else {
            format!("route replace {net} nexthop{ways}")
        };
        add.push(Candidate {
            code: "MULTIPATH_DEAD_LEG",
            place: called(ns).to_owned(),
            sentence: format!(
                "one of the ways of {} to {net}, {}, is dead, so a part of all connections fails",
                called(ns),
                dead.via.map_or_else(|| "a link".to_owned(), |v| v.to_string())
            ),
            evidence: vec![evidence(ns, "route", net.clone(), &format!("ip route show {net}"))],
            fix: vec![within(ns, &format!("{} {line}", edit::ip(v6)))],
            rank: 2,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    n.routes
                        .iter_mut()
                        .filter(|r| r.key == key)
                        .for_each(|r| r.hops.clone_from(&rest))
                });
            })),
        });
    }
    let _ = case;
}

/// Lengths of prefixes that differ on one segment, and subnets that do not meet.
pub(super) fn mask(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let concerned = case.concerned();
    for ns in &concerned {
        let Some(n) = case.world.node(ns) else { continue };
        for addr in n.addrs.iter().filter(|a| a.scope.0 == 0 && !edit::link_local(a.key.net.addr()))
        {
            let net = addr.key.net;
            let mut lens: Vec<u8> = Vec::new();
            for (other, far) in case.world.nodes.iter().filter(|(o, _)| *o != ns) {
                let _ = other;
                for b in &far.addrs {
                    let meets = b.key.net.contains(&net.addr()) || net.contains(&b.key.net.addr());
                    let len = b.key.net.prefix_len();
                    if meets
                        && len != net.prefix_len()
                        && len < net.max_prefix_len()
                        && len > 0
                        && !lens.contains(&len)
                    {
                        lens.push(len);
                    }
                }
            }
            for len in lens {
                let Ok(right) = IpNet::new(net.addr(), len) else { continue };
                let (at, dev) = (ns.clone(), addr.key.dev.clone());
                let lost: Vec<ropewalk_facts::Route> = n
                    .routes
                    .iter()
                    .filter(|r| {
                        r.key.table == table::MAIN
                            && r.proto != ropewalk_facts::proto::KERNEL
                            && r.key.dst.addr().is_ipv6() == net.addr().is_ipv6()
                            && r.hops
                                .iter()
                                .any(|h| h.dev.as_ref() == Some(&dev) && h.via.is_some())
                    })
                    .cloned()
                    .collect();
                let mut fix = vec![
                    within(ns, &format!("ip addr del {net} dev {dev}")),
                    within(ns, &format!("ip addr add {right} dev {dev}")),
                ];
                let keep = lost.clone();
                fix.extend(lost.iter().map(|r| {
                    let via = r
                        .hops
                        .first()
                        .and_then(|h| h.via)
                        .map(|v| v.to_string())
                        .unwrap_or_default();
                    within(
                        ns,
                        &format!(
                            "{} route replace {} via {via} dev {dev}",
                            edit::ip(net.addr().is_ipv6()),
                            written(r.key.dst)
                        ),
                    )
                }));
                let d = dev.clone();
                add.push(Candidate {
                    code: "MASK_MISMATCH",
                    place: place(ns, Some(&dev)),
                    sentence: format!("{} has {net} where the network is /{len}, so it takes others for neighbours, or neighbours for others", called(ns)),
                    evidence: vec![evidence(ns, dev.as_str(), net.to_string(), &format!("ip addr show dev {dev}"))],
                    fix,
                    rank: if single(case.world, n, &dev, net) { 11 } else { 5 },
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| {
                            edit::del_addr(n, &d, net.addr());
                            n.routes.retain(|r| r.key.dst != net.trunc() || !r.hops.iter().any(|h| h.dev.as_ref() == Some(&d) && h.via.is_none()));
                            edit::add_addr(n, &d, right);
                            let _ = &keep;
                        });
                    })),
                });
            }
        }
    }
}

/// A single address that is meant so: the link leads to no bridge with a subnet around it.
fn single(world: &World, n: &crate::world::Node, dev: &ropewalk_facts::IfName, net: IpNet) -> bool {
    let Some(peer) = n.devs.get(dev).and_then(|d| d.other()) else { return false };
    let Some(host) = world.node(&peer.ns) else { return false };
    let bridge = host.devs.get(&peer.name).and_then(|d| d.link.master.clone());
    let around = |bridge| host.addrs_of(bridge).any(|a| a.key.net.contains(&net.addr()));
    net.prefix_len() == net.max_prefix_len() && !bridge.as_ref().is_some_and(around)
}

/// A redirect that is remembered leads elsewhere than the table does today.
pub(super) fn redirect(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for route in &n.learned {
            let (ip, v6) = (route.key.dst.addr(), route.key.dst.addr().is_ipv6());
            let Some(via) = route.hops.first().and_then(|h| h.via) else { continue };
            let (at, gone) = (ns.clone(), route.clone());
            add.push(Candidate {
                code: "ICMP_REDIRECT_CACHED",
                place: called(&ns).to_owned(),
                sentence: format!(
                    "{} was told once, by an ICMP redirect, to send what goes to {ip} by {via}, and still does, whatever its table says",
                    called(&ns)
                ),
                evidence: vec![evidence(&ns, "route cache", format!("{ip} via {via}"), &format!("ip route get {ip}"))],
                fix: vec![within(&ns, &format!("{} route flush cache", edit::ip(v6)))],
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.learned.retain(|r| *r != gone));
                })),
            });
        }
    }
}
