//! A picture of all namespaces, their links and bridges, with a packet's way laid over it.
//!
//!     ┌ c1 ───────┐        ┌ h ────────────────────┐        ┌ u ─────────┐
//!     │      eth0 ●━━━━━━━━● vc1 ━ [br0] ━ ✗  eth0 ●┈┈┈┈┈┈┈┈● eth0       │
//!     └───────────┘        └───────────────────────┘        └────────────┘
//!
//! The columns are as many links away from who sends as they stand to the right.  One file, no
//! scripts, nothing fetched.  Never here: what is wrong, what is on the way.

mod draw;
mod layout;
mod page;
mod scene;
#[cfg(test)]
mod tests;
mod trail;

use ropewalk_facts::seen::Scan;

use crate::diagnose::Verdict;
use crate::world::World;

/// The picture as SVG.
#[must_use]
pub fn svg(scan: &Scan, verdict: &Verdict) -> String {
    let mut scene = scene::Scene::new(&World::new(scan), verdict);
    layout::place(&mut scene);
    draw::svg(&scene, verdict)
}

/// The picture in a page, with the hops, what shows the cause and what repairs it.
#[must_use]
pub fn html(scan: &Scan, verdict: &Verdict) -> String {
    page::html(&svg(scan, verdict), verdict)
}

/// Text between tags.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The words of a text in lines of at most `width` characters.
fn filled(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// How many pixels.
fn px(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX / 4)
}
