//! What must be known of a namespace's ruleset to write requests: sets' types, rules' handles.

use std::collections::BTreeMap;

use ropewalk_facts::nft::{ChainKey, RuleKey, Set, SetKey, TableKey};

use super::rule::Place;
use crate::Error;

/// The sets and the rules that are known: those read by a [`super::Reader`], those of
/// [`Ruleset::learn_set`], and those of the requests written since. It follows what is written;
/// after a transaction that was refused it is wrong and must be dropped.
#[derive(Clone, Debug, Default)]
pub struct Ruleset {
    sets: BTreeMap<SetKey, Set>,
    /// By chain the rules in order: name, and handle unless it was written after the reading.
    rules: BTreeMap<ChainKey, Vec<(String, Option<u64>)>>,
}

impl Ruleset {
    /// A ruleset of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes a set known, so that its elements can be written without reading it.
    pub fn learn_set(&mut self, set: Set) {
        self.sets.insert(set.key.clone(), set);
    }

    /// Takes over all that is known of `other`, and of the rules of `chain` nothing else.
    pub fn renew(&mut self, chain: Option<&ChainKey>, other: Self) {
        if let Some(chain) = chain {
            self.rules.remove(chain);
        }
        self.sets.extend(other.sets);
        self.rules.extend(other.rules);
    }

    /// The set, if it is known.
    #[must_use]
    pub fn set(&self, key: &SetKey) -> Option<&Set> {
        self.sets.get(key)
    }

    pub(super) fn sets(&self) -> impl Iterator<Item = &Set> {
        self.sets.values()
    }

    /// The handle of a rule, if it is known.
    #[must_use]
    pub fn handle(&self, key: &RuleKey) -> Option<u64> {
        let rules = self.rules.get(&key.chain)?;
        rules.iter().find(|(tag, _)| *tag == key.tag)?.1
    }

    pub(super) fn need_set(&self, key: &SetKey) -> Result<&Set, Error> {
        self.set(key).ok_or_else(|| Error::NoSet(Box::new(key.clone())))
    }

    pub(super) fn need_handle(&self, key: &RuleKey) -> Result<u64, Error> {
        self.handle(key).ok_or_else(|| Error::NoHandle(Box::new(key.clone())))
    }

    /// How many rules of the chain are known.
    pub(super) fn rules(&self, chain: &ChainKey) -> usize {
        self.rules.get(chain).map_or(0, Vec::len)
    }

    /// True when a rule of the chain bears this name.
    pub(super) fn names(&self, chain: &ChainKey, tag: &str) -> bool {
        self.rules.get(chain).is_some_and(|rules| rules.iter().any(|(t, _)| t == tag))
    }

    /// Notes a rule that was read, after those read before.
    pub(super) fn append(&mut self, key: &RuleKey, handle: u64) {
        let rules = self.rules.entry(key.chain.clone()).or_default();
        rules.push((key.tag.clone(), Some(handle)));
    }

    /// Notes a new rule, the `at`th of its chain, and says where to put it: before the one that
    /// has that place.
    pub(super) fn insert(&mut self, key: &RuleKey, at: Option<u32>) -> Result<Place, Error> {
        let rules = self.rules.entry(key.chain.clone()).or_default();
        let at = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX).min(rules.len());
        let place = match rules.get(at) {
            None => Place::End,
            Some((_, Some(handle))) => Place::Before(*handle),
            Some((tag, None)) => {
                let next = RuleKey { chain: key.chain.clone(), tag: tag.clone() };
                return Err(Error::NoHandle(Box::new(next)));
            }
        };
        rules.insert(at, (key.tag.clone(), None));
        Ok(place)
    }

    /// A rule was replaced: its place is the same, its handle is new.
    pub(super) fn replaced(&mut self, key: &RuleKey) {
        let rules = self.rules.entry(key.chain.clone()).or_default();
        if let Some((_, handle)) = rules.iter_mut().find(|(tag, _)| *tag == key.tag) {
            *handle = None;
        }
    }

    pub(super) fn forget_rule(&mut self, key: &RuleKey) {
        if let Some(rules) = self.rules.get_mut(&key.chain) {
            rules.retain(|(tag, _)| *tag != key.tag);
        }
    }

    pub(super) fn forget_chain(&mut self, key: &ChainKey) {
        self.rules.remove(key);
    }

    pub(super) fn forget_set(&mut self, key: &SetKey) {
        self.sets.remove(key);
    }

    pub(super) fn forget_table(&mut self, key: &TableKey) {
        self.sets.retain(|set, _| set.table != *key);
        self.rules.retain(|chain, _| chain.table != *key);
    }
}
