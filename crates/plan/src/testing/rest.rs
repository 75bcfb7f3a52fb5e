//! Policy rules, neighbours and settings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ropewalk_facts::{
    Body, Id, LinkKind, Mac, Neigh, NeighKey, Rule, RuleAction, Sysctl, SysctlPath, proto, table,
};

use super::{Forge, Maker, create};
use crate::Step;

pub(super) const BUILD: [Maker; 5] =
    [Forge::rule, Forge::neigh, Forge::neigh, Forge::host_setting, Forge::link_setting];

pub(super) const CHANGE: [Maker; 4] = [
    Forge::other_setting,
    |forge| forge.drop_any(|_, x| x.body.as_rule().is_some()),
    |forge| forge.drop_any(|_, x| x.body.as_neigh().is_some()),
    Forge::other_neighbour,
];

impl Forge {
    fn rule(&mut self) -> Option<Vec<Step>> {
        let (ns, v6) = (self.space()?, self.dice.chance(50));
        let net: IpNet = if v6 { "fd00:5::/32" } else { "10.5.0.0/16" }.parse().ok()?;
        let link = self.any_link(|_, at, _| *at == ns).map(|(_, link)| link.name);
        let (from, to) = (self.dice.chance(40), self.dice.chance(40));
        let (iif, oif) = (self.dice.chance(30), self.dice.chance(20));
        let actions = [
            RuleAction::Lookup(100),
            RuleAction::Lookup(table::MAIN),
            RuleAction::Blackhole,
            RuleAction::Unreachable,
            RuleAction::Prohibit,
        ];
        let action = self.dice.pick(&actions).copied()?;
        let lookup = matches!(action, RuleAction::Lookup(_));
        // A rule that refuses all there is also refuses the kernel's own search for gateways.
        let marked = !lookup || self.dice.chance(30);
        let rule = Rule {
            v6,
            priority: 1000 + self.next(),
            from: from.then_some(net),
            to: to.then_some(net),
            iif: link.clone().filter(|_| iif),
            oif: link.filter(|_| oif),
            mark: marked.then_some((0x10, 0xff)),
            ipproto: None,
            sport: None,
            dport: None,
            not: lookup && (from || to) && self.dice.chance(20),
            suppress: (lookup && self.dice.chance(30)).then_some(0),
            action,
            proto: proto::ROPEWALK,
        };
        create(&ns, Body::Rule(rule))
    }

    fn neigh(&mut self) -> Option<Vec<Step>> {
        let v6 = self.dice.chance(50);
        let (ns, link) = self.any_link(|forge, ns, l| {
            let arp = matches!(l.kind, LinkKind::Veth { .. } | LinkKind::Bridge);
            l.up && arp && (!v6 || forge.has_v6(ns, l))
        })?;
        let [_, _, c, d] = self.next().to_be_bytes();
        let ip = if v6 {
            IpAddr::V6(Ipv6Addr::new(0xfd00, 7, 0, 0, 0, 0, c.into(), d.into()))
        } else {
            IpAddr::V4(Ipv4Addr::new(10, 254, c, d))
        };
        let proxy = self.dice.chance(40);
        let neigh = Neigh {
            key: NeighKey { dev: link.name, ip, proxy },
            mac: (!proxy).then_some(Mac([2, 0, 0, 1, c, d])),
            state: if proxy { 0 } else { Neigh::PERMANENT },
            proto: proto::ROPEWALK,
            derived: false,
        };
        create(&ns, Body::Neigh(neigh))
    }

    fn other_neighbour(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_neigh().is_some_and(|n| n.mac.is_some()))?;
        let neigh = fact.body.as_neigh()?.clone();
        let [_, _, c, d] = self.next().to_be_bytes();
        let neigh = Neigh { mac: Some(Mac([2, 0, 0, 2, c, d])), ..neigh };
        self.alter(Body::Neigh(neigh).at(fact.ns))
    }

    fn host_setting(&mut self) -> Option<Vec<Step>> {
        let ns = self.space()?;
        let settings = [
            ("net/ipv4/ip_forward", "1"),
            ("net/ipv4/ip_forward", "0"),
            ("net/ipv6/conf/all/forwarding", "1"),
            ("net/ipv6/conf/all/forwarding", "0"),
            ("net/ipv4/conf/all/rp_filter", "2"),
            ("net/ipv4/ip_local_port_range", "10000 50000"),
            ("net/ipv4/icmp_echo_ignore_broadcasts", "0"),
        ];
        let (path, value) = self.dice.pick(&settings).copied()?;
        let sysctl = Sysctl { path: SysctlPath::new(path).ok()?, value: value.into() };
        Some(vec![Step::Ensure(Body::Sysctl(sysctl).at(ns))])
    }

    fn other_setting(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| {
            x.body.as_sysctl().is_some_and(|s| matches!(s.value.as_str(), "0" | "1"))
        })?;
        let mut sysctl = fact.body.as_sysctl()?.clone();
        sysctl.value = if sysctl.value == "0" { "1" } else { "0" }.into();
        self.alter(Body::Sysctl(sysctl).at(fact.ns))
    }

    fn link_setting(&mut self) -> Option<Vec<Step>> {
        let (ns, link) =
            self.any_link(|forge, ns, l| l.kind != LinkKind::Loopback && forge.has_v6(ns, l))?;
        let settings = [
            ("proxy_arp", "1", false),
            ("rp_filter", "2", false),
            ("accept_local", "1", false),
            ("forwarding", "1", false),
            ("accept_ra", "0", true),
            ("proxy_ndp", "1", true),
            ("keep_addr_on_down", "1", true),
            ("disable_ipv6", "0", true),
            ("disable_ipv6", "1", true),
            ("disable_ipv6", "1", true),
            ("forwarding", "1", true),
        ];
        let (leaf, value, v6) = self.dice.pick(&settings).copied()?;
        let dev = &link.name;
        let path = if v6 { SysctlPath::conf6(dev, leaf) } else { SysctlPath::conf4(dev, leaf) };
        // Without IPv6 nothing can be put back: it has to be known that it was on.
        if leaf == "disable_ipv6" && value == "1" {
            self.world.fact(&Id::Sysctl(path.clone()).at(ns.clone()))?;
        }
        let sysctl = Sysctl { path, value: value.into() };
        Some(vec![Step::Ensure(Body::Sysctl(sysctl).at(ns))])
    }
}
