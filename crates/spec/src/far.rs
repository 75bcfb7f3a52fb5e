//! Ports of this host that lead to a sandbox on another one: `HOST-PORTS:PORTS[/PROTO]=ADDRESS`.
//!
//!     8080:80/tcp=10.5.2.7       8080 on every address of this host leads to 80 of 10.5.2.7
//!
//! Never here: the way there, which is that to the block of the address.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Form, Problem};
use crate::publish::Publish;

/// Ports that lead to another host's sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Far {
    /// The ports, on every address of the host in the family of the sandbox's.
    pub port: Publish,
    /// The sandbox.
    pub to: IpAddr,
}

impl Far {
    /// The ports in the family that they are led in.
    #[must_use]
    pub fn publish(&self) -> Publish {
        let any = match self.to {
            IpAddr::V4(_) => IpAddr::from([0; 4]),
            IpAddr::V6(_) => IpAddr::from([0; 16]),
        };
        Publish { host: Some(any), ..self.port.on_this_host() }
    }
}

impl fmt::Display for Far {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.port, self.to)
    }
}

impl FromStr for Far {
    type Err = Problem;
    fn from_str(s: &str) -> Result<Self, Problem> {
        let bad = || Problem::unreadable(s, Form::Far);
        let (port, to) = s.split_once('=').ok_or_else(bad)?;
        let (port, to) = (port.parse::<Publish>()?, to.parse().map_err(|_| bad())?);
        (port.host.is_none() && !port.everywhere).then_some(Self { port, to }).ok_or_else(bad)
    }
}

impl TryFrom<String> for Far {
    type Error = Problem;
    fn try_from(s: String) -> Result<Self, Problem> {
        s.parse()
    }
}

impl From<Far> for String {
    fn from(far: Far) -> Self {
        far.to_string()
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn a_port_and_where_it_leads() {
        let far: Far = "8080:80=10.5.2.7".parse().unwrap();
        assert_eq!(far.to_string(), "8080:80/tcp=10.5.2.7");
        assert_eq!(far.publish().to_string(), "0.0.0.0:8080:80/tcp");
        for bad in ["8080:80", "8080:80=", "=10.5.2.7", "1.2.3.4:80:80=10.5.2.7", "80:80=10.5.2"] {
            assert!(bad.parse::<Far>().is_err(), "{bad}");
        }
    }
}
