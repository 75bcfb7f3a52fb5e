//! One segment: hardware addresses that two have, subnets that do not meet, a subnet on two links.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{IfName, LinkKind, Mac, Ns};

use super::edit::{self, node};
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::route::{self, Answer};
use crate::trace::Why;
use crate::world::{Dev, World};

/// The bridge that a link is connected to, by itself or by its other end.
fn segment(world: &World, ns: &Ns, dev: &Dev) -> Option<(Ns, IfName)> {
    if dev.link.kind == LinkKind::Bridge {
        return Some((ns.clone(), dev.name().clone()));
    }
    if let Some(master) = &dev.link.master {
        return Some((ns.clone(), master.clone()));
    }
    let peer = dev.other()?;
    let master = world.dev(&peer.ns, &peer.name)?.link.master.clone()?;
    Some((peer.ns.clone(), master))
}

/// Two links of one segment have the same hardware address.
pub(super) fn duplicate_mac(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let concerned = case.concerned();
    let all: Vec<(&Ns, &Dev)> = case
        .world
        .nodes
        .iter()
        .flat_map(|(ns, n)| n.devs.values().map(move |d| (ns, d)))
        .filter(|(_, d)| !d.loopback() && d.mac() != Mac([0; 6]) && d.link.master.is_none())
        .collect();
    for (ns, dev) in all.iter().filter(|(ns, d)| concerned.contains(ns) && d.kind() == "veth") {
        let here = segment(case.world, ns, dev);
        let twin = all.iter().find(|(other, d)| {
            (other != ns || d.name() != dev.name())
                && d.mac() == dev.mac()
                && here.is_some()
                && segment(case.world, other, d) == here
        });
        let Some((other, _)) = twin else { continue };
        let mut new = dev.mac();
        new.0 = new.0.map(|b| b ^ 0x5a);
        if let Some(first) = new.0.first_mut() {
            *first = 0x02;
        }
        let (at, name, old) = ((*ns).clone(), dev.name().clone(), dev.mac());
        let ips: Vec<IpAddr> = case
            .world
            .node(ns)
            .map(|n| n.addrs_of(&name).map(|a| a.key.net.addr()).collect())
            .unwrap_or_default();
        let knows = case.world.nodes.iter().flat_map(|(o, n)| {
            let of = n.neighs.iter().filter(|x| ips.contains(&x.key.ip) && x.mac == Some(old));
            of.map(|x| within(o, &format!("ip neigh flush to {} dev {}", x.key.ip, x.key.dev)))
        });
        let mut fix = vec![within(ns, &format!("ip link set dev {name} address {new}"))];
        fix.extend(knows);
        add.push(Candidate {
            code: "DUP_MAC",
            place: place(ns, Some(&name)),
            sentence: format!(
                "{} and {} have the same hardware address {old} on one segment, so the bridge sends to the one what is for the other",
                called(ns),
                called(other)
            ),
            evidence: vec![evidence(ns, name.as_str(), old.to_string(), &format!("ip link show dev {name}"))],
            fix,
            rank: 2,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    if let Some(dev) = n.devs.get_mut(&name) {
                        dev.link.mac = Some(new);
                    }
                });
                let every: Vec<Ns> = w.nodes.keys().cloned().collect();
                for ns in every {
                    node(w, &ns, |n| n.neighs.retain(|x| !(ips.contains(&x.key.ip) && x.mac == Some(old))));
                }
            })),
        });
    }
}

/// Two on one segment have addresses of subnets that do not meet.
pub(super) fn subnets(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    if !matches!(
        stop.why,
        Why::NoRoute
            | Why::Unresolved { .. }
            | Why::NoWayBack(_)
            | Why::WrongWay(_)
            | Why::Astray
            | Why::NotForwarding
            | Why::RpFilter { .. }
            | Why::NoSource
            | Why::Martian
    ) {
        return;
    }
    let v6 = case.question.dst.is_ipv6();
    let from = case.question.from();
    let mut ends: Vec<(Ns, IfName, IpNet)> = Vec::new();
    for ns in case.near() {
        let Some(n) = case.world.node(&ns) else { continue };
        let own = n.addrs.iter().filter(|a| {
            a.key.net.addr().is_ipv6() == v6
                && a.key.dev.as_str() != "lo"
                && !edit::link_local(a.key.net.addr())
                && a.key.net.prefix_len() < a.key.net.max_prefix_len()
        });
        ends.extend(own.map(|a| (ns.clone(), a.key.dev.clone(), a.key.net)));
    }
    for (ns, dev, net) in &ends {
        for (other, far, there) in &ends {
            let apart = !net.contains(&there.addr()) && !there.contains(&net.addr());
            let on = |ns: &Ns, dev: &IfName| {
                case.world.dev(ns, dev).and_then(|d| segment(case.world, ns, d))
            };
            let here = on(ns, dev);
            if ns == other || !apart || here.is_none() || here != on(other, far) {
                continue;
            }
            let meets = case
                .world
                .node(ns)
                .is_some_and(|n| n.addrs_of(dev).any(|a| a.key.net.contains(&there.addr())));
            // The one that is moved is not the one that is asked for.
            if meets
                || there.addr() == case.question.dst
                || *other != from && net.addr() != case.question.dst
            {
                continue;
            }
            moved((ns, dev, net), (other, far, there), add);
        }
    }
}

