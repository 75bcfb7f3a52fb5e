//! Passage: how a network's traffic leaves and enters, as elements of the constant rule set.
//!
//!     direct4: 10.9.0.0/24 . 10.9.0.0/24 · masq4: 10.9.0.0/24 · snat4: 10.9.0.0/24 : 198.51.100.7

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Body, Ns};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Masquerade, Network};

use crate::firewall;

/// The rule set, and what `network` adds to it.
pub(crate) fn passage(plan: &mut Plan, network: &Network) -> Result<(), Duplicate> {
    plan.extend(firewall::base()?)?;
    let nets: Vec<IpNet> = network.subnets.iter().map(|subnet| subnet.net).collect();
    for element in firewall::direct(&widest(&nets, &network.elsewhere())) {
        plan.ensure(&Ns::HOST, element)?;
    }
    let out = nets
        .iter()
        .filter_map(|net| source(network.masquerade, *net, firewall::masquerade, firewall::snat));
    let into = nets.iter().filter_map(|net| {
        source(network.masquerade_in, *net, firewall::masquerade_in, firewall::snat_in)
    });
    out.chain(into).try_for_each(|element| plan.ensure(&Ns::HOST, element))
}

/// The widest that each of `nets` lies in, of these and `others`: a single address may live on another
/// host than its block, and a set of pairs cannot hold one within another.
pub(crate) fn widest(nets: &[IpNet], others: &[IpNet]) -> Vec<IpNet> {
    let (mut around, mut last) = (BTreeMap::new(), None::<IpNet>);
    // In their order, what lies in another comes right behind it.
    for net in nets.iter().chain(others).copied().collect::<BTreeSet<_>>() {
        let wide = last.filter(|wide| wide.contains(&net)).unwrap_or(net);
        around.insert(net, wide);
        last = Some(wide);
    }
    let mut seen = BTreeSet::new();
    let wide = nets.iter().filter_map(|net| around.get(net).copied());
    wide.filter(|wide| seen.insert(*wide)).collect()
}

/// The element that `how` asks for, where it says something about the family of `net`.
fn source(
    how: Masquerade,
    net: IpNet,
    by_link: fn(IpNet) -> Body,
    fixed: fn(IpNet, IpAddr) -> Option<Body>,
) -> Option<Body> {
    match how {
        Masquerade::No => None,
        Masquerade::Yes => Some(by_link(net)),
        Masquerade::Address { .. } => how.addresses().find_map(|ip| fixed(net, ip)),
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    #[test]
    fn a_single_address_stands_for_the_block_that_it_lies_in() {
        let nets =
            |texts: &[&str]| texts.iter().map(|net| net.parse().unwrap()).collect::<Vec<_>>();
        let own = nets(&["10.5.9.0/24", "fd00::/64", "10.5.2.9/32", "10.5.7.9/32", "10.5.2.7/32"]);
        let theirs = nets(&["10.5.1.0/24", "10.5.2.0/24", "10.5.9.7/32", "10.5.1.0/32"]);
        let wide = nets(&["10.5.9.0/24", "fd00::/64", "10.5.2.0/24", "10.5.7.9/32"]);
        assert_eq!(widest(&own, &theirs), wide);
        assert_eq!(widest(&theirs, &own), nets(&["10.5.1.0/24", "10.5.2.0/24", "10.5.9.0/24"]));
    }
}
