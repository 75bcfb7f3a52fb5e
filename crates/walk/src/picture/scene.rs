//! What is drawn: a room for each namespace, ports on its walls, bridges inside, wires between.
//!
//! Where there is too much to be seen, what the way does not touch is left out, and counted.
//! Never here: where something stands.

use std::collections::{BTreeMap, BTreeSet};

use ipnet::IpNet;
use ropewalk_facts::{IfName, LinkKind, Ns};

use super::filled;
use crate::diagnose::Verdict;
use crate::question::called;
use crate::way::Step;
use crate::world::{Dev, Node, World};

/// The most rooms, and ports of a room, that are drawn.
const ROOMS: usize = 16;
const PORTS: usize = 14;
/// The width of what is written into a room, in characters.
pub(super) const TEXT: usize = 44;

/// A namespace, or what is behind a link that nobody looked beyond.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub(super) name: String,
    /// Nobody looked into it.
    pub(super) cloud: bool,
    pub(super) ports: Vec<Port>,
    pub(super) bridges: Vec<Bridge>,
    /// What happens there, and how much more there is.
    pub(super) notes: Vec<String>,
    /// What is wrong there.
    pub(super) cause: Vec<String>,
    /// The way leads through it.
    pub(super) on_way: bool,
    pub(super) column: usize,
    pub(super) x: i32,
    pub(super) y: i32,
    pub(super) width: i32,
    pub(super) height: i32,
    /// How far the words of the ports reach in from the left and the right wall.
    pub(super) words: (i32, i32),
}

/// A link on the wall of a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Port {
    pub(super) dev: String,
    /// Its addresses.
    pub(super) notes: Vec<String>,
    pub(super) up: bool,
    pub(super) bridge: Option<String>,
    /// It is on the left wall.
    pub(super) left: bool,
    pub(super) x: i32,
    pub(super) y: i32,
}

/// A bridge inside a room.
#[derive(Clone, Debug, Default)]
pub(super) struct Bridge {
    pub(super) name: String,
    pub(super) notes: Vec<String>,
    pub(super) up: bool,
    pub(super) x: i32,
    pub(super) y: i32,
}

/// What joins two ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A pair, or a cable.
    Pair,
    /// A link upon another.
    Upon,
    /// Packets in packets.
    Tunnel,
}

/// A room and a link in it, by name.
pub(super) type End = (String, String);

/// Two ports that are joined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wire {
    pub(super) a: End,
    pub(super) b: End,
    pub(super) kind: Kind,
}

/// All that is drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Scene {
    pub(super) rooms: Vec<Room>,
    pub(super) wires: Vec<Wire>,
    /// How many namespaces are not drawn.
    pub(super) more: usize,
    /// Who sends.
    pub(super) source: String,
}

impl Scene {
    pub(super) fn new(world: &World, verdict: &Verdict) -> Self {
        let way = touched(verdict);
        let mut wires = wires(world);
        let mut rooms: Vec<Room> =
            world.nodes.iter().map(|(ns, node)| room(ns, node, &way, &mut wires)).collect();
        let named = |room: &Room| way.iter().any(|(name, _)| *name == room.name);
        let joined = |room: &Room| {
            let ends = |w: &Wire| (w.a.0 == room.name && !w.b.0.is_empty()) || w.b.0 == room.name;
            wires.iter().any(ends)
        };
        // On the way, then joined to something, then the rest.
        rooms.sort_by_key(|room| (!named(room), !joined(room), room.name.clone()));
        let more = rooms.len().saturating_sub(ROOMS);
        let source = verdict.path.first().map(|step| step.netns.clone()).unwrap_or_default();
        let mut scene = Self { rooms, wires, more, source };
        scene.rooms.truncate(ROOMS.max(way.iter().map(|w| &w.0).collect::<BTreeSet<_>>().len()));
        scene.clouds(verdict);
        scene.thin(&way);
        scene.told(verdict);
        scene
    }

