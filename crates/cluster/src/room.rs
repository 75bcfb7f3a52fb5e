//! Room: whether a host's blocks of a pool are nearly full, so that it asks for another, or one is to spare.
//!
//!     /24, 253 sandboxes may be there, 190 are     62 are left of 253: another one
//!     a second /24, nobody has an address of it, and 200 are left of the first     it may go
//!
//! A block is asked for before the last address is leased, since attaching does not wait for it. One
//! goes when more than is asked for at is left without it, and after a time, so that none comes and
//! goes with a sandbox.  Never here: who is where.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;

use crate::block::Place;
use crate::own::{HeldState, Journal};

/// When less than one in so many addresses of a block is free, another block is wanted.
const SHARE: u128 = 4;
/// The subnet's own address, its broadcast address and the gateway.
const SPENT: u128 = 3;
/// How long a block is to spare before it goes, in seconds.
const LONG: u64 = 300;
/// How long a single address that nobody has is kept, in seconds.
const SHORT: u64 = 20;

/// How many blocks of `pool` the host shall have beside those it lets go, where `leased` are in use.
#[must_use]
pub fn wanted(
    journal: &Journal,
    let_go: &BTreeSet<Place>,
    network: &NetworkName,
    pool: &IpNet,
    leased: &[IpAddr],
) -> usize {
    let held: Vec<IpNet> = owned(journal, network, pool)
        .filter(|place| !let_go.contains(place))
        .map(|place| place.block)
        .collect();
    let Some(one) = held.first().map(size) else { return 1 };
    held.len() + usize::from(free(&held, leased).saturating_mul(SHARE) < one)
}

/// A block of `pool` that nobody has an address of, where enough is left without it: the last.
fn spare<'a>(
    journal: &'a Journal,
    network: &NetworkName,
    pool: &IpNet,
    leased: &[IpAddr],
) -> Option<&'a Place> {
    let held: Vec<&Place> = owned(journal, network, pool).collect();
    let (first, more) = held.split_first()?;
    let empty = |place: &&&Place| !leased.iter().any(|ip| place.block.contains(ip));
    let spare = more.iter().rev().find(empty)?;
    let left: Vec<IpNet> =
        held.iter().filter(|place| *place != spare).map(|place| place.block).collect();
    let enough = size(&first.block).saturating_mul(SHARE - 1);
    (free(&left, leased).saturating_mul(SHARE) >= enough).then_some(*spare)
}

/// The blocks that have been to spare for long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spares {
    since: BTreeMap<Place, u64>,
    idle: BTreeMap<(NetworkName, IpAddr), u64>,
}

impl Spares {
    /// Which of the single addresses that nobody has may still be wanted: they were asked for, or left,
    /// a short time ago.
    pub fn lately(
        &mut self,
        idle: BTreeSet<(NetworkName, IpAddr)>,
        now: u64,
    ) -> BTreeSet<(NetworkName, IpAddr)> {
        self.idle.retain(|one, _| idle.contains(one));
        for one in idle {
            self.idle.entry(one).or_insert(now);
        }
        let short =
            |(_, since): &(&(NetworkName, IpAddr), &u64)| now.saturating_sub(**since) < SHORT;
        self.idle.iter().filter(short).map(|(one, _)| one.clone()).collect()
    }

    /// The blocks of the `pools` that may go, where `leased` are in use; `now` counts seconds.
    pub fn let_go(
        &mut self,
        journal: &Journal,
        pools: &BTreeSet<(NetworkName, IpNet)>,
        leased: &BTreeMap<NetworkName, Vec<IpAddr>>,
        now: u64,
    ) -> BTreeSet<Place> {
        let none = Vec::new();
        let of = |network| leased.get(network).unwrap_or(&none);
        let spares = pools
            .iter()
            .filter_map(|(network, pool)| spare(journal, network, pool, of(network)).cloned());
        let spares: BTreeSet<Place> = spares.collect();
        self.since.retain(|place, _| spares.contains(place));
        for place in &spares {
            self.since.entry(place.clone()).or_insert(now);
        }
        let long = |(_, since): &(&Place, &u64)| now.saturating_sub(**since) >= LONG;
        self.since.iter().filter(long).map(|(place, _)| place.clone()).collect()
    }
}

/// The blocks of a pool that are the host's alone.
fn owned<'a>(
    journal: &'a Journal,
    network: &NetworkName,
    pool: &IpNet,
) -> impl Iterator<Item = &'a Place> {
    let own = journal.held.iter().filter(|(_, held)| held.state == HeldState::Own);
    own.map(|(place, _)| place)
        .filter(move |place| place.network == *network && pool.contains(&place.block))
}

/// How many more sandboxes `blocks` have room for.
fn free(blocks: &[IpNet], leased: &[IpAddr]) -> u128 {
    let all: u128 = blocks.iter().map(size).fold(0, u128::saturating_add);
    let inside = leased.iter().filter(|ip| blocks.iter().any(|block| block.contains(*ip))).count();
    all.saturating_sub(u128::try_from(inside).unwrap_or(u128::MAX))
}

