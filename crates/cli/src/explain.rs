//! `ropewalk explain`: the manual page of a cause, or the list of all; the same as Markdown.
//!
//!     ropewalk explain RP_FILTER        docs/reference/causes.md
//!
//! Never here: what is said of a cause.

use ropewalk_engine::{Code, Fault};
use ropewalk_walk::pages::{Page, TOPICS, nearest, page, pages};

use crate::answer::Answer;
use crate::show::wrapped;
use crate::table::Explain;

/// The page of a code, or the list.
pub(crate) fn explain(args: &Explain, json: bool) -> Result<Answer, Fault> {
    let Some(code) = &args.code else {
        let all: Vec<&Page> = pages().collect();
        return Answer::of(json, &all, |_| if args.markdown { markdown() } else { list() });
    };
    let found = page(code).ok_or_else(|| unknown(code))?;
    Answer::of(json, found, text)
}

fn unknown(code: &str) -> Fault {
    let fault = Fault::new(Code::BadInput, format!("there is no cause {code:?}"));
    let near = nearest(code).into_iter();
    let fault = near.fold(fault, |fault, code| fault.or_try(format!("ropewalk explain {code}")));
    fault.or_try("ropewalk explain")
}

fn list() -> String {
    let mut text = String::new();
    for (topic, pages) in TOPICS {
        let codes: Vec<&str> = pages.iter().map(|page| page.code).collect();
        text += &format!("{topic}\n{}\n", wrapped(&codes.join("  "), "  "));
    }
    text + "The page of one: ropewalk explain CODE\n"
}

fn text(page: &Page) -> String {
    let see: String = page.see.iter().map(|line| format!("    {line}\n")).collect();
    format!(
        "{}\n\n{}\nhow it looks\n{}\nhow to see it\n{see}\nhow to repair it\n{}",
        page.code,
        wrapped(page.what, "  "),
        wrapped(page.looks, "    "),
        wrapped(page.repair, "    ")
    )
}

/// All pages, as they stand at docs/reference/causes.md.
fn markdown() -> String {
    let mut text = String::from(HEAD);
    for (topic, pages) in TOPICS {
        text += &format!("\n## {topic}\n");
        for page in pages {
            let see: Vec<String> = page.see.iter().map(|line| format!("    {line}")).collect();
            text += &format!(
                "\n### {}\n\n{}\n\n*How it looks:* {}\n\n*How to see it:*\n\n{}\n\n*How to repair it:* {}\n",
                page.code,
                page.what,
                page.looks,
                see.join("\n"),
                page.repair
            );
        }
    }
    text
}

const HEAD: &str = "# Causes

Made by `cargo xtask docs`. `ropewalk why` names them, `ropewalk explain CODE` prints the same.
Capital words in commands stand for names and addresses of the network at hand.
";
