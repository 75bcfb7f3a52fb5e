//! The flat topology: sandboxes hold addresses of the host's own LAN, and the host answers for them.
//!
//!     LAN 10.0.0.0/24 ── up0 10.0.0.1 ── host: 10.0.0.50 dev leg proto ropewalk
//!                         └ proxy 10.0.0.50       leg 169.254.1.1/32 ── sandbox eth0 10.0.0.50/32
//!
//! Wired as `routed`; for each address there is besides a proxy neighbour on the parent. A LAN host
//! asks for the address, gets the host's hardware address at once (`proxy_delay` is 0) and needs
//! nothing else. `proxy_arp` stays off: it would answer for every address that is routed elsewhere.
//! The sandbox's address never stands on the leg: the host would take what is sent to it.
//! Never here: asking the LAN whether an address is free, telling it whose it is now.

use std::net::IpAddr;

use ropewalk_facts::{Body, IfName, Neigh, Ns, SysctlPath};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::Network;

use crate::isolation::{Open, isolation};
use crate::passage::passage;
use crate::routed;
use crate::wiring::{HostFacts, Wiring, forwarding, setting};

/// Forwarding, answers without delay on the parent, and the network's elements of the rule set.
pub(crate) fn network(network: &Network, host: &HostFacts) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    forwarding(&mut plan, network, host)?;
    if let Some(parent) = &host.parent {
        if network.has_v4() {
            plan.ensure(&Ns::HOST, setting(SysctlPath::neigh4(parent, "proxy_delay"), "0"))?;
        }
        if network.has_v6() {
            plan.ensure(&Ns::HOST, setting(SysctlPath::neigh6(parent, "proxy_delay"), "0"))?;
            // Of the parent alone it is not enough: a neighbour that makes sure of its entry asks
            // by unicast, and `ip6_forward` then looks at that of all, else it hands the question
            // on, with a hop limit that the sandbox must refuse (RFC 4861 §7.1.1).
            plan.ensure(&Ns::HOST, setting(SysctlPath::proxy_ndp(), "1"))?;
        }
    }
    passage(&mut plan, network)?;
    isolation(&mut plan, network, Open::Lan)?;
    Ok(plan)
}

/// What a routed sandbox has, and a proxy neighbour for each address.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = routed::attach(wiring)?;
    for answer in answers(wiring) {
        plan.create(&Ns::HOST, Body::Neigh(answer))?;
    }
    Ok(plan)
}

/// What the host answers for on the parent of a flat network.
fn answers<'a>(wiring: &'a Wiring<'_>) -> impl Iterator<Item = Neigh> + 'a {
    let of = |dev: &'a IfName| wiring.addresses.iter().map(move |net| (dev, net.addr()));
    let pairs = wiring.parent.iter().flat_map(of);
    pairs.map(|(dev, ip): (&IfName, IpAddr)| Neigh::proxy(dev.clone(), ip))
}
