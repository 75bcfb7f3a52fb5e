//! Bridges: members that are none, addresses in the wrong place, flags of members, wrong stations.

use ropewalk_facts::seen::Port;
use ropewalk_facts::{IfName, LinkKind, NeighKey, Ns, Route};

use super::edit::{self, node};
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::{Dev, Node, World};

/// The address sits on a member, so the bridge takes its frames.
pub(super) fn ip_on_port(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for ns in case.near() {
        let Some(n) = case.world.node(&ns) else { continue };
        for addr in n.addrs.iter().filter(|a| !edit::link_local(a.key.net.addr())) {
            let (dev, net) = (addr.key.dev.clone(), addr.key.net);
            let Some(bridge) =
                n.devs.get(&dev).filter(|d| d.port().is_some()).and_then(|d| d.link.master.clone())
            else {
                continue;
            };
            let (at, to) = (ns.clone(), bridge.clone());
            let from = dev.clone();
            // The routes by the member go with its last address.
            let lost: Vec<Route> = n
                .routes
                .iter()
                .filter(|r| r.proto != ropewalk_facts::proto::KERNEL && !r.derived)
                .filter(|r| r.key.dst.addr().is_ipv6() == net.addr().is_ipv6())
                .filter(|r| r.hops.iter().any(|h| h.dev.as_ref() == Some(&dev) && h.via.is_some()))
                .cloned()
                .collect();
            let again = lost.iter().filter_map(|r| {
                let via = r.hops.first()?.via?;
                let v = edit::ip(via.is_ipv6());
                let to = super::written(r.key.dst);
                Some(within(&ns, &format!("{v} route replace {to} via {via} dev {bridge}")))
            });
            let mut fix = vec![
                within(&ns, &format!("ip addr del {net} dev {dev}")),
                within(
                    &ns,
                    &format!(
                        "ip addr add {net} dev {bridge}{}",
                        if net.addr().is_ipv6() { " nodad" } else { "" }
                    ),
                ),
            ];
            fix.extend(again);
            add.push(Candidate {
                code: "IP_ON_BRIDGE_PORT",
                place: place(&ns, Some(&dev)),
                sentence: format!("{dev} is a member of {bridge}, yet carries {net}: the bridge takes its frames, so the address belongs on {bridge}"),
                evidence: vec![evidence(&ns, dev.as_str(), format!("master {bridge}, {net}"), &format!("ip addr show dev {dev}"))],
                fix,
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        edit::del_addr(n, &from, net.addr());
                        edit::add_addr(n, &to, net);
                        for hop in n.routes.iter_mut().filter(|r| lost.contains(r)).flat_map(|r| &mut r.hops) {
                            hop.dev = Some(to.clone());
                        }
                    });
                })),
            });
        }
    }
}

/// The bridge has no address in the subnet of its members.
pub(super) fn no_address(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    let v6 = stop.packet.v6();
    for ns in case.near() {
        let Some(n) = case.world.node(&ns) else { continue };
        for bridge in n.devs.values().filter(|d| d.link.kind == LinkKind::Bridge) {
            let mine = n.addrs_of(bridge.name()).filter(|a| {
                a.key.net.addr().is_ipv6() == v6 && !edit::link_local(a.key.net.addr())
            });
            if mine.count() > 0 {
                continue;
            }
            for (address, why) in wanted(case.world, &ns, bridge.name(), v6) {
                let (at, to) = (ns.clone(), bridge.name().clone());
                add.push(Candidate {
                    code: "BRIDGE_NO_ADDRESS",
                    place: place(&ns, Some(bridge.name())),
                    sentence: format!("{to} has no address in {}, the subnet of its members, so {} has no on-link route to them", address.trunc(), called(&ns)),
                    evidence: vec![evidence(&ns, to.as_str(), why, &format!("ip addr show dev {to}"))],
                    fix: vec![within(&ns, &format!("ip addr add {address} dev {to}{}", if v6 { " nodad" } else { "" }))],
                    rank: 3,
                    change: Some(Box::new(move |w: &mut World| node(w, &at, |n| edit::add_addr(n, &to, address)))),
                });
            }
        }
    }
}

