//! The scene as SVG.
//!
//! Never here: where things stand, files.

use super::layout::{ABOVE, AIR, CLOUD, LINE, MARGIN, OVER, PORT, TITLE, UNDER, wide};
use super::scene::{Kind, Room, Scene};
use super::trail::{self, At, Leg, Trail};
use super::{escaped, filled, px};
use crate::diagnose::Verdict;

/// Colours and strokes; of the page's, where it is dark.
const STYLE: &str = "\
svg{font:12px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;background:#fff}
.room{fill:#f6f8fa;stroke:#8c959f}.way .room{stroke:#0969da;stroke-width:1.6}
.bad .room{stroke:#cf222e;stroke-width:2.2}.title{fill:#eaeef2;stroke:none}
.name{font-weight:700;font-size:13px;fill:#1f2328}.dev{font-weight:600;fill:#1f2328}.note{fill:#59636e}
.port{fill:#fff;stroke:#57606a;stroke-width:1.5}.down{stroke-dasharray:2 2}.gone{fill:#cf222e}
.bridge{fill:#ddf4ff;stroke:#54aeff}.inner{stroke:#afb8c1;fill:none}
.wire{stroke:#8c959f;stroke-width:1.5;fill:none}.upon{stroke-dasharray:6 4}.tunnel{stroke:#8250df;stroke-dasharray:2 5}
.cloud{fill:#fbfcfd;stroke:#8c959f;stroke-dasharray:4 3}
.trail{fill:none;stroke-width:4.5;stroke-linecap:round;stroke-linejoin:round;stroke-opacity:.8}
.there{stroke:#0969da}.back{stroke:#bc4c00}.would{stroke-dasharray:1 8;stroke-opacity:.75}
.cross{stroke:#cf222e;stroke-width:4.5;stroke-linecap:round}.cause{fill:#cf222e;font-weight:600}
text{paint-order:stroke;stroke:#f6f8fa;stroke-width:5px;stroke-linejoin:round}
.begin{fill:#0969da}.begin.back{fill:#bc4c00}.lost{fill:#fff;stroke:#cf222e;stroke-width:3}
.head{font-size:15px;font-weight:700}.ok{fill:#1a7f37}.no{fill:#cf222e}";

/// The characters of a line of the head.
const HEAD: usize = 96;

/// The whole picture.
pub(super) fn svg(scene: &Scene, verdict: &Verdict) -> String {
    let (wide, high) = scene.size();
    let head = heading(verdict);
    let top = MARGIN + px(head.len()) * 20;
    let text = head.iter().map(|line| px(line.chars().count()) * 9).max().unwrap_or(0);
    let (wide, high) = (wide.max(text + 2 * MARGIN), high + top);
    let legend = if scene.more > 0 {
        format!("; {} more namespaces are not drawn", scene.more)
    } else {
        String::new()
    };
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {wide} {high}\" width=\"{wide}\" \
         height=\"{high}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n",
        escaped(&verdict.sentence)
    );
    let tone = if verdict.code == "OK" { "ok" } else { "no" };
    for (at, line) in head.iter().enumerate() {
        let y = MARGIN + px(at) * 20;
        out += &format!(
            "<text class=\"head {tone}\" x=\"{MARGIN}\" y=\"{y}\">{}</text>\n",
            escaped(line)
        );
    }
    out += &format!("<g transform=\"translate(0 {})\">\n", top - MARGIN);
    scene.rooms.iter().for_each(|room| out += &walls(room));
    out += &wires(scene);
    let (trails, mark) = trails(scene, verdict);
    out += &trails;
    scene.rooms.iter().for_each(|room| out += &labels(room));
    out += &mark;
    out += "</g>\n";
    let key = key(verdict);
    let y = high - 8;
    out += &format!("<text class=\"note\" x=\"{MARGIN}\" y=\"{y}\">{key}{legend}</text>\n</svg>\n");
    out
}

/// Who was asked about, and the answer.
fn heading(verdict: &Verdict) -> Vec<String> {
    let asked = verdict.path.first().map_or_else(String::new, |step| {
        let dst = step.packet.split_once(" > ").map_or("", |(_, dst)| dst);
        format!("{} → {dst}", step.netns)
    });
    let says = if verdict.code == "OK" {
        format!("{asked}: OK, request and answer get through")
    } else {
        format!("{asked}: {} [{}] at {}", verdict.sentence, verdict.code, verdict.place)
    };
    filled(&says, HEAD)
}

fn key(verdict: &Verdict) -> String {
    let back = verdict.reply.iter().any(|step| step.verdict != "ok");
    let mut all = vec!["blue: request"];
    all.extend(back.then_some("orange: answer"));
    let would = !verdict.would.path.is_empty() || !verdict.would.reply.is_empty();
    all.extend(would.then_some("dotted: how it would go on with the fix"));
    all.join(" · ")
}

/// A room without its words.
fn walls(room: &Room) -> String {
    let Room { x, y, width, height, .. } = *room;
    if room.cloud {
        return format!(
            "<rect class=\"cloud\" x=\"{x}\" y=\"{}\" width=\"{width}\" height=\"{CLOUD}\" rx=\"32\"/>\n",
            y + ABOVE
        );
    }
    let class = match (room.cause.is_empty(), room.on_way) {
        (false, _) => "bad",
        (true, true) => "way",
        (true, false) => "",
    };
    let mut out = format!(
        "<g class=\"{class}\"><rect class=\"room\" x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" rx=\"8\"/>\
         <path class=\"title\" d=\"M{} {} h{} v{} h-{} z\"/></g>\n",
        x + 2,
        y + 6,
        width - 4,
        TITLE - 8,
        width - 4
    );
    for port in &room.ports {
        let bridge = port.bridge.as_ref();
        if let Some(bridge) = bridge.and_then(|b| room.bridges.iter().find(|r| r.name == *b)) {
            let (x1, y1, x2, y2) = (x + port.x, y + port.y, x + bridge.x, y + bridge.y);
            let line = within(room, (x1, y1), (x2, y2));
            out += &format!("<path class=\"inner\" d=\"{line}\"/>\n");
        }
    }
    for bridge in &room.bridges {
        let half = half(bridge);
        let (bx, by) = (x + bridge.x - half, y + bridge.y - OVER);
        let class = if bridge.up { "bridge" } else { "bridge down" };
        out += &format!(
            "<rect class=\"{class}\" x=\"{bx}\" y=\"{by}\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n",
            half * 2,
            OVER + UNDER
        );
    }
    out
}

fn half(bridge: &super::scene::Bridge) -> i32 {
    let texts = bridge.notes.iter().take(1).chain([&bridge.name]);
    texts.map(|text| wide(text.chars().count()) / 2 + 12).max().unwrap_or(30)
}

/// The words of a room, over all lines.
fn labels(room: &Room) -> String {
    let Room { x, y, width, .. } = *room;
    if room.cloud {
        let name = room.notes.first().map(|note| escaped(note)).unwrap_or_default();
        let (x, y) = (x + width / 2, y + ABOVE + CLOUD / 2 + 4);
        return format!(
            "<text class=\"name\" text-anchor=\"middle\" x=\"{x}\" y=\"{y}\">{name}</text>\n"
        );
    }
    let mut out = format!(
        "<text class=\"name\" x=\"{}\" y=\"{}\">{}</text>\n",
        x + 12,
        y + 21,
        escaped(&room.name)
    );
    for port in &room.ports {
        out += &port_words(room, port);
    }
    for bridge in &room.bridges {
        let (bx, by) = (x + bridge.x, y + bridge.y);
        let note = bridge.notes.first();
        out += &text("dev", "middle", bx, by - 7, &bridge.name);
        out += &note.map(|note| text("note", "middle", bx, by + 23, note)).unwrap_or_default();
    }
    let rows = |left: bool| px(room.ports.iter().filter(|port| port.left == left).count());
    let tall = rows(true).max(rows(false)).max(1) * PORT;
    let low = room.bridges.iter().map(|b| b.y + PORT / 2).max().unwrap_or(0);
    let mut line = y + (TITLE + tall + AIR).max(low) + 10;
    for note in &room.notes {
        out += &text("note", "start", x + 14, line, note);
        line += LINE;
    }
    line += if room.cause.is_empty() { 0 } else { 8 };
    for (at, cause) in room.cause.iter().enumerate() {
        let sign = if at == 0 { "✗ " } else { "  " };
        out += &text("cause", "start", x + 14, line, &format!("{sign}{cause}"));
        line += LINE;
    }
    out
}

fn port_words(room: &Room, port: &super::scene::Port) -> String {
    let (x, y) = (room.x + port.x, room.y + port.y);
    let (anchor, at) = if port.left { ("start", x + 12) } else { ("end", x - 12) };
    let class = if port.up { "port" } else { "port gone" };
    let mut out = format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"5\"/>\n");
    let state = if port.up { "" } else { " down" };
    out += &text("dev", anchor, at, y - 6, &format!("{}{state}", port.dev));
    out += &port.notes.first().map(|n| text("note", anchor, at, y + 23, n)).unwrap_or_default();
    out
}

fn text(class: &str, anchor: &str, x: i32, y: i32, words: &str) -> String {
    // Blanks at the beginning would be swallowed.
    let words = escaped(words).replace("  ", "\u{a0}\u{a0}");
    format!("<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x}\" y=\"{y}\">{words}</text>\n")
}

fn wires(scene: &Scene) -> String {
    let mut out = String::new();
    for wire in &scene.wires {
        let (Some(a), Some(b)) = (scene.port(&wire.a), scene.port(&wire.b)) else { continue };
        let class = match wire.kind {
            Kind::Pair => "wire",
            Kind::Upon => "wire upon",
            Kind::Tunnel => "wire tunnel",
        };
        out += &format!("<path class=\"{class}\" d=\"{}\"/>\n", between(a, b));
    }
    out
}

/// From wall to wall; on the same side out and back in.
fn between(a: (i32, i32, bool), b: (i32, i32, bool)) -> String {
    let pull = |(x, _, left): (i32, i32, bool), by: i32| if left { x - by } else { x + by };
    let by = ((a.0 - b.0).abs() / 2).clamp(40, 160);
    format!("M{} {} C{} {} {} {} {} {}", a.0, a.1, pull(a, by), a.1, pull(b, by), b.1, b.0, b.1)
}

fn curve(a: At, b: At) -> String {
    let middle = (a.0 + b.0) / 2;
    format!("M{} {} C{middle} {} {middle} {} {} {}", a.0, a.1, a.1, b.1, b.0, b.1)
}

/// From place to place in a room: straight past the words of the ports, which no line crosses so.
fn within(room: &Room, a: At, b: At) -> String {
    let past = |(x, y): At| match () {
        () if x == room.x => (x + room.words.0, y),
        () if x == room.x + room.width => (x - room.words.1, y),
        () => (x, y),
    };
    let (from, to) = (past(a), past(b));
    if a.1 == b.1 || (from.0 < to.0) != (a.0 < b.0) {
        return curve(a, b);
    }
    let middle = (from.0 + to.0) / 2;
    format!(
        "M{} {} L{} {} C{middle} {} {middle} {} {} {} L{} {}",
        a.0, a.1, from.0, from.1, from.1, to.1, to.0, to.1, b.0, b.1
    )
}

/// The request, the answer where that is what stops, what would follow, and the cross.
fn trails(scene: &Scene, verdict: &Verdict) -> (String, String) {
    let there = trail::trail(scene, &verdict.path, None);
    let mut out = legs(scene, &there, "trail there");
    out += &there.begin.map(|at| dot(at, "begin")).unwrap_or_default();
    let stops = |steps: &[crate::way::Step]| steps.iter().any(|step| step.verdict != "ok");
    if stops(&verdict.path) {
        let from = trail::end(&verdict.path, &there);
        let rest = trail::trail(scene, &verdict.would.path, from);
        out += &legs(scene, &rest, "trail there would");
        return (out, mark(scene, verdict, there.end));
    }
    if !stops(&verdict.reply) {
        return (out, String::new());
    }
    let begins = super::scene::left_by(&verdict.path)
        .and_then(|end| scene.port(&end).map(|(x, y, _)| (end.0, (x, y))));
    let back = trail::trail(scene, &verdict.reply, begins);
    out += &legs(scene, &back, "trail back");
    let from = trail::end(&verdict.reply, &back);
    out += &legs(scene, &trail::trail(scene, &verdict.would.reply, from), "trail back would");
    (out, mark(scene, verdict, back.end))
}

/// A cross where the cause is, and a ring where the packet stops if that is elsewhere.
fn mark(scene: &Scene, verdict: &Verdict, stop: Option<At>) -> String {
    let room = scene.rooms.iter().find(|room| !room.cause.is_empty());
    let inside = |(x, y): At, room: &Room| {
        (room.x..=room.x + room.width).contains(&x) && (room.y..=room.y + room.height).contains(&y)
    };
    let (Some(stop), Some(room)) = (stop, room) else { return stop.map(cross).unwrap_or_default() };
    if inside(stop, room) {
        return cross(stop);
    }
    let dev = verdict.place.rsplit(':').next().unwrap_or_default().to_owned();
    let port = scene.port(&(room.name.clone(), dev.clone()));
    let port = port.map(|(x, y, left)| (if left { x + 52 } else { x - 52 }, y));
    let at = port.or_else(|| scene.bridge(&room.name, &dev));
    let at = at.unwrap_or((room.x + room.width - 22, room.y + TITLE / 2));
    dot(stop, "lost") + &cross(at)
}

fn dot((x, y): At, class: &str) -> String {
    format!("<circle class=\"{class}\" cx=\"{x}\" cy=\"{y}\" r=\"7\"/>\n")
}

fn legs(scene: &Scene, trail: &Trail, class: &str) -> String {
    // The answer goes beside the request, not over it.
    let by = if class.contains("back") { 7 } else { 0 };
    let path = |leg: &Leg| {
        let (a, b) = ((leg.from.0, leg.from.1 + by), (leg.to.0, leg.to.1 + by));
        let wall =
            |(x, y): At| scene.rooms.iter().any(|r| r.x == x && (r.y..r.y + r.height).contains(&y));
        if leg.outside {
            return between((a.0, a.1, wall(leg.from)), (b.0, b.1, wall(leg.to)));
        }
        let room = |(x, y): At| {
            let around = |r: &&Room| {
                !r.cloud
                    && (r.x..=r.x + r.width).contains(&x)
                    && (r.y..=r.y + r.height).contains(&y)
            };
            scene.rooms.iter().find(around)
        };
        room(leg.from).map_or_else(|| curve(a, b), |room| within(room, a, b))
    };
    let paths =
        trail.legs.iter().map(|leg| format!("<path class=\"{class}\" d=\"{}\"/>\n", path(leg)));
    paths.collect()
}

fn cross((x, y): At) -> String {
    format!("<path class=\"cross\" d=\"M{} {} l18 18 m0 -18 l-18 18\"/>\n", x - 9, y - 9)
}
