//! Published ports: `[HOST-ADDRESS:]HOST-PORTS:PORTS[/PROTO]`, in docker's spelling.
//!
//!     8080:80            8080 on every address of the host leads to 80 in the sandbox
//!     [::1]:53:53/udp    only from the host itself
//!     8000-8010:80-90    ports in pairs
//!     everywhere:80:80   on every host of the cluster

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Form, Problem};

/// A transport protocol with ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "they are what they are called")]
pub enum Proto {
    Tcp,
    Udp,
    Sctp,
}

impl Proto {
    /// Its number in an IP header.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Sctp => 132,
        }
    }
}

impl fmt::Display for Proto {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

impl FromStr for Proto {
    type Err = Problem;
    fn from_str(s: &str) -> Result<Self, Problem> {
        match s {
            "tcp" => Ok(Self::Tcp),
            "udp" => Ok(Self::Udp),
            "sctp" => Ok(Self::Sctp),
            _ => Err(Problem::unreadable(s, Form::Proto)),
        }
    }
}

/// Ports from a first to a last one, neither of them 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl PortRange {
    /// The ports from `first` to `last`; `None` if one is 0 or they are the wrong way round.
    #[must_use]
    pub fn new(first: u16, last: u16) -> Option<Self> {
        (0 < first && first <= last).then_some(Self { first, last })
    }

    /// The first port.
    #[must_use]
    pub fn first(self) -> u16 {
        self.first
    }

    /// The last port, which belongs to the range.
    #[must_use]
    pub fn last(self) -> u16 {
        self.last
    }

    /// How many ports it holds: at least one.
    #[must_use]
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// Its ports, in order.
    pub fn iter(self) -> impl Iterator<Item = u16> {
        self.first..=self.last
    }

    /// True when the two have a port in common.
    #[must_use]
    pub fn overlaps(self, other: Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

impl fmt::Display for PortRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first == self.last {
            true => write!(f, "{}", self.first),
            false => write!(f, "{}-{}", self.first, self.last),
        }
    }
}

impl FromStr for PortRange {
    type Err = Problem;
    fn from_str(s: &str) -> Result<Self, Problem> {
        let (first, last) = s.split_once('-').unwrap_or((s, s));
        let ports = port(first).zip(port(last)).and_then(|(first, last)| Self::new(first, last));
        ports.ok_or_else(|| Problem::unreadable(s, Form::Ports))
    }
}

fn port(s: &str) -> Option<u16> {
    let digits = s.bytes().all(|b| b.is_ascii_digit());
    s.parse().ok().filter(|_| digits)
}

/// Ports of the host that lead to as many ports of a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub struct Publish {
    /// The address of the host; `None` is each of them, in both families, and `0.0.0.0` or `::`
    /// each of that family.
    pub host: Option<IpAddr>,
    /// The ports of the host.
    pub host_ports: PortRange,
    /// The ports of the sandbox, as many.
    pub ports: PortRange,
    /// The protocol.
    pub proto: Proto,
    /// The other hosts of the cluster lead there, too.
    pub everywhere: bool,
}

impl Publish {
    /// Pairs ports of the host with ports of a sandbox.
    ///
    /// # Errors
    /// There are not as many of the one as of the other, or `host` is a multicast address.
    pub fn new(
        host: Option<IpAddr>,
        host_ports: PortRange,
        ports: PortRange,
        proto: Proto,
    ) -> Result<Self, Problem> {
        if host_ports.count() != ports.count() {
            return Err(Problem::Lengths { host: host_ports.count(), inner: ports.count() });
        }
        match host.filter(IpAddr::is_multicast) {
            Some(ip) => Err(Problem::NotHost { ip }),
            None => Ok(Self { host, host_ports, ports, proto, everywhere: false }),
        }
    }

    /// The same on every host of the cluster; none where it is for one address of this one.
    #[must_use]
    pub fn on_every_host(self) -> Option<Self> {
        self.host.is_none().then_some(Self { everywhere: true, ..self })
    }

    /// The same on this host alone.
    #[must_use]
    pub fn on_this_host(self) -> Self {
        Self { everywhere: false, ..self }
    }

    /// True when a packet to the host could be meant for either.
    #[must_use]
    pub fn conflicts(&self, other: &Self) -> bool {
        self.proto == other.proto
            && self.host_ports.overlaps(other.host_ports)
            && hosts_meet(self.host, other.host)
    }

    /// Each pair: port of the host, port of the sandbox.
    pub fn pairs(&self) -> impl Iterator<Item = (u16, u16)> {
        self.host_ports.iter().zip(self.ports.iter())
    }
}

/// True when an address of the host is covered by both addresses of publications: `None` covers
/// all, `0.0.0.0` and `::` all of their family.
#[must_use]
pub fn hosts_meet(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    let (Some(a), Some(b)) = (a, b) else { return true };
    a == b || (a.is_ipv4() == b.is_ipv4() && (a.is_unspecified() || b.is_unspecified()))
}

