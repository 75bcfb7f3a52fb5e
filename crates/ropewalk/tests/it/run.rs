//! The binary, run.
#![expect(clippy::disallowed_types, reason = "the product is run as people run it")]

use std::process::{Child, Command, Output, Stdio};

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    /// None when a signal ended it.
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary where the calling thread is.
pub(crate) fn ropewalk(line: &str) -> Ran {
    ropewalk_with(line, &[])
}

/// Runs it with these variables.
pub(crate) fn ropewalk_with(line: &str, vars: &[(&str, &str)]) -> Ran {
    ended(command(line, vars).output())
}

/// Starts it, to run beside others.
pub(crate) fn start(line: &str) -> Child {
    let mut command = command(line, &[]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Waits for the end of what was started.
pub(crate) fn finish(child: Child) -> Ran {
    ended(child.wait_with_output())
}

pub(crate) fn command(line: &str, vars: &[(&str, &str)]) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ropewalk"));
    command.args(words(line)).env_clear().env("PATH", path).envs(vars.iter().copied());
    command
}

fn ended(output: std::io::Result<Output>) -> Ran {
    let Output { status, stdout, stderr } = output.expect("the binary runs");
    let text = |bytes| String::from_utf8(bytes).expect("output is text");
    Ran { status: status.code(), out: text(stdout), err: text(stderr) }
}

/// Splits at blanks, except within double quotes.
fn words(line: &str) -> Vec<String> {
    let parts = line.split('"').enumerate();
    let split = parts.flat_map(|(n, part)| match n % 2 {
        0 => part.split_whitespace().map(str::to_owned).collect::<Vec<_>>(),
        _ => vec![part.to_owned()],
    });
    split.collect()
}
