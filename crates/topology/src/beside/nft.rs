//! The answer in iptables' tables of nf_tables, in the very form that iptables-nft writes, so that
//! `iptables -S` shows it: names with a star are compared in as many bytes as they have, then come
//! a counter and the verdict. A comment is a note of the rule; iptables 1.8 reads both kinds.

use ropewalk_facts::nft::{
    Bytes, Chain, ChainKey, CmpOp, Expr, MetaKey, Reg, Rule, RuleKey, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, IfName};

use super::{CHAIN, JUMP, Let, Opening, Pattern};

/// Chain, rules and the jump, in this order.
pub(super) fn facts(opening: &Opening, lets: &[Let]) -> Vec<Body> {
    let chain = opening.table.chain(CHAIN);
    let mut all = vec![Body::Chain(Chain { key: chain.clone(), base: None })];
    all.extend(lets.iter().map(|one| rule(&chain, &one.tag, exprs(one), one.at)));
    let jump = Verdict { code: VerdictCode::Jump, chain: Some(CHAIN.into()) };
    let from = opening.table.chain(opening.chain.clone());
    all.push(rule(&from, JUMP, vec![counter(), Expr::Verdict(jump)], opening.at));
    all
}

fn rule(chain: &ChainKey, tag: &str, exprs: Vec<Expr>, at: Option<u32>) -> Body {
    let key = RuleKey { chain: chain.clone(), tag: tag.into() };
    Body::NftRule(Rule { key, exprs, at })
}

fn exprs(one: &Let) -> Vec<Expr> {
    let link = |key: MetaKey, pattern: &Option<Pattern>| {
        let pattern = pattern.as_ref()?;
        let op = if matches!(pattern, Pattern::Else(_)) { CmpOp::Neq } else { CmpOp::Eq };
        let cmp = Expr::Cmp { sreg: Reg(0), op, data: bytes(pattern) };
        Some([Expr::Meta { key, dreg: Reg(0) }, cmp])
    };
    let from = link(MetaKey::IIFNAME, &one.from).into_iter().flatten();
    let to = link(MetaKey::OIFNAME, &one.to).into_iter().flatten();
    let answers = one.answers.then(|| Expr::Xt {
        target: false,
        name: "conntrack".into(),
        rev: 3,
        data: conntrack(&[2, 4, 128]),
    });
    let code = if one.accept { VerdictCode::Accept } else { VerdictCode::Return };
    let end = [counter(), Expr::Verdict(Verdict { code, chain: None })];
    from.chain(to).chain(answers).chain(end).collect()
}

/// `-m conntrack --ctstate`: bits of ESTABLISHED (2), RELATED (4), DNAT (128) … in what that match takes
/// (`struct xt_conntrack_mtinfo3`, as long as the kernel aligns it).
fn conntrack(states: &[u16]) -> Bytes {
    // Which fields are asked for (`XT_CONNTRACK_STATE`), and the field.
    const ASKED: (usize, u16) = (146, 1);
    const STATES: usize = 150;
    let mut data = vec![0; 168];
    let bits = states.iter().fold(0, |all, bit| all | bit);
    for (at, value) in [ASKED, (STATES, bits)] {
        let place = data.iter_mut().skip(at);
        place.zip(u16::to_ne_bytes(value)).for_each(|(place, byte)| *place = byte);
    }
    Bytes(data)
}

fn counter() -> Expr {
    Expr::Counter { packets: 0, bytes: 0 }
}

/// A whole name has its zeros, a beginning has none.
fn bytes(pattern: &Pattern) -> Bytes {
    Bytes(match pattern {
        Pattern::Begins(text) | Pattern::Else(text) => text.as_bytes().to_vec(),
        Pattern::Link(name) => {
            let mut all = name.as_str().as_bytes().to_vec();
            all.resize(IfName::MAX + 1, 0);
            all
        }
    })
}
