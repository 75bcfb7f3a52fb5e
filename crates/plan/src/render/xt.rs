//! Chains and rules of iptables-legacy, as its commands.
//!
//!     iptables-legacy -w -A ROPEWALK -i rw+ -m comment --comment 'from ropewalk' -j ACCEPT

use ropewalk_facts::Body;
use ropewalk_facts::nft::{Bytes, CmpOp, Expr, MetaKey, Rule, TableKey, Verdict, VerdictCode};

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
    let v6 = table.family == ropewalk_facts::nft::Family::Ip6tables;
    let words = Words::default().say("-w");
    let words = if table.table == "filter" { words } else { words.say("-t").word(&table.table) };
    (if v6 { "ip6tables-legacy" } else { "iptables-legacy" }, words)
}

/// Interfaces, comment and verdict; what else there is has no words here.
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
