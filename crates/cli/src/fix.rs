//! `ropewalk fix` and `ropewalk undo`: a repair said, carried out, changed back.
//!
//! Never here: what is wrong, what repairs it.

use ropewalk_engine::Fault;

use crate::answer::{Answer, FOUND};
use crate::run::open;
use crate::show::{self, Look, Paint};
use crate::table::{Fix, Undo, Why};
use crate::why;

/// Says what repairs it, and does it when asked to. The exit status is 3 when it does not get
/// through in the end.
pub(crate) fn fix(args: &Fix, json: bool) -> Result<Answer, Fault> {
    let (scan, question) = why::asked(&args.why)?;
    let done = match &scan {
        Some(scan) => ropewalk_engine::fix_in(scan, &question)?,
        None => open()?.fix(&question, args.apply)?,
    };
    let look = look(&args.why);
    let answer = Answer::of(json, &done, |done| show::mended(done, &look))?;
    Ok(if done.fine() { answer } else { answer.status(FOUND) })
}

/// Changes a repair back, or lists those that could be.
pub(crate) fn undo(args: &Undo, json: bool) -> Result<Answer, Fault> {
    if args.list {
        return Answer::of(json, &open()?.repairs()?, |all| show::repairs(all));
    }
    Answer::of(json, &open()?.undo(args.id)?, show::undone)
}

/// How the page of an answer looks.
pub(crate) fn look(args: &Why) -> Look {
    let repair = args.snapshot.is_empty().then(|| again(args)).flatten();
    Look { paint: Paint::new(args.color), repair }
}

/// The command that carries a repair out.
fn again(args: &Why) -> Option<String> {
    if let Some(query) = args.query.as_ref().filter(|query| query.as_os_str() != "-") {
        return Some(format!("ropewalk fix --query {} --apply", query.display()));
    }
    let mut line = format!("ropewalk fix {}", args.src.as_ref()?);
    if let Some(dst) = &args.dst {
        line += &match dst.port {
            Some(port) if dst.host.contains(':') => format!(" [{}]:{port}", dst.host),
            Some(port) => format!(" {}:{port}", dst.host),
            None => format!(" {}", dst.host),
        };
    }
    let options = [
        ("--proto", args.proto.clone()),
        ("--dport", args.dport.map(|x| x.to_string())),
        ("--sport", args.sport.map(|x| x.to_string())),
        ("--saddr", args.saddr.map(|x| x.to_string())),
        ("--size", args.size.map(|x| x.to_string())),
        ("--visible", (!args.visible.is_empty()).then(|| args.visible.join(","))),
    ];
    for (name, value) in options {
        line += &value.map(|value| format!(" {name} {value}")).unwrap_or_default();
    }
    line += if args.df { " --df" } else { "" };
    Some(line + " --apply")
}
