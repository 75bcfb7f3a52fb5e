//! A snapshot: everything that was found, in order, one fact per key.

use std::collections::BTreeMap;
use std::collections::btree_map;
use std::ops::Bound;

use serde::{Deserialize, Serialize};

use crate::fact::Fact;
use crate::key::{Id, Key};
use crate::name::Ns;

/// Facts by key. Serialised as the plain list of its facts, in the order of their keys.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Fact>", into = "Vec<Fact>")]
pub struct Snapshot(BTreeMap<Key, Fact>);

impl Snapshot {
    /// Records `fact` in place of what was known of the same object, which is returned.
    pub fn insert(&mut self, fact: Fact) -> Option<Fact> {
        self.0.insert(fact.key(), fact)
    }

    /// Forgets an object, and returns what was known of it.
    pub fn remove(&mut self, key: &Key) -> Option<Fact> {
        self.0.remove(key)
    }

    /// What is known of an object.
    #[must_use]
    pub fn fact(&self, key: &Key) -> Option<&Fact> {
        self.0.get(key)
    }

    /// True when the object is known.
    #[must_use]
    pub fn contains(&self, key: &Key) -> bool {
        self.0.contains_key(key)
    }

    /// How many facts there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True when nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All facts, in the order of their keys.
    pub fn iter(&self) -> btree_map::Values<'_, Key, Fact> {
        self.0.values()
    }

    /// The facts of one namespace, in the order of their keys.
    pub fn of<'a>(&'a self, ns: &Ns) -> impl Iterator<Item = &'a Fact> + use<'a> {
        let first = Id::Netns(String::new()).at(ns.clone());
        let ns = ns.clone();
        self.0
            .range((Bound::Included(first), Bound::Unbounded))
            .take_while(move |(key, _)| key.ns == ns)
            .map(|(_, fact)| fact)
    }

    /// Takes over every fact of `other`; where both speak of an object, `other` is right.
    pub fn merge(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    /// All of several; where two speak of an object, the later one is right. Those of one namespace
    /// after another are joined without comparing them.
    #[must_use]
    pub fn join(parts: impl IntoIterator<Item = Self>) -> Self {
        Self(parts.into_iter().flat_map(|part| part.0).collect())
    }

    /// Keeps the facts for which `keep` is true.
    pub fn retain(&mut self, mut keep: impl FnMut(&Fact) -> bool) {
        self.0.retain(|_, fact| keep(fact));
    }

    /// The same without what the kernel derived: what two snapshots are compared by.
    #[must_use]
    pub fn stated(mut self) -> Self {
        self.retain(|fact| !fact.derived());
        self
    }
}

impl From<Vec<Fact>> for Snapshot {
    fn from(facts: Vec<Fact>) -> Self {
        facts.into_iter().collect()
    }
}
impl From<Snapshot> for Vec<Fact> {
    fn from(s: Snapshot) -> Self {
        s.0.into_values().collect()
    }
}
impl FromIterator<Fact> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Fact>>(facts: I) -> Self {
        Self(facts.into_iter().map(|f| (f.key(), f)).collect())
    }
}
impl<'a> IntoIterator for &'a Snapshot {
    type Item = &'a Fact;
    type IntoIter = btree_map::Values<'a, Key, Fact>;
    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}
