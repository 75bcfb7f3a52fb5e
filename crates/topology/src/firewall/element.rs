//! What a network and a published port add: elements.
//!
//! A function that takes two addresses gives nothing when one is IPv4 and the other IPv6.

use std::net::{IpAddr, SocketAddr};

use ipnet::IpNet;
use ropewalk_facts::nft::{Bytes, Element, ElementKey, Value};
use ropewalk_facts::{Body, IfName};

use super::sets::{self, Version};
use super::table;

/// Within one network: every pair of its subnets, each with itself too, passes unchanged.
#[must_use]
pub fn direct(subnets: &[IpNet]) -> Vec<Body> {
    pairs(subnets, subnets)
}

/// Between this host's part of a network and that of others, in both directions.
#[must_use]
pub fn direct_between(ours: &[IpNet], theirs: &[IpNet]) -> Vec<Body> {
    let mut all = pairs(ours, theirs);
    all.extend(pairs(theirs, ours));
    all
}

fn pairs(from: &[IpNet], to: &[IpNet]) -> Vec<Body> {
    let pair = |a: &IpNet, b: &IpNet| {
        let v = same(a.addr(), b.addr())?;
        let first = [octets(a.network()), octets(b.network())].concat();
        let last = [octets(a.broadcast()), octets(b.broadcast())].concat();
        Some(element(&v.name(sets::DIRECT), first, Some(last), None))
    };
    from.iter().flat_map(|a| to.iter().filter_map(move |b| pair(a, b))).collect()
}

/// What leaves `subnet` takes the address of the link it leaves by.
#[must_use]
pub fn masquerade(subnet: IpNet) -> Body {
    of_subnet(sets::MASQ, subnet, None)
}

/// What leaves `subnet` takes the address `source`.
#[must_use]
pub fn snat(subnet: IpNet, source: IpAddr) -> Option<Body> {
    same(subnet.addr(), source).map(|_| of_subnet(sets::SNAT, subnet, Some(source)))
}

/// What enters `subnet` takes the address of the link it enters by.
#[must_use]
pub fn masquerade_in(subnet: IpNet) -> Body {
    of_subnet(sets::MASQ_IN, subnet, None)
}

/// What enters `subnet` takes the address `source`.
#[must_use]
pub fn snat_in(subnet: IpNet, source: IpAddr) -> Option<Body> {
    same(subnet.addr(), source).map(|_| of_subnet(sets::SNAT_IN, subnet, Some(source)))
}

/// Nothing is forwarded between this bridge or leg and others, but for [`bridged`] and [`direct`].
#[must_use]
pub fn internal(dev: &IfName) -> Body {
    element(sets::INTERNAL, name(dev), None, None)
}

/// Frames within this bridge pass, be it [`internal`].
#[must_use]
pub fn bridged(bridge: &IfName) -> Body {
    element(sets::BRIDGED, [name(bridge), name(bridge)].concat(), None, None)
}

/// The links of this group are shut against those of other networks; `closed`: against all others.
#[must_use]
pub fn inside(group: u32, closed: bool) -> Vec<Body> {
    let mut all = vec![of_groups(sets::INSIDE, &[group]), of_groups(sets::JOINED, &[group; 2])];
    all.extend(closed.then(|| of_groups(sets::CLOSED, &[group])));
    all
}

/// The links of the group `from` reach those of `to`.
#[must_use]
pub fn joined(from: u32, to: u32) -> Body {
    of_groups(sets::JOINED, &[from, to])
}

/// The links of this group reach all of the host.
#[must_use]
pub fn hosted(group: u32) -> Body {
    of_groups(sets::HOSTED, &[group])
}

/// What the links of this group have as their gateway.
#[must_use]
pub fn gateway(group: u32, ip: IpAddr) -> Body {
    let key = [group.to_ne_bytes().to_vec(), octets(ip)].concat();
    element(&version(ip).name(sets::GATEWAYS), key, None, None)
}

fn of_groups(set: &str, groups: &[u32]) -> Body {
    element(set, groups.iter().flat_map(|group| group.to_ne_bytes()).collect(), None, None)
}

/// Connections to `port` of the host's address `at`, or of every address of the host in the
/// family of `to`, go to `to`. `proto` is the transport protocol (IPPROTO_*: 6 TCP, 17 UDP,
/// 132 SCTP).
#[must_use]
pub fn publish(proto: u8, at: Option<IpAddr>, port: u16, to: SocketAddr) -> Option<Body> {
    let v = same(at.unwrap_or(to.ip()), to.ip())?;
    let stem = if at.is_some() { sets::PUBLISH_AT } else { sets::PUBLISH };
    let mut key = at.map(octets).unwrap_or_default();
    key.extend([proto, 0, 0, 0]);
    key.extend(padded(port));
    let mut value = octets(to.ip());
    value.extend(padded(to.port()));
    Some(element(&v.name(stem), key, None, Some(value)))
}

/// What is led by a published port to `to`, a sandbox of another host, takes the address `source` of
/// this one: so its answers come back here.
#[must_use]
pub fn far(to: IpAddr, source: IpAddr) -> Option<Body> {
    let v = same(to, source)?;
    Some(element(&v.name(sets::FAR), octets(to), None, Some(octets(source))))
}

fn version(addr: IpAddr) -> Version {
    if addr.is_ipv4() { Version::V4 } else { Version::V6 }
}

fn same(a: IpAddr, b: IpAddr) -> Option<Version> {
    (version(a) == version(b)).then(|| version(a))
}

pub(super) fn octets(addr: IpAddr) -> Vec<u8> {
    match addr {
        IpAddr::V4(addr) => addr.octets().into(),
        IpAddr::V6(addr) => addr.octets().into(),
    }
}

/// A port as a field: in network order, padded to four bytes.
fn padded(port: u16) -> [u8; 4] {
    let [high, low] = port.to_be_bytes();
    [high, low, 0, 0]
}

/// The name of a link as a field: 16 bytes.
pub(super) fn name(dev: &IfName) -> Vec<u8> {
    let mut bytes = dev.as_str().as_bytes().to_vec();
    bytes.resize(IfName::MAX + 1, 0);
    bytes
}

/// True for an element that says where packets are led, or by which address they go, and guards no
/// one: without it a link that still is lets through nothing that it did not.
#[must_use]
pub fn leads(key: &ElementKey) -> bool {
    let stems = [sets::MASQ, sets::PUBLISH, sets::PUBLISH_AT, sets::FAR];
    let names = stems.iter().flat_map(|stem| Version::BOTH.map(|v| table().set(v.name(stem))));
    names.into_iter().any(|set| set == key.set)
}

fn of_subnet(stem: &str, subnet: IpNet, value: Option<IpAddr>) -> Body {
    let (first, last) = (octets(subnet.network()), octets(subnet.broadcast()));
    let set = version(subnet.addr()).name(stem);
    element(&set, first, Some(last), value.map(octets))
}

/// A range of one key is a single key.
fn element(set: &str, key: Vec<u8>, end: Option<Vec<u8>>, value: Option<Vec<u8>>) -> Body {
    let end = end.filter(|end| *end != key).map(Bytes);
    let key = ElementKey { set: table().set(set), key: Bytes(key), end };
    let value = value.map(|bytes| Value::Data(Bytes(bytes)));
    Body::Element(Element { key, value, derived: false })
}
