//! Links: down, without a partner, with programs on them, macvlans.

use std::net::IpAddr;

use ropewalk_facts::seen::InVlan;
use ropewalk_facts::{IfName, Ns};

use super::edit::{self, node};
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::{Dev, Node, World};

/// A link of the way is down.
pub(super) fn down(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let concerned = case.concerned();
    let near = |ns: &Ns, n: &crate::world::Node| {
        concerned.contains(ns)
            || n.devs.values().any(|d| d.other().is_some_and(|p| concerned.contains(&p.ns)))
    };
    for (ns, n) in case.world.nodes.iter().filter(|(ns, n)| near(ns, n)) {
        for dev in n.devs.values().filter(|d| !d.link.up) {
            let name = dev.name().clone();
            let lo = dev.loopback();
            let mut fix = vec![within(ns, &format!("ip link set {name} up"))];
            let v6 = case.question.dst.is_ipv6();
            let bare = !n.routes.iter().any(|r| r.key.dst == edit::everything(v6));
            let gateway = edit::gateways(case.world, ns, v6)
                .into_iter()
                .find(|(_, d)| *d == name)
                .filter(|_| bare);
            if let Some((via, _)) = &gateway {
                let v = if v6 { "ip -6" } else { "ip" };
                fix.push(within(ns, &format!("{v} route add default via {via} dev {name}")));
            }
            // IPv6 takes addresses and routes of a link away when it goes down.
            let own = n
                .addrs_of(&name)
                .any(|a| a.key.net.addr().is_ipv6() == v6 && !edit::link_local(a.key.net.addr()));
            let missing = edit::lacking(case.world, ns, &name, case.question.dst)
                .filter(|_| v6 && !own && !lo && dev.link.master.is_none());
            if let Some((net, via)) = &missing {
                fix.push(within(ns, &format!("ip addr add {net} dev {name} nodad")));
                let lacks = via.filter(|_| bare);
                fix.extend(lacks.map(|via| {
                    within(ns, &format!("ip -6 route replace default via {via} dev {name}"))
                }));
            }
            let back = host_routes(case.world, n, dev, v6);
            fix.extend(back.iter().map(|ip| {
                let to = edit::host(*ip);
                within(ns, &format!("{} route replace {to} dev {name}", edit::ip(v6)))
            }));
            let at = ns.clone();
            let dev_name = name.clone();
            add.push(Candidate {
                code: if lo { "LO_DOWN" } else { "LINK_DOWN" },
                place: place(ns, Some(&name)),
                sentence: format!("{name} in {} is administratively down", called(ns)),
                evidence: vec![evidence(
                    ns,
                    name.as_str(),
                    "down",
                    &format!("ip link show dev {name}"),
                )],
                fix,
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    raise(w, &at, &dev_name, gateway.as_ref());
                    let again = back.iter().map(|ip| edit::route(edit::host(*ip), &dev_name, None));
                    node(w, &at, |n| n.routes.extend(again));
                    let Some((net, via)) = missing else { return };
                    node(w, &at, |n| {
                        edit::add_addr(n, &dev_name, net);
                        let default = edit::everything(true);
                        n.routes.extend(via.map(|via| edit::route(default, &dev_name, Some(via))));
                    });
                })),
            });
        }
    }
    for stop in case.stops() {
        let (Why::NoCarrier, Some(dev)) = (&stop.why, &stop.dev) else { continue };
        let seen = case
            .world
            .dev(&stop.ns, dev)
            .and_then(|d| d.other())
            .and_then(|p| case.world.dev(&p.ns, &p.name));
        if seen.is_some_and(|peer| !peer.link.up) {
            continue;
        }
        add.push(Candidate {
            code: "NO_CARRIER",
            place: place(&stop.ns, Some(dev)),
            sentence: format!(
                "{dev} in {} has no carrier: its other end is down",
                called(&stop.ns)
            ),
            evidence: vec![evidence(
                &stop.ns,
                dev.as_str(),
                "no carrier",
                &format!("ip link show dev {dev}"),
            )],
            fix: Vec::new(),
            rank: 1,
            change: None,
        });
    }
}

