//! What a link loses that goes down, or that loses a protocol.
//!
//! IPv4: `fib_disable_ip`, net/ipv4/fib_frontend.c.  IPv6: `addrconf_ifdown`,
//! net/ipv6/addrconf.c.  Neighbours: `neigh_ifdown` and `neigh_changeaddr`, net/core/neighbour.c.

use ropewalk_facts::{Body, Fact, Id, IfName, Key, Link, Ns, Route, RouteKind, SysctlPath};

use super::Run;
use crate::lineage::{devs, rank, route_devs};

/// Why a link loses a protocol.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It goes down. Routes with another way to go stay, so do local ones.
    Down,
    /// It has no address left, or too small an MTU.
    Gone,
}

impl Run<'_> {
    /// The link's IPv4 routes and neighbours go; its addresses stay.
    pub(super) fn flush_v4(&mut self, ns: &Ns, dev: &IfName, why: Why) {
        self.remove_where(ns, |run, fact| {
            fact.body.as_route().is_some_and(|x| {
                x.key.dst.addr().is_ipv4()
                    && run.all_dead(ns, dev, x)
                    && (why == Why::Gone || x.kind != RouteKind::Local)
            }) || fact.body.as_neigh().is_some_and(|x| x.key.dev == *dev && x.key.ip.is_ipv4())
        });
    }

    /// The link's IPv6 routes, neighbours and, unless they are kept, addresses go; with
    /// [`Why::Gone`] its settings, too.
    pub(super) fn flush_v6(&mut self, ns: &Ns, dev: &IfName, why: Why) {
        let keep = why == Why::Down && self.keeps_addresses(ns, dev);
        if why == Why::Gone {
            self.lose_way(ns, dev);
        }
        self.remove_where(ns, |run, fact| {
            devs(&fact.body).contains(dev)
                && is_v6(&fact.body)
                && match why {
                    Why::Gone => true,
                    Why::Down if fact.body.as_sysctl().is_some() => false,
                    Why::Down if fact.body.as_addr().is_some() => !keep,
                    Why::Down => {
                        fact.body.as_route().is_none_or(|route| run.all_dead(ns, dev, route))
                    }
                }
        });
    }

    /// IPv6 routes with several ways lose the one over a link that goes; where no other one works,
    /// they go with it (`fib6_ifdown`, net/ipv6/route.c).
    pub(super) fn lose_way(&mut self, ns: &Ns, dev: &IfName) {
        let routes: Vec<Route> = self
            .snap
            .of(ns)
            .filter_map(|fact| fact.body.as_route())
            .filter(|route| route.key.dst.addr().is_ipv6() && route.hops.len() > 1)
            .filter(|route| route_devs(route).contains(dev) && !self.all_dead(ns, dev, route))
            .cloned()
            .collect();
        for mut route in routes {
            route.hops.retain(|hop| hop.dev.as_ref() != Some(dev));
            let fact = Body::Route(route).at(ns.clone());
            self.record(fact.key(), Some(fact), true);
        }
    }

    /// A new hardware address: the neighbours of the link go, but not those it answers for.
    pub(super) fn flush_neighbours(&mut self, ns: &Ns, dev: &IfName) {
        self.remove_where(ns, |_, fact| {
            fact.body.as_neigh().is_some_and(|x| x.key.dev == *dev && !x.key.proxy)
        });
    }

    /// Removes facts of `ns` as a consequence, what depends on others first.
    pub(super) fn remove_where(&mut self, ns: &Ns, goes: impl Fn(&Self, &Fact) -> bool) {
        let mut facts: Vec<&Fact> = self.snap.of(ns).filter(|fact| goes(self, fact)).collect();
        facts.sort_by_key(|fact| std::cmp::Reverse(rank(fact)));
        let keys: Vec<Key> = facts.into_iter().map(Fact::key).collect();
        for key in keys {
            self.remove(&key, true);
        }
    }

    /// True when `route` leads over `dev`, and nowhere else that is up.
    fn all_dead(&self, ns: &Ns, dev: &IfName, route: &Route) -> bool {
        let devs = route_devs(route);
        let dead = |x: &IfName| x == dev || self.link(ns, x).is_some_and(|link| !link.up);
        devs.contains(dev) && devs.iter().all(dead)
    }

    /// `keep_addr_on_down`, of all interfaces or of this one.
    fn keeps_addresses(&self, ns: &Ns, dev: &IfName) -> bool {
        let all = self.number(ns, SysctlPath::new("net/ipv6/conf/all/keep_addr_on_down").ok());
        let own = self.number(ns, Some(SysctlPath::conf6(dev, "keep_addr_on_down")));
        if all == 0 { own > 0 } else { all > 0 }
    }

    /// The value of a setting, 0 when it is not known.
    pub(super) fn number(&self, ns: &Ns, path: Option<SysctlPath>) -> i64 {
        let fact = path.and_then(|path| self.snap.fact(&Id::Sysctl(path).at(ns.clone())));
        let sysctl = fact.and_then(|fact| fact.body.as_sysctl());
        sysctl.and_then(|x| x.value.trim().parse().ok()).unwrap_or(0)
    }

    pub(super) fn link(&self, ns: &Ns, name: &IfName) -> Option<&Link> {
        self.snap.fact(&Id::Link(name.clone()).at(ns.clone()))?.body.as_link()
    }

    /// The links of a namespace.
    pub(super) fn links(&self, ns: &Ns) -> Vec<Link> {
        self.snap.of(ns).filter_map(|fact| fact.body.as_link().cloned()).collect()
    }
}

/// True for what a link loses together with IPv6.
fn is_v6(body: &Body) -> bool {
    match body {
        Body::Route(x) => x.key.dst.addr().is_ipv6(),
        Body::Neigh(x) => x.key.ip.is_ipv6(),
        Body::Addr(x) => x.key.net.addr().is_ipv6(),
        Body::Sysctl(x) => x.path.as_str().starts_with("net/ipv6/"),
        Body::Netns(_)
        | Body::Link(_)
        | Body::Member(_)
        | Body::Rule(_)
        | Body::Fdb(_)
        | Body::Qdisc(_)
        | Body::Filter(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => false,
    }
}