    /// A room for what is behind links that lead out: one for those of one subnet.
    fn clouds(&mut self, verdict: &Verdict) {
        let goal = verdict.path.first().and_then(|s| s.packet.split_once(" > "));
        let goal = goal.map(|(_, dst)| dst.to_owned()).unwrap_or_default();
        let left = left_by(&verdict.path).or_else(|| left_by(&verdict.would.path));
        let drawn: BTreeSet<String> = self.rooms.iter().map(|room| room.name.clone()).collect();
        let mut clouds: Vec<Room> = Vec::new();
        let mut nets: Vec<Vec<IpNet>> = Vec::new();
        let ports: BTreeMap<End, Vec<IpNet>> = self.rooms.iter().flat_map(addresses).collect();
        for wire in &mut self.wires {
            if !wire.b.0.is_empty() || !drawn.contains(&wire.a.0) {
                continue;
            }
            let own = ports.get(&wire.a).cloned().unwrap_or_default();
            let meets = |all: &Vec<IpNet>| {
                let near = |a: &IpNet, b: &IpNet| a.contains(&b.addr()) || b.contains(&a.addr());
                all.iter().any(|a| own.iter().any(|b| near(a, b)))
            };
            let at = nets.iter().position(meets).unwrap_or(nets.len());
            if at == nets.len() {
                nets.push(Vec::new());
                let name = format!("\u{0}{at}");
                let notes = vec!["outside".to_owned()];
                clouds.push(Room { name, cloud: true, notes, ..Room::default() });
            }
            let (Some(cloud), Some(all)) = (clouds.get_mut(at), nets.get_mut(at)) else { continue };
            let dev = cloud.ports.len().to_string();
            wire.b = (cloud.name.clone(), dev.clone());
            cloud.ports.push(Port { dev, up: true, ..Port::default() });
            let goes = left.as_ref() == Some(&wire.a);
            let net = all.first().or(own.first()).map(|net| net.trunc().to_string());
            match cloud.notes.first_mut() {
                Some(note) if goes => note.clone_from(&goal),
                Some(note) if cloud.ports.len() == 2 && note == "outside" => {
                    *note = net.unwrap_or_default();
                }
                _ => {}
            }
            all.extend(own);
        }
        self.rooms.extend(clouds);
        let drawn: BTreeSet<&String> = self.rooms.iter().map(|room| &room.name).collect();
        self.wires.retain(|wire| drawn.contains(&wire.a.0) && drawn.contains(&wire.b.0));
    }

    /// Leaves ports out that lead nowhere, where there are many.
    fn thin(&mut self, way: &BTreeSet<End>) {
        let wires = &self.wires;
        for room in &mut self.rooms {
            if room.ports.len() <= PORTS {
                continue;
            }
            let name = room.name.clone();
            let end = |port: &Port| (name.clone(), port.dev.clone());
            let joined = |port: &Port| wires.iter().any(|w| w.a == end(port) || w.b == end(port));
            let before = room.ports.len();
            room.ports.retain(|port| way.contains(&end(port)) || joined(port));
            let gone = before - room.ports.len();
            if gone > 0 {
                room.notes.push(format!("and {gone} more links"));
            }
        }
    }

    /// What happens in each room, and what is wrong in one.
    fn told(&mut self, verdict: &Verdict) {
        let place = verdict.place.clone();
        let fine = verdict.code == "OK";
        let cause = |room: &Room| {
            let rest = place.strip_prefix(room.name.as_str());
            !fine
                && !room.cloud
                && rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
        };
        // The longest name that fits is the one that is meant.
        let found = self.rooms.iter().enumerate().filter(|(_, room)| cause(room));
        let found = found.max_by_key(|(_, room)| room.name.len()).map(|(at, _)| at);
        for (way, steps) in [("", &verdict.path), ("answer ", &verdict.reply)] {
            // The way of an answer that comes back is that of the request.
            if way.is_empty() || steps.iter().any(|step| step.verdict != "ok") {
                steps.iter().for_each(|step| self.note(way, step));
            }
        }
        if let Some(room) = found.and_then(|at| self.rooms.get_mut(at)) {
            room.cause = filled(&verdict.sentence, TEXT);
        }
    }

    fn note(&mut self, way: &str, step: &Step) {
        let Some(room) = self.rooms.iter_mut().find(|room| room.name == step.netns) else { return };
        room.on_way = true;
        let what = match step.stage {
            "route" if step.verdict == "ok" => format!("route {}", step.action),
            "nat" | "filter" => format!("{}: {}", step.object, step.action),
            _ if step.object.is_empty() => step.action.clone(),
            _ => format!("{} {}", step.object, step.action),
        };
        let sign = if step.verdict == "ok" { "" } else { "✗ " };
        room.notes.extend(indented(&format!("{way}{} {sign}{what}", step.n)));
    }
}

/// The ports of a room, with their addresses.
fn addresses(room: &Room) -> Vec<(End, Vec<IpNet>)> {
    let nets = |port: &Port| port.notes.iter().filter_map(|note| note.parse().ok()).collect();
    room.ports.iter().map(|port| ((room.name.clone(), port.dev.clone()), nets(port))).collect()
}

/// The first line, and those that it goes on in.
fn indented(text: &str) -> Vec<String> {
    let lines = filled(text, TEXT).into_iter().enumerate();
    lines.map(|(at, line)| if at == 0 { line } else { format!("   {line}") }).collect()
}

/// The link that a way leaves by for where nobody looked.
pub(super) fn left_by(steps: &[Step]) -> Option<End> {
    let last =
        steps.last().filter(|s| s.stage == "link" && s.over.is_none() && s.verdict == "ok")?;
    Some((last.netns.clone(), last.dev.clone()?))
}

