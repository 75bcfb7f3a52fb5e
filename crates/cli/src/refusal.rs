//! Refusals: what was asked for cannot be, said as text or as JSON on standard error.
//!
//!     {"error": {"code": "addr-taken", "doing": …, "what": …, "kernel": …, "cause": …, "try": […]}}

use std::error::Error as _;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::error::ContextKind;
use ropewalk_engine::{Code, Fault};
use ropewalk_spec::SpecError;
use serde::Serialize;

use crate::answer::{Answer, written};
use crate::table::Unfit;

const REFUSED: u8 = 1;
const USAGE: u8 = 2;

#[derive(Serialize)]
struct Refusal<'a> {
    error: &'a Fault,
}

/// Says why the engine refused.
pub(crate) fn print(fault: &Fault, json: bool) -> ExitCode {
    let text = if json { written(&Refusal { error: fault }).ok() } else { None };
    say(&text.unwrap_or_else(|| format!("{fault}\n")));
    ExitCode::from(if fault.code == Code::BadInput { USAGE } else { REFUSED })
}

/// Says why the table refused the command line; or what it was asked to say, as with `--help`.
pub(crate) fn misuse(error: &clap::Error, json: bool) -> ExitCode {
    let text = error.render().to_string();
    if !error.use_stderr() {
        return Answer { text, status: 0 }.print();
    }
    if let Some(fault) = unfit(error) {
        return print(&fault, json);
    }
    if json {
        return print(&misuse_as_fault(&text), json);
    }
    say(&text);
    ExitCode::from(USAGE)
}

/// A value that was refused, of which we know more than the table does.
fn unfit(error: &clap::Error) -> Option<Fault> {
    let unfit: &Unfit = error.source()?.downcast_ref()?;
    let argument = error.get(ContextKind::InvalidArg)?.to_string();
    let argument = argument.split(' ').next().unwrap_or_default().trim_matches(['<', '>', '.']);
    let fault = Fault::new(Code::BadInput, format!("{argument}: {unfit}"));
    Some(unfit.help.clone().into_iter().fold(fault, Fault::or_try))
}

/// What the table said, in the form of a fault: its first paragraph, and its tips.
fn misuse_as_fault(text: &str) -> Fault {
    let lines = text.lines().map(str::trim);
    let first: Vec<&str> = lines.clone().take_while(|line| !line.is_empty()).collect();
    let what = first.join(" ");
    let fault = Fault::new(Code::BadInput, what.strip_prefix("error: ").unwrap_or(&what));
    let tips = lines.filter_map(|line| line.strip_prefix("tip: "));
    tips.fold(fault, Fault::or_try).or_try("ropewalk help")
}

/// An option of `command` that makes no sense, found by the check of the whole.
pub(crate) fn senseless(command: &str, doing: String, error: &SpecError) -> Fault {
    let option = error.field.replace('_', "-");
    let fault = Fault::new(Code::BadInput, format!("--{option}: {}", error.problem)).doing(doing);
    let fault = error.problem.help().into_iter().fold(fault, Fault::or_try);
    fault.or_try(format!("ropewalk help {command}"))
}

fn say(text: &str) {
    // There is nobody left to tell when standard error cannot be written to.
    let _ = io::stderr().write_all(text.as_bytes());
}
