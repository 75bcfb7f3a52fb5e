//! Rules that were found, told by what they are about; and what has to go of them.
//!
//!     iptables -t nat -S | grep CNI-DN-…
//!
//! Rules are facts of nf_tables as iptables-nft writes them, or of iptables-legacy in those words.

use std::net::IpAddr;

use ropewalk_facts::nft::{Expr, Family, Rule, TableKey, VerdictCode};
use ropewalk_facts::{Body, Fact, Ns, Snapshot};
use ropewalk_plan::Change;
use ropewalk_spec::{Chains, Line, Sign};

use super::Kind;

/// Where addresses stand in a header of IP: that of the source, then that of the destination.
const PLACES: [(usize, [u32; 2]); 2] = [(4, [12, 16]), (16, [8, 24])];
/// What iptables-legacy asks of addresses.
const HEADER: &str = "ip";

/// The tables that `chains` may be in: of nf_tables, and of iptables' own.
pub(super) fn tables(v6: bool, table: &str) -> [TableKey; 2] {
    let families =
        if v6 { [Family::Ip6, Family::Ip6tables] } else { [Family::Ip, Family::Iptables] };
    families.map(|family| TableKey::new(family, table))
}

/// The rules of a table, in order.
pub(super) fn rules<'a>(found: &'a Snapshot, table: &TableKey) -> Vec<&'a Rule> {
    let all = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_nft_rule());
    let mut all: Vec<&Rule> = all.filter(|rule| rule.key.chain.table == *table).collect();
    all.sort_by_key(|rule| rule.at);
    all
}

/// True when the rule bears the sign.
#[must_use]
pub fn belongs(rule: &Rule, sign: &Sign) -> bool {
    match sign {
        Sign::Leads(chain) => target(rule) == Some(chain),
        Sign::From(ip) => accepts(rule) && asks(rule, *ip, 0),
        Sign::To(ip) => accepts(rule) && asks(rule, *ip, 1),
        Sign::Marks(bits) => rule.exprs.iter().any(|expr| speaks_of(expr, *bits)),
    }
}

/// The chain that a rule leads to.
fn target(rule: &Rule) -> Option<&String> {
    rule.exprs.iter().find_map(|expr| {
        let Expr::Verdict(verdict) = expr else { return None };
        verdict.chain.as_ref()
    })
}

fn accepts(rule: &Rule) -> bool {
    rule.exprs
        .iter()
        .any(|expr| matches!(expr, Expr::Verdict(verdict) if verdict.code == VerdictCode::Accept))
}

/// True when the rule asks for just this source (0) or destination (1).
fn asks(rule: &Rule, ip: IpAddr, side: usize) -> bool {
    let bytes = match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let Some((_, places)) = PLACES.iter().find(|(len, _)| *len == bytes.len()) else {
        return false;
    };
    let place = places.get(side).copied();
    let in_order = rule.exprs.windows(2).any(|pair| {
        matches!(pair, [Expr::Payload { what, .. }, Expr::Cmp { data, .. }]
            if what.base == 1 && Some(what.offset) == place && data.0 == bytes)
    });
    in_order || rule.exprs.iter().any(|expr| legacy_asks(expr, &bytes, side))
}

fn legacy_asks(expr: &Expr, bytes: &[u8], side: usize) -> bool {
    let Expr::Opaque { name, data } = expr else { return false };
    let part = |at: usize| {
        let from = at.saturating_mul(bytes.len());
        data.0.get(from..from.saturating_add(bytes.len()))
    };
    let whole = part(side.saturating_add(2)).is_some_and(|mask| mask.iter().all(|b| *b == 0xff));
    name == HEADER && whole && part(side) == Some(bytes)
}

/// The addresses of the container whose masquerading is in `chain`: what comes from them leads there.
#[must_use]
pub fn sources(found: &Snapshot, chain: &str) -> Vec<IpAddr> {
    let all = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_nft_rule());
    let to = all.filter(|rule| target(rule).is_some_and(|name| name == chain));
    to.filter_map(source).collect()
}

