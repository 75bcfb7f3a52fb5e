//! Rules and policies that drop or refuse: of nft, of iptables, of any family and hook.

use ropewalk_facts::Ns;
use ropewalk_facts::nft::{Chain, ChainKey, Family, RuleKey};

use super::edit::{self, node};
use super::own::own;
use super::{chain_place, evidence, iptables, within};
use crate::diagnose::{Candidate, Case};
use crate::nft::{Decision, Hook, Who};
use crate::question::{called, proto};
use crate::trace::{Stop, Why};
use crate::world::World;

/// A rule or policy.
pub(super) fn filter(case: &Case<'_>, add: &mut Vec<Candidate>) {
    let top = case.trip.stop();
    for stop in case.stops() {
        let Why::Filter { who, decision, hook, bridged } = &stop.why else { continue };
        let code = code(case, stop, who, decision, *bridged);
        let chain = if who.rule.is_some() { &who.chain } else { &who.base };
        let what = match (&who.rule, decision) {
            (Some(_), Decision::Reject) => "a rule refuses",
            (Some(_), _) => "a rule drops",
            (None, _) => "no rule accepts, so the policy drops",
        };
        let (p, to) = (&stop.packet, crate::nft::path(chain));
        let back = if case.trip.back() { ", which is the answer" } else { "" };
        let ours = who.rule.as_ref().and_then(own);
        let sentence = match &ours {
            Some(own) => format!(
                "{}: so ropewalk drops {} to {}{back}, at {to} in {}; to allow it, {}",
                own.words,
                p.src,
                p.dst,
                called(&stop.ns),
                own.lifted
            ),
            None => format!(
                "{what} {} to {}{back}: {to} in {}, at the hook {}",
                p.src,
                p.dst,
                called(&stop.ns),
                hook.name()
            ),
        };
        let (fix, change) = match &who.rule {
            Some(rule) if ours.is_some() => (Vec::new(), lift(&stop.ns, rule)),
            _ => repair(stop, who, *hook, *bridged),
        };
        add.push(Candidate {
            code,
            place: chain_place(&stop.ns, chain),
            sentence,
            evidence: vec![evidence(&stop.ns, chain.chain.clone(), what, &shown(chain))],
            fix,
            rank: if top == Some(stop) { 5 } else { 6 },
            change: Some(change),
        });
    }
}

/// The command that shows a chain.
fn shown(chain: &ChainKey) -> String {
    let (family, table, name) = (chain.table.family, &chain.table.table, &chain.chain);
    match iptables(chain).filter(|_| family.is_legacy()) {
        Some(tool) => format!("{tool} -t {table} -n --line-numbers -L {name}"),
        None => format!("nft -a list chain {} {table} {name}", family.name()),
    }
}

fn code(
    case: &Case<'_>,
    stop: &Stop,
    who: &Who,
    decision: &Decision,
    bridged: bool,
) -> &'static str {
    let discovery = stop.packet.proto == proto::ICMP6 && (133..=137).contains(&stop.packet.icmp.0);
    let limited = |(ns, doubt): &(Ns, crate::nft::Doubt)| {
        *ns == stop.ns && doubt.limit.is_some() && doubt.who.base == who.base
    };
    let meant = asks_for_neighbours(case, stop, who);
    match who.base.table.family {
        Family::Arp | Family::Arptables => return "ARP_FILTER_DROP",
        Family::Bridge | Family::Netdev if stop.packet.is_arp() && meant => {
            return "ARP_FILTER_DROP";
        }
        Family::Bridge | Family::Netdev if discovery && meant => return "ND_FILTERED",
        Family::Bridge | Family::Netdev => return "L2_FILTER_DROP",
        Family::Inet | Family::Ip | Family::Ip6 | Family::Iptables | Family::Ip6tables => {}
    }
    match decision {
        _ if discovery && (meant || !bridged) => "ND_FILTERED",
        _ if case.trip.doubts.iter().chain(&case.trip.limited).any(limited) => "RATE_LIMIT",
        _ if bridged => "BRIDGE_NF_DROP",
        Decision::Reject => "FILTER_REJECT",
        _ if case.trip.back() => "FILTER_DROP_REPLY",
        _ => "FILTER_DROP",
    }
}

/// The rule looks for ARP or neighbour discovery, and not for everything.
fn asks_for_neighbours(case: &Case<'_>, stop: &Stop, who: &Who) -> bool {
    use ropewalk_facts::nft::Expr;
    let n = case.world.node(&stop.ns);
    let Some((key, n)) = who.rule.as_ref().zip(n) else { return false };
    let line = n.nft.chains.get(&key.chain);
    let Some(rule) = line.and_then(|l| l.rules.iter().find(|r| r.key == *key)) else {
        return false;
    };
    let kind = |data: &[u8]| match data {
        [n] => (133..=137).contains(n),
        [8, 6] => true,
        _ => false,
    };
    rule.exprs.iter().any(|expr| match expr {
        Expr::Cmp { data, .. } => kind(&data.0),
        Expr::Lookup { set, .. } => {
            let elements = n.nft.elements.get(&key.chain.table.set(set.clone()));
            let keys = || elements.into_iter().flatten().map(|e| e.key.key.0.as_slice());
            keys().any(kind) && !keys().any(|k| matches!(k, [128 | 129]))
        }
        Expr::Xt { target, name, data, .. } => {
            !*target && name == "icmp6" && data.0.first().is_some_and(|n| kind(&[*n]))
        }
        _ => false,
    })
}

