//! Events: what rtnetlink tells those who listen to its groups.
//!
//!     ip monitor link address route rule neigh; tc monitor
//!
//! A message is read only as far as it takes to know whether something may have gone or changed:
//! what comes to be is no event, except for links, whose state is told.  Never here: whether it
//! matters.

use ropewalk_facts::proto;

use super::consts::*;
use super::link;
use crate::nl::{Message, attrs, flag, u32_at};

/// The groups to listen to.
pub const GROUPS: u32 = RTMGRP_LINK
    | RTMGRP_NEIGH
    | RTMGRP_TC
    | RTMGRP_IPV4_IFADDR
    | RTMGRP_IPV4_ROUTE
    | RTMGRP_IPV4_RULE
    | RTMGRP_IPV6_IFADDR
    | RTMGRP_IPV6_ROUTE
    | 1 << (RTNLGRP_IPV6_RULE - 1);

/// The groups that tell of addresses and routes alone.
pub const INSIDE: u32 =
    RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_IFADDR | RTMGRP_IPV6_ROUTE;

/// Place of the protocol in `struct rtmsg`, and of state and flags in `struct ndmsg`.
const RTM_PROTOCOL: usize = 5;
const NDM_STATE: usize = 8;
const NDM_FLAGS: usize = 10;
/// Place of the handle in `struct tcmsg`.
const TCM_HANDLE: usize = 8;
/// Length of `struct ndmsg`.
const NDM: usize = 12;

/// Something happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A link is so now.
    Link(LinkState),
    /// The link of this index is gone.
    LinkGone(u32),
    /// A bridge tells of the port of this index.
    Port(u32),
    /// An address is gone.
    AddrGone,
    /// A route of ropewalk's is gone, or was replaced by somebody's.
    RouteGone,
    /// A policy rule is gone.
    RuleGone,
    /// A neighbour or forwarding entry that somebody stated is gone. Of a proxy entry that goes
    /// the kernel says nothing.
    NeighGone,
    /// A queueing discipline or a filter is gone.
    LimitGone,
}

/// What of a link makes a difference to those who use it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinkState {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// It is up.
    pub up: bool,
    /// It carries.
    pub running: bool,
    /// The link that it is a member of.
    pub master: Option<u32>,
    /// Hardware address.
    pub mac: Vec<u8>,
    /// MTU in bytes.
    pub mtu: u32,
    /// The number, in its namespace, of the one that its other end is in.
    pub behind: Option<i32>,
}

/// What a message tells, if it is one of those above.
#[must_use]
pub fn event(message: &Message<'_>) -> Option<Event> {
    let body = message.body;
    match message.kind {
        RTM_NEWLINK if *body.first()? == AF_BRIDGE => link::index(body).map(Event::Port),
        RTM_NEWLINK => link::state(body).map(Event::Link),
        RTM_DELLINK if *body.first()? == AF_UNSPEC => link::index(body).map(Event::LinkGone),
        RTM_DELADDR => Some(Event::AddrGone),
        RTM_DELROUTE => (*body.get(RTM_PROTOCOL)? == proto::ROPEWALK).then_some(Event::RouteGone),
        RTM_NEWROUTE => {
            let others = *body.get(RTM_PROTOCOL)? != proto::ROPEWALK;
            (others && message.flags & flag::REPLACE != 0).then_some(Event::RouteGone)
        }
        RTM_DELRULE => Some(Event::RuleGone),
        RTM_DELNEIGH => neigh(body),
        // One that the kernel chose itself has no handle, and makes room for every other.
        RTM_DELQDISC => (u32_at(body, TCM_HANDLE)? != 0).then_some(Event::LimitGone),
        RTM_DELTFILTER => Some(Event::LimitGone),
        _ => None,
    }
}

/// Entries that nobody stated come and go all the time.
fn neigh(body: &[u8]) -> Option<Event> {
    let state = u16::from_ne_bytes(*body.get(NDM_STATE..)?.first_chunk()?);
    let proxy = *body.get(NDM_FLAGS)? & NTF_PROXY != 0;
    let ours = || {
        let found = attrs(body.get(NDM..)?).first(NDA_PROTOCOL)?.u8()?;
        (found == proto::ROPEWALK).then_some(())
    };
    let stated = proxy || state & (NUD_PERMANENT | NUD_NOARP) != 0 || ours().is_some();
    stated.then_some(Event::NeighGone)
}
