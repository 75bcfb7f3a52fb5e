//! Prediction: which changes a plan makes of a snapshot, those the kernel adds included.
//!
//!     Absent(link v7f3) ──▶ implied: route, address, neighbours of v7f3, its other end eth0 …
//!                           asked:   link v7f3
//!
//! What goes with an object stands before it in the list, what comes with it after: the reversed
//! list is an order in which things can be made again.  Facts that the kernel derives leave the
//! snapshot without a change.  A snapshot may be partial: what is not in it is taken to be absent,
//! and nothing fails because something that a fact depends on is not in it.
//! Never here: how changes are asked of the kernel.

mod alter;
mod born;
mod flush;
mod gone;

pub(crate) use born::{born, loopback, new_member};

use std::collections::BTreeSet;

use ropewalk_facts::{Body, Fact, Key, LinkKind, Route, Snapshot};

use crate::apply::put;
use crate::holds::{check_fixed, holds, merge};
use crate::invert::stays;
use crate::{Change, Conflict, Plan, Step};

/// Carries out `plan` on `snap`, and returns what changes, in order. Nothing changes where an
/// object already is as stated.
///
/// # Errors
/// [`Conflict`] names the first object that cannot be made as stated; `snap` is then left as the
/// steps before made it.
pub fn predict(plan: &Plan, snap: &mut Snapshot) -> Result<Vec<Change>, Conflict> {
    let mut run = Run::new(plan.steps(), snap);
    plan.steps().iter().try_for_each(|step| run.step(step))?;
    Ok(run.into_changes())
}

/// A prediction under way.
pub(crate) struct Run<'a> {
    /// All steps of the plan: the far end of a pair is looked up here.
    steps: &'a [Step],
    snap: &'a mut Snapshot,
    out: Vec<Change>,
    /// What came along with objects of this plan: it may be stated as created, too.
    born: BTreeSet<Key>,
    /// What is about to go.
    going: BTreeSet<Key>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(steps: &'a [Step], snap: &'a mut Snapshot) -> Self {
        Self { steps, snap, out: vec![], born: BTreeSet::new(), going: BTreeSet::new() }
    }

    pub(crate) fn into_changes(self) -> Vec<Change> {
        self.out
    }

    /// What is known of an object as things stand.
    pub(crate) fn fact(&self, key: &Key) -> Option<&Fact> {
        self.snap.fact(key)
    }

    pub(crate) fn step(&mut self, step: &Step) -> Result<(), Conflict> {
        match step {
            Step::Create(fact) => {
                let key = fact.key();
                match self.snap.fact(&key) {
                    Some(found) if !self.born.contains(&key) && !replaceable(found) => {
                        Err(Conflict::AlreadyThere(Box::new(key)))
                    }
                    _ => self.ensure(fact),
                }
            }
            Step::Ensure(fact) => self.ensure(fact),
            Step::Absent(key) => self.absent(key),
        }
    }

    fn ensure(&mut self, wish: &Fact) -> Result<(), Conflict> {
        let Some(found) = self.snap.fact(&wish.key()).cloned() else { return self.make(wish) };
        if holds(wish, &found) {
            return Ok(());
        }
        if found.derived() {
            put(self.snap, &wish.key(), None);
            return self.make(wish);
        }
        check_fixed(wish, &found)?;
        self.alter(&found, merge(wish, &found));
        Ok(())
    }

    fn absent(&mut self, key: &Key) -> Result<(), Conflict> {
        let lo = match self.snap.fact(key) {
            None => return Ok(()),
            Some(Fact { body: Body::Link(link), .. }) => link.kind == LinkKind::Loopback,
            Some(_) => false,
        };
        if lo || stays(key) {
            return Err(Conflict::CannotRemove(Box::new(key.clone())));
        }
        let derived = self.snap.fact(key).filter(|found| found.derived()).cloned();
        self.remove(key, false);
        // A route that the kernel made goes when it is asked for, and is made again by asking.
        if let Some(Fact { ns, body: Body::Route(route) }) = derived {
            let old = Some(Body::Route(Route { derived: false, ..route }).at(ns));
            self.out.push(Change { key: key.clone(), old, new: None, implied: false });
        }
        Ok(())
    }

    /// Records what becomes of an object. Facts that the kernel derives change in silence.
    fn record(&mut self, key: Key, new: Option<Fact>, implied: bool) {
        let old = put(self.snap, &key, new.clone());
        let silent = [&old, &new].into_iter().flatten().all(Fact::derived);
        if !silent && old != new {
            self.out.push(Change { key, old, new, implied });
        }
    }
}

/// Entries that were learned make room for stated ones.
fn replaceable(found: &Fact) -> bool {
    found.derived() && matches!(found.body, Body::Neigh(_) | Body::Fdb(_))
}
