//! Addresses, routes and policy rules.
//!
//!     ip addr add|del NET dev DEV · ip route add|replace|del … · ip rule del pref N
//!
//! A route that is replaced is as the command says and no more: what it leaves out is gone.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, Id, IfName, Key, NextHop, Ns, Route, RouteKey, RouteKind, Scope, Sysctl,
    SysctlPath, proto, table,
};
use ropewalk_plan::Change;

use super::words::Words;
use super::{ByHand, NO_WORDS, Read, Work};

impl Work {
    /// `ip addr add|del NET dev DEV [nodad]`
    pub(super) fn addr(&mut self, ns: &Ns, verb: &str, mut words: Words<'_>) -> Read {
        let net = network(words.next().ok_or(NO_WORDS)?)?;
        let mut dev = None;
        let mut nodad = false;
        while let Some(word) = words.next() {
            match word {
                "dev" => dev = words.next().and_then(|name| IfName::new(name).ok()),
                "nodad" => nodad = true,
                _ => return Err(NO_WORDS),
            }
        }
        let addr = Addr { nodad, ..Addr::global(dev.ok_or(NO_WORDS)?, net) };
        match verb {
            "add" => self.ensure(Body::Addr(addr).at(ns.clone())),
            "del" => self.absent(Id::Addr(addr.key).at(ns.clone())),
            _ => Err(NO_WORDS),
        }
    }

    pub(super) fn route(&mut self, ns: &Ns, v6: bool, verb: &str, mut words: Words<'_>) -> Read {
        let route = read(v6, &mut words)?;
        match verb {
            "del" => {
                let key = self.found(ns, &route).ok_or("there is no such route")?;
                self.absent(key)
            }
            "add" => self.ensure(Body::Route(route).at(ns.clone())),
            "replace" => self.exactly(Body::Route(route).at(ns.clone())),
            _ => Err(NO_WORDS),
        }
    }

    /// The route that a `del` means: of any metric, or kind, where it names none.
    fn found(&self, ns: &Ns, route: &Route) -> Option<Key> {
        let fits = |found: &&Route| {
            found.key.table == route.key.table
                && found.key.dst == route.key.dst
                && (route.kind == RouteKind::Unicast || found.kind == route.kind)
        };
        let all = self.now.of(ns).filter_map(|fact| fact.body.as_route()).filter(fits);
        let mut all: Vec<&Route> = all.collect();
        all.sort_by_key(|found| (found.key.metric != route.key.metric, found.key.metric));
        all.first().map(|found| Id::Route(found.key.clone()).at(ns.clone()))
    }

    /// `ip rule del pref N`
    pub(super) fn rule_del(&mut self, ns: &Ns, v6: bool, mut words: Words<'_>) -> Read {
        let ("pref", pref) = (words.next().unwrap_or_default(), words.read::<u32>()?) else {
            return Err(NO_WORDS);
        };
        let rules = self.now.of(ns).filter_map(|fact| match &fact.body {
            Body::Rule(rule) => Some(rule),
            _ => None,
        });
        let first = rules.into_iter().find(|rule| rule.v6 == v6 && rule.priority == pref);
        let rule = first.cloned().ok_or("there is no such rule")?;
        self.absent(Id::Rule(rule).at(ns.clone()))
    }

    /// `ip route flush cache`: what was learned of single addresses by redirects, which is no
    /// table's and comes again by itself.
    pub(super) fn forget_routes(&mut self, ns: &Ns, v6: bool, words: &Words<'_>) -> Read {
        if words.rest() != ["cache"] {
            return Err("ropewalk never flushes");
        }
        let path = if v6 { "net/ipv6/route/flush" } else { "net/ipv4/route/flush" };
        let path = SysctlPath::new(path).map_err(|_| NO_WORDS)?;
        let fact = Body::Sysctl(Sysctl { path, value: "1".to_owned() }).at(ns.clone());
        self.forget.push(Change::made(fact));
        Ok(())
    }
}

/// `10.0.0.1` is one address.
fn network(word: &str) -> Result<IpNet, ByHand> {
    let one = || word.parse::<IpAddr>().ok().map(IpNet::from);
    word.parse().ok().or_else(one).ok_or(NO_WORDS)
}

/// `[KIND] NET|default [via IP] [dev DEV] [src IP] [mtu N] [metric N] [table N] [nexthop …]…`
fn read(v6: bool, words: &mut Words<'_>) -> Result<Route, ByHand> {
    let mut kind = RouteKind::Unicast;
    let mut target = words.next().ok_or(NO_WORDS)?;
    for named in
        [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Throw]
    {
        if target == named.name() {
            kind = named;
            target = words.next().ok_or(NO_WORDS)?;
            break;
        }
    }
    let dst = if target == "default" { everything(v6) } else { network(target)? };
    let (mut metric, mut at, mut src, mut mtu) = (0, table::MAIN, None, None);
    let mut hops = vec![empty()];
    let mut several = false;
    while let Some(word) = words.next() {
        let Some(hop) = hops.last_mut() else { return Err(NO_WORDS) };
        match word {
            "via" => hop.via = Some(words.read()?),
            "dev" => hop.dev = words.next().and_then(|name| IfName::new(name).ok()),
            "onlink" => hop.onlink = true,
            "weight" => hop.weight = words.read()?,
            "metric" => metric = words.read()?,
            "table" => at = words.read()?,
            "src" => src = Some(words.read::<IpAddr>()?),
            "mtu" => mtu = Some(words.read()?),
            "nexthop" if several => hops.push(empty()),
            "nexthop" => several = true,
            _ => return Err(NO_WORDS),
        }
    }
    if kind != RouteKind::Unicast {
        hops.clear();
    }
    let near = hops.iter().all(|hop| hop.via.is_none()) && kind == RouteKind::Unicast;
    let scope = if near && dst.addr().is_ipv4() { Scope::LINK } else { Scope::GLOBAL };
    Ok(Route {
        key: RouteKey::new(at, dst, metric),
        kind,
        hops,
        nhid: None,
        scope,
        proto: proto::BOOT,
        prefsrc: src,
        mtu,
        advmss: None,
        derived: false,
    })
}

/// The prefix of all addresses of a family.
fn everything(v6: bool) -> IpNet {
    if v6 { ipnet::Ipv6Net::default().into() } else { ipnet::Ipv4Net::default().into() }
}

fn empty() -> NextHop {
    NextHop { via: None, dev: None, weight: 1, onlink: false }
}
