//! `cargo xtask cluster-matrix [WORD]`: every fault that befalls clusters, one after another on one lab.
//!
//!     ROPEWALK_MATRIX=all cargo test -p ropewalk --test it -- cluster::matrix::
//!
//! With a word, those whose names hold it; the suite runs the quick ones.  A line for each: how long it
//! took, and how many pings were lost.

use std::process::Command;

use crate::Fault;
use crate::test::call;

/// Runs the faults.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let word = match words {
        [] => "all",
        [word] => word,
        _ => return Err("one word, of the names of faults".into()),
    };
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "ropewalk", "--test", "it", "--"]);
    command.args(["--nocapture", "cluster::matrix::"]).env("ROPEWALK_MATRIX", word);
    call(&mut command)
}
