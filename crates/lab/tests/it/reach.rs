//! Who reaches whom.

use ropewalk_lab::{Action, Expect, Probe, Standing};
use ropewalk_testnet::Private;

use crate::{LAB, at, stand};

fn probe(from: &str, action: &str, expect: Expect) -> Probe {
    Probe { from: at(from), action: action.parse::<Action>().unwrap(), expect }
}

/// What is sent on a new link may be lost for as long as the kernel is busy elsewhere.
fn comes_out(lab: &Standing, probe: &Probe) {
    let mut answers = Vec::new();
    while answers.len() < 3 {
        let answer = lab.probe(probe).unwrap();
        if probe.expects(&answer) {
            return;
        }
        answers.push(answer);
    }
    panic!("{probe:?}: {answers:?}");
}

#[test]
fn hosts_reach_each_other_through_a_router() {
    let _net = Private::enter();
    let lab = stand(LAB);
    let probes = [
        probe("h1", "ping 192.168.2.1", Expect::Ok),
        probe("h1", "ping 203.0.113.10", Expect::Ok),
        probe("outside", "ping 192.168.2.10", Expect::Ok),
        probe("h1", "ping fd00:2::1", Expect::Ok),
        probe("outside", "ping fd00:2::10", Expect::Ok),
        probe("h1/red", "ping 192.168.2.1", Expect::Fail),
        probe("h1", "ping 192.168.2.77", Expect::Fail),
        probe("h1", "http 203.0.113.10:80", Expect::Fail),
    ];
    for probe in probes {
        comes_out(&lab, &probe);
    }
}

#[test]
fn a_page_tells_whom_the_server_saw() {
    let _net = Private::enter();
    let lab = stand(LAB);
    // The thread ends with the process of the test, which is the only one in it.
    let served = lab.inside(&at("outside"), || std::thread::spawn(|| ropewalk_lab::serve(80)));
    let probes = [
        probe("h1", "http 203.0.113.10:80", Expect::Sees([192, 168, 2, 10].into())),
        probe("h1", "http [2001:db8::10]:80", Expect::Sees("fd00:2::10".parse().unwrap())),
        probe("router", "http 203.0.113.10:80", Expect::Sees([203, 0, 113, 1].into())),
    ];
    for probe in probes {
        comes_out(&lab, &probe);
    }
    let wrong = probe("h1", "http 203.0.113.10:80", Expect::Sees([203, 0, 113, 1].into()));
    assert!(!wrong.expects(&lab.probe(&wrong).unwrap()));
    assert!(!served.unwrap().is_finished());
}
