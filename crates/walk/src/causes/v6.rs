//! What IPv6 lacks: advertisements that nobody listens to, addresses not in use, a switch.

use ipnet::IpNet;
use ropewalk_facts::{IfName, Ns, table};

use super::edit::{self, node};
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::World;

/// Advertisements of routers are not listened to, so there is no default route.
pub(super) fn advertisements(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    if !matches!(stop.why, Why::NoRoute | Why::NoSource) || !stop.packet.v6() {
        return;
    }
    let Some(n) = case.world.node(&stop.ns) else { return };
    let ns = &stop.ns;
    if n.routes.iter().any(|r| r.key.dst == edit::everything(true) && r.key.table == table::MAIN) {
        return;
    }
    let free = |d: &&crate::world::Dev| !d.loopback() && d.link.up && d.link.master.is_none();
    for dev in n.devs.values().filter(free) {
        let name = dev.name();
        // On a bridge with an address this host is the router itself.
        let global = |a: &ropewalk_facts::Addr| a.key.net.addr().is_ipv6() && a.scope.0 == 0;
        let own = dev.kind() == "bridge" && n.addrs_of(name).any(global);
        let accepts = n.conf(true, name.as_str(), "accept_ra");
        let routes = n.conf(true, name.as_str(), "forwarding") != 0;
        if accepts == 2 || accepts == 1 && !routes {
            continue;
        }
        let why = if routes && accepts == 1 {
            "it forwards, and then accept_ra=1 is not enough"
        } else {
            "accept_ra is 0"
        };
        // Only who hears routers lacks their routes because it does not listen.
        let heard = n.number("Icmp6InRouterAdvertisements");
        if heard == 0 && edit::gateways(case.world, ns, true).iter().any(|(_, d)| d == name) {
            continue;
        }
        add.push(Candidate {
            code: "ACCEPT_RA",
            place: place(ns, Some(name)),
            sentence: format!(
                "{} has no default route of IPv6, as {name} does not listen to the advertisements of routers: {why}",
                called(ns)
            ),
            evidence: vec![evidence(
                ns,
                format!("net.ipv6.conf.{name}.accept_ra"),
                accepts.to_string(),
                &format!("sysctl net.ipv6.conf.{name}.accept_ra net.ipv6.conf.{name}.forwarding"),
            )],
            fix: vec![
                within(ns, &format!("sysctl -w net.ipv6.conf.{name}.accept_ra=2")),
                "sleep 3".to_owned(),
            ],
            rank: if heard > 0 { 8 } else { 13 } + u8::from(own),
            change: None,
        });
    }
}

/// What IPv6 lacks: it is switched off, or its address is not in use.
pub(super) fn addresses(case: &Case<'_>, add: &mut Vec<Candidate>) {
    if !case.question.dst.is_ipv6() {
        return;
    }
    for ns in case.near() {
        let Some(n) = case.world.node(&ns) else { continue };
        for bad in n.unusable.iter().filter(|u| !edit::link_local(u.addr)) {
            let net = n.addrs.iter().find(|a| a.key.net.addr() == bad.addr).map(|a| a.key.net);
            let Some(net) = net else { continue };
            let free =
                net.hosts().take(250).skip(100).find(|ip| case.world.owners(*ip).next().is_none());
            let Some(new) = free.and_then(|ip| IpNet::new(ip, net.prefix_len()).ok()) else {
                continue;
            };
            let (at, dev) = (ns.clone(), bad.dev.clone());
            let other = case
                .world
                .owners(bad.addr)
                .find(|(o, _)| **o != ns)
                .map(|(o, _)| called(o).to_owned());
            let who = other.map(|o| format!(" ({o} has it too)")).unwrap_or_default();
            wanted_here(case, &ns, &bad.dev, net, add);
            add.push(Candidate {
                code: "DAD_FAILED",
                place: place(&ns, Some(&bad.dev)),
                sentence: format!(
                    "{} in {} failed the detection of duplicates{who}, so it is not used",
                    bad.addr,
                    called(&ns)
                ),
                evidence: vec![evidence(
                    &ns,
                    bad.dev.as_str(),
                    format!("{} dadfailed", bad.addr),
                    &format!("ip -6 addr show dev {}", bad.dev),
                )],
                fix: vec![
                    within(&ns, &format!("ip addr add {new} dev {dev} nodad")),
                    within(&ns, &format!("ip addr del {net} dev {dev}")),
                ],
                rank: 1,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        edit::del_addr(n, &dev, net.addr());
                        edit::add_addr(n, &dev, new);
                    });
                })),
            });
        }
        disabled(case, &ns, add);
    }
}

