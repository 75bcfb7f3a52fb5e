//! Frames by which hosts of a LAN say who has an address, and ask.
//!
//!     questions(mac, own, 10.0.0.50)   who has 10.0.0.50?  (ARP, RFC 826 and 5227 · NDP, RFC 4861)
//!     claims(mac, 10.0.0.50)           10.0.0.50 is at MAC, unasked
//!     read(frame) ──▶ Said             what another host says, whole and untagged frames only
//!
//! [`dhcp`]: how a host of the LAN borrows an address.
//!
//! Never here: sending, waiting, what an answer means for whom.

mod arp;
mod bytes;
pub mod dhcp;
mod ether;
mod nd;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr};

use ropewalk_facts::Mac;

pub use ether::Protocol;

/// What a host says about an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// The address is at this hardware address.
    Has {
        /// The address.
        ip: IpAddr,
        /// Where it is.
        mac: Mac,
    },
    /// The host that has this hardware address is about to take the address.
    Wants {
        /// The address.
        ip: IpAddr,
        /// Who wants it.
        mac: Mac,
    },
}

/// Asks who has `ip`: frames for a host with the hardware address `mac` to send.
///
/// For IPv4 there are two. A probe says that the address is wanted, and names no sender (RFC 5227
/// §2.1.1). A host that answers for another, as a Linux host with a proxy neighbour does, answers
/// it not (`arp_process` takes it for the host's own addresses only), but the plain question from
/// the address `own`.
#[must_use]
pub fn questions(mac: Mac, own: Option<IpAddr>, ip: IpAddr) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => {
            let mut all = vec![arp::question(mac, Ipv4Addr::UNSPECIFIED, ip)];
            if let Some(IpAddr::V4(own)) = own {
                all.push(arp::question(mac, own, ip));
            }
            all
        }
        IpAddr::V6(ip) => vec![nd::probe(mac, ip)],
    }
}

/// Says to all that `ip` is at `mac`.
///
/// For IPv4 as a question and as an answer: RFC 5227 §3 prefers the question, some hosts listen to
/// the answer only.
#[must_use]
pub fn claims(mac: Mac, ip: IpAddr) -> Vec<Vec<u8>> {
    match ip {
        IpAddr::V4(ip) => vec![arp::question(mac, ip, ip), arp::answer(mac, ip)],
        IpAddr::V6(ip) => vec![nd::claim(mac, ip)],
    }
}

/// What `frame` says about an address, if it is of those that do.
#[must_use]
pub fn read(frame: &[u8]) -> Option<Said> {
    let (from, protocol, payload) = ether::read(frame)?;
    match protocol {
        Protocol::Arp => arp::read(payload),
        Protocol::Ipv6 => nd::read(from, payload),
        Protocol::Ipv4 => None,
    }
}
