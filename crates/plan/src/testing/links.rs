//! Namespaces, links, members of bridges and forwarding entries.

use std::net::{IpAddr, Ipv4Addr};

use ropewalk_facts::{
    Body, Fdb, FdbKey, Id, IfName, Link, LinkKind, Mac, MacvlanMode, MemberFlags, Neigh, Ns, Peer,
    TapSpec, VxlanSpec,
};

use super::{Forge, Maker, create};
use crate::Step;
use crate::lineage::{leads_out, named, peer_key};

pub(super) const BUILD: [Maker; 10] = [
    Forge::veth,
    Forge::veth,
    Forge::bridge,
    Forge::ifb,
    Forge::vxlan,
    Forge::macvlan,
    Forge::tap,
    Forge::member,
    Forge::fdb,
    Forge::netns,
];

pub(super) const CHANGE: [Maker; 8] = [
    Forge::up_or_down,
    Forge::mtu,
    Forge::mac,
    Forge::join,
    Forge::altname,
    |forge| forge.drop_any(|_, x| x.body.as_link().is_some_and(|l| l.name.as_str() != "lo")),
    |forge| forge.drop_any(|_, x| x.body.as_fdb().is_some()),
    |forge| forge.drop_any(Forge::closed),
];

impl Forge {
    fn name(&mut self, stem: &str) -> Option<IfName> {
        let n = self.next();
        let dot = if self.dice.chance(20) { "." } else { "" };
        IfName::new(format!("{stem}{dot}{n}")).ok()
    }

    fn new_mac(&mut self) -> Option<Mac> {
        let [_, _, c, d] = self.next().to_be_bytes();
        Some(Mac([2, 0, 0, 0, c, d]))
    }

    fn some_mac(&mut self) -> Option<Mac> {
        if self.dice.chance(50) { self.new_mac() } else { None }
    }

    fn some_mtu(&mut self) -> Option<u32> {
        self.dice.pick(&[None, Some(1500), Some(1450), Some(1280)]).copied().flatten()
    }

    fn altnames(&mut self) -> std::collections::BTreeSet<String> {
        let some = self.dice.chance(30);
        some.then(|| format!("ropewalk.{}", self.next())).into_iter().collect()
    }

    fn alias(&mut self) -> Option<String> {
        self.dice.chance(30).then(|| format!("it's {}", self.next()))
    }

    fn veth(&mut self) -> Option<Vec<Step>> {
        let (near, far) = (self.space()?, self.space()?);
        let (leg, end) = (self.name("leg")?, self.name("eth")?);
        let to = |ns: &Ns, name: &IfName| {
            let peer = Peer { ns: ns.clone(), name: name.clone() };
            LinkKind::Veth { peer: Some(peer) }
        };
        let link = |forge: &mut Self, ns: &Ns, name: &IfName, kind| {
            let mut link = Link::up(name.clone(), kind);
            link.up = forge.dice.chance(85);
            link.mac = forge.some_mac();
            link.mtu = forge.some_mtu();
            link.altnames = forge.altnames();
            link.alias = forge.alias();
            link.group = group(&link);
            (link.promisc, link.txqlen) = forge.manner();
            link.master = forge.bridge_in(ns, 50);
            Body::Link(link).at(ns.clone())
        };
        let mut steps = vec![Step::Create(link(self, &near, &leg, to(&far, &end)))];
        if self.dice.chance(70) {
            let mut second = link(self, &far, &end, to(&near, &leg));
            if let Body::Link(x) = &mut second.body {
                // Two ends that are members could close a loop.
                x.master = None;
            }
            steps.push(Step::Create(second));
        }
        Some(steps)
    }

    fn bridge_in(&mut self, ns: &Ns, percent: usize) -> Option<IfName> {
        if !self.dice.chance(percent) {
            return None;
        }
        let (_, bridge) = self.any_link(|_, at, l| at == ns && l.kind == LinkKind::Bridge)?;
        Some(bridge.name)
    }

    /// With address and MTU of its own, a bridge does not follow its members. An MTU of 1500 is the
    /// one it is born with: setting that is no change, so it would follow nevertheless.
    fn bridge(&mut self) -> Option<Vec<Step>> {
        let (ns, name) = (self.space()?, self.name("br")?);
        let mut link = Link::up(name, LinkKind::Bridge);
        link.mac = self.new_mac();
        link.mtu = self.dice.pick(&[1450, 1400]).copied();
        link.altnames = self.altnames();
        link.alias = self.alias();
        link.group = group(&link);
        create(&ns, Body::Link(link))
    }

