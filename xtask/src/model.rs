//! `cargo xtask cluster-model`: who owns which addresses, under a scheduler that does its worst, for long.
//!
//!     ROPEWALK_MODEL_STEPS=1000000 cargo test -p ropewalk-cluster …
//!
//! The suite runs the same test for a fraction of a second.  A seed that fails is printed.

use std::process::Command;

use crate::Fault;
use crate::test::call;

/// How many steps, unless told.
const STEPS: &str = "1000000";

/// Runs the model.
pub(crate) fn run(words: &[&str]) -> Result<(), Fault> {
    let (mut steps, mut seed) = (STEPS, "1");
    for pair in words.chunks(2) {
        match pair {
            ["--steps", number] => steps = number,
            ["--seed", number] => seed = number,
            _ => return Err(format!("what is {}? [--steps N] [--seed N]", pair.join(" ")).into()),
        }
    }
    let mut command = Command::new("cargo");
    command.args(["test", "--package", "ropewalk-cluster", "--test", "it", "--", "model::"]);
    command.env("ROPEWALK_MODEL_STEPS", steps).env("ROPEWALK_MODEL_SEED", seed);
    call(&mut command)
}
