//! The command line for people and scripts: words in, one call of the engine, words or JSON out.
//!
//!     args ──table──▶ Cli ──run──▶ engine ──show──▶ text, or JSON with --json
//!
//! Results go to standard output in one write, errors to standard error.  Exit status: 0 done,
//! 1 refused, 2 wrong usage, 3 check found something.  Never here: the kernel, the state.

mod agent;
mod answer;
mod capture;
mod cluster;
mod demo;
mod explain;
mod fix;
mod install;
mod lab;
mod pages;
mod refusal;
mod run;
mod show;
mod table;
mod topics;
mod trial;
mod why;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

pub use pages::reference;

/// Does what `args` say, the first being the name of the program, and returns the exit status.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    match table::Cli::try_parse_from(&args) {
        Ok(cli) => match run::run(&cli) {
            Ok(answer) => answer.print(),
            Err(fault) => refusal::print(&fault, cli.json),
        },
        Err(error) => refusal::misuse(&error, asks_for_json(&args)),
    }
}

/// True when `--json` stands among the options. The table cannot say: it refused the line.
fn asks_for_json(args: &[OsString]) -> bool {
    args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json")
}
