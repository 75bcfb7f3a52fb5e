//! What was seen, beside what was predicted.
//!
//!     judge(trip, sightings, reply) ──▶ Seen { live, path, reply }     a count for each hop
//!     note(verdict, seen)                                              `predicted+seen`, or a finding
//!
//! A difference is a finding and is said as one; the cause that was predicted stays what it is.

use std::collections::BTreeSet;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Tuple;
use ropewalk_walk::{
    Dropped, Ending, Hop, Journey, Last, Live, Question, Trip, Verdict, Why, called,
};

use crate::follower::{Part, Sighting};
use crate::unpredicted;

/// What the sender's own sockets said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// How many were sent.
    pub sent: u16,
    /// The tries that were answered.
    pub answered: BTreeSet<u16>,
    /// Somebody said that nobody listens.
    pub refused: bool,
    /// What could not be sent, and what else was said.
    pub told: Vec<String>,
}

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// As a whole.
    pub live: Live,
    /// For each hop of the request, how many were seen there.
    pub path: Vec<Option<u16>>,
    /// For each hop of the answer.
    pub reply: Vec<Option<u16>>,
}

/// Compares what was predicted with what was seen.
#[must_use]
pub fn judge(
    trip: &Trip,
    question: &Question,
    sightings: &[Sighting],
    reply: &Reply,
    drops: Vec<Dropped>,
) -> Seen {
    let request: Vec<&Sighting> = sightings.iter().filter(|s| number(s, false).is_some()).collect();
    let answer: Vec<&Sighting> = sightings.iter().filter(|s| number(s, true).is_some()).collect();
    let back = trip.reply.as_ref();
    let path = counts(&trip.request, &request, false);
    let replies = back.map(|b| counts(b, &answer, true)).unwrap_or_default();
    let mut live = Live {
        sent: reply.sent,
        answered: u16::try_from(reply.answered.len()).unwrap_or(u16::MAX),
        refused: reply.refused,
        agrees: false,
        request: last(&trip.request.hops, &request, false),
        reply: last(back.map(|b| b.hops.as_slice()).unwrap_or_default(), &answer, true),
        told: reply.told.clone(),
        drops,
        finding: None,
        without: Vec::new(),
    };
    for said in sightings.iter().filter_map(said) {
        if !live.told.contains(&said) {
            live.told.push(said);
        }
    }
    let view = View { trip, question, request: &request, refused: reply.refused };
    live.finding = view.finding(&live, &path, &replies);
    live.agrees = live.finding.is_none();
    Seen { live, path, reply: replies }
}

/// Writes what was seen into a verdict.
pub fn note(verdict: &mut Verdict, seen: Seen) {
    let Seen { live, path, reply } = seen;
    for (step, count) in verdict.path.iter_mut().zip(path) {
        step.seen = count;
    }
    for (step, count) in verdict.reply.iter_mut().zip(reply) {
        step.seen = count;
    }
    for (steps, back) in [(&mut verdict.path, false), (&mut verdict.reply, true)] {
        // Where it stops, what counts is what was dropped.
        let Some(last) = steps.last_mut().filter(|step| step.verdict != "ok") else { continue };
        let here = live.drops.iter().filter(|d| d.reply == back && d.netns == last.netns);
        last.seen = here.map(|d| d.count).reduce(u16::saturating_add);
    }
    if verdict.certainty.starts_with("predicted") {
        let certainty =
            if live.agrees { "predicted+seen" } else { "predicted, but seen otherwise" };
        verdict.certainty = certainty.to_owned();
    }
    unpredicted::explain(verdict, &live);
    verdict.live = Some(live);
}

/// The try that was seen, of requests or of answers.
fn number(sighting: &Sighting, answers: bool) -> Option<u16> {
    match sighting.part {
        Part::Request(n) if !answers => Some(n),
        Part::Answer(n) if answers => Some(n),
        Part::Request(_) | Part::Answer(_) | Part::Told(_) | Part::Asked { .. } => None,
    }
}

fn counts(way: &Journey, seen: &[&Sighting], answers: bool) -> Vec<Option<u16>> {
    let count = |hop: &Hop| {
        let link = hop.link.as_ref()?;
        let here = |s: &&&Sighting| s.spot.ns == hop.ns && s.spot.dev == *link && !s.spot.past;
        Some(tries(seen.iter().filter(here).copied(), answers))
    };
    way.hops.iter().map(count).collect()
}

fn tries<'s>(seen: impl Iterator<Item = &'s Sighting>, answers: bool) -> u16 {
    let all: BTreeSet<u16> = seen.filter_map(|s| number(s, answers)).collect();
    u16::try_from(all.len()).unwrap_or(u16::MAX)
}

