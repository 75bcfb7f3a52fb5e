//! What a host knows of the store: everything in it, as it was at one revision.
//!
//!     list ─▶ View       event, event ─▶ the same View, newer
//!
//! What cannot be read is kept by its key: it is somebody's, so nothing is put in its place.
//! Never here: decisions.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ropewalk_spec::NetworkName;
use serde::de::DeserializeOwned;

use crate::block::Place;
use crate::endpoint::Spot;
use crate::id::HostId;
use crate::keep::{Event, Item, Listing};
use crate::key::Key;
use crate::record::{Block, Dispute, Drain, Exception, Gone, Host, Meta, Net, Public};

/// A value, and the revision that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept<T> {
    /// The value.
    pub value: T,
    /// The revision.
    pub modified: u64,
}

/// The store, as it was at one revision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct View {
    /// The revision.
    pub revision: u64,
    /// Which cluster.
    pub meta: Option<Kept<Meta>>,
    /// Networks.
    pub nets: BTreeMap<NetworkName, Kept<Net>>,
    /// Hosts.
    pub hosts: BTreeMap<HostId, Kept<Host>>,
    /// Hosts that were removed.
    pub gone: BTreeMap<HostId, Kept<Gone>>,
    /// Hosts that shall own nothing any more.
    pub drains: BTreeMap<HostId, Kept<Drain>>,
    /// Blocks that somebody has or had.
    pub blocks: BTreeMap<Place, Kept<Block>>,
    /// Blocks that two hosts use.
    pub disputes: BTreeMap<Place, Kept<Dispute>>,
    /// Addresses outside their hosts' blocks.
    pub exceptions: BTreeMap<(NetworkName, IpAddr), Kept<Exception>>,
    /// Ports that lead to sandboxes on all hosts.
    pub publics: BTreeMap<Spot, Kept<Public>>,
    /// Keys that mean nothing, or whose values cannot be read.
    pub unreadable: BTreeSet<String>,
    /// The network that was heard of last.
    name: Option<NetworkName>,
}

impl View {
    /// What a list says.
    #[must_use]
    pub fn new(listing: &Listing) -> Self {
        let mut view = Self { revision: listing.revision, ..Self::default() };
        view.take_page(&listing.items);
        view
    }

    /// Takes in more of a list, which is in the order of its keys. Blocks and single addresses, of which
    /// there may be a hundred thousand, are put into full leaves of their maps: one by one, half of each
    /// would be empty.
    pub fn take_page(&mut self, items: &[Item]) {
        let (mut blocks, mut exceptions) = (Vec::new(), Vec::new());
        for item in items {
            match item.key.parse::<Key>() {
                Ok(Key::Block(place)) => {
                    if let Some(kept) = kept(item) {
                        blocks.push((self.shared(place), kept));
                        continue;
                    }
                }
                Ok(Key::Exception(network, block)) => {
                    if let Some(kept) = kept(item) {
                        let block = block.into();
                        let Place { network, block } = self.shared(Place { network, block });
                        exceptions.push(((network, block.addr()), kept));
                        continue;
                    }
                }
                Ok(_) | Err(_) => {}
            }
            self.put(item);
        }
        self.blocks.append(&mut blocks.into_iter().collect());
        self.exceptions.append(&mut exceptions.into_iter().collect());
    }

    /// With a name of the network that others have, too.
    fn shared(&mut self, place: Place) -> Place {
        match &self.name {
            Some(name) if *name == place.network => {
                Place { network: name.clone(), block: place.block }
            }
            Some(_) | None => {
                self.name = Some(place.network.clone());
                place
            }
        }
    }

    /// Takes in what changed at `revision`.
    pub fn take(&mut self, revision: u64, event: &Event) {
        self.revision = self.revision.max(revision);
        match event {
            Event::Put(item) => self.put(item),
            Event::Gone { key } => self.forget(key),
        }
    }

    /// Whether somebody has written something unreadable under `key`.
    #[must_use]
    pub fn occupied(&self, key: &Key) -> bool {
        self.unreadable.contains(&key.to_string())
    }

