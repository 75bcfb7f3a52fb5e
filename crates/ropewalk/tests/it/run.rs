//! The binary, run.
#![expect(clippy::disallowed_types, reason = "the product is run as people run it")]

use std::process::{Command, Output};

/// What a run left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs the binary where the calling thread is.
pub(crate) fn ropewalk(line: &str) -> Ran {
    let words = words(line);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let output = Command::new(env!("CARGO_BIN_EXE_ropewalk"))
        .args(&words)
        .env_clear()
        .env("PATH", path)
        .output();
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