/// The addresses behind a link without a subnet, whose routes went when it was set down.
fn host_routes(world: &World, n: &Node, dev: &Dev, v6: bool) -> Vec<IpAddr> {
    let Some(peer) = dev.other().filter(|_| dev.kind() == "veth" && dev.link.master.is_none())
    else {
        return Vec::new();
    };
    let Some(far) = world.node(&peer.ns).filter(|far| far.ns != n.ns) else { return Vec::new() };
    let routed = |ip: IpAddr| {
        n.addrs_of(dev.name()).any(|a| a.key.net.contains(&ip))
            || n.routes.iter().any(|r| r.key.dst == edit::host(ip))
    };
    let all = far.addrs_of(&peer.name).map(|a| a.key.net.addr());
    // A container has one link: what has more is a host beside this one.
    let container = far.devs.values().filter(|d| !d.loopback()).count() == 1;
    all.filter(|ip| container && ip.is_ipv6() == v6 && !edit::link_local(*ip) && !routed(*ip))
        .collect()
}

/// The address that `lo` has as long as it is up.
const V6_LO: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn raise(w: &mut World, ns: &Ns, name: &IfName, gateway: Option<&(IpAddr, IfName)>) {
    let mut peer = None;
    node(w, ns, |n| {
        if let Some(dev) = n.devs.get_mut(name) {
            dev.link.up = true;
            dev.seen.carrier = true;
            peer = dev.other().cloned();
        }
        let nets: Vec<_> = n.addrs_of(name).map(|a| a.key.net).collect();
        nets.into_iter().for_each(|net| edit::routes_of(n, name, net));
        if name.as_str() == "lo" && !n.addrs.iter().any(|a| a.key.net.addr() == V6_LO) {
            edit::add_addr(n, name, edit::host(V6_LO));
        }
        if let Some((via, dev)) = gateway {
            n.routes.push(edit::route(edit::everything(via.is_ipv6()), dev, Some(*via)));
        }
        if let Some(port) = n.devs.get_mut(name).and_then(|d| d.seen.port.as_mut()) {
            port.state = 3;
        }
        n.neighs.retain(|x| x.key.dev != *name || x.state & 0x80 != 0);
        // Members of a bridge that is down are disabled with it.
        for member in n.devs.values_mut().filter(|d| d.link.master.as_ref() == Some(name)) {
            if let Some(port) = member.seen.port.as_mut().filter(|_| member.link.up) {
                port.state = 3;
            }
        }
    });
    let Some(peer) = peer else { return };
    node(w, &peer.ns, |n| {
        if let Some(dev) = n.devs.get_mut(&peer.name) {
            dev.seen.carrier = true;
            if let Some(port) = dev.seen.port.as_mut() {
                port.state = 3;
            }
        }
    });
}

/// Filters of tc, XDP programs, queueing disciplines.
pub(super) fn traffic_control(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Some(dev) = &stop.dev else { continue };
        let seen = case.world.dev(&stop.ns, dev);
        let (code, what, command, show) = match stop.why {
            Why::Tc => {
                let clsact = case
                    .world
                    .dev(&stop.ns, dev)
                    .is_some_and(|d| d.seen.qdiscs.iter().any(|q| q.kind == "clsact"));
                let kind = if clsact { "clsact" } else { "ingress" };
                (
                    "TC_DROP",
                    "a filter of tc drops packets",
                    format!("tc qdisc del dev {dev} {kind}"),
                    format!("tc -s qdisc show dev {dev}"),
                )
            }
            Why::Xdp => (
                "XDP_DROP",
                "an XDP program drops packets",
                format!(
                    "ip link set dev {dev} {} off",
                    if seen.is_some_and(|d| d.seen.xdp.is_some_and(|x| x.generic)) {
                        "xdpgeneric"
                    } else {
                        "xdp"
                    }
                ),
                format!("ip link show dev {dev}"),
            ),
            Why::Qdisc => (
                "QDISC_DROP",
                "the queueing discipline drops packets",
                format!("tc qdisc del dev {dev} root"),
                format!("tc -s qdisc show dev {dev}"),
            ),
            _ => continue,
        };
        let (at, name) = (stop.ns.clone(), dev.clone());
        add.push(Candidate {
            code,
            place: place(&stop.ns, Some(dev)),
            sentence: format!("{what} on {dev} in {}", called(&stop.ns)),
            evidence: vec![evidence(&stop.ns, dev.as_str(), what, &show)],
            fix: vec![within(&stop.ns, &command)],
            rank: 1,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    if let Some(dev) = n.devs.get_mut(&name) {
                        dev.seen.qdiscs.clear();
                        dev.seen.tc_in.clear();
                        dev.seen.tc_out.clear();
                        dev.seen.filters.clear();
                        dev.seen.xdp = None;
                    }
                });
            })),
        });
    }
}

