//! `vrf`: the interface is in a routing domain of its own, inside the container.
//!
//!     {"vrfname": "red", "table": 321}
//!
//! The domain is made with the first interface, with the first table that is free where none is
//! said, and goes with the last. The interface keeps its addresses; its routes are in that table.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_engine::{Manner, Whom};
use ropewalk_facts::{
    Addr, Body, Fact, Id, IfName, Link as Device, LinkKind, Ns, Route, RouteKey, RouteKind,
    Snapshot, proto, table,
};
use ropewalk_plan::{Duplicate, Plan, Step};
use ropewalk_topology::{HostFacts, Wiring};

use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::net::Task;
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let (name, wanted) = (name(task.conf)?, number(task.conf)?);
    let Link { whom, bare, outcome, .. } = Link::of(task)?;
    let (ns, found) = task.engine.look_inside(&bare.sandbox)?;
    lives_alone(&ns, &found, &whom.ifname, &name)?;
    let domain = task.engine.domain(&bare.sandbox, &name, wanted)?;
    let draw = |_: &Wiring<'_>, _: &HostFacts| -> Result<Plan, Duplicate> {
        plan(&domain, &whom.ifname, &ns, &found)
    };
    let mut amendment = amendment("vrf", format!("{name} {:?}", domain.kind));
    amendment.manner = Manner { master: Some(name.clone()), ..Manner::default() };
    amendment.draw = &draw;
    match task.engine.amend(&whom, &bare, &amendment) {
        Ok(()) => Ok(outcome),
        Err(fault) => {
            task.engine.drop_domain(&bare.sandbox, &name)?;
            Err(fault.into())
        }
    }
}

/// DEL, what the record has being gone: where there was none, another's plugin may have put it
/// there. The domain goes when nothing is in it.
pub(crate) fn del(task: &mut Task<'_>, whom: &Whom, recorded: bool) -> Result<(), Fault> {
    let name = name(task.conf)?;
    if task.call.netns.is_none() {
        return Ok(());
    }
    let sandbox = task.sandbox()?;
    if !recorded {
        task.engine.leave_domain(&sandbox, &whom.ifname, &name)?;
    }
    Ok(task.engine.drop_domain(&sandbox, &name)?)
}

fn name(conf: &Conf) -> Result<IfName, Fault> {
    let text = conf.fields.text("vrfname")?;
    let odd = |why: String| Fault::new(Code::Config, format!("vrf: vrfname {text:?}: {why}"));
    IfName::new(text.as_str()).map_err(|why| odd(why.to_string()))
}

/// `table`; 0 says nothing.
fn number(conf: &Conf) -> Result<Option<u32>, Fault> {
    let number = conf.fields.number("table")?.filter(|table| *table != 0);
    let odd = |_| Fault::new(Code::Config, "vrf: table is out of range");
    number.map(u32::try_from).transpose().map_err(odd)
}

/// Refuses an interface that has another master.
fn lives_alone(ns: &Ns, found: &Snapshot, dev: &IfName, vrf: &IfName) -> Result<(), Fault> {
    let key = Id::Link(dev.clone()).at(ns.clone());
    let link = found.fact(&key).and_then(|fact| fact.body.as_link());
    match link.and_then(|link| link.master.as_ref()) {
        Some(master) if master != vrf => {
            let what = format!("vrf: interface {dev} has already a master set: {master}");
            Err(Fault::new(Code::Config, what))
        }
        Some(_) | None => Ok(()),
    }
}

/// The domain; what the interface loses when it comes to it; its routes in the domain's table.
fn plan(domain: &Device, dev: &IfName, ns: &Ns, found: &Snapshot) -> Result<Plan, Duplicate> {
    let LinkKind::Vrf { table } = domain.kind else { return Ok(Plan::new()) };
    let mut plan = Plan::new();
    plan.ensure(ns, Body::Link(domain.clone()))?;
    let addrs = found.of(ns).filter_map(|fact| fact.body.as_addr());
    for addr in addrs.filter(|addr| is_lost(addr, dev)) {
        // It was looked for on the link before, if that was asked for.
        plan.ensure(ns, Body::Addr(Addr { nodad: true, ..addr.clone() }))?;
    }
    let routes: Vec<&Route> =
        found.of(ns).filter_map(route).filter(|route| is_moved(route, dev)).collect();
    for via in [false, true] {
        for route in routes.iter().filter(|route| by_gateway(route) == via) {
            plan.push(Step::Absent(Id::Route(route.key.clone()).at(ns.clone())))?;
            let key = RouteKey { table, ..route.key.clone() };
            let made = Route { key, proto: proto::BOOT, ..(*route).clone() };
            plan.ensure(ns, Body::Route(made))?;
        }
    }
    Ok(plan)
}

/// Addresses of IPv6, but for those that the kernel makes again.
fn is_lost(addr: &Addr, dev: &IfName) -> bool {
    let own = match addr.key.net {
        IpNet::V6(net) => !net.addr().is_unicast_link_local(),
        IpNet::V4(_) => false,
    };
    addr.key.dev == *dev && own && !addr.derived
}

fn route(fact: &Fact) -> Option<&Route> {
    fact.body.as_route()
}

/// Routes that somebody has made by the interface alone.
fn is_moved(route: &Route, dev: &IfName) -> bool {
    let mut hops = route.hops.iter();
    let by_it = !route.hops.is_empty() && hops.all(|hop| hop.dev.as_ref() == Some(dev));
    let made = !route.derived && route.proto != proto::KERNEL;
    let multicast = IpAddr::is_multicast(&route.key.dst.addr());
    let unicast = route.kind == RouteKind::Unicast && !multicast;
    route.key.table == table::MAIN && by_it && made && unicast
}

fn by_gateway(route: &Route) -> bool {
    route.hops.iter().any(|hop| hop.via.is_some())
}
