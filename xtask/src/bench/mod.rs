//! `cargo xtask bench attach [--runs N] [--present N] [--json]`: what an attachment costs; `rate`,
//! `protect`, `why` and `cluster` have files of their own.
//!
//!     ropewalk attach   beside   floor      whole processes, in turn, medians
//!
//! The floor makes the same kernel requests and nothing else. See docs/reference/bench.md.

#[cfg(feature = "cluster")]
mod cluster;
mod cni;
mod figures;
mod floor;
mod process;
mod protect;
mod rate;
mod stage;
mod trace;
mod why;

use std::path::PathBuf;
use std::process::Command;

use figures::Row;
use stage::Stage;

use crate::Fault;
use crate::test::root;

const USAGE: &str = "usage: cargo xtask bench attach [--runs N] [--present N] [--json]";

/// Measures, and prints the figures. An aim that is missed is no failure.
///
/// # Errors
/// When something could not be built or run.
pub(crate) fn attach(words: &[&str]) -> Result<(), Fault> {
    let wish = Wish::read(words)?;
    let programs = build()?;
    let mut stage = Stage::enter(&programs)?;
    let mut samples = Vec::new();
    samples.extend(stage.measure(wish.runs, 0)?);
    let calls = stage.calls()?;
    if wish.present > 0 {
        stage.crowd(wish.present)?;
        samples.extend(stage.measure(wish.runs, wish.present)?);
    }
    let rows: Vec<Row> = samples.iter().map(Row::of).collect();
    if wish.json {
        let all = serde_json::json!({ "rows": rows, "system_calls": calls });
        println!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    println!("\nmedians of {} runs\n{}", wish.runs, figures::table(&rows));
    for (verb, calls) in calls {
        println!("{verb}: {} system calls, {} processes started", calls.total, calls.children);
    }
    Ok(())
}

/// What comes through where a rate is limited.
///
/// # Errors
/// As [`attach`], and when a rate was missed.
pub(crate) fn rate(words: &[&str]) -> Result<(), Fault> {
    rate::run(words, &build()?)
}

/// What plugins cost runtimes.
///
/// # Errors
/// As [`attach`].
pub(crate) fn cni(words: &[&str]) -> Result<(), Fault> {
    cni::run(words)
}

/// What protection costs the packets it looks at.
///
/// # Errors
/// As [`attach`].
pub(crate) fn protect(words: &[&str]) -> Result<(), Fault> {
    protect::run(words)
}

/// How long `ropewalk why` takes on a host full of containers.
///
/// # Errors
/// As [`attach`].
pub(crate) fn why(words: &[&str]) -> Result<(), Fault> {
    why::run(words)
}

/// How soon, and for how much, hosts of a cluster follow their store.
///
/// # Errors
/// As [`attach`].
#[cfg(feature = "cluster")]
pub(crate) fn cluster(words: &[&str]) -> Result<(), Fault> {
    cluster::run(words)
}

/// The same task, built with what it needs.
#[cfg(not(feature = "cluster"))]
pub(crate) fn cluster(words: &[&str]) -> Result<(), Fault> {
    let mut command = Command::new("cargo");
    command.args(["run", "--quiet", "--package", "xtask", "--features", "cluster", "--"]);
    crate::test::call(command.args(["bench", "cluster"]).args(words))
}

/// What is asked for on the command line.
struct Wish {
    runs: u16,
    present: usize,
    json: bool,
}

impl Wish {
    fn read(words: &[&str]) -> Result<Self, Fault> {
        let mut wish = Self { runs: 50, present: 1000, json: false };
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or(USAGE);
            match *word {
                "--runs" => wish.runs = value()?.parse()?,
                "--present" => wish.present = value()?.parse()?,
                "--json" => wish.json = true,
                _ => return Err(USAGE.into()),
            }
        }
        Ok(wish)
    }
}

/// Builds both programs as they are released, and tells the folder they are in.
pub(crate) fn build() -> Result<PathBuf, Fault> {
    let words = ["build", "--release", "-p", "ropewalk", "-p", "xtask"];
    let status = Command::new("cargo")
        .args(words)
        .args(["--bin", "ropewalk", "--bin", "floor"])
        .current_dir(root())
        .status()?;
    if !status.success() {
        return Err(format!("cargo build ended with {status}").into());
    }
    let own = std::env::current_exe()?;
    let profiles = own.ancestors().nth(2).ok_or("a folder of builds")?;
    Ok(profiles.join("release"))
}