/// How many sandboxes a block has room for.
fn size(block: &IpNet) -> u128 {
    let bits = u32::from(block.max_prefix_len().saturating_sub(block.prefix_len()));
    1_u128.checked_shl(bits).map_or(u128::MAX, |all| all.saturating_sub(SPENT).max(1))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::id::HostId;
    use crate::own::Held;
    use crate::record::Host;

    fn journal() -> Journal {
        let (name, token) = ("h".into(), "t".into());
        let me = Host { name, token, generation: 1, addresses: vec![], mtu: None };
        Journal::new(HostId::new(1), me, "c".into())
    }

    fn hold(journal: &mut Journal, block: &str, state: HeldState) {
        let place: Place = format!("over {block}").try_into().unwrap();
        journal.held.insert(place, Held { generation: 1, state, without: BTreeSet::new() });
    }

    fn leased(block: u8, n: u8) -> Vec<IpAddr> {
        (2..2 + n).map(|n| IpAddr::from([10, 5, block, n])).collect()
    }

    #[test]
    fn another_block_is_wanted_before_the_last_address_is_leased() {
        let mut journal = journal();
        let (network, pool) = ("over".parse().unwrap(), "10.5.0.0/16".parse().unwrap());
        let none = BTreeSet::new();
        let want = |journal: &Journal, n| wanted(journal, &none, &network, &pool, &leased(1, n));
        assert_eq!(want(&journal, 0), 1, "one to begin with");
        hold(&mut journal, "10.5.1.0/28", HeldState::Own);
        assert_eq!((want(&journal, 0), want(&journal, 9)), (1, 1));
        assert_eq!((want(&journal, 10), want(&journal, 13)), (2, 2), "13 have room in all");
        hold(&mut journal, "10.5.2.0/28", HeldState::Own);
        assert_eq!(want(&journal, 13), 2, "it has come");
        hold(&mut journal, "10.5.3.0/28", HeldState::Disputed);
        assert_eq!(want(&journal, 13), 2, "of one in dispute nothing is leased");
        let v6 = "fd00::/48".parse().unwrap();
        assert_eq!(wanted(&journal, &none, &network, &v6, &leased(1, 1)), 1);
        let second = BTreeSet::from(["over 10.5.2.0/28".to_owned().try_into().unwrap()]);
        assert_eq!(wanted(&journal, &second, &network, &pool, &leased(1, 4)), 1);
    }

    #[test]
    fn a_block_goes_that_nobody_has_an_address_of_and_not_at_once() {
        let mut journal = journal();
        let pools = BTreeSet::from([("over".parse().unwrap(), "10.5.0.0/16".parse().unwrap())]);
        hold(&mut journal, "10.5.1.0/28", HeldState::Own);
        hold(&mut journal, "10.5.2.0/28", HeldState::Own);
        let mut spares = Spares::default();
        let mut at = |journal: &Journal, first, second, now| {
            let all = [leased(1, first), leased(2, second)].concat();
            let all = BTreeMap::from([("over".parse().unwrap(), all)]);
            let gone = spares.let_go(journal, &pools, &all, now);
            gone.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let none: [&str; 0] = [];
        assert_eq!(at(&journal, 3, 0, 1000), none, "since now");
        assert_eq!(at(&journal, 3, 1, 1200), none, "somebody has come");
        assert_eq!(at(&journal, 3, 0, 1300), none);
        assert_eq!(at(&journal, 3, 0, 1599), none);
        assert_eq!(at(&journal, 3, 0, 1600), ["over 10.5.2.0/28"]);
        assert_eq!(at(&journal, 4, 0, 1601), none, "the first is too full to be alone");
        assert_eq!(at(&journal, 0, 0, 1602), none);
        assert_eq!(at(&journal, 0, 1, 2000), none, "the first stays, empty or not");
        let one: (NetworkName, IpAddr) = ("over".parse().unwrap(), [10, 5, 9, 9].into());
        let mut lately = |ones: &[&(NetworkName, IpAddr)], now| {
            spares.lately(ones.iter().map(|one| (*one).clone()).collect(), now).len()
        };
        assert_eq!((lately(&[&one], 0), lately(&[&one], 19)), (1, 1));
        assert_eq!((lately(&[&one], 20), lately(&[], 21)), (0, 0));
        assert_eq!(lately(&[&one], 22), 1, "somebody had it meanwhile");
        let mut at = |journal: &Journal, first, second, now| {
            let all = [leased(1, first), leased(2, second)].concat();
            let all = BTreeMap::from([("over".parse().unwrap(), all)]);
            let gone = spares.let_go(journal, &pools, &all, now);
            gone.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        journal.held.pop_last();
        assert_eq!(at(&journal, 0, 0, 3000), none);
        assert_eq!(at(&journal, 0, 0, 9000), none, "the last one stays");
    }
}
