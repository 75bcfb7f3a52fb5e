//! Whether a packet is of the flow that is asked about: of any packet, not of those we sent.
//!
//!     addresses of a hop, either way ∧ (no port asked for ∨ one of the ports of a hop)

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_walk::{Question, Trip};
use ropewalk_wire::heard::{Body, Ip, Packet};

/// The flow as it is predicted to be at each hop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    pairs: BTreeSet<(IpAddr, IpAddr)>,
    ports: BTreeSet<u16>,
    proto: Option<u8>,
    dst: Option<IpAddr>,
}

impl Wanted {
    /// The flow of a question; of every protocol where `proto` is none.
    #[must_use]
    pub fn new(question: &Question, trip: &Trip, proto: Option<u8>) -> Self {
        let hops = trip.request.hops.iter().chain(trip.reply.iter().flat_map(|r| &r.hops));
        let mut wanted = Self { proto, dst: Some(question.dst), ..Self::default() };
        for t in hops.map(|hop| hop.tuple) {
            wanted.pairs.insert((t.src.min(t.dst), t.src.max(t.dst)));
            if question.dport.is_some() {
                wanted.ports.extend([t.sport, t.dport]);
            }
        }
        // The client's port is one that was made up, unless it is said.
        if let (Some(first), None) = (trip.request.hops.first(), question.sport) {
            wanted.ports.remove(&first.tuple.sport);
        }
        wanted
    }

    /// Whether a packet is of the flow.
    #[must_use]
    pub fn takes(&self, packet: &Packet) -> bool {
        match packet {
            Packet::Ip(ip) => self.of(ip),
            Packet::Ask { from, whose, .. } => {
                self.pairs.iter().any(|(a, b)| [from, whose].iter().any(|ip| *ip == a || *ip == b))
            }
        }
    }

    fn of(&self, ip: &Ip) -> bool {
        if let Body::Error { about, .. } = &ip.body {
            return self.of(about);
        }
        let pair = (ip.src.min(ip.dst), ip.src.max(ip.dst));
        let there = if self.pairs.is_empty() {
            self.dst.is_some_and(|dst| ip.src == dst || ip.dst == dst)
        } else {
            self.pairs.contains(&pair)
        };
        let (a, b) = ip.ports();
        // Parts behind the first have no ports.
        let port =
            self.ports.is_empty() || ip.part || self.ports.contains(&a) || self.ports.contains(&b);
        there && port && self.proto.is_none_or(|proto| proto == ip.proto())
    }
}
