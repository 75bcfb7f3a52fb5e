//! DHCP for IPv4 (RFC 2131), as a client speaks it: whole frames, written and read.
//!
//!     discover ─▶ offer ─▶ request ─▶ ack    later: renew ─▶ ack or nak    at the end: release
//!
//! The messages are smoltcp's; frames around them are made here, since a client that has no address
//! yet cannot use a socket of UDP.  Never here: sending, waiting, when to renew.

mod options;
mod read;
#[cfg(test)]
mod tests;
mod write;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use ropewalk_facts::Mac;

pub use read::read;
pub use write::frame;

/// Ports of the two sides.
const SERVER: u16 = 67;
const CLIENT: u16 = 68;
const UDP: u8 = 17;
/// Lengths of the headers of IPv4, without options, and of UDP.
const IP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// Its hardware address in messages, which the server knows it by.
    pub mac: Mac,
    /// That of the interface that frames leave by.
    pub via: Mac,
    /// Ties answers to questions.
    pub id: u32,
    /// What it is called, for the server's list and name service.
    pub name: Option<String>,
    /// Seconds since it began to ask: a server that stands by waits for some.
    pub secs: u16,
    /// What it is known by (option 61) in place of its hardware address.
    pub identity: Option<Vec<u8>>,
    /// Further options that it sends, by their numbers.
    pub provide: Vec<(u8, Vec<u8>)>,
    /// The options that it asks for; none for the usual ones.
    pub ask: Option<Vec<u8>>,
}

impl Client {
    /// A client that says nothing of itself but its hardware address.
    #[must_use]
    pub fn new(mac: Mac, via: Mac, id: u32) -> Self {
        let (name, identity, ask) = (None, None, None);
        Self { mac, via, id, name, secs: 0, identity, provide: Vec::new(), ask }
    }
}

/// What a client says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Say {
    /// Which servers are there?
    Discover {
        /// The address that it would like to have.
        wish: Option<Ipv4Addr>,
    },
    /// It takes the address that a server offered.
    Request {
        /// The address.
        ip: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
    },
    /// It wants to keep the address that it has.
    Renew {
        /// The address.
        ip: Ipv4Addr,
        /// The server that lent it, and where that is on this link; else any may say so.
        to: Option<(Ipv4Addr, Mac)>,
    },
    /// Somebody else has the address that it was given.
    Decline {
        /// The address.
        ip: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
    },
    /// It has no more use for the address.
    Release {
        /// The address.
        ip: Ipv4Addr,
        /// The server.
        server: Ipv4Addr,
        /// Where the server is on this link.
        to: Mac,
    },
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It may have the address.
    Offer,
    /// It has it.
    Ack,
    /// It has it not.
    Nak,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// Yes, no or perhaps.
    pub answer: Answer,
    /// The address, in its subnet; that of a refusal means nothing.
    pub net: Ipv4Net,
    /// The server.
    pub server: Ipv4Addr,
    /// Where its frame came from on this link.
    pub from: Mac,
    /// The LAN's router.
    pub router: Option<Ipv4Addr>,
    /// Ways to elsewhere, by a router or, by none, on the link itself (RFC 3442).
    pub routes: Vec<(Ipv4Net, Option<Ipv4Addr>)>,
    /// Name servers.
    pub dns: Vec<Ipv4Addr>,
    /// The LAN's MTU.
    pub mtu: Option<u16>,
    /// How long the address is lent, in seconds; `u32::MAX` for ever.
    pub seconds: Option<u32>,
    /// After how many seconds it is to be renewed with the server.
    pub renew_after: Option<u32>,
    /// After how many seconds with any.
    pub rebind_after: Option<u32>,
}
