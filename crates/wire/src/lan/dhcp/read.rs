//! What a server says, from a frame of which nothing is believed before it is checked.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use ropewalk_facts::Mac;
use smoltcp::wire::{DhcpOpCode, DhcpPacket};

use super::options::{Options, is_host};
use super::{Answer, CLIENT, Client, IP_HEADER, Reply, SERVER, UDP, UDP_HEADER};
use crate::lan::bytes::{array_at, number_at};
use crate::lan::ether::{self, Protocol};

/// The magic cookie in front of options (RFC 2131 §3).
const COOKIE: u32 = 0x6382_5363;

/// What a server says to `client` in `frame`. Checksums of UDP are left to the card, and are not
/// there yet in a frame that never saw one.
#[must_use]
pub fn read(client: &Client, frame: &[u8]) -> Option<Reply> {
    let (from, sender, bytes) = payload(frame)?;
    let message = DhcpPacket::new_checked(bytes).ok()?;
    let ours = message.opcode() == DhcpOpCode::Reply
        && message.magic_number() == COOKIE
        && message.hardware_len() == 6
        && message.transaction_id() == client.id
        && message.client_hardware_address().0 == client.mac.0;
    if !ours {
        return None;
    }
    let options = Options::of(&message);
    let answer = match options.kind()? {
        2 => Answer::Offer,
        5 => Answer::Ack,
        6 => Answer::Nak,
        _ => return None,
    };
    let ip = message.your_ip();
    let net = match answer {
        Answer::Nak => Ipv4Net::from(ip),
        Answer::Offer | Answer::Ack if is_host(&ip) => options.net(ip)?,
        Answer::Offer | Answer::Ack => return None,
    };
    let (router, routes) = options.ways();
    Some(Reply {
        answer,
        net,
        server: options.server().unwrap_or(sender),
        from,
        router,
        routes,
        dns: options.dns(),
        mtu: options.mtu(),
        seconds: options.seconds(),
        renew_after: options.renew_after(),
        rebind_after: options.rebind_after(),
    })
}

/// Who sent a whole packet of UDP from a server's port to a client's, and what is in it.
fn payload(frame: &[u8]) -> Option<(Mac, Ipv4Addr, &[u8])> {
    let (from, protocol, packet) = ether::read(frame)?;
    let first = packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    let whole = number_at(packet, 2).map(usize::from)?;
    let fragment = number_at(packet, 6)? & 0x3fff;
    if protocol != Protocol::Ipv4
        || first >> 4 != 4
        || header < IP_HEADER
        || packet.get(9) != Some(&UDP)
        || fragment != 0
    {
        return None;
    }
    let udp = packet.get(header..whole)?;
    if number_at(udp, 0)? != SERVER || number_at(udp, 2)? != CLIENT {
        return None;
    }
    let message = udp.get(UDP_HEADER..usize::from(number_at(udp, 4)?))?;
    Some((from, Ipv4Addr::from(array_at::<4>(packet, 12)?), message))
}
