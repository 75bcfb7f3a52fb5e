//! The links of one namespace: names ⇄ indices, which the kernel's messages are full of.
//!
//!     ip -o link  →  2: eth0@if7 … link-netnsid 1
//!
//! Fill it from every link message before decoding anything, and show it the tables of the
//! namespaces where veth peers live ([`Links::see`]).

use std::collections::BTreeMap;

use ropewalk_facts::{IfName, Mac, Ns, Peer};

use super::link;
use crate::Error;
use crate::nl::Message;

/// Names, indices and hardware addresses of the links of one namespace.
#[derive(Clone, Debug, Default)]
pub struct Links {
    ns: Ns,
    by_name: BTreeMap<IfName, u32>,
    /// `None` where the kernel's name is none that facts can hold: such a link is passed over.
    by_index: BTreeMap<u32, Option<IfName>>,
    macs: BTreeMap<u32, Mac>,
    far: BTreeMap<i32, (Ns, BTreeMap<u32, IfName>)>,
}

impl Links {
    /// An empty table for `ns`.
    #[must_use]
    pub fn new(ns: Ns) -> Self {
        Self { ns, ..Self::default() }
    }

    /// The namespace.
    #[must_use]
    pub fn ns(&self) -> &Ns {
        &self.ns
    }

    /// Takes over index, name and hardware address from a link message; other messages say
    /// nothing. A link that the message says is gone is forgotten.
    pub fn learn(&mut self, message: &Message<'_>) {
        let Some(entry) = link::entry(message) else { return };
        self.forget(entry.index);
        if entry.gone {
            return;
        }
        if let Some(mac) = entry.mac {
            self.macs.insert(entry.index, mac);
        }
        match entry.name {
            Some(name) => self.insert(name, entry.index),
            None => drop(self.by_index.insert(entry.index, None)),
        }
    }

    /// Records that `name` has `index`, and that no other name has it.
    pub fn insert(&mut self, name: IfName, index: u32) {
        if let Some(before) = self.by_name.insert(name.clone(), index) {
            self.by_index.remove(&before);
        }
        if let Some(Some(other)) = self.by_index.insert(index, Some(name.clone()))
            && other != name
        {
            self.by_name.remove(&other);
        }
    }

    /// Forgets the link of `index`.
    pub fn forget(&mut self, index: u32) {
        if let Some(Some(name)) = self.by_index.remove(&index) {
            self.by_name.remove(&name);
        }
        self.macs.remove(&index);
    }

    /// The index of `name`.
    #[must_use]
    pub fn index(&self, name: &IfName) -> Option<u32> {
        self.by_name.get(name).copied()
    }

    /// The name of `index`.
    #[must_use]
    pub fn name(&self, index: u32) -> Option<&IfName> {
        self.by_index.get(&index)?.as_ref()
    }

    /// The names, in order, with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (&IfName, u32)> {
        self.by_name.iter().map(|(name, index)| (name, *index))
    }

    /// Records that this namespace knows that of `other` by the number `nsid`.
    pub fn see(&mut self, nsid: i32, other: &Self) {
        let names = other.by_name.iter().map(|(name, index)| (*index, name.clone()));
        let (ns, known) = self.far.entry(nsid).or_default();
        if *ns != other.ns {
            (*ns, *known) = (other.ns.clone(), BTreeMap::new());
        }
        known.extend(names);
    }

    /// The link of `index` in this namespace, or in the one known as `nsid`.
    pub(super) fn peer(&self, nsid: Option<i32>, index: u32) -> Option<Peer> {
        let (ns, name) = match nsid {
            None => (&self.ns, self.name(index)?),
            Some(nsid) => {
                let (ns, names) = self.far.get(&nsid)?;
                (ns, names.get(&index)?)
            }
        };
        Some(Peer { ns: ns.clone(), name: name.clone() })
    }

    /// The index of `name`, which must be known.
    pub(super) fn need(&self, name: &IfName) -> Result<u32, Error> {
        self.index(name).ok_or_else(|| Error::NoIndex(name.clone()))
    }

    /// The name of `index`, which must be known; `None` for a name that facts cannot hold.
    pub(super) fn dev(&self, index: u32) -> Result<Option<IfName>, Error> {
        self.by_index.get(&index).cloned().ok_or(Error::NoName(index))
    }

    /// True when a device of this namespace has the hardware address.
    pub(super) fn owns(&self, mac: Mac) -> bool {
        mac.is_unicast() && self.macs.values().any(|m| *m == mac)
    }
}
