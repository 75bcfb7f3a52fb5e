//! What is only ever seen, never stated: carriers, indices, listeners, counters, who lives where.
//!
//!     Scan = a Snapshot of many namespaces + for each of them what is Seen there
//!
//! It is what `ropewalk snapshot` writes and `ropewalk why` walks.  No plan speaks of these, so
//! they are no facts: nothing is compared with them and nothing undone by them.

mod device;

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

pub use device::{Classic, Device, Filter, InVlan, Port, Qdisc, Xdp};

use crate::fact::Body;
use crate::link::LinkKind;
use crate::name::{IfName, Ns};
use crate::nft::ChainKey;
use crate::route::Route;
use crate::rule::Rule;
use crate::snapshot::Snapshot;

/// Many namespaces, as they were found at one time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// The form that this is written in, [`Scan::VERSION`].
    pub version: u32,
    /// The facts.
    pub facts: Snapshot,
    /// By namespace, what is no fact.
    pub seen: BTreeMap<Ns, Seen>,
}

impl Scan {
    /// The form that this version of ropewalk reads and writes.
    pub const VERSION: u32 = 1;

    /// As that of one host among several: `host:NAME` is its own namespace, and after the names of
    /// the others stands `@NAME`.
    #[must_use]
    pub fn of_host(self, host: &str) -> Self {
        let named = |ns: &Ns| match ns.is_host() {
            true => Ns::new(format!("host:{host}")),
            false => Ns::new(format!("{}@{host}", ns.as_str())),
        };
        let facts = self.facts.iter().cloned().map(|mut fact| {
            fact.ns = named(&fact.ns);
            if let Body::Link(link) = &mut fact.body
                && let LinkKind::Veth { peer: Some(peer) } = &mut link.kind
            {
                peer.ns = named(&peer.ns);
            }
            fact
        });
        let facts = facts.collect();
        let seen = self.seen.into_iter().map(|(ns, mut seen)| {
            for peer in seen.devices.values_mut().filter_map(|d| d.other.as_mut()) {
                peer.ns = named(&peer.ns);
            }
            (named(&ns), seen)
        });
        Self { version: self.version, facts, seen: seen.collect() }
    }

    /// Takes over what was found when `names` were read anew, and nothing that was known of them.
    pub fn renew(&mut self, names: &[Ns], other: Self) {
        self.facts.retain(|fact| !names.contains(&fact.ns));
        self.seen.retain(|ns, _| !names.contains(ns));
        self.facts.merge(other.facts);
        self.seen.extend(other.seen);
    }

    /// Both together.
    #[must_use]
    pub fn beside(mut self, other: Self) -> Self {
        self.facts.merge(other.facts);
        self.seen.extend(other.seen);
        self.version = self.version.max(other.version);
        self
    }
}

/// Among the settings: the queues for programs that a program has asked for, with spaces between.
pub const QUEUES: &str = "nfnetlink_queue";
/// Among the settings: what the path of a list of addresses begins with that rules have filled.
pub const RECENT: &str = "xt_recent/";

/// What was seen in one namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The inode of the namespace, which is the same under every name.
    #[serde(default)]
    pub inode: u64,
    /// Only what rtnetlink tells was read: links, addresses, routes, neighbours, and the names of
    /// chains. Its rules, sockets and most settings were not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub bare: bool,
    /// By name, what is seen of the links beside the facts.
    #[serde(default)]
    pub devices: BTreeMap<IfName, Device>,
    /// Settings that are not facts, by path below /proc/sys.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// Sockets that take what is sent to them.
    #[serde(default)]
    pub listeners: Vec<Listener>,
    /// Addresses that are not in use as they should be (`IFA_F_DADFAILED`, `IFA_F_TENTATIVE`).
    #[serde(default)]
    pub unusable: Vec<Unusable>,
    /// Names of tables of iptables-legacy that are loaded, `ip/filter`.
    #[serde(default)]
    pub legacy: Vec<String>,
    /// What was learned of single addresses beside the tables, by redirects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub learned: Vec<Route>,
    /// Addresses in the kernel's order, by link where one has several: the first is preferred.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub order: BTreeMap<IfName, Vec<IpAddr>>,
    /// Routes that facts do not tell apart or not wholly, in the kernel's order: those that another
    /// one of the same table, prefix and metric stands beside, and those with a hop limit, a class of
    /// service or a source.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<SeenRoute>,
    /// Chains of nf_tables that packets come to from a hook, in the order in which they were made: of
    /// those of one priority the last comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub chains: Vec<ChainKey>,
    /// Policy rules that facts do not tell wholly, in the kernel's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<SeenRule>,
    /// The tables of neighbours, which all namespaces share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<NeighTable>,
    /// Connections that were asked for one by one.
    #[serde(default)]
    pub flows: Vec<Flow>,
    /// What could not be read, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<String>,
}

/// A socket that takes what is sent to a port.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listener {
    /// Protocol number.
    pub proto: u8,
    /// The address it is bound to; all zero for any.
    pub addr: IpAddr,
    /// Its port.
    pub port: u16,
    /// IPv6 only: it does not take IPv4.
    pub v6only: bool,
    /// The link that it is bound to, by index; 0 for any.
    pub dev: u32,
    /// How many connections wait to be taken, and how many may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backlog: Option<(u32, u32)>,
}

/// A route with what its fact does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRoute {
    /// The route.
    pub route: Route,
    /// How many hops packets that take it may take (`hoplimit`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hops: Option<u32>,
    /// The class of service that it is for (`tos`, IPv4), 0 for all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tos: u8,
    /// The sources that it is for (`from`, IPv6).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<IpNet>,
}

fn is_zero(n: &u8) -> bool {
    *n == 0
}

/// A policy rule with what its fact does not say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenRule {
    /// The rule.
    pub rule: Rule,
    /// The class of service that it is for (`tos`, `dscp`), 0 for all.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tos: u8,
    /// The users whose packets it is for (`uidrange`), the first and the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub users: Option<(u32, u32)>,
    /// The priority of the rule that it goes on with (`goto`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goto: Option<u32>,
    /// Routes over links of this group are passed over (`suppress_ifgroup`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<u32>,
    /// Something else that is not known is asked for (`l3mdev`, `tun_id`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub more: bool,
}

/// A table of neighbours (`ip ntable`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeighTable {
    /// That of IPv6.
    pub v6: bool,
    /// How many entries it has.
    pub entries: u32,
    /// How many it may have (`gc_thresh3`).
    pub room: u32,
}

/// An address that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unusable {
    /// The link.
    pub dev: IfName,
    /// The address.
    pub addr: IpAddr,
    /// Duplicate address detection failed; else it has not ended.
    pub failed: bool,
}

/// Addresses and ports of one direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tuple {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number.
    pub proto: u8,
    /// Source port, or the identifier of an echo.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
}

impl Tuple {
    /// The other direction, untranslated.
    #[must_use]
    pub fn reversed(self) -> Self {
        let (sport, dport) = if matches!(self.proto, 1 | 58) {
            (self.sport, self.dport)
        } else {
            (self.dport, self.sport)
        };
        Self { src: self.dst, dst: self.src, proto: self.proto, sport, dport }
    }
}

/// A tracked connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flow {
    /// As the first packet was.
    pub orig: Tuple,
    /// As an answer is expected.
    pub reply: Tuple,
    /// Its mark.
    pub mark: u32,
    /// Its state (`IPS_*`, include/uapi/linux/netfilter/nf_conntrack_common.h).
    pub status: u32,
}
