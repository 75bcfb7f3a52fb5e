//! VXLAN: networks, ports and remotes that do not fit.

use ipnet::IpNet;
use ropewalk_facts::{IfName, LinkKind, Ns, VxlanSpec};

use super::edit::node;
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::{Dev, World};

fn tunnels(world: &World) -> Vec<(Ns, IfName, VxlanSpec)> {
    let of = |d: &Dev| match &d.link.kind {
        LinkKind::Vxlan(spec) => Some(spec.clone()),
        _ => None,
    };
    world
        .nodes
        .iter()
        .flat_map(|(ns, n)| {
            n.devs.values().filter_map(move |d| Some((ns.clone(), d.name().clone(), of(d)?)))
        })
        .collect()
}

/// A tunnel that does not meet its other end.
pub(super) fn vxlan(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let all = tunnels(case.world);
    if all.is_empty() {
        return;
    }
    for stop in case.stops() {
        if let (Why::VxlanNoDevice { vni, port }, Some(dev)) = (&stop.why, &stop.dev) {
            mismatch(case, &stop.ns, dev, *vni, *port, add);
        }
    }
    for (ns, dev, spec) in &all {
        remote(case, &all, ns, dev, spec, add);
    }
}

fn mismatch(case: &Case<'_>, ns: &Ns, dev: &IfName, vni: u32, port: u16, add: &mut Vec<Candidate>) {
    let Some(d) = case.world.dev(ns, dev) else { return };
    let LinkKind::Vxlan(spec) = &d.link.kind else { return };
    let (code, sentence) = if spec.vni == vni {
        (
            "VXLAN_PORT_MISMATCH",
            format!(
                "{dev} in {} takes port {}, and its other end sends to {port}",
                called(ns),
                spec.port
            ),
        )
    } else {
        (
            "VXLAN_VNI_MISMATCH",
            format!(
                "{dev} in {} is of the network {}, and its other end of {vni}",
                called(ns),
                spec.vni
            ),
        )
    };
    let fix = made_anew(case, ns, d, &VxlanSpec { vni, port, ..spec.clone() });
    let (at, name) = (ns.clone(), dev.clone());
    add.push(Candidate {
        code,
        place: place(ns, Some(dev)),
        sentence,
        evidence: vec![evidence(
            ns,
            dev.as_str(),
            format!("id {} dstport {}", spec.vni, spec.port),
            &format!("ip -d link show dev {dev}"),
        )],
        fix,
        rank: 2,
        change: Some(Box::new(move |w: &mut World| {
            node(w, &at, |n| {
                if let Some(LinkKind::Vxlan(spec)) = n.devs.get_mut(&name).map(|d| &mut d.link.kind)
                {
                    spec.vni = vni;
                    spec.port = port;
                }
            });
        })),
    });
}

/// The commands that make a tunnel again, with what it is to be.
fn made_anew(case: &Case<'_>, ns: &Ns, d: &Dev, spec: &VxlanSpec) -> Vec<String> {
    let (dev, vni, port) = (d.name(), spec.vni, spec.port);
    let remote = d.seen.remote.map(|r| format!(" remote {r}")).unwrap_or_default();
    let local = spec.local.map(|l| format!(" local {l}")).unwrap_or_default();
    let lower = spec.dev.as_ref().map(|l| format!(" dev {l}")).unwrap_or_default();
    let mut fix = vec![
        within(ns, &format!("ip link del {dev}")),
        within(
            ns,
            &format!("ip link add {dev} type vxlan id {vni}{lower}{local}{remote} dstport {port}"),
        ),
    ];
    fix.push(match &d.link.master {
        Some(master) => within(ns, &format!("ip link set {dev} master {master} up")),
        None => within(ns, &format!("ip link set {dev} up")),
    });
    let n = case.world.node(ns);
    let entries = n.iter().flat_map(|n| n.fdb.iter()).filter(|f| {
        f.key.own && f.key.dev == *dev && f.key.dst.is_some() && f.key.dst != d.seen.remote
    });
    fix.extend(entries.filter_map(|f| {
        Some(within(ns, &format!("bridge fdb append {} dev {dev} dst {}", f.key.mac, f.key.dst?)))
    }));
    fix
}

/// A tunnel whose own address is none of its host's: nothing is sent (`ip_route_output_key_hash`).
pub(super) fn foreign_local(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for (ns, dev, spec) in tunnels(case.world) {
        let (Some(n), Some(wrong)) = (case.world.node(&ns), spec.local) else { continue };
        let Some(d) = n.devs.get(&dev).filter(|_| !n.owns(wrong)) else { continue };
        let lower = spec.dev.iter().flat_map(|lower| n.addrs_of(lower));
        let fits = |net: &IpNet| net.addr().is_ipv6() == wrong.is_ipv6();
        let near = |net: &IpNet| net.contains(&wrong);
        let all: Vec<IpNet> = lower.map(|a| a.key.net).filter(fits).collect();
        let Some(right) = all.iter().find(|net| near(net)).or(all.first()) else { continue };
        let spec = VxlanSpec { local: Some(right.addr()), ..spec };
        let (at, name, right) = (ns.clone(), dev.clone(), right.addr());
        add.push(Candidate {
            code: "WRONG_SOURCE",
            place: place(&ns, Some(&dev)),
            sentence: format!(
                "{dev} sends from {wrong}, which is no address of {}, so it sends nothing; it has {right}",
                called(&ns)
            ),
            evidence: vec![evidence(
                &ns,
                dev.as_str(),
                format!("local {wrong}"),
                &format!("ip -d link show dev {dev}"),
            )],
            fix: made_anew(case, &ns, d, &spec),
            rank: 2,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    if let Some(LinkKind::Vxlan(spec)) =
                        n.devs.get_mut(&name).map(|d| &mut d.link.kind)
                    {
                        spec.local = Some(right);
                    }
                });
            })),
        });
    }
}

