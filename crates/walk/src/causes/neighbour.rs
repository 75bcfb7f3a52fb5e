//! Neighbours: silent ones, wrong entries, two owners of an address, none, and those nobody speaks for.

use std::net::IpAddr;

use ropewalk_facts::{IfName, Ns, RouteKind};

use super::edit::{self, node};
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::resolve::Silence;
use crate::route::{self, Answer};
use crate::trace::Why;
use crate::world::World;

/// Somebody has the address and does not answer, by a setting.
pub(super) fn silent(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let (Why::Silent(silence), Some(dev)) = (&stop.why, &stop.dev) else { continue };
        let ns = &stop.ns;
        let (code, leaf, sentence) = match silence {
            Silence::Ignore(n) => (
                "ARP_IGNORE",
                "arp_ignore",
                format!(
                    "arp_ignore={n}: {} does not answer ARP on {dev} for {}, which sits on another link",
                    called(ns),
                    stop.packet.dst
                ),
            ),
            Silence::Filter(_) => (
                "ARP_FILTER",
                "arp_filter",
                format!(
                    "arp_filter: {} would answer {} by another link, so it does not answer on {dev}",
                    called(ns),
                    stop.packet.src
                ),
            ),
        };
        let paths = [format!("net/ipv4/conf/all/{leaf}"), format!("net/ipv4/conf/{dev}/{leaf}")];
        let Some(n) = case.world.node(ns) else { continue };
        let on: Vec<String> = paths.into_iter().filter(|p| n.number(p) != 0).collect();
        let at = ns.clone();
        let fix = on
            .iter()
            .map(|p| within(ns, &format!("sysctl -w {}=0", p.replace('/', "."))))
            .collect();
        add.push(Candidate {
            code,
            place: place(ns, Some(dev)),
            sentence,
            evidence: on
                .iter()
                .map(|p| {
                    evidence(
                        ns,
                        p.clone(),
                        n.number(p).to_string(),
                        &format!("sysctl {}", p.replace('/', ".")),
                    )
                })
                .collect(),
            fix,
            rank: 1,
            change: Some(Box::new(move |w: &mut World| {
                on.iter().for_each(|p| edit::set(w, &at, p, "0"))
            })),
        });
    }
    for ns in case.near() {
        let Some(n) = case.world.node(&ns) else { continue };
        for dev in n.devs.values().filter(|d| {
            d.noarp() && !d.loopback() && matches!(d.kind(), "veth" | "bridge" | "macvlan" | "")
        }) {
            let (at, name) = (ns.clone(), dev.name().clone());
            add.push(Candidate {
                code: "NOARP",
                place: place(&ns, Some(&name)),
                sentence: format!("{name} in {} has ARP switched off, so it neither asks nor answers for hardware addresses", called(&ns)),
                evidence: vec![evidence(&ns, name.as_str(), "NOARP", &format!("ip link show dev {name}"))],
                fix: vec![within(&ns, &format!("ip link set dev {name} arp on"))],
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        if let Some(dev) = n.devs.get_mut(&name) {
                            dev.seen.flags &= !0x80;
                        }
                        n.neighs.retain(|x| x.key.dev != name || x.state & 0x40 == 0);
                    });
                })),
            });
        }
    }
}

/// An entry that does not age has the wrong hardware address.
pub(super) fn wrong_entry(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for entry in n.neighs.iter().filter(|e| !e.key.proxy) {
            let Some(mac) = entry.mac else { continue };
            let (ip, dev) = (entry.key.ip, entry.key.dev.clone());
            let right = case
                .world
                .owners(ip)
                .filter_map(|(o, a)| case.world.dev(o, &a.key.dev))
                .any(|d| d.mac() == mac);
            if right || case.world.owners(ip).next().is_none() && entry.state & 0x80 == 0 {
                continue;
            }
            let at = ns.clone();
            let key = entry.key.clone();
            add.push(Candidate {
                code: "NEIGH_WRONG_MAC",
                place: place(&ns, Some(&dev)),
                sentence: format!(
                    "{} has {mac} for {ip} on {dev}, which is not its hardware address",
                    called(&ns)
                ),
                evidence: vec![evidence(
                    &ns,
                    dev.as_str(),
                    format!("{ip} lladdr {mac}"),
                    &format!("ip neigh show {ip} dev {dev}"),
                )],
                fix: vec![within(&ns, &format!("ip neigh del {ip} dev {dev}"))],
                rank: 3,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.neighs.retain(|x| x.key != key))
                })),
            });
        }
    }
}