/// The address that a bridge should have: the gateway of a station behind it, in its prefix.
pub(super) fn wanted(
    world: &World,
    ns: &Ns,
    bridge: &IfName,
    v6: bool,
) -> Vec<(ipnet::IpNet, String)> {
    let Some(n) = world.node(ns) else { return Vec::new() };
    let mut all: Vec<(ipnet::IpNet, String)> = Vec::new();
    for member in n.members(bridge) {
        let Some(peer) = member.other() else { continue };
        let Some(far) = world.node(&peer.ns) else { continue };
        for addr in far.addrs_of(&peer.name).filter(|a| a.key.net.addr().is_ipv6() == v6) {
            if edit::link_local(addr.key.net.addr()) {
                continue;
            }
            let gateway = far
                .routes
                .iter()
                .flat_map(|r| &r.hops)
                .filter_map(|h| h.via)
                .find(|via| addr.key.net.contains(via));
            let gateway = gateway.or_else(|| addr.key.net.hosts().next());
            let Some(gateway) = gateway.filter(|g| world.owners(*g).next().is_none()) else {
                continue;
            };
            if let Ok(net) = ipnet::IpNet::new(gateway, addr.key.net.prefix_len())
                && !all.iter().any(|(known, _)| *known == net)
            {
                all.push((
                    net,
                    format!("none, while {} behind it has {}", called(&peer.ns), addr.key.net),
                ));
            }
        }
    }
    all
}

/// A pair's end is a member of no bridge, or of another than its subnet's.
pub(super) fn not_on_bridge(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let concerned = case.concerned();
    for (ns, n) in &case.world.nodes {
        let bridges: Vec<&IfName> =
            n.devs.values().filter(|d| d.link.kind == LinkKind::Bridge).map(|d| d.name()).collect();
        for dev in n.devs.values().filter(|d| matches!(d.kind(), "veth" | "vxlan")) {
            let beside = |d: &Dev| d.other().is_some_and(|p| concerned.contains(&p.ns));
            let tunnel =
                dev.kind() == "vxlan" && (concerned.contains(ns) || n.devs.values().any(beside));
            let near = tunnel
                || dev.other().is_some_and(|p| concerned.contains(&p.ns))
                || dev.other().is_none() && concerned.contains(ns);
            let addressed = n.addrs_of(dev.name()).any(|a| !edit::link_local(a.key.net.addr()));
            if !near || (addressed && dev.link.master.is_none()) {
                continue;
            }
            for bridge in bridges.iter().filter(|b| dev.link.master.as_ref() != Some(**b)) {
                let own = dev.link.master.as_ref();
                let twice = own.is_some_and(|own| same_subnet(n, own, bridge));
                if own.is_some_and(|own| !twice && !belongs(case.world, n, dev, own, bridge)) {
                    continue;
                }
                // Of two bridges, the one that was made later is more likely the wrong one.
                let index = |bridge: &IfName| n.devs.get(bridge).map_or(0, |d| d.seen.index);
                let alone = own
                    .is_some_and(|own| n.members(own).count() == 1 && index(own) > index(bridge));
                let (at, to, name) = (ns.clone(), (*bridge).clone(), dev.name().clone());
                let learned = learned(case.world, n, dev, bridge);
                let known: Vec<Ns> = learned.iter().map(|(ns, _)| ns.clone()).collect();
                let forget = learned.iter().map(|(ns, key)| {
                    within(ns, &format!("ip neigh del {} dev {}", key.ip, key.dev))
                });
                let mut fix = vec![within(ns, &format!("ip link set {name} master {bridge}"))];
                fix.extend(forget);
                let (code, sentence) = match &dev.link.master {
                    None => (
                        "NOT_ON_BRIDGE",
                        format!(
                            "{name} is a member of no bridge, so its frames never reach {bridge}"
                        ),
                    ),
                    Some(other) if twice => (
                        "SUBNET_OVERLAP",
                        format!(
                            "{other} and {bridge} have the same subnet, and {name} is a member of {other} while the others are on {bridge}"
                        ),
                    ),
                    Some(other) => (
                        "WRONG_BRIDGE",
                        format!(
                            "{name} is a member of {other}, while its subnet is that of {bridge}"
                        ),
                    ),
                };
                add.push(Candidate {
                    code,
                    place: place(ns, Some(own.filter(|_| twice).unwrap_or(&name))),
                    sentence,
                    evidence: vec![evidence(
                        ns,
                        name.as_str(),
                        dev.link
                            .master
                            .as_ref()
                            .map_or("no master".to_owned(), |m| format!("master {m}")),
                        &format!("ip link show dev {name}"),
                    )],
                    fix,
                    rank: if alone || own.is_none() { 4 } else { 5 },
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| {
                            if let Some(dev) = n.devs.get_mut(&name) {
                                dev.link.master = Some(to.clone());
                                dev.seen.port = Some(dev.seen.port.unwrap_or(Port::PLAIN));
                            }
                            n.fdb.retain(|f| f.key.dev != name || f.key.own);
                        });
                        for ns in &known {
                            let gone =
                                |key: &NeighKey| learned.contains(&(ns.clone(), key.clone()));
                            node(w, ns, |n| n.neighs.retain(|x| !gone(&x.key)));
                        }
                    })),
                });
            }
        }
    }
}

