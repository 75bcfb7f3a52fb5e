//! A host's connection to the store: everything in it, kept up to date.
//!
//!     list ─▶ watch ─ news ─▶ View      a fault, or five minutes ─▶ list again
//!
//! What was known stays known while the store is away.  Never here: decisions, the kernel.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use ropewalk_spec::NetworkName;
use tokio::time::Instant;

use crate::block::Place;
use crate::id::HostId;
use crate::keep::{Event, Fault, Listing, Outcome, Store, Txn, Watch};
use crate::key::{Key, PREFIX};
use crate::view::View;

/// So often the store is listed at the latest, even if nothing seems to be wrong.
pub const ANEW: Duration = Duration::from_secs(300);

/// What was heard and not yet looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fresh {
    /// Blocks that were written, and whose they were before that.
    pub blocks: BTreeMap<Place, Option<HostId>>,
    /// Single addresses that were written, and who had them before that.
    pub singles: BTreeMap<(NetworkName, IpAddr), Option<HostId>>,
    /// Something else was, or may have been.
    pub more: bool,
}

/// A connection to the store.
#[derive(Debug)]
pub struct Member<S: Store> {
    store: S,
    every: Duration,
    watch: Option<S::Watch>,
    view: Option<View>,
    listed: Option<Instant>,
    /// How often it was listed.
    lists: u64,
    fresh: Fresh,
}

impl<S: Store> Member<S> {
    /// Nothing is sent yet. The store is listed `every` so often, see [`ANEW`].
    pub fn new(store: S, every: Duration) -> Self {
        let fresh = Fresh::default();
        Self { store, every, watch: None, view: None, listed: None, lists: 0, fresh }
    }

    /// Asks the store by way of this one from now on. What is known stays known.
    pub fn ask_by(&mut self, store: S) {
        (self.store, self.watch) = (store, None);
    }

    /// What is known, also of a store that is away.
    pub fn view(&self) -> Option<&View> {
        self.view.as_ref()
    }

    /// What was heard since this was asked last.
    pub fn fresh(&mut self) -> Fresh {
        std::mem::take(&mut self.fresh)
    }

    /// Whether the next [`Member::hear`] only waits, and nothing is lost when it is given up.
    pub fn watching(&self) -> bool {
        self.watch.is_some() && self.listed.is_some_and(|at| at.elapsed() < self.every)
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
            self.try_send(txn).await?;
        }
        Ok(())
    }

    /// Sends one transaction, and says what became of it.
    ///
    /// # Errors
    /// As for [`Member::send`].
    pub async fn try_send(&mut self, txn: &Txn) -> Result<Outcome, Fault> {
        let outcome = self.store.txn(txn).await;
        if outcome.is_err() {
            self.watch = None;
        }
        outcome
    }

    /// How often the store was listed: each time it may be another one, or have forgotten something.
    pub fn lists(&self) -> u64 {
        self.lists
    }

    /// What is in the store beside what is heard.
    ///
    /// # Errors
    /// As for [`Member::hear`].
    pub async fn beside(&mut self, prefix: &str) -> Result<Listing, Fault> {
        let listing = self.store.list(prefix).await;
        if listing.is_err() {
            self.watch = None;
        }
        listing
    }

    /// What stands under a key now, heard of or not.
    ///
    /// # Errors
    /// As for [`Member::hear`].
    pub async fn found(&mut self, key: &str) -> Result<Option<Vec<u8>>, Fault> {
        let listing = self.store.list(key).await?;
        Ok(listing.items.into_iter().find(|item| item.key == key).map(|item| item.value))
    }

    /// Says that this host is there: see [`Store::alive`].
    ///
    /// # Errors
    /// As for [`Member::hear`].
    pub async fn alive(&mut self, key: &str, value: &[u8]) -> Result<(), Fault> {
        let said = self.store.alive(key, value).await;
        if said.is_err() {
            self.watch = None;
        }
        said
    }

    async fn list(&mut self) -> Result<(), Fault> {
        let mut view = View::default();
        view.revision = self.store.pages(PREFIX, |page| view.take_page(&page)).await?;
        self.watch = Some(self.store.watch(PREFIX, view.revision + 1).await?);
        if let Some(before) = &self.view {
            self.fresh.listed(before, &view);
        }
        self.view = Some(view);
        self.listed = Some(Instant::now());
        self.lists += 1;
        self.fresh.more = true;
        Ok(())
    }

    async fn news(&mut self) -> Result<(), Fault> {
        let (Some(watch), Some(view)) = (&mut self.watch, &mut self.view) else { return Ok(()) };
        let news = watch.next().await?;
        for (revision, event) in &news.events {
            self.fresh.hear(view, event);
            view.take(*revision, event);
        }
        view.revision = view.revision.max(news.revision);
        Ok(())
    }
}

