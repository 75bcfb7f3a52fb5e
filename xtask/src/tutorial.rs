//! `cargo xtask cluster-tutorial`: the whole lab of the tutorial on clusters, with ten hosts.
//!
//!     ROPEWALK_TUTORIAL=all cargo test -p ropewalk --test it -- cluster::tutorial::
//!
//! The suite plays it with the first hosts alone.

use std::process::Command;

use crate::Fault;
use crate::test::call;

/// Plays it.
pub(crate) fn run() -> Result<(), Fault> {
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "ropewalk", "--test", "it", "--", "cluster::tutorial::"]);
    call(command.env("ROPEWALK_TUTORIAL", "all"))
}