/// What the other end of a member has learned of the addresses of a bridge while it was on another: that
/// answers for them, too, but with its own hardware address.
fn learned(world: &World, n: &Node, member: &Dev, bridge: &IfName) -> Vec<(Ns, NeighKey)> {
    /// `NUD_NOARP`, `NUD_PERMANENT`
    const FIXED: u16 = 0x40 | 0x80;
    let Some(peer) = member.other() else { return Vec::new() };
    let Some(far) = world.node(&peer.ns) else { return Vec::new() };
    let own = |ip| n.addrs_of(bridge).any(|a| a.key.net.addr() == ip);
    let found = far.neighs.iter().filter(|x| {
        let stated = x.key.proxy || x.state & FIXED != 0;
        x.key.dev == peer.name && !stated && x.mac.is_some() && own(x.key.ip)
    });
    found.map(|x| (peer.ns.clone(), x.key.clone())).collect()
}

/// Both bridges have addresses of one subnet.
fn same_subnet(n: &Node, here: &IfName, there: &IfName) -> bool {
    let of =
        |bridge| n.addrs_of(bridge).map(|a| a.key.net).filter(|net| !edit::link_local(net.addr()));
    of(here).any(|a| of(there).any(|b| a.contains(&b.addr()) || b.contains(&a.addr())))
}

/// The station behind a member is of the subnet of `there`, and not of `here`.
fn belongs(world: &World, n: &Node, dev: &Dev, here: &IfName, there: &IfName) -> bool {
    let Some(peer) = dev.other() else { return dev.kind() == "vxlan" };
    let Some(far) = world.node(&peer.ns) else { return false };
    let of = |bridge: &IfName| {
        let nets: Vec<_> = n.addrs_of(bridge).map(|a| a.key.net).collect();
        far.addrs_of(&peer.name)
            .map(|a| a.key.net.addr())
            .filter(|ip| !edit::link_local(*ip))
            .any(|ip| nets.iter().any(|net| net.contains(&ip)))
    };
    of(there) && !of(here)
        || n.addrs_of(there).all(|a| edit::link_local(a.key.net.addr())) && !of(here)
}

