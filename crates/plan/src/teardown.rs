//! The shortest way to take down what a plan made.
//!
//!     plan: leg and eth0, addresses, routes, two map elements ──▶ Absent: two elements, leg
//!
//! Never here: what the plan ensured; that is not its own.

use std::collections::BTreeSet;

use ropewalk_facts::{Fact, Key};

use crate::invert::stays;
use crate::lineage::{goes_with, peer_key};
use crate::{Plan, Step};

/// The fewest removals that take everything with them that `plan` creates, last made first.
#[must_use]
pub fn teardown(plan: &Plan) -> Plan {
    let created: Vec<&Fact> = plan
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Create(fact) => Some(fact),
            Step::Ensure(_) | Step::Absent(_) => None,
        })
        .collect();
    let peer = |fact: &Fact| fact.body.as_link().and_then(peer_key);
    let mut gone: BTreeSet<Key> = created.iter().map(|fact| fact.key()).collect();
    gone.extend(created.iter().filter_map(|fact| peer(fact)));

    let mut first_ends = BTreeSet::new();
    let mut asked = vec![];
    for fact in created {
        let second_end = peer(fact).is_some_and(|peer| first_ends.contains(&peer));
        first_ends.insert(fact.key());
        if !second_end && !stays(&fact.key()) && !goes_with(fact, &gone) {
            asked.push(Step::Absent(fact.key()));
        }
    }
    let mut down = Plan::new();
    for step in asked.into_iter().rev() {
        // The keys of a plan are unique, so these are.
        down.push(step).ok();
    }
    down
}
