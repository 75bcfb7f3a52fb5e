//! Rules, sets and chains of nf_tables.

use ropewalk_facts::nft::{Base, Chain, Expr, Rule, Set};

pub(super) fn rule_holds(wish: &Rule, found: &Rule) -> bool {
    wish.key == found.key && (wish.at.is_none() || wish.at == found.at) && same_exprs(wish, found)
}

/// A comment that iptables keeps as a match is the name of the rule already.
fn same_exprs(wish: &Rule, found: &Rule) -> bool {
    let says =
        |expr: &&Expr| !matches!(expr, Expr::Xt { target: false, name, .. } if name == "comment");
    let (wish, found) = (wish.exprs.iter().filter(says), found.exprs.iter().filter(says));
    wish.clone().count() == found.clone().count() && wish.zip(found).all(|(w, f)| expr_holds(w, f))
}

fn expr_holds(wish: &Expr, found: &Expr) -> bool {
    match (wish, found) {
        (Expr::Counter { .. }, Expr::Counter { .. }) => true,
        (wish, found) => wish == found,
    }
}

pub(super) fn rule_merge(wish: &Rule, found: &Rule) -> Rule {
    Rule { at: wish.at.or(found.at), ..wish.clone() }
}

pub(super) fn set_fixed(wish: &Set, found: &Set) -> Option<&'static str> {
    match () {
        () if wish.key_types != found.key_types => Some("type of keys"),
        () if wish.value_types != found.value_types => Some("type of values"),
        () if wish.flags != found.flags => Some("list of flags"),
        () if wish.timeout_ms != found.timeout_ms => Some("timeout"),
        () => None,
    }
}

/// Of what ties a chain to the packets only the policy can change.
pub(super) fn chain_fixed(wish: &Chain, found: &Chain) -> Option<&'static str> {
    let tie = |base: &Base| Base { drop: false, ..base.clone() };
    (wish.base.as_ref().map(tie) != found.base.as_ref().map(tie)).then_some("hook")
}
