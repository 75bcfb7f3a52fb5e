//! Packets as they are sent, each with a number of its own where no rule looks.
//!
//!     TCP: the sequence number · UDP: the payload · echo: the sequence number
//!
//! Answers bear it too.  Never here: sockets.

use std::net::IpAddr;

/// A packet to be sent.
#[derive(Clone, Debug)]
pub(super) struct Packet {
    pub(super) src: IpAddr,
    pub(super) dst: IpAddr,
    pub(super) proto: u8,
    /// The identifier of an echo.
    pub(super) sport: u16,
    pub(super) dport: u16,
    /// Its number.
    pub(super) mark: u16,
}

/// Bytes that follow the header of UDP or of an echo.
pub(super) const PAYLOAD: u8 = 16;

impl Packet {
    /// The bytes from the network header on.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut inner = self.transport();
        let sum = checksum(&[&self.pseudo(inner.len()), &inner]);
        let at = match self.proto {
            6 => 16,
            17 => 6,
            _ => 2,
        };
        if let Some(place) = inner.get_mut(at..at + 2) {
            place.copy_from_slice(&sum.to_be_bytes());
        }
        [self.network(inner.len()), inner].concat()
    }

    fn transport(&self) -> Vec<u8> {
        let ports = [self.sport.to_be_bytes(), self.dport.to_be_bytes()].concat();
        let mark = u32::from(self.mark).to_be_bytes();
        match self.proto {
            6 => [&ports, &mark[..], &[0; 4], &[0x50, 2, 0xfa, 0xf0, 0, 0, 0, 0]].concat(),
            17 => {
                let len = u16::from(8 + PAYLOAD).to_be_bytes();
                [&ports, &len[..], &[0; 2], &mark[..], &[0; PAYLOAD as usize - 4]].concat()
            }
            _ => {
                let kind = if self.dst.is_ipv6() { 128 } else { 8 };
                let (id, seq) = (self.sport.to_be_bytes(), self.mark.to_be_bytes());
                [&[kind, 0, 0, 0], &id[..], &seq[..], &[0; PAYLOAD as usize]].concat()
            }
        }
    }

    fn network(&self, inner: usize) -> Vec<u8> {
        let inner = u16::try_from(inner).unwrap_or(0);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let [a, b] = (20 + inner).to_be_bytes();
                let df = if self.proto == 6 { 0x40 } else { 0 };
                let mut head = vec![0x45, 0, a, b, 0, 0, df, 0, 64, self.proto, 0, 0];
                head.extend(src.octets());
                head.extend(dst.octets());
                head
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let [a, b] = inner.to_be_bytes();
                let mut head = vec![0x60, 0, 0, 0, a, b, self.proto, 64];
                head.extend(src.octets());
                head.extend(dst.octets());
                head
            }
            _ => Vec::new(),
        }
    }

    /// What the checksum covers beside the packet (RFC 9293, 3.1; RFC 8200, 8.1).
    fn pseudo(&self, inner: usize) -> Vec<u8> {
        let len = u16::try_from(inner).unwrap_or(0).to_be_bytes();
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) if self.proto != 1 => {
                [&src.octets()[..], &dst.octets(), &[0, self.proto], &len].concat()
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                [&src.octets()[..], &dst.octets(), &[0, 0], &len, &[0, 0, 0, self.proto]].concat()
            }
            _ => Vec::new(),
        }
    }
}

fn checksum(parts: &[&[u8]]) -> u16 {
    let bytes = parts.concat();
    let words = bytes.chunks(2).map(|pair| match *pair {
        [a, b] => u32::from(u16::from_be_bytes([a, b])),
        [a] => u32::from(a) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

/// What the headers of a packet say that was seen: its number, whether it is an answer, addresses
/// and ports. `None` for one that is not of ours.
pub(super) fn read(network: &[u8], transport: &[u8]) -> Option<(u16, bool, Packet)> {
    let v6 = *network.first()? >> 4 == 6;
    let ip = |at: usize| -> Option<IpAddr> {
        if v6 {
            network.get(at..)?.first_chunk::<16>().map(|b| IpAddr::from(*b))
        } else {
            network.get(at..)?.first_chunk::<4>().map(|b| IpAddr::from(*b))
        }
    };
    let (proto, src, dst) =
        if v6 { (*network.get(6)?, ip(8)?, ip(24)?) } else { (*network.get(9)?, ip(12)?, ip(16)?) };
    let two = |at: usize| transport.get(at..)?.first_chunk().copied().map(u16::from_be_bytes);
    let four = |at: usize| transport.get(at..)?.first_chunk().copied().map(u32::from_be_bytes);
    let (mark, back, sport, dport) = match (proto, *transport.first()?) {
        (6, _) => match transport.get(13)? & 0x17 {
            2 => (four(4)?, false, two(0)?, two(2)?),
            0x12 => (four(8)?.wrapping_sub(1), true, two(0)?, two(2)?),
            _ => return None,
        },
        (17, _) => (four(8)?, false, two(0)?, two(2)?),
        (1, 8) | (58, 128) => (u32::from(two(6)?), false, two(4)?, 0),
        (1, 0) | (58, 129) => (u32::from(two(6)?), true, two(4)?, 0),
        _ => return None,
    };
    let mark = u16::try_from(mark).ok()?;
    Some((mark, back, Packet { src, dst, proto, sport, dport, mark }))
}
