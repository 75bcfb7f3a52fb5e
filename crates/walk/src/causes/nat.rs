//! Translation: missing, shadowed, of the wrong address, going round the answer; connections.

use std::net::IpAddr;

use ropewalk_facts::nft::{ChainKey, Expr, Family, NatKind, Rule};
use ropewalk_facts::{IfName, Ns};

use super::edit::{self, node};
use super::{chain_place, evidence, place, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::{Stop, Why};
use crate::world::{Node, World};

/// A rule's expression that translates the source.
fn snats(expr: &Expr) -> bool {
    match expr {
        Expr::Masq { .. } => true,
        Expr::Nat { kind, .. } => *kind == NatKind::Snat,
        Expr::Xt { target, name, .. } => *target && matches!(name.as_str(), "MASQUERADE" | "SNAT"),
        _ => false,
    }
}

/// The chains of a namespace that translate sources.
fn snat_chains(n: &Node) -> Vec<ChainKey> {
    n.nft
        .chains
        .values()
        .filter(|l| l.rules.iter().any(|r| r.exprs.iter().any(snats)))
        .map(|l| l.chain.key.clone())
        .collect()
}

/// Sources of IPv6 are translated here.
pub(crate) fn translates_v6(n: &Node) -> bool {
    let v6 = [Family::Ip6, Family::Inet, Family::Ip6tables];
    snat_chains(n).iter().any(|chain| v6.contains(&chain.table.family))
}

/// The subnet that a source address belongs to, as the host sees it.
fn subnet(n: &Node, ip: IpAddr) -> ipnet::IpNet {
    let near = n
        .addrs
        .iter()
        .map(|a| a.key.net)
        .filter(|net| net.contains(&ip))
        .max_by_key(|net| net.prefix_len());
    near.map_or_else(|| edit::host(ip), |net| net.trunc())
}

/// The request leaves with a source that nobody outside can answer to.
pub(super) fn no_way_back(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    let (ip, dev) = match (&stop.why, &stop.dev) {
        (Why::NoWayBack(ip), Some(dev)) => (*ip, dev.clone()),
        _ => match returning(case, stop) {
            Some(found) => found,
            None => return,
        },
    };
    let ns = match &stop.why {
        Why::NoWayBack(_) => stop.ns.clone(),
        _ => match gate(case, ip) {
            Some(ns) => ns,
            None => return,
        },
    };
    let Some(n) = case.world.node(&ns) else { return };
    let net = subnet(n, ip);
    let chains = snat_chains(n);
    let tool = if ip.is_ipv6() { "ip6tables" } else { "iptables" };
    let fix = within(&ns, &format!("{tool} -t nat -I POSTROUTING -s {net} -o {dev} -j MASQUERADE"));
    let (code, at, sentence, fixes) = match shadow(case, n, &chains) {
        Some(chain) if matches!(stop.why, Why::NoWayBack(_)) => (
            "NAT_RULE_SHADOWED",
            chain_place(&ns, &chain),
            format!(
                "a rule of {} comes first and keeps the translation of {net} from being reached",
                chain.chain
            ),
            vec![fix.clone()],
        ),
        _ => (
            "NO_SNAT",
            place(&ns, Some(&dev)),
            format!(
                "nothing translates {net} on its way out of {dev}: the request leaves with the source {ip}, and the answer has no way back"
            ),
            vec![fix.clone()],
        ),
    };
    let (where_, change_net) = (ns.clone(), net);
    add.push(Candidate {
        code,
        place: at,
        sentence,
        evidence: vec![evidence(&ns, dev.as_str(), format!("source {ip}"), "nft list ruleset")],
        fix: fixes,
        rank: match stop.why {
            Why::NoWayBack(_) => 3,
            // In IPv6 a route is what is missing, where nothing else is translated.
            _ if ip.is_ipv6() && chains.iter().all(|c| c.table.family == Family::Ip) => 12,
            _ if outward(n, case.question.dst, &dev) => 9,
            _ => 12,
        },
        change: Some(Box::new(move |w: &mut World| {
            node(w, &where_, |n| {
                let nat_accept = |l: &&mut crate::nft::Line| {
                    l.chain.base.as_ref().is_some_and(|b| b.kind == "nat" && b.hook == 4)
                };
                for line in n.nft.chains.values_mut().filter(nat_accept) {
                    line.rules.retain(|r| r.exprs.iter().any(snats));
                }
                edit::masquerade(n, change_net);
            });
        })),
    });
}

/// True when the request goes where the host's own default route leads, or to a public address:
/// there nobody knows the subnets behind it.
fn outward(n: &Node, dst: IpAddr, out: &IfName) -> bool {
    let default = edit::everything(dst.is_ipv6());
    let leads = n.routes.iter().filter(|r| r.key.dst == default);
    leads.flat_map(|r| &r.hops).any(|h| h.dev.as_ref() == Some(out))
}

fn notracks(expr: &Expr) -> bool {
    match expr {
        Expr::Notrack => true,
        Expr::Xt { target, name, .. } => *target && matches!(name.as_str(), "CT" | "NOTRACK"),
        _ => false,
    }
}

/// A rule takes packets out of connection tracking, and what is not tracked is not translated.
pub(super) fn notrack(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for line in n.nft.chains.values() {
            let rules: Vec<_> = line
                .rules
                .iter()
                .filter(|r| r.exprs.iter().any(notracks))
                .map(|r| r.key.clone())
                .collect();
            if rules.is_empty() {
                continue;
            }
            // The last first: those of iptables-legacy have numbers.
            let fix = rules.iter().rev().flat_map(|r| super::filter::remove(stop, &ns, r).0);
            let (at, chain) = (ns.clone(), line.chain.key.clone());
            add.push(Candidate {
                code: "NOTRACK_NO_NAT",
                place: chain_place(&ns, &chain),
                sentence: format!(
                    "a rule of {} in {} takes packets out of connection tracking, and what is not tracked is not translated",
                    crate::nft::path(&chain),
                    called(&ns)
                ),
                evidence: vec![evidence(&ns, chain.chain.clone(), "notrack", "nft -a list ruleset")],
                fix: fix.collect(),
                rank: 2,
                change: Some(Box::new(move |w: &mut World| {
                    node(w, &at, |n| {
                        if let Some(line) = n.nft.chains.get_mut(&chain) {
                            line.rules.retain(|r| !r.exprs.iter().any(notracks));
                        }
                    });
                })),
            });
        }
    }
}

