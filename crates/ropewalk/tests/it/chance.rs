//! Killed by chance: attach, detach, publish and gc side by side, each killed at a random moment.
//!
//! What every single step leaves is for `crash`; here several are cut short at the same time, in
//! the midst of what is no step.

use std::time::{Duration, Instant, SystemTime};

use crate::host::Host;
use crate::run::{finish, start};

/// Numbers that look random, from a seed that a failure tells.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

/// How long lines are given at random and killed.
const STRESS: Duration = Duration::from_secs(8);

/// How many have to be killed, and how many have to come to their end.
const ENOUGH: u32 = 20;
/// How often at most, should that take longer.
const ROUNDS: u32 = 1_000;

/// Longer than three runs take on a quiet machine, in microseconds; then as long as it takes for half
/// of them to come to their end on this one.
const LONGEST: u64 = 60_000;

#[test]
fn what_is_killed_at_random_moments_leaves_nothing_after_gc() {
    let host = Host::new();
    host.net.sh("ip netns add red; ip netns add green");
    let bare = host.scene();
    host.ok("network create web --subnet 192.168.15.0/24 --subnet fd00:15::/64");
    host.ok("network create far --mode routed --subnet 10.9.0.0/24");
    let before = host.scene();
    let seed = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").subsec_nanos();
    let mut dice = Dice(u64::from(seed) + 1);
    let end = Instant::now() + STRESS;
    let (mut killed, mut ended, mut rounds, mut longest) = (0, 0, 0, LONGEST);
    while rounds < ROUNDS && (Instant::now() < end || killed.min(ended) <= ENOUGH) {
        rounds += 1;
        let lines: Vec<String> = (0..3).map(|_| line(&mut dice)).collect();
        let mut runs: Vec<_> = lines.iter().map(|line| start(line)).collect();
        std::thread::park_timeout(Duration::from_micros(dice.roll(longest)));
        for run in &mut runs {
            run.kill().expect("what was started is killed");
        }
        for run in runs {
            let whole = finish(run).status.is_some();
            *if whole { &mut ended } else { &mut killed } += 1;
            longest = if whole { longest - longest / 16 } else { longest + longest / 16 };
        }
    }
    let when = format!("{killed} killed, {ended} not, seed {seed}");
    assert!(killed > ENOUGH && ended > ENOUGH, "{when}");
    host.ok("gc");
    host.is_healthy(&when);
    for row in host.json("ps").as_array().expect("rows") {
        assert_eq!(row["state"], "ready", "{when}");
        let words = [&row["sandbox"], &row["network"]].map(|v| v.as_str().expect("a name"));
        host.ok(&format!("detach {}", words.join(" ")));
    }
    before.same(&host.scene(), &when);
    host.ok("purge --yes");
    bare.same(&host.scene(), &format!("{when}, purged"));
}

/// A line for one of a few sandboxes, so that they meet.
fn line(dice: &mut Dice) -> String {
    let sandbox = ["netns:red", "netns:green", "new:blue", "new:grey"];
    let sandbox = sandbox[usize::try_from(dice.roll(4)).expect("an index")];
    let network = ["web", "far"][usize::try_from(dice.roll(2)).expect("an index")];
    let port = 8000 + dice.roll(4);
    match dice.roll(8) {
        0..3 => format!("attach {sandbox} {network} --publish {port}:80"),
        3 => format!("publish {sandbox} {port}:53/udp"),
        4 => format!("unpublish {sandbox} {port}:53/udp"),
        5 => "gc".into(),
        _ => format!("detach {sandbox}"),
    }
}
