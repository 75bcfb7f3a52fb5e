//! Passage: how a network's traffic leaves and enters, as elements of the constant rule set.
//!
//!     direct4: 10.9.0.0/24 . 10.9.0.0/24 · masq4: 10.9.0.0/24 · snat4: 10.9.0.0/24 : 198.51.100.7

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
    for element in firewall::direct(&nets) {
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