type End<'a> = (&'a Ns, &'a IfName, &'a IpNet);

/// Both are told that the other's subnet is on the link.
fn moved(a: End<'_>, b: End<'_>, add: &mut Vec<Candidate>) {
    let v = edit::ip(a.2.addr().is_ipv6());
    let fix = vec![
        within(a.0, &format!("{v} route replace {} dev {}", edit::host(b.2.addr()), a.1)),
        within(b.0, &format!("{v} route replace {} dev {}", edit::host(a.2.addr()), b.1)),
    ];
    let owned = |(ns, dev, net): End<'_>| (ns.clone(), dev.clone(), *net);
    let (one, two) = (owned(a), owned(b));
    add.push(Candidate {
        code: "SUBNET_MISMATCH",
        place: place(a.0, Some(a.1)),
        sentence: format!(
            "{} has {} and {} has {} on the same segment: neither takes the other for a neighbour",
            called(a.0),
            a.2,
            called(b.0),
            b.2
        ),
        evidence: [a, b]
            .map(|(ns, dev, net)| {
                evidence(ns, dev.as_str(), net.to_string(), &format!("ip addr show dev {dev}"))
            })
            .to_vec(),
        fix,
        rank: 6,
        change: Some(Box::new(move |w: &mut World| {
            for (to, other) in [(&one, &two), (&two, &one)] {
                node(w, &to.0, |n| {
                    n.routes.push(edit::route(edit::host(other.2.addr()), &to.1, None))
                });
            }
        })),
    });
}

/// A host has one subnet on two links, and the target is behind the other one.
pub(super) fn overlap(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let mut targets = vec![case.question.dst];
    targets.extend(case.stops().iter().map(|s| s.packet.dst));
    targets.sort();
    targets.dedup();
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for ip in &targets {
            let Answer::Route(taken) = route::lookup(n, *ip, &route::Ask::default()) else {
                continue;
            };
            let Some(used) = taken.route.hops.first().and_then(|h| h.dev.clone()) else { continue };
            let others = n.addrs.iter().filter(|a| {
                a.key.dev != used
                    && a.key.net.contains(ip)
                    && a.key.dev.as_str() != "lo"
                    && !edit::link_local(*ip)
                    && n.addrs_of(&used).any(|b| b.key.net.contains(ip))
            });
            for other in others {
                let (at, out, net) = (ns.clone(), other.key.dev.clone(), edit::host(*ip));
                // The one that came later, most likely, is the emptier one.
                let size = |dev: &IfName| n.members(dev).count();
                let later = |dev: &IfName| n.devs.get(dev).map_or(0, |d| d.seen.index);
                let rank = |dev: &IfName| (size(dev), std::cmp::Reverse(later(dev)));
                let extra = if rank(&used) < rank(&out) { used.clone() } else { out.clone() };
                add.push(Candidate {
                    code: "SUBNET_OVERLAP",
                    place: place(&ns, Some(&extra)),
                    sentence: format!(
                        "{} has {} on both {used} and {out}; what goes to {ip} leaves by {used}, and {ip} is behind {out}",
                        called(&ns),
                        other.key.net.trunc()
                    ),
                    evidence: vec![evidence(&ns, "route", format!("{ip} dev {used}"), &format!("ip route get {ip}"))],
                    fix: vec![within(&ns, &format!("{} route replace {net} dev {out}", edit::ip(ip.is_ipv6())))],
                    rank: 3,
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| n.routes.push(edit::route(net, &out, None)));
                    })),
                });
            }
        }
    }
}

