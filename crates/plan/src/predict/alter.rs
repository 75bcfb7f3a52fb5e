//! What follows from a change of an object that stays.

use ropewalk_facts::{Body, Fact, Id, IfName, Link, LinkKind, Ns, Sysctl, SysctlPath};

use super::Run;
use super::flush::Why;
use crate::Change;
use crate::apply::put;

/// The least MTU of a link that carries IPv6 (`IPV6_MIN_MTU`, RFC 8200 section 5).
const V6_MIN_MTU: u32 = 1280;

impl Run<'_> {
    /// Makes `old` be `new`, with what follows.
    pub(super) fn alter(&mut self, old: &Fact, new: Fact) {
        match (&old.body, &new.body) {
            (Body::Link(was), Body::Link(link)) => {
                let link = link.clone();
                self.alter_link(was, &link, new);
            }
            _ => self.alter_unknown(&new),
        }
    }

    /// Makes an object be `new`, whatever it was.
    pub(super) fn alter_unknown(&mut self, new: &Fact) {
        if let Body::Sysctl(sysctl) = &new.body {
            self.set(&new.ns, sysctl);
        } else {
            self.record(new.key(), Some(new.clone()), false);
        }
    }

    fn alter_link(&mut self, was: &Link, link: &Link, new: Fact) {
        let ns = new.ns.clone();
        let moved = was.master != link.master;
        if moved && was.master.is_some() {
            self.left(&ns, &was.name);
        }
        // A link that comes to a routing domain, or leaves one, goes down and up (`cycle_netdev`,
        // drivers/net/vrf.c).
        let cycled = moved && (self.is_vrf(&ns, &was.master) || self.is_vrf(&ns, &link.master));
        if was.up && (!link.up || cycled) {
            self.flush_v4(&ns, &was.name, Why::Down);
            self.flush_v6(&ns, &was.name, Why::Down);
        }
        if link.mtu < was.mtu && link.mtu.is_some() {
            self.lower_uppers(&ns, &was.name, link.mtu);
        }
        if link.mtu < Some(V6_MIN_MTU) && link.mtu.is_some() && was.mtu != link.mtu {
            self.flush_v6(&ns, &was.name, Why::Gone);
        }
        if was.mac != link.mac {
            self.flush_neighbours(&ns, &was.name);
        }
        self.record(new.key(), Some(new), false);
        if moved {
            self.joined(&ns, link);
        }
    }

    /// True for a master that is a routing domain.
    fn is_vrf(&self, ns: &Ns, master: &Option<IfName>) -> bool {
        let master = master.as_ref().and_then(|name| self.link(ns, name));
        master.is_some_and(|link| matches!(link.kind, LinkKind::Vrf { .. }))
    }

    /// Links that stand on another have no larger MTU (`macvlan_device_event`,
    /// drivers/net/macvlan.c; `vlan_device_event`, net/8021q/vlan.c).
    fn lower_uppers(&mut self, ns: &Ns, dev: &IfName, mtu: Option<u32>) {
        for key in self.uppers(ns, dev) {
            let Some(upper) = self.snap.fact(&key).cloned() else { continue };
            if let Some(was) = upper.body.as_link().filter(|link| link.mtu > mtu) {
                let link = Link { mtu, ..was.clone() };
                self.lower_uppers(&key.ns, &was.name, mtu);
                if mtu < Some(V6_MIN_MTU) {
                    self.flush_v6(&key.ns, &was.name, Why::Gone);
                }
                self.record(key, Some(Body::Link(link).at(upper.ns.clone())), true);
            }
        }
    }

    /// Sets a setting, what follows from it first.
    fn set(&mut self, ns: &Ns, sysctl: &Sysctl) {
        self.before_setting(ns, sysctl);
        let fact = Body::Sysctl(sysctl.clone()).at(ns.clone());
        self.record(fact.key(), Some(fact), false);
    }

    /// Some settings are one and the same under two names, some stand for those of all interfaces
    /// (`inet_forward_change`, net/ipv4/devinet.c; `addrconf_fixup_forwarding`,
    /// net/ipv6/addrconf.c). In reverse, those of the interfaces are put back after all.
    fn before_setting(&mut self, ns: &Ns, sysctl: &Sysctl) {
        let on = sysctl.value.trim() != "0";
        match sysctl.path.as_str().split('/').collect::<Vec<_>>().as_slice() {
            ["net", "ipv4", "ip_forward"] | ["net", "ipv4", "conf", "all", "forwarding"] => {
                self.spread(ns, sysctl, "net/ipv4/conf/", "forwarding");
                if sysctl.path != SysctlPath::ip_forward() {
                    self.follow(ns, "net/ipv4/ip_forward", &sysctl.value);
                }
                let redirects = if on { "0" } else { "1" };
                self.follow(ns, "net/ipv4/conf/all/accept_redirects", redirects);
            }
            ["net", "ipv6", "conf", "all", "forwarding"] => {
                self.spread(ns, sysctl, "net/ipv6/conf/", "forwarding");
            }
            ["net", "ipv6", "conf", "all", "disable_ipv6"] => {
                for link in self.links(ns).iter().filter(|_| on) {
                    self.flush_v6(ns, &link.name, Why::Down);
                }
                self.spread(ns, sysctl, "net/ipv6/conf/", "disable_ipv6");
            }
            ["net", "ipv6", "conf", _, "disable_ipv6"] if on => {
                if let Some(dev) = sysctl.path.dev() {
                    self.flush_v6(ns, &dev, Why::Down);
                }
            }
            _ => {}
        }
    }

    /// Gives the value of `sysctl` to `leaf` of every interface that is known to have it.
    fn spread(&mut self, ns: &Ns, sysctl: &Sysctl, conf: &str, leaf: &str) {
        let known: Vec<String> = self
            .snap
            .of(ns)
            .filter_map(|fact| Some(fact.body.as_sysctl()?.path.as_str()))
            .filter(|path| *path != sysctl.path.as_str())
            .filter(|path| {
                let rest = path.strip_prefix(conf).and_then(|rest| rest.strip_suffix(leaf));
                rest.is_some_and(|dev| dev.len() > 1 && dev.find('/') == Some(dev.len() - 1))
            })
            .map(String::from)
            .collect();
        for path in known {
            self.follow(ns, &path, &sysctl.value);
        }
    }

    /// Gives `value` to a setting, when it is known, as a consequence. One that has it already is
    /// noted too: what undoes the cause takes it away.
    fn follow(&mut self, ns: &Ns, path: &str, value: &str) {
        let Ok(path) = SysctlPath::new(path) else { return };
        let key = Id::Sysctl(path.clone()).at(ns.clone());
        if self.snap.contains(&key) {
            let fact = Body::Sysctl(Sysctl { path, value: value.into() }).at(ns.clone());
            let old = put(self.snap, &key, Some(fact.clone()));
            self.out.push(Change { key, old, new: Some(fact), implied: true });
        }
    }
}

#[cfg(test)]
impl Run<'_> {
    /// Does what a change asks for, as the kernel would: without asking what was there.
    pub(crate) fn carry_out(&mut self, change: &crate::Change) {
        let found = self.snap.fact(&change.key).cloned();
        match (found, &change.new) {
            (_, None) => self.remove(&change.key, false),
            (Some(found), Some(new)) => self.alter(&found, new.clone()),
            (None, Some(new)) => assert_eq!(self.make(new), Ok(())),
        }
    }
}
