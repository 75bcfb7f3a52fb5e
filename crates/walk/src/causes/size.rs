//! Sizes: links and routes that take less than is sent, and messages about it that are lost.

use super::edit::node;
use super::{evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::World;

/// A link or route takes less.
pub(super) fn mtu(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        let Some(dev) = &stop.dev else { continue };
        let ns = &stop.ns;
        let len = stop.packet.len;
        match &stop.why {
            Why::TooLong { mtu } => {
                let tunnel = case.world.dev(ns, dev).is_some_and(|d| d.kind() == "vxlan");
                let code = if tunnel { "MTU_OVERLAY" } else { "MTU_MISMATCH" };
                let mut want = case.world.nodes.get(&case.question.from()).map_or(1500, |n| {
                    n.devs.values().filter(|d| !d.loopback()).map(|d| d.mtu()).max().unwrap_or(1500)
                });
                want = want.max(len);
                let (fix, change): (Vec<String>, Option<crate::diagnose::Change>) = if tunnel {
                    (lower(case, *mtu), None)
                } else {
                    let (at, name) = (ns.clone(), dev.clone());
                    (
                        vec![within(ns, &format!("ip link set {dev} mtu {want}"))],
                        Some(Box::new(move |w: &mut World| {
                            node(w, &at, |n| {
                                if let Some(d) = n.devs.get_mut(&name) {
                                    d.link.mtu = Some(want);
                                }
                            });
                        })),
                    )
                };
                add.push(Candidate {
                    code,
                    place: place(ns, Some(dev)),
                    sentence: format!("{dev} in {} takes {mtu} bytes, its other side sends {len}: what is longer is dropped without a word", called(ns)),
                    evidence: vec![evidence(ns, dev.as_str(), format!("mtu {mtu}"), &format!("ip link show dev {dev}"))],
                    fix,
                    rank: 2,
                    change,
                });
            }
            Why::TooBig { mtu, route: true, .. } => {
                let to = stop.packet.dst;
                let (at, limit) = (ns.clone(), *mtu);
                let net = case.world.node(ns).and_then(|n| {
                    n.routes
                        .iter()
                        .find(|r| r.mtu == Some(limit) && r.key.dst.contains(&to))
                        .cloned()
                });
                let Some(route) = net else { continue };
                let dst = if route.key.dst.prefix_len() == 0 {
                    "default".to_owned()
                } else {
                    route.key.dst.to_string()
                };
                let via = route
                    .hops
                    .first()
                    .and_then(|h| h.via)
                    .map(|v| format!(" via {v}"))
                    .unwrap_or_default();
                let out = route
                    .hops
                    .first()
                    .and_then(|h| h.dev.clone())
                    .map(|d| format!(" dev {d}"))
                    .unwrap_or_default();
                let key = route.key.clone();
                add.push(Candidate {
                    code: "ROUTE_MTU",
                    place: called(ns).to_owned(),
                    sentence: format!(
                        "the route for {dst} of {} has the MTU {mtu}, and {len} bytes are sent",
                        called(ns)
                    ),
                    evidence: vec![evidence(
                        ns,
                        "route",
                        format!("{dst} mtu {mtu}"),
                        &format!("ip route show {dst}"),
                    )],
                    fix: {
                        let v = super::edit::ip(to.is_ipv6());
                        let mut fix =
                            vec![within(ns, &format!("{v} route replace {dst}{via}{out}"))];
                        fix.extend(forget(case));
                        fix
                    },
                    rank: 2,
                    change: Some(Box::new(move |w: &mut World| {
                        node(w, &at, |n| {
                            n.routes.iter_mut().filter(|r| r.key == key).for_each(|r| r.mtu = None)
                        });
                    })),
                });
            }
            Why::TooBig { mtu, told, lost, .. } => {
                let sentence = if *told {
                    format!(
                        "{dev} in {} takes {mtu} bytes, and {len} are sent that must not be broken",
                        called(ns)
                    )
                } else {
                    format!(
                        "{dev} in {} takes {mtu} bytes, and its message that {len} are too many never gets back",
                        called(ns)
                    )
                };
                let fix = match lost {
                    // The rule that the message meets is repaired.
                    Some(lost) if matches!(lost.why, Why::Filter { .. }) => {
                        super::filter::repair_of(lost).into_iter().chain(forget(case)).collect()
                    }
                    Some(_) | None => {
                        let mut fix = vec![within(ns, &format!("ip link set {dev} mtu {len}"))];
                        fix.extend(forget(case));
                        fix
                    }
                };
                add.push(Candidate {
                    code: if *told { "MTU_MISMATCH" } else { "MTU_BLACKHOLE" },
                    place: place(ns, Some(dev)),
                    sentence,
                    evidence: vec![evidence(
                        ns,
                        dev.as_str(),
                        format!("mtu {mtu}"),
                        &format!("ip link show dev {dev}"),
                    )],
                    fix,
                    rank: 4,
                    change: None,
                });
            }
            _ => {}
        }
    }
}

/// The sender forgets the sizes that it was told of before.
fn forget(case: &Case<'_>) -> Option<String> {
    let v = super::edit::ip(case.question.dst.is_ipv6());
    Some(within(&case.question.from(), &format!("{v} route flush cache")))
}

/// The containers' links take what the tunnel takes.
fn lower(case: &Case<'_>, mtu: u32) -> Vec<String> {
    let mut all = Vec::new();
    let ends = [case.question.from()]
        .into_iter()
        .chain(case.world.owners(case.question.dst).map(|(ns, _)| ns.clone()));
    for ns in ends {
        let Some(n) = case.world.node(&ns) else { continue };
        for dev in n.devs.values().filter(|d| !d.loopback() && d.mtu() > mtu && d.kind() == "veth")
        {
            all.push(within(&ns, &format!("ip link set {} mtu {mtu}", dev.name())));
        }
    }
    all
}
