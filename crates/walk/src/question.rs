//! What is asked: which packet, from where to where, and which namespaces may be looked into.
//!
//!     {"src": "c1", "dst": "198.51.100.8", "proto": "tcp", "dport": 80, "visible": ["c1", "h"]}

use std::net::IpAddr;

use ropewalk_facts::Ns;
use serde::{Deserialize, Serialize};

/// A question as it is written in a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The namespace that the request begins in.
    pub src: String,
    /// Where it goes.
    pub dst: IpAddr,
    /// `icmp`, `icmp6`, `tcp` or `udp`.
    #[serde(default = "icmp")]
    pub proto: String,
    /// Destination port.
    #[serde(default)]
    pub dport: Option<u16>,
    /// Source port; any high one where there is none.
    #[serde(default)]
    pub sport: Option<u16>,
    /// Source address; the kernel's choice where there is none.
    #[serde(default)]
    pub saddr: Option<IpAddr>,
    /// Bytes of payload.
    #[serde(default)]
    pub size: Option<u32>,
    /// It must not be broken into fragments.
    #[serde(default)]
    pub df: bool,
    /// 4 or 6; that of `dst` where there is none.
    #[serde(default)]
    pub family: Option<u8>,
    /// The namespaces that may be looked into; all others are foreign machines.
    #[serde(default)]
    pub visible: Vec<String>,
}

fn icmp() -> String {
    "icmp".to_owned()
}

/// Protocol numbers.
pub mod proto {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// ICMPv6.
    pub const ICMP6: u8 = 58;
}

impl Question {
    /// The protocol's number; `None` for a word that is none.
    #[must_use]
    pub fn number(&self) -> Option<u8> {
        match self.proto.as_str() {
            "tcp" => Some(proto::TCP),
            "udp" => Some(proto::UDP),
            "icmp" | "icmp6" | "icmpv6" | "ping" if self.dst.is_ipv6() => Some(proto::ICMP6),
            "icmp" | "ping" => Some(proto::ICMP),
            _ => None,
        }
    }

    /// The namespace that it begins in.
    #[must_use]
    pub fn from(&self) -> Ns {
        space(&self.src)
    }
}

/// The namespace that a name in a question means.
#[must_use]
pub fn space(name: &str) -> Ns {
    if name == "host" || name.is_empty() {
        Ns::HOST
    } else if name.contains(':') {
        Ns::new(name)
    } else {
        Ns::new(format!("netns:{name}"))
    }
}

/// How people call a namespace: that of a named one, and a host among several, without its kind.
#[must_use]
pub fn called(ns: &Ns) -> &str {
    if ns.is_host() {
        return "host";
    }
    let text = ns.as_str();
    text.strip_prefix("netns:").or_else(|| text.strip_prefix("host:")).unwrap_or(text)
}
