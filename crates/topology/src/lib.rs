//! Topologies: from what is wanted and what the host is like to a plan.
//!
//!     Network + HostFacts ──network()──▶ Plan   what its attachments share: bridge, gateway, rules
//!     Wiring  + HostFacts ──attach()───▶ Plan   what one attachment owns: a veth pair, its routes
//!     Wiring  + Publish   ──publish()──▶ Plan   the ways in
//!
//! One file per topology. A network's plan *ensures*, an attachment's plan *creates*: so attaching
//! costs the same however many there are.  Never here: netlink, allocation, naming, the clock.

pub mod beside;
mod bridge;
pub mod chains;
mod direct;
pub mod firewall;
mod flat;
mod isolation;
mod nic;
mod passage;
mod publish;
mod rate;
mod routed;
#[cfg(test)]
mod tests;
mod told;
pub mod uplink;
mod vxlan;
mod wiring;

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::Ns;
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Mode, Network, Peer};

pub use bridge::bridge_name;
pub use nic::{Nic, moved};
pub use publish::publish;
pub use rate::rates;
pub use told::{of_vlan, shared, told};
pub use vxlan::Way;
pub use wiring::{HostFacts, Near, Wiring, high as leg_mac};

/// What the attachments of `network` share, in the host's namespace.
///
/// # Errors
/// [`Duplicate`] when two parts of the network say something about one object, as two subnets with
/// the same gateway do.
pub fn network(network: &Network, host: &HostFacts) -> Result<Plan, Duplicate> {
    match &network.mode {
        Mode::Bridge { bridge, reach } => bridge::network(network, bridge.as_ref(), *reach, host),
        Mode::Routed(ways) => routed::network(network, ways, host),
        Mode::Flat { .. } => flat::network(network, host),
        Mode::Direct(direct) => direct::network(network, direct, host),
        Mode::Vxlan(tunnel) => vxlan::network(network, tunnel, host),
        Mode::Uplink { .. } => uplink::network(network, host),
        // What its attachments share is told, too: [`shared`].
        Mode::Cni { .. } => Ok(Plan::new()),
    }
}

/// What leads to the peers of `network`, and nothing else: it is part of what [`network`] says, unless
/// they stand beside its definition.
///
/// # Errors
/// [`Duplicate`] when two peers have one block.
pub fn lead(network: &Network, host: &HostFacts) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    match &network.mode {
        Mode::Vxlan(tunnel) => {
            vxlan::unchanged(&mut plan, network)?;
            vxlan::lead(&mut plan, network, tunnel, host)?;
        }
        Mode::Routed(ways) => {
            vxlan::unchanged(&mut plan, network)?;
            routed::lead(&mut plan, network, ways, host)?;
        }
        Mode::Bridge { .. }
        | Mode::Flat { .. }
        | Mode::Direct(_)
        | Mode::Uplink { .. }
        | Mode::Cni { .. } => {}
    }
    Ok(plan)
}

/// What leads to a block of the peer at `ip`; none while this host has no address to begin at, or where
/// nothing needs to lead there.
#[must_use]
pub fn way(
    network: &Network,
    host: &HostFacts,
    peer: (IpAddr, &Peer),
    block: IpNet,
) -> Option<Way> {
    match &network.mode {
        Mode::Vxlan(tunnel) => vxlan::way(network, tunnel, host, peer, block),
        Mode::Routed(ways) => routed::way(network, ways, host, peer, block),
        Mode::Bridge { .. }
        | Mode::Flat { .. }
        | Mode::Direct(_)
        | Mode::Uplink { .. }
        | Mode::Cni { .. } => None,
    }
}

/// What one attachment owns: its two interfaces, its addresses and routes, its rates and its
/// published ports.
///
/// # Errors
/// [`Duplicate`] when it wants one thing twice, as the same address or published port.
pub fn attach(wiring: &Wiring<'_>, host: &HostFacts) -> Result<Plan, Duplicate> {
    // Before the leg, so that it is never there without.
    let mut plan = lists(wiring)?;
    plan.extend(match &wiring.network.mode {
        Mode::Bridge { bridge, reach } => bridge::attach(wiring, bridge.as_ref(), *reach)?,
        Mode::Routed(_) => routed::attach(wiring)?,
        Mode::Flat { .. } => flat::attach(wiring)?,
        Mode::Direct(direct) => direct::attach(wiring, direct)?,
        Mode::Vxlan(_) => vxlan::attach(wiring)?,
        Mode::Uplink { .. } => uplink::attach(wiring)?,
        // Told: [`told`].
        Mode::Cni { .. } => Plan::new(),
    })?;
    plan.extend(rate::rates(wiring)?)?;
    plan.extend(publish(wiring, wiring.publish, host)?)?;
    Ok(plan)
}

/// What its allow lists add. A sandbox whose addresses are not its own is held to none.
fn lists(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    let Some((mac, addresses)) = wiring.own() else { return Ok(plan) };
    let bridged = match wiring.network.mode {
        Mode::Bridge { .. } | Mode::Uplink { .. } | Mode::Vxlan(_) => true,
        Mode::Routed(_) | Mode::Flat { .. } => false,
        Mode::Direct(_) | Mode::Cni { .. } => return Ok(plan),
    };
    let member = bridged.then_some(&wiring.leg);
    let held = firewall::Held { member, mac, addresses: &addresses };
    for element in firewall::allowed(held, wiring.allow_in, wiring.allow_out) {
        plan.create(&Ns::HOST, element)?;
    }
    Ok(plan)
}
