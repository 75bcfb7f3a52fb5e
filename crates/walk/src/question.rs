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
    /// The destination stands for the internet: what leaves for it is where it should be, and nobody
    /// need answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub internet: bool,
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
    /// Whether `dst` answers a ping from `src`, and nothing particular beside.
    #[must_use]
    pub fn ping(src: impl Into<String>, dst: IpAddr) -> Self {
        Self {
            src: src.into(),
            dst,
            proto: icmp(),
            dport: None,
            sport: None,
            saddr: None,
            size: None,
            df: false,
            family: None,
            visible: Vec::new(),
            internet: false,
        }
    }

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

/// The one of several namespaces that a name means: as it stands, as it is called, or by its process.
#[must_use]
pub fn meant<'a>(all: impl IntoIterator<Item = &'a Ns>, name: &str) -> Option<&'a Ns> {
    let plain = space(name);
    let rank = |ns: &Ns| match () {
        () if *ns == plain => Some(0),
        () if called(ns) == name => Some(1),
        () if name.starts_with("pid:") && of_process(ns, name) => Some(2),
        () => None,
    };
    all.into_iter().filter_map(|ns| Some((rank(ns)?, ns))).min().map(|(_, ns)| ns)
}

/// `pid:812:web` is the namespace of `pid:812`.
pub(crate) fn of_process(ns: &Ns, pid: &str) -> bool {
    ns.as_str().strip_prefix(pid).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// How people call a namespace: that of a named one, and a host among several, without its kind, and
/// that of a process (`pid:812:web`) by the container or command that lives there, if that is known.
#[must_use]
pub fn called(ns: &Ns) -> &str {
    if ns.is_host() {
        return "host";
    }
    let text = ns.as_str();
    if let Some((_, name)) = text.strip_prefix("pid:").and_then(|rest| rest.split_once(':')) {
        return name;
    }
    text.strip_prefix("netns:").or_else(|| text.strip_prefix("host:")).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_called_by_who_lives_there_and_found_by_each_of_its_names() {
        let all = ["", "netns:red", "pid:812:web", "pid:81:sleep", "pid:7"].map(Ns::new);
        let names: Vec<&str> = all.iter().map(called).collect();
        assert_eq!(names, ["host", "red", "web", "sleep", "pid:7"]);
        for (name, ns) in
            [("red", 1), ("netns:red", 1), ("web", 2), ("pid:812", 2), ("pid:81", 3), ("pid:7", 4)]
        {
            assert_eq!(meant(&all, name), all.get(ns), "{name}");
        }
        assert_eq!(meant(&all, "pid:8"), None);
    }
}
