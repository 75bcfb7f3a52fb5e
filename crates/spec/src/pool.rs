//! Which address comes next: the pure choice behind a lease.
//!
//!     10.9.0.0/24, gateway .1, last given .7, .8 taken   →   .9
//!
//! Round robin from the address given last, so that one that was just given back rests as long as
//! possible: neighbours still hold its former owner's hardware address.  Never here: what is taken.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::subnet::Subnet;

/// The next address of `subnet` after `after` that is not `taken`; `None` when all are.
///
/// The subnet's own address, its broadcast address and its gateway are never given, nor is one
/// outside its range. `taken` is asked about each candidate once, in order.
pub fn next(
    subnet: &Subnet,
    after: Option<IpAddr>,
    mut taken: impl FnMut(IpAddr) -> bool,
) -> Option<IpAddr> {
    let v4 = subnet.is_v4();
    let (low, high) = bounds(subnet);
    let reserved = reserved(subnet);
    let start = after.filter(|ip| ip.is_ipv4() == v4).map(number);
    // From the one after `start` to the end, then from the beginning up to `start` itself.
    let start = start.filter(|n| (low..high).contains(n)).map_or(low, |n| n.saturating_add(1));
    (start..=high)
        .chain(low..start)
        .filter(|n| !reserved.contains(&Some(*n)))
        .map(|n| address(v4, n))
        .find(|ip| !taken(*ip))
}

/// How many addresses [`next`] can give in all.
#[must_use]
pub fn size(subnet: &Subnet) -> u128 {
    let (low, high) = bounds(subnet);
    let inside = |n: &Option<u128>| n.is_some_and(|n| (low..=high).contains(&n));
    let reserved = reserved(subnet).iter().filter(|n| inside(n)).count();
    let reserved = u128::try_from(reserved).unwrap_or(u128::MAX);
    high.checked_sub(low).map_or(0, |n| n.saturating_add(1).saturating_sub(reserved))
}

/// The addresses that are spent on others than sandboxes: the gateway, and the host.
fn reserved(subnet: &Subnet) -> [Option<u128>; 2] {
    let own = |ip: Option<IpAddr>| ip.filter(|ip| ip.is_ipv4() == subnet.is_v4()).map(number);
    let host = subnet.host.filter(|host| subnet.gateway != Some(*host));
    [own(subnet.gateway), own(host)]
}

/// The first and last address of `net` that a host can carry. The first of an IPv6 subnet is for
/// its routers (RFC 4291 §2.6.1); subnets of one or two addresses spend none (RFC 3021, RFC 6164).
#[must_use]
pub fn hosts(net: IpNet) -> (IpAddr, IpAddr) {
    let v4 = matches!(net, IpNet::V4(_));
    let (low, high) = (number(net.network()), number(net.broadcast()));
    if net.prefix_len() + 1 >= net.max_prefix_len() {
        return (net.network(), net.broadcast());
    }
    (address(v4, low.saturating_add(1)), address(v4, high.saturating_sub(u128::from(v4))))
}

fn bounds(subnet: &Subnet) -> (u128, u128) {
    let (first, last) = hosts(subnet.net);
    let (low, high) = (number(first), number(last));
    match subnet.range {
        Some((first, last)) => (low.max(number(first)), high.min(number(last))),
        None => (low, high),
    }
}

pub(crate) fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

pub(crate) fn address(v4: bool, n: u128) -> IpAddr {
    match u32::try_from(n) {
        Ok(n) if v4 => IpAddr::V4(n.into()),
        Ok(_) | Err(_) => IpAddr::V6(n.into()),
    }
}
