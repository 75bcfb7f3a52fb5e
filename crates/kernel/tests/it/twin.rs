//! The twin test: the script of a plan, run in one network, and the plan itself, carried out over
//! netlink in another, leave the same behind.

use ropewalk_facts::{Body, Key, Link, Snapshot};
use ropewalk_plan::testing::case;
use ropewalk_plan::{Change, Plan, predict, render};

use crate::laws::{bridged, lasting, plan_of, proxy};
use crate::random::{build, seeds, world};
use crate::space::{Host, same};

/// What a change list leaves in a world that `host` makes, carried out by `how`.
fn left_by(
    host: impl FnOnce() -> Host + Send + 'static,
    plan: Plan,
    how: fn(&mut Host, &[Change], &Snapshot),
) -> Snapshot {
    let thread = std::thread::spawn(move || {
        let mut host = host();
        let before = host.all();
        let changes = predict(&plan, &mut before.clone()).unwrap();
        how(&mut host, &changes, &before);
        host.open_new();
        without_chance(lasting(&host.all()))
    });
    thread.join().unwrap_or_else(|_| panic!("one of the twins died"))
}

fn by_netlink(host: &mut Host, changes: &[Change], _before: &Snapshot) {
    host.carry_out(changes);
}

fn by_script(host: &mut Host, changes: &[Change], before: &Snapshot) {
    host.net.sh(&format!("set -x\n{}", render(changes, before)));
}

/// Without hardware addresses that the kernel drew: ours begin with 02:00:00.
fn without_chance(snapshot: Snapshot) -> Snapshot {
    let facts = snapshot.iter().cloned().map(|mut fact| {
        if let Body::Link(link) = &fact.body {
            let mac = link.mac.filter(|mac| mac.0.starts_with(&[2, 0, 0]));
            fact.body = Body::Link(Link { mac, ..link.clone() });
        }
        fact
    });
    facts.collect()
}

fn twins(host: impl Fn() -> Host + Copy + Send + 'static, plan: &Plan) {
    let netlink = left_by(host, plan.clone(), by_netlink);
    let script = left_by(host, plan.clone(), by_script);
    assert!(
        plan.steps()
            .iter()
            .map(ropewalk_plan::Step::key)
            .any(|key: Key| { netlink.contains(&key) })
    );
    same(&netlink, &script);
}

#[test]
fn a_bridged_network_has_a_twin() {
    twins(Host::new, &plan_of(bridged()));
}

#[test]
fn random_plans_have_twins() {
    for seed in seeds() {
        let host = move || {
            let mut host = world();
            build(&mut host, &case(seed));
            host
        };
        // A script stops at the removal of an entry that the loss of a carrier took away.
        let steps = case(seed).plan.steps().to_vec();
        let plan = plan_of(steps.into_iter().filter(|step| !proxy(step)));
        let found = std::panic::catch_unwind(|| twins(host, &plan));
        assert!(found.is_ok(), "seed {seed}");
    }
}
