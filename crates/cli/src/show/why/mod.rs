//! The page of `ropewalk why`: the way in one line, the verdict, the hops, what shows it, what repairs it.
//!
//!     c1 eth0 ── vc1[br0] h ──✗ eth0 ┈┈ 198.51.100.8
//!     NO  …       # WHERE REQUEST VERDICT SEEN       SEEN …       WHY …       FIX …
//!
//! No line is wider than 80 columns.  Never here: what is wrong.

mod fill;
mod hops;
#[cfg(test)]
mod tests;
mod way;

use ropewalk_walk::{Live, Verdict};

pub(super) use self::fill::{WIDTH, command, words};
use super::paint::{Paint, Tone};

/// How a page looks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Look {
    /// Its colours.
    pub(crate) paint: Paint,
    /// The command that repairs it, where there is one.
    pub(crate) repair: Option<String>,
}

/// What stands before what is said.
const INDENT: &str = "    ";
/// The same, under `WHY` and `FIX`.
pub(super) const UNDER: &str = "     ";

/// The answer to a question as a page.
pub(crate) fn verdict(v: &Verdict, look: &Look) -> String {
    let paint = look.paint;
    let mut text = way::picture(v, paint);
    text += &said(v, paint);
    let back = !v.reply.is_empty();
    let would = |here: bool| if here { &[][..] } else { v.would.path.as_slice() };
    for (name, steps, rest) in [
        ("request", &v.path, would(back)),
        ("answer", &v.reply, if back { v.would.reply.as_slice() } else { &[] }),
    ] {
        if !steps.is_empty() {
            text += &format!("\n{}", hops::table(name, steps, rest, paint));
        }
    }
    if !back && !v.would.reply.is_empty() {
        let line = format!("{INDENT}and the answer would come back");
        text += &format!("{}\n", paint.tone(Tone::Faint, &line));
    }
    text += &v.live.as_ref().map(|live| seen(live, paint)).unwrap_or_default();
    text += &evidence(v, paint);
    text += &fix(v, look);
    for gap in &v.model_gaps {
        let lines = words(&format!("not understood: {gap}"), WIDTH - UNDER.len());
        text += &format!("\n{}", labelled("NOTE", Tone::Strong, &lines, paint));
    }
    text
}

/// The verdict, in words.
pub(super) fn said(v: &Verdict, paint: Paint) -> String {
    let fine = v.code == "OK";
    let (says, tone) = if fine { ("OK", Tone::Good) } else { ("NO", Tone::Bad) };
    let mut lines = words(&v.sentence, WIDTH - INDENT.len()).into_iter();
    let first = lines.next().unwrap_or_default();
    let mut text = format!("{}  {}\n", paint.tone(tone, says), paint.tone(Tone::Strong, &first));
    for line in lines {
        text += &format!("{INDENT}{}\n", paint.tone(Tone::Strong, &line));
    }
    let at = if fine { String::new() } else { format!("[{}] at {}, ", v.code, v.place) };
    text += &filled(&format!("{at}{}", v.certainty), INDENT);
    for then in &v.then {
        let said = format!("and then, at {}: {} [{}]", then.place, then.sentence, then.code);
        text += &filled(&said, INDENT);
    }
    text
}

/// What was seen when it was sent.
fn seen(live: &Live, paint: Paint) -> String {
    let mut all = Vec::new();
    if live.sent > 0 {
        all.push(format!("sent {}, answered {}", live.sent, live.answered));
    }
    all.extend(live.finding.iter().chain(&live.told).cloned());
    all.extend(live.drops.iter().map(|drop| {
        let by = drop.stack.join(" < ");
        let what = if drop.reply { "its answer" } else { "it" };
        format!("{} dropped {what}, {} times: {} in {by}", drop.netns, drop.count, drop.reason)
    }));
    all.extend(live.without.iter().map(|what| format!("without {what}")));
    let lines: Vec<String> = all.iter().flat_map(|line| words(line, WIDTH - UNDER.len())).collect();
    format!("\n{}", labelled("SEEN", Tone::Strong, &lines, paint))
}

fn evidence(v: &Verdict, paint: Paint) -> String {
    let mut text = String::new();
    for (at, found) in v.evidence.iter().enumerate() {
        let said = words(&format!("{}: {}", found.object, found.value), WIDTH - UNDER.len());
        if at == 0 {
            text += &format!("\n{}", labelled("WHY", Tone::Strong, &said, paint));
        } else {
            said.iter().for_each(|line| text += &format!("{UNDER}{line}\n"));
        }
        for line in command(&found.command, WIDTH - UNDER.len() - 2) {
            text += &format!("{UNDER}  {}\n", paint.tone(Tone::Faint, &line));
        }
    }
    text
}

fn fix(v: &Verdict, look: &Look) -> String {
    let room = WIDTH - UNDER.len();
    let mut lines = v.advice.as_ref().map(|advice| words(advice, room)).unwrap_or_default();
    lines.extend(v.verbs.iter().cloned());
    if v.fix.is_empty() && lines.is_empty() {
        return String::new();
    }
    if !v.verbs.is_empty() && !v.fix.is_empty() {
        lines.push("or by hand:".to_owned());
    }
    lines.extend(v.fix.iter().flat_map(|c| command(c, room)));
    let mut text = format!("\n{}", labelled("FIX", Tone::Good, &lines, look.paint));
    if v.fix.is_empty() {
        return text;
    }
    let checked = match (v.fix_checked, v.then.is_empty()) {
        (true, _) => "checked in the model: request and answer then get through",
        (false, true) => "not checked in the model",
        (false, false) => "not checked in the model: what comes after may stay",
    };
    text += &format!("{UNDER}{}\n", look.paint.tone(Tone::Faint, checked));
    for line in look.repair.iter().flat_map(|c| command(c, WIDTH - UNDER.len())) {
        text += &format!("{UNDER}{line}\n");
    }
    text
}

/// Lines with a word before the first.
pub(super) fn labelled(label: &str, tone: Tone, lines: &[String], paint: Paint) -> String {
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let head = if at == 0 {
            format!("{}{}", paint.tone(tone, label), " ".repeat(UNDER.len() - label.len()))
        } else {
            UNDER.to_owned()
        };
        text += &format!("{head}{line}\n");
    }
    text
}

fn filled(text: &str, indent: &str) -> String {
    let lines = words(text, WIDTH - indent.len()).into_iter();
    lines.map(|line| format!("{indent}{line}\n")).collect()
}
