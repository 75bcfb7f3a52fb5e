//! What of a plan is still to be done.
//!
//! Never here: conflicts; a step that cannot be done stays, and `predict` says why.

use ropewalk_facts::{Fact, Snapshot};

use crate::predict::Run;
use crate::{Plan, Step, holds};

/// The steps of `plan` that do not hold in `snap`, or that stop holding by the steps before them.
/// What shall be created and is there, but differs, is ensured.
#[must_use]
pub fn diff(plan: &Plan, snap: &Snapshot) -> Plan {
    let mut scratch = snap.clone();
    let mut run = Run::new(plan.steps(), &mut scratch);
    let mut rest = Plan::new();
    for step in plan.steps() {
        let found = snap.fact(&step.key());
        if done(step, found) && done(step, run.fact(&step.key())) {
            continue;
        }
        let step = match (step, found) {
            (Step::Create(fact), Some(_)) => Step::Ensure(fact.clone()),
            _ => step.clone(),
        };
        // A conflict stays a conflict in the plan that is returned, and keys stay unique.
        run.step(&step).ok();
        rest.push(step).ok();
    }
    rest
}

fn done(step: &Step, found: Option<&Fact>) -> bool {
    match step {
        Step::Create(wish) | Step::Ensure(wish) => found.is_some_and(|found| holds(wish, found)),
        Step::Absent(_) => found.is_none(),
    }
}
