//! Blocks: the pieces of equal size that a network's pool of addresses is cut into.
//!
//!     10.5.0.0/16 in blocks of /24   →   10.5.0.0/24, 10.5.1.0/24, …
//!
//! Each host looks for a free one in an order of its own, made of its id, so that fifty that begin
//! at once do not all ask for the same.  Never here: who owns what.

use std::fmt;
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Subnets, Ipv6Subnets};
use ropewalk_spec::{NetworkName, names};
use serde::{Deserialize, Serialize};

use crate::id::HostId;

/// The most blocks of a pool that are looked at.
const MOST: u64 = 1 << 24;

/// A block of a network.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Place {
    /// The network.
    pub network: NetworkName,
    /// The block.
    pub block: IpNet,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.network, self.block)
    }
}

impl From<Place> for String {
    fn from(place: Place) -> Self {
        place.to_string()
    }
}

impl TryFrom<String> for Place {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let (network, block) = text.split_once(' ')?;
            Some(Self { network: network.parse().ok()?, block: block.parse().ok()? })
        };
        read().ok_or("not a network and a block of it")
    }
}

/// The addresses of a network, and how they are cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pool {
    /// All of them.
    pub net: IpNet,
    /// The length of a block's prefix.
    pub len: u8,
    /// Parts that are left to others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<IpNet>,
}

impl Pool {
    /// The addresses from `first` to `last`, not cut yet; none when they are no range.
    #[must_use]
    pub fn between(first: IpAddr, last: IpAddr) -> Option<Self> {
        let (net, before, after): (IpNet, Vec<IpNet>, Vec<IpNet>) = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                let (a, b) = (u32::from(first), u32::from(last));
                let len = u8::try_from((a ^ b).leading_zeros()).ok()?;
                let net = ipnet::Ipv4Net::new(first, len).ok()?.trunc();
                let parts =
                    |a: u32, b: u32| Ipv4Subnets::new(a.into(), b.into(), 0).map(IpNet::from);
                let before = a.checked_sub(1).filter(|_| first > net.network());
                let after = b.checked_add(1).filter(|_| last < net.broadcast());
                let before = before.map(|end| parts(net.network().into(), end).collect());
                let after = after.map(|begin| parts(begin, net.broadcast().into()).collect());
                (net.into(), before.unwrap_or_default(), after.unwrap_or_default())
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                let (a, b) = (u128::from(first), u128::from(last));
                let len = u8::try_from((a ^ b).leading_zeros()).ok()?;
                let net = ipnet::Ipv6Net::new(first, len).ok()?.trunc();
                let parts =
                    |a: u128, b: u128| Ipv6Subnets::new(a.into(), b.into(), 0).map(IpNet::from);
                let before = a.checked_sub(1).filter(|_| first > net.network());
                let after = b.checked_add(1).filter(|_| last < net.broadcast());
                let before = before.map(|end| parts(net.network().into(), end).collect());
                let after = after.map(|begin| parts(begin, net.broadcast().into()).collect());
                (net.into(), before.unwrap_or_default(), after.unwrap_or_default())
            }
            (IpAddr::V4(_) | IpAddr::V6(_), _) => return None,
        };
        Some(Self { net, len: net.max_prefix_len(), exclude: [before, after].concat() })
    }

    /// How many blocks it has, those left to others included.
    #[must_use]
    pub fn count(&self) -> u64 {
        let bits = u32::from(self.len.saturating_sub(self.net.prefix_len()));
        1_u64.checked_shl(bits).map_or(MOST, |count| count.min(MOST))
    }

    /// Its blocks in the order in which `host` looks for a free one.
    pub fn order(&self, host: &HostId) -> impl Iterator<Item = IpNet> {
        let count = self.count();
        let pool = self.net.to_string();
        let host = host.to_string();
        let start = names::hash(&["block", &host, &pool]) % count;
        let step = stride(names::hash(&["stride", &host, &pool]), count);
        let numbers = (0..count).scan(start, move |at, _| {
            let this = *at;
            *at = (this + step) % count;
            Some(this)
        });
        numbers.filter_map(|number| self.block(number))
    }

    /// The block with this number; none where it is left to others.
    fn block(&self, number: u64) -> Option<IpNet> {
        let block = match self.net {
            IpNet::V4(net) => {
                let size = 1_u64.checked_shl(u32::from(32_u8.checked_sub(self.len)?))?;
                let first = u64::from(u32::from(net.network())).checked_add(number * size)?;
                IpAddr::from(u32::try_from(first).ok()?.to_be_bytes())
            }
            IpNet::V6(net) => {
                let size = 1_u128.checked_shl(u32::from(128_u8.checked_sub(self.len)?))?;
                let first = u128::from(net.network()).checked_add(u128::from(number) * size)?;
                IpAddr::from(first.to_be_bytes())
            }
        };
        let block = IpNet::new(block, self.len).ok()?;
        let apart = |other: &IpNet| !other.contains(&block) && !block.contains(other);
        (self.net.contains(&block) && self.exclude.iter().all(apart)).then_some(block)
    }
}

