//! The uplink topology: the host's NIC is a port of a bridge, and sandboxes are ports beside it.
//!
//!     LAN ── eth1 ─────────────────────────┐
//!     sandbox eth0 192.168.2.50/24 ── leg ─┴ rw-lan 192.168.2.10/24 ── the host
//!
//! All that hung on the NIC moves to the bridge, which has the NIC's hardware address, so that the
//! LAN sees no difference. Nothing is without a way at any time: addresses stand on the bridge
//! before the NIC joins it, routes lead over the bridge before the NIC's addresses go. The other
//! way round when it is undone.  Never here: asking whether the host is still reachable.

use ropewalk_facts::{Body, Id, IfName, Link, LinkKind, Ns, Snapshot, Sysctl, SysctlPath, proto};
use ropewalk_plan::{Change, Duplicate, Plan, Step};
use ropewalk_spec::{Network, names};

use crate::bridge::bridge_name;
use crate::firewall;
use crate::nic::{Nic, moved};
use crate::wiring::{HostFacts, Wiring, setting};

/// The bridge, and what the NIC had on it. Nothing without a NIC.
pub(crate) fn network(network: &Network, host: &HostFacts) -> Result<Plan, Duplicate> {
    let bridge = bridge_name(network, None);
    let mut plan = firewall::base()?;
    let Some(nic) = &host.nic else { return Ok(plan) };
    let name = &nic.link.name;
    let mut link = Link::up(bridge.clone(), LinkKind::Bridge);
    (link.mac, link.mtu) = (nic.link.mac, nic.link.mtu);
    link.altnames.insert(names::bridge_altname(&network.name));
    link.group = names::group(&network.name);
    plan.ensure(&Ns::HOST, Body::Link(link))?;
    if network.joins.host {
        plan.ensure(&Ns::HOST, firewall::hosted(names::group(&network.name)))?;
    }
    settings(&mut plan, nic, &bridge)?;
    let on_bridge = |body: &Body| moved(body, name, &bridge);
    let addresses: Vec<&Body> = nic.bodies.iter().filter(|b| b.as_addr().is_some()).collect();
    for address in &addresses {
        plan.ensure(&Ns::HOST, on_bridge(address))?;
    }
    // A NIC is never made: of a pair no other end is said.
    let pair = matches!(nic.link.kind, LinkKind::Veth { .. });
    let kind = if pair { LinkKind::Veth { peer: None } } else { nic.link.kind.clone() };
    let port = Link::up(name.clone(), kind);
    plan.ensure(&Ns::HOST, Body::Link(Link { master: Some(bridge.clone()), ..port }))?;
    for body in nic.bodies.iter().filter(|b| b.as_addr().is_none()) {
        plan.ensure(&Ns::HOST, on_bridge(body))?;
        if body.as_route().is_none() {
            plan.push(Step::Absent(body.id().at(Ns::HOST)))?;
        }
    }
    for address in addresses.iter().rev() {
        plan.push(Step::Absent(address.id().at(Ns::HOST)))?;
    }
    if nic.v6 {
        // A port needs no address, and has the bridge's.
        plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(name, "disable_ipv6"), "1"))?;
    }
    Ok(plan)
}

/// The NIC's settings. The link-local address that the kernel makes for the bridge is the NIC's,
/// and is not checked for duplicates: a second in which neighbours are not asked for.
fn settings(plan: &mut Plan, nic: &Nic, bridge: &IfName) -> Result<(), Duplicate> {
    for Sysctl { path, value } in &nic.settings {
        let path =
            path.as_str().replacen(&format!("/{}/", nic.link.name), &format!("/{bridge}/"), 1);
        if let Ok(path) = SysctlPath::new(path) {
            plan.ensure(&Ns::HOST, setting(path, value))?;
        }
    }
    if nic.v6 {
        plan.ensure(&Ns::HOST, setting(SysctlPath::conf6(bridge, "accept_dad"), "0"))?;
    }
    Ok(())
}

/// A veth pair with its host end on the bridge, addresses, and default routes by the LAN's routers.
pub(crate) fn attach(wiring: &Wiring<'_>) -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    // Before the leg, so that it is never there without.
    let bridge = bridge_name(wiring.network, None);
    let guest = firewall::guest(&bridge, &wiring.leg, wiring.mac);
    for element in protection(wiring).into_iter().chain(guest) {
        plan.create(&Ns::HOST, element)?;
    }
    plan.extend(wiring.pair(Some(bridge))?)?;
    for net in &wiring.addresses {
        wiring.address(&mut plan, *net)?;
    }
    for net in &wiring.addresses {
        if let Some(via) = wiring.gateway(net.addr()) {
            wiring.default_route(&mut plan, via)?;
        }
    }
    Ok(plan)
}

