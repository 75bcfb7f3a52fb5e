//! The one binary: picks the front end that it was called as, and gives it the arguments.

use std::process::ExitCode;

use ropewalk_cni::Plugin;

fn main() -> ExitCode {
    let program = std::env::args_os().next().unwrap_or_default();
    match Plugin::called(&program.to_string_lossy()) {
        Some(plugin) => plugin.main(),
        None => ropewalk_cli::main(std::env::args_os()),
    }
}
