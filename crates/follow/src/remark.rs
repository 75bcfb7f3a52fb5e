//! What is said about a packet at a link: what happened to it since it was seen last.
//!
//!     h: source 10.9.0.2 to 172.31.0.2 by ip/nat/POSTROUTING · inside the tunnel 10.0.0.1 > 10.0.0.2

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Tuple;
use ropewalk_walk::{Trip, Verdict, called, nft};
use ropewalk_wire::heard::{Heard, Packet};

use crate::follower::Spot;
use crate::tie::Tied;

/// What happened to a packet until it came here.
#[must_use]
pub fn remark(trip: &Trip, verdict: &Verdict, spot: &Spot, tied: &Tied, heard: &Heard) -> String {
    let mut all = Vec::new();
    if let Some(before) = tied.before {
        all.extend(translated(trip, &spot.ns, before, tied.now));
    }
    if let (Some(_), Packet::Ip(outer)) = (&heard.inner, &heard.packet) {
        all.push(format!("inside the tunnel {} > {}", outer.src, outer.dst));
    }
    all.extend(stopped(trip, verdict, spot, tied));
    all.join("; ")
}

fn translated(trip: &Trip, ns: &Ns, before: Tuple, now: Tuple) -> Option<String> {
    let end = |ip: std::net::IpAddr, port: u16| match now.proto {
        6 | 17 => format!("{ip}:{port}"),
        _ => ip.to_string(),
    };
    let was = (end(before.src, before.sport), end(before.dst, before.dport));
    let is = (end(now.src, now.sport), end(now.dst, now.dport));
    let mut changes = Vec::new();
    if was.0 != is.0 {
        changes.push(format!("source {} to {}", was.0, is.0));
    }
    if was.1 != is.1 {
        changes.push(format!("destination {} to {}", was.1, is.1));
    }
    if changes.is_empty() {
        return None;
    }
    let mut rules: Vec<String> = Vec::new();
    for (at, who, packet) in &trip.nats {
        let ours = at == ns && (packet.src == before.src || packet.dst == before.dst);
        let path = nft::path(&who.base);
        if ours && !rules.contains(&path) {
            rules.push(path);
        }
    }
    let by = if rules.is_empty() {
        "as its connection says".to_owned()
    } else {
        format!("by {}", rules.join(" and "))
    };
    Some(format!("{}: {} {by}", called(ns), changes.join(", ")))
}

/// The link that is the last before the place where the model says that it stops.
fn stopped(trip: &Trip, verdict: &Verdict, spot: &Spot, tied: &Tied) -> Option<String> {
    let back = trip.reply.is_some();
    trip.stop()?;
    let (way, steps) = match &trip.reply {
        Some(reply) => (reply, &verdict.reply),
        None => (&trip.request, &verdict.path),
    };
    let last = way.hops.iter().rev().find(|hop| hop.link.is_some())?;
    let first = trip.request.hops.first()?;
    let forth = tied.now.dst == last.tuple.dst || tied.now.src == first.tuple.src;
    let here = last.ns == spot.ns && last.link.as_ref() == Some(&spot.dev);
    let step = steps.last().filter(|step| step.verdict != "ok")?;
    (here && forth != back).then(|| {
        format!("the model says that it stops at {} {}: {}", step.netns, step.object, step.action)
    })
}
