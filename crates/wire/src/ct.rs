//! Connection tracking: entries that a change of rules has made stale are removed.
//!
//!     conntrack -D -p udp --orig-port-dst 53
//!
//! An entry keeps its translation as long as packets come, so a client that goes on sending to a
//! port that is published anew would reach whom it reached before.
//! The kernel filters by itself (CTA_FILTER): the table is not carried out to be looked through.

use std::net::IpAddr;

use ropewalk_facts::seen::{Flow as Tracked, Tuple};

use crate::Error;
use crate::consts::consts;
use crate::family::{AF_INET, AF_INET6};
use crate::nl::{Attr, Message, Request, Writer, attrs, flag};

consts! {
    "linux/netfilter/nfnetlink.h";
    NFNL_SUBSYS_CTNETLINK: u16 = 1;

    "linux/netfilter/nfnetlink_conntrack.h";
    IPCTNL_MSG_CT_NEW: u16 = 0;
    IPCTNL_MSG_CT_GET: u16 = 1;
    IPCTNL_MSG_CT_DELETE: u16 = 2;
    CTA_TUPLE_ORIG: u16 = 1;
    CTA_TUPLE_REPLY: u16 = 2;
    CTA_STATUS: u16 = 3;
    CTA_MARK: u16 = 8;
    CTA_ZONE: u16 = 18;
    CTA_FILTER: u16 = 25;
    CTA_FILTER_ORIG_FLAGS: u16 = 1;
    CTA_TUPLE_IP: u16 = 1;
    CTA_TUPLE_PROTO: u16 = 2;
    CTA_IP_V4_SRC: u16 = 1;
    CTA_IP_V4_DST: u16 = 2;
    CTA_IP_V6_SRC: u16 = 3;
    CTA_IP_V6_DST: u16 = 4;
    CTA_PROTO_NUM: u16 = 1;
    CTA_PROTO_SRC_PORT: u16 = 2;
    CTA_PROTO_DST_PORT: u16 = 3;
    CTA_PROTO_ICMP_ID: u16 = 4;
    CTA_PROTO_ICMP_TYPE: u16 = 5;
    CTA_PROTO_ICMP_CODE: u16 = 6;
    CTA_PROTO_ICMPV6_ID: u16 = 7;
    CTA_PROTO_ICMPV6_TYPE: u16 = 8;
    CTA_PROTO_ICMPV6_CODE: u16 = 9;
}

/// Which parts of the tuple are compared (`CTA_FILTER_F_*`, net/netfilter/nf_internals.h).
const BY_DST: u32 = 1 << 1;
const BY_PROTO: u32 = 1 << 3;
const BY_DST_PORT: u32 = 1 << 5;

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

/// Flows that were first sent to a port.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To {
    /// IPv6, else IPv4.
    pub v6: bool,
    /// 6 for TCP, 17 for UDP, 132 for SCTP.
    pub proto: u8,
    /// The port.
    pub port: u16,
    /// The address; any where there is none. Of the family that `v6` says.
    pub addr: Option<IpAddr>,
}

/// A flow as its first packet was, before any translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number.
    pub proto: u8,
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// The zone it is told apart by; 0 for most.
    pub zone: u16,
}

impl To {
    /// True for a flow that was first sent there.
    #[must_use]
    pub fn takes(&self, flow: &Flow) -> bool {
        self.v6 == flow.dst.is_ipv6()
            && (self.proto, self.port) == (flow.proto, flow.dst_port)
            && self.addr.is_none_or(|addr| addr == flow.dst)
    }

    /// The address, where the kernel may be asked to compare it. It compares those of IPv6 the
    /// wrong way round (`ctnetlink_filter_match_tuple`: seen in 6.18) and would take all others.
    fn comparable(&self) -> Option<IpAddr> {
        self.addr.filter(IpAddr::is_ipv4)
    }
}

fn kind(message: u16) -> u16 {
    NFNL_SUBSYS_CTNETLINK << 8 | message
}

fn begin(v6: bool) -> Writer {
    Writer::with(&[if v6 { AF_INET6 } else { AF_INET }, 0, 0, 0])
}

fn put(w: &mut Writer, v4: u16, v6: u16, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => w.bytes(v4, &ip.octets()),
        IpAddr::V6(ip) => w.bytes(v6, &ip.octets()),
    }
}

