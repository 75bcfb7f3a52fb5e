//! `ropewalk help`: the page of a command, of a fault's code, or the list of codes.

use clap::Parser;
use clap::error::ErrorKind;
use ropewalk_engine::{Code, Fault};
use serde::Serialize;

use crate::answer::Answer;
use crate::show::wrapped;
use crate::table::Cli;

#[derive(Serialize)]
struct Page {
    topic: String,
    text: String,
}

/// The page of `topic`: nothing, the words of a command, a code, or `codes`.
pub(crate) fn help(topic: &[String], json: bool) -> Result<Answer, Fault> {
    let words: Vec<&str> = topic.iter().map(String::as_str).collect();
    let text = match words.as_slice() {
        ["codes"] => Some(codes()),
        [one] => Code::from_name(one).map(code).or_else(|| command(&words)),
        _ => command(&words),
    };
    let topic = words.join(" ");
    let text = text.ok_or_else(|| unknown(&topic))?;
    Answer::of(json, &Page { topic, text }, |page| page.text.clone())
}

/// What the table says when the command is given with `--help`.
pub(crate) fn command(words: &[&str]) -> Option<String> {
    let line = ["ropewalk"].iter().chain(words).chain(&["--help"]);
    let error = Cli::try_parse_from(line).err()?;
    (error.kind() == ErrorKind::DisplayHelp).then(|| error.render().to_string())
}

fn code(code: Code) -> String {
    format!("{code}\n\n{}", wrapped(code.page(), "  "))
}

fn codes() -> String {
    let pages = Code::ALL.iter().map(|c| code(*c)).collect::<Vec<_>>();
    pages.join("\n")
}

fn unknown(topic: &str) -> Fault {
    Fault::new(Code::BadInput, format!("there is no command and no code {topic:?}"))
        .doing("help")
        .or_try("ropewalk help")
        .or_try("ropewalk help codes")
}
