//! Which address is meant: that of a sandbox, of a published port, of the internet.
//!
//!     blue ─▶ 10.9.0.3      host:8080 ─▶ the address that others ask      nothing ─▶ a documentation address
//!
//! Never here: whether it is reached.

use std::net::IpAddr;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::Scan;
use ropewalk_walk::{Node, World, meant, space};

use crate::code::Code;
use crate::fault::Fault;
use crate::spaces;

/// Addresses that no network of anybody's has (RFC 5737, RFC 3849): what leads to them leads to the
/// internet.
const INTERNET: [&str; 4] = ["203.0.113.1", "198.51.100.1", "192.0.2.1", "2001:db8::1"];

/// The address that `dst` means to `src`: of a sandbox one on a subnet that both are on, else its
/// first; of the host (`host`, or nothing before a port) the one that others ask for its ports; where
/// nothing is said, one that stands for the internet.
///
/// # Errors
/// As for [`crate::snapshot`]; [`Code::BadInput`] for a sandbox without an address.
pub fn address_of(src: &str, dst: Option<&str>, scan: Option<&Scan>) -> Result<IpAddr, Fault> {
    let dst = dst.map(|dst| if dst.is_empty() { "host" } else { dst });
    let names = || [Some(src), dst, Some("host")].into_iter().flatten().map(str::to_owned);
    let read = match scan {
        Some(_) => None,
        None => Some(crate::why::outline(&names().collect::<Vec<_>>())?),
    };
    let world = World::new(scan.or(read.as_ref()).unwrap_or(&Scan::default()));
    let node = |name: &str| meant(world.nodes.keys(), name).and_then(|ns| world.node(ns));
    let from = node(src).map(AsRef::as_ref);
    let Some(dst) = dst else { return Ok(internet(&world, from)) };
    let unknown = || spaces::unknown_of(dst, world.nodes.keys());
    let to = node(dst).ok_or_else(unknown)?;
    let found = if to.ns.is_host() && from.is_some_and(|from| !from.ns.is_host()) {
        outer(to).or_else(|| shared(from, to))
    } else {
        shared(from, to)
    };
    found.ok_or_else(|| {
        Fault::new(Code::BadInput, format!("{dst} has no address"))
            .or_try(format!("ropewalk attach {} NETWORK", space(dst).as_str()))
    })
}

/// Addresses that others can reach.
fn usable(node: &Node) -> impl Iterator<Item = IpAddr> {
    let near = |ip: &IpAddr| match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unicast_link_local(),
    };
    node.addrs.iter().map(|a| a.key.net.addr()).filter(move |ip| !near(ip))
}

/// One on a subnet that both are on, else the first, of IPv4 if there is one.
fn shared(from: Option<&Node>, to: &Node) -> Option<IpAddr> {
    let beside =
        |ip: &IpAddr| from.is_some_and(|from| from.addrs.iter().any(|a| a.key.net.contains(ip)));
    usable(to).min_by_key(|ip| (!beside(ip), ip.is_ipv6()))
}

/// The address of the link that the default route leaves by.
fn outer(host: &Node) -> Option<IpAddr> {
    let default = host.routes.iter().filter(|r| r.key.dst.prefix_len() == 0);
    let devs: Vec<_> = default.flat_map(|r| &r.hops).filter_map(|h| h.dev.clone()).collect();
    let on = |ip: &IpAddr| {
        host.addrs.iter().any(|a| a.key.net.addr() == *ip && devs.contains(&a.key.dev))
    };
    usable(host).filter(on).min_by_key(IpAddr::is_ipv6)
}

/// An address of nobody's that no subnet and no route but the default one takes in, of the family
/// that the sender has.
fn internet(world: &World, from: Option<&Node>) -> IpAddr {
    let alone6 = from.is_some_and(|from| {
        let mut own = usable(from).peekable();
        own.peek().is_some() && own.all(|ip| ip.is_ipv6())
    });
    let meant = |node: &Node, ip: IpAddr| {
        let near = node.addrs.iter().any(|a| a.key.net.contains(&ip));
        near || node.routes.iter().any(|r| r.key.dst.prefix_len() > 0 && r.key.dst.contains(&ip))
    };
    let all: Vec<IpAddr> = INTERNET.iter().filter_map(|ip| ip.parse().ok()).collect();
    let family = || all.iter().copied().filter(|ip| ip.is_ipv6() == alone6);
    let free = family().find(|ip| !world.nodes.values().any(|node| meant(node, *ip)));
    free.or_else(|| family().next()).unwrap_or(IpAddr::from([203, 0, 113, 1]))
}

/// The namespace that a question begins in, of those that were read.
pub(crate) fn source(world: &World, src: &str) -> Option<Ns> {
    meant(world.nodes.keys(), src).cloned()
}
