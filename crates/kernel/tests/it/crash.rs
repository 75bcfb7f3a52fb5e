//! Killed between any two kernel requests: what was done so far can be undone, and the list of
//! steps is the one that was announced.

use ropewalk_facts::Key;
use ropewalk_plan::{Change, predict, undo};

use crate::laws::{bridged, plan_of};
use crate::space::{Host, same};

/// What the victim does: a bridged network with every noun, in namespaces that are there.
fn changes(host: &mut Host) -> Vec<Change> {
    let mut steps = bridged();
    let table = ropewalk_topology::firewall::facts();
    steps.extend(
        table
            .into_iter()
            .map(|body| ropewalk_plan::Step::Ensure(body.at(ropewalk_facts::Ns::HOST))),
    );
    predict(&plan_of(steps), &mut host.all()).unwrap()
}

/// Run by the test below, in its namespaces, in a process of its own.
#[test]
#[ignore = "it is killed"]
fn victim() {
    let mut host = Host::here();
    let changes = changes(&mut host);
    host.run(&changes);
}

/// Runs [`victim`] with `variables`; whether it lived, and what it said.
fn kill(host: &Host, variables: &str) -> (bool, String) {
    let tests = std::env::current_exe().unwrap();
    let tests = tests.display();
    host.net.try_sh(&format!("{variables} {tests} --exact crash::victim --ignored"))
}

#[test]
fn after_a_kill_at_any_step_what_was_done_is_undone() {
    let mut host = Host::new();
    let list = "/run/ropewalk/steps";
    let before = host.all();
    let changes = changes(&mut host);
    let keys: Vec<Key> = changes.iter().map(|change| change.key.clone()).collect();
    let clean = |host: &mut Host| {
        let found = host.kernel.read_keys(&keys).unwrap();
        host.run(&undo(&changes, &found));
        same(&before.clone().stated(), &host.all().stated());
    };
    let (lived, said) = kill(&host, &format!("ROPEWALK_FAILPOINT_LIST={list}"));
    assert!(lived, "{said}");
    clean(&mut host);
    let steps = host.net.sh(&format!("cat {list}")).lines().count();
    assert!(steps > 20, "{steps}");
    for step in 1..=steps {
        let (lived, said) = kill(&host, &format!("ROPEWALK_FAILPOINT={step}"));
        assert!(!lived && said.contains("running 1 test"), "step {step}: {said}");
        clean(&mut host);
    }
    let (lived, said) = kill(&host, &format!("ROPEWALK_FAILPOINT={}", steps + 1));
    assert!(lived, "{said}");
}
