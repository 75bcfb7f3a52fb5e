//! From a trip that fails to its cause: what might be changed, and which change lets it through.
//!
//!     stop ─▶ candidates of every cause ─▶ each tried in a copy of the world ─▶ the first that passes
//!
//! A cause counts only when request and answer get through with its fact changed; the same run
//! proves the fix.  Two faults: the first change that gets further, then again from there.

use ropewalk_facts::Ns;
use ropewalk_facts::nft::Family;
use serde::Serialize;

use crate::anew;
use crate::causes;
use crate::live::Live;
use crate::question::{Question, called};
use crate::trace::{Ending, Limit, Stop, Trip, Why};
use crate::trip::trip;
use crate::way::{self, Step, Would};
use crate::world::World;

/// What is changed when a candidate is tried.
pub(crate) type Change = Box<dyn Fn(&mut World)>;

/// Something that may be the cause.
pub(crate) struct Candidate {
    pub(crate) code: &'static str,
    pub(crate) place: String,
    pub(crate) sentence: String,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) fix: Vec<String>,
    /// The lower, the earlier it is tried.
    pub(crate) rank: u8,
    /// None where the model cannot show the fix; then the cause is believed as it stands.
    pub(crate) change: Option<Change>,
}

/// What a cause is seen by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Which object.
    pub object: String,
    /// What is said of it.
    pub value: String,
    /// The command that shows it.
    pub command: String,
}

/// A question and how far its packet comes.
pub(crate) struct Case<'a> {
    pub(crate) world: &'a World,
    pub(crate) question: &'a Question,
    pub(crate) trip: &'a Trip,
}

/// The answer to a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The form of this.
    pub version: u32,
    /// The cause, `OK` for none.
    pub code: String,
    /// Where it is.
    #[serde(rename = "where")]
    pub place: String,
    /// In words.
    pub sentence: String,
    /// `predicted`, or what it hangs on.
    pub certainty: String,
    /// What it is seen by.
    pub evidence: Vec<Evidence>,
    /// ropewalk's own commands that repair it, where what is broken is ropewalk's own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub verbs: Vec<String>,
    /// What to do, in words, where commands only stand in for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<String>,
    /// Commands that repair it.
    pub fix: Vec<String>,
    /// With the fix, request and answer get through in the model.
    pub fix_checked: bool,
    /// The way of the request.
    pub path: Vec<Step>,
    /// The way of the answer.
    pub reply: Vec<Step>,
    /// What would follow with the fix.
    pub would: Would,
    /// Faults that show once the first is repaired.
    pub then: Vec<Named>,
    /// What was not understood on the way.
    pub model_gaps: Vec<String>,
    /// What was seen when packets were sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}

/// A cause by its name and place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The cause.
    pub code: String,
    /// Where it is.
    #[serde(rename = "where")]
    pub place: String,
    /// In words.
    pub sentence: String,
}

/// How many faults are looked for behind one another.
const DEEPEST: usize = 3;
/// What it is worth, in hops, that a port leads to somebody.
const LED: usize = 500;
/// How many candidates are tried.
const TRIED: usize = 200;

/// Says why a packet does not arrive.
#[must_use]
pub fn diagnose(world: &World, question: &Question) -> Verdict {
    let trip = trip(world, question);
    let mut found = Found::default();
    let mut checked = trip.passes() || search(world, question, &trip, 0, &mut found);
    if trip.passes()
        && let Some(taken) = causes::taken_for_own(&Case { world, question, trip: &trip })
    {
        found.causes.push(taken);
        checked = true;
    }
    causes::rename(&trip, &mut found.causes);
    verdict(world, question, &trip, found, checked)
}

/// What a search has found.
#[derive(Default)]
struct Found {
    /// The causes, in order.
    causes: Vec<Candidate>,
    /// How it walks with all of them changed.
    after: Option<Trip>,
    /// What it stops at then, where that is not explained.
    rest: Option<Named>,
}

