//! The keys of the store.
//!
//!     /ropewalk/v1/meta                        which cluster, which schema
//!     /ropewalk/v1/net/NETWORK                 a network
//!     /ropewalk/v1/host/ID                     a host
//!     /ropewalk/v1/gone/ID                     a host that was removed
//!     /ropewalk/v1/drain/ID                    a host that shall own nothing any more
//!     /ropewalk/v1/blk/NETWORK/0a050100-24     a block, and whose it is
//!     /ropewalk/v1/dis/NETWORK/0a050100-24     another host has addresses in use there, too
//!     /ropewalk/v1/exc/NETWORK/0a050107        an address that lives outside its host's block
//!     /ropewalk/v1/pub/NETWORK/ID/0a050107     ports that lead to an address of that host on all hosts
//!
//! Never here: values.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;

use crate::block::Place;
use crate::endpoint::Spot;
use crate::id::HostId;

/// What every key begins with.
pub const PREFIX: &str = "/ropewalk/v1/";

/// A key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// Which cluster.
    Meta,
    /// A network.
    Net(NetworkName),
    /// A host.
    Host(HostId),
    /// A host that was removed.
    Gone(HostId),
    /// A host that shall own nothing any more.
    Drain(HostId),
    /// A block.
    Block(Place),
    /// Somebody else uses addresses of it.
    Dispute(Place),
    /// An address outside its host's block.
    Exception(NetworkName, IpAddr),
    /// Ports that lead to an address on all hosts.
    Public(Spot),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        match self {
            Self::Meta => f.write_str("meta"),
            Self::Net(network) => write!(f, "net/{network}"),
            Self::Host(id) => write!(f, "host/{id}"),
            Self::Gone(id) => write!(f, "gone/{id}"),
            Self::Drain(id) => write!(f, "drain/{id}"),
            Self::Block(place) => write!(f, "blk/{}/{}", place.network, hex_block(place.block)),
            Self::Dispute(place) => write!(f, "dis/{}/{}", place.network, hex_block(place.block)),
            Self::Exception(network, ip) => write!(f, "exc/{network}/{}", hex(*ip)),
            Self::Public(Spot { network, host, ip }) => {
                write!(f, "pub/{network}/{host}/{}", hex(*ip))
            }
        }
    }
}

/// The text is no key of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no key of ropewalk's")]
pub struct NotAKey {
    /// The text.
    pub text: String,
}

impl FromStr for Key {
    type Err = NotAKey;
    fn from_str(text: &str) -> Result<Self, NotAKey> {
        let parts: Option<Vec<&str>> =
            text.strip_prefix(PREFIX).map(|rest| rest.split('/').collect());
        let key = match parts.as_deref() {
            Some(["meta"]) => Some(Self::Meta),
            Some(["net", network]) => network.parse().ok().map(Self::Net),
            Some(["host", id]) => id.parse().ok().map(Self::Host),
            Some(["gone", id]) => id.parse().ok().map(Self::Gone),
            Some(["drain", id]) => id.parse().ok().map(Self::Drain),
            Some(["blk", network, block]) => place(network, block).map(Self::Block),
            Some(["dis", network, block]) => place(network, block).map(Self::Dispute),
            Some(["exc", network, ip]) => network
                .parse()
                .ok()
                .zip(unhex(ip))
                .map(|(network, ip)| Self::Exception(network, ip)),
            Some(["pub", network, host, ip]) => spot(network, host, ip).map(Self::Public),
            Some(_) | None => None,
        };
        // One thing has one key: what does not write itself back the same is somebody else's.
        let own = key.filter(|key| key.to_string() == text);
        own.ok_or_else(|| NotAKey { text: text.to_owned() })
    }
}

fn place(network: &str, block: &str) -> Option<Place> {
    let (ip, len) = block.split_once('-')?;
    let block = IpNet::new(unhex(ip)?, len.parse().ok()?).ok()?;
    (block.trunc() == block).then_some(())?;
    Some(Place { network: network.parse().ok()?, block })
}

fn spot(network: &str, host: &str, ip: &str) -> Option<Spot> {
    let (network, host) = (network.parse().ok()?, host.parse().ok()?);
    Some(Spot { network, host, ip: unhex(ip)? })
}

fn hex_block(block: IpNet) -> String {
    format!("{}-{}", hex(block.network()), block.prefix_len())
}

/// An address in hexadecimal.
pub(crate) fn hex(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => format!("{:08x}", u32::from(ip)),
        IpAddr::V6(ip) => format!("{:032x}", u128::from(ip)),
    }
}

fn unhex(text: &str) -> Option<IpAddr> {
    match text.len() {
        8 => u32::from_str_radix(text, 16).ok().map(|ip| Ipv4Addr::from(ip).into()),
        32 => u128::from_str_radix(text, 16).ok().map(|ip| Ipv6Addr::from(ip).into()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn keys_are_written_and_read_back() {
        let network: NetworkName = "web".parse().unwrap();
        let place = |block: &str| Place { network: network.clone(), block: block.parse().unwrap() };
        let keys = [
            (Key::Meta, "meta"),
            (Key::Net(network.clone()), "net/web"),
            (Key::Host(HostId::new(7)), "host/00000000000000000000000000000007"),
            (Key::Gone(HostId::new(7)), "gone/00000000000000000000000000000007"),
            (Key::Drain(HostId::new(7)), "drain/00000000000000000000000000000007"),
            (Key::Block(place("10.5.1.0/24")), "blk/web/0a050100-24"),
            (Key::Dispute(place("fd00:5::/64")), "dis/web/fd000005000000000000000000000000-64"),
            (Key::Exception(network.clone(), "10.5.1.7".parse().unwrap()), "exc/web/0a050107"),
            (
                Key::Public(Spot {
                    network: network.clone(),
                    host: HostId::new(7),
                    ip: "10.5.1.7".parse().unwrap(),
                }),
                "pub/web/00000000000000000000000000000007/0a050107",
            ),
        ];
        for (key, text) in keys {
            let text = format!("{PREFIX}{text}");
            assert_eq!((key.to_string(), text.parse()), (text.clone(), Ok(key)));
        }
    }

    #[test]
    fn what_somebody_else_wrote_is_no_key() {
        let texts = ["meta", "/ropewalk/v2/meta", "/ropewalk/v1/blk/web/0a050101-24"];
        let more = ["/ropewalk/v1/blk/web/0A050100-24", "/ropewalk/v1/host/7", "/ropewalk/v1/net/"];
        for text in texts.into_iter().chain(more) {
            assert!(text.parse::<Key>().is_err(), "{text}");
        }
    }
}
