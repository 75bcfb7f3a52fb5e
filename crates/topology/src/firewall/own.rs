//! What a protected leg adds: elements that say who its sandbox is.
//!
//!     legs { leg } · macs { leg . mac } · own4 { leg . address } · own6 { leg . address }
//!
//! Beside the addresses that were leased, a sandbox has one of the link itself, which the kernel
//! makes of its hardware address (RFC 4291 appendix A).  Never here: the rules.

use std::net::{IpAddr, Ipv6Addr};

use ropewalk_facts::nft::{Bytes, Element, ElementKey, Family, TableKey};
use ropewalk_facts::{Body, IfName, Mac};

use super::element::{name, octets};
use super::sets::{self, Version};

/// A leg on a bridge.
#[must_use]
pub fn bridged_leg(leg: &IfName, mac: Mac, addresses: &[IpAddr]) -> Vec<Body> {
    let table = super::of(Family::Bridge);
    let mut all = vec![in_set(&table, sets::LEGS, name(leg)), mac_of(&table, leg, mac)];
    all.extend(addresses.iter().map(|ip| own(&table, leg, *ip)));
    all.extend(link_local(mac, addresses).map(|ip| own(&table, leg, ip)));
    all
}

/// A leg on a bridge whose sandboxes give themselves their addresses.
#[must_use]
pub fn wire_leg(leg: &IfName, mac: Mac) -> Vec<Body> {
    let table = super::of(Family::Bridge);
    vec![in_set(&table, sets::WIRES, name(leg)), mac_of(&table, leg, mac)]
}

/// A leg on the bridge of a host's own NIC, protected or not.
#[must_use]
pub fn guest(bridge: &IfName, leg: &IfName, mac: Option<Mac>) -> Vec<Body> {
    let mut all = vec![in_set(&super::of(Family::Bridge), sets::GUESTS, name(leg))];
    all.extend(mac.map(|mac| in_set(&super::table(), sets::GUESTS, station(bridge, mac))));
    all
}

/// A leg that is no member of a bridge.
#[must_use]
pub fn routed_leg(leg: &IfName, mac: Mac, addresses: &[IpAddr]) -> Vec<Body> {
    let (inet, arp) = (super::table(), super::of(Family::Arp));
    let mut all = vec![in_set(&inet, sets::LEGS, name(leg))];
    all.extend(addresses.iter().map(|ip| own(&inet, leg, *ip)));
    all.extend(link_local(mac, addresses).map(|ip| own(&inet, leg, ip)));
    all.extend([in_set(&arp, sets::LEGS, name(leg)), mac_of(&arp, leg, mac)]);
    all.extend(addresses.iter().filter(|ip| ip.is_ipv4()).map(|ip| own(&arp, leg, *ip)));
    all
}

fn mac_of(table: &TableKey, leg: &IfName, mac: Mac) -> Body {
    in_set(table, sets::MACS, station(leg, mac))
}

fn station(link: &IfName, Mac(mac): Mac) -> Vec<u8> {
    [name(link), mac.to_vec(), vec![0; 2]].concat()
}

fn own(table: &TableKey, leg: &IfName, ip: IpAddr) -> Body {
    let version = if ip.is_ipv4() { Version::V4 } else { Version::V6 };
    in_set(table, &version.name(sets::OWN), [name(leg), octets(ip)].concat())
}

/// Only where there is IPv6 at all.
pub(super) fn link_local(mac: Mac, addresses: &[IpAddr]) -> Option<IpAddr> {
    let own = IpAddr::V6(eui64(mac));
    let speaks = addresses.iter().any(IpAddr::is_ipv6) && !addresses.contains(&own);
    speaks.then_some(own)
}

/// The address that the kernel makes of a hardware address.
fn eui64(Mac([a, b, c, d, e, f]): Mac) -> Ipv6Addr {
    Ipv6Addr::from([0xfe, 0x80, 0, 0, 0, 0, 0, 0, a ^ 2, b, c, 0xff, 0xfe, d, e, f])
}

fn in_set(table: &TableKey, set: &str, key: Vec<u8>) -> Body {
    let key = ElementKey { set: table.set(set), key: Bytes(key), end: None };
    Body::Element(Element { key, value: None, derived: false })
}