impl Fresh {
    /// Takes note of the blocks that were written between two lists of one store.
    fn listed(&mut self, before: &View, after: &View) {
        let written = after.blocks.iter().filter(|(_, kept)| kept.modified > before.revision);
        for (place, _) in written {
            let old = before.blocks.get(place).map(|kept| kept.value.h.clone());
            self.blocks.entry(place.clone()).or_insert(old);
        }
    }

    /// Takes note of what is about to change in `view`.
    fn hear(&mut self, view: &View, event: &Event) {
        match event.key().parse() {
            Ok(Key::Block(place)) if matches!(event, Event::Put(_)) => {
                let before = view.blocks.get(&place).map(|kept| kept.value.h.clone());
                self.blocks.entry(place).or_insert(before);
            }
            Ok(Key::Exception(network, ip)) if matches!(event, Event::Put(_)) => {
                let one = (network, ip);
                let before = view.exceptions.get(&one).filter(|kept| !kept.value.asked);
                let before = before.map(|kept| kept.value.h.clone());
                self.singles.entry(one).or_insert(before);
            }
            // Of a host that is new nothing is known that could change.
            Ok(Key::Host(id)) if !view.hosts.contains_key(&id) => {}
            Ok(_) | Err(_) => self.more = true,
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::keep::Item;

    #[test]
    fn a_block_that_was_written_between_two_lists_is_news_too() {
        let at = |revision, blocks: &[(&str, u64, u8)]| {
            let mut view = View::default();
            for (block, modified, host) in blocks {
                let value = format!(r#"{{"h":"{host:032x}","gen":1,"state":"own"}}"#).into_bytes();
                let key = format!("{PREFIX}blk/web/{block}-24");
                let item = Item { key, value, created: 1, modified: *modified };
                view.take(*modified, &Event::Put(item));
            }
            view.revision = revision;
            view
        };
        let mut fresh = Fresh::default();
        let before = at(9, &[("0a050100", 3, 1), ("0a050200", 4, 1)]);
        fresh.listed(
            &before,
            &at(20, &[("0a050100", 3, 1), ("0a050200", 12, 2), ("0a050300", 15, 3)]),
        );
        let place = |block: &str| Place::try_from(format!("web {block}")).unwrap();
        let moved = (place("10.5.2.0/24"), Some(HostId::new(1)));
        assert_eq!(fresh.blocks, [moved, (place("10.5.3.0/24"), None)].into());
        // A store that was put back says nothing new.
        let mut fresh = Fresh::default();
        fresh.listed(&at(20, &[]), &at(9, &[("0a050100", 3, 1)]));
        assert_eq!(fresh, Fresh::default());
    }

    #[test]
    fn what_is_more_than_a_block_of_somebody_is_told_apart() {
        let put = |key: &str| {
            let value = br#"{"name":"x","token":"x","gen":1}"#.to_vec();
            Event::Put(Item { key: format!("{PREFIX}{key}"), value, created: 1, modified: 1 })
        };
        let (mut view, mut fresh) = (View::default(), Fresh::default());
        let host = put("host/00000000000000000000000000000007");
        for event in [&host, &put("blk/web/0a050100-24")] {
            fresh.hear(&view, event);
            view.take(1, event);
        }
        let place: Place = "web 10.5.1.0/24".to_owned().try_into().unwrap();
        let heard = Fresh { blocks: [(place, None)].into(), ..Fresh::default() };
        assert_eq!(fresh, heard);
        let single = |host: u8, asked: bool| {
            let key = format!("{PREFIX}exc/web/0a050107");
            let value = format!(r#"{{"h":"{host:032x}","gen":1,"asked":{asked}}}"#).into_bytes();
            Event::Put(Item { key, value, created: 1, modified: 1 })
        };
        let one = ("web".parse().unwrap(), [10, 5, 1, 7].into());
        // Who has asked for an address has not had it.
        for (event, before) in
            [(single(7, true), None), (single(7, false), None), (single(8, false), Some(7))]
        {
            let mut fresh = Fresh::default();
            fresh.hear(&view, &event);
            let before = before.map(HostId::new);
            let singles = [(Clone::clone(&one), before)].into();
            assert_eq!(fresh, Fresh { singles, ..Fresh::default() });
            view.take(1, &event);
        }
        fresh.hear(&view, &host);
        assert!(fresh.more, "a host that was known is another now");
        for key in ["net/web", "blk/web/0a050101-24", "meta"] {
            let mut fresh = Fresh::default();
            fresh.hear(&view, &put(key));
            assert!(fresh.more, "{key}");
        }
        for key in ["blk/web/0a050100-24", "exc/web/0a050107"] {
            let mut fresh = Fresh::default();
            fresh.hear(&view, &Event::Gone { key: format!("{PREFIX}{key}") });
            assert!(fresh.more, "{key}");
        }
    }
}
