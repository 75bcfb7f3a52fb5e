//! Which of what is heard is the packet that was sent, its answer, or a word about it.
//!
//!     take(spot, time, heard) ─▶ Part::{Request(try), Answer(try), Told, Asked}
//!
//! Translations change addresses and ports. They leave alone what is looked at here: the payload of
//! echoes and datagrams, the sequence numbers of TCP.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, Ns};
use ropewalk_wire::heard::{ACK, Body, Heard, Ip, Packet, SYN};

/// By what the packets that were sent are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The protocol.
    pub proto: u8,
    /// Where they begin.
    pub from: Ns,
    /// Payloads of echoes and datagrams begin with it.
    pub mark: [u8; 8],
    /// TCP: the port that each try is sent from.
    pub ports: Vec<u16>,
    /// Where they are sent to.
    pub dst: IpAddr,
}

/// Where something is heard.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The namespace.
    pub ns: Ns,
    /// The link.
    pub dev: IfName,
    /// It goes out; else it comes in.
    pub out: bool,
    /// It is for another hardware address than the link's.
    pub past: bool,
}

/// What it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The request, and its try.
    Request(u16),
    /// Its answer.
    Answer(u16),
    /// Somebody on the way says that it was not delivered: type and code of ICMP.
    Told((u8, u8)),
    /// Somebody asks for, or tells, a hardware address.
    Asked {
        /// Whose.
        whose: IpAddr,
        /// It is the answer.
        answer: bool,
    },
}

/// It was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sighting {
    /// Where.
    pub spot: Spot,
    /// When, in nanoseconds since 1970.
    pub at: u64,
    /// What.
    pub part: Part,
    /// As it was then.
    pub tuple: Tuple,
    /// Inside a tunnel's packet.
    pub tunnelled: bool,
}

/// Knows what was sent, and has seen where it was.
#[derive(Clone, Debug)]
pub struct Follower {
    mark: Mark,
    /// TCP: the first sequence number of each try.
    firsts: BTreeMap<u32, u16>,
    /// What requests were in a namespace; UDP's answers are known by that alone.
    tuples: BTreeMap<(Ns, Tuple), u16>,
    asked: BTreeSet<(Spot, IpAddr, bool)>,
    /// In the order of time, as far as it was taken so.
    pub sightings: Vec<Sighting>,
}

impl Follower {
    /// Follows what bears this mark.
    #[must_use]
    pub fn new(mark: Mark) -> Self {
        let (firsts, tuples) = (BTreeMap::new(), BTreeMap::new());
        Self { mark, firsts, tuples, asked: BTreeSet::new(), sightings: Vec::new() }
    }

    /// Says from which ports the tries of TCP are sent.
    pub fn know(&mut self, ports: Vec<u16>) {
        self.mark.ports = ports;
    }

    /// Takes what was heard, if it is of the packets that are followed.
    pub fn take(&mut self, spot: &Spot, at: u64, heard: &Heard) {
        let outer = (&heard.packet, false);
        let inner = heard.inner.as_deref().map(|packet| (packet, true));
        for (packet, tunnelled) in inner.into_iter().chain([outer]) {
            if let Some((part, tuple)) = self.known(spot, packet) {
                let spot = spot.clone();
                self.sightings.push(Sighting { spot, at, part, tuple, tunnelled });
                return;
            }
        }
    }

    /// What a packet is, wherever it was heard.
    pub fn which(&mut self, ns: &Ns, heard: &Heard) -> Option<Part> {
        let spot = Spot { ns: ns.clone(), dev: IfName::new("lo").ok()?, out: true, past: false };
        self.known(&spot, &heard.packet).map(|(part, _)| part)
    }

    fn known(&mut self, spot: &Spot, packet: &Packet) -> Option<(Part, Tuple)> {
        match packet {
            Packet::Ip(ip) => {
                let part = self.part(spot, ip)?;
                if let Part::Request(number) = part {
                    self.tuples.insert((spot.ns.clone(), tuple(ip)), number);
                }
                Some((part, tuple(ip)))
            }
            Packet::Ask { from, whose, answer } => {
                // Once is enough: they are asked again and again.
                let first = self.asked.insert((spot.clone(), *whose, *answer));
                let tuple = Tuple { src: *from, dst: *whose, proto: 0, sport: 0, dport: 0 };
                first.then_some((Part::Asked { whose: *whose, answer: *answer }, tuple))
            }
        }
    }

    fn part(&mut self, spot: &Spot, ip: &Ip) -> Option<Part> {
        match &ip.body {
            Body::Error { kind, about } => {
                self.part(spot, about).filter(|part| matches!(part, Part::Request(_)))?;
                Some(Part::Told(*kind))
            }
            Body::Echo { answer, ident, sequence, payload } => {
                let ours = ip.proto() == self.mark.proto
                    && (self.bears(payload) || (payload.is_empty() && *ident == self.ident()));
                ours.then_some(if *answer {
                    Part::Answer(*sequence)
                } else {
                    Part::Request(*sequence)
                })
            }
            Body::Udp { payload, .. } if self.mark.proto == 17 => {
                let key = (spot.ns.clone(), tuple(ip).reversed());
                let answered = self.tuples.get(&key).copied().map(Part::Answer);
                let number = u16::from(payload.get(8).copied().unwrap_or(0));
                let short = payload.len() < 4 && ip.dst == self.mark.dst;
                let ours = short || (payload.len() >= 4 && self.bears(payload));
                // Who sends a datagram back as it was has answered.
                answered.or_else(|| ours.then_some(Part::Request(number)))
            }
            Body::Tcp { ports, numbers, flags, .. } if self.mark.proto == 6 => {
                self.segment(spot, *ports, *numbers, *flags)
            }
            Body::Udp { .. } | Body::Tcp { .. } | Body::Other(_) => None,
        }
    }

    fn segment(
        &mut self,
        spot: &Spot,
        ports: (u16, u16),
        numbers: (u32, u32),
        flags: u8,
    ) -> Option<Part> {
        if let Some(number) = self.firsts.get(&numbers.0) {
            // In a message about it, there are no flags.
            return (flags & ACK == 0).then_some(Part::Request(*number));
        }
        let answered = self.firsts.get(&numbers.1.wrapping_sub(1)).copied();
        if flags & ACK != 0 {
            return answered.map(Part::Answer);
        }
        if flags & SYN != 0 && spot.ns == self.mark.from {
            let number = self.mark.ports.iter().position(|port| *port == ports.0)?;
            let number = u16::try_from(number).ok()?;
            self.firsts.insert(numbers.0, number);
            return Some(Part::Request(number));
        }
        None
    }

    fn bears(&self, payload: &[u8]) -> bool {
        let len = payload.len().min(self.mark.mark.len());
        len > 0 && self.mark.mark.get(..len) == payload.get(..len)
    }

    fn ident(&self) -> u16 {
        let [a, b, ..] = self.mark.mark;
        u16::from_be_bytes([a, b])
    }
}

/// Addresses and ports.
pub(crate) fn tuple(ip: &Ip) -> Tuple {
    let (sport, dport) = ip.ports();
    Tuple { src: ip.src, dst: ip.dst, proto: ip.proto(), sport, dport }
}