/// Two have the address, or the host itself has that of its container.
pub(super) fn duplicate(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let mut ips: Vec<IpAddr> = vec![case.question.dst];
    for stop in case.stops() {
        ips.push(stop.packet.dst);
        ips.push(stop.packet.src);
    }
    ips.extend(case.trip.asked.iter().map(|(_, _, ip)| *ip));
    ips.sort();
    ips.dedup();
    for ip in ips {
        let owners: Vec<(Ns, IfName, ipnet::IpNet)> = case
            .world
            .owners(ip)
            .filter(|(_, a)| a.key.dev.as_str() != "lo" || a.scope.0 == 0)
            .map(|(ns, a)| (ns.clone(), a.key.dev.clone(), a.key.net))
            .collect();
        if owners.len() < 2 || ip.is_loopback() || edit::link_local(ip) {
            continue;
        }
        for (ns, dev, net) in &owners {
            let others: Vec<&(Ns, IfName, ipnet::IpNet)> =
                owners.iter().filter(|(o, ..)| o != ns).collect();
            let Some((other, ..)) = others.first() else { continue };
            // A container has one link; what it leads to is its host, and not behind it.
            let routes = case.world.node(ns).is_some_and(|n| {
                n.devs.values().filter(|d| !d.loopback()).count() > 1
                    && n.devs
                        .values()
                        .any(|d| d.other().is_some_and(|p| others.iter().any(|(o, ..)| *o == p.ns)))
            });
            let (at, from, ip) = (ns.clone(), dev.clone(), net.addr());
            let keep = case.world.node(ns).map(|n| lost(n, dev, *net)).unwrap_or_default();
            let mut fix = vec![within(ns, &format!("ip addr del {net} dev {dev}"))];
            fix.extend(keep.iter().map(|r| {
                let via = r
                    .hops
                    .first()
                    .and_then(|h| h.via)
                    .map(|v| format!(" via {v}"))
                    .unwrap_or_default();
                within(ns, &format!("ip route replace {}{via} dev {dev}", r.key.dst))
            }));
            let asker =
                case.stops().first().map(|s| s.ns.clone()).unwrap_or_else(|| case.question.from());
            let (code, place, sentence) = if routes {
                (
                    "DUP_IP_ON_HOST",
                    place(ns, Some(dev)),
                    format!(
                        "{} carries {ip} itself, the address of {}, so it takes its packets for its own",
                        called(ns),
                        called(other)
                    ),
                )
            } else {
                let asked = case.trip.asked.iter().find(|(_, _, asked)| *asked == ip);
                let seen = asked
                    .map(|(ns, dev, _)| (ns.clone(), dev.clone()))
                    .or_else(|| table(case.world, &case.question.from(), ip))
                    .unwrap_or_else(|| (ns.clone(), dev.clone()));
                let _ = asker;
                fix.push(format!(
                    "{} ; true",
                    within(&seen.0, &format!("ip neigh flush to {ip} dev {}", seen.1))
                ));
                (
                    "DUP_IP",
                    place(&seen.0, Some(&seen.1)),
                    format!(
                        "{ip} is an address of both {} and {}; who asks gets the one or the other",
                        called(ns),
                        called(other)
                    ),
                )
            };
            add.push(Candidate {
                code,
                place,
                sentence,
                evidence: owners
                    .iter()
                    .map(|(o, d, n)| {
                        evidence(o, d.as_str(), n.to_string(), &format!("ip addr show dev {d}"))
                    })
                    .collect(),
                fix,
                rank: if routes { 2 } else { 3 },
                // The one that is asked for stays with who listens there, if anybody does.
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        edit::del_addr(n, &from, ip);
                        n.routes.extend(keep.iter().cloned());
                    });
                    let all: Vec<Ns> = w.nodes.keys().cloned().collect();
                    for ns in all {
                        node(w, &ns, |n| n.neighs.retain(|x| x.key.proxy || x.key.ip != ip));
                    }
                })),
            });
        }
    }
}

/// The routes that go with the last IPv4 address of a link.
fn lost(n: &crate::world::Node, dev: &IfName, net: ipnet::IpNet) -> Vec<ropewalk_facts::Route> {
    let last =
        n.addrs_of(dev).filter(|a| a.key.net.addr().is_ipv4()).count() == 1 && net.addr().is_ipv4();
    let by = |r: &&ropewalk_facts::Route| {
        r.proto != ropewalk_facts::proto::KERNEL
            && r.key.dst.addr().is_ipv4()
            && r.hops.iter().any(|h| h.dev.as_ref() == Some(dev))
    };
    if last { n.routes.iter().filter(by).cloned().collect() } else { Vec::new() }
}

