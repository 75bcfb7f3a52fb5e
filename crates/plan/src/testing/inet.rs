//! Addresses and routes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use ropewalk_facts::{
    Addr, Body, Fact, Id, IfName, Link, LinkKind, NextHop, Ns, Route, RouteKey, RouteKind, Scope,
    SysctlPath, table,
};

use super::{Forge, Maker, create};
use crate::Step;
use crate::lineage::{leads_nowhere, route_devs};

pub(super) const BUILD: [Maker; 7] = [
    Forge::addr4,
    Forge::addr4,
    Forge::addr6,
    Forge::route,
    Forge::route,
    Forge::route,
    Forge::route_nowhere,
];

pub(super) const CHANGE: [Maker; 4] = [
    |forge| forge.drop_any(|_, x| x.body.as_addr().is_some()),
    |forge| forge.drop_any(|_, x| x.body.as_route().is_some()),
    Forge::other_way,
    Forge::second_address,
];

/// The least MTU for IPv6.
const V6_MIN_MTU: u32 = 1280;

impl Forge {
    /// True when a fact could be made as things stand: its gateways and its source are there.
    pub(super) fn reachable(&self, fact: &Fact) -> bool {
        let Some(route) = fact.body.as_route() else { return true };
        let source = route.prefsrc.is_none_or(|ip| {
            let mut addrs = self.world.of(&fact.ns).filter_map(|x| x.body.as_addr());
            addrs.any(|addr| addr.key.net.addr() == ip)
        });
        let up = |dev: &IfName| self.link_in(&fact.ns, dev).is_some_and(|link| link.up);
        let hops = route.hops.iter().all(|hop| {
            let direct = hop.onlink || hop.via.is_none_or(link_local);
            let dev = hop.dev.as_ref();
            direct
                || dev.is_some_and(|dev| hop.via.is_some_and(|ip| self.covers(&fact.ns, dev, ip)))
        });
        let stays = leads_nowhere(route.kind) || route.kind == RouteKind::Local;
        source && hops && (stays || route_devs(route).iter().all(up))
    }

    fn link_in(&self, ns: &Ns, dev: &IfName) -> Option<&Link> {
        self.world.fact(&Id::Link(dev.clone()).at(ns.clone()))?.body.as_link()
    }

    /// True when an address of the link has `ip` in its prefix, and is not `ip`.
    fn covers(&self, ns: &Ns, dev: &IfName, ip: IpAddr) -> bool {
        let addrs = self.world.of(ns).filter_map(|x| x.body.as_addr());
        let mut on_dev = addrs.filter(|addr| addr.key.dev == *dev);
        on_dev.any(|x| !x.noprefixroute && x.key.net.contains(&ip) && x.key.net.addr() != ip)
    }

    /// True when the link carries IPv6.
    pub(super) fn has_v6(&self, ns: &Ns, link: &Link) -> bool {
        let path = SysctlPath::conf6(&link.name, "disable_ipv6");
        let off = self.world.fact(&Id::Sysctl(path).at(ns.clone()));
        let off = off.and_then(|fact| fact.body.as_sysctl()).is_some_and(|x| x.value != "0");
        !off && link.mtu.is_none_or(|mtu| mtu >= V6_MIN_MTU)
    }

    /// True when the namespace has an IPv4 address. Without a table of local addresses the kernel
    /// takes every gateway for a broadcast one (`__inet_dev_addr_type`, net/ipv4/fib_frontend.c).
    fn has_v4(&self, ns: &Ns) -> bool {
        let mut addrs = self.world.of(ns).filter_map(|x| x.body.as_addr());
        addrs.any(|addr| addr.key.net.addr().is_ipv4())
    }

    fn net(&mut self, v6: bool, host: u8) -> Option<IpNet> {
        let [_, _, c, d] = self.next().to_be_bytes();
        Some(if v6 {
            let ip = Ipv6Addr::new(0xfd00, 0, u16::from(c), u16::from(d), 0, 0, 0, host.into());
            IpNet::V6(Ipv6Net::new(ip, 64).ok()?)
        } else {
            IpNet::V4(Ipv4Net::new(Ipv4Addr::new(10, c, d, host), 24).ok()?)
        })
    }