/// The rooms and links that the way leads through.
fn touched(verdict: &Verdict) -> BTreeSet<End> {
    let mut all = BTreeSet::new();
    let would = verdict.would.path.iter().chain(&verdict.would.reply);
    for step in verdict.path.iter().chain(&verdict.reply).chain(would) {
        all.insert((step.netns.clone(), step.dev.clone().unwrap_or_default()));
        all.extend(step.over.iter().map(|over| (over.netns.clone(), over.dev.clone())));
    }
    let place = verdict.place.split(':').next().unwrap_or_default();
    all.insert((place.to_owned(), String::new()));
    all
}

fn room(ns: &Ns, node: &Node, way: &BTreeSet<End>, wires: &mut Vec<Wire>) -> Room {
    let mut room = Room { name: called(ns).to_owned(), ..Room::default() };
    let of = |name: &IfName| -> Vec<String> {
        let near = |net: &ipnet::IpNet| match net.addr() {
            std::net::IpAddr::V6(ip) => !ip.is_unicast_link_local(),
            std::net::IpAddr::V4(_) => true,
        };
        node.addrs_of(name).map(|a| a.key.net).filter(near).map(|net| net.to_string()).collect()
    };
    for dev in node.devs.values() {
        let name = dev.name();
        let end = (room.name.clone(), name.to_string());
        if dev.loopback() {
            // The host's own addresses are no place on the way.
            continue;
        }
        if dev.link.kind == LinkKind::Bridge {
            let (name, notes, up) = (name.to_string(), of(name), dev.link.up);
            room.bridges.push(Bridge { name, notes, up, ..Bridge::default() });
            continue;
        }
        if dev.other().is_none() && !way.contains(&end) && !dev.link.up && dev.link.master.is_none()
        {
            continue;
        }
        let here = |w: &&Wire| w.a == end || w.b == end;
        let paired = wires.iter().filter(here).any(|w| w.kind == Kind::Pair);
        let upon = wires.iter().any(|w| here(&w) && w.kind == Kind::Upon);
        let child = matches!(dev.kind(), "macvlan" | "ipvlan");
        if leads_out(dev) && !paired && !(child && upon) {
            let nobody = (String::new(), String::new());
            wires.push(Wire { a: end, b: nobody, kind: Kind::Pair });
        }
        room.ports.push(Port {
            dev: name.to_string(),
            notes: of(name),
            up: dev.link.up,
            bridge: dev.link.master.as_ref().map(ToString::to_string),
            ..Port::default()
        });
    }
    room
}

/// A network card, or a pair whose other end nobody looked at.
fn leads_out(dev: &Dev) -> bool {
    matches!(dev.kind(), "" | "veth" | "macvlan" | "ipvlan") && dev.link.up
}

/// Every pair of links that is joined, both ends of which were looked at.
fn wires(world: &World) -> Vec<Wire> {
    let mut all: BTreeMap<(End, End), Kind> = BTreeMap::new();
    for (ns, node) in &world.nodes {
        for dev in node.devs.values() {
            let end = (called(ns).to_owned(), dev.name().to_string());
            let mut join = |other: End, kind: Kind| {
                let pair = if end < other { (end.clone(), other) } else { (other, end.clone()) };
                all.insert(pair, kind);
            };
            if let Some(peer) = dev.other().filter(|p| world.dev(&p.ns, &p.name).is_some()) {
                let kind = if dev.kind() == "veth" { Kind::Pair } else { Kind::Upon };
                join((called(&peer.ns).to_owned(), peer.name.to_string()), kind);
            }
            for (far, other) in tunnel_ends(world, node, dev) {
                join((called(&far).to_owned(), other), Kind::Tunnel);
            }
        }
    }
    all.into_iter().map(|((a, b), kind)| Wire { a, b, kind }).collect()
}

/// Where a tunnel leads to, as far as it is one that was looked at.
fn tunnel_ends(world: &World, node: &Node, dev: &Dev) -> Vec<(Ns, String)> {
    let LinkKind::Vxlan(_) = &dev.link.kind else { return Vec::new() };
    let flooded = node.fdb.iter().filter(|f| f.key.dev == *dev.name()).filter_map(|f| f.key.dst);
    let remotes: BTreeSet<_> = flooded.chain(dev.seen.remote).collect();
    let mut all = Vec::new();
    for (far, _) in remotes.iter().flat_map(|ip| world.owners(*ip)) {
        let ends = world.node(far).into_iter().flat_map(|n| n.devs.values());
        let tunnel = ends.filter(|d| matches!(d.link.kind, LinkKind::Vxlan(_)));
        all.extend(tunnel.map(|d| (far.clone(), d.name().to_string())));
    }
    all
}
