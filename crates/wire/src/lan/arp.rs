//! ARP for IPv4 over Ethernet (RFC 826).
//!
//!     htype 1, ptype 0x0800, 6, 4, op, sender MAC, sender IP, target MAC, target IP

use std::net::Ipv4Addr;

use ropewalk_facts::Mac;

use super::Said;
use super::bytes::{array_at, number_at};
use super::ether::{self, Protocol};

const HEAD: [u8; 6] = [0, 1, 8, 0, 6, 4];
const REQUEST: u16 = 1;
const REPLY: u16 = 2;

/// `own`, at `mac`, asks all who has `ip`.
pub(super) fn question(mac: Mac, own: Ipv4Addr, ip: Ipv4Addr) -> Vec<u8> {
    frame(mac, REQUEST, own, Mac([0; 6]), ip)
}

/// `ip` is at `mac`, as an answer to all. A host that looks at the target's hardware address
/// (`arp_is_garp`) finds that of the sender there.
pub(super) fn answer(mac: Mac, ip: Ipv4Addr) -> Vec<u8> {
    frame(mac, REPLY, ip, mac, ip)
}

fn frame(mac: Mac, op: u16, sender: Ipv4Addr, target_mac: Mac, target: Ipv4Addr) -> Vec<u8> {
    let mut body = Vec::from(HEAD);
    body.extend(op.to_be_bytes());
    body.extend(mac.0);
    body.extend(sender.octets());
    body.extend(target_mac.0);
    body.extend(target.octets());
    ether::frame(ether::ALL, mac, Protocol::Arp, &body)
}

/// A sender that names an address has it; one that names none wants the one it asks for.
pub(super) fn read(body: &[u8]) -> Option<Said> {
    let op = number_at(body, 6)?;
    if !body.starts_with(&HEAD) || !matches!(op, REQUEST | REPLY) {
        return None;
    }
    let mac = Mac(array_at(body, 8)?);
    let sender = Ipv4Addr::from(array_at::<4>(body, 14)?);
    let target = Ipv4Addr::from(array_at::<4>(body, 24)?);
    match sender.is_unspecified() {
        true if op == REQUEST => Some(Said::Wants { ip: target.into(), mac }),
        true => None,
        false => Some(Said::Has { ip: sender.into(), mac }),
    }
}