/// A number below `count` that has no divisor in common with it, so that steps of it come by all.
fn stride(wish: u64, count: u64) -> u64 {
    let from = wish % count;
    (from..count).chain(1..=from).find(|step| divisor(*step, count) == 1).unwrap_or(1)
}

fn divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { divisor(b, a % b) }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use std::collections::BTreeSet;

    use super::*;

    fn pool(net: &str, len: u8, exclude: &[&str]) -> Pool {
        let exclude = exclude.iter().map(|net| net.parse().unwrap()).collect();
        Pool { net: net.parse().unwrap(), len, exclude }
    }

    #[test]
    fn every_host_comes_by_every_block_once_in_an_order_of_its_own() {
        let pool = pool("10.5.0.0/16", 24, &["10.5.0.0/28", "10.5.128.0/17"]);
        let mut firsts = BTreeSet::new();
        for host in 0..50 {
            let order: Vec<IpNet> = pool.order(&HostId::new(host)).collect();
            let all: BTreeSet<IpNet> = order.iter().copied().collect();
            assert_eq!((order.len(), all.len()), (127, 127), "0 and 128 to 255 are left to others");
            assert!(all.iter().all(|block| pool.net.contains(block) && block.prefix_len() == 24));
            firsts.extend(order.first().copied());
        }
        assert!(firsts.len() > 30, "fifty hosts begin at {} blocks", firsts.len());
    }

    #[test]
    fn a_range_has_the_blocks_that_lie_in_it() {
        let blocks = |first: &str, last: &str, len| {
            let pool = Pool::between(first.parse().unwrap(), last.parse().unwrap()).unwrap();
            let pool = Pool { len, ..pool };
            let all: BTreeSet<IpNet> = pool.order(&HostId::new(7)).collect();
            all.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
        };
        let three = "10.0.0.104/29 10.0.0.112/29 10.0.0.120/29";
        assert_eq!(blocks("10.0.0.100", "10.0.0.127", 29), three);
        assert_eq!(blocks("10.0.0.104", "10.0.0.130", 29), three);
        assert_eq!(blocks("10.0.0.0", "10.0.0.255", 25), "10.0.0.0/25 10.0.0.128/25");
        assert_eq!(blocks("10.0.0.8", "10.0.0.15", 29), "10.0.0.8/29");
        assert_eq!(blocks("0.0.0.0", "255.255.255.255", 1), "0.0.0.0/1 128.0.0.0/1");
        assert_eq!(blocks("fd00::8", "fd00::1f", 125), "fd00::8/125 fd00::10/125 fd00::18/125");
        let none =
            |first: &str, last: &str| Pool::between(first.parse().unwrap(), last.parse().unwrap());
        assert_eq!((none("10.0.0.2", "10.0.0.1"), none("10.0.0.2", "fd00::1")), (None, None));
    }

    #[test]
    fn blocks_of_any_size() {
        let all = |pool: &Pool| pool.order(&HostId::new(7)).collect::<BTreeSet<_>>().len();
        assert_eq!(all(&pool("10.0.0.0/24", 24, &[])), 1);
        assert_eq!(all(&pool("10.0.0.0/30", 32, &[])), 4);
        assert_eq!(all(&pool("fd00::/48", 64, &[])), 65536);
        assert_eq!(pool("fd00::/32", 64, &[]).count(), MOST);
        assert_eq!(all(&pool("255.255.255.0/24", 28, &[])), 16);
        assert_eq!(all(&pool("10.0.0.0/24", 16, &[])), 0, "a block larger than the pool");
    }
}
