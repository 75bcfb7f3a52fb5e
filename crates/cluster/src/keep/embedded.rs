//! The store in the host's own database: a cluster of one.
//!
//! Never here: the database itself (`store`).

use std::time::Duration;

use ropewalk_store::{SharedChange, SharedItem, StoreError};

use super::{Compare, Event, Fault, Item, Listing, News, Outcome, Store, Txn, Watch, Write};

/// How often a watch looks: the database does not tell other processes what changes.
const POLL: Duration = Duration::from_millis(100);

/// A store in the host's own database.
#[derive(Clone, Debug)]
pub struct Embedded(ropewalk_store::Store);

impl Embedded {
    /// In this database.
    #[must_use]
    pub fn new(store: ropewalk_store::Store) -> Self {
        Self(store)
    }
}

impl Store for Embedded {
    type Watch = EmbeddedWatch;

    async fn list(&mut self, prefix: &str) -> Result<Listing, Fault> {
        let tx = self.0.read().map_err(failed)?;
        let items = tx.shared(prefix).map_err(failed)?;
        let revision = tx.shared_revision().map_err(failed)?;
        Ok(Listing { items: items.into_iter().map(item).collect(), revision })
    }

    async fn watch(&mut self, prefix: &str, from: u64) -> Result<EmbeddedWatch, Fault> {
        let watch = EmbeddedWatch { store: self.0.clone(), prefix: prefix.to_owned(), from };
        watch.look().map(|_| watch)
    }

    async fn txn(&mut self, txn: &Txn) -> Result<Outcome, Fault> {
        let mut tx = self.0.write().map_err(failed)?;
        for compare in &txn.compares {
            let (key, wanted) = match compare {
                Compare::Absent(key) => (key, None),
                Compare::Modified(key, at) => (key, Some(*at)),
            };
            let found = tx.shared_item(key).map_err(failed)?.map(|item| item.modified);
            if found != wanted {
                return tx.shared_revision().map(Outcome::Refused).map_err(failed);
            }
        }
        let writes: Vec<(&str, Option<&[u8]>)> = txn
            .writes
            .iter()
            .map(|write| match write {
                Write::Put(key, value) => (key.as_str(), Some(value.as_slice())),
                Write::Delete(key) => (key.as_str(), None),
            })
            .collect();
        let revision = tx.share(&writes).map_err(failed)?;
        tx.commit().map_err(failed)?;
        Ok(Outcome::Done(revision))
    }
}

/// A watch on a store in the host's own database.
#[derive(Debug)]
pub struct EmbeddedWatch {
    store: ropewalk_store::Store,
    prefix: String,
    from: u64,
}

impl EmbeddedWatch {
    /// The revision now, and what changed since the last look.
    fn look(&self) -> Result<(u64, Vec<SharedChange>), Fault> {
        let tx = self.store.read().map_err(failed)?;
        let revision = tx.shared_revision().map_err(failed)?;
        let seen = self.from.saturating_sub(1);
        if revision < seen {
            return Err(Fault::Behind { revision, seen });
        }
        let changes = tx.shared_since(self.from).map_err(failed)?;
        Ok((revision, changes.ok_or(Fault::Compacted { oldest: revision })?))
    }
}

impl Watch for EmbeddedWatch {
    async fn next(&mut self) -> Result<News, Fault> {
        loop {
            let (revision, changes) = self.look()?;
            if revision >= self.from {
                self.from = revision + 1;
                let own = |change: &SharedChange| change.key.starts_with(&self.prefix);
                let events = changes.into_iter().filter(own).map(event).collect();
                return Ok(News { revision, events });
            }
            tokio::time::sleep(POLL).await;
        }
    }
}

fn event(change: SharedChange) -> (u64, Event) {
    let event = match change.item {
        Some(found) => Event::Put(item(found)),
        None => Event::Gone { key: change.key },
    };
    (change.revision, event)
}

fn item(item: SharedItem) -> Item {
    let SharedItem { key, value, created, modified } = item;
    Item { key, value, created, modified }
}

fn failed(error: StoreError) -> Fault {
    Fault::Database { why: error.to_string() }
}
