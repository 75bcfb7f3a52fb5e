//! `cargo xtask cases [--live] [FOLDER]`: a suite of broken networks, built one by one in a private network
//! and asked of the binary.
//!
//!     FOLDER/run_all.sh all --diagnose 'ropewalk why --json --query {query}' --apply-fix
//!
//! Says how many causes and places are right, and how many fixes work. Fails where no suite is.

use std::path::Path;
use std::process::Command;

use crate::Fault;

/// Where the suite is, beside the checkout.
const FOLDER: &str = "../shared/why-cases";

/// Its own /run, so that no named namespace is seen outside.
const PRIVATE: &str = "mount -t tmpfs tmpfs /run && mkdir -p /run/netns /run/lock && \
    ip link set lo up && exec \"$0\" all -j 2 --diagnose \"$1 why --json $2 --query {query}\" --apply-fix";

/// Runs the suite in `words`, or beside the checkout.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (live, words) = match words {
        ["--live", rest @ ..] => ("--live", rest),
        _ => ("--no-live", words),
    };
    let folder = Path::new(words.first().copied().unwrap_or(FOLDER));
    let script = folder.join("run_all.sh");
    if !script.is_file() {
        return Err(format!("there is no suite at {}: name its folder", folder.display()).into());
    }
    let built =
        Command::new("cargo").args(["build", "--quiet", "--package", "ropewalk"]).status()?;
    if !built.success() {
        return Err("it does not build".into());
    }
    let binary = std::env::current_exe()?.with_file_name("ropewalk");
    if !binary.is_file() {
        return Err(format!("there is no {}", binary.display()).into());
    }
    let done = Command::new("unshare")
        .args(["--net", "--mount", "sh", "-c", PRIVATE])
        .arg(script.canonicalize()?)
        .arg(binary)
        .arg(live)
        .status()?;
    if done.success() { Ok(()) } else { Err("the suite did not run to its end".into()) }
}
