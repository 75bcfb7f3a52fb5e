//! What is measured, and where: a private network, a bridge network with masquerade, namespaces
//! made beforehand, each for one attachment.
//!
//!     r1 r2 …   for ropewalk      f1 f2 …   for the floor      b1 … b1000   to be present
//!
//! In each namespace `lo` is up, as container engines leave it.

use std::path::{Path, PathBuf};
use std::process::Command;

use ropewalk_testnet::Private;

use super::figures::Sample;
use super::floor::Wish;
use super::process::{Cost, measure};
use super::trace::{self, Calls};
use crate::Fault;

/// Where the parts of the floor lie: on a tmpfs of the private network.
const PARTS: &str = "/run/ropewalk/floor";
const NETWORK: &str = "bench";
const BRIDGE: &str = "rw-bench";
/// Runs that are not counted, before those that are.
const WARM_UP: u16 = 3;

/// The programs, and the network they work on.
pub(crate) struct Stage {
    net: Private,
    ropewalk: PathBuf,
    floor: PathBuf,
    bridge: u32,
    /// How many runs there have been: each has a number of its own.
    number: u16,
}

impl Stage {
    /// Enters a private network and makes the network in it.
    pub(crate) fn enter(programs: &Path) -> Result<Self, Fault> {
        let net = Private::enter();
        let (ropewalk, floor) = (programs.join("ropewalk"), programs.join("floor"));
        let words =
            ["network", "create", NETWORK, "--subnet", "10.66.0.0/16", "--masquerade", "yes"];
        measure(Command::new(&ropewalk).args(words))?;
        let bridge = number(&format!("/sys/class/net/{BRIDGE}/ifindex"))?;
        Ok(Self { net, ropewalk, floor, bridge, number: 0 })
    }

    /// Attaches `count` sandboxes that stay, each with a published port.
    pub(crate) fn crowd(&self, count: usize) -> Result<(), Fault> {
        for n in 1..=count {
            self.namespace(&format!("b{n}"));
            measure(&mut self.attach(&format!("b{n}"), 20_000 + n))?;
        }
        Ok(())
    }

    /// Attach and detach, by the floor and by ropewalk in turn.
    pub(crate) fn measure(&mut self, runs: u16, present: usize) -> Result<[Sample; 2], Fault> {
        let sample = |verb| Sample { verb, present, floor: Vec::new(), ropewalk: Vec::new() };
        let (mut attach, mut detach) = (sample("attach"), sample("detach"));
        let first = self.number;
        let numbers = first..first + WARM_UP + runs;
        self.number = numbers.end;
        for n in numbers.clone() {
            self.namespace(&format!("r{n}"));
            self.namespace(&format!("f{n}"));
        }
        for n in numbers {
            // Who goes first alternates.
            let mut floor = None;
            if n % 2 == 0 {
                floor = Some(self.floor_pair(n)?);
            }
            let (on, off) = self.ropewalk_pair(n)?;
            let (floor_on, floor_off) = match floor {
                Some(costs) => costs,
                None => self.floor_pair(n)?,
            };
            if n >= first + WARM_UP {
                attach.ropewalk.push(on);
                detach.ropewalk.push(off);
                attach.floor.push(floor_on);
                detach.floor.push(floor_off);
            }
        }
        Ok([attach, detach])
    }

    /// What an attach and a detach ask of the kernel; nothing where there is no strace.
    pub(crate) fn calls(&mut self) -> Result<Vec<(&'static str, Calls)>, Fault> {
        self.namespace("traced");
        let verbs = [("attach", self.attach("traced", 8080)), ("detach", self.detach("traced"))];
        let mut all = Vec::new();
        for (verb, command) in verbs {
            all.extend(trace::count(&command)?.map(|calls| (verb, calls)));
        }
        Ok(all)
    }

    fn ropewalk_pair(&self, n: u16) -> Result<(Cost, Cost), Fault> {
        let attach = measure(&mut self.attach(&format!("r{n}"), 8080))?;
        let detach = measure(&mut self.detach(&format!("r{n}")))?;
        Ok((attach, detach))
    }

    fn floor_pair(&self, n: u16) -> Result<(Cost, Cost), Fault> {
        let namespace = format!("/run/netns/f{n}");
        let bridge = (BRIDGE.to_owned(), self.bridge);
        let wish = Wish { number: n, bridge, index: self.next_index(n)? };
        let (on, off) = (format!("{PARTS}.on"), format!("{PARTS}.off"));
        std::fs::write(&on, wish.attach()?)?;
        std::fs::write(&off, wish.detach()?)?;
        let attach = measure(Command::new(&self.floor).args([&on, &namespace]))?;
        let detach = measure(Command::new(&self.floor).arg(&off))?;
        Ok((attach, detach))
    }

    fn attach(&self, namespace: &str, port: usize) -> Command {
        let mut command = Command::new(&self.ropewalk);
        command.args(["attach", &format!("netns:{namespace}"), NETWORK]);
        command.args(["--publish", &format!("{port}:80/tcp")]);
        command
    }

    fn detach(&self, namespace: &str) -> Command {
        let mut command = Command::new(&self.ropewalk);
        command.args(["detach", &format!("netns:{namespace}"), NETWORK]);
        command
    }

    fn namespace(&self, name: &str) {
        self.net.sh(&format!("ip netns add {name}; ip -n {name} link set lo up"));
    }

    /// The index that the next link of the floor's namespace gets.
    fn next_index(&self, n: u16) -> Result<u32, Fault> {
        let listing = self.net.sh(&format!("ip -n f{n} -o link show"));
        let indices =
            listing.lines().filter_map(|line| line.split(':').next()?.parse::<u32>().ok());
        Ok(indices.max().ok_or("a namespace without lo")? + 1)
    }
}

fn number(path: &str) -> Result<u32, Fault> {
    Ok(std::fs::read_to_string(path)?.trim().parse()?)
}
