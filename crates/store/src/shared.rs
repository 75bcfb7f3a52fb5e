//! Items that count their writes: a store for one host that can do what one for many can.
//!
//!     sKEY              → created, modified, value
//!     tREVISION·NUMBER  → what changed, for those who watch; the last thousand revisions
//!     u                 → the revision
//!
//! Never here: what keys and values mean.

use crate::error::StoreError;
use crate::read::{Readable, Tx};
use crate::write::Writer;

const ITEMS: u8 = b's';
const LOG: u8 = b't';
const REVISION: &[u8] = b"u";
/// How many revisions can be watched from.
const REMEMBERED: u64 = 1000;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedItem {
    /// Its key.
    pub key: String,
    /// Its value.
    pub value: Vec<u8>,
    /// The revision that made it.
    pub created: u64,
    /// The revision that wrote it last.
    pub modified: u64,
}

/// What a revision did to a key: the item as it was written, or none when it went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SharedChange {
    /// The revision.
    pub revision: u64,
    /// The key.
    pub key: String,
    /// The item.
    pub item: Option<SharedItem>,
}

impl<T: Readable> Tx<'_, T> {
    /// How many writes there were.
    ///
    /// # Errors
    /// The database failed, or is damaged.
    pub fn shared_revision(&self) -> Result<u64, StoreError> {
        let Some(value) = self.value(REVISION)? else { return Ok(0) };
        let bytes = <[u8; 8]>::try_from(value).map_err(|_| self.damaged())?;
        Ok(u64::from_be_bytes(bytes))
    }

    /// The items whose keys begin with `prefix`, in order.
    ///
    /// # Errors
    /// As for [`Tx::shared_revision`].
    pub fn shared(&self, prefix: &str) -> Result<Vec<SharedItem>, StoreError> {
        let start = [&[ITEMS], prefix.as_bytes()].concat();
        let found = self.scan(&start, |rest, value| {
            let key = [prefix.as_bytes(), rest].concat();
            read_item(&key, value)
        })?;
        found.into_iter().map(|item| item.ok_or_else(|| self.damaged())).collect()
    }

    /// The item with this key.
    ///
    /// # Errors
    /// As for [`Tx::shared_revision`].
    pub fn shared_item(&self, key: &str) -> Result<Option<SharedItem>, StoreError> {
        let Some(value) = self.value(&item_key(key))? else { return Ok(None) };
        read_item(key.as_bytes(), value).map(Some).ok_or_else(|| self.damaged())
    }

    /// What changed from `revision` on, in order; none when that is forgotten.
    ///
    /// # Errors
    /// As for [`Tx::shared_revision`].
    pub fn shared_since(&self, revision: u64) -> Result<Option<Vec<SharedChange>>, StoreError> {
        let now = self.shared_revision()?;
        if revision.saturating_add(REMEMBERED) <= now {
            return Ok(None);
        }
        let mut changes = Vec::new();
        for at in revision..=now {
            let prefix = [&[LOG], at.to_be_bytes().as_slice()].concat();
            for change in self.scan(&prefix, |_, value| read_change(at, value))? {
                changes.push(change.ok_or_else(|| self.damaged())?);
            }
        }
        Ok(Some(changes))
    }
}

impl Writer<'_> {
    /// Writes values, or takes keys away, all in one revision, which is returned.
    ///
    /// # Errors
    /// The database failed; then the transaction is to be dropped.
    pub fn share(&mut self, writes: &[(&str, Option<&[u8]>)]) -> Result<u64, StoreError> {
        let revision = self.shared_revision()?.saturating_add(1);
        self.set(REVISION, &revision.to_be_bytes())?;
        for (number, (key, value)) in writes.iter().enumerate() {
            let before = self.shared_item(key)?;
            if value.is_none() && before.is_none() {
                continue;
            }
            let created = before.map_or(revision, |item| item.created);
            let packed = value.map(|value| pack(created, revision, value));
            match &packed {
                Some(packed) => self.set(&item_key(key), packed)?,
                None => drop(self.delete(&item_key(key))?),
            }
            let mut log = key.as_bytes().to_vec();
            log.push(0);
            log.extend(packed.unwrap_or_default());
            self.set(&log_key(revision, number), &log)?;
        }
        self.forget(revision)?;
        Ok(revision)
    }

    fn forget(&mut self, revision: u64) -> Result<(), StoreError> {
        let Some(old) = revision.checked_sub(REMEMBERED) else { return Ok(()) };
        let prefix = [&[LOG], old.to_be_bytes().as_slice()].concat();
        for key in self.scan(&prefix, |rest, _| [&prefix, rest].concat())? {
            self.delete(&key)?;
        }
        Ok(())
    }
}

fn item_key(key: &str) -> Vec<u8> {
    [&[ITEMS], key.as_bytes()].concat()
}

fn log_key(revision: u64, number: usize) -> Vec<u8> {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    [&[LOG], revision.to_be_bytes().as_slice(), &number.to_be_bytes()].concat()
}

fn pack(created: u64, modified: u64, value: &[u8]) -> Vec<u8> {
    [created.to_be_bytes().as_slice(), &modified.to_be_bytes(), value].concat()
}

fn read_item(key: &[u8], value: &[u8]) -> Option<SharedItem> {
    let (created, rest) = value.split_first_chunk::<8>()?;
    let (modified, value) = rest.split_first_chunk::<8>()?;
    Some(SharedItem {
        key: String::from_utf8(key.to_vec()).ok()?,
        value: value.to_vec(),
        created: u64::from_be_bytes(*created),
        modified: u64::from_be_bytes(*modified),
    })
}

fn read_change(revision: u64, log: &[u8]) -> Option<SharedChange> {
    let end = log.iter().position(|byte| *byte == 0)?;
    let (key, rest) = log.split_at_checked(end)?;
    let packed = rest.get(1..)?;
    let item = if packed.is_empty() { None } else { Some(read_item(key, packed)?) };
    Some(SharedChange { revision, key: String::from_utf8(key.to_vec()).ok()?, item })
}