/// The last place; of those that a bridge floods to, the one of the way that was predicted.
fn last(hops: &[Hop], seen: &[&Sighting], answers: bool) -> Option<Last> {
    let ours = || seen.iter().filter(|s| !s.spot.past);
    let expected = |s: &Sighting| {
        hops.iter().any(|h| h.ns == s.spot.ns && h.link.as_ref() == Some(&s.spot.dev))
    };
    let latest = ours().max_by_key(|s| s.at)?;
    let mates = ours()
        .filter(|s| s.spot.ns == latest.spot.ns && s.spot.out == latest.spot.out && expected(s));
    let found = if expected(latest) { None } else { mates.max_by_key(|s| s.at) };
    let found = found.unwrap_or(latest);
    let there = seen.iter().filter(|s| s.spot == found.spot).copied();
    Some(Last {
        netns: called(&found.spot.ns).to_owned(),
        device: found.spot.dev.as_str().to_owned(),
        out: found.spot.out,
        packet: written(found.tuple),
        count: tries(there, answers),
    })
}

fn written(t: Tuple) -> String {
    if matches!(t.proto, 6 | 17) {
        return format!("{}:{} > {}:{}", t.src, t.sport, t.dst, t.dport);
    }
    format!("{} > {}", t.src, t.dst)
}

/// What a message of ICMP says of the request.
fn said(sighting: &Sighting) -> Option<String> {
    let Part::Told(kind) = sighting.part else { return None };
    let what = match (sighting.tuple.proto, kind) {
        (1, (3, 0)) => "no route to the network",
        (1, (3, 1)) | (58, (1, 3)) => "the host cannot be reached",
        (1, (3, 3)) | (58, (1, 4)) => "nobody listens on the port",
        (1, (3, 4)) | (58, (2, _)) => "it is too long",
        (1, (3, 9 | 10 | 13)) | (58, (1, 1)) => "it is forbidden",
        (1, (3, _)) => "it cannot be delivered",
        (58, (1, 0)) => "no route",
        (58, (1, _)) => "it cannot be delivered",
        (1, (5, _)) => "another way is shorter",
        (1, (11, _)) | (58, (3, _)) => "it has taken too many hops",
        _ => "something is wrong with it",
    };
    Some(format!("{} says: {what}", sighting.tuple.src))
}

struct View<'a> {
    trip: &'a Trip,
    question: &'a Question,
    request: &'a [&'a Sighting],
    refused: bool,
}

impl View<'_> {
    /// How what was seen differs from what was predicted.
    fn finding(&self, live: &Live, path: &[Option<u16>], reply: &[Option<u16>]) -> Option<String> {
        if live.sent == 0 && live.told.is_empty() {
            return None;
        }
        let seen = |counts: &[Option<u16>]| counts.iter().all(|count| *count != Some(0));
        match self.trip.stop() {
            None if self.refused => {
                Some("the model says that it gets through; it was refused".to_owned())
            }
            // That it is too long is told, as it should be.
            None if self.trip.limit.is_some() && !live.told.is_empty() => None,
            None if live.answered > 0 || (self.one_way() && seen(path) && live.sent > 0) => None,
            None => Some(format!("the model says that it gets through; {}", gone(live, self))),
            // Another flow may take the way that fails.
            Some(_) if live.answered > 0 && self.trip.leg.is_some() => None,
            Some(_) if live.answered > 0 => Some(format!(
                "the model says that it does not get through; {} of {} were answered",
                live.answered, live.sent
            )),
            Some(stop) => {
                if !seen(path) || !seen(reply) {
                    let at = called(&stop.ns);
                    return Some(format!(
                        "the model says that it comes to {at}; {}",
                        gone(live, self)
                    ));
                }
                let beyond = self.beyond(&stop.ns)?;
                Some(format!(
                    "the model says that it stops in {}; it was seen in {}",
                    called(&stop.ns),
                    called(beyond)
                ))
            }
        }
    }

    /// Nobody need answer a datagram, nor what is sent to nobody in the internet.
    fn one_way(&self) -> bool {
        self.question.proto == "udp" || self.question.internet
    }

    /// A namespace that the request should not have come to.
    fn beyond(&self, stop: &Ns) -> Option<&Ns> {
        if self.trip.reply.is_some() || matches!(self.trip.request.end, Ending::Left { .. }) {
            return None;
        }
        let own = self.question.from();
        let expected = |ns: &Ns| {
            *ns == own || ns == stop || self.trip.request.hops.iter().any(|h| h.ns == *ns)
        };
        // What a bridge does not know the way for comes to all, and the one that it is for may
        // not take it.
        let spread = self.trip.stop().is_some_and(|s| {
            matches!(s.why, Why::NotForUs(_) | Why::FdbElsewhere | Why::MacvlanMode(_))
        });
        let other = self.request.iter().find(|s| !s.spot.past && !expected(&s.spot.ns))?;
        (!spread).then_some(&other.spot.ns)
    }
}

/// Where it was seen last.
fn gone(live: &Live, view: &View<'_>) -> String {
    let place = |last: &Last| {
        let way = if last.out { "going out of" } else { "coming in by" };
        let (all, count) = (live.sent, last.count);
        format!("last seen {way} {}:{} ({count} of {all})", last.netns, last.device)
    };
    match (&live.reply, &live.request) {
        (Some(reply), _) => format!("its answer was {}", place(reply)),
        (None, Some(request)) if view.one_way() => format!("it was {}", place(request)),
        (None, Some(request)) => format!("it was {}, and no answer was seen", place(request)),
        (None, None) => {
            let from = view.question.from();
            format!("it was never seen to leave {}", called(&from))
        }
    }
}
