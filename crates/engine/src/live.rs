//! The packet of a question really sent, and seen on its way.
//!
//!     verdict ─▶ ears in every namespace of the way ─▶ probe ─▶ what was seen, beside what was predicted
//!
//! A few packets, as `ping` or a client would send them, within two seconds.  What cannot be had is
//! said; the prediction stays.  Never here: what a packet is known by, what a difference means (`follow`).

use std::time::{Duration, Instant, SystemTime};

use ropewalk_facts::seen::Scan;
use ropewalk_facts::{IfName, Ns};
use ropewalk_follow::{Follower, Loss, Mark, Places, Reply, Spot, judge, losses, note, places};
use ropewalk_kernel::{
    Answered, Drops, Ears, Error, Kernel, Lost, Overheard, Probe, Sending, Toward, functions,
};
use ropewalk_walk::{Dropped, Ending, Live, Question, Trip, Verdict, World, suspected, trip};
use ropewalk_wire::heard;

/// How often it is sent.
const TRIES: u16 = 3;
/// What is heard at once at most: more than any probe makes.
const MOST: usize = 4096;

/// How long is waited: between two tries, and after the last.
struct Patience {
    between: Duration,
    after: Duration,
}

impl Patience {
    /// An answer is waited for where one is expected; what stops here is seen at once.
    fn of(trip: &Trip) -> Self {
        let far = matches!(trip.request.end, Ending::Left { .. });
        let (between, after) = match (trip.passes(), far) {
            (true, _) => (200, 700),
            (false, true) => (100, 500),
            (false, false) => (30, 170),
        };
        let millis = Duration::from_millis;
        Self { between: millis(between), after: millis(after) }
    }
}

/// Sends the question's packet, and writes into the verdict what was seen of it.
pub(crate) fn prove(kernel: &Kernel, scan: &Scan, question: &Question, verdict: &mut Verdict) {
    let world = World::new(scan);
    let trip = trip(&world, question);
    let places = places(&world, question, &trip);
    match watch(kernel, scan, question, &trip, &places) {
        Ok(Watched { follower, reply, drops, without }) => {
            let mut seen = judge(&trip, question, &follower.sightings, &reply, drops);
            seen.live.without = without;
            note(verdict, seen);
            suspect(&world, question, &trip, verdict);
        }
        Err(error) => {
            let without = vec![format!("nothing was sent: {error}")];
            verdict.live = Some(Live { without, ..Live::default() });
        }
    }
}

/// Where nothing was predicted, nobody said anything and no answer came: what would explain it.
fn suspect(world: &World, question: &Question, trip: &Trip, verdict: &mut Verdict) {
    let silent = |live: &Live| !live.agrees && live.sent > 0 && live.answered == 0;
    let silent = verdict.live.as_ref().is_some_and(silent);
    if verdict.code != crate::why::FINE || !silent || question.internet {
        return;
    }
    let Some(found) = suspected(world, trip) else { return };
    found.code.clone_into(&mut verdict.code);
    (verdict.place, verdict.sentence, verdict.fix) = (found.place, found.sentence, found.fix);
    verdict.advice = found.advice;
    "seen-only".clone_into(&mut verdict.certainty);
}

fn watch(
    kernel: &Kernel,
    scan: &Scan,
    question: &Question,
    trip: &Trip,
    places: &Places,
) -> Result<Watched, Error> {
    let mark = mark();
    let proto = question.number().unwrap_or_default();
    let sending = Sending {
        to: question.dst,
        proto,
        from: question.saddr,
        sport: question.sport,
        dport: question.dport.unwrap_or_default(),
        size: question.size.and_then(|size| usize::try_from(size).ok()),
        df: question.df,
        mark,
        // Of one port there is one connection.
        tries: if proto == 6 && question.sport.is_some() { 1 } else { TRIES },
    };
    let ears = kernel.ears(&places.spaces, &places.flow)?;
    let (from, dst) = (question.from(), question.dst);
    let follower = Follower::new(Mark { proto, from: from.clone(), mark, ports: Vec::new(), dst });
    let probe = kernel.probe(&from, &sending)?;
    let names = names(scan, &places.spaces);
    let tunnels = places.flow.tunnels.clone();
    let (drops, without) = match Drops::open(&places.flow.addrs) {
        Ok(drops) => (Some(drops), Vec::new()),
        Err(error) => (None, vec![format!("reasons of drops: {error}")]),
    };
    let (reply, lost) = (Reply::default(), Vec::new());
    let mut watch = Watch { ears, probe, follower, reply, names, tunnels, drops, lost };
    watch.run(&Patience::of(trip), sending.tries, question)?;
    let Watch { mut follower, reply, lost, .. } = watch;
    let drops = dropped(scan, &mut follower, lost);
    Ok(Watched { follower, reply, drops, without })
}

/// What came of it.
struct Watched {
    follower: Follower,
    reply: Reply,
    drops: Vec<Dropped>,
    without: Vec<String>,
}

