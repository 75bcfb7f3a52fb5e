//! Where to listen for a packet, and to what.
//!
//!     every namespace of the way, as predicted, and of whoever has one of its addresses
//!
//! One ear hears all links of its namespace, so members of bridges are heard with it.

use std::net::IpAddr;

use ropewalk_facts::{LinkKind, Ns};
use ropewalk_walk::{Question, Stop, Trip, Why, World};
use ropewalk_wire::heard::listen::Flow;

/// Closing an ear costs the kernel a grace period: so many are opened at most.
const MOST: usize = 12;
/// Addresses that the kernel looks for.
const ADDRS: usize = 24;
/// Two hardware addresses, two network headers and a tunnel's, and what is needed to know it again.
const BYTES: u32 = 320;

/// Where to listen, and to what.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The namespaces.
    pub spaces: Vec<Ns>,
    /// What is to be heard there.
    pub flow: Flow,
}

/// The places where a packet that goes as predicted can be seen, and those where it might go astray.
#[must_use]
pub fn places(world: &World, question: &Question, trip: &Trip) -> Places {
    let hops = || trip.request.hops.iter().chain(trip.reply.iter().flat_map(|r| &r.hops));
    let mut addrs: Vec<IpAddr> = Vec::new();
    let mut spaces: Vec<Ns> = Vec::new();
    add(&mut spaces, question.from());
    for hop in hops() {
        add(&mut spaces, hop.ns.clone());
        [hop.tuple.src, hop.tuple.dst].into_iter().for_each(|ip| add(&mut addrs, ip));
    }
    for stop in trip.stop().into_iter().flat_map(stops) {
        add(&mut spaces, stop.ns.clone());
        [stop.packet.src, stop.packet.dst].into_iter().for_each(|ip| add(&mut addrs, ip));
    }
    add(&mut addrs, question.dst);
    question.saddr.into_iter().for_each(|ip| add(&mut addrs, ip));
    addrs.retain(|ip| !ip.is_unspecified());
    for addr in &addrs {
        world.owners(*addr).for_each(|(ns, _)| add(&mut spaces, ns.clone()));
    }
    spaces.retain(|ns| world.node(ns).is_some());
    spaces.truncate(MOST);
    addrs.truncate(ADDRS);
    let nodes = spaces.iter().filter_map(|ns| world.node(ns));
    let mut tunnels: Vec<u16> = Vec::new();
    for dev in nodes.flat_map(|node| node.devs.values()) {
        if let LinkKind::Vxlan(spec) = &dev.link.kind {
            add(&mut tunnels, spec.port);
        }
    }
    let protos = question.number().into_iter().collect();
    Places { spaces, flow: Flow { addrs, protos, tunnels, bytes: BYTES } }
}

fn add<T: PartialEq>(all: &mut Vec<T>, one: T) {
    if !all.contains(&one) {
        all.push(one);
    }
}

/// A stop, and those behind it.
fn stops(stop: &Stop) -> Vec<&Stop> {
    let mut all = vec![stop];
    if let Why::Unresolved { because, .. } = &stop.why {
        all.extend(because.iter().flat_map(stops));
    } else if let Why::Outer(inner) = &stop.why {
        all.extend(stops(inner));
    }
    all
}
