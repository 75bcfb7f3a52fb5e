//! `cargo xtask test`: everything that must hold, from a fresh Debian 12 with Rust on it.
//!
//!     packages · tools · fmt · tidy · deny · build · nextest, doc and clippy
//!
//! Each stage prints its name before and its time after; the first failure ends the run.
//! Kernel and engine tests need root and run always: no stage leaves one out.

mod debian;
mod tools;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::Fault;

/// One stage: its name and what it does.
type Stage = (&'static str, fn() -> Result<(), Fault>);

const STAGES: &[Stage] = &[
    ("packages", debian::ensure),
    ("tools", tools::ensure),
    ("fmt", || cargo(&["fmt", "--all", "--check"])),
    ("tidy", crate::tidy::run),
    ("deny", || cargo(&["deny", "--workspace", "check", "licenses", "bans", "sources"])),
    ("build", || cargo(&["build", "--workspace", "--all-targets"])),
    ("nextest, doc, clippy", tests),
];

/// Runs every stage in turn.
pub(crate) fn run() -> Result<(), Fault> {
    need_root()?;
    let begun = Instant::now();
    let mut times = Vec::new();
    for (name, stage) in STAGES {
        println!("\n=== {name}");
        let start = Instant::now();
        let outcome = stage();
        let took = start.elapsed();
        times.push((*name, took));
        if let Err(fault) = outcome {
            print_times(&times, begun.elapsed());
            return Err(format!("stage {name} failed: {fault}").into());
        }
        println!("=== {name}: {:.1} s", took.as_secs_f64());
    }
    print_times(&times, begun.elapsed());
    println!("all stages passed");
    Ok(())
}

fn print_times(times: &[(&str, Duration)], whole: Duration) {
    println!();
    for (name, took) in times {
        println!("{name:>20} {:>7.1} s", took.as_secs_f64());
    }
    println!("{:>20} {:>7.1} s", "whole", whole.as_secs_f64());
}

/// Tests make network namespaces and start engines; without root they would all fail one by one.
fn need_root() -> Result<(), Fault> {
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::metadata("/proc/self")?.uid() {
        0 => Ok(()),
        uid => Err(format!(
            "the tests make network namespaces and need root; this is uid {uid}: run it with sudo -E"
        )
        .into()),
    }
}

/// The tests; what reads the source is done beside them, in the time in which they wait for the kernel.
fn tests() -> Result<(), Fault> {
    let readers = std::thread::spawn(|| {
        // Cargo locks the folder while it looks at what is built: the tests' turn comes first.
        std::thread::sleep(Duration::from_secs(5));
        doc().and_then(|()| clippy()).map_err(|fault| fault.to_string())
    });
    let tested = cargo(&["nextest", "run", "--workspace"]);
    let read = readers.join().unwrap_or_else(|_| Err("a thread of the stage died".into()));
    tested.and(read.map_err(Fault::from))
}

fn clippy() -> Result<(), Fault> {
    let all = ["--workspace", "--all-targets", "--features", "xtask/cluster"];
    cargo(&[&["clippy", "--quiet"], &all[..], &["--", "-D", "warnings"]].concat())
}

fn doc() -> Result<(), Fault> {
    let mut command = Command::new("cargo");
    command.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    call(&mut command)
}

/// Runs cargo in the workspace's root.
fn cargo(arguments: &[&str]) -> Result<(), Fault> {
    call(Command::new("cargo").args(arguments))
}

/// Runs a command, in the workspace's root unless it names a folder; prints it first, fails when it does.
pub(crate) fn call(command: &mut Command) -> Result<(), Fault> {
    let shown = shown(command);
    println!("+ {shown}");
    if command.get_current_dir().is_none() {
        command.current_dir(root());
    }
    let status = command
        .stdin(std::process::Stdio::null())
        .status()
        .map_err(|error| format!("cannot start `{shown}`: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("`{shown}` ended with {status}").into()) }
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The workspace's root: the folder above this package.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}
