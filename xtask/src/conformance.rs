//! `cargo xtask conformance [--cni DIR] [--plugin NAME] [--json FILE]`: a directory of CNI plugins against what
//! runtimes rely on.
//!
//! Without a directory, ropewalk's own are built and linked under the names of the plugins that it is.

use std::process::Command;

use crate::Fault;
use crate::test::root;

/// Runs the suite.
///
/// # Errors
/// When a check that counts fails, and when the suite cannot be run.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let own = if words.contains(&"--cni") { None } else { Some(Own::link()?) };
    let folder = own.as_ref().map(|own| own.0.display().to_string());
    let mut words = words.to_vec();
    if let Some(folder) = &folder {
        words.extend(["--cni", folder, "--all"]);
    }
    match ropewalk_conformance::main(&words)? {
        true => Ok(()),
        false => Err("a check failed: see above".into()),
    }
}

/// A folder of ropewalk's plugins, gone when it is dropped.
struct Own(std::path::PathBuf);

impl Own {
    fn link() -> Result<Self, Fault> {
        let status = Command::new("cargo")
            .args(["build", "--package", "ropewalk", "--bin", "ropewalk"])
            .current_dir(root())
            .status()?;
        if !status.success() {
            return Err(format!("cargo build ended with {status}").into());
        }
        let program = std::env::current_exe()?.with_file_name("ropewalk");
        let folder = std::env::temp_dir().join(format!("ropewalk-cni-{}", std::process::id()));
        std::fs::create_dir(&folder)?;
        let own = Self(folder);
        ropewalk_conformance::link(&program, &own.0)?;
        Ok(own)
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}
