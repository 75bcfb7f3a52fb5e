//! `cargo xtask docs`: writes the pages that are made from the product itself.
//!
//!     docs/reference/cli.md     the command table and the codes, by `ropewalk man --markdown`
//!
//! A test of the product fails when a page is not what this would write.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Fault;

const REFERENCE: &str = "docs/reference/cli.md";

/// Writes every page.
pub(crate) fn run() -> Result<(), Fault> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let made = Command::new("cargo")
        .args(["run", "--quiet", "--package", "ropewalk", "--", "man", "--markdown"])
        .current_dir(&root)
        .stderr(Stdio::inherit())
        .output()?;
    if !made.status.success() {
        return Err(format!("ropewalk man --markdown: {}", made.status).into());
    }
    std::fs::write(root.join(REFERENCE), made.stdout)?;
    println!("wrote {REFERENCE}");
    Ok(())
}
