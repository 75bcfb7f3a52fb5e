//! A subnet of a network: its prefix, its gateway, and the range that leases are taken from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

use crate::error::Problem;
use crate::pool;

/// A subnet. Its prefix has no host bits; gateway and range are of its family, and leave at least
/// one address for a sandbox. Made by [`crate::RawNetwork::check`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subnet {
    /// The prefix.
    pub net: IpNet,
    /// Where its sandboxes send what is not for the subnet. `None` in a network without gateways;
    /// outside `net` only in a routed network.
    pub gateway: Option<IpAddr>,
    /// First and last address that are given to sandboxes that ask for none; else all are.
    pub range: Option<(IpAddr, IpAddr)>,
    /// The host's address on the network, where that is not the gateway.
    pub host: Option<IpAddr>,
    /// Other ways that lead out of it, by a router or on the link itself: what a DHCP server told.
    pub routes: Vec<(IpNet, Option<IpAddr>)>,
}

/// The gateways of routed networks, where none is given: addresses that stand on every leg.
pub(crate) const ROUTED_V4: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);
/// As [`ROUTED_V4`], for IPv6.
pub(crate) const ROUTED_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

impl Subnet {
    /// The subnet of an address that a DHCP server lends.
    pub(crate) fn lent(net: Ipv4Net) -> Self {
        let net = IpNet::V4(net.trunc());
        Self { net, gateway: None, range: None, host: None, routes: Vec::new() }
    }

    /// True for IPv4.
    #[must_use]
    pub fn is_v4(&self) -> bool {
        matches!(self.net, IpNet::V4(_))
    }

    /// The address with the prefix length of the subnet, as it stands on an interface.
    #[must_use]
    pub fn on_link(&self, ip: IpAddr) -> Option<IpNet> {
        let same = self.net.contains(&ip);
        same.then(|| IpNet::new(ip, self.net.prefix_len()).ok()).flatten()
    }

    /// Checks that a sandbox can carry `ip`; the range does not matter.
    ///
    /// # Errors
    /// It is outside, or is the gateway, the subnet's own or its broadcast address.
    pub fn check(&self, ip: IpAddr) -> Result<(), Problem> {
        let net = self.net;
        if !net.contains(&ip) {
            return Err(Problem::Outside { ip });
        }
        if self.gateway == Some(ip) {
            return Err(Problem::IsGateway { ip, net });
        }
        if self.host == Some(ip) {
            return Err(Problem::IsHost { ip, net });
        }
        check_host(net, ip)
    }
}

/// Checks that `ip` is neither the address of `net` itself nor its broadcast address.
pub(crate) fn check_host(net: IpNet, ip: IpAddr) -> Result<(), Problem> {
    let (first, last) = pool::hosts(net);
    match ip {
        _ if ip < first => Err(Problem::IsNetwork { ip, net }),
        _ if ip > last => Err(Problem::IsBroadcast { ip, net }),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(()),
    }
}

/// Reads the text of a prefix.
pub(crate) fn read_net(text: &str) -> Option<IpNet> {
    let (ip, len) = text.split_once('/')?;
    let plain = !len.is_empty() && len.bytes().all(|b| b.is_ascii_digit());
    IpNet::new(ip.parse().ok()?, len.parse().ok().filter(|_| plain)?).ok()
}

/// Checks that `net` has no host bits and holds only addresses that sandboxes can carry.
pub(crate) fn check_net(net: IpNet) -> Result<(), Problem> {
    let right = net.trunc();
    if right != net {
        return Err(Problem::HostBits { net, right });
    }
    match special().find(|special| overlap(*special, net)) {
        Some(special) => Err(Problem::Special { net, special }),
        None => Ok(()),
    }
}

/// True when the two have an address in common.
pub(crate) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

/// "This network", loopback, link-local, multicast and reserved (RFC 6890), in both families.
fn special() -> impl Iterator<Item = IpNet> {
    let v4 = [([0, 0, 0, 0], 8), ([127, 0, 0, 0], 8), ([169, 254, 0, 0], 16), ([224, 0, 0, 0], 3)];
    let v6 = [(0_u16, 0_u16, 127_u8), (0xfe80, 0, 10), (0xff00, 0, 8)];
    let v4 = v4.map(|(ip, len)| IpNet::new(IpAddr::from(ip), len).ok());
    let v6 = v6.map(|(a, z, len)| IpNet::new(IpAddr::from([a, 0, 0, 0, 0, 0, 0, z]), len).ok());
    v4.into_iter().chain(v6).flatten()
}
