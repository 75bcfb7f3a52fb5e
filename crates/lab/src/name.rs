//! Names in a lab file: of labs, hosts, LANs and containers, and the places they make.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Why a name or place was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// Nothing was given.
    #[error("a name cannot be empty")]
    Empty,
    /// Longer than [`Name::MAX`].
    #[error("`{0}` is longer than {max} characters", max = Name::MAX)]
    TooLong(String),
    /// A character that a name may not hold, or not at its start.
    #[error("`{0}` must be of a-z, 0-9 and `-`, and begin with a letter")]
    BadChar(String),
}

/// The name of a lab, host, LAN or container: `a-z`, `0-9`, `-`, a letter first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The longest name: with `-eth0` behind it, it still names an interface.
    pub const MAX: usize = 10;

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Name {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        match s.chars().next() {
            None => Err(BadName::Empty),
            Some(_) if s.chars().count() > Self::MAX => Err(BadName::TooLong(s.into())),
            Some(first) if first.is_ascii_lowercase() && s.chars().all(good) => Ok(Self(s.into())),
            Some(_) => Err(BadName::BadChar(s.into())),
        }
    }
}
impl TryFrom<String> for Name {
    type Error = BadName;
    fn try_from(s: String) -> Result<Self, BadName> {
        s.parse()
    }
}
impl From<Name> for String {
    fn from(n: Name) -> Self {
        n.0
    }
}
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// Where something runs: a host (`h1`) or a container on it (`h1/red`).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// The host.
    pub host: Name,
    /// The container on it, if it is not the host itself.
    pub container: Option<Name>,
}

impl Place {
    /// The host itself.
    #[must_use]
    pub fn host(host: &Name) -> Self {
        Self { host: host.clone(), container: None }
    }

    /// A container on `host`.
    #[must_use]
    pub fn container(host: &Name, container: &Name) -> Self {
        Self { host: host.clone(), container: Some(container.clone()) }
    }
}

impl FromStr for Place {
    type Err = BadName;
    fn from_str(s: &str) -> Result<Self, BadName> {
        let (host, container) = match s.split_once('/') {
            Some((host, container)) => (host, Some(container.parse()?)),
            None => (s, None),
        };
        Ok(Self { host: host.parse()?, container })
    }
}
impl TryFrom<String> for Place {
    type Error = BadName;
    fn try_from(s: String) -> Result<Self, BadName> {
        s.parse()
    }
}
impl From<Place> for String {
    fn from(p: Place) -> Self {
        p.to_string()
    }
}
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.container {
            None => f.pad(self.host.as_str()),
            Some(c) => f.pad(&format!("{}/{c}", self.host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_short_and_plain() {
        assert!("h1".parse::<Name>().is_ok());
        for bad in ["", "1h", "H1", "a_b", "a/b", "..", "elevenchars", "é"] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_place_is_a_host_or_a_container_on_it() {
        let place = |s: &str| s.parse::<Place>().map(|p| p.to_string());
        assert_eq!(place("h1").as_deref(), Ok("h1"));
        assert_eq!(place("h1/red").as_deref(), Ok("h1/red"));
        for bad in ["", "/", "h1/", "/red", "h1/red/x"] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
