//! The inverse of a list of changes: carried out after it, everything is as before.
//!
//!     made leg (asked), eth0 (implied), address of eth0, sysctl 0 → 1
//!     ──▶ sysctl 1 → 0, gone address (implied), eth0 (implied), leg (asked)
//!
//! An object that goes with another one of the list is implied; what the kernel took along is made
//! again by asking.  A link that was moved goes back, which is how its removal is carried out; there it is
//! made to be as it was, with its addresses and routes.  An IPv6 address that was there is made again without duplicate detection, and
//! told of it afterwards: it shall not be out of use for a second.  A setting, or flags of a member, of which it was not known what they were,
//! stay as they are.  An asked removal may find its object gone already.
//! Never here: what was found meanwhile (that is `undo`).

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::{Addr, Body, Fact, Id, Key, Link, LinkKind, MemberFlags};

use crate::Change;
use crate::lineage::{goes_with, origin_key, peer_key};
use crate::predict::{born, loopback, new_member};

/// The changes that undo `changes`, in an order in which they can be carried out.
#[must_use]
pub fn invert(changes: &[Change]) -> Vec<Change> {
    let latest = changes.iter().filter_map(|c| Some((&c.key, c.new.as_ref()?))).collect();
    let made = changes.iter().filter(|c| c.makes()).map(|c| c.key.clone()).collect();
    let away = changes.iter().filter(|c| c.makes()).filter_map(|c| away(c.new.as_ref()?)).collect();
    let mut inverse = Inverse { latest, made, away, remade: BTreeSet::new(), out: vec![] };
    changes.iter().rev().for_each(|change| inverse.add(change));
    inverse.out
}

struct Inverse<'a> {
    /// What became of each object in the end.
    latest: BTreeMap<&'a Key, &'a Fact>,
    /// What the changes make: it goes.
    made: BTreeSet<Key>,
    /// What was moved, by where it belongs, and where it is.
    away: BTreeMap<Key, Key>,
    /// What has been made again so far.
    remade: BTreeSet<Key>,
    out: Vec<Change>,
}

impl Inverse<'_> {
    fn add(&mut self, change: &Change) {
        match (&change.old, &change.new) {
            (None, Some(made)) => self.remove(change, made),
            (Some(gone), None) => self.remake(gone),
            // What goes in the end need not be changed back before.
            (Some(_), Some(_)) if self.made.contains(&change.key) => {}
            (Some(old), Some(new)) => {
                // Which address of a subnet is the primary one cannot be asked for.
                let follows = matches!(new.body, Body::Addr(_));
                self.push(Some(new), Some(old), change.implied && follows);
            }
            (None, None) => {}
        }
    }

    fn remove(&mut self, change: &Change, made: &Fact) {
        let made = self.latest.get(&change.key).map_or(made, |latest| *latest).clone();
        let goes = goes_with(&made, &self.made);
        let implied = if stays(&change.key) {
            // A member goes free with a change of its link, which is why its flags were implied.
            let left = matches!(change.key.id, Id::Member(_)) && change.implied;
            if !goes && !left {
                return;
            }
            true
        } else {
            goes || (change.implied && self.other_end_in(&self.made, &made))
        };
        self.push(Some(&made), None, implied);
    }

    fn remake(&mut self, gone: &Fact) {
        if let Some(link) = gone.body.as_link().filter(|link| link.kind == LinkKind::Loopback) {
            self.remake_born(gone, loopback(link.name.clone()));
        } else if let Some(back) = self.comes_back(gone) {
            self.remake_born(gone, back);
        } else if let Some(link) = gone.body.as_link()
            && self.other_end_in(&self.remade, gone)
        {
            self.remake_born(gone, born(link, link.kind.clone()));
        } else if let Some(addr) = gone.body.as_addr().filter(|addr| undetected(addr) != **addr) {
            let quiet = Body::Addr(undetected(addr)).at(gone.ns.clone());
            self.push(None, Some(&quiet), false);
            self.push(Some(&quiet), Some(gone), false);
        } else {
            let default = |flags: &MemberFlags| *flags == new_member(flags.dev.clone());
            self.push(None, Some(gone), gone.body.as_member().is_some_and(default));
        }
        self.remade.insert(gone.key());
    }

    /// A link that was moved as it comes back: down, and else as it is where it was moved to.
    fn comes_back(&self, gone: &Fact) -> Option<Link> {
        let link = gone.body.as_link()?;
        let there = self.latest.get(self.away.get(&gone.key())?)?.body.as_link()?;
        let (name, kind) = (link.name.clone(), link.kind.clone());
        Some(Link { name, kind, up: false, master: None, ..there.clone() })
    }

    /// True when `fact` is an end of a pair of which the other is among `keys`.
    fn other_end_in(&self, keys: &BTreeSet<Key>, fact: &Fact) -> bool {
        fact.body.as_link().and_then(peer_key).is_some_and(|peer| keys.contains(&peer))
    }

    /// A link that comes along with something made before, and what is asked of it afterwards.
    fn remake_born(&mut self, gone: &Fact, born: Link) {
        let born = Body::Link(born).at(gone.ns.clone());
        self.push(None, Some(&born), true);
        if born != *gone {
            self.push(Some(&born), Some(gone), false);
        }
    }

    fn push(&mut self, old: Option<&Fact>, new: Option<&Fact>, implied: bool) {
        let Some(key) = old.or(new).map(Fact::key) else { return };
        let (old, new) = (old.cloned(), new.cloned());
        self.out.push(Change { key, old, new, implied });
    }
}

/// For a link that was moved where it belongs, and where it is.
fn away(fact: &Fact) -> Option<(Key, Key)> {
    Some((origin_key(fact.body.as_link()?)?, fact.key()))
}

/// The address as one that is not checked for duplicates.
fn undetected(addr: &Addr) -> Addr {
    Addr { nodad: addr.key.net.addr().is_ipv6(), ..addr.clone() }
}

/// True for objects that cannot be removed by asking.
pub(crate) fn stays(key: &Key) -> bool {
    matches!(key.id, Id::Sysctl(_) | Id::Member(_))
}
