//! The routed topology: a veth pair and a host route for each sandbox, and no bridge.
//!
//!     sandbox eth0 10.9.0.2/32 ── leg 169.254.1.1/32    host: 10.9.0.2 dev leg proto ropewalk
//!     sandbox: 169.254.1.1 dev eth0 scope link, default via 169.254.1.1
//!
//! Every leg carries the gateway address, so it answers on each link without any other route, and
//! no address of the subnet is spent on it. What is in the subnet but not attached is unreachable,
//! instead of going back out by the default route.  Never here: netlink, allocation, naming.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Addr, Body, Ns, Route, RouteKey, RouteKind, Scope, SysctlPath, proto, table};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Network, Subnet};

use crate::firewall;
use crate::isolation::{Open, isolation};
use crate::passage::passage;
use crate::wiring::{HostFacts, Wiring, forwarding, setting};

/// The metric of the route that ends a subnet: the last one that is looked at.
const LAST: u32 = u32::MAX;

/// Forwarding, an end for each subnet, and the network's elements of the rule set.
pub(crate) fn network(network: &Network, host: &HostFacts) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    forwarding(&mut plan, network, host)?;
    for subnet in &network.subnets {
        plan.ensure(&Ns::HOST, Body::Route(end(subnet)))?;
    }
    passage(&mut plan, network)?;
    isolation(&mut plan, network, Open::Lan)?;
    Ok(plan)
}

/// `ip route add unreachable SUBNET metric 4294967295`
fn end(subnet: &Subnet) -> Route {
    Route {
        key: RouteKey::new(table::MAIN, subnet.net, LAST),
        kind: RouteKind::Unreachable,
        hops: Vec::new(),
        scope: Scope::GLOBAL,
        proto: proto::ROPEWALK,
        prefsrc: None,
        mtu: None,
        advmss: None,
        derived: false,
    }
}

/// A veth pair, the gateway on its host end, a host route to each address and the way out.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    // Before the leg, so that it is never there without.
    if let Some((mac, addresses)) = wiring.own() {
        for element in firewall::routed_leg(&wiring.leg, mac, &addresses) {
            plan.create(&Ns::HOST, element)?;
        }
    }
    plan.extend(wiring.pair(None)?)?;
    plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(&wiring.leg, "accept_ra"), "0"))?;
    for net in &wiring.addresses {
        one(&mut plan, wiring, net.addr())?;
    }
    Ok(plan)
}

fn one(plan: &mut Plan, wiring: &Wiring<'_>, ip: IpAddr) -> Result<(), Duplicate> {
    wiring.address(plan, IpNet::from(ip))?;
    let to_ip = RouteKey::main(IpNet::from(ip));
    let route = Route::unicast(to_ip, wiring.leg.clone(), None);
    let Some(gateway) = wiring.gateway(ip) else { return Ok(()) };
    let address = Body::Addr(Addr::global(wiring.leg.clone(), IpNet::from(gateway)));
    if !plan.states(&address.id().at(Ns::HOST)) {
        plan.create(&Ns::HOST, address)?;
        let to_gateway = RouteKey::main(IpNet::from(gateway));
        let link = Route::unicast(to_gateway, wiring.ifname.clone(), None);
        plan.create(&wiring.ns, Body::Route(link))?;
    }
    plan.create(&Ns::HOST, Body::Route(route))?;
    wiring.default_route(plan, gateway)
}