    /// Not a first address where routes and neighbours are: they would go with it when it is
    /// taken back.
    fn addr4(&mut self) -> Option<Vec<Step>> {
        let (ns, link) = self.any_link(|forge, ns, l| {
            !forge.world.of(ns).any(|x| {
                let v4 = |route: &&Route| route.key.dst.addr().is_ipv4();
                let route = x.body.as_route().filter(v4);
                route.is_some_and(|x| route_devs(x).contains(&l.name))
                    || x.body.as_neigh().is_some_and(|n| n.key.ip.is_ipv4() && n.key.dev == l.name)
            })
        })?;
        let mut addr = Addr::global(link.name, self.net(false, 1)?);
        if self.dice.chance(20) {
            addr.key.net = IpNet::new(addr.key.net.addr(), 32).ok()?;
            addr.scope = Scope::LINK;
        }
        addr.noprefixroute = self.dice.chance(15);
        create(&ns, Body::Addr(addr))
    }

    fn addr6(&mut self) -> Option<Vec<Step>> {
        let (ns, link) = self.any_link(|forge, ns, l| l.up && forge.has_v6(ns, l))?;
        let mut addr = Addr::global(link.name, self.net(true, 1)?);
        addr.noprefixroute = self.dice.chance(15);
        create(&ns, Body::Addr(addr))
    }

