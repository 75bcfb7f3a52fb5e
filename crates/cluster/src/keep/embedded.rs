//! The store in a file of the host's own: a cluster of one, which outlives a reboot.
//!
//!     /etc/ropewalk/cluster-store.json     everything, and what changed lately; replaced whole, under a lock
//!
//! A host alone has a handful of keys: writing all of them anew takes a millisecond. Never here: what a
//! store does with them (`memory`).

use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::memory::Memory;
use super::{Fault, Item, Listing, News, Outcome, Store, Txn, Watch};

/// How often a watch looks whether the file is another one.
const POLL: Duration = Duration::from_millis(100);

/// A store in a file.
#[derive(Clone, Debug)]
pub struct Embedded(PathBuf);

impl Embedded {
    /// In this file, which is made by the first transaction.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self(path)
    }

    fn read(&self) -> Result<Memory, Fault> {
        match std::fs::read(&self.0) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| failed(&self.0, &error)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Memory::default()),
            Err(error) => Err(failed(&self.0, &error)),
        }
    }

    /// Replaces the file, which is on the disk afterwards.
    fn write(&self, memory: &Memory) -> Result<(), Fault> {
        let draft = self.0.with_extension("new");
        let bytes = serde_json::to_vec(memory).map_err(|error| failed(&self.0, &error))?;
        let done = || -> std::io::Result<()> {
            let mut options = File::options();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut file = options.open(&draft)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&draft, &self.0)
        };
        done().map_err(|error| {
            let _gone = std::fs::remove_file(&draft);
            failed(&self.0, &error)
        })
    }

    /// Nobody else writes until it is dropped.
    fn lock(&self) -> Result<File, Fault> {
        let path = self.0.with_extension("lock");
        let done = || -> std::io::Result<File> {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            let mut options = File::options();
            let file = options.read(true).write(true).create(true).truncate(false).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        done().map_err(|error| failed(&path, &error))
    }

    /// Tells one file from the one that replaces it.
    fn stamp(&self) -> (u64, i64, i64) {
        let found = std::fs::metadata(&self.0);
        found.map_or((0, 0, 0), |file| (file.ino(), file.mtime(), file.mtime_nsec()))
    }
}

impl Store for Embedded {
    type Watch = EmbeddedWatch;

    async fn pages(&mut self, prefix: &str, mut each: impl FnMut(Vec<Item>)) -> Result<u64, Fault> {
        let Listing { items, revision } = self.read()?.list(prefix);
        each(items);
        Ok(revision)
    }

    async fn watch(&mut self, prefix: &str, from: u64) -> Result<EmbeddedWatch, Fault> {
        let store = self.clone();
        let mut watch = EmbeddedWatch { store, prefix: prefix.to_owned(), from, seen: None };
        watch.read().map(|_| watch)
    }

    async fn txn(&mut self, txn: &Txn) -> Result<Outcome, Fault> {
        let _locked = self.lock()?;
        let mut memory = self.read()?;
        let outcome = memory.txn(txn);
        if let Outcome::Done(_) = outcome {
            memory.shorten();
            self.write(&memory)?;
        }
        Ok(outcome)
    }

    async fn alive(&mut self, _: &str, _: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

/// A watch on a store in a file.
#[derive(Debug)]
pub struct EmbeddedWatch {
    store: Embedded,
    prefix: String,
    from: u64,
    /// The file that was read last.
    seen: Option<(u64, i64, i64)>,
}

impl EmbeddedWatch {
    /// What changed since the last look.
    fn read(&mut self) -> Result<News, Fault> {
        let memory = self.store.read()?;
        let revision = memory.list("").revision;
        let seen = self.from.saturating_sub(1);
        if revision < seen {
            return Err(Fault::Behind { revision, seen });
        }
        let events = memory.since(self.from).ok_or(Fault::Compacted { oldest: revision })?;
        let ours = events.into_iter().filter(|(_, event)| event.key().starts_with(&self.prefix));
        Ok(News { revision, events: ours.collect() })
    }
}

impl Watch for EmbeddedWatch {
    async fn next(&mut self) -> Result<News, Fault> {
        loop {
            let stamp = self.store.stamp();
            if self.seen != Some(stamp) {
                let news = self.read()?;
                self.seen = Some(stamp);
                if news.revision >= self.from {
                    self.from = news.revision + 1;
                    return Ok(news);
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn failed(path: &Path, error: &dyn std::error::Error) -> Fault {
    Fault::Database { why: format!("{}: {error}", path.display()) }
}
