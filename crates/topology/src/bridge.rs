//! The bridge topology: sandboxes are ports of one bridge, which is their gateway.
//!
//!     sandbox eth0 192.168.15.2/24 ── leg ─┐
//!     sandbox eth0 192.168.15.3/24 ── leg ─┴ rw-web 192.168.15.1/24 ── forwarding, masquerade ── uplink
//!
//! `internal` has the gateway but no way out; `l2` has no gateway, and the bridge no address at all.
//! A bridge that was there before is used as it is.  Never here: netlink, allocation, naming.

use ropewalk_facts::{Addr, Body, IfName, Link, LinkKind, Ns, SysctlPath};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::names::{self, Seed};
use ropewalk_spec::{Network, Reach};

use crate::firewall;
use crate::isolation::{Open, isolation};
use crate::passage::passage;
use crate::wiring::{HostFacts, Wiring, forwarding, setting};

/// The bridge with its gateway addresses, forwarding, and the network's elements of the rule set.
pub(crate) fn network(
    network: &Network,
    bridge: Option<&IfName>,
    reach: Reach,
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let name = bridge_name(network, bridge);
    let mut plan = Plan::new();
    if reach == Reach::Open {
        forwarding(&mut plan, network, host)?;
    }
    plan.ensure(&Ns::HOST, Body::Link(link(network, &name, host)))?;
    if reach == Reach::L2 {
        plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&name, "disable_ipv6"), "1"))?;
        plan.extend(firewall::base()?)?;
        if !host.foreign_bridge {
            shut(&mut plan, &name)?;
            isolation(&mut plan, network, Open::Published)?;
        }
        return Ok(plan);
    }
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&name, "accept_ra"), "0"))?;
    if !host.foreign_bridge {
        // The host asks for a sandbox's hardware address from the bridge's link-local address, and
        // not at all while that is being checked (`ndisc_send_ns`): a second after the first
        // attach in which nothing gets in.
        plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&name, "accept_dad"), "0"))?;
    }
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf4(&name, "route_localnet"), "1"))?;
    for subnet in &network.subnets {
        if let Some(net) = subnet.gateway.and_then(|ip| subnet.on_link(ip)) {
            plan.ensure(&Ns::HOST, Body::Addr(Addr::global(name.clone(), net)))?;
        }
    }
    passage(&mut plan, network)?;
    if !host.foreign_bridge {
        // Whom others let on their bridge, and what these reach, is theirs to say.
        isolation(&mut plan, network, Open::Published)?;
    }
    if reach == Reach::Internal {
        shut(&mut plan, &name)?;
    }
    Ok(plan)
}

/// Nothing is forwarded between this bridge and others.
fn shut(plan: &mut Plan, bridge: &IfName) -> Result<(), Duplicate> {
    plan.ensure(&Ns::HOST, firewall::internal(bridge))?;
    plan.ensure(&Ns::HOST, firewall::bridged(bridge))
}

/// The name of the bridge of `network`.
pub fn bridge_name(network: &Network, bridge: Option<&IfName>) -> IfName {
    bridge.cloned().unwrap_or_else(|| names::bridge(&network.name))
}

/// The bridge: one of our own has a fixed hardware address, so that it keeps it when members come
/// and go, and a mark.
fn link(network: &Network, name: &IfName, host: &HostFacts) -> Link {
    let mut link = Link::up(name.clone(), LinkKind::Bridge);
    if !host.foreign_bridge {
        link.mac = Some(names::mac(&network.name, Seed::Text("bridge")));
        link.mtu = Some(host.mtu);
        link.altnames.insert(names::bridge_altname(&network.name));
        link.group = names::group(&network.name);
    }
    link
}

/// A veth pair with its host end on the bridge, addresses, and the default route.
pub(crate) fn attach(
    wiring: &Wiring<'_>,
    bridge: Option<&IfName>,
    reach: Reach,
) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    // Before the leg, so that it is never there without.
    for element in protection(wiring, reach) {
        plan.create(&Ns::HOST, element)?;
    }
    plan.extend(wiring.pair(Some(bridge_name(wiring.network, bridge)))?)?;
    for net in &wiring.addresses {
        wiring.address(&mut plan, *net)?;
    }
    if reach != Reach::Open {
        return Ok(plan);
    }
    for net in &wiring.addresses {
        if let Some(via) = wiring.gateway(net.addr()) {
            wiring.default_route(&mut plan, via)?;
        }
    }
    Ok(plan)
}

fn protection(wiring: &Wiring<'_>, reach: Reach) -> Vec<Body> {
    match wiring.own() {
        None => Vec::new(),
        Some((mac, _)) if reach == Reach::L2 => firewall::wire_leg(&wiring.leg, mac),
        Some((mac, addresses)) => firewall::bridged_leg(&wiring.leg, mac, &addresses),
    }
}
