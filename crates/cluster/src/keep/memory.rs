//! A store in memory: items that count their writes, and what changed lately.
//!
//! In tests everything that a real one does to hosts, without waiting; in a file the host's own.
//! Never here: time.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Compare, Event, Item, Listing, Outcome, Txn, Write};

/// How many changes are remembered where it is kept for long.
const REMEMBERED: usize = 1000;

/// A store in memory.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Memory {
    items: BTreeMap<String, Item>,
    revision: u64,
    /// What changed, by revision.
    log: Vec<(u64, Event)>,
}

impl Memory {
    /// All items under `prefix`.
    #[must_use]
    pub fn list(&self, prefix: &str) -> Listing {
        let from = self.items.range(prefix.to_owned()..);
        let under = from.take_while(|(key, _)| key.starts_with(prefix));
        Listing { items: under.map(|(_, item)| item.clone()).collect(), revision: self.revision }
    }

    /// What changed from `revision` on; none when that is forgotten.
    #[must_use]
    pub fn since(&self, revision: u64) -> Option<Vec<(u64, Event)>> {
        let oldest = self.log.first().map_or(self.revision + 1, |(revision, _)| *revision);
        let all = revision >= oldest;
        all.then(|| self.log.iter().filter(|(at, _)| *at >= revision).cloned().collect())
    }

    /// Forgets what changed up to now.
    pub fn compact(&mut self) {
        self.log.clear();
    }

    /// Forgets what changed long ago, whole revisions of it.
    pub fn shorten(&mut self) {
        let surplus = self.log.len().saturating_sub(REMEMBERED);
        let Some((last, _)) = surplus.checked_sub(1).and_then(|n| self.log.get(n)) else { return };
        let last = *last;
        self.log.retain(|(at, _)| *at > last);
    }

    /// Does a transaction, or nothing of it.
    pub fn txn(&mut self, txn: &Txn) -> Outcome {
        let holds = |compare: &Compare| match compare {
            Compare::Absent(key) => !self.items.contains_key(key),
            Compare::Modified(key, at) => {
                self.items.get(key).is_some_and(|item| item.modified == *at)
            }
        };
        if !txn.compares.iter().all(holds) {
            return Outcome::Refused(self.revision);
        }
        self.revision += 1;
        for write in &txn.writes {
            if let Some(event) = self.write(write) {
                self.log.push((self.revision, event));
            }
        }
        Outcome::Done(self.revision)
    }

    fn write(&mut self, write: &Write) -> Option<Event> {
        match write {
            Write::Put(key, value) => {
                let modified = self.revision;
                let created = self.items.get(key).map_or(modified, |item| item.created);
                let item = Item { key: key.clone(), value: value.clone(), created, modified };
                self.items.insert(key.clone(), item.clone());
                Some(Event::Put(item))
            }
            Write::Delete(key) => self.items.remove(key).map(|item| Event::Gone { key: item.key }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(key: &str, compares: &[Compare]) -> Txn {
        let writes = vec![Write::Put(key.into(), b"x".to_vec())];
        Txn { compares: compares.to_vec(), writes }
    }

    #[test]
    fn a_transaction_is_all_or_nothing_and_relies_on_what_it_says() {
        let mut store = Memory::default();
        let absent = put("a", &[Compare::Absent("a".into())]);
        assert_eq!(store.txn(&absent), Outcome::Done(1));
        assert_eq!(store.txn(&absent), Outcome::Refused(1), "sent twice, done once");
        let mut both = put("b", &[Compare::Modified("a".into(), 1)]);
        both.writes.push(Write::Delete("a".into()));
        assert_eq!(store.txn(&both), Outcome::Done(2));
        assert_eq!(store.txn(&both), Outcome::Refused(2));
        let keys: Vec<String> = store.list("").items.into_iter().map(|item| item.key).collect();
        assert_eq!(keys, ["b"]);
        assert_eq!(store.since(2).map(|events| events.len()), Some(2));
        store.compact();
        assert_eq!((store.since(2), store.since(3)), (None, Some(Vec::new())));
    }
}