/// Where the address is asked for: the link by which its route leads.
fn table(world: &World, ns: &Ns, ip: IpAddr) -> Option<(Ns, IfName)> {
    let node = world.node(ns)?;
    match route::lookup(node, ip, &route::Ask::default()) {
        Answer::Route(t) if t.route.kind == RouteKind::Unicast => {
            Some((ns.clone(), t.route.hops.first()?.dev.clone()?))
        }
        _ => None,
    }
}

/// Nobody has the address.
pub(super) fn nobody(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let (Why::Unresolved { ip, .. }, Some(dev)) = (&stop.why, &stop.dev) else { continue };
        if case.world.owners(*ip).next().is_some() {
            continue;
        }
        let ns = &stop.ns;
        if *ip == stop.packet.dst {
            unattached(case, *ip, add);
            add.push(Candidate {
                code: "NO_SUCH_HOST",
                place: place(ns, Some(dev)),
                sentence: format!(
                    "{ip} is nobody's address: {} asks for it on {dev}, and nobody answers",
                    called(ns)
                ),
                evidence: vec![evidence(
                    ns,
                    dev.as_str(),
                    format!("{ip} FAILED"),
                    &format!("ip neigh show {ip}"),
                )],
                fix: Vec::new(),
                rank: 20,
                change: None,
            });
            continue;
        }
        let v6 = ip.is_ipv6();
        let tools = edit::ip(v6);
        let default = edit::everything(v6);
        let known = edit::gateways(case.world, ns, v6);
        for (via, out) in known.into_iter().filter(|(via, _)| via != ip) {
            let at = ns.clone();
            let (gone, way) = (*ip, via);
            add.push(Candidate {
                code: "GATEWAY_UNREACHABLE",
                place: called(ns).to_owned(),
                sentence: format!(
                    "{} sends by the gateway {ip}, which is nobody's address",
                    called(ns)
                ),
                evidence: vec![evidence(
                    ns,
                    dev.as_str(),
                    format!("{ip} FAILED"),
                    &format!("ip neigh show {ip}"),
                )],
                fix: vec![within(
                    ns,
                    &format!("{tools} route replace default via {via} dev {out}"),
                )],
                rank: 6,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        for route in n.routes.iter_mut().filter(|r| r.key.dst == default) {
                            for hop in route.hops.iter_mut().filter(|h| h.via == Some(gone)) {
                                hop.via = Some(way);
                                hop.dev = Some(out.clone());
                            }
                        }
                    });
                })),
            });
        }
    }
}

/// One of those that may be looked at has no interface: so the address that is nobody's is, most likely, the
/// one that it should have.  A process that has a network for itself (systemd's `PrivateNetwork`) is meant to
/// have none: those with a name alone count.
fn unattached(case: &Case<'_>, ip: IpAddr, add: &mut Vec<Candidate>) {
    let bare = |(ns, n): &(&Ns, &std::rc::Rc<crate::world::Node>)| {
        let named = ns.as_str().starts_with("netns:");
        named && !n.devs.is_empty() && n.devs.values().all(crate::world::Dev::loopback)
    };
    let mut all = case.world.nodes.iter().filter(bare);
    let (Some((ns, _)), None) = (all.next(), all.next()) else { return };
    add.push(Candidate {
        code: "NO_INTERFACE",
        place: called(ns).to_owned(),
        sentence: format!(
            "{} has no interface but loopback, and {ip} is nobody's address",
            called(ns)
        ),
        evidence: vec![evidence(ns, "links", "lo alone", "ip link show")],
        fix: super::routing::connected(case.world, ns, ip),
        rank: 19,
        change: None,
    });
}

