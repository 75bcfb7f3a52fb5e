//! `cargo xtask docs`: writes the pages that are made from the product itself.
//!
//!     docs/reference/cli.md     the command table and the codes, by `ropewalk man --markdown`
//!     docs/reference/causes.md  the pages of causes, by `ropewalk explain --markdown`
//!
//! A test of the product fails when a page is not what this would write.

use std::path::Path;
use std::process::{Command, Stdio};

use crate::Fault;

/// Commands that print a page, and where it stands.
const PAGES: [(&str, &str); 2] =
    [("man", "docs/reference/cli.md"), ("explain", "docs/reference/causes.md")];

/// Writes every page.
pub(crate) fn run() -> Result<(), Fault> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (verb, page) in PAGES {
        let made = Command::new("cargo")
            .args(["run", "--quiet", "--package", "ropewalk", "--", verb, "--markdown"])
            .current_dir(&root)
            .stderr(Stdio::inherit())
            .output()?;
        if !made.status.success() {
            return Err(format!("ropewalk {verb} --markdown: {}", made.status).into());
        }
        std::fs::write(root.join(page), made.stdout)?;
        println!("wrote {page}");
    }
    Ok(())
}
