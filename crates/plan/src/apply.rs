//! Changes carried out on a snapshot, literally: what predicts, undoes and tests share.
//!
//! The places of the rules of a chain (`nft::Rule::at`) are kept gapless here: a rule that comes or
//! goes moves those behind it, which is no change of theirs.
//! Never here: what follows from a change.

use ropewalk_facts::{Body, Fact, Key, Snapshot, nft};

use crate::Change;

/// Carries out `changes` on `snap`, one after the other.
pub fn apply<'a>(changes: impl IntoIterator<Item = &'a Change>, snap: &mut Snapshot) {
    for change in changes {
        put(snap, &change.key, change.new.clone());
    }
}

/// Makes `key` be as `new` says in `snap`, and returns what it was.
pub(crate) fn put(snap: &mut Snapshot, key: &Key, new: Option<Fact>) -> Option<Fact> {
    let old = snap.remove(key);
    shift(snap, old.as_ref(), -1);
    shift(snap, new.as_ref(), 1);
    if let Some(fact) = new {
        snap.insert(fact);
    }
    old
}

/// Moves the rules from the place of `fact` on by one, when it is a rule with a place.
fn shift(snap: &mut Snapshot, fact: Option<&Fact>, by: i32) {
    let Some(Fact { ns, body: Body::NftRule(rule) }) = fact else { return };
    let Some(at) = rule.at else { return };
    let moved: Vec<_> = snap
        .of(ns)
        .filter_map(|other| other.body.as_nft_rule())
        .filter(|other| other.key.chain == rule.key.chain && other.at >= Some(at))
        .map(|x| nft::Rule { at: x.at.and_then(|at| at.checked_add_signed(by)), ..x.clone() })
        .collect();
    for rule in moved {
        snap.insert(Body::NftRule(rule).at(ns.clone()));
    }
}
