//! The same packet at many links, of any flow: a number for each packet.
//!
//!     (protocol, identification, sequence numbers, payload) ─▶ number      addresses, ports, hops left: not looked at
//!
//! A packet that passes the same link the same way again is another one, which only looks the same.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::seen::Tuple;
use ropewalk_wire::heard::{Body, Ip};

use crate::follower::{Spot, tuple};

/// Nanoseconds after which what looks the same is another packet.
const APART: u64 = 2_000_000_000;
/// So many packets are remembered.
const MOST: usize = 20_000;
/// So much of a payload is looked at: what is told of drops has no more.
const PAYLOAD: usize = 32;

/// Numbers packets.
#[derive(Clone, Debug, Default)]
pub struct Tie {
    known: BTreeMap<Vec<u8>, Known>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Known {
    number: u64,
    at: u64,
    spots: BTreeSet<Spot>,
    tuple: Tuple,
}

/// A packet that was tied to those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tied {
    /// Its number, from 1 on.
    pub number: u64,
    /// As it was when it was seen last; none for the first time.
    pub before: Option<Tuple>,
    /// As it is.
    pub now: Tuple,
}

impl Tie {
    /// Whether a packet has been seen before, at another link.
    #[must_use]
    pub fn knows(&self, spot: &Spot, at: u64, ip: &Ip) -> bool {
        self.known.get(&key(ip)).is_some_and(|known| known.is(spot, at))
    }

    /// The number of a packet.
    pub fn tie(&mut self, spot: &Spot, at: u64, ip: &Ip) -> Tied {
        let (key, now) = (key(ip), tuple(ip));
        if let Some(known) = self.known.get_mut(&key).filter(|known| known.is(spot, at)) {
            known.at = at;
            known.spots.insert(spot.clone());
            let before = std::mem::replace(&mut known.tuple, now);
            return Tied { number: known.number, before: Some(before), now };
        }
        if self.known.len() >= MOST {
            self.known.retain(|_, known| at.saturating_sub(known.at) < APART);
        }
        self.last += 1;
        let spots = BTreeSet::from([spot.clone()]);
        self.known.insert(key, Known { number: self.last, at, spots, tuple: now });
        Tied { number: self.last, before: None, now }
    }

    /// How many packets there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.last
    }

    /// The number of a packet that was dropped, if it is one of those that were seen.
    #[must_use]
    pub fn number(&self, ip: &Ip) -> Option<u64> {
        self.known.get(&key(ip)).map(|known| known.number)
    }
}

impl Known {
    fn is(&self, spot: &Spot, at: u64) -> bool {
        at.abs_diff(self.at) < APART && !self.spots.contains(spot)
    }
}

/// What translations leave alone.
fn key(ip: &Ip) -> Vec<u8> {
    let mut key = vec![ip.proto(), u8::from(ip.part)];
    key.extend(ip.id.to_be_bytes());
    match &ip.body {
        Body::Tcp { numbers, flags, .. } => {
            key.extend(numbers.0.to_be_bytes());
            key.extend(numbers.1.to_be_bytes());
            key.push(*flags);
        }
        Body::Udp { payload, .. } => key.extend(payload.iter().take(PAYLOAD)),
        Body::Echo { answer, sequence, payload, .. } => {
            key.push(u8::from(*answer));
            key.extend(sequence.to_be_bytes());
            key.extend(payload.iter().take(PAYLOAD));
        }
        Body::Error { kind, about } => {
            key.extend([kind.0, kind.1]);
            key.extend(self::key(about));
        }
        Body::Other(_) => key.extend(ip.len.to_be_bytes()),
    }
    key
}
