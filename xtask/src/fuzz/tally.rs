//! What came of many pairs: how many agree, what is not known and why, and where they differ.

use std::collections::BTreeMap;

/// How many differences are kept in words.
const SHOWN: usize = 10;

/// The count.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) same: usize,
    /// By reason.
    pub(super) unknown: BTreeMap<String, usize>,
    /// All of them.
    pub(super) wrong: usize,
    /// The first of them.
    pub(super) told: Vec<String>,
}

impl Tally {
    pub(super) fn same(&mut self) {
        self.same += 1;
    }

    pub(super) fn unknown(&mut self, what: String) {
        *self.unknown.entry(what).or_default() += 1;
    }

    pub(super) fn differs(&mut self, told: String) {
        self.wrong += 1;
        if self.told.len() < SHOWN {
            self.told.push(told);
        }
    }

    /// All pairs.
    pub(super) fn all(&self) -> usize {
        self.same + self.wrong + self.unknown.values().sum::<usize>()
    }

    pub(super) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.wrong += other.wrong;
        for (what, count) in other.unknown {
            *self.unknown.entry(what).or_default() += count;
        }
        self.told.extend(other.told);
        self.told.truncate(SHOWN);
    }
}
