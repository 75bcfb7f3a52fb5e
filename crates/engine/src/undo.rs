//! Undoing repairs: what `fix --apply` changed is changed back, as far as it still is so.
//!
//!     journal (leaving) ─▶ kernel ─▶ journal (gone)
//!
//! What somebody changed since stays as it is, and is told.  A namespace that is gone took its
//! changes with it.  Never here: what a repair is.

use std::collections::BTreeSet;

use ropewalk_facts::{Fact, Key, Ns, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, describe};
use ropewalk_store::{RepairRecord, State};
use serde::Serialize;

use crate::code::Code;
use crate::fault::Fault;
use crate::{Engine, spaces, view};

/// A repair that can be undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undoable {
    /// Its number.
    pub id: u32,
    /// When it was made (RFC 3339).
    pub created: String,
    /// What was wrong.
    pub sentence: String,
    /// What repaired it.
    pub commands: Vec<String>,
}

/// A repair that was undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undone {
    /// Its number.
    pub id: u32,
    /// What was wrong, and is again.
    pub sentence: String,
    /// What was changed back, a line each.
    pub changes: Vec<String>,
    /// What somebody changed since, and what went with its namespace.
    pub left: Vec<String>,
}

impl Engine {
    /// The repairs that can be undone, the first one first.
    ///
    /// # Errors
    /// [`Code::StateUnusable`].
    pub fn repairs(&mut self) -> Result<Vec<Undoable>, Fault> {
        let told = |record: RepairRecord| Undoable {
            id: record.id,
            created: view::moment(record.created_ms),
            sentence: record.sentence,
            commands: record.commands,
        };
        Ok(self.store.repairs()?.into_iter().map(told).collect())
    }

    /// Undoes a repair: that with this number, or the last one.
    ///
    /// # Errors
    /// [`Code::NothingToUndo`]; [`Code::Kernel`] for what the kernel refused.
    pub fn undo(&mut self, id: Option<u32>) -> Result<Undone, Fault> {
        let _lock = self.store.exclusive()?;
        let all = self.store.repairs()?;
        let record = match id {
            None => all.into_iter().next_back(),
            Some(id) => all.into_iter().find(|record| record.id == id),
        };
        let none = || {
            let what = id.map_or_else(|| "no repair".into(), |id| format!("no repair {id}"));
            Fault::new(Code::NothingToUndo, format!("{what} is there to be undone"))
                .doing("undo")
                .or_try("ropewalk undo --list")
        };
        self.revoke(record.ok_or_else(none)?)
    }

    /// Changes back what a repair changed. The caller holds the lock.
    pub(crate) fn revoke(&mut self, mut record: RepairRecord) -> Result<Undone, Fault> {
        record.state = State::Leaving;
        failpoint::hit("journal repair leaving");
        self.store.put_repair(&record)?;
        let there = self.reached(&record);
        let (changes, gone): (Vec<Change>, Vec<Change>) =
            record.changes.iter().cloned().partition(|change| there.contains(&change.key.ns));
        let keys: Vec<Key> = changes.iter().map(|change| change.key.clone()).collect();
        let before = self.kernel.read_keys(&keys)?;
        self.take_back(&changes)?;
        let after = self.kernel.read_keys(&keys)?;
        failpoint::hit("journal repair gone");
        self.store.remove_repair(record.id)?;
        let (mut done, mut left) = told(&changes, &before, &after);
        left.extend(gone.iter().filter(|c| !c.implied).map(|c| format!("{}: gone", c.key)));
        done.sort();
        Ok(Undone { id: record.id, sentence: record.sentence, changes: done, left })
    }

    /// Opens the namespaces of a repair, those of them that are still the same.
    fn reached(&mut self, record: &RepairRecord) -> BTreeSet<Ns> {
        let mut all = BTreeSet::from([Ns::HOST]);
        for (ns, cookie) in &record.spaces {
            let Ok((_, Some(fd))) = spaces::open(ns.as_str()) else { continue };
            let same = self.kernel.add(ns.clone(), fd).is_ok()
                && self.kernel.cookie(ns).is_ok_and(|found| found == *cookie);
            match same {
                true => drop(all.insert(ns.clone())),
                false => self.kernel.forget(ns),
            }
        }
        all
    }
}

/// What was changed back, and what is not as it was before the repair.
fn told(changes: &[Change], before: &Snapshot, after: &Snapshot) -> (Vec<String>, Vec<String>) {
    let (mut done, mut left) = (Vec::new(), Vec::new());
    let mut told = BTreeSet::new();
    for change in changes.iter().rev().filter(|change| !change.implied) {
        let key = &change.key;
        if !told.insert(key.clone()) {
            continue;
        }
        let (was, is) = (before.fact(key).cloned(), after.fact(key).cloned());
        let first = changes.iter().find(|other| other.key == *key).and_then(|c| c.old.clone());
        if was != is {
            let back = Change { key: key.clone(), old: was, new: is, implied: false };
            done.push(describe(&back, before));
        } else if is.is_some() != first.is_some() || changed(change, is.as_ref()) {
            left.push(format!("{key}: changed by somebody since, and left as it is"));
        }
    }
    (done, left)
}

/// True when an object is neither as the repair made it nor as it was before.
fn changed(change: &Change, is: Option<&Fact>) -> bool {
    let (Some(old), Some(is)) = (&change.old, is) else { return false };
    !ropewalk_plan::holds(old, is)
}
