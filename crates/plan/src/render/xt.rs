//! Chains and rules of iptables-legacy, as its commands.
//!
//!     iptables-legacy -w -A ROPEWALK -i rw+ -m comment --comment 'from ropewalk' -j ACCEPT

use std::net::IpAddr;

use ropewalk_facts::Body;
use ropewalk_facts::nft::{
    Bytes, CmpOp, Expr, Family, MetaKey, Rule, TableKey, Verdict, VerdictCode,
};

use super::sh::line;
use crate::Change;
use crate::words::Words;

/// The commands for one change.
pub(super) fn commands(change: &Change) -> Vec<String> {
    let body = |fact: &Option<ropewalk_facts::Fact>| fact.as_ref().map(|fact| fact.body.clone());
    let (old, new) = (body(&change.old), body(&change.new));
    let gone = old.as_ref().and_then(|body| words(body, false));
    let made = new.as_ref().and_then(|body| words(body, true));
    let all = gone.into_iter().chain(made);
    all.map(|(tool, words)| line(&change.key.ns, tool, words)).collect()
}

/// What a fact says, for people: the command that makes it.
pub(crate) fn text(body: &Body) -> String {
    let said = words(body, true);
    said.map(|(tool, words)| format!("{tool} {}", words.0.join(" "))).unwrap_or_default()
}

fn words(body: &Body, make: bool) -> Option<(&'static str, Words)> {
    if let Body::Chain(chain) = body {
        let (tool, words) = head(&chain.key.table);
        let verb = if make { "-N" } else { "-X" };
        return Some((tool, words.say(verb).word(&chain.key.chain)));
    }
    let rule = body.as_nft_rule()?;
    let (tool, words) = head(&rule.key.chain.table);
    let chain = &rule.key.chain.chain;
    let words = match rule.at {
        _ if !make => words.say("-D").word(chain),
        None => words.say("-A").word(chain),
        Some(at) => words.say("-I").word(chain).word(at.saturating_add(1)),
    };
    Some((tool, words.then(spec(rule))))
}

/// The program, and its first words.
fn head(table: &TableKey) -> (&'static str, Words) {
    let others = [(Family::Ip6tables, "ip6tables-legacy"), (Family::Arptables, "arptables-legacy")];
    let other = others.into_iter().find(|(family, _)| *family == table.family);
    let tool = other.map_or("iptables-legacy", |(_, tool)| tool);
    let words = Words::default().say("-w");
    let words = if table.table == "filter" { words } else { words.say("-t").word(&table.table) };
    (tool, words)
}

/// Addresses, protocol, interfaces, comment and verdict; what else there is has no words here.
fn spec(rule: &Rule) -> Words {
    let mut words = Words::default();
    let mut option = None;
    for expr in &rule.exprs {
        if let Expr::Meta { key, .. } = expr {
            option = [(MetaKey::IIFNAME, "-i"), (MetaKey::OIFNAME, "-o")]
                .iter()
                .find_map(|(known, option)| (known == key).then_some(*option));
        } else if let (Expr::Cmp { op, data, .. }, Some(option)) = (expr, option) {
            let not = if *op == CmpOp::Neq { "! " } else { "" };
            words = words.say(&format!("{not}{option}")).word(name(data));
        } else if let Expr::Opaque { name, data } = expr
            && name == "ip"
        {
            words = words.then(header(&data.0));
        } else if let Expr::Xt { target: false, name, data, .. } = expr
            && name == "conntrack"
        {
            words = words.say("-m conntrack --ctstate").word(states(&data.0));
        }
    }
    if !rule.key.tag.starts_with('#') {
        words = words.say("-m comment --comment").word(&rule.key.tag);
    }
    let verdict = rule
        .exprs
        .iter()
        .find_map(|expr| if let Expr::Verdict(verdict) = expr { target(verdict) } else { None });
    match verdict {
        Some((option, target)) => words.say(option).word(target),
        None => words,
    }
}

