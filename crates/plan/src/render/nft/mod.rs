//! Changes of nf_tables in the language of nft(8).
//!
//!     Change{ element 10.9.0.2 of @masq4 } ──▶ add element inet ropewalk masq4 { 10.9.0.2 }
//!
//! nft 1.0.6 makes of each line what the kernel layer sends for the change, so that both ways end
//! in the same facts. What has no words in nft(8) becomes a comment.
//! Never here: shell quoting and namespaces; the caller wraps the lines in one `nft -f -` per
//! namespace, so that they are one transaction.

mod element;
mod object;
mod rules;
#[cfg(test)]
mod tests;
mod text;
mod value;

use ropewalk_facts::nft::{Element, Set, SetKey};
use ropewalk_facts::{Body, Id, Key, Ns, Snapshot};

use crate::Change;
use rules::Chains;

pub use text::{Said, rule_text};

/// The commands for `changes`, one each as in a file for `nft -f`. All are of nft nouns, stand
/// next to each other in their list, are of one namespace, and none is implied. `context` knows
/// the sets whose elements are spoken of (as a set stands in `changes` or was found), for their
/// types, and the rules of the chains.
#[must_use]
pub fn lines(changes: &[&Change], context: &Snapshot) -> Vec<String> {
    let Some(ns) = changes.first().map(|change| &change.key.ns) else { return vec![] };
    let set = |key: &SetKey| find_set(changes, context, ns, key);
    let mut chains = Chains::before(changes, context, ns);
    changes.iter().flat_map(|change| one(change, &set, &mut chains)).collect()
}

/// A set of the changes, else of the context.
fn find_set<'a>(
    changes: &[&'a Change],
    context: &'a Snapshot,
    ns: &Ns,
    key: &SetKey,
) -> Option<&'a Set> {
    let id = Key { ns: ns.clone(), id: Id::Set(key.clone()) };
    let change = changes.iter().rev().find(|change| change.key == id);
    let changed = change.and_then(|change| change.new.as_ref().or(change.old.as_ref()));
    changed.or_else(|| context.fact(&id))?.body.as_set()
}

fn one<'a>(
    change: &Change,
    set: &impl Fn(&SetKey) -> Option<&'a Set>,
    chains: &mut Chains,
) -> Vec<String> {
    let old = change.old.as_ref().map(|fact| &fact.body);
    let new = change.new.as_ref().map(|fact| &fact.body);
    let id = &change.key.id;
    if let Id::NftRule(_) = id {
        let rule = Body::as_nft_rule;
        return chains.change(old.and_then(rule), new.and_then(rule), set);
    }
    let unknown = || format!("# of an unknown set: {id}");
    let gone = || delete(id, set).unwrap_or_else(unknown);
    let Some(new) = new else {
        chains.forget(id);
        return vec![gone()];
    };
    let made = add(new, set).unwrap_or_else(unknown);
    // What cannot change goes and comes.
    let is_fixed = new.as_set().is_some() || new.as_element().is_some();
    if old.is_some() && is_fixed { vec![gone(), made] } else { vec![made] }
}

/// None for an element of a set that is not known.
fn add<'a>(body: &Body, set: &impl Fn(&SetKey) -> Option<&'a Set>) -> Option<String> {
    let element = |x: &Element| Some(element::add(x, set(&x.key.set)?));
    let table = body.as_table().map(object::table);
    table
        .or_else(|| body.as_chain().map(object::chain))
        .or_else(|| body.as_set().map(object::set))
        .or_else(|| body.as_element().and_then(element))
}

/// None for an element of a set that is not known.
fn delete<'a>(id: &Id, set: &impl Fn(&SetKey) -> Option<&'a Set>) -> Option<String> {
    if let Id::Element(key) = id {
        return Some(element::delete(key, set(&key.set)?));
    }
    if let Id::Set(key) = id {
        return Some(format!("delete {} {key}", set(key).map_or("set", object::noun)));
    }
    // Tables and chains are shown as nft names them.
    Some(format!("delete {id}"))
}
