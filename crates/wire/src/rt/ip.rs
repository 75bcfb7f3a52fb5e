//! Addresses as bytes: 4 for IPv4, 16 for IPv6.

use std::net::IpAddr;

use ipnet::IpNet;

use super::consts::{AF_INET, AF_INET6};
use crate::nl::Writer;

/// An attribute that holds an address.
pub(super) fn put(w: &mut Writer, kind: u16, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => w.bytes(kind, &ip.octets()),
        IpAddr::V6(ip) => w.bytes(kind, &ip.octets()),
    }
}

/// The address that `data` holds, by its length.
pub(super) fn read(data: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(data).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(data).map(IpAddr::from)).ok()
}

/// The number of the address's family.
pub(super) fn family(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { AF_INET } else { AF_INET6 }
}

/// The address `data` with a prefix of `len`; the family's zero address where there is no data.
pub(super) fn net(family: u8, len: u8, data: Option<&[u8]>) -> Option<IpNet> {
    let ip = match data {
        Some(data) => read(data).filter(|ip| self::family(*ip) == family)?,
        None if family == AF_INET => IpAddr::from([0; 4]),
        None => IpAddr::from([0; 16]),
    };
    IpNet::new(ip, len).ok()
}
