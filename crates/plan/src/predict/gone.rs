//! What goes with an object that goes.
//!
//!     link      ─▶ all that names it, its other end, tunnels over it, links that stand on it in
//!                  whatever namespace; members of a bridge go free
//!     address   ─▶ those it is primary to, routes that prefer it; the last one: all IPv4 routes
//!     namespace ─▶ all that is in it
//!     table, set, chain, ingress qdisc ─▶ what is in them

use std::net::IpAddr;

use ropewalk_facts::{
    Addr, Body, Fact, Filter, FilterKind, Id, IfName, Key, Link, LinkKind, Ns, Route, SysctlPath,
    table,
};

use super::Run;
use super::flush::Why;
use crate::lineage::{devs, leads_out, lower_key, named, parents};

impl Run<'_> {
    /// Removes an object, what goes with it first.
    pub(super) fn remove(&mut self, key: &Key, implied: bool) {
        let Some(fact) = self.snap.fact(key).cloned() else { return };
        if !self.going.insert(key.clone()) {
            return;
        }
        if let Body::Netns(name) = &fact.body {
            self.empty(&named(name));
        } else if let Some(link) = fact.body.as_link() {
            self.link_goes(&fact.ns, link);
        } else if let Some(addr) = fact.body.as_addr() {
            self.addr_goes(&fact.ns, addr);
        } else if matches!(key.id, Id::Qdisc(_) | Id::Table(_) | Id::Set(_) | Id::Chain(_)) {
            self.remove_where(&fact.ns, |_, x| parents(x).contains(key));
        }
        self.going.remove(key);
        self.record(key.clone(), None, implied);
    }

    /// A namespace goes: links that are joined to others outside of it first, then the rest.
    fn empty(&mut self, ns: &Ns) {
        for link in self.links(ns) {
            if leads_out(ns, &link) {
                self.remove(&Id::Link(link.name).at(ns.clone()), true);
            }
        }
        self.remove_where(ns, |_, _| true);
    }

    fn link_goes(&mut self, ns: &Ns, link: &Link) {
        for upper in self.uppers(ns, &link.name) {
            self.remove(&upper, true);
        }
        self.lose_way(ns, &link.name);
        self.lose_target(ns, &link.name);
        self.remove_where(ns, |_, x| devs(&x.body).contains(&link.name));
        if let LinkKind::Veth { peer: Some(peer) } = &link.kind {
            self.remove(&Id::Link(peer.name.clone()).at(peer.ns.clone()), true);
        }
        for member in self.links(ns) {
            if member.master.as_ref() == Some(&link.name) {
                self.left(ns, &member.name);
                if member.up && matches!(link.kind, LinkKind::Vrf { .. }) {
                    self.flush_v4(ns, &member.name, Why::Down);
                    self.flush_v6(ns, &member.name, Why::Down);
                }
                let free = Body::Link(Link { master: None, ..member }).at(ns.clone());
                self.record(free.key(), Some(free), true);
            }
        }
    }

    /// A link goes to another namespace: what names it goes, what is joined to it stays so.
    pub(super) fn link_leaves(&mut self, ns: &Ns, dev: &IfName) {
        let key = Id::Link(dev.clone()).at(ns.clone());
        if self.snap.contains(&key) {
            self.lose_way(ns, dev);
            self.lose_target(ns, dev);
            self.remove_where(ns, |_, x| devs(&x.body).contains(dev));
            self.record(key, None, true);
        }
    }

    /// The links that stand on a link, in every namespace that is known.
    pub(super) fn uppers(&self, ns: &Ns, dev: &IfName) -> Vec<Key> {
        let lower = Id::Link(dev.clone()).at(ns.clone());
        let on = |fact: &&Fact| fact.body.as_link().and_then(lower_key).as_ref() == Some(&lower);
        self.snap.iter().filter(on).map(Fact::key).collect()
    }

    /// Filters that send to a link that goes stay, and drop (`mirred_device_event`,
    /// net/sched/act_mirred.c).
    fn lose_target(&mut self, ns: &Ns, dev: &IfName) {
        let filters: Vec<Filter> = self
            .snap
            .of(ns)
            .filter_map(|fact| fact.body.as_filter())
            .filter(|x| x.key.dev != *dev && x.kind == FilterKind::Redirect(Some(dev.clone())))
            .cloned()
            .collect();
        for filter in filters {
            let blind = Body::Filter(Filter { kind: FilterKind::Redirect(None), ..filter });
            let fact = blind.at(ns.clone());
            self.record(fact.key(), Some(fact), true);
        }
    }

    /// A member leaves its bridge: its flags go, and what the bridge knew to be behind it.
    pub(super) fn left(&mut self, ns: &Ns, dev: &IfName) {
        self.remove_where(ns, |_, fact| {
            let body = &fact.body;
            body.as_member().is_some_and(|x| x.dev == *dev)
                || body.as_fdb().is_some_and(|x| x.key.dev == *dev && !x.key.own)
        });
    }

    fn addr_goes(&mut self, ns: &Ns, addr: &Addr) {
        let ip = addr.key.net.addr();
        let others: Vec<Addr> = self.addrs(ns).filter(|x| x.key != addr.key).cloned().collect();
        let elsewhere = others.iter().any(|x| x.key.net.addr() == ip);
        match ip {
            IpAddr::V4(_) => {
                if !addr.secondary {
                    self.primary_goes(ns, addr);
                }
                let left = self.addrs(ns).filter(|x| x.key.dev == addr.key.dev && v4(x)).count();
                if left == 1 {
                    self.flush_v4(ns, &addr.key.dev, Why::Gone);
                }
                if !elsewhere {
                    self.remove_where(ns, |_, fact| {
                        matches!(&fact.body, Body::Route(x)
                        if x.prefsrc == Some(ip) && x.key.table == table::MAIN)
                    });
                }
            }
            IpAddr::V6(_) if !elsewhere => self.forget_source(ns, ip),
            IpAddr::V6(_) => {}
        }
    }

    /// The primary address of a subnet takes the secondary ones along, or one of them takes its
    /// place (`__inet_del_ifa`, net/ipv4/devinet.c).
    fn primary_goes(&mut self, ns: &Ns, addr: &Addr) {
        let mut rest: Vec<Addr> =
            self.subnet(ns, addr).filter(|other| other.secondary).cloned().collect();
        if self.promotes(ns, &addr.key.dev) && !rest.is_empty() {
            let first = Addr { secondary: false, ..rest.remove(0) };
            let fact = Body::Addr(first).at(ns.clone());
            self.record(fact.key(), Some(fact), true);
            return;
        }
        for other in rest {
            self.remove(&Id::Addr(other.key).at(ns.clone()), true);
        }
    }

    fn promotes(&self, ns: &Ns, dev: &IfName) -> bool {
        let all = SysctlPath::new("net/ipv4/conf/all/promote_secondaries").ok();
        let own = SysctlPath::conf4(dev, "promote_secondaries");
        self.number(ns, all) != 0 || self.number(ns, Some(own)) != 0
    }

    /// IPv6 routes that prefer an address that goes stay, without the preference
    /// (`fib6_remove_prefsrc`, net/ipv6/route.c).
    fn forget_source(&mut self, ns: &Ns, ip: IpAddr) {
        let routes: Vec<Route> = self
            .snap
            .of(ns)
            .filter_map(|fact| fact.body.as_route())
            .filter(|route| route.prefsrc == Some(ip))
            .cloned()
            .collect();
        for route in routes {
            let fact = Body::Route(Route { prefsrc: None, ..route }).at(ns.clone());
            self.record(fact.key(), Some(fact), true);
        }
    }

    /// The addresses of a namespace.
    fn addrs(&self, ns: &Ns) -> impl Iterator<Item = &Addr> + use<'_> {
        self.snap.of(ns).filter_map(|fact| fact.body.as_addr())
    }

    /// The other addresses of the link in the subnet of `addr`; IPv4 only.
    pub(super) fn subnet<'s>(&'s self, ns: &Ns, addr: &Addr) -> impl Iterator<Item = &'s Addr> {
        let (key, net, is_v4) = (addr.key.clone(), addr.key.net.trunc(), v4(addr));
        self.addrs(ns).filter(move |other| {
            is_v4 && other.key != key && other.key.dev == key.dev && other.key.net.trunc() == net
        })
    }
}

fn v4(addr: &Addr) -> bool {
    matches!(addr.key.net.addr(), IpAddr::V4(_))
}
