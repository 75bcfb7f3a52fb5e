//! Forwarding entries of bridges and tunnels: neighbour messages of the bridge family.
//!
//!     bridge fdb add MAC dev NAME self [dst IP]          in the device's own table
//!     bridge fdb add MAC dev NAME master [vlan V] static  in the table of its bridge

use ropewalk_facts::{Fdb, FdbKey, Mac};

use super::consts::*;
use super::neigh::{HEADER, Head, header};
use super::{Links, Make, ip};
use crate::Error;
use crate::nl::{Request, Writer, attrs, flag};

fn named(key: &FdbKey, state: u16, links: &Links) -> Result<Writer, Error> {
    let flags = if key.own { NTF_SELF } else { NTF_MASTER };
    let mut w = Writer::with(&header(AF_BRIDGE, links.need(&key.dev)?, state, flags));
    w.bytes(NDA_LLADDR, &key.mac.0);
    if let Some(dst) = key.dst {
        ip::put(&mut w, NDA_DST, dst);
    }
    if let Some(vlan) = key.vlan {
        w.u16(NDA_VLAN, vlan);
    }
    Ok(w)
}

pub(super) fn create(fdb: &Fdb, make: Make, links: &Links) -> Result<Vec<Request>, Error> {
    let body = named(&fdb.key, fdb.state, links)?.finish()?;
    let flags = if has_list(&fdb.key) { flag::CREATE | flag::APPEND } else { make.flags() };
    Ok(vec![Request { kind: RTM_NEWNEIGH, flags, body }])
}

/// True where a tunnel keeps a list of remote ends for one station, to which an entry is one
/// more: with NLM_F_EXCL the second would be refused (`vxlan_fdb_update`).
fn has_list(key: &FdbKey) -> bool {
    key.own && key.dst.is_some() && !key.mac.is_unicast()
}

pub(super) fn delete(key: &FdbKey, links: &Links) -> Result<Vec<Request>, Error> {
    let body = named(key, 0, links)?.finish()?;
    Ok(vec![Request { kind: RTM_DELNEIGH, flags: 0, body }])
}

/// Of a list the kernel would tell only the first, so there the whole device is asked for.
pub(super) fn read(key: &FdbKey, links: &Links) -> Result<Request, Error> {
    if key.dst.is_some() {
        let body = header(AF_BRIDGE, links.need(&key.dev)?, 0, 0).to_vec();
        return Ok(Request { kind: RTM_GETNEIGH, flags: flag::DUMP, body });
    }
    Ok(Request { kind: RTM_GETNEIGH, flags: 0, body: named(key, 0, links)?.finish()? })
}

pub(super) fn dump() -> Request {
    let body = header(AF_BRIDGE, 0, 0, 0).to_vec();
    Request { kind: RTM_GETNEIGH, flags: flag::DUMP, body }
}

pub(super) fn decode(head: &Head, body: &[u8], links: &Links) -> Result<Option<Fdb>, Error> {
    let Some(dev) = links.dev(head.index)? else { return Ok(None) };
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    let mac = attr(NDA_LLADDR).and_then(|a| a.array()).map(Mac);
    let mac = mac.ok_or(Error::Malformed { kind: RTM_NEWNEIGH })?;
    let own = head.flags & NTF_SELF != 0;
    let learned = head.state & (NUD_PERMANENT | NUD_NOARP) == 0;
    let dst = attr(NDA_DST).and_then(|a| ip::read(a.data));
    // A device receives for its groups, for itself, and for the links that stand on it, in whatever
    // namespace those are (`dev_uc_add`); a bridge does for its members.
    let receives = own && (group(mac) || dst.is_none());
    let kernels = receives || (head.state & NUD_PERMANENT != 0 && links.owns(mac));
    Ok(Some(Fdb {
        key: FdbKey {
            dev,
            mac,
            own,
            dst,
            vlan: attr(NDA_VLAN).and_then(|a| a.u16()).filter(|vlan| *vlan != 0),
        },
        state: plain(head.state),
        derived: learned || kernels,
    }))
}

/// bridge(8) always says that an entry is static, even of one that is permanent; a tunnel keeps
/// both.
fn plain(state: u16) -> u16 {
    if state & NUD_PERMANENT != 0 { state & !NUD_NOARP } else { state }
}

/// The address of an IPv4 or IPv6 multicast group (RFC 1112, RFC 2464).
fn group(mac: Mac) -> bool {
    matches!(mac.0, [1, 0, 0x5e, ..] | [0x33, 0x33, ..])
}
