//! `cargo xtask lab-all [--megabytes N] [TOPOLOGY…]`: every topology, everybody with everybody.
//!
//!     topology  from      to         IPv4 ms  Mbit/s   IPv6 ms  Mbit/s      100 MB each way
//!
//! What the kernel here may lack is tried in the virtual machine, whose processor is emulated: there the
//! figures say that it works, not how fast it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use ropewalk_testnet::pairs::{self, Families, Stage, TOPOLOGIES, Takes, Topology};
use ropewalk_testnet::vm::{self, Machine};

use crate::{Fault, bench};

/// How long one topology may take in the virtual machine.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What is asked for.
struct Wish<'a> {
    megabytes: u16,
    /// The binary that is tried, where it is built already.
    program: Option<PathBuf>,
    names: &'a [&'a str],
}

/// Tries all, and prints a line for each way.
///
/// # Errors
/// When one of them fails, after all have been tried.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let mut wish = Wish { megabytes: 100, program: None, names: words };
    loop {
        match wish.names {
            ["--megabytes", n, rest @ ..] => (wish.megabytes, wish.names) = (n.parse()?, rest),
            ["--program", path, rest @ ..] => {
                (wish.program, wish.names) = (Some(path.into()), rest);
            }
            _ => break,
        }
    }
    let program = match &wish.program {
        Some(program) => program.clone(),
        None => bench::build()?.join("ropewalk"),
    };
    if !vm::inside() {
        println!(
            "{:<11} {:<9} {:<9} {:>8} {:>8} {:>8} {:>8}",
            "topology", "from", "to", "IPv4 ms", "Mbit/s", "IPv6 ms", "Mbit/s"
        );
    }
    let wanted = |one: &&Topology| wish.names.is_empty() || wish.names.contains(&one.name);
    let elsewhere = |one: &Topology| one.takes == Takes::Machine && !vm::inside();
    let (there, here): (Vec<&Topology>, Vec<&Topology>) =
        TOPOLOGIES.iter().filter(wanted).partition(|one| elsewhere(one));
    let mut failed = Vec::new();
    for topology in here {
        // A private network is that of a thread, and gone with it.
        let work = || all_pairs(&program, topology, wish.megabytes);
        match std::thread::scope(|scope| scope.spawn(work).join()) {
            Ok(more) => failed.extend(more),
            Err(_) => failed.push(format!("{}: it could not be built", topology.name)),
        }
    }
    for topology in there {
        failed.extend(in_the_machine(&program, topology, wish.megabytes)?);
    }
    if failed.is_empty() { Ok(()) } else { Err(failed.join("\n").into()) }
}

/// Tries one, and returns what failed.
fn all_pairs(program: &Path, topology: &Topology, megabytes: u16) -> Vec<String> {
    let stage = Stage::build(program, topology);
    let mut failed = Vec::new();
    for way in stage.ways() {
        match stage.go(way, megabytes, Families::Both) {
            Ok(way) => {
                let one = |(ms, mbits): (&f64, &f64)| format!(" {ms:>8.3} {mbits:>8.0}");
                let both: String = way.ms.iter().zip(&way.mbits).map(one).collect();
                println!("{:<11} {:<9} {:<9}{both}", topology.name, way.from, way.to);
            }
            Err(error) => failed.push(error),
        }
    }
    failed
}

/// Tries one in the virtual machine, a run of this program there.
fn in_the_machine(
    program: &Path,
    topology: &Topology,
    megabytes: u16,
) -> Result<Option<String>, Fault> {
    let exe = std::env::current_exe()?;
    let machine = Machine {
        files: vec![program.to_owned()],
        modules: pairs::MODULES.to_vec(),
        programs: pairs::PROGRAMS.to_vec(),
        patience: Some(PATIENCE),
    };
    let name = topology.name;
    let line = format!(
        "{} lab-all --megabytes {megabytes} --program {} {name}",
        exe.display(),
        program.display()
    );
    let tell = |line: &str| {
        // The console may have said something before.
        if let Some(at) = line.find(&format!("{name:<11} ")) {
            println!("{}", line.split_at(at).1);
        }
    };
    let ended = machine.boot(&exe, &line, tell);
    Ok(ended.err().map(|said| format!("{name}, in the virtual machine:\n{}", said.join("\n"))))
}