/// Macvlans: their mode, and the parent that they cannot reach.
pub(super) fn macvlan(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Some(dev) = &stop.dev else { continue };
        match stop.why {
            Why::MacvlanMode(_) => {
                let wrong: Vec<(Ns, IfName)> = case
                    .world
                    .nodes
                    .iter()
                    .flat_map(|(ns, n)| {
                        n.devs
                            .values()
                            .filter(|d| d.seen.macvlan.is_some_and(|m| m != 4))
                            .map(|d| (ns.clone(), d.name().clone()))
                    })
                    .collect();
                let first =
                    wrong.iter().find(|(ns, _)| *ns == stop.ns).or_else(|| wrong.first()).cloned();
                let Some((at, name)) = first else { continue };
                let fix = wrong
                    .iter()
                    .map(|(ns, d)| within(ns, &format!("ip link set {d} type macvlan mode bridge")))
                    .collect();
                add.push(Candidate {
                    code: "MACVLAN_MODE",
                    place: place(&at, Some(&name)),
                    sentence: format!("{name} in {} is a macvlan that does not speak to its siblings: its mode is not bridge", called(&at)),
                    evidence: vec![evidence(&at, name.as_str(), "mode is not bridge", &format!("ip -d link show dev {name}"))],
                    fix,
                    rank: 1,
                    change: Some(Box::new(move |w: &mut World| {
                        for (ns, name) in &wrong {
                            node(w, ns, |n| {
                                if let Some(dev) = n.devs.get_mut(name) {
                                    dev.seen.macvlan = Some(4);
                                }
                            });
                        }
                    })),
                });
            }
            Why::MacvlanParent => {
                parent(case, &stop.ns, dev, stop.packet.dst, stop.packet.src, add)
            }
            _ => {}
        }
    }
}

