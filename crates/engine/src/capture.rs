//! The packets of a flow at every hop of their way, in one file.
//!
//!     question ─▶ walk ─▶ ears ─▶ of the flow? ─▶ the same packet as before? ─▶ pcapng
//!
//! Packets are held for a moment before they are written: for their order, and for what the kernel
//! says of those that it drops.  Never here: the file itself.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
use ropewalk_follow::{Spot, Tie, Wanted, places, remark};
use ropewalk_kernel::{Drops, Ears, Kernel, Overheard, Toward, functions};
use ropewalk_walk::{Question, Trip, Verdict, World, called, trip};
use ropewalk_wire::heard::{self, Packet};
use ropewalk_wire::pcapng::{self, Interface, Passing};
use serde::Serialize;

use crate::fault::Fault;
use crate::live::{name_of, names};
use crate::why::{self, Predicted};

/// How long a packet is held.
const HELD: Duration = Duration::from_millis(100);
/// How long the last packet that is counted is followed.
const AFTER: Duration = Duration::from_millis(300);
/// What is taken at once.
const MOST: usize = 4096;
/// More than any packet has.
const WHOLE: u32 = 262_144;

/// When a capture ends, and what it takes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Until {
    /// After this time.
    pub time: Option<Duration>,
    /// After so many packets, each at all of its links.
    pub count: Option<u64>,
    /// Of every protocol, not of the question's alone.
    pub any: bool,
}

/// What was captured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Captured {
    /// Packets, each counted once.
    pub packets: u64,
    /// What stands in the file: each packet at each link.
    pub passings: u64,
    /// The links, `web/eth0`, in the order of the file.
    pub links: Vec<String>,
    /// What it had to do without, and why.
    pub without: Vec<String>,
}

/// Captures what is of the flow; `write` gets the file piece by piece.
///
/// # Errors
/// As for [`crate::why()`]; the kernel's refusal to listen; what `write` says.
pub fn capture(
    question: &Question,
    limits: Until,
    write: &mut dyn FnMut(&[u8]) -> Result<(), Fault>,
) -> Result<Captured, Fault> {
    let mut kernel = Kernel::new()?;
    let Predicted { scan, question, verdict } = why::predicted(&mut kernel, question)?;
    let question = &question;
    let world = World::new(&scan);
    let trip = trip(&world, question);
    let mut places = places(&world, question, &trip);
    places.flow.bytes = WHOLE;
    let proto = question.number().filter(|_| !limits.any);
    if limits.any {
        places.flow.protos.clear();
    }
    let mut done = Captured::default();
    let drops = match Drops::open(&places.flow.addrs) {
        Ok(drops) => Some(drops),
        Err(error) => {
            done.without.push(format!("reasons of drops: {error}"));
            None
        }
    };
    let ears = kernel.ears(&places.spaces, &places.flow)?;
    let wanted = Wanted::new(question, &trip, proto);
    let names = names(&scan, &places.spaces);
    let tunnels = places.flow.tunnels;
    let (links, held, tie) = (BTreeMap::new(), Vec::new(), Tie::default());
    let about = About { scan: &scan, trip: &trip, verdict: &verdict, wanted, names, tunnels };
    let mut session = Session { about, ears, drops, links, held, tie, done, write };
    (session.write)(&pcapng::section(concat!("ropewalk ", env!("CARGO_PKG_VERSION"))))?;
    session.run(limits)?;
    Ok(session.done)
}

/// What is known beforehand.
struct About<'a> {
    scan: &'a Scan,
    trip: &'a Trip,
    verdict: &'a Verdict,
    wanted: Wanted,
    names: Vec<(Ns, u32, ropewalk_facts::IfName)>,
    tunnels: Vec<u16>,
}

/// A packet that is not written yet.
struct Held {
    since: Instant,
    spot: Spot,
    number: u64,
    comment: String,
    heard: Overheard,
}

struct Session<'a> {
    about: About<'a>,
    ears: Ears,
    drops: Option<Drops>,
    /// Numbers of links in the file.
    links: BTreeMap<(Ns, u32), u32>,
    held: Vec<Held>,
    tie: Tie,
    done: Captured,
    write: &'a mut dyn FnMut(&[u8]) -> Result<(), Fault>,
}

