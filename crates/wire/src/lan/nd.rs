//! Neighbour discovery for IPv6 over Ethernet (RFC 4861): solicitations and advertisements.
//!
//!     ip6(hop limit 255) · type 135 or 136, code 0, checksum, flags, target, option link-layer address

use std::net::Ipv6Addr;

use ropewalk_facts::Mac;

use super::Said;
use super::bytes::{array_at, number_at};
use super::ether::{self, Protocol};

const ICMPV6: u8 = 58;
const SOLICITATION: u8 = 135;
const ADVERTISEMENT: u8 = 136;
/// An advertisement that replaces what its hearers knew (RFC 4861 §4.4).
const OVERRIDE: u8 = 0x20;
/// The option that says where the target is.
const TARGET_MAC: u8 = 2;
/// Every packet of neighbour discovery has it, else it came through a router.
const HOP_LIMIT: u8 = 255;
/// Where what is sent to every host goes.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// Length of the IPv6 header, of the ICMPv6 message up to its options, and of an option.
const IP: usize = 40;
const MESSAGE: usize = 24;
const OPTION: usize = 8;

/// `mac` wants `ip`: does anybody have it? From no address, as for its own (RFC 4862 §5.4.2). A
/// host that answers for another answers this too.
pub(super) fn probe(mac: Mac, ip: Ipv6Addr) -> Vec<u8> {
    frame(mac, Ipv6Addr::UNSPECIFIED, solicited_node(ip), &message(SOLICITATION, 0, ip))
}

/// `ip` is at `mac`, unasked (RFC 4861 §7.2.6).
pub(super) fn claim(mac: Mac, ip: Ipv6Addr) -> Vec<u8> {
    let mut body = message(ADVERTISEMENT, OVERRIDE, ip);
    body.extend([TARGET_MAC, 1]);
    body.extend(mac.0);
    frame(mac, ip, ALL_NODES, &body)
}

/// Where the host that has `ip` listens (RFC 4291 §2.7.1).
fn solicited_node(ip: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = ip.octets();
    Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, a, b, c])
}

fn message(kind: u8, flags: u8, target: Ipv6Addr) -> Vec<u8> {
    let mut body = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    body.extend(target.octets());
    body
}

fn frame(mac: Mac, from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> Vec<u8> {
    let length = u16::try_from(message.len()).unwrap_or_default().to_be_bytes();
    let mut packet = vec![0x60, 0, 0, 0, length[0], length[1], ICMPV6, HOP_LIMIT];
    packet.extend(from.octets());
    packet.extend(to.octets());
    let [high, low] = checksum(from, to, message).to_be_bytes();
    let (head, rest) = message.split_at(2);
    packet.extend(head);
    packet.extend([high, low]);
    packet.extend(rest.iter().skip(2));
    let [.., a, b, c, d] = to.octets();
    ether::frame(Mac([0x33, 0x33, a, b, c, d]), mac, Protocol::Ipv6, &packet)
}

/// Of the message with the pseudo-header (RFC 4443 §2.3); its own field counts as it stands.
fn checksum(from: Ipv6Addr, to: Ipv6Addr, message: &[u8]) -> u16 {
    let length = u32::try_from(message.len()).unwrap_or_default().to_be_bytes();
    let pseudo = [&from.octets()[..], &to.octets(), &length, &[0, 0, 0, ICMPV6]].concat();
    super::bytes::checksum(&[&pseudo, message])
}

/// Wants or has, if it is whole and came from this link; `sender` is the hardware address.
pub(super) fn read(sender: Mac, packet: &[u8]) -> Option<Said> {
    let length = usize::from(number_at(packet, 4)?);
    let message = packet.get(IP..IP.checked_add(length)?)?;
    if packet.get(6..8)? != [ICMPV6, HOP_LIMIT] || message.get(1) != Some(&0) {
        return None;
    }
    let from = Ipv6Addr::from(array_at::<16>(packet, 8)?);
    let to = Ipv6Addr::from(array_at::<16>(packet, 24)?);
    // The right sum of all, its own field among them, is zero.
    if checksum(from, to, message) != 0 {
        return None;
    }
    let ip = Ipv6Addr::from(array_at::<16>(message, 8)?).into();
    match *message.first()? {
        ADVERTISEMENT => Some(Said::Has { ip, mac: option(message, TARGET_MAC)? }),
        // One that names itself only asks.
        SOLICITATION if from.is_unspecified() => Some(Said::Wants { ip, mac: sender }),
        _ => None,
    }
}

/// The hardware address in the option `kind`.
fn option(message: &[u8], kind: u8) -> Option<Mac> {
    let mut rest = message.get(MESSAGE..)?;
    loop {
        let (&found, &units) = (rest.first()?, rest.get(1)?);
        let length = usize::from(units) * OPTION;
        if length == 0 {
            return None;
        }
        if found == kind {
            return rest.get(..length).and_then(|option| array_at(option, 2)).map(Mac);
        }
        rest = rest.get(length..)?;
    }
}
