//! Neighbours and proxy neighbours.
//!
//!     ip neigh add IP lladdr MAC nud permanent dev NAME      ip neigh add proxy IP dev NAME
//!     struct ndmsg { family u8, pad u8, pad u16, index i32, state u16, flags u8, type u8 }

use ropewalk_facts::{Mac, Neigh, NeighKey};

use super::consts::*;
use super::{Links, Make, ip};
use crate::Error;
use crate::nl::{Request, Writer, attrs, flag, u16_at, u32_at};

/// Length of `struct ndmsg`.
pub(super) const HEADER: usize = 12;

pub(super) fn header(family: u8, index: u32, state: u16, flags: u8) -> [u8; HEADER] {
    let [a, b, c, d] = index.to_ne_bytes();
    let [s, t] = state.to_ne_bytes();
    [family, 0, 0, 0, a, b, c, d, s, t, flags, 0]
}

fn named(key: &NeighKey, state: u16, links: &Links) -> Result<Writer, Error> {
    let flags = if key.proxy { NTF_PROXY } else { 0 };
    let index = links.need(&key.dev)?;
    let mut w = Writer::with(&header(ip::family(key.ip), index, state, flags));
    ip::put(&mut w, NDA_DST, key.ip);
    Ok(w)
}

/// A proxy entry may always be there already: the kernel does not say so. It is permanent, as one
/// of ip(8) is: else it goes when the link loses its carrier (`neigh_carrier_down`).
pub(super) fn create(neigh: &Neigh, make: Make, links: &Links) -> Result<Vec<Request>, Error> {
    let state = if neigh.key.proxy { NUD_PERMANENT } else { neigh.state };
    let mut w = named(&neigh.key, state, links)?;
    if let Some(mac) = neigh.mac {
        w.bytes(NDA_LLADDR, &mac.0);
    }
    if neigh.proto != 0 {
        w.u8(NDA_PROTOCOL, neigh.proto);
    }
    Ok(vec![Request { kind: RTM_NEWNEIGH, flags: make.flags(), body: w.finish()? }])
}

pub(super) fn delete(key: &NeighKey, links: &Links) -> Result<Vec<Request>, Error> {
    let body = named(key, 0, links)?.finish()?;
    Ok(vec![Request { kind: RTM_DELNEIGH, flags: 0, body }])
}

pub(super) fn read(key: &NeighKey, links: &Links) -> Result<Request, Error> {
    Ok(Request { kind: RTM_GETNEIGH, flags: 0, body: named(key, 0, links)?.finish()? })
}

pub(super) fn dump(proxy: bool) -> Request {
    let flags = if proxy { NTF_PROXY } else { 0 };
    let body = header(AF_UNSPEC, 0, 0, flags).to_vec();
    Request { kind: RTM_GETNEIGH, flags: flag::DUMP, body }
}

/// All neighbours on a link, or all that it knows of stations (`family` is [`AF_BRIDGE`]).
pub(super) fn dump_on(family: u8, index: u32) -> Result<Request, Error> {
    let mut w = Writer::with(&header(family, 0, 0, 0));
    w.u32(NDA_IFINDEX, index);
    Ok(Request { kind: RTM_GETNEIGH, flags: flag::DUMP, body: w.finish()? })
}

/// What a neighbour message and one of a bridge's entries have alike.
pub(super) struct Head {
    pub(super) family: u8,
    pub(super) index: u32,
    pub(super) state: u16,
    pub(super) flags: u8,
}

impl Head {
    pub(super) fn of(body: &[u8]) -> Result<Self, Error> {
        let read = || {
            Some(Self {
                family: *body.first()?,
                index: u32_at(body, 4)?,
                state: u16_at(body, 8)?,
                flags: *body.get(10)?,
            })
        };
        read().ok_or(Error::Malformed { kind: RTM_NEWNEIGH })
    }
}

pub(super) fn decode(head: &Head, body: &[u8], links: &Links) -> Result<Option<Neigh>, Error> {
    if !matches!(head.family, AF_INET | AF_INET6) {
        return Ok(None);
    }
    // A proxy entry may be for all links: then it has no index, and facts cannot hold it.
    if head.index == 0 {
        return Ok(None);
    }
    let Some(dev) = links.dev(head.index)? else { return Ok(None) };
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    let ip = attr(NDA_DST).and_then(|a| ip::read(a.data));
    let ip = ip.ok_or(Error::Malformed { kind: RTM_NEWNEIGH })?;
    let proxy = head.flags & NTF_PROXY != 0;
    let proto = attr(NDA_PROTOCOL).and_then(|a| a.u8()).unwrap_or(0);
    let lasting = proxy || head.state & NUD_PERMANENT != 0 || proto != 0;
    Ok(Some(Neigh {
        key: NeighKey { dev, ip, proxy },
        mac: attr(NDA_LLADDR).and_then(|a| a.array()).map(Mac),
        state: if proxy { 0 } else { head.state },
        proto,
        derived: !lasting,
    }))
}
