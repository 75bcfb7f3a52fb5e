//! What a client says, as a frame.

use std::net::Ipv4Addr;

use smoltcp::wire::{DhcpMessageType, DhcpOption, DhcpPacket, DhcpRepr, EthernetAddress};

use super::options::{HOST_NAME, IDENTITY, WANTED};
use super::{CLIENT, Client, IP_HEADER, SERVER, Say, UDP, UDP_HEADER};
use crate::lan::bytes::checksum;
use crate::lan::ether::{self, Protocol};

/// The longest name (RFC 1035 §2.3.4).
const NAME: usize = 63;
/// What an answer may have in bytes: what passes every Ethernet.
const MOST: u16 = 1472;

/// The frame in which `client` says something; none of it can be too long to be written.
#[must_use]
pub fn frame(client: &Client, say: Say) -> Option<Vec<u8>> {
    let none = Ipv4Addr::UNSPECIFIED;
    let all = (Ipv4Addr::BROADCAST, ether::ALL);
    let (from, (to, to_mac)) = match say {
        Say::Discover { .. } | Say::Request { .. } | Say::Decline { .. } => (none, all),
        Say::Renew { ip, to } => (ip, to.unwrap_or(all)),
        Say::Release { ip, server, to } => (ip, (server, to)),
    };
    let message = message(client, say)?;
    let packet = packet(from, to, &message)?;
    Some(ether::frame(to_mac, client.via, Protocol::Ipv4, &packet))
}

pub(super) fn message(client: &Client, say: Say) -> Option<Vec<u8>> {
    let none = Ipv4Addr::UNSPECIFIED;
    let (kind, held, wish, server) = match say {
        Say::Discover { wish } => (DhcpMessageType::Discover, none, wish, None),
        Say::Request { ip, server } => (DhcpMessageType::Request, none, Some(ip), Some(server)),
        Say::Renew { ip, .. } => (DhcpMessageType::Request, ip, None, None),
        Say::Decline { ip, server } => (DhcpMessageType::Decline, none, Some(ip), Some(server)),
        Say::Release { ip, server, .. } => (DhcpMessageType::Release, ip, None, Some(server)),
    };
    let mac = EthernetAddress(client.mac.0);
    let asks = matches!(kind, DhcpMessageType::Discover | DhcpMessageType::Request);
    let name = client.name.as_deref().filter(|name| asks && name.len() <= NAME);
    let name = name.map(|name| DhcpOption { kind: HOST_NAME, data: name.as_bytes() });
    let mut options: Vec<DhcpOption<'_>> = name.into_iter().collect();
    options.extend(client.identity.iter().map(|data| DhcpOption { kind: IDENTITY, data }));
    let more = client.provide.iter().filter(|_| asks);
    options.extend(more.map(|(kind, data)| DhcpOption { kind: *kind, data }));
    if options.iter().any(|option| option.data.len() > usize::from(u8::MAX)) {
        return None;
    }
    let wanted = client.ask.as_deref().unwrap_or(WANTED);
    let repr = DhcpRepr {
        message_type: kind,
        transaction_id: client.id,
        secs: client.secs,
        client_hardware_address: mac,
        client_ip: held,
        your_ip: none,
        server_ip: none,
        router: None,
        subnet_mask: None,
        relay_agent_ip: none,
        // The interface that hears the answer has another hardware address.
        broadcast: asks && held.is_unspecified(),
        requested_ip: wish,
        client_identifier: client.identity.is_none().then_some(mac),
        server_identifier: server,
        parameter_request_list: asks.then_some(wanted),
        dns_servers: None,
        max_size: asks.then_some(MOST),
        lease_duration: None,
        renew_duration: None,
        rebind_duration: None,
        additional_options: &options,
    };
    // Servers of old want 300 bytes (RFC 951 §3).
    let mut bytes = vec![0; repr.buffer_len().max(300)];
    repr.emit(&mut DhcpPacket::new_unchecked(bytes.as_mut_slice())).ok()?;
    Some(bytes)
}

/// UDP in IPv4, from a client's port to a server's.
pub(super) fn packet(from: Ipv4Addr, to: Ipv4Addr, message: &[u8]) -> Option<Vec<u8>> {
    let udp_length = u16::try_from(UDP_HEADER + message.len()).ok()?.to_be_bytes();
    let length = u16::try_from(IP_HEADER + UDP_HEADER + message.len()).ok()?.to_be_bytes();
    let mut head = vec![0x45, 0, length[0], length[1], 0, 0, 0x40, 0, 64, UDP, 0, 0];
    head.extend(from.octets());
    head.extend(to.octets());
    let sum = checksum(&[&head]).to_be_bytes();
    if let Some(field) = head.get_mut(10..12) {
        field.copy_from_slice(&sum);
    }
    let ports = [CLIENT.to_be_bytes(), SERVER.to_be_bytes(), udp_length].concat();
    let pseudo =
        [&from.octets()[..], &to.octets(), &[0, UDP, udp_length[0], udp_length[1]]].concat();
    let sum = checksum(&[&pseudo, &ports, message]);
    // Zero would say that there is none (RFC 768).
    let sum = if sum == 0 { u16::MAX } else { sum };
    Some([&head[..], &ports, &sum.to_be_bytes(), message].concat())
}
