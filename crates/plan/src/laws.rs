//! The laws, on random plans: applied ⇒ diff empty · twice = once · undo restores, wherever the
//! run was cut off.
//!
//! A list of changes is carried out here as the kernel would: only what is asked for is done, and
//! what follows from it follows by the rules of `predict`.  A wrong `implied` shows as a snapshot
//! that differs.  The twin of these tests in the kernel layer does the same in real namespaces.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;

use ropewalk_facts::{Id, Key, Snapshot};

use crate::predict::Run;
use crate::testing::{Case, case, start};
use crate::{
    Change, Conflict, Plan, Step, apply, diff, holds, invert, lineage, predict, teardown, undo,
};

const SEEDS: std::ops::Range<u64> = 0..100;
/// Where a setting of an interface is taken away by undoing that of all.
const TAKEN_AWAY: u64 = 1781;

/// The world of a case, what its plan changes, and the world after.
fn run(case: &Case) -> (Snapshot, Vec<Change>, Snapshot) {
    let mut before = start();
    predict(&case.before, &mut before).unwrap();
    let mut after = before.clone();
    let changes = predict(&case.plan, &mut after).unwrap();
    (before, changes, after)
}

/// Does what is asked for; the rest has to follow.
fn carry_out(changes: &[Change], snap: &mut Snapshot) {
    let born = changes.iter().filter(|c| c.implied && c.makes());
    let steps: Vec<Step> = born.filter_map(|c| c.new.clone()).map(Step::Ensure).collect();
    let mut run = Run::new(&steps, snap);
    changes.iter().filter(|c| !c.implied).for_each(|change| run.carry_out(change));
}

/// Without settings and flags that were not known before: those stay as they are.
fn known(mut snap: Snapshot, before: &Snapshot) -> Snapshot {
    snap.retain(|fact| {
        let key = fact.key();
        !matches!(key.id, Id::Sysctl(_) | Id::Member(_)) || before.contains(&key)
    });
    snap
}

fn assert_same(seed: u64, what: &str, found: &Snapshot, wanted: &Snapshot) {
    let only = |a: &Snapshot, b: &Snapshot| {
        let lacking = a.iter().filter(|fact| b.fact(&fact.key()) != Some(fact));
        lacking.map(|fact| format!("  {fact:?}\n")).collect::<String>()
    };
    let (more, less) = (only(found, wanted), only(wanted, found));
    assert!(found == wanted, "seed {seed}, {what}\nfound:\n{more}instead of:\n{less}");
}

#[test]
fn every_noun_and_every_verb_occurs() {
    let mut nouns = BTreeSet::new();
    for seed in SEEDS {
        let (_, changes, _) = run(&case(seed));
        nouns.extend(changes.iter().map(|c| {
            let id = format!("{:?}", c.key.id);
            let noun = id.split('(').next().unwrap_or_default().to_string();
            (noun, c.old.is_some(), c.new.is_some())
        }));
    }
    let has = |noun: &str, old, new| nouns.contains(&(noun.to_string(), old, new));
    let all = [
        "Netns", "Link", "Member", "Sysctl", "Addr", "Route", "Rule", "Neigh", "Fdb", "Table",
        "Set", "Chain", "NftRule", "Element",
    ];
    for noun in all {
        assert!(has(noun, false, true), "no {noun} is made");
        assert!(has(noun, true, false), "no {noun} goes");
    }
    for noun in ["Link", "Member", "Sysctl", "Route", "Neigh", "Chain", "NftRule"] {
        assert!(has(noun, true, true), "no {noun} is altered");
    }
}

#[test]
fn changes_carried_out_give_the_predicted_snapshot() {
    for seed in SEEDS {
        let (before, changes, after) = run(&case(seed));
        let mut literal = before.clone();
        apply(&changes, &mut literal);
        assert_same(seed, "literally", &literal, &after);
        let mut asked = before;
        carry_out(&changes, &mut asked);
        assert_same(seed, "by what is asked", &asked, &after);
    }
}

#[test]
fn applied_then_nothing_is_left_to_do() {
    for seed in SEEDS {
        let case = case(seed);
        let (_, _, after) = run(&case);
        let rest = diff(&case.plan, &after);
        assert!(rest.is_empty(), "seed {seed}: {:?}", rest.steps());
    }
}

#[test]
fn twice_is_once() {
    for seed in SEEDS {
        let case = case(seed);
        let (_, _, mut after) = run(&case);
        let mut lenient = Plan::new();
        for step in case.plan.steps() {
            let step = match step {
                Step::Create(fact) => Step::Ensure(fact.clone()),
                Step::Ensure(_) | Step::Absent(_) => step.clone(),
            };
            lenient.push(step).unwrap();
        }
        assert_eq!(predict(&lenient, &mut after.clone()), Ok(vec![]), "seed {seed}");
        if case.plan.steps().iter().any(|step| matches!(step, Step::Create(_))) {
            let again = predict(&case.plan, &mut after);
            assert!(matches!(again, Err(Conflict::AlreadyThere(_))), "seed {seed}");
        }
    }
}

