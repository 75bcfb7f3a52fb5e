//! Tasks for people who work on ropewalk: `cargo xtask TASK`. One file a task; this one only picks it.
//!
//! Never here: anything the product needs at run time.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a task talks to the person at the terminal"
)]

mod bench;
mod cases;
mod conformance;
mod docs;
mod fuzz;
mod machine;
mod matrix;
mod model;
mod pairs;
mod test;
mod tidy;
mod tutorial;

use std::process::ExitCode;

/// What a task may fail with: the text is all that is done with it.
type Fault = Box<dyn std::error::Error>;

const USAGE: &str = "\
usage: cargo xtask TASK

  docs   write the pages that are made from the product
  test   install what the tests need, then fmt, tidy, deny, build, nextest, doc, clippy
  tidy   layers, module heads, file sizes, forgotten files, lint settings
  bench  attach [--runs N] [--present N] [--json]: what an attachment costs beside the bare requests
         rate [--seconds N]: what comes through where a rate is limited
         protect [--rounds N]: what protection costs the packets it looks at
         cni [--runs N] [--present N,N…] [--debian-present N] [--json]: plugins, beside Debian's
         why [--containers N] [--runs N]: how long an answer takes on a host full of containers
         cluster [--with BINARY] [ROW…]: how soon, and for how much, hosts follow their store
  cases [--live] [FOLDER]: a suite of broken networks, asked of `ropewalk why`; causes, places, fixes that work
  conformance [--cni DIR] [--plugin NAME] [--json FILE]: CNI plugins against what runtimes rely on
  cluster-model [--steps N] [--seed N]: who owns which addresses, whatever happens to hosts and store
  cluster-matrix [WORD]: every fault that befalls clusters, three hosts with three stores in a lab
  cluster-tutorial: the lab of the tutorial on clusters, with all of its ten hosts
  fuzz-walk [--pairs N] [--seed S]: what the walk says of random networks beside what the kernel does
  machine  what the kernel here may lack, in a virtual machine: plugins, a card, a radio, kills at every step
  lab-all [--megabytes N] [TOPOLOGY…]: every topology in a lab, all pairs ping and move 100 MB
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match words.as_slice() {
        ["test"] => test::run(),
        ["docs"] => docs::run(),
        ["bench", "attach", rest @ ..] => bench::attach(rest),
        ["bench", "rate", rest @ ..] => bench::rate(rest),
        ["bench", "cni", rest @ ..] => bench::cni(rest),
        ["bench", "protect", rest @ ..] => bench::protect(rest),
        ["bench", "why", rest @ ..] => bench::why(rest),
        ["bench", "cluster", rest @ ..] => bench::cluster(rest),
        ["cluster-model", rest @ ..] => model::run(rest),
        ["cluster-matrix", rest @ ..] => matrix::run(rest),
        ["cluster-tutorial"] => tutorial::run(),
        ["machine"] => machine::run(),
        ["lab-all", rest @ ..] => pairs::run(rest),
        ["cases", rest @ ..] => cases::run(rest),
        ["fuzz-walk", rest @ ..] => fuzz::run(rest),
        ["conformance", rest @ ..] => conformance::run(rest),
        ["tidy"] => tidy::run(),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            eprintln!("xtask: {fault}");
            ExitCode::FAILURE
        }
    }
}
