//! Pages made from the table: completions, man pages, the reference in Markdown.

use std::io;
use std::path::Path;

use clap::{Command, CommandFactory};
use ropewalk_engine::{Code, Fault};
use serde::Serialize;

use crate::answer::Answer;
use crate::table::{Cli, Man, Shell};
use crate::topics;

#[derive(Serialize)]
struct Script {
    script: String,
}

#[derive(Serialize)]
struct Page {
    page: String,
}

#[derive(Serialize)]
struct Files {
    files: Vec<String>,
}

/// The script that teaches `shell` to complete our commands.
pub(crate) fn completions(shell: Shell, json: bool) -> Result<Answer, Fault> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "ropewalk", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    Answer::of(json, &Script { script }, |made| made.script.clone())
}

/// The man page, or one for each command, written to a folder.
pub(crate) fn man(args: &Man, json: bool) -> Result<Answer, Fault> {
    match &args.dir {
        Some(dir) => {
            let files = write_all(dir).map_err(|error| unwritable(dir, &error))?;
            Answer::of(json, &Files { files }, |made| made.files.join("\n") + "\n")
        }
        None => {
            let page = if args.markdown { reference() } else { first_page() };
            Answer::of(json, &Page { page }, |made| made.page.clone())
        }
    }
}

fn first_page() -> String {
    let mut page = Vec::new();
    let made = clap_mangen::Man::new(built()).render(&mut page);
    debug_assert!(made.is_ok(), "writing to memory");
    String::from_utf8_lossy(&page).into_owned()
}

fn write_all(dir: &Path) -> io::Result<Vec<String>> {
    std::fs::create_dir_all(dir)?;
    clap_mangen::generate_to(Cli::command(), dir)?;
    let mut files = Vec::new();
    each(&built(), "ropewalk", &mut |path| {
        files.push(dir.join(format!("{}.1", path.replace(' ', "-"))).display().to_string());
    });
    Ok(files)
}

fn unwritable(dir: &Path, error: &io::Error) -> Fault {
    Fault::new(Code::BadFile, format!("cannot write man pages to {}", dir.display()))
        .kernel(error.to_string())
        .or_try("ropewalk man FOLDER, with one that can be written to")
}

/// All commands and codes, as the Markdown that stands at docs/reference/cli.md.
#[must_use]
pub fn reference() -> String {
    let mut text = String::from(HEAD);
    each(&built(), "ropewalk", &mut |path| {
        let words: Vec<&str> = path.split(' ').skip(1).collect();
        let help = topics::command(&words).unwrap_or_default();
        text += &format!("\n## {path}\n\n```text\n{}\n```\n", trimmed(&help));
    });
    text += "\n## Codes of errors\n\n";
    for code in Code::ALL {
        text += &format!("* `{code}`: {}\n", code.page());
    }
    text
}

const HEAD: &str = "# Commands and codes

Made by `cargo xtask docs` from the command table. `ropewalk help COMMAND` and
`ropewalk help CODE` print the same; `ropewalk man DIR` writes it as man pages.
";

/// Without blanks at the ends of lines.
fn trimmed(text: &str) -> String {
    text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

fn built() -> Command {
    let mut command = Cli::command();
    command.build();
    command
}

/// Visits `command`, whose words are `path`, and then each command below.
fn each(command: &Command, path: &str, visit: &mut impl FnMut(&str)) {
    visit(path);
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        each(below, &format!("{path} {}", below.get_name()), visit);
    }
}
