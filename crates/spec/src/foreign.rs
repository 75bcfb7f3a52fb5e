//! What an attachment has among the rules of others: in tables of iptables, in a zone of firewalld.
//!
//!     iptables -t nat -N CNI-DN-…; -A CNI-HOSTPORT-DNAT … -j CNI-DN-…        Foreign::Chains
//!     firewall-cmd --zone=trusted --add-source=10.22.0.5/32                  Foreign::Zone
//!
//! It is data, so that it can stand in a record before it is made, and be taken away by it.
//! Never here: which chains, and how they are written.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// What one plugin of a chain has among the rules of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lodged {
    /// The plugin, by the name of its part.
    pub part: String,
    /// Where.
    pub all: Vec<Foreign>,
}

/// One place among the rules of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Foreign {
    /// In a table of iptables.
    Chains(Chains),
    /// A source of a zone of firewalld.
    Zone {
        /// The zone.
        zone: String,
        /// The source.
        source: IpNet,
    },
}

/// Chains and rules in one table of iptables or ip6tables.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chains {
    /// The table of ip6tables, not of iptables.
    pub v6: bool,
    /// Its name: `nat`, `filter`.
    pub table: String,
    /// Chains that many use: they are made, and stay.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub common: Vec<String>,
    /// The chain of the attachment alone, and its rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<Own>,
    /// Rules in the chains of many.
    pub lines: Vec<Line>,
}

/// A chain of one attachment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Own {
    /// Its name.
    pub chain: String,
    /// Its rules, as iptables spells them.
    pub rules: Vec<String>,
}

/// A rule in a chain of many.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The chain.
    pub chain: String,
    /// The rule, as iptables spells it.
    pub rule: String,
    /// How it is known again.
    pub sign: Sign,
    /// It goes before all others.
    pub first: bool,
    /// It stays when the attachment goes.
    pub stays: bool,
}

/// What tells a rule from the others of its chain.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sign {
    /// It leads to this chain.
    Leads(String),
    /// It accepts what comes from this address.
    From(IpAddr),
    /// It accepts what goes to this address.
    To(IpAddr),
    /// It looks at these bits of the mark, or sets them.
    Marks(u32),
}
