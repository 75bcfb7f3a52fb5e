//! Where everything stands: columns by the number of links from who sends, ports on the walls that
//! their wires lead to, bridges between them.
//!
//! Never here: colours, what there is.

use std::collections::{BTreeMap, VecDeque};

use super::px;
use super::scene::{End, Kind, Room, Scene, Wire};

/// The height of a title, of a port, of a line of text.
pub(super) const TITLE: i32 = 30;
pub(super) const PORT: i32 = 54;
pub(super) const LINE: i32 = 16;
/// The height of a cloud, and what is left free above it, so that its ports are where those of
/// rooms are.
pub(super) const CLOUD: i32 = 64;
pub(super) const ABOVE: i32 = TITLE + PORT / 2 - CLOUD / 2;
/// Between columns, between rooms of one, around all.
const GAP: i32 = 96;
const SPACE: i32 = 34;
pub(super) const MARGIN: i32 = 28;
/// What is left free below the words of the last ports.
pub(super) const AIR: i32 = 8;
/// How far a bridge reaches above and below the ways through it, with its words on both sides of them.
pub(super) const OVER: i32 = 20;
pub(super) const UNDER: i32 = 30;

/// How wide so many characters are.
pub(super) fn wide(characters: usize) -> i32 {
    px(characters) * 29 / 4
}

/// Gives everything its place.
pub(super) fn place(scene: &mut Scene) {
    columns(scene);
    order(scene);
    sides(scene);
    for room in &mut scene.rooms {
        size(room);
    }
    spread(scene);
}

/// The column of each room: links from the first one on the way.
fn columns(scene: &mut Scene) {
    let first = scene.rooms.iter().position(|room| room.name == scene.source).unwrap_or(0);
    let names: BTreeMap<String, usize> =
        scene.rooms.iter().enumerate().map(|(at, room)| (room.name.clone(), at)).collect();
    let mut found: BTreeMap<usize, usize> = BTreeMap::new();
    let mut queue = VecDeque::from([(first, 0)]);
    // What nothing leads to stands in the first column.
    loop {
        while let Some((at, column)) = queue.pop_front() {
            if found.contains_key(&at) {
                continue;
            }
            found.insert(at, column);
            let Some(room) = scene.rooms.get(at) else { continue };
            for wire in scene.wires.iter().filter(|wire| wire.kind != Kind::Tunnel) {
                for (here, there) in [(&wire.a, &wire.b), (&wire.b, &wire.a)] {
                    if here.0 == room.name
                        && let Some(next) = names.get(&there.0)
                    {
                        queue.push_back((*next, column + 1));
                    }
                }
            }
        }
        match (0..scene.rooms.len()).find(|at| !found.contains_key(at)) {
            Some(left) => queue.push_back((left, 0)),
            None => break,
        }
    }
    for (at, room) in scene.rooms.iter_mut().enumerate() {
        room.column = found.get(&at).copied().unwrap_or_default();
    }
}

/// Those on the way first, then as what they hang on: those of one bridge together.
fn order(scene: &mut Scene) {
    let wires = scene.wires.clone();
    let rank: BTreeMap<String, (bool, usize)> = scene
        .rooms
        .iter()
        .enumerate()
        .map(|(at, room)| (room.name.clone(), (!room.on_way, at)))
        .collect();
    let bridges: BTreeMap<End, String> = scene
        .rooms
        .iter()
        .flat_map(|room| room.ports.iter().map(move |port| (room, port)))
        .filter_map(|(room, port)| {
            Some(((room.name.clone(), port.dev.clone()), port.bridge.clone()?))
        })
        .collect();
    let hangs = |room: &Room| {
        let ends = wires.iter().filter_map(|w| match &room.name {
            name if *name == w.a.0 => Some(&w.b),
            name if *name == w.b.0 => Some(&w.a),
            _ => None,
        });
        ends.filter_map(|end| Some((*rank.get(&end.0)?, bridges.get(end).cloned()))).min()
    };
    let goes = |room: &Room| room.cloud && room.notes.first().is_some_and(|n| n != "outside");
    let mut keyed: Vec<_> = std::mem::take(&mut scene.rooms)
        .into_iter()
        .map(|room| ((room.column, !(room.on_way || goes(&room)), hangs(&room)), room))
        .collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    scene.rooms = keyed.into_iter().map(|(_, room)| room).collect();
}

/// The wall that each port is on, and the order of the ports of a wall: that of the rooms they lead to.
fn sides(scene: &mut Scene) {
    let places: BTreeMap<String, (usize, usize)> = scene
        .rooms
        .iter()
        .enumerate()
        .map(|(at, room)| (room.name.clone(), (room.column, at)))
        .collect();
    let wires = scene.wires.clone();
    let leads = |end: &End| {
        let other = |wire: &Wire| match () {
            () if wire.a == *end => places.get(&wire.b.0).copied(),
            () if wire.b == *end => places.get(&wire.a.0).copied(),
            () => None,
        };
        let by = |tunnel| wires.iter().filter(move |w| (w.kind == Kind::Tunnel) == tunnel);
        by(false).find_map(other).or_else(|| by(true).find_map(other))
    };
    for room in &mut scene.rooms {
        let (name, column, cloud) = (room.name.clone(), room.column, room.cloud);
        for port in &mut room.ports {
            let to = leads(&(name.clone(), port.dev.clone()));
            port.left = to.map_or(cloud, |(other, _)| other < column);
        }
        room.ports.sort_by_key(|port| {
            let to = leads(&(name.clone(), port.dev.clone()));
            (to.is_none(), to.map(|(_, at)| at), port.dev.clone())
        });
    }
}

