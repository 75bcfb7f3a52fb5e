//! Random rules and packets: the chains that the walk shows a packet to, beside those that the kernel does.
//!
//!     send ─▶ nft trace: every base chain, the packet before it, who decided     beside     walk::trip
//!
//! A round is one ruleset and many packets, from three places; of answers the same is compared. What
//! differs is sent once more alone before it is believed, and then rules that do not matter are left out.

mod draft;
mod iptables;
mod packet;
mod stage;
mod trace;

use std::time::Duration;

use ropewalk_walk::nft::{Decision, path};
use ropewalk_walk::{Journey, Question, Trip, World, trip};

use super::chance::Chance;
use super::tally::Tally;
use crate::Fault;
use packet::Packet;
use stage::{Heard, PLACES, Stage, sources, space};
use trace::Step;

/// How many packets a ruleset sees.
pub(super) const PACKETS: usize = 200;
/// How long nothing must be heard for all to be there: in a crowd, and of one alone.
const CROWD: Duration = Duration::from_millis(15);
const ALONE: Duration = Duration::from_millis(150);
/// How often it is sent alone before it is believed.
const TRIES: usize = 3;

/// A packet and where it begins.
#[derive(Clone, Debug)]
struct Sent {
    place: usize,
    packet: Packet,
}

/// One round; the calling thread gets a network of its own.
pub(super) fn round(seed: u64, count: usize, tally: &mut Tally) -> Result<(), Fault> {
    let mut chance = Chance::of(seed);
    let mut stage = Stage::build()?;
    let mut lines = draft::draw(&mut chance);
    if chance.one_in(2) {
        lines.extend(iptables::draw(&mut chance));
    }
    stage.load(&mut lines)?;
    let mut numbers = 1000..;
    let mut next = move || numbers.next().unwrap_or(u16::MAX);
    let all: Vec<Sent> = (0..count).filter_map(|_| draw(&mut chance, next())).collect();
    let scan = stage.scan()?;
    let world = World::new(&scan);
    let mut heard: Heard = vec![Default::default(); PLACES.len()];
    for some in all.chunks(20) {
        for sent in some {
            stage.send(sent.place, &sent.packet)?;
        }
        for (all, more) in heard.iter_mut().zip(stage.hear(CROWD)?) {
            all.extend(more);
        }
    }
    let mut differing = Vec::new();
    for sent in all {
        match compare(&world, &sent, &heard) {
            Judged::Same => tally.same(),
            Judged::Unknown(what) => tally.unknown(what),
            Judged::Differs(_) => differing.push(sent),
        }
    }
    for sent in differing {
        match patient(&mut stage, &world, &sent, &mut next)? {
            Judged::Same => tally.same(),
            Judged::Unknown(what) => tally.unknown(what),
            Judged::Differs(how) => {
                let few = if tally.told.is_empty() {
                    shrink(&mut stage, &lines, &sent, &mut next)?
                } else {
                    lines.clone()
                };
                let told = format!(
                    "seed {seed}: from {} {}\n{how}\n{}\n{}",
                    place(sent.place),
                    trace::tuple(&sent.packet),
                    few.join("\n"),
                    stage.rules()
                );
                stage.load(&mut lines)?;
                tally.differs(told);
            }
        }
    }
    Ok(())
}

fn place(at: usize) -> &'static str {
    PLACES.get(at).copied().unwrap_or_default()
}

/// Sends one alone until it does not differ any more, or it is clear that it does.
fn patient(
    stage: &mut Stage,
    world: &World,
    sent: &Sent,
    next: &mut impl FnMut() -> u16,
) -> Result<Judged, Fault> {
    for _ in 1..TRIES {
        match again(stage, world, sent, next())? {
            Judged::Differs(_) => {}
            other @ (Judged::Same | Judged::Unknown(_)) => return Ok(other),
        }
    }
    again(stage, world, sent, next())
}

/// Sends one alone, with a number and a port that were not there before.
fn again(stage: &mut Stage, world: &World, sent: &Sent, number: u16) -> Result<Judged, Fault> {
    let packet = Packet { mark: number, sport: fresh(number), ..sent.packet.clone() };
    let sent = Sent { packet, ..sent.clone() };
    stage.send(sent.place, &sent.packet)?;
    let heard = stage.hear(ALONE)?;
    Ok(compare(world, &sent, &heard))
}

/// A source port that no other packet has, both below and above 32768 in turn.
fn fresh(number: u16) -> u16 {
    20_000 + number % 20_000
}

/// Leaves out rules as long as it still differs.
fn shrink(
    stage: &mut Stage,
    lines: &[String],
    sent: &Sent,
    next: &mut impl FnMut() -> u16,
) -> Result<Vec<String>, Fault> {
    let mut few = lines.to_vec();
    for at in (0..few.len()).rev() {
        let mut fewer = few.clone();
        let line = fewer.remove(at);
        if !line.starts_with("add rule") && !line.starts_with("ip") {
            continue;
        }
        stage.load(&mut fewer)?;
        let world = World::new(&stage.scan()?);
        if let Judged::Differs(_) = again(stage, &world, sent, next())? {
            few = fewer;
        }
    }
    stage.load(&mut few)?;
    Ok(few)
}

