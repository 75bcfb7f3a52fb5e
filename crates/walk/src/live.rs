//! What was seen when the packet was really sent, beside what was predicted of it.
//!
//!     sent 3, answered 0, last seen going out of host:eth0, dropped in host: NETFILTER_DROP
//!
//! Data only.  Never here: listening, comparing (`follow`).

use serde::Serialize;

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Live {
    /// How many packets were sent.
    pub sent: u16,
    /// How many were answered.
    pub answered: u16,
    /// Somebody said that nobody listens.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
    /// It went as was predicted.
    pub agrees: bool,
    /// Where the request was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Last>,
    /// Where the answer was seen last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<Last>,
    /// What hosts on the way said of it, and the sender's own kernel.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub told: Vec<String>,
    /// Where kernels dropped it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drops: Vec<Dropped>,
    /// How what was seen differs from what was predicted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub finding: Option<String>,
    /// What it had to do without, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub without: Vec<String>,
}

/// Where a packet was seen last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Last {
    /// The namespace.
    pub netns: String,
    /// The link.
    pub device: String,
    /// It went out; else it came in.
    pub out: bool,
    /// The packet, as it was then.
    pub packet: String,
    /// How many of those that were sent.
    pub count: u16,
}

/// A place where packets were dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Dropped {
    /// The namespace.
    pub netns: String,
    /// The link, where it had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The kernel's word for it, `NETFILTER_DROP`.
    pub reason: String,
    /// The function that dropped it, and those that had called it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<String>,
    /// It was the answer.
    pub reply: bool,
    /// How many.
    pub count: u16,
}
