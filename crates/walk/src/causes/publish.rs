//! Publishing: ports that lead to nobody, or take what is meant for others; the rules that mend it.
//!
//!     -t nat -A PREROUTING -d HOST -p tcp --dport 8080 -j DNAT --to-destination CONTAINER:80
//!
//! Never here: services that do not listen.

use std::net::IpAddr;

use ropewalk_facts::nft::{ChainKey, Expr, Family, NatKind, VerdictCode};
use ropewalk_facts::{IfName, Ns};

use super::edit::{self, node};
use super::{chain_place, evidence, iptables, within};
use crate::diagnose::{Candidate, Case};
use crate::question::called;
use crate::trace::Why;
use crate::world::{Node, World};

/// A published port takes what is meant for somebody else, too.
pub(super) fn too_broad(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let q = case.question;
    let Some((ns, who, before)) = case.trip.nats.iter().find(|(_, _, t)| t.dst == q.dst) else {
        return;
    };
    let Some(n) = case.world.node(ns) else { return };
    let translated = case
        .trip
        .request
        .hops
        .iter()
        .any(|h| h.ns == *ns && h.what.starts_with("translates the destination"));
    if n.owns(q.dst) || !translated || q.dst.is_loopback() {
        return;
    }
    let base = who.base.clone();
    let (dst, port) = (q.dst, before.dport);
    let exempt = match iptables(&base) {
        Some(tool) => format!(
            "{tool} -t {} -I {} -d {dst} -p {} --dport {port} -j ACCEPT",
            base.table.table, base.chain, q.proto
        ),
        None => format!(
            "nft insert rule {} {} {} {} daddr {dst} {} dport {port} accept",
            base.table.family.name(),
            base.table.table,
            base.chain,
            if dst.is_ipv6() { "ip6" } else { "ip" },
            q.proto
        ),
    };
    let (at, src) = (ns.clone(), before.src);
    add.push(Candidate {
        code: "DNAT_TOO_BROAD",
        place: chain_place(ns, &who.chain),
        sentence: format!(
            "a rule of {} that publishes port {port} asks for no address, so it leads away what is meant for {dst}, too",
            who.chain.chain
        ),
        evidence: vec![evidence(
            ns,
            who.chain.chain.clone(),
            format!("{dst}:{port} is translated"),
            "nft list ruleset",
        )],
        fix: vec![within(ns, &exempt)],
        rank: 1,
        change: Some(Box::new(move |w: &mut World| {
            node(w, &at, |n| {
                if let Some(line) = n.nft.chains.get_mut(&base) {
                    line.rules.insert(0, edit::accept(&base, src, dst));
                }
            });
        })),
    });
}

/// A rule of the chain that publishes stands before the one that does, and ends the matter.
pub(super) fn shadowed(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop().filter(|_| !case.trip.back()) else { return };
    let Some(n) = case.world.node(&stop.ns) else { return };
    if !matches!(stop.why, Why::NoListener | Why::Unresolved { .. }) {
        return;
    }
    let publishes = |line: &&crate::nft::Line| {
        line.chain.base.as_ref().is_some_and(|b| b.kind == "nat" && matches!(b.hook, 0 | 3))
    };
    for line in n.nft.chains.values().filter(publishes) {
        let Some(last) = line.rules.iter().rposition(|r| r.exprs.iter().any(leads)) else {
            continue;
        };
        for rule in line.rules.iter().take(last).filter(|r| r.exprs.iter().any(ends)) {
            let chain = &rule.key.chain;
            let (fix, change) = super::filter::remove(stop, &stop.ns, &rule.key);
            add.push(Candidate {
                code: "NAT_RULE_SHADOWED",
                place: chain_place(&stop.ns, chain),
                sentence: format!(
                    "a rule of {} comes first and keeps the one that publishes port {} from being reached",
                    chain.chain, stop.packet.dport
                ),
                evidence: vec![evidence(
                    &stop.ns,
                    chain.chain.clone(),
                    "a rule before the one that translates",
                    "nft -a list ruleset",
                )],
                fix,
                rank: 4,
                change: Some(change),
            });
        }
    }
}

