//! Addresses.
//!
//!     ip addr add 192.168.15.1[ peer 10.0.0.1]/24 dev NAME [broadcast B] [metric M] [scope S]
//!                 [valid_lft V preferred_lft P] [nodad] [noprefixroute]
//!     struct ifaddrmsg { family u8, prefixlen u8, flags u8, scope u8, index u32 }
//!
//! As with that command no broadcast address is set unless one is said.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use ropewalk_facts::{Addr, AddrKey, Lifetime, Scope};

use super::consts::*;
use super::{Links, Make, ip};
use crate::Error;
use crate::nl::{Request, Writer, attrs, flag, u32_at};

/// Length of `struct ifaddrmsg`.
const HEADER: usize = 8;

fn header(family: u8, prefix: u8, scope: u8, index: u32) -> [u8; HEADER] {
    let [a, b, c, d] = index.to_ne_bytes();
    [family, prefix, 0, scope, a, b, c, d]
}

fn body(addr: &Addr, index: u32) -> Result<Vec<u8>, Error> {
    let (net, address) = (addr.key.net, addr.key.net.addr());
    let head = header(ip::family(address), net.prefix_len(), addr.scope.0, index);
    let mut w = Writer::with(&head);
    ip::put(&mut w, IFA_LOCAL, address);
    ip::put(&mut w, IFA_ADDRESS, addr.peer.unwrap_or(address));
    if let Some(broadcast) = addr.broadcast.filter(|_| address.is_ipv4()) {
        ip::put(&mut w, IFA_BROADCAST, broadcast.into());
    }
    if let Some(metric) = addr.metric {
        w.u32(IFA_RT_PRIORITY, metric);
    }
    if let Some(Lifetime { valid, preferred }) = addr.lifetime {
        let numbers = [preferred, valid, 0, 0].map(u32::to_ne_bytes);
        w.bytes(IFA_CACHEINFO, numbers.as_flattened());
    }
    let bit = |on: bool, bit: u32| if on { bit } else { 0 };
    let nodad = addr.nodad && address.is_ipv6();
    let flags = bit(nodad, IFA_F_NODAD) | bit(addr.noprefixroute, IFA_F_NOPREFIXROUTE);
    if flags != 0 {
        w.u32(IFA_FLAGS, flags);
    }
    w.finish()
}

pub(super) fn create(addr: &Addr, make: Make, links: &Links) -> Result<Vec<Request>, Error> {
    let body = body(addr, links.need(&addr.key.dev)?)?;
    Ok(vec![Request { kind: RTM_NEWADDR, flags: make.flags(), body }])
}

/// IPv6 replaces flags in place; for IPv4 the kernel would change nothing but lifetimes.
pub(super) fn change(old: &Addr, new: &Addr, links: &Links) -> Result<Vec<Request>, Error> {
    if old.key.net.addr().is_ipv6() && old.scope == new.scope {
        return create(new, Make::Shared, links);
    }
    let mut all = delete(old, links)?;
    all.extend(create(new, Make::Exclusive, links)?);
    Ok(all)
}

pub(super) fn delete(addr: &Addr, links: &Links) -> Result<Vec<Request>, Error> {
    let body = body(addr, links.need(&addr.key.dev)?)?;
    Ok(vec![Request { kind: RTM_DELADDR, flags: 0, body }])
}

/// The addresses of one link and family; which of them it is, is for the caller to see.
pub(super) fn read(key: &AddrKey, links: &Links) -> Result<Request, Error> {
    let head = header(ip::family(key.net.addr()), 0, 0, links.need(&key.dev)?);
    Ok(Request { kind: RTM_GETADDR, flags: flag::DUMP, body: head.to_vec() })
}

pub(super) fn dump() -> Request {
    let body = header(AF_UNSPEC, 0, 0, 0).to_vec();
    Request { kind: RTM_GETADDR, flags: flag::DUMP, body }
}

pub(super) fn decode(body: &[u8], links: &Links) -> Result<Option<Addr>, Error> {
    let short = || Error::Malformed { kind: RTM_NEWADDR };
    let &[family, prefix, flags, scope, ..] = body else { return Err(short()) };
    let Some(dev) = links.dev(u32_at(body, 4).ok_or_else(short)?)? else { return Ok(None) };
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    // With a peer address IFA_ADDRESS is the peer's; IFA_LOCAL is always our own.
    let address = attr(IFA_ADDRESS).map(|a| a.data);
    let own = attr(IFA_LOCAL).map(|a| a.data).or(address);
    let peer = address.filter(|address| Some(*address) != own).and_then(ip::read);
    let net = ip::net(family, prefix, Some(own.ok_or_else(short)?)).ok_or_else(short)?;
    let flags = attr(IFA_FLAGS).and_then(|a| a.u32()).unwrap_or(u32::from(flags));
    let proto = attr(IFA_PROTO).and_then(|a| a.u8()).unwrap_or(0);
    let v6 = matches!(net, IpNet::V6(_));
    let kernels = (IFAPROT_KERNEL_LO..=IFAPROT_KERNEL_LL).contains(&proto);
    let derived = kernels || (v6 && flags & IFA_F_TEMPORARY != 0) || loopback(&dev, net);
    Ok(Some(Addr {
        key: AddrKey { dev, net },
        scope: Scope(scope),
        // A tunnel's far end may be all zero, which is none.
        peer: peer.filter(|peer| !peer.is_unspecified()),
        broadcast: attr(IFA_BROADCAST).and_then(|a| a.array().map(Ipv4Addr::from)),
        metric: attr(IFA_RT_PRIORITY).and_then(|a| a.u32()).filter(|metric| *metric != 0),
        lifetime: attr(IFA_CACHEINFO).and_then(|a| lifetime(a.data)),
        nodad: v6 && flags & IFA_F_NODAD != 0,
        noprefixroute: flags & IFA_F_NOPREFIXROUTE != 0,
        secondary: !v6 && flags & IFA_F_SECONDARY != 0,
        derived,
    }))
}

/// `struct ifa_cacheinfo`: preferred, valid, and when it was made and changed.
fn lifetime(data: &[u8]) -> Option<Lifetime> {
    let (preferred, valid) = (u32_at(data, 0)?, u32_at(data, 4)?);
    let ends = preferred != Lifetime::FOREVER || valid != Lifetime::FOREVER;
    ends.then_some(Lifetime { valid, preferred })
}

/// What lo has from the moment it is up.
fn loopback(dev: &ropewalk_facts::IfName, net: IpNet) -> bool {
    dev.as_str() == "lo"
        && match net.addr() {
            IpAddr::V4(ip) => ip.octets() == [127, 0, 0, 1] && net.prefix_len() == 8,
            IpAddr::V6(ip) => ip.is_loopback(),
        }
}