/// The commands that let a packet through that a rule has stopped.
pub(super) fn repair_of(stop: &Stop) -> Vec<String> {
    match &stop.why {
        Why::Filter { who, hook, bridged, .. } => {
            let kind = if stop.packet.v6() { "icmpv6" } else { "icmp" };
            match iptables(&who.base) {
                Some(tool) => vec![within(
                    &stop.ns,
                    &format!(
                        "{tool} -t {} -I {} -p {kind} -j ACCEPT",
                        who.base.table.table, who.base.chain
                    ),
                )],
                None => repair(stop, who, *hook, *bridged).0,
            }
        }
        _ => Vec::new(),
    }
}

type Repair = (Vec<String>, crate::diagnose::Change);

fn repair(stop: &Stop, who: &Who, hook: Hook, bridged: bool) -> Repair {
    let l3 = !matches!(
        who.base.table.family,
        Family::Arp | Family::Arptables | Family::Bridge | Family::Netdev
    );
    if l3 && stop.packet.ask.is_none() {
        return pass(stop, &who.base, hook, bridged);
    }
    match &who.rule {
        Some(rule) => remove(stop, &stop.ns, rule),
        None => open(stop, &who.base),
    }
}

/// As if ropewalk's own tables had no rule that drops: nothing in them is changed one by one.
fn lift(ns: &Ns, rule: &RuleKey) -> crate::diagnose::Change {
    use ropewalk_facts::nft::{Expr, VerdictCode};
    let (ns, table) = (ns.clone(), rule.chain.table.table.clone());
    let drops = |expr: &Expr| matches!(expr, Expr::Verdict(v) if v.code == VerdictCode::Drop);
    Box::new(move |w: &mut World| {
        node(w, &ns, |n| {
            for line in n.nft.chains.values_mut().filter(|l| l.chain.key.table.table == table) {
                line.rules.retain(|r| !r.exprs.iter().any(drops));
            }
        });
    })
}

/// Lets the packet and its answer through in front of everything else.
fn pass(stop: &Stop, base: &ChainKey, hook: Hook, bridged: bool) -> Repair {
    let (src, dst) = (stop.packet.src, stop.packet.dst);
    let family = if src.is_ipv6() { "ip6" } else { "ip" };
    let both = [(src, dst), (dst, src)];
    let directed = matches!(hook, Hook::Input | Hook::Output) && !bridged;
    let pairs = if directed { &both[..1] } else { &both[..] };
    let insert = |(s, d): &(std::net::IpAddr, std::net::IpAddr)| {
        let table = format!("{} {}", base.table.family.name(), base.table.table);
        let rule = format!(
            "insert rule {table} {} {family} saddr {s} {family} daddr {d} accept",
            base.chain
        );
        if let Some(tool) = iptables(base) {
            return within(
                &stop.ns,
                &format!(
                    "{tool} -t {} -I {} -s {s} -d {d} -j ACCEPT",
                    base.table.table, base.chain
                ),
            );
        }
        within(&stop.ns, &format!("nft {rule}"))
    };
    let fix = pairs.iter().map(insert).collect();
    let (ns, base) = (stop.ns.clone(), base.clone());
    let change = move |w: &mut World| {
        node(w, &ns, |n| {
            if let Some(line) = n.nft.chains.get_mut(&base) {
                line.rules.insert(0, edit::accept(&base, src, dst));
                line.rules.insert(0, edit::accept(&base, dst, src));
            }
        });
    };
    (fix, Box::new(change))
}

/// Takes the rule away. One that has a comment has no handle here, so it is looked up; those of
/// iptables-legacy have numbers.
pub(super) fn remove(stop: &Stop, ns: &Ns, rule: &RuleKey) -> Repair {
    let chain = &rule.chain;
    let place = format!("{} {} {}", chain.table.family.name(), chain.table.table, chain.chain);
    let number = rule.tag.strip_prefix('#').and_then(|n| n.parse::<u32>().ok());
    let _ = stop;
    let fix = match (iptables(chain).filter(|_| chain.table.family.is_legacy()), number) {
        (Some(tool), Some(at)) => {
            within(ns, &format!("{tool} -t {} -D {} {}", chain.table.table, chain.chain, at + 1))
        }
        (None, Some(handle)) => within(ns, &format!("nft delete rule {place} handle {handle}")),
        _ => within(
            ns,
            &format!(
                "sh -c 'nft delete rule {place} handle $(nft -a list chain {place} | sed -n \"/{}/s/.*handle //p\" | head -1)'",
                rule.tag
            ),
        ),
    };
    let (ns, key) = (ns.clone(), rule.clone());
    let change = move |w: &mut World| {
        node(w, &ns, |n| {
            if let Some(line) = n.nft.chains.get_mut(&key.chain) {
                line.rules.retain(|r| r.key != key);
            }
        });
    };
    (vec![fix], Box::new(change))
}

/// Makes the policy accept.
fn open(stop: &Stop, base: &ChainKey) -> Repair {
    let place = format!("{} {} {}", base.table.family.name(), base.table.table, base.chain);
    let fix = match iptables(base).filter(|_| base.table.family.is_legacy()) {
        Some(tool) => format!("{tool} -t {} -P {} ACCEPT", base.table.table, base.chain),
        None => format!("nft 'chain {place} {{ policy accept; }}'"),
    };
    let fix = within(&stop.ns, &fix);
    let (ns, key) = (stop.ns.clone(), base.clone());
    let change = move |w: &mut World| {
        node(w, &ns, |n| {
            if let Some(line) = n.nft.chains.get_mut(&key) {
                let base =
                    line.chain.base.clone().map(|b| ropewalk_facts::nft::Base { drop: false, ..b });
                line.chain = Chain { base, ..line.chain.clone() };
            }
        });
    };
    (vec![fix], Box::new(change))
}