/// What a rule asks of addresses and protocol (`struct ipt_ip`, `struct ip6t_ip6`, as `wire::xt` puts
/// it together): source, destination, their masks, the protocol, … flags, what is inverted.
fn header(data: &[u8]) -> Words {
    // Inverted (`IPT_INV_SRCIP`, `IPT_INV_DSTIP`, `IPT_INV_PROTO`).
    const SRC: u8 = 0x08;
    const DST: u8 = 0x10;
    const PROTO: u8 = 0x40;
    let width = if data.len() > 60 { 16 } else { 4 };
    let invert = data.last().copied().unwrap_or_default();
    let part = |at: usize| data.get(at * width..(at + 1) * width).unwrap_or_default();
    let not = |bit| if invert & bit != 0 { "! " } else { "" };
    let mut words = Words::default();
    for (at, option, bit) in [(0, "-s", SRC), (1, "-d", DST)] {
        let ones: u32 = part(at + 2).iter().map(|byte| byte.count_ones()).sum();
        if let Some(ip) = address(part(at)).filter(|_| ones > 0) {
            words = words.say(&format!("{}{option}", not(bit))).word(format_args!("{ip}/{ones}"));
        }
    }
    let proto = data.get(4 * width..).and_then(|rest| rest.first_chunk());
    match proto.map(|bytes| u16::from_ne_bytes(*bytes)).filter(|number| *number != 0) {
        Some(number) => words.say(&format!("{}-p", not(PROTO))).word(number),
        None => words,
    }
}

/// The states that a match asks for (`struct xt_conntrack_mtinfo3`).
fn states(data: &[u8]) -> String {
    const AT: usize = 150;
    const NAMES: [(u16, &str); 6] = [
        (1, "INVALID"),
        (8, "NEW"),
        (4, "RELATED"),
        (2, "ESTABLISHED"),
        (64, "SNAT"),
        (128, "DNAT"),
    ];
    let bits = data.get(AT..).and_then(|rest| rest.first_chunk()).map(|b| u16::from_ne_bytes(*b));
    let asked = |(bit, _): &&(u16, &str)| bits.is_some_and(|bits| bits & bit != 0);
    NAMES.iter().filter(asked).map(|(_, name)| *name).collect::<Vec<_>>().join(",")
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

fn target(verdict: &Verdict) -> Option<(&'static str, String)> {
    let option = if verdict.code == VerdictCode::Goto { "-g" } else { "-j" };
    let plain = [
        (VerdictCode::Accept, "ACCEPT"),
        (VerdictCode::Drop, "DROP"),
        (VerdictCode::Return, "RETURN"),
    ];
    let plain = plain.iter().find(|(code, _)| *code == verdict.code);
    let word = plain.map(|(_, word)| (*word).to_owned()).or_else(|| verdict.chain.clone())?;
    Some((option, word))
}

/// A name, with a plus where only its beginning counts.
fn name(Bytes(data): &Bytes) -> String {
    let text = data.split(|byte| *byte == 0).next().unwrap_or_default();
    let plus = if text.len() == data.len() && data.len() < 16 { "+" } else { "" };
    String::from_utf8_lossy(text).into_owned() + plus
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_protocol_are_said() {
        let v4 =
            [&[10, 0, 0, 2, 10, 1, 0, 0, 255, 255, 255, 255, 255, 255, 0, 0][..], &[6, 0, 0, 0x10]];
        assert_eq!(header(&v4.concat()).0.join(" "), "-s 10.0.0.2/32 ! -d 10.1.0.0/16 -p 6");
        let v6 = [&[0xfd, 0x50][..], &[0; 30], &[255; 8], &[0; 29]].concat();
        assert_eq!(header(&v6).0.join(" "), "-s fd50::/64");
        assert_eq!(header(&[]).0, Vec::<String>::new());
    }
}