fn filtered(to: &To) -> Result<Vec<u8>, Error> {
    let mut w = begin(to.v6);
    w.nest(CTA_TUPLE_ORIG, |w| {
        if let Some(addr) = to.comparable() {
            w.nest(CTA_TUPLE_IP, |w| put(w, CTA_IP_V4_DST, CTA_IP_V6_DST, addr));
        }
        w.nest(CTA_TUPLE_PROTO, |w| {
            w.u8(CTA_PROTO_NUM, to.proto);
            w.be16(CTA_PROTO_DST_PORT, to.port);
        });
    });
    let by_dst = if to.comparable().is_some() { BY_DST } else { 0 };
    w.nest(CTA_FILTER, |w| {
        w.u32(CTA_FILTER_ORIG_FLAGS, by_dst | BY_PROTO | BY_DST_PORT);
    });
    w.finish()
}

/// Removes all flows to a port, in one request. `None` for those to one IPv6 address, which the
/// kernel cannot tell; and kernels that do not filter removals refuse the request and remove
/// nothing. Then [`find`] the flows, and [`delete`] each that `to` takes.
///
/// # Errors
/// None in practice: the message is short.
pub fn purge(to: &To) -> Result<Option<Request>, Error> {
    if to.addr != to.comparable() {
        return Ok(None);
    }
    Ok(Some(Request { kind: kind(IPCTNL_MSG_CT_DELETE), flags: 0, body: filtered(to)? }))
}

/// Asks for the flows to a port. Others may be among the answers: [`To::takes`] tells.
///
/// # Errors
/// None in practice: the message is short.
pub fn find(to: &To) -> Result<Request, Error> {
    Ok(Request { kind: kind(IPCTNL_MSG_CT_GET), flags: flag::DUMP, body: filtered(to)? })
}

/// Removes one flow. `ENOENT` when it has gone already.
///
/// # Errors
/// None in practice: the message is short.
pub fn delete(flow: &Flow) -> Result<Request, Error> {
    let mut w = begin(flow.src.is_ipv6());
    w.nest(CTA_TUPLE_ORIG, |w| {
        w.nest(CTA_TUPLE_IP, |w| {
            put(w, CTA_IP_V4_SRC, CTA_IP_V6_SRC, flow.src);
            put(w, CTA_IP_V4_DST, CTA_IP_V6_DST, flow.dst);
        });
        w.nest(CTA_TUPLE_PROTO, |w| {
            w.u8(CTA_PROTO_NUM, flow.proto);
            w.be16(CTA_PROTO_SRC_PORT, flow.src_port);
            w.be16(CTA_PROTO_DST_PORT, flow.dst_port);
        });
    });
    if flow.zone != 0 {
        w.be16(CTA_ZONE, flow.zone);
    }
    Ok(Request { kind: kind(IPCTNL_MSG_CT_DELETE), flags: 0, body: w.finish()? })
}

