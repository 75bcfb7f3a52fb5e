//! `cargo xtask machine`: the test of what the kernel here may lack, in a virtual machine.
//!
//!     cargo nextest run -p ropewalk --ignore-default-filter -E 'test(machine::)'
//!
//! Its processor is emulated, so it takes three to five minutes: too long for the suite, where two shorter ones
//! boot a machine for ipvlan, VLANs and dummies.

use std::process::Command;

use crate::Fault;
use crate::test::call;

/// Runs it.
pub(crate) fn run() -> Result<(), Fault> {
    let mut command = Command::new("cargo");
    command.args(["nextest", "run", "-p", "ropewalk", "--ignore-default-filter"]);
    call(command.args(["-E", "test(machine::)"]))
}
