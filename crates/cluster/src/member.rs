//! A host's connection to the store: everything in it, kept up to date.
//!
//!     list ─▶ watch ─ news ─▶ View      a fault, or five minutes ─▶ list again
//!
//! What was known stays known while the store is away.  Never here: decisions, the kernel.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::keep::{Fault, Store, Txn, Watch};
use crate::key::PREFIX;
use crate::view::View;

/// So often the store is listed even if nothing seems to be wrong.
const ANEW: Duration = Duration::from_secs(300);
/// What changes within so short a time is looked at together.
const TOGETHER: Duration = Duration::from_millis(5);

/// A connection to the store.
#[derive(Debug)]
pub struct Member<S: Store> {
    store: S,
    watch: Option<S::Watch>,
    view: Option<View>,
    listed: Option<Instant>,
}

impl<S: Store> Member<S> {
    /// Nothing is sent yet.
    pub fn new(store: S) -> Self {
        Self { store, watch: None, view: None, listed: None }
    }

    /// What is known, also of a store that is away.
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// Whether the next [`Member::hear`] only waits, and nothing is lost when it is given up.
    pub fn watching(&self) -> bool {
        self.watch.is_some() && self.listed.is_some_and(|at| at.elapsed() < ANEW)
    }

    /// The next [`Member::hear`] lists the store, whatever is known.
    pub fn anew(&mut self) {
        self.listed = None;
    }

    /// Waits until more is known. May be given up and called again.
    ///
    /// # Errors
    /// The store is away, or the watch on it blind: the next call begins anew.
    pub async fn hear(&mut self) -> Result<(), Fault> {
        if !self.watching() {
            self.watch = None;
        }
        let heard = match self.watch {
            Some(_) => self.news().await,
            None => self.list().await,
        };
        if heard.is_err() {
            self.watch = None;
        }
        heard
    }

    /// Sends what was decided. What becomes of it is heard.
    ///
    /// # Errors
    /// As for [`Member::hear`]; whether it was done is open.
    pub async fn send(&mut self, txns: &[Txn]) -> Result<(), Fault> {
        for txn in txns {
            if let Err(fault) = self.store.txn(txn).await {
                self.watch = None;
                return Err(fault);
            }
        }
        Ok(())
    }

    async fn list(&mut self) -> Result<(), Fault> {
        let listing = self.store.list(PREFIX).await?;
        self.watch = Some(self.store.watch(PREFIX, listing.revision + 1).await?);
        self.view = Some(View::new(&listing));
        self.listed = Some(Instant::now());
        Ok(())
    }

    async fn news(&mut self) -> Result<(), Fault> {
        let (Some(watch), Some(view)) = (&mut self.watch, &mut self.view) else { return Ok(()) };
        let mut next = Some(watch.next().await);
        while let Some(news) = next {
            let news = news?;
            for (revision, event) in &news.events {
                view.take(*revision, event);
            }
            view.revision = view.revision.max(news.revision);
            next = timeout(TOGETHER, watch.next()).await.ok();
        }
        Ok(())
    }
}
