//! The one binary: picks the front end that it was called as, and gives it the arguments.

use std::process::ExitCode;

fn main() -> ExitCode {
    ropewalk_cli::main(std::env::args_os())
}
