//! What is in the way: every chain at the forward hook that drops what it does not know.
//!
//!     ip filter FORWARD, iptables' own   ─▶ an opening: after ufw's own rules, in Docker's
//!                                           DOCKER-USER where Docker is alone, else before the drop
//!     any other chain                    ─▶ closed, unless its table speaks of ropewalk's links

use ropewalk_facts::nft::{Chain, Expr, Family, MetaKey, Rule, TableKey, VerdictCode};
use ropewalk_facts::{Ns, Snapshot};

use super::chains::{self, Chains, Does, End, Line};
use super::{Beside, CHAIN, Closed, JUMP, LINKS, Opening};
use crate::firewall;

/// `NF_INET_FORWARD`.
const FORWARD_HOOK: u32 = 2;
/// iptables' name for its chain there.
const FORWARD: &str = "FORWARD";
/// Docker's place for the rules of others.
const DOCKER_USER: &str = "DOCKER-USER";
/// The chain that ufw runs after its own rules, for the rules of others (after.rules).
const UFW_AFTER: [&str; 2] = ["ufw-after-forward", "ufw6-after-forward"];

/// What the rules of others on the host mean for ropewalk's traffic.
#[must_use]
pub fn look(host: &Snapshot) -> Beside {
    let mut beside = Beside::default();
    for chain in host.of(&Ns::HOST).filter_map(|fact| fact.body.as_chain()) {
        let Some(base) = chain.base.as_ref().filter(|base| base.hook == FORWARD_HOOK) else {
            continue;
        };
        let table = &chain.key.table;
        if !forwards(table.family) || *table == firewall::table() || base.kind != "filter" {
            continue;
        }
        let chains = of_table(host, table);
        if is_iptables(table) && chain.key.chain == FORWARD {
            beside.openings.extend(opening(table, &chains, base.drop));
        } else if drops(&chains, chain) && !speaks_of_us(host, table) {
            let (table, chain) = (table.clone(), chain.key.chain.clone());
            beside.closed.push(Closed { table, chain });
        }
    }
    beside
}

fn forwards(family: Family) -> bool {
    matches!(family, Family::Inet | Family::Ip | Family::Ip6) || family.is_legacy()
}

/// The tables that iptables and ip6tables keep, in nf_tables or of their own.
#[must_use]
pub fn is_iptables(table: &TableKey) -> bool {
    let nft = matches!(table.family, Family::Ip | Family::Ip6);
    (nft || table.family.is_legacy()) && table.table == "filter"
}

fn drops(chains: &Chains, chain: &Chain) -> bool {
    let policy = chain.base.as_ref().is_some_and(|base| base.drop);
    match chains::end(chains, &chain.key.chain) {
        End::Dropped(_) => true,
        End::Left(_) => policy,
        End::Accepted => false,
    }
}

/// Where iptables lets ropewalk through, if that is needed, or is done already.
pub(super) fn opening(table: &TableKey, chains: &Chains, policy_drops: bool) -> Option<Opening> {
    let lines = chains.get(FORWARD).map(Vec::as_slice).unwrap_or_default();
    let dropped = match chains::end(chains, FORWARD) {
        End::Dropped(at) => Some(at),
        End::Left(at) if policy_drops => Some(at),
        End::Left(_) | End::Accepted => None,
    };
    let at = |chain: &str, place: Option<usize>| {
        let at = place.and_then(|place| u32::try_from(place).ok());
        Some(Opening { table: table.clone(), chain: chain.into(), at })
    };
    if let Some((chain, place)) = answered(chains) {
        // Behind what drops it would not be reached.
        let late = chain == FORWARD && dropped.is_some_and(|dropped| dropped < place);
        return at(chain, dropped.filter(|_| late));
    }
    let dropped = dropped?;
    let to = |name: &str| lines.iter().position(|line| line.leads.as_deref() == Some(name));
    if let Some(after) = UFW_AFTER.iter().find_map(|name| to(name)).filter(|at| *at < dropped) {
        return at(FORWARD, Some(after));
    }
    let user = to(DOCKER_USER).filter(|at| *at < dropped && is_alone(lines));
    match chains.get(DOCKER_USER).filter(|_| user.is_some()) {
        Some(user) => {
            let end = user.iter().position(|line| line.does == Does::Return);
            at(DOCKER_USER, Some(end.unwrap_or(user.len())))
        }
        None => at(FORWARD, Some(dropped)),
    }
}