fn draw(chance: &mut Chance, number: u16) -> Option<Sent> {
    let place = *chance.of_list(&[1, 1, 1, 0, 0, 2])?;
    let v6 = chance.one_in(3);
    let src = *chance.of_list(&sources(self::place(place), v6))?;
    let mut all: Vec<_> = PLACES.iter().flat_map(|name| sources(name, v6)).collect();
    // Not to itself, but for the one with the rules.
    all.retain(|ip| place == 0 || !sources(self::place(place), v6).contains(ip));
    let dst = *chance.of_list(&all)?;
    let proto = match (chance.below(5), v6) {
        (0, false) => 1,
        (0, true) => 58,
        (1..3, _) => 17,
        _ => 6,
    };
    let dport = if matches!(proto, 6 | 17) {
        chance.of_words("22 53 80 80 443 8080 9000 33000").parse().ok()?
    } else {
        0
    };
    Some(Sent {
        place,
        packet: Packet { src, dst, proto, sport: fresh(number), dport, mark: number },
    })
}

/// What comes of comparing.
enum Judged {
    Same,
    /// The walk says that it does not know.
    Unknown(String),
    Differs(String),
}

fn compare(world: &World, sent: &Sent, heard: &Heard) -> Judged {
    let trip = trip(world, &question(sent));
    if let Some((_, doubt)) = trip.doubts.first() {
        return Judged::Unknown(doubt.what.clone());
    }
    if let Some((_, limit)) = trip.limited.first() {
        return Judged::Unknown(format!("{}, taken to be used up", limit.what));
    }
    let none = Vec::new();
    for (back, journey) in [(false, Some(&trip.request)), (true, trip.reply.as_ref())] {
        for (at, heard) in heard.iter().enumerate() {
            let kernel = heard.get(&(sent.packet.mark, back)).unwrap_or(&none);
            let walk = journey.map(|journey| steps(journey, at, kernel)).unwrap_or_default();
            if *kernel != walk && plain(kernel) == plain(&walk) {
                return Judged::Unknown("a source port at random".to_owned());
            }
            if *kernel != walk {
                return Judged::Differs(told(&trip, at, &walk, kernel));
            }
        }
    }
    Judged::Same
}

/// The steps without the source ports.
fn plain(steps: &[Step]) -> Vec<Step> {
    let bare = |tuple: &str| -> String {
        let (from, to) = tuple.split_once(" > ").unwrap_or_default();
        format!("{} {to}", from.rsplit_once('.').unwrap_or_default().0)
    };
    steps.iter().map(|step| Step { tuple: bare(&step.tuple), ..step.clone() }).collect()
}

fn told(trip: &Trip, at: usize, walk: &[Step], kernel: &[Step]) -> String {
    let same = walk.iter().zip(kernel).take_while(|(a, b)| a == b).count();
    let rest = |steps: &[Step]| -> String {
        let lines: Vec<String> = steps.iter().skip(same).take(4).map(ToString::to_string).collect();
        lines.join("\n          ")
    };
    let stop = trip.stop().map_or_else(|| "passes".to_owned(), |stop| format!("{:?}", stop.why));
    format!(
        "  in {}, after {same} chains that agree\n  walk:   {}\n  kernel: {}\n  the walk ends: {stop}",
        place(at),
        rest(walk),
        rest(kernel)
    )
}

/// The chains of one place that the walk shows the packet to. Where it does not know which of several
/// rules decides the same, it is the kernel's.
fn steps(journey: &Journey, at: usize, kernel: &[Step]) -> Vec<Step> {
    let ns = space(place(at));
    let own = journey.shown.iter().filter(|shown| shown.ns == ns);
    // The packet is not marked for tracing before this.
    let seen = own.filter(|shown| !matches!(shown.who.base.table.family.name(), "netdev" | "arp"));
    seen.enumerate()
        .map(|(nth, shown)| {
            let t = shown.tuple;
            let packet = Packet {
                src: t.src,
                dst: t.dst,
                proto: t.proto,
                sport: t.sport,
                dport: t.dport,
                mark: 0,
            };
            let rule =
                shown.who.rule.as_ref().and_then(|rule| rule.tag.strip_prefix('#')?.parse().ok());
            let passes = matches!(shown.decision, Decision::Accept | Decision::Queue);
            Step {
                chain: path(&shown.who.base),
                tuple: trace::tuple(&packet),
                verdict: if passes { "accept" } else { "drop" }.to_owned(),
                rule: if shown.open { kernel.get(nth).and_then(|step| step.rule) } else { rule },
            }
        })
        .collect()
}

fn question(sent: &Sent) -> Question {
    let p = &sent.packet;
    let proto = match p.proto {
        6 => "tcp",
        17 => "udp",
        _ => "icmp",
    };
    let ported = matches!(p.proto, 6 | 17);
    Question {
        proto: proto.to_owned(),
        dport: ported.then_some(p.dport),
        sport: Some(p.sport),
        saddr: Some(p.src),
        size: (p.proto != 6).then_some(u32::from(packet::PAYLOAD)),
        ..Question::ping(place(sent.place), p.dst)
    }
}