/// Flags of members.
pub(super) fn port_flags(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Some(dev) = &stop.dev else { continue };
        let ns = &stop.ns;
        let (code, port, sentence, option, alter): (_, IfName, _, _, fn(&mut Port)) = match &stop
            .why
        {
            Why::Isolated(from) => (
                "PORT_ISOLATED",
                from.clone(),
                format!(
                    "{from} and {dev} are both isolated, so the bridge passes nothing between them"
                ),
                "isolated off",
                |p| p.isolated = false,
            ),
            Why::PortState(state) => (
                "STP_STATE",
                dev.clone(),
                format!(
                    "{dev} is in the state {} and passes nothing on",
                    ["disabled", "listening", "learning", "forwarding", "blocking"]
                        .get(usize::from(*state))
                        .unwrap_or(&"?")
                ),
                "state 3",
                |p| p.state = 3,
            ),
            Why::Locked => (
                "PORT_LOCKED",
                dev.clone(),
                format!("{dev} is locked, and the bridge does not know who sends there"),
                "locked off",
                |p| p.locked = false,
            ),
            Why::NoFlood => (
                "BRIDGE_FLOOD_OFF",
                dev.clone(),
                format!(
                    "the bridge does not flood to {dev}, so what it has not learned never gets there"
                ),
                "flood on mcast_flood on bcast_flood on",
                |p| {
                    p.flood = true;
                    p.broadcast = true;
                    p.multicast = true;
                },
            ),
            Why::Hairpin => (
                "HAIRPIN_OFF",
                dev.clone(),
                format!(
                    "the frame would have to leave by {dev}, where it came in, and hairpin is off there"
                ),
                "hairpin on",
                |p| p.hairpin = true,
            ),
            _ => continue,
        };
        let (at, name) = (ns.clone(), port.clone());
        let mut fix = vec![within(ns, &format!("bridge link set dev {port} {option}"))];
        if code == "STP_STATE" {
            // Where the tree is computed, it sets the state itself.
            let bridge = case.world.dev(ns, &port).and_then(|d| d.link.master.clone());
            fix.extend(
                bridge.map(|b| within(ns, &format!("ip link set {b} type bridge stp_state 0"))),
            );
            fix.push(within(ns, &format!("bridge link set dev {port} {option}")));
        }
        add.push(Candidate {
            code,
            place: place(ns, Some(&port)),
            sentence,
            evidence: vec![evidence(
                ns,
                port.as_str(),
                code.to_lowercase(),
                &format!("bridge -d link show dev {port}"),
            )],
            fix,
            rank: 1,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    if let Some(port) = n.devs.get_mut(&name).and_then(|d| d.seen.port.as_mut()) {
                        alter(port);
                    }
                });
            })),
        });
    }
}

/// The bridge was told another member for a station.
pub(super) fn wrong_station(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for (ns, n) in &case.world.nodes {
        for entry in n.fdb.iter().filter(|f| !f.key.own) {
            let of_bridge = n.devs.get(&entry.key.dev).is_some_and(|d| d.port().is_some());
            let own = n.devs.values().any(|d| d.mac() == entry.key.mac);
            let station = case.world.nodes.iter().find_map(|(other, far)| {
                far.devs.values().find(|d| d.mac() == entry.key.mac).map(|d| (other.clone(), d))
            });
            let Some((owner, dev)) = station else { continue };
            let here = dev.other().is_some_and(|p| p.ns == *ns && p.name == entry.key.dev);
            if !of_bridge || own || here || dev.kind() != "veth" {
                continue;
            }
            let (at, key) = (ns.clone(), entry.key.clone());
            let (mac, port) = (entry.key.mac, entry.key.dev.clone());
            add.push(Candidate {
                code: "FDB_WRONG_PORT",
                place: place(ns, Some(&port)),
                sentence: format!(
                    "the bridge has {mac}, which is {}'s, at {port}, where it is not",
                    called(&owner)
                ),
                evidence: vec![evidence(ns, port.as_str(), mac.to_string(), "bridge fdb show")],
                fix: vec![within(ns, &format!("bridge fdb del {mac} dev {port} master"))],
                rank: 3,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.fdb.retain(|f| f.key != key));
                })),
            });
        }
    }
}