/// It translates the destination, or goes where that may be done.
fn leads(expr: &Expr) -> bool {
    match expr {
        Expr::Nat { kind, .. } => *kind == NatKind::Dnat,
        Expr::Redir { .. } => true,
        Expr::Xt { target, name, .. } => *target && matches!(name.as_str(), "DNAT" | "REDIRECT"),
        Expr::Verdict(verdict) => matches!(verdict.code, VerdictCode::Jump | VerdictCode::Goto),
        _ => false,
    }
}

/// It decides, and translates nothing.
pub(super) fn ends(expr: &Expr) -> bool {
    matches!(expr, Expr::Verdict(v) if matches!(v.code, VerdictCode::Accept | VerdictCode::Return))
}

/// The destination is translated to an address that is nobody's, or the source is.
pub(super) fn stale_target(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let Some(stop) = case.trip.stop() else { return };
    let hops = case.trip.request.hops.iter();
    let changed = hops.clone().rfind(|h| h.what.starts_with("translates the "));
    let Some(hop) = changed else { return };
    let source = hop.what.starts_with("translates the source");
    let lost = matches!(
        stop.why,
        Why::Unresolved { .. } | Why::NoRoute | Why::NoWayBack(_) | Why::WrongWay(_)
    );
    if !lost || source != case.trip.back() {
        return;
    }
    let wrong = match stop.why {
        Why::NoWayBack(ip) => ip,
        _ => stop.packet.dst,
    };
    let owned = case.world.owners(wrong).next().is_some();
    if owned && !matches!(stop.why, Why::NoWayBack(_)) {
        return;
    }
    let (code, sentence) = if source {
        let what = if owned {
            "which nobody outside knows the way to"
        } else {
            "which is nobody's address"
        };
        (
            "SNAT_WRONG_SOURCE",
            format!("the source is translated to {wrong}, {what}, so the answer goes nowhere"),
        )
    } else {
        (
            "DNAT_STALE_TARGET",
            format!("the published port leads to {wrong}, which is nobody's address any more"),
        )
    };
    let by = case
        .trip
        .nats
        .iter()
        .rfind(|(ns, who, _)| *ns == hop.ns && crate::nft::path(&who.base) == hop.at);
    let (fix, change) = better(case, &hop.ns, by.map(|(_, who, _)| &who.base), source);
    add.push(Candidate {
        code,
        place: by.map_or_else(
            || format!("{}:{}", called(&hop.ns), hop.at),
            |(ns, who, _)| chain_place(ns, &who.chain),
        ),
        sentence,
        evidence: vec![evidence(&hop.ns, hop.at.clone(), hop.what.clone(), "nft list ruleset")],
        fix,
        rank: 2,
        change,
    });
}

/// Commands that translate to who is there: the namespace that listens on the port.
fn better(case: &Case<'_>, ns: &Ns, chain: Option<&ChainKey>, source: bool) -> Repair {
    let q = case.question;
    let v6 = q.dst.is_ipv6();
    let at = ns.clone();
    if source {
        let Some(stop) = case.trip.stop() else { return (Vec::new(), None) };
        let dev = stop.dev.clone().filter(|_| stop.ns == *ns);
        let fix = first_in(ns, chain, v6, "POSTROUTING", &Rule { dev, ..Rule::default() });
        let from = case.trip.nats.iter().find(|(n, ..)| n == ns).map(|(_, _, t)| edit::host(t.src));
        let change = from.map(|net| -> crate::diagnose::Change {
            Box::new(move |w: &mut World| node(w, &at, |n| edit::masquerade(n, net)))
        });
        return (vec![fix], change);
    }
    let (Some(number), Some(dport)) = (q.number(), q.dport) else { return (Vec::new(), None) };
    let Some((ip, port)) = served(case.world, &q.from(), ns, number, v6) else {
        return (Vec::new(), None);
    };
    let rule = Rule {
        dst: Some(q.dst),
        port: Some((q.proto.clone(), dport)),
        to: Some((ip, port)),
        dev: None,
    };
    let fix = first_in(ns, chain, v6, "PREROUTING", &rule);
    let dst = q.dst;
    let change: crate::diagnose::Change = Box::new(move |w: &mut World| {
        node(w, &at, |n| edit::dnat(n, (dst, number, dport), (ip, port), false));
    });
    (vec![fix], Some(change))
}