/// Nobody speaks for the address on the segment where it is asked for.
pub(super) fn proxy(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Why::Unresolved { ip, .. } = &stop.why else { continue };
        for (ns, n) in case
            .world
            .nodes
            .iter()
            .filter(|(ns, _)| **ns != case.question.from() || **ns == stop.ns)
        {
            for dev in n.devs.values().filter(|d| !d.loopback()) {
                let ask = route::Ask {
                    src: Some(stop.packet.src),
                    iif: Some(dev.name().clone()),
                    ..Default::default()
                };
                let Answer::Route(t) = route::lookup(n, *ip, &ask) else { continue };
                let out = t.route.hops.first().and_then(|h| h.dev.clone());
                // A gateway that is nobody's and that the host at the other end answers for (169.254.1.1).
                let meant = matches!(ip, IpAddr::V4(ip) if ip.is_link_local())
                    && dev.other().is_some_and(|peer| peer.ns == stop.ns);
                if t.route.kind != RouteKind::Unicast
                    || out.as_ref() == Some(dev.name())
                    || t.route.key.dst.prefix_len() == 0 && !meant
                {
                    continue;
                }
                let (at, name, target) = (ns.clone(), dev.name().clone(), *ip);
                let v6 = ip.is_ipv6();
                let (fix, value) = if v6 {
                    (
                        vec![
                            within(ns, &format!("sysctl -w net.ipv6.conf.{name}.proxy_ndp=1")),
                            within(ns, &format!("ip -6 neigh add proxy {ip} dev {name}")),
                        ],
                        "proxy_ndp=0",
                    )
                } else {
                    (
                        vec![within(ns, &format!("sysctl -w net.ipv4.conf.{name}.proxy_arp=1"))],
                        "proxy_arp=0",
                    )
                };
                add.push(Candidate {
                    code: "NO_PROXY_ARP",
                    place: place(ns, Some(&name)),
                    sentence: format!("{ip} is asked for on the segment of {name}, and {}, which leads there, does not answer for it", called(ns)),
                    evidence: vec![evidence(ns, name.as_str(), value, &format!("sysctl net.ipv4.conf.{name}.proxy_arp"))],
                    fix,
                    rank: if meant { 4 } else { 7 },
                    change: Some(Box::new(move |w: &mut World| {
                        if v6 {
                            edit::set(w, &at, &format!("net/ipv6/conf/{name}/proxy_ndp"), "1");
                            node(w, &at, |n| n.neighs.push(ropewalk_facts::Neigh {
                                key: ropewalk_facts::NeighKey { dev: name.clone(), ip: target, proxy: true },
                                mac: None,
                                state: 0,
                                proto: 0,
                                derived: false,
                            }));
                        } else {
                            edit::set(w, &at, &format!("net/ipv4/conf/{name}/proxy_arp"), "1");
                        }
                    })),
                });
            }
        }
    }
}

/// There is no room for one neighbour more.
pub(super) fn full(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Why::NeighboursFull(room) = stop.why else { continue };
        let v6 = stop.packet.v6();
        let of = |n: &crate::world::Node| {
            n.neighs.iter().filter(|x| !x.key.proxy && x.key.ip.is_ipv6() == v6).count()
        };
        let most = case.world.nodes.iter().max_by_key(|(_, n)| of(n)).map(|(ns, _)| ns.clone());
        let at = most.unwrap_or_else(|| stop.ns.clone());
        let path = format!("net.ipv{}.neigh.default.gc_thresh3", if v6 { 6 } else { 4 });
        add.push(Candidate {
            code: "NEIGH_TABLE_FULL",
            place: called(&stop.ns).to_owned(),
            sentence: format!(
                "the table of neighbours, which all namespaces of the machine share, has its {room} entries, so {} cannot ask for another",
                called(&stop.ns)
            ),
            evidence: vec![evidence(&stop.ns, path.clone(), room.to_string(), if v6 { "ip -6 ntable show" } else { "ip ntable show name arp_cache" })],
            fix: vec![
                format!("sysctl -w {path}={}", room.saturating_mul(8)),
                within(&at, &format!("ip {}neigh flush all", if v6 { "-6 " } else { "" })),
            ],
            rank: 0,
            change: Some(Box::new(move |w: &mut World| {
                let all: Vec<Ns> = w.nodes.keys().cloned().collect();
                all.iter().for_each(|ns| node(w, ns, |n| n.tables.clear()));
            })),
        });
    }
}

/// It passes, but not to the one that is meant: the host has the address of its own container.
pub(crate) fn taken_for_own(case: &Case<'_>) -> Option<Candidate> {
    let crate::trace::Ending::Delivered { ns, packet, .. } = &case.trip.request.end else {
        return None;
    };
    let ip = packet.dst;
    let beside = |d: &crate::world::Dev, far: &Ns| d.other().is_some_and(|p| p.ns == *far);
    let n = case.world.node(ns)?;
    let own = case
        .world
        .owners(ip)
        .find(|(far, _)| *far != ns && n.devs.values().any(|d| beside(d, far)));
    own.filter(|_| *ns != case.question.from() && !ip.is_loopback() && !edit::link_local(ip))?;
    let mut all = Vec::new();
    duplicate(case, &mut all);
    let here = format!("{}:", called(ns));
    all.into_iter().find(|c| c.code == "DUP_IP_ON_HOST" && c.place.starts_with(&here))
}
