//! Pools: never outside, never the gateway, the last free one is found, exhausted exactly.

use std::collections::BTreeSet;
use std::net::IpAddr;

use proptest::prelude::*;
use ropewalk_spec::{Subnet, pool};

use crate::network;

fn subnet(text: &str) -> Subnet {
    network(text).subnets[0].clone()
}

fn all(subnet: &Subnet) -> Vec<IpAddr> {
    let (mut taken, mut last) = (BTreeSet::new(), None);
    let mut given = Vec::new();
    while let Some(ip) = pool::next(subnet, last, |ip| taken.contains(&ip)) {
        taken.insert(ip);
        given.push(ip);
        last = Some(ip);
    }
    given
}

fn texts(subnet: &Subnet) -> Vec<String> {
    all(subnet).iter().map(IpAddr::to_string).collect()
}

#[test]
fn small_subnets_give_what_they_have() {
    assert_eq!(texts(&subnet("subnet = '10.9.0.0/30'")), ["10.9.0.2"]);
    assert_eq!(texts(&subnet("subnet = '10.9.0.0/31'")), ["10.9.0.1"]);
    assert_eq!(texts(&subnet("subnet = 'fd00::/127'")), ["fd00::1"]);
    assert_eq!(texts(&subnet("subnet = 'fd00::/126'")), ["fd00::2", "fd00::3"]);
    assert_eq!(texts(&subnet("subnet = '10.9.0.0/30'\nl2 = true")), ["10.9.0.1", "10.9.0.2"]);
    assert_eq!(texts(&subnet("subnet = '10.9.0.7/32'\nmode = 'routed'")), ["10.9.0.7"]);
    assert_eq!(texts(&subnet("subnet = '10.9.0.0/31'\nmode = 'routed'")), ["10.9.0.0", "10.9.0.1"]);
}

#[test]
fn a_freed_address_rests_as_long_as_possible() {
    let web = subnet("subnet = '10.9.0.0/29'");
    let next = |after: u8| pool::next(&web, Some([10, 9, 0, after].into()), |_| false).unwrap();
    assert_eq!(next(2), IpAddr::from([10, 9, 0, 3]));
    assert_eq!(next(6), IpAddr::from([10, 9, 0, 2]), "past the end, past the gateway");
    assert_eq!(next(99), IpAddr::from([10, 9, 0, 2]), "a cursor from elsewhere");
}

#[test]
fn a_large_ipv6_subnet_costs_only_the_gap() {
    let web = subnet("subnet = 'fd00::/64'");
    let mut asked = 0;
    let last = "fd00::ffff:ffff:ffff:ffff".parse().unwrap();
    let ip = pool::next(&web, Some(last), |_| {
        asked += 1;
        asked < 4
    });
    assert_eq!(ip, Some("fd00::5".parse().unwrap()));
    assert_eq!(asked, 4);
    assert_eq!(pool::size(&web), (1 << 64) - 2);
}

fn any_subnet() -> impl Strategy<Value = Subnet> {
    let place = prop_oneof![
        (22..31_u8).prop_map(|len| (format!("10.9.0.0/{len}"), "10.9.0.")),
        (118..128_u8).prop_map(|len| (format!("fd00::/{len}"), "fd00::")),
    ];
    let mode = prop_oneof![Just(""), Just("l2 = true\n"), Just("mode = 'routed'\n")];
    let part = prop::option::of(0..9_u8);
    (place, mode, part, prop::option::of((0..9_u8, 0..9_u8))).prop_filter_map(
        "not a network",
        |((net, host), mode, gateway, range)| {
            let mut text = format!("{mode}subnet = '{net}'\n");
            if let Some(n) = gateway {
                text += &format!("gateway = '{host}{n}'\n");
            }
            if let Some((a, b)) = range {
                text += &format!("range = '{host}{a}-{host}{b}'\n");
            }
            crate::options(&text).check().ok().map(|network| network.subnets[0].clone())
        },
    )
}

proptest! {
    #[test]
    fn each_usable_address_is_given_once(subnet in any_subnet()) {
        let given = all(&subnet);
        let distinct: BTreeSet<_> = given.iter().copied().collect();
        prop_assert_eq!(distinct.len(), given.len());
        prop_assert_eq!(pool::size(&subnet), given.len() as u128);
        for ip in given {
            prop_assert_eq!(subnet.check(ip), Ok(()));
            prop_assert_ne!(subnet.gateway, Some(ip));
            prop_assert!(subnet.range.is_none_or(|(a, b)| (a..=b).contains(&ip)));
        }
        // And nothing usable is left out.
        for ip in subnet.net.hosts().filter(|ip| subnet.check(*ip).is_ok()) {
            let wanted = subnet.range.is_none_or(|(a, b)| (a..=b).contains(&ip));
            prop_assert_eq!(distinct.contains(&ip), wanted, "{}", ip);
        }
    }

    #[test]
    fn the_last_free_one_is_found_from_anywhere(
        subnet in any_subnet(), free in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(),
    ) {
        let given = all(&subnet);
        let (free, from) = (*free.get(&given), *from.get(&given));
        prop_assert_eq!(pool::next(&subnet, Some(from), |ip| ip != free), Some(free));
        let mut asked = BTreeSet::new();
        let none = pool::next(&subnet, Some(from), |ip| {
            asked.insert(ip);
            true
        });
        prop_assert_eq!(none, None);
        prop_assert_eq!(asked.len(), given.len());
    }
}
