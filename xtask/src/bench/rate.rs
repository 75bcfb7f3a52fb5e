//! `cargo xtask bench rate [--seconds N]`: what comes through where a rate is limited.
//!
//!     mode     rate   TCP in  TCP out  UDP in  UDP out      Mbit/s of content, over N seconds
//!
//! The sandbox is limited both ways; the other one is not. UDP is sent at twice the rate.

use std::path::Path;
use std::process::Command;

use ropewalk_testnet::Private;
use ropewalk_testnet::speed::{Flow, Length};

use super::process::measure;
use crate::Fault;

const USAGE: &str = "usage: cargo xtask bench rate [--seconds N]";
/// What is asked for: as people write it, and in millions of bits a second.
const RATES: [(&str, u16); 4] = [("1M", 1), ("10M", 10), ("100M", 100), ("1G", 1000)];
/// What may be missing, or too much, in parts of a hundred.
const TOLERANCE: f64 = 10.0;

/// Measures, and prints the figures.
///
/// # Errors
/// When something could not be run, or a rate was missed by more than a tenth.
pub(crate) fn run(words: &[&str], programs: &Path) -> Result<(), Fault> {
    let seconds = match words {
        [] => 10,
        ["--seconds", n] => n.parse()?,
        _ => return Err(USAGE.into()),
    };
    let bench = Bench { net: Private::enter(), programs, seconds };
    let mut missed = Vec::new();
    println!(
        "{:<8} {:>6} {:>9} {:>9} {:>9} {:>9}",
        "mode", "rate", "TCP in", "TCP out", "UDP in", "UDP out"
    );
    for mode in ["bridge", "routed"] {
        bench.ropewalk(&format!("network create {mode} --mode {mode} --subnet 10.9.0.0/24"))?;
        for (rate, mbits) in RATES {
            let found = bench.rate(mode, rate, mbits)?;
            let told: String = found.iter().map(|mbits| format!(" {mbits:>9.2}")).collect();
            println!("{mode:<8} {rate:>6}{told}");
            let off = |found: &f64| (found / f64::from(mbits) - 1.0).abs() * 100.0 > TOLERANCE;
            missed.extend(found.iter().any(off).then(|| format!("{mode} {rate}")));
        }
        bench.ropewalk(&format!("network rm {mode}"))?;
    }
    if missed.is_empty() {
        println!("every rate was met within {TOLERANCE} %");
        return Ok(());
    }
    Err(format!("missed by more than {TOLERANCE} %: {}", missed.join(", ")).into())
}

struct Bench<'a> {
    net: Private,
    programs: &'a Path,
    seconds: u16,
}

impl Bench<'_> {
    fn ropewalk(&self, line: &str) -> Result<(), Fault> {
        measure(Command::new(self.programs.join("ropewalk")).args(line.split_whitespace()))
            .map(|_| ())
    }

    /// TCP in and out, UDP in and out.
    fn rate(&self, mode: &str, rate: &str, mbits: u16) -> Result<[f64; 4], Fault> {
        self.ropewalk(&format!(
            "attach new:red {mode} --ip 10.9.0.8 --rate-in {rate} --rate-out {rate}"
        ))?;
        self.ropewalk(&format!("attach new:blue {mode} --ip 10.9.0.9"))?;
        let flood = 2_000_000 * u64::from(mbits);
        let (inward, out) = (("blue", "red", "10.9.0.8"), ("red", "blue", "10.9.0.9"));
        let mut all = [0.0; 4];
        let runs = [(inward, None), (out, None), (inward, Some(flood)), (out, Some(flood))];
        for (slot, ((from, to, address), udp)) in all.iter_mut().zip(runs) {
            let length = Length::Seconds(self.seconds);
            let at = |name| format!("ip netns exec {name}");
            let flow = Flow { from: &at(from), to: &at(to), address, port: 5201, length, udp };
            *slot = self.net.speed(&flow)?.mbits;
        }
        self.ropewalk("detach new:red")?;
        self.ropewalk("detach new:blue")?;
        Ok(all)
    }
}
