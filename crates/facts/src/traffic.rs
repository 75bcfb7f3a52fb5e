//! Traffic control: how fast a link sends, and where what comes in is sent to.
//!
//!     tc qdisc add dev leg root tbf rate 10mbit burst 16kb limit 64kb
//!     tc qdisc add dev leg ingress
//!     tc filter add dev leg ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ifb
//!
//! What the kernel puts on a link by itself (a qdisc with handle 0) is no fact.

use serde::{Deserialize, Serialize};

use crate::name::IfName;

/// Where at a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// Where it sends (`root`).
    Root,
    /// Where it receives (`ingress`).
    Ingress,
}

impl Side {
    /// The word of tc(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Ingress => "ingress",
        }
    }
}

/// Which queueing discipline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct QdiscKey {
    /// The link.
    pub dev: IfName,
    /// Where at it.
    pub side: Side,
}

/// A queueing discipline.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// Which one.
    #[serde(flatten)]
    pub key: QdiscKey,
    /// What it does.
    pub kind: QdiscKind,
}

impl Qdisc {
    /// One at `side` of `dev`.
    #[must_use]
    pub fn new(dev: IfName, side: Side, kind: QdiscKind) -> Self {
        Self { key: QdiscKey { dev, side }, kind }
    }
}

/// What a queueing discipline does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum QdiscKind {
    /// Sends no faster than a rate: a token bucket filter.
    Tbf(Tbf),
    /// Holds the filters for what comes in; queues nothing.
    Ingress,
    /// Any other, by its kernel name. Never made by a plan.
    Other(String),
}

/// A token bucket: `rate` fills it, `burst` is its depth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tbf {
    /// Bytes a second, link headers included.
    pub rate: u64,
    /// Bytes that may go at once, a multiple of 1024: the kernel keeps it as a time and tells it
    /// less exactly than that. A packet larger than this is cut up if it can be, else dropped.
    pub burst: u32,
    /// Bytes that may wait; what comes on top is dropped.
    pub limit: u32,
}

/// Which filter of those for what comes in at a link.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FilterKey {
    /// The link.
    pub dev: IfName,
    /// Its place: the lowest is asked first (`pref`).
    pub pref: u16,
}

/// A filter for what comes in at a link.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// Which one.
    #[serde(flatten)]
    pub key: FilterKey,
    /// What it does.
    pub kind: FilterKind,
}

/// What a filter does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterKind {
    /// Sends everything out by another link; an ifb gives it back when it has sent it. `None` where
    /// that link is gone: then everything is dropped.
    Redirect(Option<IfName>),
    /// Any other, by its kernel name. Never made by a plan.
    Other(String),
}
