//! Tables, chains, rules, sets and elements.

use serde::{Deserialize, Serialize};

use super::expr::{Bytes, Expr, Verdict};
use crate::name::IfName;

/// Which packets a table sees (`NFPROTO_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4 and IPv6.
    Inet,
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// ARP.
    Arp,
    /// What crosses a bridge.
    Bridge,
    /// What enters or leaves one device.
    Netdev,
    /// IPv4, in a table of iptables-legacy: not nf_tables, but said in its expressions.
    Iptables,
    /// IPv6, likewise.
    Ip6tables,
    /// ARP, likewise.
    Arptables,
}

impl Family {
    /// The word of nft(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Inet => "inet",
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Arp => "arp",
            Self::Bridge => "bridge",
            Self::Netdev => "netdev",
            Self::Iptables => "iptables",
            Self::Ip6tables => "ip6tables",
            Self::Arptables => "arptables",
        }
    }

    /// The kernel's number (`NFPROTO_*`, include/uapi/linux/netfilter.h).
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip | Self::Iptables => 2,
            Self::Arp | Self::Arptables => 3,
            Self::Netdev => 5,
            Self::Bridge => 7,
            Self::Ip6 | Self::Ip6tables => 10,
        }
    }

    /// True for tables of iptables-legacy.
    #[must_use]
    pub fn is_legacy(self) -> bool {
        matches!(self, Self::Iptables | Self::Ip6tables | Self::Arptables)
    }

    /// The family of nf_tables with this kernel number.
    #[must_use]
    pub fn from_number(n: u8) -> Option<Self> {
        [Self::Inet, Self::Ip, Self::Arp, Self::Netdev, Self::Bridge, Self::Ip6]
            .into_iter()
            .find(|f| f.number() == n)
    }
}

/// Which table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TableKey {
    /// Its family.
    pub family: Family,
    /// Its name.
    pub table: String,
}

impl TableKey {
    /// A table by family and name.
    #[must_use]
    pub fn new(family: Family, table: impl Into<String>) -> Self {
        Self { family, table: table.into() }
    }
    /// A chain of this table.
    #[must_use]
    pub fn chain(&self, chain: impl Into<String>) -> ChainKey {
        ChainKey { table: self.clone(), chain: chain.into() }
    }
    /// A set or map of this table.
    #[must_use]
    pub fn set(&self, set: impl Into<String>) -> SetKey {
        SetKey { table: self.clone(), set: set.into() }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// Which one.
    pub key: TableKey,
    /// Switched off (`flags dormant`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dormant: bool,
}

/// Which chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ChainKey {
    /// Its table.
    pub table: TableKey,
    /// Its name.
    pub chain: String,
}

/// A chain, without its rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chain {
    /// Which one.
    pub key: ChainKey,
    /// Where packets come from; none for a chain that is only jumped to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// What ties a chain to the packets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// `filter`, `nat` or `route`.
    pub kind: String,
    /// Hook number of the family (`NF_INET_*`: 0 prerouting, 1 input, 2 forward, 3 output,
    /// 4 postrouting, 5 ingress; for netdev 0 ingress, 1 egress).
    pub hook: u32,
    /// Order among the chains of the hook, the lower the earlier.
    pub priority: i32,
    /// A packet that no rule decides is dropped, else accepted.
    pub drop: bool,
    /// The devices of a netdev chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub devs: Vec<IfName>,
}

/// Which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleKey {
    /// Its chain.
    pub chain: ChainKey,
    /// Its comment, which names it within its chain; `#N` (the handle) for a rule without one or
    /// whose comment stands before it in the chain too. Ours always have one of their own.
    pub tag: String,
}

/// A rule. A new one goes to the end of its chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Which one.
    pub key: RuleKey,
    /// What the kernel runs, in order.
    pub exprs: Vec<Expr>,
    /// Its place in the chain from 0 on. As a wish `None` for any place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<u32>,
}

/// Which set or map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SetKey {
    /// Its table.
    pub table: TableKey,
    /// Its name.
    pub set: String,
}

/// A set, or a map when it has a value type.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Set {
    /// Which one.
    pub key: SetKey,
    /// Types of the fields of a key, by the names of nft(8) (`ipv4_addr`, `inet_proto`,
    /// `inet_service`, `ifname`, `ether_addr` …); several for a concatenation. An unknown type
    /// found is `?NUMBER`.
    pub key_types: Vec<String>,
    /// Types of a value, likewise; `verdict` alone for a verdict map; empty for a set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub value_types: Vec<String>,
    /// What it is built for.
    pub flags: SetFlags,
    /// Elements live this long, in milliseconds; 0 for ever.
    #[serde(default)]
    pub timeout_ms: u64,
}

/// What a set is built for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the kernel's")]
pub struct SetFlags {
    /// Keys are ranges.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub interval: bool,
    /// Rules add to it; it has room for [`SetFlags::ROOM`] keys.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dynamic: bool,
    /// It cannot change while rules use it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub constant: bool,
    /// It has no name of its own and lives with its rule.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub anonymous: bool,
}

impl SetFlags {
    /// How many keys a set that rules add to has room for.
    pub const ROOM: u32 = 65535;
}

/// Which element.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ElementKey {
    /// Its set.
    pub set: SetKey,
    /// The key as the kernel holds it: fields in network order, each padded to four bytes in a
    /// concatenation.
    pub key: Bytes,
    /// The last key of a range, inclusive; none for a single key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<Bytes>,
}

/// An element of a set or map.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// Which one.
    pub key: ElementKey,
    /// What the map gives for the key; none in a set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// Added by packets, or dying by a timeout: never stated, never diffed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
}

/// What an immediate loads, or a map gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Value {
    /// Bytes, laid out as for keys.
    Data(Bytes),
    /// A decision.
    Verdict(Verdict),
}
