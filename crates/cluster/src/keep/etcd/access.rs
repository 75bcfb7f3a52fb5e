//! How a store of etcd is reached: its members, certificates, and who asks.
//!
//!     etcd://192.168.1.10:2379,192.168.1.11:2379        without encryption
//!     etcds://ops@etcd1.lan,etcd2.lan                   TLS; the user is ops; port 2379
//!
//! Never here: connections, files, passwords in an address.

use std::fmt;
use std::str::FromStr;

/// The port of etcd's clients.
const PORT: u16 = 2379;

/// The members of a store, and whether they speak TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// Encrypted, and each side shows who it is.
    pub tls: bool,
    /// The user.
    pub user: Option<String>,
    /// The members, as `HOST:PORT`.
    pub members: Vec<String>,
}

/// Why an address of a store cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It does not begin with a kind of store that is known.
    #[error("{text:?} begins neither with etcd:// nor with etcds://")]
    Kind {
        /// The text.
        text: String,
    },
    /// A member cannot be one.
    #[error("{member:?} is not HOST or HOST:PORT")]
    Member {
        /// As it was written.
        member: String,
    },
    /// A password would stand in lists of processes and in files.
    #[error("a password stands in the address: give it in a file")]
    Password,
}

impl FromStr for Address {
    type Err = AddressError;
    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (tls, rest) = match (text.strip_prefix("etcd://"), text.strip_prefix("etcds://")) {
            (Some(rest), _) => (false, rest),
            (None, Some(rest)) => (true, rest),
            (None, None) => return Err(AddressError::Kind { text: text.to_owned() }),
        };
        let rest = rest.trim_end_matches('/');
        let (user, members) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(AddressError::Password),
            Some((user, members)) => (Some(user.to_owned()), members),
            None => (None, rest),
        };
        let members = members.split(',').map(member).collect::<Result<_, _>>()?;
        Ok(Self { tls, user, members })
    }
}

fn member(text: &str) -> Result<String, AddressError> {
    let wrong = || AddressError::Member { member: text.to_owned() };
    let (host, port) = match text.strip_prefix('[') {
        // An address of IPv6 stands in brackets.
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or_else(wrong)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            (format!("[{host}]"), port.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((host, port)) => (host.to_owned(), Some(port)),
            None => (text.to_owned(), None),
        },
    };
    let port = port.map_or(Ok(PORT), str::parse).map_err(|_| wrong())?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:[]".contains(&byte);
    match !host.is_empty() && host.bytes().all(plain) {
        true => Ok(format!("{host}:{port}")),
        false => Err(wrong()),
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.tls { "etcds://" } else { "etcd://" })?;
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        f.write_str(&self.members.join(","))
    }
}

/// Everything it takes to reach a store.
#[derive(Clone)]
pub struct Access {
    /// Where it is.
    pub address: Address,
    /// The password of the user.
    pub password: Option<String>,
    /// Who signed the members' certificates, as PEM.
    pub ca: Option<Vec<u8>>,
    /// The host's own certificate and its key, as PEM.
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
}

impl Access {
    /// Without encryption, password and certificates.
    #[must_use]
    pub fn plain(address: Address) -> Self {
        Self { address, password: None, ca: None, identity: None }
    }
}

/// Secrets are not shown.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Access({})", self.address)
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn addresses_are_read_and_written() {
        let same = |text: &str, shown: &str| {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        };
        same("etcd://10.0.0.1", "etcd://10.0.0.1:2379");
        same("etcds://ops@a.lan,b.lan:23790/", "etcds://ops@a.lan:2379,b.lan:23790");
        same("etcd://[fd00::1]:2379,[fd00::2]", "etcd://[fd00::1]:2379,[fd00::2]:2379");
        let wrong = |text: &str| text.parse::<Address>().unwrap_err();
        assert_eq!(wrong("http://a"), AddressError::Kind { text: "http://a".into() });
        assert_eq!(wrong("etcd://u:secret@a"), AddressError::Password);
        for text in
            ["etcd://", "etcd://a,", "etcd://a:b", "etcd://a/b", "etcd://[x]", "etcd://fd00::1"]
        {
            assert!(matches!(wrong(text), AddressError::Member { .. }), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let mut access = Access::plain("etcd://ops@a".parse().unwrap());
        access.password = Some("secret".into());
        assert_eq!(format!("{access:?}"), "Access(etcd://ops@a:2379)");
    }
}
