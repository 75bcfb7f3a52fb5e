//! Ethernet II: two addresses and a type.

use ropewalk_facts::Mac;

use super::bytes::{array_at, number_at};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// ARP.
    Arp,
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Protocol {
    /// Its number (`ETH_P_*` of include/uapi/linux/if_ether.h).
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Arp => 0x0806,
            Self::Ipv4 => 0x0800,
            Self::Ipv6 => 0x86dd,
        }
    }
}

/// To everybody.
pub(super) const ALL: Mac = Mac([0xff; 6]);
/// Length of the header.
const HEADER: usize = 14;

/// A frame. One that is too short for the wire is padded by the kernel's drivers.
pub(super) fn frame(to: Mac, from: Mac, protocol: Protocol, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(HEADER + payload.len());
    frame.extend(to.0);
    frame.extend(from.0);
    frame.extend(protocol.number().to_be_bytes());
    frame.extend(payload);
    frame
}

/// Who sent a frame, and what it carries; none for a type that is not known here.
pub(super) fn read(frame: &[u8]) -> Option<(Mac, Protocol, &[u8])> {
    let number = number_at(frame, 12)?;
    let all = [Protocol::Arp, Protocol::Ipv4, Protocol::Ipv6];
    let protocol = all.into_iter().find(|protocol| protocol.number() == number)?;
    Some((Mac(array_at(frame, 6)?), protocol, frame.get(HEADER..)?))
}
