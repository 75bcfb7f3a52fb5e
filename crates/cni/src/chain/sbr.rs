//! `sbr`: what the container sends from an address leaves by the interface of this address.
//!
//!     from 10.9.0.2 lookup 100      table 100: 10.9.0.0/24 dev net1, default via 10.9.0.1 dev net1
//!
//! The routes of the interface go from the main table to one for each of its addresses, from 100
//! up; DEL puts them back. Link-local routes stay.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Body, Fact, Id, IfName, Ns, Route, RouteKey, RouteKind, Rule, RuleAction, Snapshot, proto,
    table,
};
use ropewalk_plan::{Duplicate, Plan, Step};
use ropewalk_topology::{HostFacts, Wiring};

use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::net::Task;
use crate::outcome::{Ip, Outcome};

/// The first table that is taken.
const FIRST: u32 = 100;
/// Before the rule that leads to the main table (`fib_default_rules_init`, net/ipv4/fib_rules.c).
const PRIORITY: u32 = 32_765;

/// What the configuration asks for.
#[derive(Debug)]
struct Wishes {
    table: Option<u32>,
    gateways: Vec<IpAddr>,
    hints: bool,
}

/// One address of the interface.
#[derive(Clone, Copy, Debug)]
struct Source {
    ip: IpAddr,
    gateway: Option<IpAddr>,
}

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let wishes = Wishes::read(task.conf)?;
    let Link { whom, bare, outcome, .. } = Link::of(task)?;
    let source = |ip: &Ip| Source { ip: ip.address.addr(), gateway: wishes.gateway(ip) };
    let told = outcome.ips.iter().filter(|ip| bare.addresses.contains(&ip.address));
    let sources: Vec<Source> = told.map(source).collect();
    if sources.is_empty() {
        let what = "sbr: the interface has no address in prevResult";
        return Err(Fault::new(Code::Config, what));
    }
    let (ns, found) = task.engine.look_inside(&bare.sandbox)?;
    let asked = format!("{wishes:?} {sources:?}");
    let draw = |_: &Wiring<'_>, _: &HostFacts| -> Result<Plan, Duplicate> {
        plan(&wishes, &sources, &whom.ifname, &ns, &found)
    };
    let mut amendment = amendment("sbr", asked);
    amendment.draw = &draw;
    task.engine.amend(&whom, &bare, &amendment)?;
    Ok(outcome)
}

impl Wishes {
    fn read(conf: &Conf) -> Result<Self, Fault> {
        let config = |what: String| Fault::new(Code::Config, format!("sbr: {what}"));
        let gateway = |text: String| {
            text.parse().map_err(|_| config(format!("gateways: {text:?} is no address")))
        };
        let texts = conf.fields.texts("gateways")?;
        let gateways: Vec<IpAddr> = texts.into_iter().map(gateway).collect::<Result<_, _>>()?;
        let of = |v4: bool| gateways.iter().filter(|ip| ip.is_ipv4() == v4).count();
        if of(true) > 1 || of(false) > 1 {
            return Err(config("gateways: one of each family at most".into()));
        }
        let number = conf.fields.number("table")?.map(u32::try_from).transpose();
        Ok(Self {
            table: number.map_err(|_| config("table: it is out of range".into()))?,
            gateways,
            hints: conf.fields.truth("addSourceHints")? == Some(true),
        })
    }

    fn gateway(&self, ip: &Ip) -> Option<IpAddr> {
        let v4 = ip.address.addr().is_ipv4();
        self.gateways.iter().copied().find(|gateway| gateway.is_ipv4() == v4).or(ip.gateway)
    }
}

/// Tables, rules, and the end of what was in the main table, in this order: a gateway is found by
/// the route to it.
fn plan(
    wishes: &Wishes,
    sources: &[Source],
    ifname: &IfName,
    ns: &Ns,
    found: &Snapshot,
) -> Result<Plan, Duplicate> {
    let all: Vec<&Route> = found.of(ns).filter_map(|fact| fact.body.as_route()).collect();
    let own: Vec<&Route> = all.iter().copied().filter(|route| is_moved(route, ifname)).collect();
    let mut used: Vec<u32> = all.iter().map(|route| route.key.table).collect();
    used.extend(found.of(ns).filter_map(looked_up));
    let mut plan = Plan::new();
    let mut next = wishes.table.unwrap_or(FIRST);
    for (at, source) in sources.iter().enumerate() {
        while used.contains(&next) && (at > 0 || wishes.table.is_none()) {
            next = next.saturating_add(1);
        }
        used.push(next);
        for route in routes(source, next, &own, ifname, wishes.hints) {
            let body = Body::Route(route);
            if !plan.states(&body.id().at(ns.clone())) {
                plan.create(ns, body)?;
            }
        }
        plan.create(ns, Body::Rule(rule(source.ip, next)))?;
    }
    for route in by_way(&own, true).chain(by_way(&own, false)) {
        plan.push(Step::Absent(Id::Route(route.key.clone()).at(ns.clone())))?;
    }
    Ok(plan)
}

