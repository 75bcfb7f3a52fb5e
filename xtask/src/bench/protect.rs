//! `cargo xtask bench protect [--rounds N]`: what protection costs the packets it looks at.
//!
//!     red ── network ── host ── up0 ── lan      neighbour: red to blue · outside: red to lan
//!
//! The same network with its rules and without (`ropewalk repair` brings them back), in turn, medians.
//! Address translation stays, as it is no protection. The kernel is measured, so the programs need
//! not be built as they are released.

use std::process::Command;

use ropewalk_testnet::Private;
use ropewalk_testnet::speed::{Flow, Length};

use super::process::measure;
use crate::Fault;
use crate::test::root;

const USAGE: &str = "usage: cargo xtask bench protect [--rounds N]";
/// How long a run is, in seconds.
const SECONDS: u16 = 2;
/// How long a small packet's content is, in bytes.
const SMALL: u32 = 64;
/// How many pings the time of one is the mean of.
const PINGS: u32 = 20_000;

const LAN: &str = "ip netns add lan
    ip link add up0 type veth peer name eth0 netns lan
    ip link set up0 up; ip -n lan link set eth0 up
    ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
    ip route add default via 10.0.0.2; ip -n lan route add default via 10.0.0.1";
/// Everything but address translation.
const LIFT: &str = "nft delete table bridge ropewalk; nft delete table arp ropewalk
    for chain in raw forward input; do
        nft flush chain inet ropewalk $chain; nft delete chain inet ropewalk $chain
    done";

/// Measures, and prints the figures.
///
/// # Errors
/// When something could not be built or run.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let rounds: usize = match words {
        [] => 5,
        ["--rounds", n] => n.parse()?,
        _ => return Err(USAGE.into()),
    };
    let bench = Bench { net: Private::enter(), ropewalk: build()? };
    bench.net.sh(LAN);
    println!(
        "{:<8} {:<10} {:<20} {:>9} {:>9} {:>6}",
        "mode", "path", "", "without", "with", "cost"
    );
    for mode in ["bridge", "routed"] {
        bench.ropewalk(&format!("network create {mode} --mode {mode} --subnet 10.9.0.0/24"))?;
        bench.ropewalk(&format!("attach new:red {mode} --ip 10.9.0.8"))?;
        bench.ropewalk(&format!("attach new:blue {mode} --ip 10.9.0.9"))?;
        for (path, to, address) in
            [("neighbour", "blue", "10.9.0.9"), ("outside", "lan", "10.0.0.2")]
        {
            let [with, without] = bench.path(to, address, rounds)?;
            for ((what, lower_is_better), (with, without)) in
                FIGURES.into_iter().zip(with.into_iter().zip(without))
            {
                let more = (with / without - 1.0) * 100.0;
                let cost = if lower_is_better { more } else { -more };
                println!("{mode:<8} {path:<10} {what:<20} {without:>9.1} {with:>9.1} {cost:>5.1}%");
            }
        }
        bench.ropewalk("detach new:red")?;
        bench.ropewalk("detach new:blue")?;
        bench.ropewalk(&format!("network rm {mode}"))?;
    }
    Ok(())
}

/// What is measured, and whether less of it is better.
const FIGURES: [(&str, bool); 3] =
    [("TCP, Mbit/s", false), ("64 bytes, 1000/s", false), ("ping, us", true)];

struct Bench {
    net: Private,
    ropewalk: std::path::PathBuf,
}

impl Bench {
    fn ropewalk(&self, line: &str) -> Result<(), Fault> {
        measure(Command::new(&self.ropewalk).args(line.split_whitespace())).map(|_| ())
    }

    /// The medians with protection and without.
    fn path(&self, to: &str, address: &str, rounds: usize) -> Result<[[f64; 3]; 2], Fault> {
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            self.ropewalk("repair")?;
            with.push(self.once(to, address)?);
            self.net.sh(LIFT);
            without.push(self.once(to, address)?);
        }
        self.ropewalk("repair")?;
        Ok([medians(&with), medians(&without)])
    }

    fn once(&self, to: &str, address: &str) -> Result<[f64; 3], Fault> {
        let to = format!("ip netns exec {to}");
        let length = Length::Seconds(SECONDS);
        let flow =
            Flow { from: "ip netns exec red", to: &to, address, port: 5201, length, udp: None };
        let tcp = self.net.speed(&flow)?.mbits;
        Ok([tcp, self.small(&to, address)?, self.ping(address)?])
    }

    /// Thousands of small packets that arrive in a second.
    fn small(&self, to: &str, address: &str) -> Result<f64, Fault> {
        let script = format!(
            "{to} timeout 30 iperf3 --server --one-off --port 5202 >/dev/null &
            until {to} ss -Hltn 'sport = :5202' | grep -q .; do sleep 0.05; done
            ip netns exec red timeout 30 iperf3 --client {address} --port 5202 --json \\
                --time {SECONDS} --udp --length {SMALL} --bitrate 0; wait"
        );
        let said: serde_json::Value = serde_json::from_str(&self.net.sh(&script))?;
        let sum = said.pointer("/end/sum").ok_or("the end of iperf3's answer")?;
        let figure = |name: &str| sum.get(name).and_then(|n| n.as_f64()).ok_or("its figures");
        let arrived = figure("packets")? - figure("lost_packets")?;
        Ok(arrived / figure("seconds")? / 1000.0)
    }

    /// The mean time of a ping in millionths of a second.
    fn ping(&self, address: &str) -> Result<f64, Fault> {
        let out = self.net.sh(&format!("ip netns exec red ping -nqf -c {PINGS} {address}"));
        let rtt = out.split("rtt min/avg/max/mdev = ").nth(1).and_then(|s| s.split('/').nth(1));
        let ms: f64 = rtt.ok_or("what ping says of its times")?.parse()?;
        Ok(ms * 1000.0)
    }
}

/// The median of each figure.
fn medians(all: &[[f64; 3]]) -> [f64; 3] {
    [0, 1, 2].map(|which| {
        let mut one: Vec<f64> = all.iter().filter_map(|run| run.get(which).copied()).collect();
        one.sort_by(f64::total_cmp);
        one.get(one.len() / 2).copied().unwrap_or(f64::NAN)
    })
}

/// Builds the program for trying it out, and tells where it is.
fn build() -> Result<std::path::PathBuf, Fault> {
    let words = ["build", "-p", "ropewalk", "--bin", "ropewalk"];
    let status = Command::new("cargo").args(words).current_dir(root()).status()?;
    if !status.success() {
        return Err(format!("cargo build ended with {status}").into());
    }
    let own = std::env::current_exe()?;
    Ok(own.parent().ok_or("a folder of builds")?.join("ropewalk"))
}