/// The flow that an answer to [`find`] tells of; `None` for a message of another kind, and for a
/// protocol without ports.
///
/// # Errors
/// [`Error::Malformed`].
pub fn flow(message: &Message<'_>) -> Result<Option<Flow>, Error> {
    if message.kind != kind(IPCTNL_MSG_CT_NEW) {
        return Ok(None);
    }
    let broken = || Error::Malformed { kind: message.kind };
    let list = attrs(message.body.get(HEADER..).ok_or_else(broken)?);
    let tuple = list.clone().first(CTA_TUPLE_ORIG).ok_or_else(broken)?;
    let within = |kind| tuple.attrs().first(kind).map(|a| a.attrs()).ok_or_else(broken);
    let (ips, proto) = (within(CTA_TUPLE_IP)?, within(CTA_TUPLE_PROTO)?);
    let ip = |v4, v6| {
        let v4 = ips.clone().first(v4).and_then(|a: Attr<'_>| a.array::<4>().map(IpAddr::from));
        let v6 = || ips.clone().first(v6).and_then(|a| a.array::<16>().map(IpAddr::from));
        v4.or_else(v6).ok_or_else(broken)
    };
    let port = |kind| proto.clone().first(kind).and_then(|a| a.be16());
    let number = proto.clone().first(CTA_PROTO_NUM).and_then(|a| a.u8()).ok_or_else(broken)?;
    let ports = port(CTA_PROTO_SRC_PORT).zip(port(CTA_PROTO_DST_PORT));
    let Some((src_port, dst_port)) = ports else { return Ok(None) };
    Ok(Some(Flow {
        src: ip(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?,
        dst: ip(CTA_IP_V4_DST, CTA_IP_V6_DST)?,
        proto: number,
        src_port,
        dst_port,
        zone: list.first(CTA_ZONE).and_then(|a| a.be16()).unwrap_or(0),
    }))
}

/// Echo requests of ICMP and ICMPv6, the only messages of theirs that are asked for.
const ECHO: [(u8, u8); 2] = [(1, 8), (58, 128)];

/// Asks for the connection that a packet like `tuple` belongs to, of either direction.
///
/// # Errors
/// None in practice: the message is short.
pub fn get(tuple: &Tuple) -> Result<Request, Error> {
    let mut w = begin(tuple.src.is_ipv6());
    w.nest(CTA_TUPLE_ORIG, |w| {
        w.nest(CTA_TUPLE_IP, |w| {
            put(w, CTA_IP_V4_SRC, CTA_IP_V6_SRC, tuple.src);
            put(w, CTA_IP_V4_DST, CTA_IP_V6_DST, tuple.dst);
        });
        w.nest(CTA_TUPLE_PROTO, |w| {
            w.u8(CTA_PROTO_NUM, tuple.proto);
            let echo = ECHO.iter().find(|(proto, _)| *proto == tuple.proto);
            match echo {
                Some((1, kind)) => {
                    w.be16(CTA_PROTO_ICMP_ID, tuple.sport);
                    w.u8(CTA_PROTO_ICMP_TYPE, *kind);
                    w.u8(CTA_PROTO_ICMP_CODE, 0);
                }
                Some((_, kind)) => {
                    w.be16(CTA_PROTO_ICMPV6_ID, tuple.sport);
                    w.u8(CTA_PROTO_ICMPV6_TYPE, *kind);
                    w.u8(CTA_PROTO_ICMPV6_CODE, 0);
                }
                None => {
                    w.be16(CTA_PROTO_SRC_PORT, tuple.sport);
                    w.be16(CTA_PROTO_DST_PORT, tuple.dport);
                }
            }
        });
    });
    Ok(Request { kind: kind(IPCTNL_MSG_CT_GET), flags: 0, body: w.finish()? })
}

/// The connection that an answer to [`get`] tells of.
#[must_use]
pub fn tracked(message: &Message<'_>) -> Option<Tracked> {
    if message.kind != kind(IPCTNL_MSG_CT_NEW) {
        return None;
    }
    let list = attrs(message.body.get(HEADER..)?);
    let attr = |kind| list.clone().first(kind);
    let number = |kind| attr(kind).and_then(|a: Attr<'_>| a.be32()).unwrap_or(0);
    Some(Tracked {
        orig: tuple(&attr(CTA_TUPLE_ORIG)?)?,
        reply: tuple(&attr(CTA_TUPLE_REPLY)?)?,
        mark: number(CTA_MARK),
        status: number(CTA_STATUS),
    })
}

fn tuple(attr: &Attr<'_>) -> Option<Tuple> {
    let (ips, proto) = (attr.attrs().first(CTA_TUPLE_IP)?, attr.attrs().first(CTA_TUPLE_PROTO)?);
    let ip = |v4, v6| {
        let v4 = ips.attrs().first(v4).and_then(|a| a.array::<4>().map(IpAddr::from));
        v4.or_else(|| ips.attrs().first(v6)?.array::<16>().map(IpAddr::from))
    };
    let port = |kinds: [u16; 3]| {
        kinds.into_iter().find_map(|kind| proto.attrs().first(kind)?.be16()).unwrap_or(0)
    };
    Some(Tuple {
        src: ip(CTA_IP_V4_SRC, CTA_IP_V6_SRC)?,
        dst: ip(CTA_IP_V4_DST, CTA_IP_V6_DST)?,
        proto: proto.attrs().first(CTA_PROTO_NUM)?.u8()?,
        sport: port([CTA_PROTO_SRC_PORT, CTA_PROTO_ICMP_ID, CTA_PROTO_ICMPV6_ID]),
        dport: port([CTA_PROTO_DST_PORT; 3]),
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        crate::uapi::compare(super::UAPI);
    }

    fn message(body: &[u8]) -> Message<'_> {
        Message { kind: kind(IPCTNL_MSG_CT_NEW), flags: 0, seq: 0, pid: 0, body }
    }

    fn flows() -> impl Strategy<Value = Flow> {
        let v4 = any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
        let v6 =
            any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (IpAddr::from(a), IpAddr::from(b)));
        (prop_oneof![v4, v6], any::<(u8, u16, u16, u16)>()).prop_map(
            |((src, dst), (proto, src_port, dst_port, zone))| Flow {
                src,
                dst,
                proto,
                src_port,
                dst_port,
                zone,
            },
        )
    }

    proptest! {
        #[test]
        fn what_is_removed_is_named_as_it_was_found(wanted in flows()) {
            let request = delete(&wanted).unwrap();
            prop_assert_eq!(flow(&message(&request.body)).unwrap(), Some(wanted));
            for end in 0..request.body.len() {
                let _ = flow(&message(&request.body[..end]));
            }
        }

        #[test]
        fn random_bytes_do_not_panic(body in prop::collection::vec(any::<u8>(), 0..120)) {
            let _ = flow(&message(&body));
        }
    }
}
