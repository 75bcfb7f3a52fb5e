//! Publishing: ports of the host that lead to a sandbox.
//!
//!     publish4: tcp . 8080 : 192.168.15.2 . 80      (any local address)
//!     publish_at4: 10.0.0.5 . tcp . 8080 : 192.168.15.2 . 80
//!
//! One element a port and family; the rules that look them up are the same few for everybody.

use std::net::{IpAddr, SocketAddr};

use ropewalk_facts::{Body, MemberFlags, Ns, SysctlPath};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Mode, Publish};

use crate::firewall;
use crate::wiring::{HostFacts, Wiring, setting};

/// The elements for `ports`, and what lets their packets turn round: hairpin mode on the bridge's
/// member where bridged packets pass the IP hooks, and `route_localnet` on a routed leg, so that
/// 127.0.0.1 works.
///
/// # Errors
/// [`Duplicate`] when one host port is given twice.
pub fn publish(
    wiring: &Wiring<'_>,
    ports: &[Publish],
    host: &HostFacts,
) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    if ports.is_empty() {
        return Ok(plan);
    }
    match &wiring.network.mode {
        Mode::Bridge { .. } | Mode::Vxlan(_) | Mode::Cni { bridge: Some(_) }
            if host.bridge_netfilter =>
        {
            plan.ensure(&Ns::HOST, hairpin(wiring))?;
        }
        // On a LAN of its own everything of a sandbox can be reached; the spec refuses ports.
        Mode::Bridge { .. }
        | Mode::Uplink { .. }
        | Mode::Direct(_)
        | Mode::Vxlan(_)
        | Mode::Cni { bridge: Some(_) } => {}
        Mode::Routed(_) | Mode::Flat { .. } | Mode::Cni { bridge: None } => {
            let path = SysctlPath::conf4(&wiring.leg, "route_localnet");
            plan.ensure(&Ns::HOST, setting(path, "1"))?;
        }
    }
    for port in ports {
        elements(&mut plan, wiring, port)?;
    }
    Ok(plan)
}

fn hairpin(wiring: &Wiring<'_>) -> Body {
    Body::Member(MemberFlags {
        dev: wiring.leg.clone(),
        hairpin: Some(true),
        isolated: None,
        learning: None,
        flood: None,
        neigh_suppress: None,
        vlans: None,
    })
}

/// One element for each port of the range and each family that both the host address and the
/// attachment have; the first address of a family is the one that is published.
fn elements(plan: &mut Plan, wiring: &Wiring<'_>, port: &Publish) -> Result<(), Duplicate> {
    let first = |v4: bool| wiring.addresses.iter().map(|n| n.addr()).find(|a| a.is_ipv4() == v4);
    let wanted = |to: &IpAddr| port.host.is_none_or(|at| at.is_ipv4() == to.is_ipv4());
    for to in [first(true), first(false)].into_iter().flatten().filter(wanted) {
        for (from, target) in port.pairs() {
            let to = SocketAddr::new(to, target);
            let at = port.host.filter(|ip| !ip.is_unspecified());
            let element = firewall::publish(port.proto.number(), at, from, to);
            if let Some(element) = element {
                plan.create(&Ns::HOST, element)?;
            }
        }
    }
    Ok(())
}
