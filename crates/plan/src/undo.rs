//! Undoing what is left of a list of changes, of which perhaps only a part was carried out.
//!
//!     changes of a crashed run + what is found now ──▶ changes that leave nothing of them
//!
//! What was made goes when it is still there and still looks like ours.  A value that was changed
//! goes back when it still is what it was changed to, one field at a time.  What was removed is
//! made again when it is not there.
//! Never here: finding out what was carried out; it follows from what is found.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::{Body, Fact, Id, Key, Link, MemberFlags, Snapshot};

use crate::holds::{holds, ours};
use crate::invert::stays;
use crate::lineage::{devs, goes_with, origin_key, peer_key};
use crate::{Change, apply, invert};

/// What of the inverse of `changes` applies to `found`, whatever part of them was carried out.
/// `found` has to know the objects of `changes`, and may know more.
#[must_use]
pub fn undo(changes: &[Change], found: &Snapshot) -> Vec<Change> {
    let mut now = found.clone();
    let mut out = vec![];
    let mut lost = Lost::of(changes);
    for change in invert(changes) {
        if lost.misses(&change, &now, &out) {
            continue;
        }
        if out.iter().any(|cause| takes_away(cause, &change)) {
            out.extend(kept(change, &now));
        } else if let Some(change) = still(change, &now) {
            apply([&change], &mut now);
            out.push(change);
        }
    }
    drop_detours(&mut out);
    ask_for_orphans(out)
}

/// Links that were moved and do not come back, since they are no more.
struct Lost {
    /// What was moved, by where it belongs.
    away: BTreeSet<Key>,
    lost: BTreeSet<Key>,
}

impl Lost {
    fn of(changes: &[Change]) -> Self {
        let moved = changes.iter().filter_map(|c| origin_key(c.new.as_ref()?.body.as_link()?));
        Self { away: moved.collect(), lost: BTreeSet::new() }
    }

    /// True when `change` speaks of a link that is lost, or of what was on it.
    fn misses(&mut self, change: &Change, now: &Snapshot, out: &[Change]) -> bool {
        let Some(new) = &change.new else { return false };
        let comes_back = |done: &Change| {
            let gone = done.old.as_ref().filter(|_| done.removes()).and_then(|f| f.body.as_link());
            gone.and_then(origin_key).as_ref() == Some(&change.key)
        };
        let away = self.away.contains(&change.key) && !now.contains(&change.key);
        if away && !out.iter().any(comes_back) {
            self.lost.insert(change.key.clone());
        }
        let on = devs(&new.body).into_iter().map(|dev| Id::Link(dev).at(new.ns.clone()));
        self.lost.contains(&change.key) || on.into_iter().any(|link| self.lost.contains(&link))
    }
}

/// A setting that would change and change back stays.
fn drop_detours(changes: &mut Vec<Change>) {
    let mut ends: BTreeMap<Key, (Option<Fact>, Option<Fact>)> = BTreeMap::new();
    for change in changes.iter().filter(|c| matches!(c.key.id, Id::Sysctl(_))) {
        let first = || (change.old.clone(), None);
        ends.entry(change.key.clone()).or_insert_with(first).1 = change.new.clone();
    }
    let noted = |change: &Change| change.old == change.new;
    changes.retain(|change| {
        noted(change) || ends.get(&change.key).is_none_or(|(old, new)| old != new)
    });
}

/// True when putting back the setting `cause` may take away the value of the setting in `own`, that of
/// an interface.
fn takes_away(cause: &Change, own: &Change) -> bool {
    let of_one = |change: &Change| {
        if let Id::Sysctl(path) = &change.key.id { Some(path.dev().is_some()) } else { None }
    };
    cause.key.ns == own.key.ns && of_one(cause) == Some(false) && of_one(own) == Some(true)
}

/// A setting that is set to what it shall be, be it so now: something else takes it away. What
/// somebody else has set it to meanwhile it keeps.
fn kept(change: Change, now: &Snapshot) -> Option<Change> {
    let (set, before) = (change.old.as_ref()?, change.new.as_ref()?);
    let found = now.fact(&change.key)?;
    let new = restore(set, before, found);
    Some(Change { old: Some(found.clone()), new: Some(new), ..change })
}

