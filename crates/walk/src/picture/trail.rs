//! The way through the picture: from port to bridge to port, and where it stops.
//!
//! Never here: colours.

use super::layout::{PORT, TITLE};
use super::scene::{End, Scene};
use crate::way::Step;

/// A point.
pub(super) type At = (i32, i32);

/// A line from one point to the next; between rooms it leaves and comes by the walls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leg {
    pub(super) from: At,
    pub(super) to: At,
    pub(super) outside: bool,
}

/// A way that was walked.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    pub(super) legs: Vec<Leg>,
    /// Where it begins and ends.
    pub(super) begin: Option<At>,
    pub(super) end: Option<At>,
}

/// Where a packet is in the picture.
struct Pen<'s> {
    scene: &'s Scene,
    room: String,
    at: At,
    /// The link that the last route leads to.
    out: String,
    legs: Vec<Leg>,
}

/// The way of these steps. `from` is where it goes on, where it does.
pub(super) fn trail(scene: &Scene, steps: &[Step], from: Option<(String, At)>) -> Trail {
    let Some(first) = steps.first() else { return Trail::default() };
    let (room, at) = match from {
        Some(from) => from,
        None => match begin(scene, first) {
            Some(at) => (first.netns.clone(), at),
            None => return Trail::default(),
        },
    };
    let mut pen = Pen { scene, room, at, out: String::new(), legs: Vec::new() };
    for step in steps {
        pen.step(step);
    }
    let (legs, begin, end) = (pen.legs, Some(at), Some(pen.at));
    Trail { legs, begin, end }
}

/// Where it is in the end, so that another can go on.
pub(super) fn end(steps: &[Step], trail: &Trail) -> Option<(String, At)> {
    Some((steps.last()?.netns.clone(), trail.end?))
}

/// In the room that sends: beside the port that it will leave by.
fn begin(scene: &Scene, step: &Step) -> Option<At> {
    let room = scene.room(&step.netns)?;
    let bridge = step.dev.as_ref().and_then(|dev| scene.bridge(&step.netns, dev));
    if let Some((x, y)) = bridge {
        return Some(((x - 90).max(room.x + 14), y));
    }
    let port = step.dev.as_ref().and_then(|dev| scene.port(&(step.netns.clone(), dev.clone())));
    let (x, y) = (room.x + room.width / 2, room.y + TITLE + PORT / 2);
    Some(port.map_or((x, y), |(_, y, _)| (x, y)))
}

impl Pen<'_> {
    fn step(&mut self, step: &Step) {
        let dev = step.dev.as_deref().unwrap_or_default();
        if step.netns != self.room {
            self.elsewhere(&step.netns, dev);
        }
        match (step.verdict, step.stage, &step.over) {
            ("ok", "link", Some(over)) => {
                self.port(dev);
                self.across(&(over.netns.clone(), over.dev.clone()));
                if let Some(bridge) = &over.bridge {
                    self.bridge(bridge);
                }
            }
            ("ok", "link", None) => {
                if !self.bridge(dev) {
                    self.leave(dev);
                }
            }
            ("ok", "deliver", _) => self.inside(),
            // A route leads to a bridge, or the next step says by which port it leaves.
            ("ok", ..) => {
                self.bridge(dev);
                dev.clone_into(&mut self.out);
            }
            (_, "link", _) if !dev.is_empty() => {
                if !self.bridge(dev) && self.legs.is_empty() {
                    self.port(dev);
                }
                self.inside();
            }
            _ => self.inside(),
        }
    }

    /// In another room all at once, as by a tunnel or a link upon another.
    fn elsewhere(&mut self, room: &str, dev: &str) {
        if !self.on_wall() {
            let out = std::mem::take(&mut self.out);
            self.port(&out);
        }
        room.clone_into(&mut self.room);
        if let Some((x, y, _)) = self.scene.port(&(room.to_owned(), dev.to_owned())) {
            self.to((x, y), true);
        }
    }

    /// To the other end of a wire, through the cloud between where there is one.
    fn across(&mut self, end: &End) {
        let cloud = |end: &End| {
            let all = self.scene.wires.iter().filter(|w| w.a == *end && self.cloud(&w.b.0));
            all.map(|w| w.b.clone()).next()
        };
        let port = |end: &End| self.scene.port(end).map(|(x, y, _)| (x, y));
        let here = self.scene.wires.iter().find(|w| port(&w.a) == Some(self.at));
        let between = here.and_then(|w| cloud(&w.a)).zip(cloud(end)).filter(|(a, b)| a.0 == b.0);
        if let Some((into, out)) = between.map(|(a, b)| (port(&a), port(&b))) {
            into.into_iter().for_each(|at| self.to(at, true));
            out.into_iter().for_each(|at| self.to(at, false));
        }
        port(end).into_iter().for_each(|at| self.to(at, true));
        self.room.clone_from(&end.0);
    }

    fn on_wall(&self) -> bool {
        self.scene
            .wires
            .iter()
            .flat_map(|w| [&w.a, &w.b])
            .any(|end| self.scene.port(end).is_some_and(|(x, y, _)| (x, y) == self.at))
    }

    fn to(&mut self, to: At, outside: bool) {
        if to != self.at {
            self.legs.push(Leg { from: self.at, to, outside });
            self.at = to;
        }
    }

    fn port(&mut self, dev: &str) {
        if let Some((x, y, _)) = self.scene.port(&(self.room.clone(), dev.to_owned())) {
            self.to((x, y), false);
        }
    }

    fn bridge(&mut self, dev: &str) -> bool {
        let at = self.scene.bridge(&self.room, dev);
        at.inspect(|at| self.to(*at, false)).is_some()
    }

    /// Out by a port, to whatever is behind it.
    fn leave(&mut self, dev: &str) {
        self.port(dev);
        let here = (self.room.clone(), dev.to_owned());
        let wire = self.scene.wires.iter().find(|w| w.a == here && self.cloud(&w.b.0));
        if let Some((x, y, _)) = wire.and_then(|wire| self.scene.port(&wire.b)) {
            self.to((x, y), true);
        }
    }

    fn cloud(&self, name: &str) -> bool {
        self.scene.room(name).is_some_and(|room| room.cloud)
    }

    /// A little way into the room, where its own stack is.
    fn inside(&mut self) {
        let Some(room) = self.scene.room(&self.room) else { return };
        let (left, right) = (room.x, room.x + room.width);
        let (x, y) = self.at;
        let middle = room.x + room.width / 2;
        let on_bridge = room.bridges.iter().any(|b| (room.x + b.x, room.y + b.y) == self.at);
        let to = match () {
            () if on_bridge => x + 70,
            () if x == left => middle.min(left + room.width - 40),
            () if x == right => middle.max(left + 40),
            () => x,
        };
        self.to((to.clamp(left + 24, right - 24), y), false);
    }
}