/// A chain in which a rule that decides otherwise stands before the translation, and keeps this packet from it.
fn shadow(case: &Case<'_>, n: &Node, chains: &[ChainKey]) -> Option<ChainKey> {
    let ends = |r: &Rule| r.exprs.iter().any(super::publish::ends);
    let before = |chain: &ChainKey| {
        let line = n.nft.chains.get(chain)?;
        let at = line.rules.iter().position(|r| r.exprs.iter().any(snats))?;
        let rules = line.rules.iter().take(at).filter(|r| ends(r));
        Some(rules.map(|r| r.key.clone()).collect::<Vec<_>>())
    };
    let found = chains.iter().find(|chain| {
        let Some(keys) = before(chain).filter(|keys| !keys.is_empty()) else { return false };
        let mut other = case.world.clone();
        node(&mut other, &n.ns, |n| {
            let line = n.nft.chains.get_mut(*chain);
            line.into_iter().for_each(|line| line.rules.retain(|r| !keys.contains(&r.key)));
        });
        other.forget();
        let after = crate::trip(&other, case.question);
        !after.stop().is_some_and(|stop| matches!(stop.why, Why::NoWayBack(_)))
    });
    found.cloned()
}

/// The answer cannot go back to the source, as it would to that of a host in between.
fn returning(case: &Case<'_>, stop: &Stop) -> Option<(IpAddr, IfName)> {
    let lost =
        matches!(stop.why, Why::NoRoute | Why::Unresolved { .. } | Why::Astray | Why::WrongWay(_));
    if !case.trip.back() || !lost {
        return None;
    }
    let ip = stop.packet.dst;
    let ns = gate(case, ip)?;
    let hops: Vec<_> =
        case.trip.request.hops.iter().filter(|h| h.ns == ns && h.at == "route").collect();
    let text = &hops.last()?.what;
    let dev = text.split(" dev ").nth(1)?.split(' ').next()?;
    Some((ip, IfName::new(dev).ok()?))
}

/// The last host that forwarded the request.
fn gate(case: &Case<'_>, _ip: IpAddr) -> Option<Ns> {
    let from = case.question.from();
    let hops = case.trip.request.hops.iter().rev();
    hops.filter(|h| h.at == "route").map(|h| h.ns.clone()).find(|ns| *ns != from)
}