fn parent(
    case: &Case<'_>,
    ns: &Ns,
    dev: &IfName,
    to: IpAddr,
    from: IpAddr,
    add: &mut Vec<Candidate>,
) {
    let home = case.question.from();
    let child = if home == *ns { to } else { from };
    let child =
        if case.world.node(ns).is_some_and(|n| n.owns(child)) { case.question.dst } else { child };
    let own = case.world.node(ns).and_then(|n| {
        let fits = |ip: &IpAddr| ip.is_ipv6() == to.is_ipv6() && !super::edit::link_local(*ip);
        n.addrs_of(dev).map(|a| a.key.net.addr()).find(fits)
    });
    let source = own.map(|ip| format!(" src {ip}")).unwrap_or_default();
    let target = if home == *ns { child } else { from };
    let upon = |d: &crate::world::Dev| {
        d.kind() == "ipvlan" && d.other().is_some_and(|p| p.ns == *ns && p.name == *dev)
    };
    if case.world.nodes.values().any(|n| n.devs.values().any(upon)) {
        add.push(Candidate {
            code: "MACVLAN_HOST_ISOLATION",
            place: place(ns, Some(dev)),
            sentence: format!("{dev} carries ipvlans, and the link below does not reach them: {} needs an ipvlan of its own, and an address on it", called(ns)),
            evidence: vec![evidence(ns, dev.as_str(), "carries ipvlans", "ip -d link show type ipvlan")],
            fix: Vec::new(),
            rank: 8,
            change: None,
        });
        return;
    }
    let v6 = target.is_ipv6();
    // In IPv6 who asks for the host's address there is answered only where the link has it.
    let own = own.filter(|_| v6).map(|ip| format!("ip addr add {ip}/128 dev mvhost nodad"));
    let route = format!("{} route add {target} dev mvhost{source}", super::edit::ip(v6));
    let words = [
        Some(format!("ip link add mvhost link {dev} type macvlan mode bridge")),
        Some("ip link set mvhost up".to_owned()),
        own,
        Some(route),
    ];
    add.push(Candidate {
        code: "MACVLAN_HOST_ISOLATION",
        place: place(ns, Some(dev)),
        sentence: format!("{dev} carries macvlans, and a parent does not reach its own children: {} needs a macvlan of its own", called(ns)),
        evidence: vec![evidence(ns, dev.as_str(), "parent of macvlans", "ip -d link show type macvlan")],
        fix: words.iter().flatten().map(|command| within(ns, command)).collect(),
        rank: 8,
        change: None,
    });
}

/// Two links of a bridge that looks at tags are in different VLANs, or a VLAN has another number than
/// what is sent.
pub(super) fn vlan(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let (Why::Vlan, Some(dev)) = (&stop.why, &stop.dev) else { continue };
        let Some(n) = case.world.node(&stop.ns) else { continue };
        let bridge = n.devs.get(dev).map(|d| d.link.master.as_ref().unwrap_or(dev)).cloned();
        let Some(bridge) = bridge.filter(|b| n.devs.get(b).is_some_and(|b| b.seen.vlan_filtering))
        else {
            continue;
        };
        let own = |name: &IfName| n.devs.get(name).and_then(pvid);
        let from = stop.packet.physin.clone().unwrap_or_else(|| bridge.clone());
        let all: Vec<&crate::world::Dev> = n.members(&bridge).chain(n.devs.get(&bridge)).collect();
        let fellows = |id: Option<u16>| all.iter().filter(|d| pvid(d) == id).count();
        // The one that has fewer fellows is the odd one.
        for (odd, other) in [(dev, &from), (&from, dev)] {
            let Some(id) = own(other).filter(|_| odd != other) else { continue };
            let (at, name, found) = (stop.ns.clone(), odd.clone(), own(odd));
            let own_flag = if *odd == bridge { " self" } else { "" };
            let is = found.map_or("none".to_owned(), |id| id.to_string());
            let mut fix: Vec<String> = found
                .iter()
                .map(|old| within(&at, &format!("bridge vlan del dev {odd} vid {old}{own_flag}")))
                .collect();
            fix.push(within(
                &at,
                &format!("bridge vlan add dev {odd} vid {id} pvid untagged{own_flag}"),
            ));
            add.push(Candidate {
                code: "VLAN_MISMATCH",
                place: place(&at, Some(odd)),
                sentence: format!(
                    "{odd} is in the VLAN {is} of {bridge}, and {other} in {id}: nothing passes from the one to the other"
                ),
                evidence: vec![evidence(&at, odd.as_str(), format!("pvid {is}"), "bridge vlan show")],
                fix,
                rank: if fellows(found) > fellows(Some(id)) { 3 } else { 2 },
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        if let Some(dev) = n.devs.get_mut(&name) {
                            dev.seen.vlans.retain(|v| !v.pvid);
                            dev.seen.vlans.push(InVlan { id, pvid: true, untagged: true });
                        }
                    });
                })),
            });
        }
    }
}

/// The VLAN of what comes in without a tag.
fn pvid(dev: &crate::world::Dev) -> Option<u16> {
    dev.seen.vlans.iter().find(|v| v.pvid).map(|v| v.id)
}
