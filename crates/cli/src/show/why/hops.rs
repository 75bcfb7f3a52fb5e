//! The hops of a way as a table: where, what happens, whether it goes on.
//!
//!      #  WHERE                  REQUEST                              VERDICT  SEEN
//!      1  c1                     route default via 10.50.0.1 dev eth0 ok
//!
//! Never here: which hops there are.

use ropewalk_walk::Step;

use super::fill::{WIDTH, columns, words};
use crate::show::paint::{Paint, Tone};

/// The number and the blanks behind it.
const NUMBER: usize = 4;
/// The verdict.
const VERDICT: usize = 7;
/// How many were seen, where any was sent.
const SEEN: usize = 4;
/// No place is wider.
const WIDEST: usize = 28;

/// A line of the table.
struct Row {
    number: String,
    place: String,
    what: Vec<String>,
    packet: Option<String>,
    verdict: String,
    tone: Tone,
    seen: Option<u16>,
}

/// The table of `steps`, and of those that would follow.
pub(super) fn table(name: &str, steps: &[Step], would: &[Step], paint: Paint) -> String {
    if steps.is_empty() {
        return String::new();
    }
    let mut before = String::new();
    let mut row = |step: &Step, would: bool| {
        let packet = (step.packet != before).then(|| step.packet.clone());
        before.clone_from(&step.packet);
        let (verdict, tone) = match (would, step.verdict) {
            (true, _) => ("(would)", Tone::Faint),
            (_, "ok") => ("ok", Tone::Good),
            (_, "drop") => ("DROP", Tone::Bad),
            (_, "reject") => ("REJECT", Tone::Bad),
            _ => ("STOP", Tone::Bad),
        };
        Row {
            number: format!("{:>2}", step.n),
            place: place(step),
            what: vec![what(step)],
            packet,
            verdict: verdict.to_owned(),
            tone,
            seen: step.seen,
        }
    };
    let mut rows: Vec<Row> = steps.iter().map(|step| row(step, false)).collect();
    rows.extend(would.iter().map(|step| row(step, true)));
    let head = ["WHERE".to_owned()];
    let places = rows.iter().map(|row| &row.place).chain(&head);
    let wide = places.map(|place| columns(place)).max().unwrap_or_default().min(WIDEST);
    let sent = rows.iter().any(|row| row.seen.is_some());
    let seen = if sent { 2 + SEEN } else { 0 };
    let room = WIDTH.saturating_sub(NUMBER + wide + 2 + 2 + VERDICT + seen);
    let name = name.to_uppercase();
    let last = if sent { "  SEEN" } else { "" };
    let title = format!(" #  {:wide$}  {name:room$}  VERDICT{last}", "WHERE");
    let mut text = format!("{}\n", paint.tone(Tone::Strong, &title));
    for row in &rows {
        text += &lines(row, wide, room, paint);
    }
    text
}

fn lines(row: &Row, wide: usize, room: usize, paint: Paint) -> String {
    let places = words(&row.place, wide);
    let mut whats: Vec<(Tone, String)> = Vec::new();
    let base = if row.tone == Tone::Faint { Tone::Faint } else { Tone::Plain };
    for line in row.what.iter().flat_map(|what| words(what, room)) {
        whats.push((base, line));
    }
    for line in row.packet.iter().flat_map(|packet| words(packet, room)) {
        whats.push((Tone::Faint, line));
    }
    let mut text = String::new();
    for at in 0..places.len().max(whats.len()).max(1) {
        let first = at == 0;
        let number = if first { row.number.as_str() } else { "" };
        let place = places.get(at).map_or("", String::as_str);
        let (tone, what) = whats.get(at).map_or((Tone::Plain, ""), |(t, w)| (*t, w.as_str()));
        let verdict = if first { row.verdict.as_str() } else { "" };
        let left = format!("{number:NUMBER$}{place:wide$}  ");
        if verdict.is_empty() {
            let line = format!("{}{}", paint.tone(base, &left), paint.tone(tone, what));
            text += line.trim_end();
        } else {
            let middle = format!("{what:room$}");
            text += &paint.tone(base, &left);
            text += &paint.tone(tone, &middle);
            text += &format!("  {}", paint.tone(row.tone, verdict));
            if let Some(seen) = row.seen {
                let gap = VERDICT.saturating_sub(columns(verdict)) + 2;
                text += &format!("{}{seen:>SEEN$}", " ".repeat(gap));
            }
        }
        text.push('\n');
    }
    text
}

/// `c1`, `h:br0`, `h ip/nat/POSTROUTING`.
fn place(step: &Step) -> String {
    match step.stage {
        "route" => step.netns.clone(),
        "nat" | "filter" => format!("{} {}", step.netns, step.object),
        _ if step.object.is_empty() => step.netns.clone(),
        _ => format!("{}:{}", step.netns, step.object),
    }
}

fn what(step: &Step) -> String {
    match (step.stage, step.verdict) {
        ("route", "ok") => format!("route {}", step.action),
        _ => step.action.clone(),
    }
}
