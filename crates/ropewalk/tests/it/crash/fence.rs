//! A host that was taken out of its cluster, and one that is a member again: killed at every step of either.
//!
//!     step 1 ✗ again   step 2 ✗ gc, the other, again …
//!
//! What is killed is what the agent does for a network, and what it does first when it begins anew.

use ropewalk_spec::{Network, RawNetwork};
use ropewalk_testnet::Private;

use super::{host, test_killed};
use crate::host::Host;

/// What the process of the test below does, and to which network.
const DO: &str = "ROPEWALK_TEST_FENCE";

/// A network of a cluster, as it is made on one of its hosts.
fn network(mode: &str) -> Network {
    let (subnet, own) = match mode {
        "flat" => (["10.0.0.0/24", "fd00:aa::/64"], ["10.0.0.48/28", "fd00:aa::30/124"]),
        _ => (["10.5.1.0/24", "fd00:5:1::/64"], ["10.5.1.0/24", "fd00:5:1::/64"]),
    };
    let led = mode != "flat";
    let texts = |all: &[&str]| all.iter().map(ToString::to_string).collect();
    RawNetwork {
        name: "lan".into(),
        mode: Some(mode.into()),
        subnet: texts(&subnet),
        own: texts(&own),
        peer: texts(if led { &["10.0.0.12=10.5.2.0/24"] } else { &[] }),
        pool: texts(if led { &["10.5.0.0/16", "fd00:5::/32"] } else { &[] }),
        ..RawNetwork::default()
    }
    .check()
    .expect("a network")
}

/// As the agent does it, which looks at everything after it.
fn done(host: &Host, verb: &str, mode: &str) {
    let (network, mut engine) = (network(mode), host.engine());
    let left = match verb {
        "fence" => engine.fence(&network.name),
        _ => engine
            .follow_network(&network)
            .and_then(|()| engine.lift_fence(&network.name, &|_| true)),
    };
    let left = left.expect("it is done");
    assert_eq!(left.len(), usize::from(verb == "fence"), "{left:?}");
    engine.repair().expect("a look at everything");
}

#[test]
#[ignore = "it is killed"]
fn fencer() {
    let what = std::env::var(DO).expect(DO);
    let (verb, mode) = what.split_once('-').expect("two words");
    done(&Host { net: Private::inherited() }, verb, mode);
}

/// Kills `verb` at every step. What is there then is finished by the next one, or by the opposite.
fn killed(host: &Host, mode: &str, verb: &str, opposite: &str) {
    let start = host.scene();
    done(host, verb, mode);
    let end = host.scene();
    assert!(start != end, "{verb} does something");
    done(host, opposite, mode);
    start.same(&host.scene(), &format!("{mode}: {verb} and {opposite}"));
    let (vars, mut steps) = (format!("{DO}={verb}-{mode}"), 0);
    while let Some(name) = test_killed(host, "crash::fence::fencer", &vars, steps + 1) {
        let when = format!("{mode}: {verb} killed before step {}, {name}", steps + 1);
        if steps % 2 == 1 {
            host.ok("gc");
            done(host, opposite, mode);
            // A draft of a definition that stays as it is waits for the next one.
            let _absent = std::fs::remove_file("/etc/ropewalk/networks/.lan.new");
            start.same(&host.scene(), &format!("{when}, then {opposite}"));
        }
        done(host, verb, mode);
        end.same(&host.scene(), &format!("{when}, then again"));
        assert_eq!(host.engine().gc(), Ok(Vec::new()), "{when}: gc");
        done(host, opposite, mode);
        start.same(&host.scene(), &format!("{when}, then again and back"));
        steps += 1;
    }
    assert!(steps > 5, "{steps} steps");
    end.same(&host.scene(), "not killed any more");
}

fn survives(mode: &str) {
    let host = host();
    host.unharmed(|| {
        host.engine().follow_network(&network(mode)).expect("a network");
        host.ok("attach new:blue lan --publish 8080:80");
        killed(&host, mode, "fence", "lift");
        killed(&host, mode, "lift", "fence");
        host.is_healthy("in the end");
    });
}

#[test]
fn a_routed_host_whose_fencing_or_return_is_killed_answers_for_all_of_it_or_nothing() {
    survives("routed");
}

#[test]
fn a_flat_host_whose_fencing_or_return_is_killed_answers_for_all_of_it_or_nothing() {
    survives("flat");
}

#[test]
fn a_vxlan_host_whose_fencing_or_return_is_killed_answers_for_all_of_it_or_nothing() {
    survives("vxlan");
}
