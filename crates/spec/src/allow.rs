//! Allow lists: whom a sandbox speaks with: `[ADDRESS[/LENGTH]] [PROTOCOL[:PORTS]]`.
//!
//!     10.9.0.5                 everything with one address
//!     tcp:443                  TCP to one port, with everybody
//!     10.9.0.0/24 udp:53-54    both
//!     icmp                     pings, of the version that the address has
//!     none                     nothing: answers alone
//!
//! The port is that of who is spoken to: of the sandbox on the way in, of the other on the way out.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use crate::error::{Form, Problem};
use crate::publish::{PortRange, Proto};

/// The word for a list that allows nothing.
const NOTHING: &str = "none";
/// The word for ICMP and ICMPv6.
const ICMP: &str = "icmp";

/// One line of an allow list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Allow {
    /// Nothing.
    Nothing,
    /// What is for all of these.
    Only {
        /// The addresses of the others; `None` is all of them.
        net: Option<IpNet>,
        /// What the packets carry; `None` is anything.
        carried: Option<Carried>,
    },
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carried {
    /// ICMP, or ICMPv6.
    Icmp,
    /// A protocol with ports; `None` is all of them.
    Ports(Proto, Option<PortRange>),
}

impl Carried {
    /// Its protocol number in a packet of IPv4 or of IPv6.
    #[must_use]
    pub fn number(self, v4: bool) -> u8 {
        match self {
            Self::Icmp if v4 => 1,
            Self::Icmp => 58,
            Self::Ports(proto, _) => proto.number(),
        }
    }

    /// The ports, where not all are meant.
    #[must_use]
    pub fn ports(self) -> Option<PortRange> {
        match self {
            Self::Icmp => None,
            Self::Ports(_, ports) => ports,
        }
    }
}

impl Allow {
    /// The addresses that it names.
    #[must_use]
    pub fn net(&self) -> Option<IpNet> {
        match self {
            Self::Nothing => None,
            Self::Only { net, .. } => *net,
        }
    }
}

impl fmt::Display for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Icmp => f.write_str(ICMP),
            Self::Ports(proto, None) => write!(f, "{proto}"),
            Self::Ports(proto, Some(ports)) => write!(f, "{proto}:{ports}"),
        }
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Only { net, carried } = self else { return f.write_str(NOTHING) };
        match net {
            Some(net) if net.prefix_len() == net.max_prefix_len() => write!(f, "{}", net.addr())?,
            Some(net) => write!(f, "{net}")?,
            None => {}
        }
        let gap = if net.is_some() && carried.is_some() { " " } else { "" };
        carried.map_or(Ok(()), |carried| write!(f, "{gap}{carried}"))
    }
}

impl FromStr for Allow {
    type Err = Problem;
    fn from_str(text: &str) -> Result<Self, Problem> {
        if text == NOTHING {
            return Ok(Self::Nothing);
        }
        let mut words = text.split_whitespace();
        let (first, second, third) = (words.next(), words.next(), words.next());
        let net = first.and_then(|word| Some((word, net(word)?)));
        let bad = || Problem::unreadable(text, Form::Allow);
        match (net, first, second, third) {
            (Some((_, net)), _, carries, None) => {
                let right = net.trunc();
                if right != net {
                    return Err(Problem::HostBits { net, right });
                }
                let carried = carries.map(|word| carried(word).ok_or_else(bad)).transpose()?;
                Ok(Self::Only { net: Some(net), carried })
            }
            (None, Some(word), None, None) => {
                Ok(Self::Only { net: None, carried: Some(carried(word).ok_or_else(bad)?) })
            }
            _ => Err(bad()),
        }
    }
}

fn net(word: &str) -> Option<IpNet> {
    let address = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse().ok().or_else(address)
}

fn carried(word: &str) -> Option<Carried> {
    if word == ICMP {
        return Some(Carried::Icmp);
    }
    let (proto, ports) = match word.split_once(':') {
        Some((proto, ports)) => (proto, Some(ports.parse().ok()?)),
        None => (word, None),
    };
    Some(Carried::Ports(proto.parse().ok()?, ports))
}

impl TryFrom<String> for Allow {
    type Error = Problem;
    fn try_from(text: String) -> Result<Self, Problem> {
        text.parse()
    }
}
impl From<Allow> for String {
    fn from(allow: Allow) -> Self {
        allow.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_shown_as_they_are_written() {
        for text in [
            "10.9.0.5",
            "10.9.0.0/24",
            "fd00:9::/64 tcp",
            "fd00:9::7 udp:53",
            "tcp:443",
            "10.9.0.0/24 tcp:80-90",
            "0.0.0.0/0",
            "icmp",
            "::/0 icmp",
            "none",
        ] {
            assert_eq!(text.parse::<Allow>().map(|allow| allow.to_string()), Ok(text.to_owned()));
        }
        assert_eq!(
            "10.9.0.5/32  sctp ".parse::<Allow>().map(String::from),
            Ok("10.9.0.5 sctp".into())
        );
    }

    #[test]
    fn what_is_no_line_is_refused() {
        for text in [
            "",
            " ",
            "any",
            "443",
            "tcp:",
            "tcp:0",
            "tcp:9-8",
            "tcp:70000",
            "icmp:8",
            "tcp 10.9.0.5",
            "10.9.0.5 10.9.0.6",
            "10.9.0.5 tcp:80 udp:80",
            "10.9.0.5:80",
            "none tcp:80",
            "gre",
            "10.9.0.0/33",
        ] {
            assert!(text.parse::<Allow>().is_err(), "{text}");
        }
        let said = "10.9.0.5/24 tcp:80".parse::<Allow>().map_err(|problem| problem.to_string());
        assert_eq!(said, Err("10.9.0.5/24 has host bits set".to_owned()));
    }
}
