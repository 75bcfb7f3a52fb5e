//! Packets as they are overheard on links: read as far as it takes to know them again.
//!
//!     read(bytes, Layer::Ethernet) ──▶ Heard { packet, inner }      inner: what a tunnel carries
//!     listen::program(&Flow) ──▶ classic BPF, so that the kernel hands over nothing else
//!
//! A packet is known again behind a translation by what that leaves alone: payload, sequence numbers.
//! Never here: sockets, who sent what.

pub mod listen;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What the bytes of a link begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Two hardware addresses and a type.
    Ethernet,
    /// The network header: tunnels without hardware addresses.
    Network,
}

/// A frame that was overheard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Its packet.
    pub packet: Packet,
    /// The packet inside, where it comes through a VXLAN tunnel.
    pub inner: Option<Box<Packet>>,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Packet {
    /// Of IPv4 or IPv6.
    Ip(Ip),
    /// A request for a hardware address, or its answer.
    Ask {
        /// Who speaks.
        from: IpAddr,
        /// Whose hardware address it is about.
        whose: IpAddr,
        /// It is the answer.
        answer: bool,
    },
}

/// A packet of IPv4 or IPv6.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ip {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Hops that are left.
    pub ttl: u8,
    /// Identification; 0 where there is none.
    pub id: u16,
    /// It is a part of a packet, and not the first.
    pub part: bool,
    /// Length from the network header on, as it says itself.
    pub len: u32,
    /// What it carries.
    pub body: Body,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// TCP.
    Tcp {
        /// Source and destination port.
        ports: (u16, u16),
        /// Sequence number and acknowledgement.
        numbers: (u32, u32),
        /// Flags.
        flags: u8,
        /// The payload, as far as it was heard.
        payload: Vec<u8>,
    },
    /// UDP.
    Udp {
        /// Source and destination port.
        ports: (u16, u16),
        /// The payload, as far as it was heard.
        payload: Vec<u8>,
    },
    /// An echo, asked for or given.
    Echo {
        /// It is the answer.
        answer: bool,
        /// Identifier.
        ident: u16,
        /// Sequence number.
        sequence: u16,
        /// The payload, as far as it was heard.
        payload: Vec<u8>,
    },
    /// A message of ICMP about another packet.
    Error {
        /// Type and code.
        kind: (u8, u8),
        /// The packet that it is about, cut short.
        about: Box<Ip>,
    },
    /// Anything else, by its protocol number.
    Other(u8),
}

/// TCP: the first of a connection.
pub const SYN: u8 = 0x02;
/// TCP: refused.
pub const RST: u8 = 0x04;
/// TCP: it acknowledges.
pub const ACK: u8 = 0x10;

const ICMP: u8 = 1;
const TCP: u8 = 6;
const UDP: u8 = 17;
const ICMP6: u8 = 58;
/// Ports that VXLAN is spoken on: of IANA, and of Linux.
const TUNNELS: [u16; 2] = [4789, 8472];

impl Ip {
    /// The protocol's number.
    #[must_use]
    pub fn proto(&self) -> u8 {
        match self.body {
            Body::Tcp { .. } => TCP,
            Body::Udp { .. } => UDP,
            Body::Echo { .. } | Body::Error { .. } if self.src.is_ipv6() => ICMP6,
            Body::Echo { .. } | Body::Error { .. } => ICMP,
            Body::Other(proto) => proto,
        }
    }

    /// Source and destination port; the identifier of an echo and 0; 0 for all else.
    #[must_use]
    pub fn ports(&self) -> (u16, u16) {
        match self.body {
            Body::Tcp { ports, .. } | Body::Udp { ports, .. } => ports,
            Body::Echo { ident, .. } => (ident, 0),
            Body::Error { .. } | Body::Other(_) => (0, 0),
        }
    }
}

/// Reads what was overheard; `tunnels` are ports that VXLAN is spoken on beside the usual ones.
#[must_use]
pub fn read(bytes: &[u8], layer: Layer, tunnels: &[u16]) -> Option<Heard> {
    let packet = match layer {
        Layer::Ethernet => frame(bytes)?,
        Layer::Network => network(bytes, bytes.first()? >> 4)?,
    };
    let inner = match &packet {
        Packet::Ip(Ip { body: Body::Udp { ports, payload }, .. })
            if TUNNELS.contains(&ports.1) || tunnels.contains(&ports.1) =>
        {
            // RFC 7348 §5: the flag I, and a frame behind eight bytes.
            let flagged = payload.first().is_some_and(|flags| flags & 8 != 0);
            flagged.then(|| payload.get(8..).and_then(frame)).flatten().map(Box::new)
        }
        Packet::Ip(_) | Packet::Ask { .. } => None,
    };
    Some(Heard { packet, inner })
}

fn frame(bytes: &[u8]) -> Option<Packet> {
    let (mut kind, mut rest) = (half(bytes, 12)?, bytes.get(14..)?);
    if kind == 0x8100 {
        (kind, rest) = (half(rest, 2)?, rest.get(4..)?);
    }
    match kind {
        0x0800 => network(rest, 4),
        0x86dd => network(rest, 6),
        0x0806 => arp(rest),
        _ => None,
    }
}

fn arp(bytes: &[u8]) -> Option<Packet> {
    let (from, whose) = (v4(bytes, 14)?, v4(bytes, 24)?);
    match half(bytes, 6)? {
        1 => Some(Packet::Ask { from, whose, answer: false }),
        2 => Some(Packet::Ask { from, whose: from, answer: true }),
        _ => None,
    }
}

