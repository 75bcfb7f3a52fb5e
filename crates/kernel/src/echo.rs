//! One ICMP echo: the bytes, and asking until somebody answers.
//!
//!     type 8 (IPv6: 128) · code 0 · checksum · identifier · sequence · 8 bytes of ours   RFC 792, RFC 4443
//!
//! Never here: namespaces; it asks from the one that the thread is in.

use std::io;
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::time::{Duration, Instant};

use ropewalk_facts::IfName;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, connect, ipproto,
    netdevice::name_to_index,
    recv, send, socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

/// How long one request is waited for before the next is sent.
const EACH: Duration = Duration::from_millis(200);

/// What an echo carries, so that nobody else's answer is taken for ours.
const MARK: &[u8; 8] = b"ropewalk";

/// The numbers of one family.
struct Kind {
    family: AddressFamily,
    protocol: rustix::net::Protocol,
    request: u8,
    reply: u8,
}

impl Kind {
    fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => {
                Self { family: AddressFamily::INET, protocol: ipproto::ICMP, request: 8, reply: 0 }
            }
            IpAddr::V6(_) => Self {
                family: AddressFamily::INET6,
                protocol: ipproto::ICMPV6,
                request: 128,
                reply: 129,
            },
        }
    }
}

/// Asks `ip` until it answers or `limit` is over; returns how long the answered one took. A
/// link-local address needs the interface that it is on.
///
/// # Errors
/// `TimedOut` when nobody answers, or why it cannot be asked at all.
pub fn ping(ip: IpAddr, dev: Option<&IfName>, limit: Duration) -> io::Result<Duration> {
    let kind = Kind::of(ip);
    let (raw, flags) = (SocketType::RAW, SocketFlags::CLOEXEC);
    let socket = socket_with(kind.family, raw, flags, Some(kind.protocol))?;
    let scope = match dev {
        Some(dev) if is_link_local(ip) => name_to_index(&socket, dev.as_str())?,
        Some(_) | None => 0,
    };
    match ip {
        IpAddr::V4(_) => connect(&socket, &SocketAddr::new(ip, 0))?,
        IpAddr::V6(ip) => connect(&socket, &SocketAddrV6::new(ip, 0, 0, scope))?,
    }
    let ident = u16::try_from(std::process::id() & 0xffff).unwrap_or_default();
    let begun = Instant::now();
    let mut last = io::Error::from(io::ErrorKind::TimedOut);
    for sequence in 0.. {
        if begun.elapsed() >= limit {
            break;
        }
        let sent = Instant::now();
        let ours = echo(kind.request, ident, sequence);
        if let Err(e) = send(&socket, &ours, SendFlags::empty()) {
            // Routes and neighbours may still be settling: said only if that is the last word.
            last = e.into();
        }
        while let Some(left) = EACH.checked_sub(sent.elapsed()).filter(|left| !left.is_zero()) {
            set_socket_timeout(&socket, Timeout::Recv, Some(left))?;
            let mut buffer = [0; 512];
            match recv(&socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((n, _)) => {
                    let packet = buffer.get(..n).unwrap_or_default();
                    if answers(packet, &kind, ident, sequence) {
                        return Ok(sent.elapsed());
                    }
                }
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
                Err(e) => last = e.into(),
            }
        }
    }
    Err(last)
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

/// An echo message. For IPv6 the kernel fills the checksum in, over its pseudo header.
fn echo(kind: u8, ident: u16, sequence: u16) -> Vec<u8> {
    let mut bytes = vec![kind, 0, 0, 0];
    bytes.extend(ident.to_be_bytes());
    bytes.extend(sequence.to_be_bytes());
    bytes.extend(MARK);
    sum_up(bytes)
}

/// A message with its checksum filled in.
pub(crate) fn sum_up(mut message: Vec<u8>) -> Vec<u8> {
    let sum = checksum(&message).to_be_bytes();
    if let Some(place) = message.get_mut(2..4) {
        place.copy_from_slice(&sum);
    }
    message
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        let at = |i: usize| u32::from(pair.get(i).copied().unwrap_or_default());
        at(0) << 8 | at(1)
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or_default()
}

/// True for the answer to our echo. An IPv4 raw socket gets the IP header too.
fn answers(packet: &[u8], kind: &Kind, ident: u16, sequence: u16) -> bool {
    let header = match (kind.family, packet.first()) {
        (AddressFamily::INET, Some(first)) => usize::from(first & 0xf) * 4,
        _ => 0,
    };
    let Some(message) = packet.get(header..) else { return false };
    let ours = echo(kind.reply, ident, sequence);
    let same = |range: std::ops::Range<usize>| {
        message.get(range.clone()).is_some_and(|part| Some(part) == ours.get(range))
    };
    same(0..2) && same(4..16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_sums_to_nothing() {
        assert_eq!(checksum(&echo(8, 0x1234, 7)), 0);
    }

    #[test]
    fn only_our_answer_is_an_answer() {
        let kind = Kind::of(IpAddr::from([10, 0, 0, 1]));
        let mut packet = vec![0x45; 20];
        packet.extend(echo(0, 5, 7));
        assert!(answers(&packet, &kind, 5, 7));
        assert!(!answers(&packet, &kind, 5, 8), "another sequence");
        assert!(!answers(&packet, &kind, 6, 7), "another process");
        for cut in 0..packet.len() {
            assert!(!answers(packet.get(..cut).unwrap_or_default(), &kind, 5, 7), "{cut}");
        }
    }
}
