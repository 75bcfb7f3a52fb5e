//! The short texts of a lab file: what a probe does and what it expects.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use crate::model::{Action, Expect};

/// A text that is not of the form expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not of the form {wanted}")]
pub struct BadText {
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub wanted: &'static str,
}

impl FromStr for Action {
    type Err = BadText;
    fn from_str(s: &str) -> Result<Self, BadText> {
        let parsed = match s.split_once(' ') {
            Some(("ping", to)) => to.parse().ok().map(Self::Ping),
            Some(("http", to)) => to.parse().ok().map(Self::Http),
            Some(_) | None => None,
        };
        let wanted = "`ping ADDRESS`, `http ADDRESS:PORT` or `http [ADDRESS]:PORT`";
        parsed.ok_or_else(|| BadText { found: s.into(), wanted })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ping(ip) => f.pad(&format!("ping {ip}")),
            Self::Http(at) => f.pad(&format!("http {at}")),
        }
    }
}

impl Action {
    /// Whom it is meant to reach.
    #[must_use]
    pub fn target(&self) -> IpAddr {
        match self {
            Self::Ping(ip) => *ip,
            Self::Http(at) => SocketAddr::ip(at),
        }
    }
}

impl FromStr for Expect {
    type Err = BadText;
    fn from_str(s: &str) -> Result<Self, BadText> {
        let parsed = match s.split_once(' ') {
            None if s == "ok" => Some(Self::Ok),
            None if s == "fail" => Some(Self::Fail),
            Some(("sees", ip)) => ip.parse().ok().map(Self::Sees),
            Some(_) | None => None,
        };
        let wanted = "`ok`, `fail` or `sees ADDRESS`";
        parsed.ok_or_else(|| BadText { found: s.into(), wanted })
    }
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.write_str("ok"),
            Self::Fail => f.write_str("fail"),
            Self::Sees(ip) => write!(f, "sees {ip}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_print_as_they_are_written() {
        for text in ["ping 10.0.0.1", "ping fd00::1", "http 10.0.0.1:80", "http [fd00::1]:8080"] {
            assert_eq!(text.parse::<Action>().map(|a| a.to_string()).as_deref(), Ok(text));
        }
        for text in ["ok", "fail", "sees 10.0.0.1"] {
            assert_eq!(text.parse::<Expect>().map(|a| a.to_string()).as_deref(), Ok(text));
        }
    }

    #[test]
    fn other_probes_are_refused() {
        for bad in ["", "ping", "ping host", "http 10.0.0.1", "tcp 10.0.0.1:80", "ping  10.0.0.1"] {
            assert!(bad.parse::<Action>().is_err(), "{bad}");
        }
        assert!("sees".parse::<Expect>().is_err());
    }
}