#[test]
fn the_difference_makes_up_for_what_is_missing() {
    for seed in SEEDS {
        let case = case(seed);
        let (mut found, changes, after) = run(&case);
        carry_out(changes.get(..changes.len() / 2).unwrap(), &mut found);
        let rest = diff(&case.plan, &found);
        predict(&rest, &mut found).unwrap();
        let unmet = |step: &&Step| match step {
            Step::Create(wish) | Step::Ensure(wish) => {
                !found.fact(&wish.key()).is_some_and(|found| holds(wish, found))
            }
            Step::Absent(key) => found.contains(key),
        };
        let unmet: Vec<_> = case.plan.steps().iter().filter(unmet).collect();
        assert!(unmet.is_empty(), "seed {seed}: {unmet:?}\n{after:?}");
    }
}

#[test]
fn the_inverse_restores() {
    for seed in SEEDS {
        let (before, changes, after) = run(&case(seed));
        let inverse = invert(&changes);
        let mut literal = after.clone();
        apply(&inverse, &mut literal);
        assert_same(seed, "literally", &known(literal, &before), &before);
        let mut asked = after;
        carry_out(&inverse, &mut asked);
        assert_same(seed, "by what is asked", &known(asked, &before), &before);
    }
}

#[test]
fn undoing_restores_wherever_the_run_was_cut_off() {
    for seed in SEEDS {
        let (before, changes, _) = run(&case(seed));
        for cut in 0..=changes.len() {
            let mut found = before.clone();
            carry_out_part(&changes, cut, &mut found);
            let back = undo(&changes, &found);
            carry_out(&back, &mut found);
            assert_same(seed, &format!("cut at {cut}"), &known(found, &before), &before);
        }
    }
}

/// Carries out the first `cut` changes; the far end of a pair is known to the request for the pair.
fn carry_out_part(changes: &[Change], cut: usize, snap: &mut Snapshot) {
    let part: Vec<Change> = changes
        .iter()
        .enumerate()
        .filter(|(i, change)| *i < cut || change.implied)
        .map(|(_, change)| change.clone())
        .collect();
    carry_out(&part, snap);
}

#[test]
fn undoing_twice_does_nothing_more() {
    for seed in SEEDS {
        let (before, changes, mut found) = run(&case(seed));
        carry_out(&undo(&changes, &found), &mut found);
        let again = undo(&changes, &known(found, &before));
        assert_eq!(again, vec![], "seed {seed}");
    }
}

#[test]
fn a_value_that_somebody_changed_meanwhile_stays() {
    for seed in SEEDS.chain([TAKEN_AWAY]) {
        let (_, changes, after) = run(&case(seed));
        for change in &changes {
            let Some(sysctl) = change.new.as_ref().and_then(|new| new.body.as_sysctl()) else {
                continue;
            };
            let mut found = after.clone();
            let theirs = ropewalk_facts::Sysctl { value: "77".into(), ..sysctl.clone() };
            let theirs = ropewalk_facts::Body::Sysctl(theirs).at(change.key.ns.clone());
            found.insert(theirs.clone());
            let gone = undo(&changes, &found);
            carry_out(&gone, &mut found);
            // It may go with its interface.
            let now = found.fact(&change.key);
            assert!(now.is_none_or(|now| *now == theirs), "seed {seed}: {theirs:?} is {now:?}");
        }
    }
}

#[test]
fn a_teardown_takes_all_that_was_created() {
    for seed in SEEDS {
        let case = case(seed);
        let (_, _, after) = run(&case);
        let down = teardown(&case.plan);
        let mut rest = after.clone();
        predict(&down, &mut rest).unwrap();
        let created = case.plan.steps().iter().filter_map(|step| match step {
            Step::Create(fact) => Some(fact.key()),
            Step::Ensure(_) | Step::Absent(_) => None,
        });
        let left: Vec<Key> = created.filter(|key| rest.contains(key)).collect();
        assert_eq!(left, vec![], "seed {seed}");
        // What goes with an address or a bridge depends on what else is there, and a namespace may
        // live on without its name: a plan counts on none of these.
        let counts = |step: &&Step| {
            let key = step.key();
            let pair = matches!(&key.id, Id::Link(_)) && {
                let link = after.fact(&key).and_then(|fact| fact.body.as_link());
                link.is_some_and(|link| lineage::leads_out(&key.ns, link))
            };
            let named =
                pair && case.plan.steps().iter().any(|s| matches!(s.key().id, Id::Netns(_)));
            !named
                && !matches!(
                    key.id,
                    Id::Addr(_)
                        | Id::Route(_)
                        | Id::Neigh(_)
                        | Id::Fdb(_)
                        | Id::Qdisc(_)
                        | Id::Filter(_)
                        | Id::NftRule(_)
                        | Id::Element(_)
                )
        };
        for step in down.steps().iter().filter(counts) {
            let mut rest = Plan::new();
            let others = down.steps().iter().filter(|other| *other != step);
            others.for_each(|other| rest.push(other.clone()).unwrap());
            let (_, _, mut after) = run(&case);
            predict(&rest, &mut after).unwrap();
            assert!(after.contains(&step.key()), "seed {seed}: {step:?} is needless");
        }
    }
}
