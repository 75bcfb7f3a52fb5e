//! Links by index, and the index of the link that one is joined to.
//!
//!     7: leg@if2 … link-netnsid 0     the other end is link 2 of the namespace known here as 0
//!     3: eth0@if2 … macvlan           the link that it stands on is

use ropewalk_facts::IfName;

use super::consts::*;
use super::link::HEADER;
use crate::Error;
use crate::nl::{Message, Request, Writer, attrs};

/// `struct ifinfomsg` for the link with this index.
fn header(index: u32) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    if let Some(place) = header.get_mut(4..8) {
        place.copy_from_slice(&index.to_ne_bytes());
    }
    header
}

/// Asks for the link with this index.
///
/// # Errors
/// None in practice: the message is short.
pub fn link_at(index: u32) -> Result<Request, Error> {
    let mut w = Writer::with(&header(index));
    w.u32(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
    Ok(Request { kind: RTM_GETLINK, flags: 0, body: w.finish()? })
}

/// Moves the link with this index to the namespace of the file descriptor `ns`, where it is `name`
/// and down.
///
/// # Errors
/// None in practice: the message is short.
pub fn link_move(index: u32, ns: i32, name: &IfName) -> Result<Request, Error> {
    let mut w = Writer::with(&header(index));
    w.i32(IFLA_NET_NS_FD, ns);
    w.text(IFLA_IFNAME, name.as_str());
    Ok(Request { kind: RTM_NEWLINK, flags: 0, body: w.finish()? })
}

/// Where the other end of a veth is, or the link that one stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OtherEnd {
    /// The number by which its namespace is known; `None` for the same one.
    pub nsid: Option<i32>,
    /// Its index there.
    pub index: u32,
}

/// The other end of the veth that a link message is about, or the link that this one stands on;
/// `None` for other messages.
#[must_use]
pub fn other_end(message: &Message<'_>) -> Option<OtherEnd> {
    if message.kind != RTM_NEWLINK {
        return None;
    }
    let list = attrs(message.body.get(HEADER..)?);
    let attr = |kind| list.clone().first(kind);
    let kind = attr(IFLA_LINKINFO)?.attrs().first(IFLA_INFO_KIND)?.text()?;
    let index = attr(IFLA_LINK)?.u32()?;
    matches!(kind, "veth" | "macvlan" | "ipvlan" | "vlan")
        .then_some(OtherEnd { nsid: attr(IFLA_LINK_NETNSID).and_then(|a| a.i32()), index })
}
