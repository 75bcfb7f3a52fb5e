//! `cargo xtask lab-all [--megabytes N] [TOPOLOGY…]`: every topology, everybody with everybody.
//!
//!     topology  from      to         IPv4 ms  Mbit/s   IPv6 ms  Mbit/s      100 MB each way

use ropewalk_testnet::pairs::{Families, Stage, TOPOLOGIES, Topology};

use crate::{Fault, bench};

/// Tries all, and prints a line for each way.
///
/// # Errors
/// When one of them fails, after all have been tried.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (megabytes, names) = match words {
        ["--megabytes", n, rest @ ..] => (n.parse()?, rest),
        rest => (100, rest),
    };
    let program = bench::build()?.join("ropewalk");
    println!(
        "{:<9} {:<9} {:<9} {:>8} {:>8} {:>8} {:>8}",
        "topology", "from", "to", "IPv4 ms", "Mbit/s", "IPv6 ms", "Mbit/s"
    );
    let wanted = |one: &&Topology| names.is_empty() || names.contains(&one.name);
    let mut failed = Vec::new();
    for topology in TOPOLOGIES.iter().filter(wanted) {
        // A private network is that of a thread, and gone with it.
        let work = || {
            let stage = Stage::build(&program, topology);
            let mut failed = Vec::new();
            for way in stage.ways() {
                match stage.go(way, megabytes, Families::Both) {
                    Ok(way) => {
                        let one = |(ms, mbits): (&f64, &f64)| format!(" {ms:>8.3} {mbits:>8.0}");
                        let both: String = way.ms.iter().zip(&way.mbits).map(one).collect();
                        println!("{:<9} {:<9} {:<9}{both}", topology.name, way.from, way.to);
                    }
                    Err(error) => failed.push(error),
                }
            }
            failed
        };
        match std::thread::scope(|scope| scope.spawn(work).join()) {
            Ok(more) => failed.extend(more),
            Err(_) => failed.push(format!("{}: it could not be built", topology.name)),
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}