/// What stands before a port that is published on every host.
const EVERYWHERE: &str = "everywhere:";

impl fmt::Display for Publish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Some(IpAddr::V4(ip)) => write!(f, "{ip}:")?,
            Some(IpAddr::V6(ip)) => write!(f, "[{ip}]:")?,
            None if self.everywhere => f.write_str(EVERYWHERE)?,
            None => {}
        }
        write!(f, "{}:{}/{}", self.host_ports, self.ports, self.proto)
    }
}

impl FromStr for Publish {
    type Err = Problem;
    fn from_str(s: &str) -> Result<Self, Problem> {
        let bad = || Problem::unreadable(s, Form::Publish);
        if let Some(rest) = s.strip_prefix(EVERYWHERE) {
            return rest.parse::<Self>()?.on_every_host().ok_or_else(bad);
        }
        let (rest, proto) = match s.split_once('/') {
            Some((rest, proto)) => (rest, proto.parse()?),
            None => (s, Proto::Tcp),
        };
        let (host, ports) = split_host(rest).ok_or_else(bad)?;
        let (host_ports, ports) = ports.split_once(':').unwrap_or((ports, ports));
        Self::new(host, host_ports.parse()?, ports.parse()?, proto)
    }
}

/// Parts the address of the host, if there is one, from the ports.
fn split_host(s: &str) -> Option<(Option<IpAddr>, &str)> {
    if let Some(rest) = s.strip_prefix('[') {
        let (ip, ports) = rest.split_once("]:")?;
        return Some((Some(IpAddr::V6(ip.parse::<Ipv6Addr>().ok()?)), ports));
    }
    match s.matches(':').count() {
        0 | 1 => Some((None, s)),
        2 => s
            .split_once(':')
            .and_then(|(ip, ports)| Some((Some(IpAddr::V4(ip.parse().ok()?)), ports))),
        _ => None,
    }
}

impl TryFrom<String> for Publish {
    type Error = Problem;
    fn try_from(s: String) -> Result<Self, Problem> {
        s.parse()
    }
}
impl From<Publish> for String {
    fn from(p: Publish) -> Self {
        p.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn ports_are_read_in_every_spelling_and_written_in_one() {
        for (text, full) in [
            ("8080", "8080:8080/tcp"),
            ("8080:80", "8080:80/tcp"),
            ("8080:80/udp", "8080:80/udp"),
            ("127.0.0.1:8080:80/tcp", "127.0.0.1:8080:80/tcp"),
            ("[::1]:8080:80", "[::1]:8080:80/tcp"),
            ("[::]:53/sctp", "[::]:53:53/sctp"),
            ("8000-8010:80-90", "8000-8010:80-90/tcp"),
            ("8000-8001", "8000-8001:8000-8001/tcp"),
            ("0.0.0.0:80:80", "0.0.0.0:80:80/tcp"),
            ("everywhere:8080:80", "everywhere:8080:80/tcp"),
        ] {
            let publish: Publish = text.parse().unwrap();
            assert_eq!(publish.to_string(), full, "{text}");
            assert_eq!(full.parse(), Ok(publish), "{full}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for bad in [
            "",
            ":",
            "80:",
            ":80",
            "0",
            "0:80",
            "65536",
            "80:80/icmp",
            "80/",
            "a:b",
            "8010-8000:1",
            "8000-8010:80",
            "1:2:3:4",
            "::1:80:80",
            "[::1]80:80",
            "[1.2.3.4]:80:80",
            "+80:80",
            "224.0.0.1:80:80",
            "80:80/tcp/udp",
            "1.2.3.4:",
            "-",
            "1-2-3",
            "everywhere:1.2.3.4:80:80",
            "everywhere:",
        ] {
            assert!(bad.parse::<Publish>().is_err(), "{bad}");
        }
    }

    #[test]
    fn publications_conflict_where_one_packet_could_mean_both() {
        let p = |s: &str| s.parse::<Publish>().unwrap();
        for (a, b, meet) in [
            ("80:1", "80:2", true),
            ("80:1", "80:2/udp", false),
            ("80:1", "81:1", false),
            ("80-85:1-6", "85:9", true),
            ("80:1", "1.2.3.4:80:1", true),
            ("80:1", "[::]:80:1", true),
            ("0.0.0.0:80:1", "[::]:80:1", false),
            ("0.0.0.0:80:1", "1.2.3.4:80:1", true),
            ("1.2.3.5:80:1", "1.2.3.4:80:1", false),
            ("[fd00::1]:80:1", "[::]:80:1", true),
            ("[fd00::1]:80:1", "0.0.0.0:80:1", false),
        ] {
            assert_eq!(p(a).conflicts(&p(b)), meet, "{a} {b}");
            assert_eq!(p(b).conflicts(&p(a)), meet, "{b} {a}");
        }
    }
}
