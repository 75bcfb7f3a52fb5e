//! Addresses on links.

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
            nodad,
            noprefixroute: false,
            secondary: false,
            derived: false,
        }
    }
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