/// The one source that a rule asks for.
fn source(rule: &Rule) -> Option<IpAddr> {
    let address = |bytes: &[u8]| {
        let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
        v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
    };
    let one = |expr: &Expr| {
        if let Expr::Cmp { data, .. } = expr {
            return address(&data.0);
        }
        let Expr::Opaque { name, data } = expr else { return None };
        // Source and destination, then their masks, then four bytes or five.
        let width = if data.0.len() > 60 { 16 } else { 4 };
        data.0.get(..width).filter(|_| name == HEADER).and_then(address)
    };
    rule.exprs.iter().filter_map(one).find(|ip| asks(rule, *ip, 0))
}

/// True for what sets these bits of the mark, or compares with them.
fn speaks_of(expr: &Expr, bits: u32) -> bool {
    let bits = bits.to_ne_bytes();
    if let Expr::Xt { data, name, .. } = expr {
        return name.eq_ignore_ascii_case("mark") && data.0.starts_with(&bits);
    }
    matches!(expr, Expr::Cmp { data, .. } if data.0 == bits)
}

/// What has to go for `chains` to be gone: what leads to the own chain, its rules, the chain, and
/// the rules of the chains of many that do not stay.
#[must_use]
pub fn leaving(found: &Snapshot, chains: &Chains) -> Vec<Change> {
    let lines: Vec<&Line> = chains.lines.iter().filter(|line| !line.stays).collect();
    let own = chains.own.as_ref().map(|own| own.chain.as_str());
    let goes = |rule: &Rule| {
        let leads = own.is_some() && target(rule).map(String::as_str) == own;
        let line = |line: &&&Line| line.chain == rule.key.chain.chain && belongs(rule, &line.sign);
        leads || lines.iter().any(|one| line(&one))
    };
    tables(chains.v6, &chains.table)
        .iter()
        .flat_map(|table| removals(found, table, own, &goes))
        .collect()
}

/// The removals of rules that go, then of a chain with its rules.
fn removals(
    found: &Snapshot,
    table: &TableKey,
    own: Option<&str>,
    goes: &dyn Fn(&Rule) -> bool,
) -> Vec<Change> {
    let all = rules(found, table);
    let inside = |rule: &&&Rule| Some(rule.key.chain.chain.as_str()) == own;
    let out = all.iter().filter(|rule| goes(rule) && !inside(rule));
    let within = all.iter().filter(inside);
    // From behind, so that the places of those before stay what they were read as.
    let mut gone: Vec<Fact> =
        out.chain(within).rev().map(|rule| Body::NftRule((*rule).clone()).at(Ns::HOST)).collect();
    gone.extend(
        found
            .of(&Ns::HOST)
            .filter(|fact| {
                fact.body.as_chain().is_some_and(|chain| {
                    chain.key.table == *table && Some(chain.key.chain.as_str()) == own
                })
            })
            .cloned(),
    );
    gone.into_iter().map(Change::gone).collect()
}

/// The containers of `network` that rules speak of which lead to chains of containers.
pub fn containers(found: &Snapshot, network: &str) -> Vec<String> {
    let begin = format!("name: \"{network}\" id: \"");
    let mut all = Vec::new();
    for rule in found.of(&Ns::HOST).filter_map(|fact| fact.body.as_nft_rule()) {
        let tag = rule.key.tag.strip_prefix("dnat ").unwrap_or(&rule.key.tag);
        let named = tag.strip_prefix(&begin).and_then(|rest| rest.strip_suffix('"'));
        let kind = |chain: &String| Kind::ALL.iter().any(|kind| chain.starts_with(kind.begins()));
        if let Some(id) = named.filter(|_| target(rule).is_some_and(kind))
            && !all.iter().any(|other| other == id)
        {
            all.push(id.to_owned());
        }
    }
    all
}
