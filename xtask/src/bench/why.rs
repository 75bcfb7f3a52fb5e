//! `cargo xtask bench why [--containers N] [--runs N]`: how long `ropewalk why` takes on a host full of
//! containers.
//!
//!     c1 … c100 ── bridge ── host ── up0 ── lan      predicted only · answered · dropped · never answered
//!
//! Whole processes by the clock, medians and the slowest, beside the aims.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ropewalk_testnet::Private;

use super::process::measure;
use crate::Fault;

const USAGE: &str = "usage: cargo xtask bench why [--containers N] [--runs N]";
/// The aims, in milliseconds.
const PREDICTED: u128 = 100;
const SEEN: u128 = 2000;

const LAN: &str = "ip netns add lan; ip -n lan link set lo up
    ip link add up0 type veth peer name eth0 netns lan
    ip link set up0 up; ip -n lan link set eth0 up
    ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
    ip -n lan addr add 198.51.100.8/32 dev lo; ip route add default via 10.0.0.2";
/// Breaks it: a rule of another table.
const DROP: &str =
    "nft 'add table inet corp; add chain inet corp fw { type filter hook forward priority 10; };
    add rule inet corp fw ip daddr 198.51.100.8 drop'";

/// Measures, and prints the figures. An aim that is missed is no failure.
///
/// # Errors
/// When something could not be built or run.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (mut containers, mut runs) = (100_usize, 20_usize);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let value = words.next().ok_or(USAGE)?.parse()?;
        match *word {
            "--containers" => containers = value,
            "--runs" => runs = value,
            _ => return Err(USAGE.into()),
        }
    }
    let ropewalk = super::build()?.join("ropewalk");
    let net = Private::enter();
    net.sh(LAN);
    let does = |line: String| measure(Command::new(&ropewalk).args(line.split_whitespace()));
    does("network create web --subnet 10.9.0.0/16".to_owned())?;
    for n in 1..=containers {
        does(format!("attach new:c{n} web --publish {}:80", 20_000 + n))?;
    }
    let spaces = net.sh("readlink /proc/[0-9]*/ns/net 2>/dev/null | sort -u | wc -l");
    println!("{containers} containers; processes live in {} namespaces\n", spaces.trim());
    println!("{:<44} {:>8} {:>8} {:>8}", "ms", "median", "slowest", "aim");
    let show = |what: &str, line: &str, aim: u128| -> Result<(), Fault> {
        let mut all = Vec::new();
        for _ in 0..runs {
            all.push(clock(&ropewalk, line)?.as_millis());
        }
        all.sort_unstable();
        let (median, slowest) = (all.get(runs / 2), all.last());
        let figure = |n: Option<&u128>| n.copied().unwrap_or_default();
        println!("{what:<44} {:>8} {:>8} {aim:>8}", figure(median), figure(slowest));
        Ok(())
    };
    show("predicted, to the LAN", "why c1 198.51.100.8 --no-live", PREDICTED)?;
    show("predicted, to a neighbour", "why c1 c2 --no-live", PREDICTED)?;
    show("seen, answered", "why c1 198.51.100.8", SEEN)?;
    net.sh("ip netns exec lan iptables -A INPUT -p icmp -j DROP");
    show("seen, never answered", "why c1 198.51.100.8 --visible c1,host", SEEN)?;
    net.sh(DROP);
    show("predicted, dropped by a rule", "why c1 198.51.100.8 --no-live", PREDICTED)?;
    show("seen, dropped by a rule", "why c1 198.51.100.8", SEEN)?;
    Ok(())
}

/// One question: 0 and 3 are answers.
fn clock(ropewalk: &std::path::Path, line: &str) -> Result<Duration, Fault> {
    let mut command = Command::new(ropewalk);
    command.args(line.split_whitespace()).env_clear().stdin(Stdio::null()).stdout(Stdio::null());
    let begun = Instant::now();
    let status = command.status()?;
    let took = begun.elapsed();
    match status.code() {
        Some(0 | 3) => Ok(took),
        _ => Err(format!("{line}: {status}").into()),
    }
}
