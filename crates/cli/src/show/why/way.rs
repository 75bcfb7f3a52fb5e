//! The way in one line: namespaces, the links between them, and where it stops.
//!
//!     c1 eth0 ── vc1[br0] h ──✗ eth0 ┈┈ 198.51.100.8
//!
//! Never here: rules, routes.

use ropewalk_walk::{Step, Verdict};

use super::fill::{WIDTH, columns};
use crate::show::paint::{Paint, Tone};

/// A namespace on the way, and the links that it is come to and left by.
#[derive(Clone, Debug, Default)]
struct Place {
    left: Option<String>,
    name: String,
    right: Option<String>,
}

/// The longest name of a namespace that is drawn whole, and of a link with its bridge.
const LONGEST: usize = 20;
const LONGEST_LINK: usize = 24;
/// The longest address.
const LONGEST_GOAL: usize = 39;

/// The way, in a line or as many as it takes; that of the answer too, where that is what stops.
pub(super) fn picture(v: &Verdict, paint: Paint) -> String {
    let mut text = String::new();
    let goal = v.path.first().map(|step| ends(step).1).unwrap_or_default();
    let goal = short(&goal, LONGEST_GOAL);
    let fails = !v.reply.is_empty() && v.reply.iter().any(|step| step.verdict != "ok");
    if !v.path.is_empty() {
        let mut line = chunks(&v.path, &v.would.path, &goal);
        if v.reply.iter().all(|step| step.verdict == "ok") && !v.reply.is_empty() {
            line.push((Tone::Faint, "and back".to_owned()));
        }
        text += &laid(&line, "", paint);
    }
    if fails {
        let source = v.path.first().map(|step| short(&step.netns, LONGEST)).unwrap_or_default();
        let mut line = Vec::new();
        if left(&v.path) {
            line.push((Tone::Plain, goal));
        }
        let way = chunks(&v.reply, &v.would.reply, &source);
        let joined =
            way.into_iter().enumerate().map(|(i, (tone, chunk))| match (i, left(&v.path)) {
                (0, true) => (tone, format!("── {chunk}")),
                _ => (tone, chunk),
            });
        line.extend(joined);
        text += &laid(&line, "back: ", paint);
    }
    text
}

/// It left for where nobody may look.
fn left(steps: &[Step]) -> bool {
    steps.last().is_some_and(|s| s.verdict == "ok" && s.stage == "link" && s.over.is_none())
}

/// Who sends and who is sent to.
fn ends(step: &Step) -> (String, String) {
    let (src, dst) = step.packet.split_once(" > ").unwrap_or_default();
    (src.to_owned(), dst.to_owned())
}

fn places(steps: &[Step]) -> Vec<Place> {
    let mut all: Vec<Place> = Vec::new();
    for step in steps {
        if all.last().is_none_or(|place| place.name != step.netns) {
            all.push(Place { name: step.netns.clone(), ..Place::default() });
        }
        let Some(place) = all.last_mut() else { continue };
        if step.verdict == "ok" && step.stage != "deliver" && step.dev.is_some() {
            place.right = leaves(place, step);
        }
        if let Some(over) = &step.over {
            let bridge = over.bridge.as_ref().map(|b| format!("[{b}]")).unwrap_or_default();
            let left = Some(format!("{}{bridge}", over.dev));
            all.push(Place { left, name: over.netns.clone(), right: None });
        }
    }
    all.into_iter().map(Place::fitting).collect()
}

/// The link that a place is left by: a member after the bridge that it is of.
fn leaves(place: &Place, step: &Step) -> Option<String> {
    let dev = step.dev.clone()?;
    let inside =
        |name: &String| place.left.as_ref().is_some_and(|l| l.contains(&format!("[{name}]")));
    if inside(&dev) {
        // Handed up, or on within the bridge that it came in by.
        return place.right.clone();
    }
    match &place.right {
        Some(before) if *before != dev && step.over.is_some() && !before.contains('[') => {
            Some(format!("[{before}]{dev}"))
        }
        _ => Some(dev),
    }
}

/// The pieces of a line, each with the dash before it.
fn chunks(steps: &[Step], would: &[Step], goal: &str) -> Vec<(Tone, String)> {
    let stops = steps.last().is_some_and(|step| step.verdict != "ok");
    let mut all: Vec<(Tone, String)> = Vec::new();
    let came = places(steps);
    let last = came.len().saturating_sub(1);
    for (at, place) in came.iter().enumerate() {
        let dash = if at == 0 { "" } else { "── " };
        let mut text = dash.to_owned();
        text += &place.left.as_ref().map(|l| format!("{l} ")).unwrap_or_default();
        text += &place.name;
        match &place.right {
            Some(right) if at == last && stops => {
                all.push((Tone::Plain, text));
                all.push((Tone::Bad, format!("──✗ {right}")));
                continue;
            }
            Some(right) => text += &format!(" {right}"),
            None => {}
        }
        all.push((Tone::Plain, text));
        if at == last && stops {
            all.push((Tone::Bad, "──✗".to_owned()));
        }
    }
    if stops {
        all.extend(rest(&came, would, goal));
    } else if left(steps) {
        all.push((Tone::Plain, format!("── {goal}")));
    }
    all
}

/// What is behind the place where it stops.
fn rest(came: &[Place], would: &[Step], goal: &str) -> Vec<(Tone, String)> {
    let mut all = Vec::new();
    let behind = places(would);
    let here = came.last().map(|place| place.name.as_str());
    let beyond = behind.iter().skip(usize::from(behind.first().map(|p| p.name.as_str()) == here));
    for place in beyond {
        let text = [place.left.clone(), Some(place.name.clone()), place.right.clone()];
        let text: Vec<String> = text.into_iter().flatten().collect();
        all.push((Tone::Faint, format!("┈┈ {}", text.join(" "))));
    }
    let there = |name: &str| came.iter().chain(&behind).any(|p| p.name == name);
    if (would.is_empty() || left(would)) && !there(goal) {
        all.push((Tone::Faint, format!("┈┈ {goal}")));
    }
    all
}

fn short(name: &str, longest: usize) -> String {
    if columns(name) <= longest {
        return name.to_owned();
    }
    name.chars().take(longest - 1).chain(['…']).collect()
}

impl Place {
    /// Its links cut, where they are longer than there is room for.
    fn fitting(self) -> Self {
        let cut = |link: Option<String>| link.map(|link| short(&link, LONGEST_LINK));
        Self { left: cut(self.left), name: short(&self.name, LONGEST), right: cut(self.right) }
    }
}

fn laid(chunks: &[(Tone, String)], head: &str, paint: Paint) -> String {
    let mut text = head.to_owned();
    let mut used = columns(head);
    for (at, (tone, chunk)) in chunks.iter().enumerate() {
        if at > 0 && used + 1 + columns(chunk) > WIDTH {
            text += "\n    ";
            used = 4;
        } else if at > 0 {
            text.push(' ');
            used += 1;
        }
        text += &paint.tone(*tone, chunk);
        used += columns(chunk);
    }
    text + "\n"
}
