//! Cargo's own tools: installed by `cargo install` when they are not there.
//!
//! Never here: Debian packages (`debian`).

use std::process::Command;

use super::call;
use crate::Fault;

/// Installs what is missing.
///
/// cargo-deny is built without optimisation: that halves its build (80 s of CPU time, 180 with it) and
/// its one run takes half a second all the same.
pub(crate) fn ensure() -> Result<(), Fault> {
    need("cargo-nextest", &["nextest", "--version"], &[])?;
    need("cargo-deny", &["deny", "--version"], &["--debug"])
}

fn need(tool: &str, probe: &[&str], flags: &[&str]) -> Result<(), Fault> {
    let found = Command::new("cargo").args(probe).output()?;
    if found.status.success() {
        let text = String::from_utf8_lossy(&found.stdout);
        println!("present: {}", text.lines().next().unwrap_or(tool));
        return Ok(());
    }
    println!("missing: {tool}");
    let mut command = Command::new("cargo");
    command.args(["install", "--locked", tool]).args(flags);
    // Elsewhere than in the workspace, whose settings (a static target) are not the tool's business.
    call(command.current_dir("/"))
}