fn network(bytes: &[u8], version: u8) -> Option<Packet> {
    let ip = match version {
        4 => ip4(bytes, true)?,
        6 => ip6(bytes, true)?,
        _ => return None,
    };
    let discovery = (ip.proto() == ICMP6).then(|| bytes.get(40..)).flatten();
    let Some(message) = discovery else { return Some(Packet::Ip(ip)) };
    // RFC 4861, 4.3 and 4.4: the target stands behind eight bytes.
    Some(match (message.first()?, v6(message, 8)) {
        (135, Some(whose)) => Packet::Ask { from: ip.src, whose, answer: false },
        (136, Some(whose)) => Packet::Ask { from: ip.src, whose, answer: true },
        _ => Packet::Ip(ip),
    })
}

fn ip4(bytes: &[u8], whole: bool) -> Option<Ip> {
    let header = usize::from(bytes.first()? & 0xf) * 4;
    let part = half(bytes, 6)? & 0x1fff != 0;
    let proto = *bytes.get(9)?;
    let len = half(bytes, 2)?;
    // What is behind that is padding.
    let bytes = bytes.get(..usize::from(len)).filter(|cut| cut.len() > header).unwrap_or(bytes);
    Some(Ip {
        src: v4(bytes, 12)?,
        dst: v4(bytes, 16)?,
        ttl: *bytes.get(8)?,
        id: half(bytes, 4)?,
        part,
        len: u32::from(len),
        body: if part { Body::Other(proto) } else { body(proto, bytes.get(header..)?, whole) },
    })
}

fn ip6(bytes: &[u8], whole: bool) -> Option<Ip> {
    let len = half(bytes, 4)?;
    let whole_len = usize::from(len) + 40;
    let bytes = bytes.get(..whole_len).filter(|cut| cut.len() > 40).unwrap_or(bytes);
    let mut proto = *bytes.get(6)?;
    let mut rest = bytes.get(40..)?;
    let mut part = false;
    // Headers of extensions, as many as anybody sends.
    for _ in 0..4 {
        let length = match proto {
            0 | 43 | 60 => (usize::from(*rest.get(1)?) + 1) * 8,
            44 => {
                part = half(rest, 2)? & 0xfff8 != 0;
                8
            }
            _ => break,
        };
        proto = *rest.first()?;
        rest = rest.get(length..)?;
    }
    Some(Ip {
        src: v6(bytes, 8)?,
        dst: v6(bytes, 24)?,
        ttl: *bytes.get(7)?,
        id: 0,
        part,
        len: u32::from(len) + 40,
        body: if part { Body::Other(proto) } else { body(proto, rest, whole) },
    })
}

/// The transport header; `whole` is false within a message about a packet, which carries no other.
fn body(proto: u8, bytes: &[u8], whole: bool) -> Body {
    let read = match proto {
        TCP => tcp(bytes),
        UDP => udp(bytes),
        ICMP => icmp(bytes, (8, 0), whole),
        ICMP6 => icmp(bytes, (128, 129), whole),
        _ => None,
    };
    read.unwrap_or(Body::Other(proto))
}

fn tcp(bytes: &[u8]) -> Option<Body> {
    let ports = (half(bytes, 0)?, half(bytes, 2)?);
    let sequence = word(bytes, 4)?;
    // What is cut short within a message of ICMP has eight bytes only.
    let (ack, flags) = (word(bytes, 8).unwrap_or(0), bytes.get(13).copied().unwrap_or(0));
    let header = usize::from(bytes.get(12).copied().unwrap_or(0) >> 4) * 4;
    let payload = bytes.get(header.max(20)..).unwrap_or_default().to_vec();
    Some(Body::Tcp { ports, numbers: (sequence, ack), flags, payload })
}

fn udp(bytes: &[u8]) -> Option<Body> {
    let ports = (half(bytes, 0)?, half(bytes, 2)?);
    Some(Body::Udp { ports, payload: bytes.get(8..).unwrap_or_default().to_vec() })
}

/// `echo`: the types of an echo and of its answer.
fn icmp(bytes: &[u8], echo: (u8, u8), whole: bool) -> Option<Body> {
    let kind = (*bytes.first()?, *bytes.get(1)?);
    if kind.0 == echo.0 || kind.0 == echo.1 {
        let (ident, sequence) = (half(bytes, 4)?, half(bytes, 6)?);
        let payload = bytes.get(8..).unwrap_or_default().to_vec();
        return Some(Body::Echo { answer: kind.0 == echo.1, ident, sequence, payload });
    }
    let about = bytes.get(8..).filter(|_| whole)?;
    let (four, six) = (echo.0 == 8, echo.0 == 128);
    let about = match kind.0 {
        3 | 5 | 11 | 12 if four => ip4(about, false)?,
        1..=4 if six => ip6(about, false)?,
        _ => return None,
    };
    Some(Body::Error { kind, about: Box::new(about) })
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
}

fn v4(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 4] = bytes.get(at..)?.first_chunk().copied()?;
    Some(Ipv4Addr::from(octets).into())
}

fn v6(bytes: &[u8], at: usize) -> Option<IpAddr> {
    let octets: [u8; 16] = bytes.get(at..)?.first_chunk().copied()?;
    Some(Ipv6Addr::from(octets).into())
}
