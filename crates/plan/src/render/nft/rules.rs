//! Rules at their places.
//!
//! nft(8) removes and replaces a rule by its handle alone, which facts do not know: there the chain
//! is emptied and its rules are said again, in the same transaction.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::nft::{ChainKey, Rule, Set, SetKey};
use ropewalk_facts::{Id, Ns, Snapshot};

use super::text::rule_text;
use crate::Change;

/// The rules of each chain, in order, as the commands so far have left them.
pub(super) struct Chains {
    rules: BTreeMap<ChainKey, Vec<Rule>>,
    /// Those that `changes` remove.
    doomed: BTreeSet<ChainKey>,
}

impl Chains {
    /// As they are before `changes`; `context` may know what `changes` bring already.
    pub(super) fn before(changes: &[&Change], context: &Snapshot, ns: &Ns) -> Self {
        let mut rules: BTreeMap<_, &Rule> = context
            .of(ns)
            .filter_map(|fact| fact.body.as_nft_rule())
            .map(|rule| (&rule.key, rule))
            .collect();
        for change in changes {
            let old = change.old.as_ref().and_then(|fact| fact.body.as_nft_rule());
            let new = change.new.as_ref().and_then(|fact| fact.body.as_nft_rule());
            match (old, new) {
                (Some(old), _) => drop(rules.insert(&old.key, old)),
                (None, Some(new)) => drop(rules.remove(&new.key)),
                (None, None) => {}
            }
        }
        let mut chains: BTreeMap<ChainKey, Vec<Rule>> = BTreeMap::new();
        for rule in rules.into_values() {
            chains.entry(rule.key.chain.clone()).or_default().push(rule.clone());
        }
        // One without a place was added behind the others.
        let at = |rule: &Rule| rule.at.unwrap_or(u32::MAX);
        chains.values_mut().for_each(|rules| rules.sort_by_key(at));
        let gone = changes.iter().filter(|change| change.new.is_none());
        let chain = |id: &Id| if let Id::Chain(key) = id { Some(key.clone()) } else { None };
        let doomed = gone.filter_map(|change| chain(&change.key.id));
        Self { rules: chains, doomed: doomed.collect() }
    }

    /// Nothing is left in a table or chain that goes.
    pub(super) fn forget(&mut self, id: &Id) {
        if let Id::Table(key) = id {
            self.rules.retain(|chain, _| chain.table != *key);
        }
        if let Id::Chain(key) = id {
            self.rules.remove(key);
        }
    }

    /// What becomes of one rule, as commands.
    pub(super) fn change<'a>(
        &mut self,
        old: Option<&Rule>,
        new: Option<&Rule>,
        set: &impl Fn(&SetKey) -> Option<&'a Set>,
    ) -> Vec<String> {
        let Some(key) = new.or(old).map(|rule| &rule.key) else { return vec![] };
        let rules = self.rules.entry(key.chain.clone()).or_default();
        let flush = format!("flush chain {}", key.chain);
        if new.is_none() && self.doomed.contains(&key.chain) {
            let first = !rules.is_empty();
            rules.clear();
            return if first { vec![flush] } else { vec![] };
        }
        let place = rules.iter().position(|rule| rule.key == *key);
        if let Some(place) = place {
            rules.remove(place);
        }
        if let Some(new) = new {
            let wanted = new.at.and_then(|at| usize::try_from(at).ok()).or(place);
            let at = wanted.unwrap_or(usize::MAX).min(rules.len());
            rules.insert(at, new.clone());
            if place.is_none() {
                let is_last = at + 1 == rules.len();
                let index = if is_last { None } else { Some(at) };
                return vec![add(new, index, set)];
            }
        }
        std::iter::once(flush).chain(rules.iter().map(|rule| add(rule, None, set))).collect()
    }
}

/// `add rule`, or before the rule that has this index `insert rule`.
fn add<'a>(rule: &Rule, index: Option<usize>, set: &impl Fn(&SetKey) -> Option<&'a Set>) -> String {
    let table = &rule.key.chain.table;
    let said = rule_text(table.family, &rule.exprs, &|name| set(&table.set(name)));
    let comment = comment(&rule.key.tag);
    let head = match index {
        None => format!("add rule {}", rule.key.chain),
        Some(index) => format!("insert rule {} index {index}", rule.key.chain),
    };
    let line = format!("{head} {}{comment}", said.text);
    if said.whole { line } else { format!("# no words for: {line}") }
}

/// The name of a rule without a comment is its handle.
fn comment(tag: &str) -> String {
    let speaks = !tag.starts_with('#') && !tag.chars().any(|c| c == '"' || c.is_control());
    if speaks { format!(" comment \"{tag}\"") } else { String::new() }
}
