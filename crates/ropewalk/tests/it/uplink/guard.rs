//! What goes back by itself: a move that was killed, that cut the host off, that nobody confirmed.

use std::io::Write as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{LAN, LONG, guards, host, small};
use crate::crash::{Leaves, killed_each};
use crate::host::Host;
use crate::scene::Scene;

/// A rule of somebody's that lets no answer of the gateway in by the bridge.
const DEAF: &str = "nft 'table inet deaf { chain in { type filter hook input priority 0; \
                    iifname \"rw-lan\" icmp type echo-reply drop; }; }'";

#[test]
fn a_move_that_is_killed_anywhere_goes_back_without_anybody() {
    let host = host();
    let before = host.scene();
    host.ok(LAN);
    let moved = host.scene();
    host.ok("network rm lan");
    let steps = killed_each(LAN, |at| {
        host.becomes(&before, at);
        host.is_healthy(at);
        host.net.sh("ping -c1 -W5 10.0.0.254");
    });
    assert!(steps.len() > 30, "{steps:?}");
    moved.same(&host.scene(), "not killed any more");
}

#[test]
fn a_move_back_that_is_killed_anywhere_is_finished_without_anybody() {
    let host = host();
    let before = host.scene();
    host.ok(LAN);
    let moved = host.scene();
    let steps = killed_each("network rm lan", |at| {
        // Before it is written down that the network goes it is whole.
        let whole = host.ok("network ls").contains("active");
        host.becomes(if whole { &moved } else { &before }, at);
        host.net.sh("ping -c1 -W5 10.0.0.254");
        host.ok(LAN);
    });
    assert!(steps.len() > 20, "{steps:?}");
    before.same(&host.scene(), "not killed any more");
}

#[test]
fn gc_and_the_next_command_do_not_fight_with_the_guard() {
    let host = small();
    host.unharmed(|| {
        host.survives(Leaves::NothingOrAll, LAN, &["network rm lan"]);
        let before = host.scene();
        host.ok(LAN);
        let moved = host.scene();
        killed_each("network rm lan", |at| {
            host.ok("gc");
            let whole = host.ok("network ls").contains("active");
            host.becomes(if whole { &moved } else { &before }, at);
            host.ok(LAN);
        });
    });
}

#[test]
fn an_attach_or_detach_that_is_killed_leaves_nothing_half_done_on_the_lan() {
    let host = small();
    host.unharmed(|| {
        host.ok(LAN);
        let attach = "attach new:blue lan --ip 10.0.0.100 --ip fd00:aa::100";
        host.survives(Leaves::Nothing, attach, &["detach new:blue"]);
        host.ok(attach);
        host.survives(Leaves::NothingOrAll, "detach new:blue", &[attach]);
    });
}

/// Runs `line` in a namespace of processes that ends with it: the guard dies with whom it guards.
fn without_survivors(host: &Host, line: &str, step: usize) -> bool {
    let script = format!(
        "ROPEWALK_FAILPOINT={step} unshare --pid --fork sh -c '{} {line}; exit $?'",
        env!("CARGO_BIN_EXE_ropewalk")
    );
    host.net.try_sh(&script).0
}

#[test]
fn a_move_whose_guard_is_killed_with_it_is_taken_back_by_gc_and_by_the_agent() {
    let host = small();
    let before = host.scene();
    let (mut step, mut left) = (1, 0);
    while !without_survivors(&host, LAN, step) {
        assert_eq!(guards(), Vec::<i32>::new(), "step {step}");
        left += usize::from(host.scene() != before);
        let when = format!("step {step}, guard and all");
        if step % 8 == 0 {
            taken_back_by_the_agent(&before, &host, &when);
        } else {
            host.ok("gc");
        }
        host.becomes(&before, &when);
        host.is_healthy(&when);
        step += 1;
    }
    // The guard may have been a little faster than its end, here and there.
    assert!(step > 15 && left > step / 4, "{left} of {step}");
    host.ok("network rm lan");
    host.becomes(&before, "removed");
}

fn taken_back_by_the_agent(before: &Scene, host: &Host, when: &str) {
    let agent = Ended(crate::run::start("agent"));
    let begun = Instant::now();
    while host.scene() != *before && begun.elapsed() < LONG {
        std::thread::park_timeout(Duration::from_millis(20));
    }
    drop(agent);
    before.same(&host.scene(), &format!("{when}, the agent"));
}

/// A process that ends with its test.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _killed = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn a_gateway_that_falls_silent_takes_everything_back() {
    let host = host();
    host.net.sh(DEAF);
    let before = host.scene();
    let words = ["10.0.0.254 answers ARP, does not answer ping", "[gateway-silent]", "moved back"];
    host.refuses(LAN, 1, &words);
    host.becomes(&before, "refused");
    host.net.sh("ping -c1 -W5 10.0.0.254");
}