/// Where a tunnel ought to send: to the hosts that have one of the same network.
fn remote(
    case: &Case<'_>,
    all: &[(Ns, IfName, VxlanSpec)],
    ns: &Ns,
    dev: &IfName,
    spec: &VxlanSpec,
    add: &mut Vec<Candidate>,
) {
    let Some(n) = case.world.node(ns) else { return };
    let Some(d) = n.devs.get(dev) else { return };
    let entries: Vec<_> = n
        .fdb
        .iter()
        .filter(|f| f.key.own && f.key.dev == *dev && f.key.mac.0 == [0; 6])
        .filter_map(|f| f.key.dst)
        .collect();
    let known: Vec<_> = entries.iter().copied().chain(d.seen.remote).collect();
    for (other, far, peer) in all.iter().filter(|(o, _, p)| o != ns && p.vni == spec.vni) {
        let address = peer.local.or_else(|| {
            let lower = peer.dev.as_ref()?;
            case.world.node(other)?.addrs_of(lower).next().map(|a| a.key.net.addr())
        });
        let Some(right) = address.filter(|a| !known.contains(a)) else { continue };
        let wrong = known.first().copied();
        let (code, sentence) = match wrong {
            None => (
                "VXLAN_NO_REMOTE",
                format!(
                    "{dev} in {} does not know where to send: it has no remote, and {} is at {right}",
                    called(ns),
                    called(other)
                ),
            ),
            Some(w) => (
                "VXLAN_WRONG_REMOTE",
                format!(
                    "{dev} in {} sends to {w}, while {far} of {} is at {right}",
                    called(ns),
                    called(other)
                ),
            ),
        };
        let mut fix =
            vec![within(ns, &format!("bridge fdb append 00:00:00:00:00:00 dev {dev} dst {right}"))];
        fix.extend(
            wrong.map(|w| {
                within(ns, &format!("bridge fdb del 00:00:00:00:00:00 dev {dev} dst {w}"))
            }),
        );
        let (at, name) = (ns.clone(), dev.clone());
        add.push(Candidate {
            code,
            place: place(ns, Some(dev)),
            sentence,
            evidence: vec![evidence(
                ns,
                dev.as_str(),
                wrong.map_or("no remote".to_owned(), |w| format!("remote {w}")),
                &format!("bridge fdb show dev {dev}"),
            )],
            fix,
            rank: 3,
            change: Some(Box::new(move |w: &mut World| {
                node(w, &at, |n| {
                    n.fdb.retain(|f| !(f.key.own && f.key.dev == name && f.key.mac.0 == [0; 6]));
                    if let Some(d) = n.devs.get_mut(&name) {
                        d.seen.remote = Some(right);
                    }
                });
            })),
        });
    }
}

/// An entry for one station leads to a host where that station is not.
pub(super) fn wrong_entry(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let all = tunnels(case.world);
    for (ns, dev, spec) in &all {
        let Some(n) = case.world.node(ns) else { continue };
        let own = n.fdb.iter().filter(|f| f.key.own && f.key.dev == *dev && f.key.mac.0 != [0; 6]);
        for entry in own {
            let (Some(dst), mac) = (entry.key.dst, entry.key.mac) else { continue };
            let station =
                case.world.nodes.iter().find(|(_, far)| far.devs.values().any(|d| d.mac() == mac));
            let Some((owner, _)) = station else { continue };
            let there = all.iter().any(|(other, _, peer)| {
                let has =
                    peer.local == Some(dst) || case.world.owners(dst).any(|(o, _)| o == other);
                other != ns && peer.vni == spec.vni && has
            });
            if there {
                continue;
            }
            let (at, key) = (ns.clone(), entry.key.clone());
            add.push(Candidate {
                code: "VXLAN_WRONG_REMOTE",
                place: place(ns, Some(dev)),
                sentence: format!(
                    "{dev} in {} sends what is for {mac}, which is {}'s, to {dst}, where it is not",
                    called(ns),
                    called(owner)
                ),
                evidence: vec![evidence(
                    ns,
                    dev.as_str(),
                    format!("{mac} dst {dst}"),
                    &format!("bridge fdb show dev {dev}"),
                )],
                fix: vec![within(ns, &format!("bridge fdb del {mac} dev {dev} dst {dst}"))],
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| n.fdb.retain(|f| f.key != key));
                })),
            });
        }
    }
}
