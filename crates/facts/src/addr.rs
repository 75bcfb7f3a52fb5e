//! Addresses on links.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::name::IfName;

/// Which address: the same prefix may stand on several links.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AddrKey {
    /// The link that carries it.
    pub dev: IfName,
    /// The address with the length of its prefix, host bits included: `192.168.15.1/24`.
    pub net: IpNet,
}

/// An address on a link.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the kernel's")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addr {
    /// Which one.
    #[serde(flatten)]
    pub key: AddrKey,
    /// How far it is valid.
    pub scope: Scope,
    /// The address at the other end of a link of two; the length of the prefix is then its.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
    /// The address of all on the link; IPv4 only. As a wish, none leaves it to the kernel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broadcast: Option<Ipv4Addr>,
    /// The metric of the route that the kernel makes for the prefix (`IFA_RT_PRIORITY`); none is
    /// the kernel's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<u32>,
    /// How long it lasts, as of the moment it was read; none is for ever. Never compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Lifetime>,
    /// No duplicate address detection (`IFA_F_NODAD`); IPv6 only, always false for IPv4.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nodad: bool,
    /// No route for the prefix is made by the kernel (`IFA_F_NOPREFIXROUTE`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub noprefixroute: bool,
    /// Found only, IPv4 only: another address of the same subnet came first on the link, and takes
    /// this one with it when it goes (`IFA_F_SECONDARY`). As a wish it is ignored.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub secondary: bool,
    /// The kernel made it (IPv6 link-local, loopback): read, never stated, never diffed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
}

impl Addr {
    /// `net` on `dev`, of global scope; ours, so IPv6 skips duplicate detection.
    #[must_use]
    pub fn global(dev: IfName, net: IpNet) -> Self {
        let nodad = matches!(net, IpNet::V6(_));
        Self {
            key: AddrKey { dev, net },
            scope: Scope::GLOBAL,
            peer: None,
            broadcast: None,
            metric: None,
            lifetime: None,
            nodad,
            noprefixroute: false,
            secondary: false,
            derived: false,
        }
    }
}

/// How long an address lasts, in seconds from the moment it was read (RFC 4862 section 5.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lifetime {
    /// Until it goes; [`Lifetime::FOREVER`] for never.
    pub valid: u32,
    /// Until it is no longer taken for new connections.
    pub preferred: u32,
}

impl Lifetime {
    /// No end (`INFINITY_LIFE_TIME`, include/net/addrconf.h).
    pub const FOREVER: u32 = u32::MAX;
}

/// How far an address or a route is valid (`rt_scope_t`, include/uapi/linux/rtnetlink.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Scope(pub u8);

impl Scope {
    /// Everywhere.
    pub const GLOBAL: Self = Self(0);
    /// On this link.
    pub const LINK: Self = Self(253);
    /// On this host.
    pub const HOST: Self = Self(254);
    /// Nowhere: the scope of routes that lead to nothing.
    pub const NOWHERE: Self = Self(255);
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {
            Self::GLOBAL => f.write_str("global"),
            Self::LINK => f.write_str("link"),
            Self::HOST => f.write_str("host"),
            Self(n) => write!(f, "{n}"),
        }
    }
}