#[test]
fn a_gateway_that_never_answers_is_no_gateway_to_ask() {
    let host = host();
    host.net.sh("ip -n lan link set eth0 arp off; ip netns exec lan \\
        nft 'table inet deaf { chain in { type filter hook input priority 0; drop; }; }'
        ip neigh flush dev eth1 nud reachable; ip neigh flush dev eth1 nud stale");
    let words = ["no gateway on eth1 answers", "[gateway-silent]", "--confirm-within"];
    host.refuses(LAN, 1, &words);
    host.ok(&format!("{LAN} --confirm-within 60s"));
    host.ok("confirm lan");
    host.net.sh("ip route del default; ip -6 route del default");
    host.ok("network rm lan");
    let line = "network create lan --mode uplink --parent eth1";
    host.refuses(line, 1, &["there is no gateway on eth1", "--gateway", "[gateway-silent]"]);
}

#[test]
fn what_nobody_confirms_goes_back() {
    let host = host();
    let before = host.scene();
    let made = host.json(&format!("{LAN} --confirm-within 2s"));
    assert!((1..=2).contains(&made["confirm_within_s"].as_u64().expect("seconds")), "{made}");
    let refused = host.run("attach netns:red lan").err;
    assert!(refused.contains("[network-unconfirmed]"), "{refused}");
    host.ok("gc");
    assert!(host.ok("network ls").contains("on trial"), "gc leaves it");
    host.becomes(&before, "not confirmed");
    let late = host.run("confirm lan").err;
    assert!(late.contains("[network-unknown]"), "{late}");
}

#[test]
fn what_is_confirmed_stays() {
    let host = host();
    let before = host.scene();
    host.ok(&format!("{LAN} --confirm-within 60s"));
    assert_eq!(host.ok("confirm lan"), "network lan stays\nnext: ropewalk attach SANDBOX lan\n");
    let moved = host.scene();
    host.becomes(&moved, "the guard ends");
    let again = host.run("confirm lan").err;
    assert!(again.contains("[not-on-trial]"), "{again}");
    host.ok("attach netns:red lan");
    host.ok("detach netns:red");
    host.ok("network rm lan");
    before.same(&host.scene(), "there and back");
}

#[test]
fn what_is_on_trial_can_be_removed() {
    let host = host();
    let before = host.scene();
    host.ok(&format!("{LAN} --confirm-within 60s"));
    host.ok("network rm lan");
    host.becomes(&before, "removed");
}

#[test]
fn a_trial_whose_guard_was_killed_is_over_for_gc() {
    let host = host();
    let before = host.scene();
    host.ok(&format!("{LAN} --confirm-within 1s"));
    for guard in guards() {
        host.net.sh(&format!("kill -9 {guard}"));
    }
    let trial = || host.ok("network ls").contains("on trial");
    assert!(trial());
    host.net.sh("sleep 1.2");
    assert!(trial());
    host.ok("gc");
    before.same(&host.scene(), "gc");
}

/// Gives the line at a terminal, where `answer` is typed.
fn at_a_terminal(line: &str, answer: &str) -> String {
    #[expect(clippy::disallowed_types, reason = "a terminal is asked for")]
    let mut script = std::process::Command::new("script")
        .args(["-qec", &format!("{} {line}", env!("CARGO_BIN_EXE_ropewalk")), "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script, of bsdutils");
    let mut keys = script.stdin.take().expect("a pipe");
    keys.write_all(answer.as_bytes()).expect("typed");
    let said = script.wait_with_output().expect("it ends");
    drop(keys);
    String::from_utf8_lossy(&said.stdout).into_owned()
}

#[test]
fn a_person_at_the_terminal_is_asked() {
    let host = host();
    let before = host.scene();
    let trial = format!("{LAN} --confirm-within 60s");
    let said = at_a_terminal(&trial, "y\n");
    assert!(said.contains("keep it? [y/N]") && said.contains("next: ropewalk attach"), "{said}");
    assert!(host.ok("network ls").contains("active"), "kept");
    host.ok("network rm lan");
    let said = at_a_terminal(&trial, "n\n");
    assert!(said.contains("everything was moved back"), "{said}");
    host.becomes(&before, "not kept");
}

#[test]
fn a_host_that_loses_its_state_keeps_its_addresses() {
    let host: Host = host();
    // That they were checked for duplicates is forgotten.
    let trace = || host.trace().replace(" nodad", "");
    let before = trace();
    host.ok(LAN);
    host.net.sh("ip addr add 10.7.0.1/24 dev rw-lan");
    host.net.sh("rm -rf /run/ropewalk/* /etc/ropewalk/*");
    host.ok("gc");
    host.net.sh("ip addr del 10.7.0.1/24 dev eth1; ping -c1 -W5 10.0.0.254");
    crate::host::same(&trace(), &before, "gc");
}
