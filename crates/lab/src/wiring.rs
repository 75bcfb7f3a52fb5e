//! The cables of a lab, as a plan.
//!
//!     lan:wan  br0 ─ h1-eth0 ~~~ eth0  h1       one veth pair for each interface
//!              └──── h2-eth0 ~~~ eth0  h2       `lo` is up everywhere
//!
//! The plan speaks of namespaces that are there and new; what it calls them is said by [`host`],
//! [`container`] and [`lan`].  Never here: making namespaces, the kernel.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, IfName, Link, LinkKind, NameError, Ns, Peer, Route, RouteKey, Sysctl, SysctlPath,
    proto,
};
use ropewalk_plan::{Duplicate, Plan};

use crate::model::{Host, Lab, Nic};
use crate::name::Name;

/// The bridge in the namespace of a LAN.
const BRIDGE: &str = "br0";

/// Why a lab has no plan. A lab that was parsed has one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WiringError {
    /// A name that no interface can have.
    #[error("an interface of the lab cannot be named so: {0}")]
    Name(NameError),
    /// Two cables of one name.
    #[error(transparent)]
    Duplicate(#[from] Duplicate),
}

impl From<NameError> for WiringError {
    fn from(e: NameError) -> Self {
        Self::Name(e)
    }
}

/// What the plan calls the namespace of a host.
#[must_use]
pub fn host(name: &Name) -> Ns {
    Ns::new(name.as_str())
}

/// What the plan calls the namespace of a container.
#[must_use]
pub fn container(host: &Name, name: &Name) -> Ns {
    Ns::new(format!("{host}/{name}"))
}

/// What the plan calls the namespace of a LAN.
#[must_use]
pub fn lan(name: &Name) -> Ns {
    Ns::new(format!("lan:{name}"))
}

/// Everything that a lab's namespaces hold when it comes up.
///
/// # Errors
/// Only for a lab that was not parsed but put together otherwise.
pub fn wiring(lab: &Lab) -> Result<Plan, WiringError> {
    let mut plan = Plan::new();
    for l in &lab.lans {
        loopback(&mut plan, &lan(&l.name))?;
        plan.create(&lan(&l.name), Body::Link(Link::up(IfName::new(BRIDGE)?, LinkKind::Bridge)))?;
    }
    for h in &lab.hosts {
        wire_host(&mut plan, h)?;
    }
    Ok(plan)
}

fn wire_host(plan: &mut Plan, h: &Host) -> Result<(), WiringError> {
    let ns = host(&h.name);
    loopback(plan, &ns)?;
    for c in &h.containers {
        loopback(plan, &container(&h.name, &c.name))?;
    }
    for nic in &h.nics {
        plug(plan, h, nic)?;
    }
    for bridge in &h.bridges {
        plan.create(&ns, Body::Link(Link::up(bridge.name.clone(), LinkKind::Bridge)))?;
        for net in &bridge.addrs {
            plan.create(&ns, Body::Addr(Addr::global(bridge.name.clone(), *net)))?;
        }
    }
    if h.forward {
        for path in [SysctlPath::ip_forward(), SysctlPath::ip6_forward()] {
            plan.ensure(&ns, Body::Sysctl(Sysctl { path, value: "1".into() }))?;
        }
    }
    let default = |via: &IpAddr| match via {
        IpAddr::V4(_) => IpNet::new_assert(Ipv4Addr::UNSPECIFIED.into(), 0),
        IpAddr::V6(_) => IpNet::new_assert(Ipv6Addr::UNSPECIFIED.into(), 0),
    };
    for via in &h.gateways {
        route(plan, h, default(via), *via)?;
    }
    h.routes.iter().try_for_each(|(dst, via)| route(plan, h, *dst, *via))
}

fn loopback(plan: &mut Plan, ns: &Ns) -> Result<(), WiringError> {
    plan.ensure(ns, Body::Link(Link::up(IfName::new("lo")?, LinkKind::Loopback)))?;
    Ok(())
}