/// A subnet of one link takes in an address of the world outside.
pub(super) fn captured(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let dst = case.question.dst;
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        let ask = route::Ask::default();
        let Answer::Route(taken) = route::lookup(n, dst, &ask) else { continue };
        let hop = taken.route.hops.first();
        let Some(used) = hop.filter(|h| h.via.is_none()).and_then(|h| h.dev.clone()) else {
            continue;
        };
        let net = taken.route.key.dst;
        let default = edit::everything(dst.is_ipv6());
        let out = n.routes.iter().filter(|r| r.key.dst == default).find_map(|r| {
            let hop = r.hops.first()?;
            Some((hop.via?, hop.dev.clone()?))
        });
        let Some((via, out)) = out.filter(|(_, out)| *out != used) else { continue };
        let connected = taken.route.derived && n.addrs_of(&used).any(|a| a.key.net.contains(&dst));
        let stations = case.world.nodes.iter().filter(|(other, _)| **other != ns);
        let used_by =
            stations.flat_map(|(_, far)| &far.addrs).any(|a| net.contains(&a.key.net.addr()));
        if !connected || used_by && !public(dst) || case.world.owners(dst).next().is_some() {
            continue;
        }
        let (at, to) = (ns.clone(), edit::host(dst));
        let v = edit::ip(dst.is_ipv6());
        let by = out.clone();
        add.push(Candidate {
            code: "SUBNET_OVERLAP",
            place: place(&ns, Some(&used)),
            sentence: format!(
                "{} has {net} on {used}, so it looks there for {dst}, which is somebody else's: the same subnet is used twice",
                called(&ns)
            ),
            evidence: vec![evidence(&ns, "route", format!("{net} dev {used}"), &format!("ip route get {dst}"))],
            fix: vec![within(&ns, &format!("{v} route replace {to} via {via} dev {out}"))],
            rank: 7,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| n.routes.push(edit::route(to, &by, Some(via))));
            })),
        });
    }
}

fn public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !(ip.is_private() || ip.is_loopback() || ip.is_link_local()),
        IpAddr::V6(ip) => !(ip.is_unicast_link_local() || ip.is_unique_local() || ip.is_loopback()),
    }
}

/// The sender's subnet is not that of its bridge, so nobody there is its gateway.
pub(super) fn readdressed(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    let lost = matches!(
        stop.why,
        Why::Unresolved { .. } | Why::NoRoute | Why::Astray | Why::NoWayBack(_) | Why::WrongWay(_)
    );
    let v6 = case.question.dst.is_ipv6();
    let ends = [case.question.from()]
        .into_iter()
        .chain(case.world.owners(case.question.dst).map(|(ns, _)| ns.clone()));
    for ns in ends.filter(|_| lost) {
        let Some(n) = case.world.node(&ns) else { continue };
        for dev in n.devs.values().filter(|d| d.kind() == "veth" && d.link.master.is_none()) {
            let name = dev.name().clone();
            let own = |a: &&ropewalk_facts::Addr| {
                a.key.net.addr().is_ipv6() == v6
                    && !edit::link_local(a.key.net.addr())
                    && a.key.net.prefix_len() < a.key.net.max_prefix_len()
            };
            let Some(old) = n.addrs_of(&name).find(own).map(|a| a.key.net) else { continue };
            let Some((new, Some(via))) = edit::lacking(case.world, &ns, &name, old.addr()) else {
                continue;
            };
            if old.contains(&via) || new.contains(&old.addr()) || old.addr() == case.question.dst {
                continue;
            }
            let v = edit::ip(v6);
            let nodad = if v6 { " nodad" } else { "" };
            let at = ns.clone();
            let bare_name = name.clone();
            add.push(Candidate {
                code: "SUBNET_MISMATCH",
                place: place(&ns, Some(&name)),
                sentence: format!(
                    "{} has {old}, while the bridge that it is on has {}: nobody there is in its subnet",
                    called(&ns),
                    ipnet::IpNet::new(via, new.prefix_len()).map(|n| n.to_string()).unwrap_or_default()
                ),
                evidence: vec![evidence(&ns, name.as_str(), old.to_string(), &format!("ip addr show dev {name}"))],
                fix: vec![
                    within(&ns, &format!("ip addr del {old} dev {name}")),
                    within(&ns, &format!("ip addr add {new} dev {name}{nodad}")),
                    within(&ns, &format!("{v} route replace default via {via} dev {name}")),
                ],
                rank: 5,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        edit::del_addr(n, &bare_name, old.addr());
                        n.routes.retain(|r| !r.hops.iter().any(|h| h.dev.as_ref() == Some(&bare_name) && h.via.is_some_and(|v| v.is_ipv6() == v6)));
                        edit::add_addr(n, &bare_name, new);
                        n.routes.push(edit::route(edit::everything(v6), &bare_name, Some(via)));
                    });
                })),
            });
        }
    }
}