impl Session<'_> {
    fn run(&mut self, limits: Until) -> Result<(), Fault> {
        let mut until = limits.time.map(|time| Instant::now() + time);
        let mut full = false;
        loop {
            let now = Instant::now();
            let soon = now + HELD / 2;
            self.ears.wait(&[], until.map_or(soon, |end| end.min(soon)))?;
            let heard = self.ears.take(MOST)?;
            for one in heard {
                self.take(one, full);
                if !full && limits.count.is_some_and(|count| self.tie.count() >= count) {
                    full = true;
                    let last = Instant::now() + AFTER;
                    until = Some(until.map_or(last, |end| end.min(last)));
                }
            }
            self.lost()?;
            let over = until.is_some_and(|end| Instant::now() >= end);
            self.let_go(over)?;
            if over {
                return Ok(());
            }
        }
    }

    /// Holds a packet, if it is of the flow; when `full`, only those that were seen before.
    fn take(&mut self, one: Overheard, full: bool) {
        let Some(heard) = heard::read(&one.bytes, one.layer, &self.about.tunnels) else { return };
        let Some(dev) = name_of(&self.about.names, &one.ns, one.index) else { return };
        let (out, past) = (one.toward == Toward::Out, one.toward == Toward::Past);
        let spot = Spot { ns: one.ns.clone(), dev, out, past };
        let packet = heard.inner.as_deref().unwrap_or(&heard.packet);
        let (number, comment) = match packet {
            Packet::Ip(ip) => {
                let known = self.tie.knows(&spot, one.at, ip);
                if !known && (full || !self.about.wanted.takes(packet)) {
                    return;
                }
                let tied = self.tie.tie(&spot, one.at, ip);
                let About { trip, verdict, .. } = &self.about;
                (tied.number, remark(trip, verdict, &spot, &tied, &heard))
            }
            Packet::Ask { whose, answer, .. } => {
                if full || !self.about.wanted.takes(packet) {
                    return;
                }
                let what = if *answer { "is told" } else { "is asked for" };
                (0, format!("the hardware address of {whose} {what}"))
            }
        };
        self.held.push(Held { since: Instant::now(), spot, number, comment, heard: one });
    }

    /// What the kernel dropped is said where it was seen last.
    fn lost(&mut self) -> Result<(), Fault> {
        let Some(drops) = &mut self.drops else { return Ok(()) };
        for lost in drops.take()? {
            let heard = heard::read(&lost.bytes, heard::Layer::Network, &self.about.tunnels);
            let Some(Packet::Ip(ip)) = heard.map(|heard| heard.packet) else { continue };
            let Some(number) = self.tie.number(&ip) else { continue };
            let seen = &self.about.scan.seen;
            let Some(ns) = seen.iter().find(|(_, s)| s.inode == lost.inum).map(|(ns, _)| ns) else {
                continue;
            };
            let here = |held: &&mut Held| held.number == number && held.spot.ns == *ns;
            let last = self.held.iter_mut().filter(here).max_by_key(|held| held.heard.at);
            let Some(held) = last else { continue };
            let stack = ropewalk_follow::callers(functions(&lost.stack)).join(" < ");
            let said = format!("dropped by {}: {} in {stack}", called(ns), lost.reason);
            let gap = if held.comment.is_empty() { "" } else { "; " };
            held.comment += &format!("{gap}{said}");
        }
        Ok(())
    }

    /// Writes what was held long enough; everything at the end.
    fn let_go(&mut self, all: bool) -> Result<(), Fault> {
        self.held.sort_by_key(|held| held.heard.at);
        let ready = self.held.iter().take_while(|held| all || held.since.elapsed() >= HELD).count();
        let rest = self.held.split_off(ready);
        for held in std::mem::replace(&mut self.held, rest) {
            self.put(&held)?;
        }
        Ok(())
    }

    fn put(&mut self, held: &Held) -> Result<(), Fault> {
        let Overheard { ns, index, layer, at, len, bytes, .. } = &held.heard;
        let mut file = Vec::new();
        let next = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
        let interface = *self.links.entry((ns.clone(), *index)).or_insert(next);
        if interface == next {
            let inode = self.about.scan.seen.get(ns).map(|seen| seen.inode).unwrap_or_default();
            let name = format!("{}/{}", called(ns), held.spot.dev);
            let description = format!("namespace {}, netns {inode}, ifindex {index}", called(ns));
            let (layer, description) = (*layer, description.as_str());
            file.extend(pcapng::interface(&Interface { layer, name: &name, description }));
            self.done.links.push(name);
        }
        file.extend(pcapng::packet(&Passing {
            interface,
            at: *at,
            bytes,
            len: *len,
            out: held.spot.out,
            id: held.number,
            comment: &held.comment,
        }));
        self.done.passings += 1;
        self.done.packets = self.done.packets.max(held.number);
        (self.write)(&file)
    }
}