/// The address that failed is one that others ask for: so it is the other one that has to go.
fn wanted_here(case: &Case<'_>, ns: &Ns, dev: &IfName, net: IpNet, add: &mut Vec<Candidate>) {
    let ip = net.addr();
    let asked = case.trip.asked.iter().any(|(_, _, a)| *a == ip)
        || case.stops().iter().any(|s| matches!(s.why, Why::Unresolved { ip: a, .. } if a == ip));
    let twin =
        case.world.owners(ip).find(|(o, _)| *o != ns).map(|(o, a)| (o.clone(), a.key.clone()));
    let Some((other, key)) = twin.filter(|_| asked || case.question.dst == ip) else { return };
    let (at, name) = (ns.clone(), dev.clone());
    add.push(Candidate {
        code: "DAD_FAILED",
        place: place(ns, Some(dev)),
        sentence: format!(
            "{ip} in {} failed the detection of duplicates ({} has it too), so it is not used, and others ask for it",
            called(ns),
            called(&other)
        ),
        evidence: vec![evidence(ns, dev.as_str(), format!("{ip} dadfailed"), &format!("ip -6 addr show dev {dev}"))],
        fix: vec![
            within(&other, &format!("ip addr del {} dev {}", key.net, key.dev)),
            within(ns, &format!("ip addr del {net} dev {dev}")),
            within(ns, &format!("ip addr add {net} dev {dev} nodad")),
            format!("{} ; true", within(&case.question.from(), &format!("ip -6 neigh flush to {ip}"))),
        ],
        rank: 0,
        change: Some(Box::new(move |w: &mut World| {
            node(w, &other, |n| edit::del_addr(n, &key.dev, ip));
            node(w, &at, |n| {
                edit::del_addr(n, &name, ip);
                edit::add_addr(n, &name, net);
            });
            let all: Vec<Ns> = w.nodes.keys().cloned().collect();
            all.iter().for_each(|ns| node(w, ns, |n| n.neighs.retain(|x| x.key.proxy || x.key.ip != ip)));
        })),
    });
}

fn disabled(case: &Case<'_>, ns: &Ns, add: &mut Vec<Candidate>) {
    let Some(n) = case.world.node(ns) else { return };
    for dev in n.devs.values().filter(|d| !d.loopback()) {
        let name: &IfName = dev.name();
        if n.conf(true, name.as_str(), "disable_ipv6") == 0 || dev.link.master.is_some() {
            continue;
        }
        let all = n.conf(true, "all", "disable_ipv6") != 0;
        let mut fix = vec![within(ns, &format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0"))];
        if all {
            fix.insert(0, within(ns, "sysctl -w net.ipv6.conf.all.disable_ipv6=0"));
        }
        // The addresses went when it was switched off.
        let bare = !n.addrs_of(name).any(|a| a.key.net.addr().is_ipv6());
        let lacks = edit::lacking(case.world, ns, name, case.question.dst).filter(|_| bare);
        if let Some((own, gateway)) = &lacks {
            fix.push(within(ns, &format!("ip addr add {own} dev {name} nodad")));
            fix.extend(gateway.map(|via| {
                within(ns, &format!("ip -6 route replace default via {via} dev {name}"))
            }));
        }
        let (at, link) = (ns.clone(), name.clone());
        add.push(Candidate {
            code: "IPV6_DISABLED",
            place: place(ns, Some(name).filter(|_| !all)),
            sentence: format!("IPv6 is switched off on {name} in {}", called(ns)),
            evidence: vec![evidence(
                ns,
                name.as_str(),
                "disable_ipv6=1",
                &format!("sysctl net.ipv6.conf.{name}.disable_ipv6"),
            )],
            fix,
            rank: 3,
            change: Some(Box::new(move |w: &mut World| {
                edit::set(w, &at, &format!("net/ipv6/conf/{link}/disable_ipv6"), "0");
                edit::set(w, &at, "net/ipv6/conf/all/disable_ipv6", "0");
                let Some((own, gateway)) = lacks else { return };
                node(w, &at, |n| {
                    edit::add_addr(n, &link, own);
                    let default = edit::everything(true);
                    n.routes.extend(gateway.map(|via| edit::route(default, &link, Some(via))));
                });
            })),
        });
    }
}