/// Looks for the causes, in order; true when with all of them changed the trip passes.
fn search(
    world: &World,
    question: &Question,
    trip: &Trip,
    depth: usize,
    found: &mut Found,
) -> bool {
    // Who did not answer, with nothing in the way, does not answer for a change elsewhere.
    let mut base = world.clone();
    for (ns, dev, ip) in &trip.mute {
        if let Some(node) = base.node_mut(ns) {
            node.mute.push((dev.clone(), *ip));
        }
    }
    let room = !trip.stop().is_some_and(|stop| matches!(stop.why, Why::NeighboursFull(_)));
    for (ns, ..) in trip.asked.iter().chain(&trip.needed).filter(|_| room) {
        // What was no hindrance is none where an entry of a neighbour is taken away to be asked for anew.
        base.node_mut(ns).into_iter().for_each(|node| node.tables.clear());
    }
    let world = &base;
    let case = Case { world, question, trip };
    let mut all = causes::candidates(&case);
    all.sort_by_key(|c| c.rank);
    all.truncate(TRIED);
    let mut further: Option<(usize, Candidate, World, Trip)> = None;
    for candidate in all {
        let Some(change) = &candidate.change else {
            if further.is_none() {
                found.causes.push(candidate);
                return true;
            }
            continue;
        };
        let mut other = world.clone();
        change(&mut other);
        other.forget();
        let after = crate::trip::trip(&other, question);
        if after.passes() {
            found.causes.push(candidate);
            found.after = Some(after);
            return true;
        }
        // A port that is led elsewhere is further than one that refuses.
        let refused = after.stop().is_some_and(|s| matches!(s.why, Why::NoListener));
        let led = candidate.code.starts_with("DNAT") && !refused;
        let gain = after.length() + if led { LED } else { 0 };
        if gain > trip.length() && further.as_ref().is_none_or(|(best, ..)| gain > *best) {
            further = Some((gain, candidate, other, after));
        }
    }
    let Some((_, candidate, other, after)) = further.filter(|_| depth + 1 < DEEPEST) else {
        // What is behind the others is named, though nothing is known that repairs it.
        found.rest = trip.stop().filter(|_| depth > 0).map(|stop| unexplained(world, stop, trip));
        return false;
    };
    found.causes.push(candidate);
    search(&other, question, &after, depth + 1, found)
}

/// Tables of ebtables-legacy, which are not read, and those of arptables-legacy that were not (a snapshot of
/// before), where they see what is asked or passed on: a packet that passes, and one whose next hop is asked for in vain, may hang on them.
fn unread(case: &Case<'_>) -> Vec<String> {
    let stops = case.stops();
    let vain = stops.iter().any(|stop| matches!(stop.why, Why::Unresolved { .. }));
    if !vain && !stops.is_empty() {
        return Vec::new();
    }
    let asked = case.trip.asked.iter().flat_map(|(_, _, ip)| case.world.owners(*ip));
    let mut all = case.concerned();
    all.extend(asked.map(|(ns, _)| ns.clone()));
    all.sort();
    all.dedup();
    let nodes = all.iter().filter_map(|ns| case.world.node(ns));
    let tools = [
        ("arp/", "arptables-legacy are"),
        ("bridge/", "ebtables-legacy, whose module is loaded, are"),
    ];
    let of = |node: &crate::world::Node| {
        let there = |kind: &str| node.legacy.iter().any(|table| table.starts_with(kind));
        let read = node.nft.chains.keys().any(|chain| chain.table.family == Family::Arptables);
        let named = tools.iter().filter(|(kind, _)| there(kind) && !(read && *kind == "arp/"));
        let at = called(&node.ns).to_owned();
        named.map(|(_, tool)| format!("{at}: tables of {tool} not looked into")).collect::<Vec<_>>()
    };
    nodes.flat_map(|node| of(node)).collect()
}

/// Nothing is wrong; of what goes to the internet, where it leaves; of what is long, what is taken.
fn fine(question: &Question, trip: &Trip) -> String {
    if let Some(Limit { ns, dev, mtu }) = &trip.limit {
        let at = causes::place(ns, Some(dev));
        return format!(
            "nothing is wrong: {at} takes {mtu} bytes, and says so to the sender, who sends smaller ones"
        );
    }
    match &trip.request.end {
        Ending::Left { ns, dev, packet, .. } if question.internet => format!(
            "nothing is wrong here: what is for the internet leaves by {}, as {}",
            causes::place(ns, Some(dev)),
            packet.src
        ),
        _ => "nothing is wrong".to_owned(),
    }
}

/// Where it stops, by what stops it.
fn unexplained(world: &World, stop: &Stop, trip: &Trip) -> Named {
    let owned = match &stop.why {
        Why::Unresolved { ip, .. } => world.owners(*ip).next().is_some(),
        _ => false,
    };
    let (code, sentence) = causes::fallback(stop, trip.back(), owned);
    let place = causes::place(&stop.ns, stop.dev.as_ref().filter(|_| !of_the_host(&stop.why)));
    Named { code: code.to_owned(), place, sentence }
}

/// What stops it is the namespace as a whole, not one of its links.
fn of_the_host(why: &Why) -> bool {
    matches!(why, Why::NoRoute | Why::NoSource | Why::Refused(_) | Why::NoListener)
}