type Repair = (Vec<String>, Option<crate::diagnose::Change>);

/// What a rule of translation asks for, and where it leads; masquerading where that is nowhere.
#[derive(Default)]
pub(super) struct Rule {
    pub(super) dst: Option<IpAddr>,
    pub(super) port: Option<(String, u16)>,
    pub(super) to: Option<(IpAddr, u16)>,
    pub(super) dev: Option<IfName>,
}

/// The command that puts a rule first: in the chain that translates now, where that is one of
/// nft's own, else in one of iptables'.
pub(super) fn first_in(
    ns: &Ns,
    chain: Option<&ChainKey>,
    v6: bool,
    usual: &str,
    rule: &Rule,
) -> String {
    let tool = chain.and_then(iptables).unwrap_or(if v6 { "ip6tables" } else { "iptables" });
    if let Some(chain) = chain.filter(|c| iptables(c).is_none()) {
        let mut words = vec![format!(
            "insert rule {} {} {}",
            chain.table.family.name(),
            chain.table.table,
            chain.chain
        )];
        words.extend(rule.dst.map(|ip| format!("{} daddr {ip}", if v6 { "ip6" } else { "ip" })));
        words.extend(rule.port.as_ref().map(|(proto, port)| format!("{proto} dport {port}")));
        words.extend(rule.dev.as_ref().map(|dev| format!("oifname {dev}")));
        let family =
            if chain.table.family == Family::Inet { if v6 { " ip6" } else { " ip" } } else { "" };
        words.push(match rule.to {
            Some((ip, port)) => format!("dnat{family} to {}", edit::socket(ip, port)),
            None => "masquerade".to_owned(),
        });
        return within(ns, &format!("nft '{}'", words.join(" ")));
    }
    let name = chain.map_or(usual, |c| c.chain.as_str());
    let mut words = vec![format!("{tool} -t nat -I {name}")];
    words.extend(rule.dst.map(|ip| format!("-d {ip}")));
    words.extend(rule.port.as_ref().map(|(proto, port)| format!("-p {proto} --dport {port}")));
    words.extend(rule.dev.as_ref().map(|dev| format!("-o {dev}")));
    words.push(match rule.to {
        Some((ip, port)) => format!("-j DNAT --to-destination {}", edit::socket(ip, port)),
        None => "-j MASQUERADE".to_owned(),
    });
    within(ns, &words.join(" "))
}

/// Who, behind a host, takes what is sent to a port of this protocol.
pub(super) fn served(
    world: &World,
    asker: &Ns,
    host: &Ns,
    number: u8,
    v6: bool,
) -> Option<(IpAddr, u16)> {
    let n = world.node(host)?;
    let near = |ip: IpAddr| n.addrs.iter().any(|a| a.key.net.contains(&ip));
    let of = |far: &Node, beside: bool| {
        let l = far.listeners.iter().find(|l| {
            l.proto == number
                && !l.addr.is_loopback()
                && (l.addr.is_unspecified() || l.addr.is_ipv6() == v6)
        })?;
        let a = far.addrs.iter().find(|a| {
            let ip = a.key.net.addr();
            a.scope.0 == 0 && ip.is_ipv6() == v6 && (!beside || near(ip)) && !edit::link_local(ip)
        })?;
        Some((a.key.net.addr(), l.port))
    };
    let others = || world.nodes.iter().filter(|(ns, _)| *ns != host && *ns != asker);
    others()
        .find_map(|(_, far)| of(far, true))
        .or_else(|| others().find_map(|(_, far)| of(far, false)))
}