/// A cable from the host to the LAN's bridge, and the addresses of the host's end.
fn plug(plan: &mut Plan, h: &Host, nic: &Nic) -> Result<(), WiringError> {
    let (here, there) = (host(&h.name), lan(&nic.lan));
    let far = IfName::new(format!("{}-{}", h.name, nic.name))?;
    let end = |ns: &Ns, name: &IfName| Some(Peer { ns: ns.clone(), name: name.clone() });
    let kind = LinkKind::Veth { peer: end(&there, &far) };
    plan.create(&here, Body::Link(Link::up(nic.name.clone(), kind)))?;
    let kind = LinkKind::Veth { peer: end(&here, &nic.name) };
    let member = Link { master: Some(IfName::new(BRIDGE)?), ..Link::up(far, kind) };
    plan.ensure(&there, Body::Link(member))?;
    for net in &nic.addrs {
        plan.create(&here, Body::Addr(Addr::global(nic.name.clone(), *net)))?;
    }
    Ok(())
}

/// A route as a person makes it: the host's ropewalk leaves it alone.
fn route(plan: &mut Plan, h: &Host, dst: IpNet, via: IpAddr) -> Result<(), WiringError> {
    let near = |nic: &&Nic| nic.addrs.iter().any(|net| net.contains(&via));
    let Some(nic) = h.nics.iter().find(near) else { return Ok(()) };
    let route = Route::unicast(RouteKey::main(dst), nic.name.clone(), Some(via));
    plan.create(&host(&h.name), Body::Route(Route { proto: proto::STATIC, ..route }))?;
    Ok(())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]
mod tests {
    use ropewalk_facts::{Id, Snapshot};
    use ropewalk_plan::predict;

    use super::*;

    const LAB: &str = r#"
name = "pair"
lan.wan.subnet = ["203.0.113.0/24", "2001:db8::/64"]
[host.router]
nic.eth0 = { lan = "wan", ip = ["203.0.113.1", "2001:db8::1"] }
forward = true
[host.h1]
nic.eth0 = { lan = "wan", ip = ["203.0.113.10", "2001:db8::10"] }
gateway = ["203.0.113.1", "2001:db8::1"]
routes = { "10.9.0.0/24" = "203.0.113.20" }
container.red = {}
"#;

    #[test]
    fn a_plan_holds_the_whole_lab() {
        let plan = wiring(&Lab::parse("pair.toml", LAB).unwrap()).unwrap();
        let mut found = Snapshot::default();
        predict(&plan, &mut found).unwrap();
        let in_ns = |ns: &Ns| found.of(ns).map(|f| f.key().to_string()).collect::<Vec<_>>();
        let all = [
            in_ns(&lan(&"wan".parse().unwrap())),
            in_ns(&Ns::new("h1")),
            in_ns(&Ns::new("h1/red")),
        ];
        expect_test::expect![[r#"
            [
                [
                    "link br0 in lan:wan",
                    "link h1-eth0 in lan:wan",
                    "link lo in lan:wan",
                    "link router-eth0 in lan:wan",
                    "member h1-eth0 in lan:wan",
                    "member router-eth0 in lan:wan",
                ],
                [
                    "link eth0 in h1",
                    "link lo in h1",
                    "address 203.0.113.10/24 dev eth0 in h1",
                    "address 2001:db8::10/64 dev eth0 in h1",
                    "route default in h1",
                    "route 10.9.0.0/24 in h1",
                    "route ::/0 in h1",
                ],
                [
                    "link lo in h1/red",
                ],
            ]"#]]
        .assert_eq(&format!("{all:#?}"));
    }

    #[test]
    fn its_routes_are_not_ropewalks() {
        let plan = wiring(&Lab::parse("pair.toml", LAB).unwrap()).unwrap();
        let mut found = Snapshot::default();
        predict(&plan, &mut found).unwrap();
        let default = found.fact(&Id::Route(RouteKey::default_v6()).at(Ns::new("h1"))).unwrap();
        assert_eq!(default.body.as_route().unwrap().proto, proto::STATIC);
    }
}