fn verdict(
    world: &World,
    question: &Question,
    trip: &Trip,
    found: Found,
    checked: bool,
) -> Verdict {
    let stop = trip.stop();
    let Found { causes: found, after, rest: last } = found;
    let would = after.as_ref().map(|after| way::would(world, trip, after));
    let doubts = trip
        .doubts
        .iter()
        .map(|(ns, d)| format!("{}: {}", causes::chain_place(ns, &d.who.chain), d.what));
    let programs = trip.opaque.iter().map(|(ns, dev, kind)| {
        let place = causes::place(ns, Some(dev));
        match kind.as_str() {
            "xdp" => format!("{place}: an XDP program, which may drop it"),
            "tc" => format!("{place}: a filter of tc, which may drop it"),
            kind => format!("{place}: links of the kind {kind} are not walked whole"),
        }
    });
    let mut model_gaps: Vec<String> =
        doubts.chain(programs).chain(unread(&Case { world, question, trip })).collect();
    model_gaps.dedup();
    let proven = checked
        && !found.is_empty()
        && found.iter().all(|c| !c.fix.is_empty() && c.change.is_some());
    let mut all = found.into_iter();
    let first = all.next();
    let rest: Vec<Candidate> = all.collect();
    let (code, place, sentence, evidence, mut fix) = match (first, stop) {
        (Some(c), _) => (c.code.to_owned(), c.place, c.sentence, c.evidence, c.fix),
        (None, Some(stop)) => {
            let Named { code, place, sentence } = unexplained(world, stop, trip);
            (code, place, sentence, Vec::new(), Vec::new())
        }
        (None, None) => {
            ("OK".to_owned(), "-".to_owned(), fine(question, trip), Vec::new(), Vec::new())
        }
    };
    let advice = causes::advice(&code, &place, &fix);
    fix.extend(rest.iter().flat_map(|c| c.fix.iter().cloned()));
    if !fix.is_empty() {
        fix.extend(anew::asked_anew(world, after.as_ref().unwrap_or(trip), &fix));
    }
    let certainty = match (stop.is_some(), checked, model_gaps.is_empty()) {
        (_, true, true) => "predicted",
        (false, _, false) | (true, true, false) => {
            "predicted, but for what the model does not understand"
        }
        _ => "seen where it stops, the cause is a guess",
    };
    Verdict {
        version: 1,
        code,
        place,
        sentence,
        certainty: certainty.to_owned(),
        evidence,
        verbs: Vec::new(),
        advice,
        fix,
        fix_checked: proven,
        path: way::steps(world, &trip.request),
        reply: trip.reply.as_ref().map(|r| way::steps(world, r)).unwrap_or_default(),
        would: would.unwrap_or_default(),
        then: rest
            .into_iter()
            .map(|c| Named { code: c.code.to_owned(), place: c.place, sentence: c.sentence })
            .chain(last)
            .collect(),
        model_gaps,
        live: None,
    }
}

impl Case<'_> {
    /// Where it stops, and where what stands behind that stops.
    pub(crate) fn stops(&self) -> Vec<&Stop> {
        let mut all = Vec::new();
        if let Some(stop) = self.trip.stop() {
            gather(stop, &mut all);
        }
        all
    }

    /// Namespaces that the packet was in, or that have to do with it.
    pub(crate) fn concerned(&self) -> Vec<Ns> {
        let mut all: Vec<Ns> = vec![self.question.from()];
        let hops =
            self.trip.request.hops.iter().chain(self.trip.reply.iter().flat_map(|r| &r.hops));
        let stops = self.stops();
        let owners = self.world.owners(self.question.dst).map(|(ns, _)| ns.clone());
        let of_stops = stops.iter().map(|s| s.ns.clone());
        let targets =
            stops.iter().flat_map(|s| self.world.owners(s.packet.dst)).map(|(ns, _)| ns.clone());
        for ns in hops.map(|h| h.ns.clone()).chain(of_stops).chain(owners).chain(targets) {
            if !all.contains(&ns) {
                all.push(ns);
            }
        }
        all
    }
}

impl Case<'_> {
    /// Those, and the hosts that their links lead to.
    pub(crate) fn near(&self) -> Vec<Ns> {
        /// A host with more links than this is not a container.
        const FEW: usize = 8;
        let mut all = self.concerned();
        for ns in all.clone() {
            let Some(node) = self.world.node(&ns).filter(|n| n.devs.len() <= FEW) else { continue };
            for peer in node.devs.values().filter_map(|d| d.other()) {
                if self.world.node(&peer.ns).is_some() && !all.contains(&peer.ns) {
                    all.push(peer.ns.clone());
                }
            }
        }
        all
    }
}

fn gather<'s>(stop: &'s Stop, all: &mut Vec<&'s Stop>) {
    all.push(stop);
    match &stop.why {
        Why::Unresolved { because, .. } => because.iter().for_each(|s| gather(s, all)),
        Why::Outer(inner) => gather(inner, all),
        Why::TooBig { lost: Some(inner), .. } => gather(inner, all),
        _ => {}
    }
}