/// The answer comes from somebody else than was asked, because it goes round the translation.
pub(super) fn other_source(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    let dnat =
        case.trip.request.hops.iter().find(|h| h.what.starts_with("translates the destination"));
    let Some(dnat) = dnat else { return };
    let lost = matches!(stop.why, Why::OtherSource { .. } | Why::Martian | Why::Hairpin);
    if !lost {
        return;
    }
    let Some(n) = case.world.node(&dnat.ns) else { return };
    let target = match &stop.why {
        Why::OtherSource { .. } => stop.packet.src,
        _ => stop.packet.dst,
    };
    let src = dnat.tuple.src;
    let own = src == target || matches!(stop.why, Why::Martian);
    let net = subnet(n, src);
    let (code, sentence) = if own {
        (
            "HAIRPIN_NO_SNAT",
            format!(
                "{src} reaches itself through the published port, and as its source is not translated it gets its own address as a sender"
            ),
        )
    } else {
        (
            "NAT_BYPASSED_REPLY",
            format!(
                "{target} answers {src} directly, as both are in {net}, so the answer comes from {target} and not from whom was asked"
            ),
        )
    };
    let ns = dnat.ns.clone();
    let at = ns.clone();
    let tool = if src.is_ipv6() { "ip6tables" } else { "iptables" };
    add.push(Candidate {
        code,
        place: called(&ns).to_owned(),
        sentence,
        evidence: vec![evidence(&ns, dnat.at.clone(), dnat.what.clone(), "nft list ruleset")],
        fix: vec![within(
            &ns,
            &format!("{tool} -t nat -A POSTROUTING -s {net} -d {target} -j MASQUERADE"),
        )],
        rank: 3,
        change: Some(Box::new(move |w: &mut World| node(w, &at, |n| edit::masquerade(n, net)))),
    });
}

/// The table of connections: full, or with an entry that is no longer right.
pub(super) fn conntrack(case: &Case<'_>, add: &mut Vec<Candidate>) {
    for stop in case.stops() {
        if !matches!(stop.why, Why::ConntrackFull) {
            continue;
        }
        let Some(n) = case.world.node(&stop.ns) else { continue };
        let (count, max) = ("net/netfilter/nf_conntrack_count", "net/netfilter/nf_conntrack_max");
        let more = n.number(max).max(n.number(count)).saturating_mul(2).to_string();
        let fix = format!("sysctl -w net.netfilter.nf_conntrack_max={more}");
        add.push(Candidate {
            code: "CONNTRACK_FULL",
            place: called(&stop.ns).to_owned(),
            sentence: format!(
                "the table of connections of {} is full ({} of {}), so new connections are dropped; the limit is one of the machine, for all namespaces",
                called(&stop.ns),
                n.number(count),
                n.number(max)
            ),
            evidence: vec![evidence(
                &stop.ns,
                "nf_conntrack_count",
                n.number(count).to_string(),
                "sysctl net.netfilter.nf_conntrack_count",
            )],
            // It can be written in the machine's first namespace alone, and counts in all of them.
            fix: vec![fix],
            rank: 0,
            change: Some(Box::new(move |w: &mut World| {
                let all: Vec<Ns> = w.nodes.keys().cloned().collect();
                all.iter().for_each(|ns| edit::set(w, ns, max, &more));
            })),
        });
    }
    for ns in case.concerned() {
        let Some(n) = case.world.node(&ns) else { continue };
        for flow in &n.flows {
            let (at, orig, q) = (ns.clone(), flow.orig, case.question);
            let to = flow.reply.src;
            add.push(Candidate {
                code: "STALE_CONNTRACK",
                place: called(&ns).to_owned(),
                sentence: format!("a connection that {} remembers still translates {} to {to}; the rules of today are not asked", called(&ns), orig.dst),
                evidence: vec![evidence(&ns, "conntrack", format!("{} > {} is answered by {to}", orig.src, orig.dst), &format!("conntrack -L -s {} -d {}", orig.src, orig.dst))],
                fix: {
                    let forget = within(&ns, &format!("conntrack -D -p {} --orig-src {} --orig-dst {}", q.proto, orig.src, orig.dst));
                    // Packets that wait for a neighbour bring the entry back when they are let go, within 3 s;
                    // at once, when the neighbour that is nobody is given up.
                    let waits = gone(case.world, n, to);
                    let pause = if waits.is_some() { "sleep 1" } else { "sleep 4" };
                    let mut fix = vec![forget.clone()];
                    fix.extend(waits);
                    fix.extend([pause.to_owned(), format!("{forget} || true")]);
                    fix
                },
                rank: 1,
                change: Some(Box::new(move |w: &mut World| node(w, &at, |n| n.flows.retain(|f| f.orig != orig)))),
            });
        }
    }
}

/// The command that gives up waiting for a neighbour whose address is nobody's.
fn gone(world: &World, node: &Node, ip: IpAddr) -> Option<String> {
    let nobody = world.owners(ip).next().is_none();
    let near = node.addrs.iter().find(|a| a.key.net.contains(&ip)).filter(|_| nobody)?;
    let line = format!("ip neigh del {ip} dev {}", near.key.dev);
    Some(format!("{} || true", within(&node.ns, &line)))
}