/// The size of a room, and where its ports and bridges are in it.
fn size(room: &mut Room) {
    if room.cloud {
        let text = room.notes.first().map_or(0, |note| note.chars().count());
        (room.width, room.height) = ((wide(text) + 44).max(110), CLOUD + 2 * ABOVE);
        for port in &mut room.ports {
            port.x = if port.left { 0 } else { room.width };
            port.y = TITLE + PORT / 2;
        }
        return;
    }
    let label = |left: bool| {
        let ports = room.ports.iter().filter(|port| port.left == left);
        let texts = ports.flat_map(|port| port.notes.iter().chain([&port.dev]));
        texts.map(|text| wide(text.chars().count()) + 24).max().unwrap_or(0)
    };
    let (left, right) = (label(true), label(false));
    room.words = (left, right);
    let texts = room.bridges.iter().flat_map(|b| b.notes.iter().chain([&b.name]));
    let middle = texts.map(|text| wide(text.chars().count()) + 24).max().unwrap_or(0);
    let rows = |left: bool| px(room.ports.iter().filter(|port| port.left == left).count());
    let notes = room.notes.iter().chain(&room.cause).map(|line| line.chars().count());
    let text = wide(notes.max().unwrap_or(0)) + 44;
    let title = wide(room.name.chars().count()) * 9 / 8 + 40;
    let middle = if middle > 0 { middle + 56 } else { 36 };
    room.width = (left + middle + right).max(text).max(title).max(120);
    let tall = rows(true).max(rows(false)).max(px(room.bridges.len())).max(1);
    let lines = px(room.notes.len()) + px(room.cause.len());
    let below = lines * LINE + if lines > 0 { 12 } else { 0 };
    room.height = TITLE + tall * PORT + AIR + below + if room.cause.is_empty() { 0 } else { 12 };
    let (mut at_left, mut at_right) = (0, 0);
    for port in &mut room.ports {
        let at = if port.left { &mut at_left } else { &mut at_right };
        port.x = if port.left { 0 } else { room.width };
        port.y = TITLE + *at * PORT + PORT / 2;
        *at += 1;
    }
    bridges(room, left, right);
}

/// Bridges stand between the walls, each at the height of its members.
fn bridges(room: &mut Room, left: i32, right: i32) {
    let ports = room.ports.clone();
    let mean = |name: &str| {
        let all: Vec<i32> =
            ports.iter().filter(|p| p.bridge.as_deref() == Some(name)).map(|p| p.y).collect();
        all.iter().sum::<i32>().checked_div(px(all.len())).unwrap_or(i32::MAX)
    };
    room.bridges.sort_by_key(|bridge| (mean(&bridge.name), bridge.name.clone()));
    let mut next = TITLE + PORT / 2;
    let middle = (left + room.width - right) / 2;
    for bridge in &mut room.bridges {
        let wish = mean(&bridge.name);
        bridge.x = middle;
        bridge.y = if wish == i32::MAX { next } else { wish.max(next) };
        next = bridge.y + PORT;
    }
    // A bridge below all ports makes room for itself.
    let ports = px(room.ports.iter().filter(|p| p.left).count())
        .max(px(room.ports.iter().filter(|p| !p.left).count()))
        .max(1);
    let bottom = TITLE + ports.max(px(room.bridges.len())) * PORT;
    room.height += (next - PORT / 2 - bottom).max(0);
}

/// Columns side by side, the rooms of one below each other.
fn spread(scene: &mut Scene) {
    let last = scene.rooms.iter().map(|room| room.column).max().unwrap_or_default();
    let mut x = MARGIN;
    for column in 0..=last {
        let of = |room: &&mut Room| room.column == column;
        let wide = scene.rooms.iter().filter(|r| r.column == column).map(|r| r.width).max();
        let mut y = MARGIN;
        for room in scene.rooms.iter_mut().filter(of) {
            (room.x, room.y) = (x, y);
            y += room.height + SPACE;
        }
        x += wide.unwrap_or_default() + GAP;
    }
}

impl Scene {
    /// The width and height of all of it.
    pub(super) fn size(&self) -> (i32, i32) {
        let right = self.rooms.iter().map(|room| room.x + room.width).max().unwrap_or_default();
        let low = self.rooms.iter().map(|room| room.y + room.height).max().unwrap_or_default();
        (right + MARGIN, low + MARGIN)
    }

    pub(super) fn room(&self, name: &str) -> Option<&Room> {
        self.rooms.iter().find(|room| room.name == name)
    }

    /// Where a port is, and whether on the left wall.
    pub(super) fn port(&self, end: &End) -> Option<(i32, i32, bool)> {
        let room = self.room(&end.0)?;
        let port = room.ports.iter().find(|port| port.dev == end.1)?;
        Some((room.x + port.x, room.y + port.y, port.left))
    }

    /// Where a bridge is.
    pub(super) fn bridge(&self, room: &str, name: &str) -> Option<(i32, i32)> {
        let room = self.room(room)?;
        let bridge = room.bridges.iter().find(|bridge| bridge.name == name)?;
        Some((room.x + bridge.x, room.y + bridge.y))
    }
}