    /// The record of the block that `ip` belongs to.
    #[must_use]
    pub fn block_of(&self, network: &NetworkName, ip: IpAddr) -> Option<(&Place, &Kept<Block>)> {
        let inside = |place: &&Place| place.network == *network && place.block.contains(&ip);
        self.blocks.iter().find(|(place, _)| inside(place))
    }

    fn put(&mut self, item: &Item) {
        self.unreadable.remove(&item.key);
        let read = match item.key.parse::<Key>() {
            Ok(Key::Meta) => kept(item).map(|meta| self.meta = Some(meta)),
            Ok(Key::Net(name)) => into(&mut self.nets, name, item),
            Ok(Key::Host(id)) => into(&mut self.hosts, id, item),
            Ok(Key::Gone(id)) => into(&mut self.gone, id, item),
            Ok(Key::Drain(id)) => into(&mut self.drains, id, item),
            Ok(Key::Block(place)) => {
                let place = self.shared(place);
                into(&mut self.blocks, place, item)
            }
            Ok(Key::Dispute(place)) => into(&mut self.disputes, place, item),
            Ok(Key::Exception(network, ip)) => into(&mut self.exceptions, (network, ip), item),
            Ok(Key::Public(spot)) => into(&mut self.publics, spot, item),
            Err(_) => None,
        };
        if read.is_none() {
            self.forget(&item.key);
            self.unreadable.insert(item.key.clone());
        }
    }

    fn forget(&mut self, key: &str) {
        self.unreadable.remove(key);
        match key.parse::<Key>() {
            Ok(Key::Meta) => self.meta = None,
            Ok(Key::Net(name)) => drop(self.nets.remove(&name)),
            Ok(Key::Host(id)) => drop(self.hosts.remove(&id)),
            Ok(Key::Gone(id)) => drop(self.gone.remove(&id)),
            Ok(Key::Drain(id)) => drop(self.drains.remove(&id)),
            Ok(Key::Block(place)) => drop(self.blocks.remove(&place)),
            Ok(Key::Dispute(place)) => drop(self.disputes.remove(&place)),
            Ok(Key::Exception(network, ip)) => drop(self.exceptions.remove(&(network, ip))),
            Ok(Key::Public(spot)) => drop(self.publics.remove(&spot)),
            Err(_) => {}
        }
    }
}

fn kept<T: DeserializeOwned>(item: &Item) -> Option<Kept<T>> {
    let value = serde_json::from_slice(&item.value).ok()?;
    Some(Kept { value, modified: item.modified })
}

fn into<K: Ord, T: DeserializeOwned>(
    map: &mut BTreeMap<K, Kept<T>>,
    key: K,
    item: &Item,
) -> Option<()> {
    map.insert(key, kept(item)?);
    Some(())
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::key::PREFIX;

    fn item(key: &str, value: &str, modified: u64) -> Item {
        let key = format!("{PREFIX}{key}");
        Item { key, value: value.as_bytes().to_vec(), created: 1, modified }
    }

    #[test]
    fn events_lead_to_what_a_list_says() {
        let owner = r#"{"h":"00000000000000000000000000000007","gen":1,"state":"own","new":1}"#;
        let items = vec![
            item("blk/web/0a050100-24", owner, 4),
            item("meta", r#"{"schema":1,"cluster":"c"}"#, 2),
        ];
        let listed = View::new(&Listing { items: items.clone(), revision: 6 });
        let mut watched = View::default();
        let odd = item("meta", "not JSON", 1);
        watched.take(1, &Event::Put(odd.clone()));
        assert!(watched.occupied(&Key::Meta) && watched.meta.is_none());
        for item in items {
            watched.take(item.modified, &Event::Put(item));
        }
        let extra =
            item("exc/web/0a050107", r#"{"h":"00000000000000000000000000000007","gen":1}"#, 5);
        watched.take(5, &Event::Put(extra.clone()));
        watched.take(6, &Event::Gone { key: extra.key });
        assert_eq!(watched, listed);
        let place = "web 10.5.1.0/24".to_owned().try_into().unwrap();
        assert_eq!(listed.blocks.get(&place).unwrap().value.h, HostId::new(7));
        assert!(listed.block_of(&"web".parse().unwrap(), "10.5.1.9".parse().unwrap()).is_some());
        watched.take(7, &Event::Put(odd));
        assert!(watched.meta.is_none(), "what was readable is not any more");
    }
}
