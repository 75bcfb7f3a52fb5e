//! Keys: which kernel object a fact is about.

use serde::{Deserialize, Serialize};

use crate::addr::AddrKey;
use crate::name::{IfName, Ns};
use crate::neigh::{FdbKey, NeighKey};
use crate::nft;
use crate::route::RouteKey;
use crate::rule::Rule;
use crate::sysctl::SysctlPath;
use crate::traffic::{FilterKey, QdiscKey};

/// Which object, and in which namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The namespace it lives in. For [`Id::Netns`] the host: names of namespaces are the host's.
    pub ns: Ns,
    /// Which object there.
    pub id: Id,
}

/// Which object within its namespace. The order is that of creation: what comes later may depend
/// on what comes earlier.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Id {
    /// A named network namespace (/run/netns/NAME).
    Netns(String),
    /// A link, by name.
    Link(IfName),
    /// The flags of a member of a bridge.
    Member(IfName),
    /// A setting under /proc/sys/net.
    Sysctl(SysctlPath),
    /// An address.
    Addr(AddrKey),
    /// A route.
    Route(RouteKey),
    /// A policy rule, which is its own key.
    Rule(Rule),
    /// A neighbour or proxy neighbour entry.
    Neigh(NeighKey),
    /// A forwarding entry of a bridge or tunnel.
    Fdb(FdbKey),
    /// A queueing discipline.
    Qdisc(QdiscKey),
    /// A filter for what comes in at a link.
    Filter(FilterKey),
    /// An nft table.
    Table(nft::TableKey),
    /// An nft set or map.
    Set(nft::SetKey),
    /// An nft chain.
    Chain(nft::ChainKey),
    /// An nft rule.
    NftRule(nft::RuleKey),
    /// An element of an nft set or map.
    Element(nft::ElementKey),
}

impl Id {
    /// True for what is in a table of iptables-legacy.
    #[must_use]
    pub fn is_legacy(&self) -> bool {
        match self {
            Self::Table(key) => key.family.is_legacy(),
            Self::Chain(key) => key.table.family.is_legacy(),
            Self::NftRule(key) => key.chain.table.family.is_legacy(),
            Self::Set(key) => key.table.family.is_legacy(),
            Self::Element(key) => key.set.table.family.is_legacy(),
            Self::Netns(_)
            | Self::Link(_)
            | Self::Member(_)
            | Self::Sysctl(_)
            | Self::Addr(_)
            | Self::Route(_)
            | Self::Rule(_)
            | Self::Neigh(_)
            | Self::Fdb(_)
            | Self::Qdisc(_)
            | Self::Filter(_) => false,
        }
    }

    /// This object in `ns`.
    #[must_use]
    pub fn at(self, ns: Ns) -> Key {
        Key { ns, id: self }
    }
}
