//! The store: opening it, transactions, locks.

use std::path::{Path, PathBuf};

use heed::types::Bytes;
use heed::{Database, Env, EnvFlags, EnvOpenOptions, WithoutTls};

use ropewalk_facts::Ns;

use crate::error::StoreError;
use crate::lock::{self, Byte, Held};
use crate::read::{Reader, Tx};
use crate::stamp::{self, Stamp};
use crate::write::Writer;

/// Room for the database. It is address space; the file grows with what is in it.
const MAP_SIZE: usize = 1 << 30;
/// How many processes may read at a time.
const READERS: u32 = 1024;

/// The shared memory of all ropewalk processes on a host.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) db: Database<Bytes, Bytes>,
    env: Env<WithoutTls>,
}

impl Store {
    /// Opens the store in `dir` and makes it if it is not there. State of another boot is dropped.
    /// A process opens a folder once.
    ///
    /// # Errors
    /// The folder cannot be used, or its state belongs to another namespace or version.
    pub fn open(dir: &Path, stamp: &Stamp) -> Result<Self, StoreError> {
        stamp::prepare(dir, stamp)?;
        Self::open_env(dir)
    }

    /// Opens the store in `dir` if it is there and speaks of this boot; makes nothing.
    ///
    /// # Errors
    /// As for [`Store::open`].
    pub fn open_existing(dir: &Path, stamp: &Stamp) -> Result<Option<Self>, StoreError> {
        match stamp::is_ready(dir, stamp)? {
            true => Self::open_env(dir).map(Some),
            false => Ok(None),
        }
    }

    #[expect(unsafe_code, reason = "a memory map trusts its file")]
    fn open_env(dir: &Path) -> Result<Self, StoreError> {
        let mut options = EnvOpenOptions::new().read_txn_without_tls();
        options.map_size(MAP_SIZE).max_readers(READERS);
        // SAFETY: the flag gives up durability over a power failure alone, and after one the stamp
        // has the files removed before they are mapped.
        unsafe { options.flags(EnvFlags::NO_SYNC | EnvFlags::NO_META_SYNC) };
        // SAFETY: the folder is ours and closed to others; whoever writes the file does so through
        // LMDB, under its lock; heed refuses a second map of the same file in this process.
        let env = unsafe { options.open(dir) }.map_err(StoreError::db(dir))?;
        check_length(dir, &env)?;
        // What a process was reading when it was killed would be kept for ever.
        env.clear_stale_readers().map_err(StoreError::db(dir))?;
        let txn = env.read_txn().map_err(StoreError::db(dir))?;
        let db = env.open_database(&txn, None).map_err(StoreError::db(dir))?;
        txn.commit().map_err(StoreError::db(dir))?;
        let db = db.ok_or_else(|| StoreError::damaged(dir))?;
        Ok(Self { dir: dir.to_owned(), db, env })
    }

    /// Begins to read: what is seen stays as it is at this moment. Not to be held for long, for it
    /// keeps what others replace from being freed.
    ///
    /// # Errors
    /// The database failed.
    pub fn read(&self) -> Result<Reader<'_>, StoreError> {
        let txn = self.env.read_txn().map_err(StoreError::db(&self.dir))?;
        Ok(Tx { store: self, txn })
    }

    /// Begins to write, which one process does at a time: between this and
    /// [`commit`](Writer::commit) stands nothing that waits. Dropped without it, nothing is written.
    ///
    /// # Errors
    /// The database failed.
    pub fn write(&self) -> Result<Writer<'_>, StoreError> {
        let txn = self.env.write_txn().map_err(StoreError::db(&self.dir))?;
        Ok(Tx { store: self, txn })
    }

    /// Shares the structure with others that change attachments; waits for one that has it alone.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn share_structure(&self) -> Result<Held, StoreError> {
        lock::take(&self.dir, Byte::STRUCTURE, true)
    }

    /// Has the structure alone; waits for all who share it.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn lock_structure(&self) -> Result<Held, StoreError> {
        lock::take(&self.dir, Byte::STRUCTURE, false)
    }

    /// Has the structure alone if nobody else has it, alone or shared; waits for nobody.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn try_lock_structure(&self) -> Result<Option<Held>, StoreError> {
        lock::try_take(&self.dir, Byte::STRUCTURE)
    }

    /// Has the rules of others alone, among ropewalk's processes.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn lock_rules(&self) -> Result<Held, StoreError> {
        lock::take(&self.dir, Byte::RULES, false)
    }

    /// Has a sandbox alone; waits for another verb on it.
    ///
    /// # Errors
    /// The lock file cannot be used.
    pub fn lock_sandbox(&self, ns: &Ns) -> Result<Held, StoreError> {
        lock::take(&self.dir, Byte::sandbox(ns), false)
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }
}

/// Refuses a database that has been cut short: its map would end in a signal.
fn check_length(dir: &Path, env: &Env<WithoutTls>) -> Result<(), StoreError> {
    let pages = u64::try_from(env.info().last_page_number).unwrap_or(u64::MAX).saturating_add(1);
    let needed = pages.saturating_mul(u64::from(env.stat().page_size));
    let length = env.real_disk_size().map_err(StoreError::db(dir))?;
    if length < needed { Err(StoreError::damaged(dir)) } else { Ok(()) }
}