fn still(change: Change, now: &Snapshot) -> Option<Change> {
    let found = now.fact(&change.key);
    match (&change.old, &change.new) {
        (Some(made), None) => {
            let mut found = found.filter(|found| ours(made, found))?.clone();
            if let (Body::Link(made), Body::Link(found)) = (&made.body, &mut found.body)
                && made.kind.origin().is_some()
            {
                // That is how it goes.
                found.kind = made.kind.clone();
            }
            Some(Change { old: Some(found), ..change })
        }
        (None, Some(_)) => found.is_none_or(makes_room).then_some(change),
        (Some(set), Some(before)) => {
            let found = found?;
            let new = restore(set, before, found);
            (new != *found).then(|| Change { old: Some(found.clone()), new: Some(new), ..change })
        }
        (None, None) => None,
    }
}

/// True for what the kernel made and gives up when it is stated; an address is there, whoever made it.
fn makes_room(found: &Fact) -> bool {
    found.derived() && found.body.as_addr().is_none()
}

/// `found`, with what still is as `set` says put back to what `before` says.
fn restore(set: &Fact, before: &Fact, found: &Fact) -> Fact {
    let body = match (&set.body, &before.body, &found.body) {
        (Body::Link(s), Body::Link(b), Body::Link(f)) => Body::Link(restore_link(s, b, f)),
        (Body::Member(s), Body::Member(b), Body::Member(f)) => {
            Body::Member(restore_member(s, b, f))
        }
        _ if holds(set, found) => before.body.clone(),
        _ => found.body.clone(),
    };
    body.at(found.ns.clone())
}

fn field<T: PartialEq + Clone>(set: &T, before: &T, found: &T) -> T {
    if set == found { before.clone() } else { found.clone() }
}

fn restore_link(set: &Link, before: &Link, found: &Link) -> Link {
    let added: BTreeSet<_> = set.altnames.difference(&before.altnames).collect();
    let lost = before.altnames.difference(&set.altnames);
    let kept = found.altnames.iter().filter(|name| !added.contains(name));
    Link {
        mac: field(&set.mac, &before.mac, &found.mac).or(found.mac),
        mtu: field(&set.mtu, &before.mtu, &found.mtu).or(found.mtu),
        up: field(&set.up, &before.up, &found.up),
        master: field(&set.master, &before.master, &found.master),
        altnames: kept.chain(lost).cloned().collect(),
        alias: field(&set.alias, &before.alias, &found.alias),
        group: field(&set.group, &before.group, &found.group),
        promisc: field(&set.promisc, &before.promisc, &found.promisc),
        allmulti: field(&set.allmulti, &before.allmulti, &found.allmulti),
        vlan_filtering: field(&set.vlan_filtering, &before.vlan_filtering, &found.vlan_filtering),
        txqlen: field(&set.txqlen, &before.txqlen, &found.txqlen),
        ..found.clone()
    }
}

fn restore_member(set: &MemberFlags, before: &MemberFlags, found: &MemberFlags) -> MemberFlags {
    let flag = |of: fn(&MemberFlags) -> Option<bool>| {
        field(&of(set), &of(before), &of(found)).or(of(found))
    };
    MemberFlags {
        dev: found.dev.clone(),
        hairpin: flag(|x| x.hairpin),
        isolated: flag(|x| x.isolated),
        learning: flag(|x| x.learning),
        flood: flag(|x| x.flood),
        neigh_suppress: flag(|x| x.neigh_suppress),
        vlans: field(&set.vlans, &before.vlans, &found.vlans),
    }
}

/// A removal whose cause no longer applies has to be asked for, or does not happen.
fn ask_for_orphans(changes: Vec<Change>) -> Vec<Change> {
    let gone: BTreeSet<Key> =
        changes.iter().filter(|c| c.removes()).map(|c| c.key.clone()).collect();
    let altered: BTreeSet<Key> =
        changes.iter().filter(|c| !c.removes()).map(|c| c.key.clone()).collect();
    let caused = |fact: &Fact| {
        goes_with(fact, &gone)
            || fact.body.as_link().and_then(peer_key).is_some_and(|peer| gone.contains(&peer))
            || fact.body.as_member().is_some_and(|member| {
                altered.contains(&Id::Link(member.dev.clone()).at(fact.ns.clone()))
            })
    };
    let mut kept = BTreeSet::new();
    let mut out = vec![];
    for change in changes {
        let orphan = change.implied && change.old.as_ref().is_some_and(|old| !caused(old));
        if change.removes() && orphan && stays(&change.key) {
            kept.insert(change.key);
        } else if change.removes() && orphan {
            out.push(Change { implied: false, ..change });
        } else if !(change.makes() && kept.contains(&change.key)) {
            out.push(change);
        }
    }
    out
}
