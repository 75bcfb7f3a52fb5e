//! Routes.

use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::{Deserialize, Serialize};

use crate::addr::Scope;
use crate::name::IfName;

/// Numbers of the originators of routes (`RTPROT_*`, include/uapi/linux/rtnetlink.h).
pub mod proto {
    /// Made by the kernel for an address.
    pub const KERNEL: u8 = 2;
    /// Made while booting.
    pub const BOOT: u8 = 3;
    /// Made by a person.
    pub const STATIC: u8 = 4;
    /// Learned from router advertisements.
    pub const RA: u8 = 9;
    /// Made by ropewalk: the letter r. No other program is listed with it in
    /// etc/iproute2/rt_protos or include/uapi/linux/rtnetlink.h.
    pub const ROPEWALK: u8 = b'r';
}

/// Numbers of routing tables (`RT_TABLE_*`).
pub mod table {
    /// The table that ordinary routes live in.
    pub const MAIN: u32 = 254;
    /// The table of the host's own addresses.
    pub const LOCAL: u32 = 255;
}

/// Which route. Two routes that differ in nothing of this replace each other.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// Routing table.
    pub table: u32,
    /// Destination, without host bits; of length 0 for a default route.
    pub dst: IpNet,
    /// Priority, the lower the better. IPv6 knows no 0: the kernel makes it 1024.
    pub metric: u32,
}

/// The metric that the kernel gives to an IPv6 route when none is given
/// (`IP6_RT_PRIO_USER`, include/uapi/linux/ipv6_route.h).
const V6_DEFAULT_METRIC: u32 = 1024;

impl RouteKey {
    /// The route for `dst` (host bits are dropped) in the main table, with the default metric.
    #[must_use]
    pub fn main(dst: IpNet) -> Self {
        Self::new(table::MAIN, dst, 0)
    }

    /// The route for `dst` (host bits are dropped) in `table`; a `metric` of 0 is the default one.
    #[must_use]
    pub fn new(table: u32, dst: IpNet, metric: u32) -> Self {
        let v6 = matches!(dst, IpNet::V6(_));
        let metric = if v6 && metric == 0 { V6_DEFAULT_METRIC } else { metric };
        Self { table, dst: dst.trunc(), metric }
    }

    /// The IPv4 default route of the main table.
    #[must_use]
    pub fn default_v4() -> Self {
        Self::main(IpNet::V4(Ipv4Net::default()))
    }

    /// The IPv6 default route of the main table.
    #[must_use]
    pub fn default_v6() -> Self {
        Self::main(IpNet::V6(Ipv6Net::default()))
    }
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Which one.
    #[serde(flatten)]
    pub key: RouteKey,
    /// What becomes of a packet that takes it.
    pub kind: RouteKind,
    /// Where it leads; empty for kinds that lead nowhere, several for multipath.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<NextHop>,
    /// The nexthop object that says so instead (`ip nexthop`), by its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nhid: Option<u32>,
    /// How far the destination is; always global for IPv6, which has no scopes of routes.
    pub scope: Scope,
    /// Who made it, one of [`proto`] or another number.
    pub proto: u8,
    /// Preferred source address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefsrc: Option<IpAddr>,
    /// Path MTU in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Advertised maximum segment size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub advmss: Option<u32>,
    /// The kernel made it (prefix, local, broadcast, multicast): read, never stated or diffed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
}

impl Route {
    /// A unicast route of ours: by `via` where there is a gateway, else on the link itself.
    #[must_use]
    pub fn unicast(key: RouteKey, dev: IfName, via: Option<IpAddr>) -> Self {
        let v4 = matches!(key.dst, IpNet::V4(_));
        let scope = if v4 && via.is_none() { Scope::LINK } else { Scope::GLOBAL };
        Self {
            key,
            kind: RouteKind::Unicast,
            hops: vec![NextHop { via, dev: Some(dev), weight: 1, onlink: false }],
            nhid: None,
            scope,
            proto: proto::ROPEWALK,
            prefsrc: None,
            mtu: None,
            advmss: None,
            derived: false,
        }
    }
}

/// What becomes of a packet (`RTN_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteKind {
    /// It goes on.
    Unicast,
    /// It is for this host.
    Local,
    /// It is for everybody on the link.
    Broadcast,
    /// It is for one of several hosts.
    Anycast,
    /// It is for a group.
    Multicast,
    /// It is dropped in silence.
    Blackhole,
    /// It is dropped, and the sender is told that the host is unreachable.
    Unreachable,
    /// It is dropped, and the sender is told that it is prohibited.
    Prohibit,
    /// The search goes on in the next table.
    Throw,
}

impl RouteKind {
    /// The word of ip-route(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unicast => "unicast",
            Self::Local => "local",
            Self::Broadcast => "broadcast",
            Self::Anycast => "anycast",
            Self::Multicast => "multicast",
            Self::Blackhole => "blackhole",
            Self::Unreachable => "unreachable",
            Self::Prohibit => "prohibit",
            Self::Throw => "throw",
        }
    }
}

/// One way that a route leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextHop {
    /// The gateway, which may be of the other family (RFC 5549); none for an on-link destination.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub via: Option<IpAddr>,
    /// The link to leave by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<IfName>,
    /// Share of the traffic among several, 1 to 256.
    pub weight: u16,
    /// The gateway is taken to be on the link, whatever the other routes say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub onlink: bool,
}