/// The chain and place of the jump that is there already, where FORWARD leads to it.
fn answered(chains: &Chains) -> Option<(&str, usize)> {
    [FORWARD, DOCKER_USER].into_iter().find_map(|name| {
        let reached = name == FORWARD
            || chains.get(FORWARD)?.iter().any(|line| line.does == Does::Jump(name.into()));
        let lines = chains.get(name).filter(|_| reached)?;
        let ours = |line: &Line| line.tag == JUMP && line.leads.as_deref() == Some(CHAIN);
        Some((name, lines.iter().position(ours)?))
    })
}

/// True when nobody but Docker, and who accepts, has a word in FORWARD.
fn is_alone(lines: &[Line]) -> bool {
    lines.iter().all(|line| match (&line.leads, &line.does) {
        (Some(chain), _) => chain.starts_with("DOCKER"),
        (None, does) => *does != Does::Drop,
    })
}

/// True when a rule of the table speaks of ropewalk's links: whoever wrote it knows of them.
fn speaks_of_us(host: &Snapshot, table: &TableKey) -> bool {
    let name = |key: &MetaKey| *key == MetaKey::IIFNAME || *key == MetaKey::OIFNAME;
    let ours = |rule: &Rule| {
        rule.exprs.windows(2).any(|pair| {
            matches!(pair, [Expr::Meta { key, .. }, Expr::Cmp { data, .. }]
                if name(key) && data.0.starts_with(LINKS.as_bytes()))
        })
    };
    rules(host, table).any(ours)
}

fn rules<'a>(host: &'a Snapshot, table: &TableKey) -> impl Iterator<Item = &'a Rule> {
    let rules = host.of(&Ns::HOST).filter_map(|fact| fact.body.as_nft_rule());
    rules.filter(move |rule| rule.key.chain.table == *table)
}

/// The chains of a table, in order.
fn of_table(host: &Snapshot, table: &TableKey) -> Chains {
    let mut sorted: Vec<&Rule> = rules(host, table).collect();
    sorted.sort_by_key(|rule| rule.at);
    let mut all = Chains::new();
    for chain in host.of(&Ns::HOST).filter_map(|fact| fact.body.as_chain()) {
        if chain.key.table == *table {
            all.insert(chain.key.chain.clone(), Vec::new());
        }
    }
    for rule in sorted {
        all.entry(rule.key.chain.chain.clone()).or_default().push(line(rule));
    }
    all
}

fn line(rule: &Rule) -> Line {
    let leads = rule.exprs.iter().find_map(|expr| {
        if let Expr::Verdict(verdict) = expr { verdict.chain.clone() } else { None }
    });
    let some_only = rule.exprs.iter().any(has_condition);
    let does = if some_only { Does::Nothing } else { does(rule) };
    Line { does, leads, tag: rule.key.tag.clone() }
}

/// True for what may end a rule before its verdict.
fn has_condition(expr: &Expr) -> bool {
    if let Expr::Xt { target, name, .. } = expr {
        return !target && name != "comment";
    }
    if let Expr::Opaque { name, .. } = expr {
        return name != "log";
    }
    matches!(expr, Expr::Cmp { .. } | Expr::Range { .. } | Expr::Lookup { .. })
}

fn does(rule: &Rule) -> Does {
    let said = |expr: &Expr| {
        let Expr::Verdict(verdict) = expr else { return rejects(expr).then_some(Does::Drop) };
        match (verdict.code, verdict.chain.clone()) {
            (VerdictCode::Accept, _) => Some(Does::Accept),
            (VerdictCode::Drop, _) => Some(Does::Drop),
            (VerdictCode::Return, _) => Some(Does::Return),
            (VerdictCode::Jump, Some(chain)) => Some(Does::Jump(chain)),
            (VerdictCode::Goto, Some(chain)) => Some(Does::Goto(chain)),
            _ => None,
        }
    };
    rule.exprs.iter().rev().find_map(said).unwrap_or(Does::Nothing)
}

/// nft's own way to reject, and that of iptables.
fn rejects(expr: &Expr) -> bool {
    let xt = |expr: &Expr| matches!(expr, Expr::Xt { target: true, name, .. } if name == "REJECT");
    matches!(expr, Expr::Reject { .. }) || xt(expr)
}