/// A sandbox that gets its addresses from the LAN by itself is held to its hardware address alone.
fn protection(wiring: &Wiring<'_>) -> Vec<Body> {
    match wiring.own() {
        None => Vec::new(),
        Some((mac, addresses)) if addresses.is_empty() && !wiring.network.dhcp => {
            firewall::wire_leg(&wiring.leg, mac)
        }
        Some((mac, addresses)) => firewall::bridged_leg(&wiring.leg, mac, &addresses),
    }
}

/// What of `plan` holds for good: not that an address is there which has an end.
#[must_use]
pub fn lasting(plan: Plan) -> Plan {
    let ends = |step: &Step| match step {
        Step::Ensure(fact) | Step::Create(fact) => {
            fact.body.as_addr().is_some_and(|addr| addr.lifetime.is_some())
        }
        Step::Absent(_) => false,
    };
    let steps: Vec<Step> = Vec::from(plan).into_iter().filter(|step| !ends(step)).collect();
    // The keys of a plan are unique, so these are.
    Plan::try_from(steps).unwrap_or_default()
}

/// The `changes` that moved everything from `nic` to `bridge`, as they would have been for what is
/// on the bridge now: what came to it meanwhile goes to the NIC as well when they are undone, and
/// an address that has an end lasts as long as it does now.
#[must_use]
pub fn up_to_date(
    changes: &[Change],
    found: &Snapshot,
    bridge: &IfName,
    nic: &IfName,
) -> Vec<Change> {
    let now = Nic::of(found, bridge).map(|bridge| bridge.bodies).unwrap_or_default();
    let ours = |body: &Body| body.as_route().is_some_and(|x| x.proto == proto::ROPEWALK);
    let told =
        |id: &Id| changes.iter().any(|change| change.key.ns.is_host() && change.key.id == *id);
    let mut all = Vec::new();
    // What depends on others goes first, so that it comes last when this is undone.
    for body in now.iter().rev().filter(|body| !ours(body) && !told(&body.id())) {
        let before = moved(body, bridge, nic);
        let (old, new) = (before.at(Ns::HOST), body.clone().at(Ns::HOST));
        if old.key() == new.key() {
            let key = new.key();
            all.push(Change { key, old: Some(old), new: Some(new), implied: false });
        } else {
            all.extend([Change::made(new), Change::gone(old)]);
        }
    }
    all.extend(changes.iter().filter_map(|change| renewed(change, &now, bridge, nic)));
    all.sort_by_key(|change| phase(change, nic));
    all
}

/// `change`, with the end that its address has now; none when that is over.
fn renewed(change: &Change, now: &[Body], bridge: &IfName, nic: &IfName) -> Option<Change> {
    let address = |change: &Change| change.old.as_ref()?.body.as_addr().cloned();
    let Some(old) = address(change).filter(|x| x.key.dev == *nic && x.lifetime.is_some()) else {
        return Some(change.clone());
    };
    let there = moved(&Body::Addr(old.clone()), nic, bridge).id();
    let found = now.iter().find(|body| body.id() == there)?.as_addr()?;
    let old = Body::Addr(ropewalk_facts::Addr { lifetime: found.lifetime, ..old }).at(Ns::HOST);
    Some(Change { old: Some(old), ..change.clone() })
}

/// When in the course of the move something is done.
fn phase(change: &Change, nic: &IfName) -> u8 {
    let of_nic = |id: &Id| matches!(id, Id::Sysctl(path) if path.dev().as_ref() == Some(nic));
    let id = &change.key.id;
    match () {
        () if matches!(id, Id::Route(_)) => 1,
        () if matches!(id, Id::Rule(_)) => 2,
        () if matches!(id, Id::Neigh(_)) => 3,
        () if matches!(id, Id::Addr(_)) && change.removes() => 4,
        () if of_nic(id) => 5,
        () => 0,
    }
}

/// The changes that may have made `bridge` out of `nic`, for one of which nothing is written down.
#[must_use]
pub fn supposed(bridge: &Link, nic: &Link) -> Vec<Change> {
    let port = Body::Link(nic.clone()).at(Ns::HOST);
    let free = Body::Link(Link { master: None, ..nic.clone() }).at(Ns::HOST);
    let v6 = |value| setting(SysctlPath::conf6(&nic.name, "disable_ipv6"), value).at(Ns::HOST);
    let change = |old: ropewalk_facts::Fact, new: ropewalk_facts::Fact| Change {
        key: new.key(),
        old: Some(old),
        new: Some(new),
        implied: false,
    };
    vec![
        Change::made(Body::Link(bridge.clone()).at(Ns::HOST)),
        change(free, port),
        change(v6("0"), v6("1")),
    ]
}