/// Drops of the packets that are followed, by place and reason.
fn dropped(scan: &Scan, follower: &mut Follower, lost: Vec<Lost>) -> Vec<Dropped> {
    let mut places = Vec::new();
    for one in lost {
        let space = scan.seen.iter().find(|(_, seen)| seen.inode == one.inum).map(|(ns, _)| ns);
        let part = heard::read(&one.bytes, heard::Layer::Network, &[])
            .and_then(|heard| follower.which(space?, &heard));
        if let (Some(ns), Some(part)) = (space, part) {
            places.push(Loss {
                ns: ns.clone(),
                dev: one.dev,
                reason: one.reason,
                stack: one.stack,
                part,
            });
        }
    }
    losses(places, functions)
}

/// Eight bytes that nobody else sends now.
fn mark() -> [u8; 8] {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mixed = now.as_nanos() ^ u128::from(std::process::id()) << 24;
    // The low bits turn fastest: they are the first bytes, the identifier of echoes.
    let mut bytes = [0; 8];
    for (to, from) in
        bytes.iter_mut().zip(mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes().iter().skip(8))
    {
        *to = *from;
    }
    bytes
}

/// Names of links by namespace and index.
pub(crate) fn names(scan: &Scan, spaces: &[Ns]) -> Vec<(Ns, u32, IfName)> {
    let of = |ns: &Ns| {
        let devices = scan.seen.get(ns).map(|seen| seen.devices.iter()).into_iter().flatten();
        let named = devices.map(|(name, dev)| (ns.clone(), dev.index, name.clone()));
        named.collect::<Vec<_>>()
    };
    spaces.iter().flat_map(of).collect()
}

/// The name of a link; of one that came later, its index.
pub(crate) fn name_of(names: &[(Ns, u32, IfName)], ns: &Ns, index: u32) -> Option<IfName> {
    let known = names.iter().find(|(n, i, _)| n == ns && *i == index);
    known.map(|(_, _, name)| name.clone()).or_else(|| IfName::new(format!("#{index}")).ok())
}

struct Watch {
    ears: Ears,
    probe: Probe,
    follower: Follower,
    reply: Reply,
    names: Vec<(Ns, u32, IfName)>,
    tunnels: Vec<u16>,
    drops: Option<Drops>,
    lost: Vec<Lost>,
}

impl Watch {
    fn run(&mut self, patience: &Patience, tries: u16, question: &Question) -> Result<(), Error> {
        for _ in 0..tries {
            match self.probe.send() {
                Ok(_) => self.reply.sent += 1,
                Err(errno) => {
                    let from = question.from();
                    let said = format!("{} says: {}", ropewalk_walk::called(&from), said(errno));
                    if !self.reply.told.contains(&said) {
                        self.reply.told.push(said);
                    }
                }
            }
            self.follower.know(self.probe.ports());
            if self.hear(Instant::now() + patience.between)? {
                break;
            }
        }
        self.hear(Instant::now() + patience.after)?;
        Ok(())
    }

    /// Hears until the time is over; true as soon as an answer has come.
    fn hear(&mut self, until: Instant) -> Result<bool, Error> {
        loop {
            self.take()?;
            for (number, how) in self.probe.answers() {
                match how {
                    Answered::Yes => {
                        self.reply.answered.insert(number.unwrap_or_default());
                    }
                    Answered::Refused => self.reply.refused = true,
                    Answered::Failed(_) => {}
                }
            }
            if !self.reply.answered.is_empty() || self.reply.refused {
                self.take()?;
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            // A connection that is there is no packet to be heard: it is looked for now and then.
            let soon = Instant::now() + Duration::from_millis(20);
            self.ears.wait(&self.probe.fds(), until.min(soon))?;
        }
    }

    fn take(&mut self) -> Result<(), Error> {
        if let Some(drops) = &mut self.drops {
            self.lost.extend(drops.take()?);
        }
        for overheard in self.ears.take(MOST)? {
            let Overheard { ns, index, toward, layer, at, bytes, .. } = overheard;
            let Some(heard) = heard::read(&bytes, layer, &self.tunnels) else { continue };
            let Some(dev) = name_of(&self.names, &ns, index) else { continue };
            let (out, past) = (toward == Toward::Out, toward == Toward::Past);
            self.follower.take(&Spot { ns, dev, out, past }, at, &heard);
        }
        Ok(())
    }
}

/// Refusals of sending, in words.
fn said(errno: ropewalk_kernel::Errno) -> String {
    let words = match errno.name() {
        Some("EPERM" | "EACCES") => "it is forbidden to send it",
        Some("ENETUNREACH") => "there is no route",
        Some("EHOSTUNREACH") => "the host cannot be reached",
        Some("EMSGSIZE") => "it is too long",
        Some("EINVAL") => "the route does not let it",
        Some("EADDRNOTAVAIL") => "the source address is not there",
        _ => return errno.to_string(),
    };
    format!("{words} ({errno})")
}
