//! Blocks: the pieces of equal size that a network's pool of addresses is cut into.
//!
//!     10.5.0.0/16 in blocks of /24   →   10.5.0.0/24, 10.5.1.0/24, …
//!
//! Each host looks for a free one in an order of its own, made of its id, so that fifty that begin
//! at once do not all ask for the same.  Never here: who owns what.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
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
        let start = names::hash(&["block", host.as_str(), &pool]) % count;
        let step = stride(names::hash(&["stride", host.as_str(), &pool]), count);
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