/// The routes of one address in its table, those to gateways first.
fn routes(source: &Source, table: u32, own: &[&Route], dev: &IfName, hints: bool) -> Vec<Route> {
    let default = |route: &Route| route.key.dst.prefix_len() == 0;
    let fits = |route: &&&Route| {
        let family = route.key.dst.addr().is_ipv4() == source.ip.is_ipv4();
        let mine = route.prefsrc.is_none_or(|ip| ip == source.ip);
        family && mine && !(default(route) && source.gateway.is_some())
    };
    let mine: Vec<&Route> = own.iter().filter(fits).copied().collect();
    let copy = |route: &Route| Route {
        key: RouteKey { table, ..route.key.clone() },
        proto: proto::BOOT,
        prefsrc: if hints { Some(source.ip) } else { route.prefsrc },
        derived: false,
        ..route.clone()
    };
    let mut made: Vec<Route> = by_way(&mine, false).map(copy).collect();
    if let Some(gateway) = source.gateway {
        let everything = RouteKey::new(table, everything(source.ip), 0);
        let mut route = Route::unicast(everything, dev.clone(), Some(gateway));
        route.proto = proto::BOOT;
        route.prefsrc = hints.then_some(source.ip);
        made.push(route);
    }
    made.extend(by_way(&mine, true).map(copy));
    made
}

/// Those that lead by a gateway, or those that do not.
fn by_way<'a>(routes: &[&'a Route], via: bool) -> impl Iterator<Item = &'a Route> {
    let has = move |route: &&Route| route.hops.iter().any(|hop| hop.via.is_some()) == via;
    routes.iter().copied().filter(has)
}

/// Unicast routes of the main table that lead by the interface alone.
fn is_moved(route: &Route, ifname: &IfName) -> bool {
    let link_local = match route.key.dst {
        IpNet::V6(net) => net.addr().is_unicast_link_local() || net.addr().is_multicast(),
        IpNet::V4(_) => false,
    };
    let by_it = route.hops.iter().all(|hop| hop.dev.as_ref() == Some(ifname));
    let unicast = route.kind == RouteKind::Unicast && !route.hops.is_empty();
    route.key.table == table::MAIN && unicast && by_it && !link_local
}

/// The table that a rule leads to.
fn looked_up(fact: &Fact) -> Option<u32> {
    let Body::Rule(Rule { action: RuleAction::Lookup(table), .. }) = &fact.body else {
        return None;
    };
    Some(*table)
}

fn rule(from: IpAddr, table: u32) -> Rule {
    Rule {
        v6: from.is_ipv6(),
        priority: PRIORITY,
        from: Some(IpNet::from(from)),
        to: None,
        iif: None,
        oif: None,
        mark: None,
        ipproto: None,
        sport: None,
        dport: None,
        not: false,
        suppress: None,
        action: RuleAction::Lookup(table),
        proto: proto::BOOT,
    }
}

fn everything(like: IpAddr) -> IpNet {
    match like {
        IpAddr::V4(_) => ipnet::Ipv4Net::default().into(),
        IpAddr::V6(_) => ipnet::Ipv6Net::default().into(),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that fails says so")]
mod tests {
    use super::*;

    fn route(to: &str, via: Option<&str>, metric: u32) -> Fact {
        let key = RouteKey::new(table::MAIN, to.parse().unwrap(), metric);
        let dev = IfName::new("net1").unwrap();
        let route = Route::unicast(key, dev, via.map(|ip| ip.parse().unwrap()));
        let derived = via.is_none();
        Body::Route(Route { derived, ..route }).at(Ns::HOST)
    }

    fn told(table: Option<u32>, found: &[Fact]) -> Vec<String> {
        let wishes = Wishes { table, gateways: Vec::new(), hints: true };
        let sources = ["10.9.0.2", "fd00:9::2"].map(|ip| {
            let ip: IpAddr = ip.parse().unwrap();
            let gateway = ip.is_ipv4().then(|| "10.9.0.1".parse().unwrap());
            Source { ip, gateway }
        });
        let found: Snapshot = found.iter().cloned().collect();
        let dev = IfName::new("net1").unwrap();
        let plan = plan(&wishes, &sources, &dev, &Ns::HOST, &found).unwrap();
        let word = |step: &Step| match step {
            Step::Create(fact) | Step::Ensure(fact) => format!("+ {}", fact.key()),
            Step::Absent(key) => format!("- {key}"),
        };
        plan.steps().iter().map(word).collect()
    }

    #[test]
    fn routes_go_to_a_table_for_each_address() {
        let found = [
            route("10.9.0.0/24", None, 0),
            route("0.0.0.0/0", Some("10.9.0.1"), 1),
            route("fd00:9::/64", None, 256),
            route("fe80::/64", None, 256),
            Body::Rule(rule("10.0.0.1".parse().unwrap(), 101)).at(Ns::HOST),
        ];
        let all = told(None, &found).join("\n");
        assert!(all.contains("lookup 100") && all.contains("lookup 102"), "{all}");
        assert!(!all.contains("fe80"), "{all}");
        assert_eq!(all.matches("- ").count(), 3, "{all}");
        let first = told(Some(101), &found).join("\n");
        assert!(first.contains("lookup 101") && first.contains("lookup 102"), "{first}");
    }
}
