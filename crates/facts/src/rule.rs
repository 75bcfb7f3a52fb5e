//! Policy rules: which routing table a packet is looked up in.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::name::IfName;
use crate::route::proto;

/// A policy rule. It has no name of its own: all of it is its key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Rule {
    /// For IPv6, else for IPv4.
    pub v6: bool,
    /// Order of evaluation, the lower the earlier.
    pub priority: u32,
    /// Source prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
    /// Destination prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<IpNet>,
    /// Incoming link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iif: Option<IfName>,
    /// Outgoing link that the socket is bound to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oif: Option<IfName>,
    /// Mark and mask of the packet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<(u32, u32)>,
    /// Protocol (`ipproto`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ipproto: Option<u8>,
    /// Source ports, the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sport: Option<(u16, u16)>,
    /// Destination ports, the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dport: Option<(u16, u16)>,
    /// The condition is inverted (`not`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not: bool,
    /// Routes of at most this prefix length are passed over (`suppress_prefixlength`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suppress: Option<u32>,
    /// What is done.
    pub action: RuleAction,
    /// Who made it, as for routes.
    pub proto: u8,
}

impl Rule {
    /// The kernel made it, together with the namespace: read, never stated, never diffed.
    #[must_use]
    pub fn derived(&self) -> bool {
        self.proto == proto::KERNEL
    }
}

/// What a rule does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleAction {
    /// Looks the packet up in this routing table.
    Lookup(u32),
    /// Drops it in silence.
    Blackhole,
    /// Drops it as unreachable.
    Unreachable,
    /// Drops it as prohibited.
    Prohibit,
    /// Anything else, by its kernel number (`FR_ACT_*`).
    Other(u8),
}