    /// Another address in the subnet of an IPv4 address of the same link.
    fn second_address(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| {
            x.body.as_addr().is_some_and(|addr| {
                addr.key.net.addr().is_ipv4() && addr.key.net.prefix_len() == 24
            })
        })?;
        let addr = fact.body.as_addr()?;
        let IpAddr::V4(ip) = addr.key.net.addr() else { return None };
        let [a, b, c, _] = ip.octets();
        let host = u8::try_from(10 + self.dice.below(100)).ok()?;
        let net = IpNet::new(IpAddr::V4(Ipv4Addr::new(a, b, c, host)), 24).ok()?;
        create(&fact.ns, Body::Addr(Addr::global(addr.key.dev.clone(), net)))
    }

    fn route(&mut self) -> Option<Vec<Step>> {
        let v6 = self.dice.chance(50);
        let (ns, hop) = self.hop(v6, None)?;
        let mut dst = self.net(v6, 0)?;
        let table = if self.dice.chance(25) { 100 } else { table::MAIN };
        if self.dice.chance(10) && table == 100 {
            dst = IpNet::new(dst.addr(), if v6 { 128 } else { 32 }).ok()?;
        }
        let metric = self.dice.pick(&[0, 0, 50]).copied()?;
        let dev = hop.dev.clone()?;
        let mut route = Route::unicast(RouteKey::new(table, dst, metric), dev, hop.via);
        route.hops = vec![hop];
        if self.dice.chance(20)
            && let Some((_, other)) = self.hop(v6, Some(&ns))
            && other.via.is_some()
            && route.hops.iter().all(|hop| hop.via.is_some() && *hop != other)
        {
            route.hops.push(NextHop { weight: 3, ..other });
            route.scope = Scope::GLOBAL;
        }
        route.prefsrc = self.source(&ns, v6);
        route.mtu = self.dice.chance(20).then_some(1300);
        route.advmss = self.dice.chance(20).then_some(1200);
        create(&ns, Body::Route(route))
    }

    /// An address of the namespace, sometimes.
    fn source(&mut self, ns: &Ns, v6: bool) -> Option<IpAddr> {
        if !self.dice.chance(30) {
            return None;
        }
        let fact = self.any(|_, x| {
            x.ns == *ns && x.body.as_addr().is_some_and(|a| a.key.net.addr().is_ipv6() == v6)
        })?;
        Some(fact.body.as_addr()?.key.net.addr())
    }

    /// A way that a route can lead, in `ns` or in any namespace.
    fn hop(&mut self, v6: bool, ns: Option<&Ns>) -> Option<(Ns, NextHop)> {
        let (at, link) = self.any_link(|forge, at, l| {
            ns.is_none_or(|ns| at == ns)
                && l.up
                && l.kind != LinkKind::Loopback
                && (!v6 || forge.has_v6(at, l))
        })?;
        let stranger: IpAddr = if v6 {
            IpAddr::V6(Ipv6Addr::new(0xfd00, 0xffff, 0, 0, 0, 0, 0, 9))
        } else {
            IpAddr::V4(Ipv4Addr::new(10, 255, 255, 9))
        };
        let hop = NextHop { via: None, dev: Some(link.name.clone()), weight: 1, onlink: false };
        let near_v6 = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9));
        let hop = match self.dice.below(5) {
            0 => hop,
            1 if v6 || self.has_v4(&at) => NextHop { via: Some(stranger), onlink: true, ..hop },
            2 if self.has_v6(&at, &link) => NextHop { via: Some(near_v6), ..hop },
            _ => NextHop { via: Some(self.gateway(&at, &link, v6)?), ..hop },
        };
        Some((at, hop))
    }

    /// A neighbour's address in the prefix of an address of the link.
    fn gateway(&mut self, ns: &Ns, link: &Link, v6: bool) -> Option<IpAddr> {
        let fact = self.any(|_, x| {
            x.ns == *ns
                && x.body.as_addr().is_some_and(|addr| {
                    let net = addr.key.net;
                    addr.key.dev == link.name
                        && !addr.noprefixroute
                        && net.addr().is_ipv6() == v6
                        && matches!(net.prefix_len(), 24 | 64)
                })
        })?;
        Some(match fact.body.as_addr()?.key.net.addr() {
            IpAddr::V4(ip) => {
                let [a, b, c, _] = ip.octets();
                IpAddr::V4(Ipv4Addr::new(a, b, c, 254))
            }
            IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() | 0xfe)),
        })
    }

    fn route_nowhere(&mut self) -> Option<Vec<Step>> {
        let (ns, v6) = (self.space()?, self.dice.chance(50));
        let kinds = [
            RouteKind::Blackhole,
            RouteKind::Unreachable,
            RouteKind::Prohibit,
            RouteKind::Throw,
            RouteKind::Local,
        ];
        let kind = self.dice.pick(&kinds).copied()?;
        let local = kind == RouteKind::Local;
        let lo_up = self.link_in(&ns, &super::lo()?).is_some_and(|lo| lo.up);
        // A route of IPv6 that leads nowhere does not outlive the loopback device's going down.
        if v6 && (local || !lo_up) {
            return None;
        }
        let dst = self.net(v6, 0)?;
        let table = if local { table::LOCAL } else { table::MAIN };
        let mut route = Route::unicast(RouteKey::new(table, dst, 0), super::lo()?, None);
        route.kind = kind;
        route.scope = if local { Scope::HOST } else { Scope::GLOBAL };
        if !local {
            route.hops.clear();
        }
        create(&ns, Body::Route(route))
    }

    /// An existing route leads another way.
    fn other_way(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| {
            x.body.as_route().is_some_and(|r| r.kind == RouteKind::Unicast && r.hops.len() == 1)
        })?;
        let mut route = fact.body.as_route()?.clone();
        let v6 = route.key.dst.addr().is_ipv6();
        let (_, hop) = self.hop(v6, Some(&fact.ns))?;
        // IPv6 keeps a route by a gateway and one without side by side.
        if v6 && route.hops.iter().any(|old| old.via.is_some() != hop.via.is_some()) {
            return None;
        }
        let direct = !v6 && hop.via.is_none();
        route.scope = if direct { Scope::LINK } else { Scope::GLOBAL };
        route.hops = vec![hop];
        self.alter(Body::Route(route).at(fact.ns))
    }
}

fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
