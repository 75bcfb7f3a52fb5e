//! The page of `ropewalk fix` and of `ropewalk undo`.
//!
//!     NO   net.ipv4.ip_forward is 0 …
//!     FIX  ropewalk repair
//!     DONE ~ net/ipv4/ip_forward 0 → 1        repair 1: `ropewalk undo` changes it back
//!
//! Never here: what is wrong, what repairs it.

use ropewalk_engine::{Repaired, Undoable, Undone};

use super::columns::{cell, table};
use super::paint::{Paint, Tone};
use super::why::{Look, UNDER, WIDTH, command, labelled, said, words};

/// What puts it right, or what was done.
pub(crate) fn mended(done: &Repaired, look: &Look) -> String {
    let paint = look.paint;
    let mut text = said(&done.verdict, paint);
    if done.verdict.code == "OK" {
        return text + "    there is nothing to do\n";
    }
    text += &commands(done, paint);
    let Some(id) = done.applied else {
        let again = look.repair.as_ref().filter(|_| done.fix.iter().all(|l| l.by_hand.is_none()));
        let again = again.filter(|_| !done.changes.is_empty());
        for line in again.iter().flat_map(|line| command(line, WIDTH - UNDER.len())) {
            text += &format!("{UNDER}{line}\n");
        }
        return text;
    };
    let changes = done.changes.iter().flat_map(|line| words(line, WIDTH - UNDER.len()));
    text += &format!("\n{}", labelled("DONE", Tone::Good, &changes.collect::<Vec<_>>(), paint));
    text += &format!("{UNDER}repair {id}; `ropewalk undo` changes it back\n");
    if let Some(after) = &done.after {
        text += &format!("\n{}", said(after, paint));
    }
    text
}

/// ropewalk's own commands first, then those that do the same by hand.
fn commands(done: &Repaired, paint: Paint) -> String {
    let room = WIDTH - UNDER.len();
    let advice = done.verdict.advice.as_ref().map(|advice| words(advice, room));
    let mut lines: Vec<String> = advice.unwrap_or_default();
    lines.extend(done.verbs.iter().cloned());
    if !done.verbs.is_empty() && !done.fix.is_empty() {
        lines.push("or by hand".to_owned());
    }
    let mut text = String::new();
    for fix in &done.fix {
        lines.extend(command(&fix.command, room));
        let why = fix.by_hand.filter(|_| done.verbs.is_empty());
        if let Some(why) = why {
            lines.extend(words(&format!("^ to be run by hand: {why}"), room));
        }
    }
    if lines.is_empty() {
        lines.push("no commands are known that repair it".to_owned());
    }
    text += &format!("\n{}", labelled("FIX", Tone::Good, &lines, paint));
    text
}

/// What was changed back.
pub(crate) fn undone(done: &Undone) -> String {
    let mut lines = words(&format!("repair {}: {}", done.id, done.sentence), WIDTH - UNDER.len());
    for line in &done.changes {
        lines.extend(words(line, WIDTH - UNDER.len()));
    }
    for line in &done.left {
        lines.extend(words(&format!("left: {line}"), WIDTH - UNDER.len()));
    }
    labelled("UNDO", Tone::Plain, &lines, Paint::default())
}

/// The repairs that can be undone.
pub(crate) fn repairs(all: &[Undoable]) -> String {
    if all.is_empty() {
        return "no repairs\n".to_owned();
    }
    let row = |repair: &Undoable| {
        let said = words(&repair.sentence, 50);
        vec![cell(repair.id.to_string()), cell(repair.created.as_str()), said]
    };
    table(&["#", "MADE", "WHAT WAS WRONG"], &all.iter().map(row).collect::<Vec<_>>())
}
