//! Settings under /proc/sys/net.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::name::{IfName, NameError};

/// The path of a setting below /proc/sys, with slashes: an interface's name may hold a dot.
/// Always begins with `net/`, and never climbs.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SysctlPath(String);

impl SysctlPath {
    /// Checks `path`, such as `net/ipv4/ip_forward`.
    ///
    /// # Errors
    /// When it does not begin with `net/`, or has an empty component or one of dots.
    pub fn new(path: impl Into<String>) -> Result<Self, NameError> {
        let path = path.into();
        if !path.starts_with("net/") {
            return Err(NameError::Empty);
        }
        for part in path.split('/') {
            match part {
                "" => return Err(NameError::Empty),
                "." | ".." => return Err(NameError::Dots),
                _ => {}
            }
            if let Some(c) = part.chars().find(|c| !c.is_ascii_graphic()) {
                return Err(NameError::BadChar(c));
            }
        }
        Ok(Self(path))
    }

    /// `net/ipv4/ip_forward`: whether IPv4 packets are forwarded.
    #[must_use]
    pub fn ip_forward() -> Self {
        Self("net/ipv4/ip_forward".into())
    }

    /// `net/ipv6/conf/all/forwarding`: whether IPv6 packets are forwarded.
    #[must_use]
    pub fn ip6_forward() -> Self {
        Self("net/ipv6/conf/all/forwarding".into())
    }

    /// `net/ipv6/conf/all/proxy_ndp`: whether IPv6 addresses are answered for that have an entry.
    #[must_use]
    pub fn proxy_ndp() -> Self {
        Self("net/ipv6/conf/all/proxy_ndp".into())
    }

    /// `net/ipv4/conf/DEV/LEAF`.
    #[must_use]
    pub fn conf4(dev: &IfName, leaf: &str) -> Self {
        Self(format!("net/ipv4/conf/{dev}/{leaf}"))
    }

    /// `net/ipv6/conf/DEV/LEAF`.
    #[must_use]
    pub fn conf6(dev: &IfName, leaf: &str) -> Self {
        Self(format!("net/ipv6/conf/{dev}/{leaf}"))
    }

    /// `net/ipv4/neigh/DEV/LEAF`.
    #[must_use]
    pub fn neigh4(dev: &IfName, leaf: &str) -> Self {
        Self(format!("net/ipv4/neigh/{dev}/{leaf}"))
    }

    /// `net/ipv6/neigh/DEV/LEAF`.
    #[must_use]
    pub fn neigh6(dev: &IfName, leaf: &str) -> Self {
        Self(format!("net/ipv6/neigh/{dev}/{leaf}"))
    }

    /// The interface whose setting this is: `net/ipv4/conf/eth0/proxy_arp` is one of eth0.
    #[must_use]
    pub fn dev(&self) -> Option<IfName> {
        let mut parts = self.0.split('/');
        let (_net, family, group) = (parts.next()?, parts.next()?, parts.next()?);
        let dev = parts.next()?;
        let per_dev = matches!(family, "ipv4" | "ipv6") && matches!(group, "conf" | "neigh");
        if !per_dev || matches!(dev, "all" | "default") {
            return None;
        }
        IfName::new(dev).ok()
    }

    /// The path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SysctlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for SysctlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl TryFrom<String> for SysctlPath {
    type Error = NameError;
    fn try_from(s: String) -> Result<Self, NameError> {
        Self::new(s)
    }
}
impl From<SysctlPath> for String {
    fn from(p: SysctlPath) -> Self {
        p.0
    }
}

/// A setting and its value, without the final newline. It cannot be removed, only set; one of an
/// interface lives and dies with the interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sysctl {
    /// Which one.
    pub path: SysctlPath,
    /// Its value.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_stays_below_net() {
        for bad in ["", "kernel/hostname", "net/../kernel/x", "net//x", "net/ipv4/", "/net/x"] {
            assert!(SysctlPath::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn settings_of_an_interface_name_it() {
        let dev = |p: &str| SysctlPath::new(p).ok().and_then(|p| p.dev()).map(|d| d.to_string());
        assert_eq!(dev("net/ipv4/conf/eth0.5/proxy_arp").as_deref(), Some("eth0.5"));
        assert_eq!(dev("net/ipv4/conf/all/proxy_arp"), None);
        assert_eq!(dev("net/ipv4/ip_forward"), None);
        assert_eq!(dev("net/bridge/bridge-nf-call-iptables"), None);
    }
}
