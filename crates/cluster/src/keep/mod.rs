//! The store as all its kinds offer it: a list, a watch, and transactions that say on what they rely.
//!
//!     list(prefix) ─▶ items, revision        watch(prefix, revision + 1) ─▶ what changes from there
//!     txn: if each compare holds, do all writes; else none
//!
//! Revisions count the writes; each item knows the one that made it and the one that wrote it last.
//! Never here: what keys and values mean.

mod either;
mod embedded;
pub mod etcd;
mod fault;
pub mod memory;

use std::future::Future;

use serde::{Deserialize, Serialize};

pub use either::{Either, EitherWatch};
pub use embedded::{Embedded, EmbeddedWatch};
pub use fault::Fault;

/// One key with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The key.
    pub key: String,
    /// The value, in files as the text that it is.
    #[serde(with = "text")]
    pub value: Vec<u8>,
    /// The revision that made it.
    pub created: u64,
    /// The revision that wrote it last.
    pub modified: u64,
}

/// All items under a prefix, as they were at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The items, in order of their keys.
    pub items: Vec<Item>,
    /// The revision.
    pub revision: u64,
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Event {
    /// An item was written.
    Put(Item),
    /// A key is no longer there.
    Gone {
        /// The key.
        key: String,
    },
}

impl Event {
    /// The key that changed.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Put(item) => &item.key,
            Self::Gone { key } => key,
        }
    }
}

/// Values are JSON, which is text.
mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&String::from_utf8_lossy(value))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<u8>, D::Error> {
        String::deserialize(from).map(String::into_bytes)
    }
}

/// What a transaction relies on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Compare {
    /// The key is not there.
    Absent(String),
    /// The key was last written by this revision.
    Modified(String, u64),
}

/// What a transaction writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A key and its value.
    Put(String, Vec<u8>),
    /// A key that goes, if it is there.
    Delete(String),
}

/// A transaction: all writes, if each compare holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Txn {
    /// What it relies on.
    pub compares: Vec<Compare>,
    /// What it writes.
    pub writes: Vec<Write>,
}

/// What became of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All was written, by this revision.
    Done(u64),
    /// Nothing was: at this revision, a compare did not hold.
    Refused(u64),
}

/// News of a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// All up to this revision is known.
    pub revision: u64,
    /// What changed, with the revision of each, in order. Nothing, when it only says where it is.
    pub events: Vec<(u64, Event)>,
}

/// A store. After a fault it is listed anew: what a watch missed is seen by that alone.
pub trait Store {
    /// A watch on it.
    type Watch: Watch;

    /// Shows all items under a prefix, as they were at one revision, a page at a time in the order of
    /// their keys. Returns the revision.
    fn pages(
        &mut self,
        prefix: &str,
        each: impl FnMut(Vec<Item>),
    ) -> impl Future<Output = Result<u64, Fault>>;

    /// All items under a prefix.
    fn list(&mut self, prefix: &str) -> impl Future<Output = Result<Listing, Fault>> {
        async move {
            let mut items = Vec::new();
            let revision = self.pages(prefix, |page| items.extend(page)).await?;
            Ok(Listing { items, revision })
        }
    }

    /// What changes under a prefix from a revision on.
    fn watch(
        &mut self,
        prefix: &str,
        from: u64,
    ) -> impl Future<Output = Result<Self::Watch, Fault>>;

    /// Does a transaction. After a fault it is open whether it was done.
    fn txn(&mut self, txn: &Txn) -> impl Future<Output = Result<Outcome, Fault>>;

    /// Has a key be there for as long as this is called every ten seconds, and half a minute longer.
    /// A store of one host's own keeps none: who could ask is there.
    fn alive(&mut self, key: &str, value: &[u8]) -> impl Future<Output = Result<(), Fault>>;
}

/// What changes in a store.
pub trait Watch {
    /// Waits for the next news. May be given up and called again.
    fn next(&mut self) -> impl Future<Output = Result<News, Fault>>;
}