    fn ifb(&mut self) -> Option<Vec<Step>> {
        let (ns, name) = (self.space()?, self.name("ifb")?);
        let mut link = Link::up(name, LinkKind::Ifb);
        link.up = self.dice.chance(80);
        link.mtu = self.some_mtu();
        create(&ns, Body::Link(link))
    }

    fn vxlan(&mut self) -> Option<Vec<Step>> {
        let (ns, name) = (self.space()?, self.name("vx")?);
        let lower = self.any_link(|_, at, l| {
            let room = l.mtu.is_none_or(|mtu| mtu >= 1450);
            *at == ns && l.up && matches!(l.kind, LinkKind::Veth { .. }) && room
        });
        let spec = VxlanSpec {
            vni: 100 + self.next(),
            port: 4789,
            local: self.dice.chance(50).then_some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1))),
            dev: lower.filter(|_| self.dice.chance(50)).map(|(_, link)| link.name),
            learning: self.dice.chance(50),
        };
        let mut link = Link::up(name, LinkKind::Vxlan(spec));
        link.up = self.dice.chance(70);
        link.mac = self.some_mac();
        link.master = self.bridge_in(&ns, 30);
        create(&ns, Body::Link(link))
    }

    /// On a link of any namespace that no bridge has: one has either members or links that stand on
    /// it.
    fn macvlan(&mut self) -> Option<Vec<Step>> {
        let (ns, name) = (self.space()?, self.name("mac")?);
        let (at, lower) = self.any_link(|_, _, l| {
            let room = l.mtu.is_none_or(|mtu| mtu >= 1500);
            matches!(l.kind, LinkKind::Veth { .. } | LinkKind::Ifb) && l.master.is_none() && room
        })?;
        let lower = Some(Peer { ns: at, name: lower.name });
        let modes = [MacvlanMode::Bridge, MacvlanMode::Private, MacvlanMode::Vepa];
        let mode = *self.dice.pick(&modes)?;
        let queue = self.dice.chance(30).then_some(77);
        let mut link = Link::up(name, LinkKind::Macvlan { lower, mode, queue });
        link.up = self.dice.chance(80);
        link.mac = self.some_mac();
        link.mtu = self.some_mtu();
        link.altnames = self.altnames();
        create(&ns, Body::Link(link))
    }

    fn tap(&mut self) -> Option<Vec<Step>> {
        let (ns, name) = (self.space()?, self.name("tap")?);
        let owner = self.dice.chance(30).then_some(1000);
        let group = self.dice.chance(30).then_some(100);
        let spec = TapSpec { owner, group, multi_queue: self.dice.chance(30) };
        let mut link = Link::up(name, LinkKind::Tap(spec));
        link.up = self.dice.chance(80);
        link.mac = self.some_mac();
        link.mtu = self.some_mtu();
        link.altnames = self.altnames();
        link.master = self.bridge_in(&ns, 30);
        create(&ns, Body::Link(link))
    }

    fn netns(&mut self) -> Option<Vec<Step>> {
        if self.dice.chance(60) {
            return None;
        }
        let name = format!("rw-n{}", self.next());
        create(&Ns::HOST, Body::Netns(name))
    }

    /// True for a named namespace of which no link is joined to one outside.
    fn closed(&self, fact: &ropewalk_facts::Fact) -> bool {
        let Body::Netns(name) = &fact.body else { return false };
        let ns = named(name);
        let below = |link: &Link| link.kind.lower().is_some_and(|lower| lower.ns == ns);
        self.world
            .iter()
            .filter_map(|x| Some((&x.ns, x.body.as_link()?)))
            .all(|(at, link)| if *at == ns { !leads_out(&ns, link) } else { !below(link) })
    }

    fn up_or_down(&mut self) -> Option<Vec<Step>> {
        let (ns, mut link) = self.any_link(|_, _, _| true)?;
        link.up = !link.up;
        self.alter(Body::Link(link).at(ns))
    }

    fn mtu(&mut self) -> Option<Vec<Step>> {
        let (ns, mut link) = self.any_link(|_, _, l| {
            matches!(l.kind, LinkKind::Veth { .. } | LinkKind::Bridge | LinkKind::Ifb)
                && l.mtu.is_some()
        })?;
        link.mtu = self.dice.pick(&[1500, 1420, 1300, 1000]).copied();
        self.alter(Body::Link(link).at(ns))
    }

    fn mac(&mut self) -> Option<Vec<Step>> {
        let (ns, mut link) = self.any_link(|_, _, l| {
            matches!(l.kind, LinkKind::Veth { .. } | LinkKind::Bridge) && l.mac.is_some()
        })?;
        link.mac = self.new_mac();
        self.alter(Body::Link(link).at(ns))
    }

    /// A link without altnames of its own joins a bridge, or another one.
    fn join(&mut self) -> Option<Vec<Step>> {
        let (ns, mut link) = self.any_link(|forge, _, l| {
            let stays_free = matches!(l.kind, LinkKind::Bridge | LinkKind::Loopback)
                || l.kind.stacked()
                || forge.has_upper(l);
            !stays_free && forge.other_end_free(l)
        })?;
        link.master = Some(self.bridge_in(&ns, 100)?);
        self.alter(Body::Link(link).at(ns))
    }

    /// True for a link that another one may stand on, by its name.
    fn has_upper(&self, link: &Link) -> bool {
        let mut links = self.world.iter().filter_map(|fact| fact.body.as_link());
        links.any(|upper| upper.kind.lower().is_some_and(|lower| lower.name == link.name))
    }

    fn other_end_free(&self, link: &Link) -> bool {
        let peer = peer_key(link).and_then(|key| self.world.fact(&key));
        peer.and_then(|fact| fact.body.as_link()).is_none_or(|peer| peer.master.is_none())
    }

    fn altname(&mut self) -> Option<Vec<Step>> {
        let (ns, mut link) = self.any_link(|_, _, l| l.name.as_str() != "lo")?;
        link.altnames = [format!("other-{}", self.next())].into();
        link.alias = self.alias();
        link.group = group(&link);
        let on = [None, Some(true), Some(false)];
        (link.promisc, link.txqlen) = self.manner();
        link.allmulti = self.dice.pick(&on).copied().flatten();
        self.alter(Body::Link(link).at(ns))
    }

    /// Whether it takes what is for others, and how much waits at it.
    fn manner(&mut self) -> (Option<bool>, Option<u32>) {
        let promisc = self.dice.pick(&[None, None, Some(true), Some(false)]).copied().flatten();
        (promisc, self.dice.pick(&[None, None, Some(500), Some(1000)]).copied().flatten())
    }

    fn member(&mut self) -> Option<Vec<Step>> {
        let (ns, link) = self.any_link(|forge, ns, l| {
            forge.world.contains(&Id::Member(l.name.clone()).at(ns.clone()))
        })?;
        let mut flag = || self.dice.pick(&[None, Some(true), Some(false)]).copied().flatten();
        let flags = MemberFlags {
            dev: link.name,
            hairpin: flag(),
            isolated: flag(),
            learning: flag(),
            flood: flag(),
            neigh_suppress: flag(),
            // Many kernels have none.
            vlans: None,
        };
        self.alter(Body::Member(flags).at(ns))
    }

    fn fdb(&mut self) -> Option<Vec<Step>> {
        let (ns, link) =
            self.any_link(|_, _, l| l.master.is_some() || matches!(l.kind, LinkKind::Vxlan(_)))?;
        let mac = self.new_mac()?;
        let key = FdbKey { dev: link.name, mac, own: false, dst: None, vlan: None };
        let fdb = if let LinkKind::Vxlan(_) = link.kind {
            let host = u8::try_from(10 + self.dice.below(40)).ok()?;
            let dst = Some(IpAddr::V4(Ipv4Addr::new(192, 0, 2, host)));
            let mac = if self.dice.chance(40) { Mac([0; 6]) } else { mac };
            let key = FdbKey { own: true, dst, mac, ..key };
            Fdb { key, state: Neigh::PERMANENT, derived: false }
        } else {
            let state = if self.dice.chance(50) { Neigh::PERMANENT } else { 0x40 };
            Fdb { key, state, derived: false }
        };
        create(&ns, Body::Fdb(fdb))
    }
}

/// A group for those that have an alias.
fn group(link: &Link) -> u32 {
    link.alias.as_ref().map_or(0, |_| 0x7fff_fff0)
}
