//! Killed before every step of every verb: `gc`, or the same command again, leaves nothing half done.
//!
//!     step 1 ✗ gc   step 2 ✗ gc   step 3 ✗ gc …   until the verb ends by itself
//!     step 1 ✗ again   step 2 ✗ again …
//!
//! A step is a kernel request, an nft transaction, a commit of the store or a file; in such a run
//! requests go out one at a time.

mod attachment;
mod dhcp;
mod fence;
mod mend;
mod network;
mod parts;

use std::fs;

use crate::host::Host;
use crate::run::{Ran, ropewalk_with};
use crate::scene::Scene;

/// Where a run writes the names of its steps.
pub(crate) const STEPS: &str = "/run/ropewalk/steps";

/// What `gc` may leave of a verb that was killed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Nothing: it is as before the verb.
    Nothing,
    /// Nothing or everything.
    NothingOrAll,
    /// Of a verb of many parts: each of them wholly or not at all.
    WholeParts,
}

/// A verb on a host that is ready for it.
struct Verb<'a> {
    host: &'a Host,
    line: &'a str,
    leaves: Leaves,
    /// Makes the host ready again after the verb has been done, and after any of its parts has.
    back: &'a dyn Fn(),
}

impl Verb<'_> {
    /// Kills it at every step, and looks at what `gc` leaves, then at what it does itself if it is
    /// given again.
    fn is_killed_everywhere(&self) {
        let start = self.host.scene();
        self.host.ok(self.line);
        let end = self.host.scene();
        (self.back)();
        start.same(&self.host.scene(), &format!("{}: there and back", self.line));
        let steps = killed_each(self.line, |at| self.gc_cleans_up(at, &start, &end));
        assert!(steps.len() > 2, "{}: {steps:?}", self.line);
        end.same(&self.host.scene(), &format!("{}: killed many times, then not", self.line));
        (self.back)();
        killed_each(self.line, |at| {
            self.host.ok(self.line);
            end.same(&self.host.scene(), &format!("{at}, then again"));
            self.host.is_healthy(at);
            (self.back)();
            start.same(&self.host.scene(), &format!("{at}, then again and back"));
        });
        (self.back)();
    }

    fn gc_cleans_up(&self, at: &str, start: &Scene, end: &Scene) {
        self.host.ok("gc");
        let now = self.host.scene();
        let when = format!("{at}, then gc");
        match self.leaves {
            Leaves::Nothing => start.same(&now, &when),
            Leaves::NothingOrAll if now == *end => {}
            Leaves::NothingOrAll => start.same(&now, &when),
            Leaves::WholeParts => {}
        }
        self.host.is_healthy(&when);
        if now != *start {
            (self.back)();
            start.same(&self.host.scene(), &format!("{when} and back"));
        }
    }
}

/// Runs `line`, killed at the first step, then `then`; killed at the second, and so on until it
/// comes to its end. Returns the names of the steps.
pub(crate) fn killed_each(line: &str, mut then: impl FnMut(&str)) -> Vec<String> {
    let mut names = Vec::new();
    while let Some(name) = killed(line, names.len() + 1) {
        then(&format!("{line}: killed before step {}, {name}", names.len() + 1));
        names.push(name);
    }
    names
}

/// Runs a line that dies at a step, and returns the step's name; none if it came to its end.
fn killed(line: &str, step: usize) -> Option<String> {
    match die(line, step) {
        Died::At(name) => Some(name),
        Died::Not(Ran { status: Some(0), .. }) => None,
        Died::Not(ran) => panic!("ropewalk {line}, step {step}\n{}{}", ran.out, ran.err),
    }
}

/// How a run that was to be killed ended.
enum Died {
    /// Killed before the step of this name.
    At(String),
    /// It has fewer steps.
    Not(Ran),
}

fn die(line: &str, step: usize) -> Died {
    let _none = fs::remove_file(STEPS);
    let step = step.to_string();
    let vars = [("ROPEWALK_FAILPOINT", step.as_str()), ("ROPEWALK_FAILPOINT_LIST", STEPS)];
    let ran = ropewalk_with(line, &vars);
    if ran.status.is_some() {
        return Died::Not(ran);
    }
    let steps = fs::read_to_string(STEPS).expect("the steps are listed");
    Died::At(steps.lines().last().expect("a step").to_owned())
}

/// Runs a test that is there to be killed, in the namespaces of `host` and a process of its own: the name
/// of the step before which it died; none if it came to its end.
fn test_killed(host: &Host, test: &str, vars: &str, step: usize) -> Option<String> {
    let _none = fs::remove_file(STEPS);
    let tests = std::env::current_exe().expect("this test");
    let (done, said) = host.net.try_sh(&format!(
        "{vars} ROPEWALK_FAILPOINT={step} ROPEWALK_FAILPOINT_LIST={STEPS} {} --exact {test} --ignored",
        tests.display()
    ));
    assert!(said.contains("running 1 test") && !said.contains("panicked"), "{said}");
    let steps = fs::read_to_string(STEPS).expect("the steps are listed");
    (!done).then(|| steps.lines().last().expect("a step").to_owned())
}

/// A host with a way out that takes router advertisements, and a sandbox.
pub(crate) fn host() -> Host {
    let host = Host::new();
    host.net.sh("ip netns add lan
        ip link add up0 type veth peer name eth0 netns lan
        ip link set up0 up; ip -n lan link set eth0 up
        sysctl -qw net.ipv6.conf.up0.accept_ra=1
        ip addr add 10.0.0.1/24 dev up0; ip -6 addr add fd00:aa::1/64 dev up0 nodad
        ip route add default via 10.0.0.2; ip -6 route add default via fd00:aa::2
        ip netns add red");
    host
}

impl Host {
    /// Kills `line` everywhere, then removes everything; `back` takes it back.
    pub(crate) fn survives(&self, leaves: Leaves, line: &str, back: &[&str]) {
        let back = || back.iter().for_each(|line| drop(self.run(line)));
        Verb { host: self, line, leaves, back: &back }.is_killed_everywhere();
    }

    /// Does `work` between two looks at the host: in the end it is purged, and as before.
    pub(crate) fn unharmed(&self, work: impl FnOnce()) {
        let start = self.scene();
        work();
        self.ok("purge --yes");
        start.same(&self.scene(), "purged");
    }
}

const WEB: &str = "network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64";
const DB: &str = "network create db --subnet 192.168.16.0/24 --subnet fd00:16::/64";
const FLAT: &str = "network create flat --mode flat --subnet 10.0.0.0/24 --subnet fd00:aa::/64";
const OVER: &str = "network create over --mode vxlan --subnet 10.5.1.0/24 --subnet fd00:5:1::/64 \
                    --peer 10.0.0.12=10.5.2.0/24,fd00:5:2::/64";
const FAR: &str = "network create far --mode routed --subnet 10.9.0.0/24 --subnet fd00:9::/64 \
                   --masquerade 10.0.0.1 --masquerade fd00:aa::1";
const MACVLAN: &str = "network create own --mode macvlan --subnet 10.0.0.0/24 --subnet fd00:aa::/64 \
                       --range 10.0.0.48/28 --range fd00:aa::30/124 --host-link";
const CARD: &str = "network create card --mode host-device --parent nic0 --subnet 10.5.0.0/24 \
                    --range 10.5.0.48/28";
const TAP: &str = "network create vm --mode tap --subnet 10.1.0.0/30 --owner 1000";
