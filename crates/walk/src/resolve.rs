//! Whose hardware address: the neighbour table, or ARP and neighbour discovery, walked as packets.
//!
//!     who has 10.0.0.2? ──▶ every stack that the question reaches ──▶ who would answer, and why not
//!
//! Kernel: `arp_solicit`, `arp_process` (net/ipv4/arp.c), `ndisc_recv_ns` (net/ipv6/ndisc.c).

use std::net::IpAddr;

use ropewalk_facts::{IfName, Mac, Ns, RouteKind};

use crate::l2::{Arrival, Frame, Spread};
use crate::nft::{self, Env, Hook};
use crate::packet::{Ask, BROADCAST, NO_MAC, Packet};
use crate::question::proto;
use crate::route::{self, Answer};
use crate::trace::{Stop, Why};
use crate::walker::{At, Walker};
use crate::world::Node;

/// States of a neighbour (`NUD_*`).
const INCOMPLETE: u16 = 1;
const REACHABLE: u16 = 2;
const FAILED: u16 = 0x20;
const FIXED: u16 = 0x40 | 0x80;

/// What came of asking.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) mac: Mac,
    /// It is somebody where nobody may look.
    pub(crate) outside: bool,
}

impl Walker<'_> {
    /// The hardware address of `ip` on a link.
    pub(crate) fn resolve(
        &mut self,
        ns: &Ns,
        name: &IfName,
        ip: IpAddr,
        p: &Packet,
    ) -> Result<Owner, Stop> {
        let Some(node) = self.node(ns) else { return Err(Self::stop(ns, None, Why::NotRead, p)) };
        let Some(dev) = node.devs.get(name) else {
            return Err(Self::stop(ns, Some(name), Why::Loose, p));
        };
        let known = |mac| Ok(Owner { mac, outside: false });
        if dev.loopback() || dev.noarp() {
            return known(dev.mac());
        }
        self.needed.insert((ns.clone(), name.clone(), ip));
        if self.depth == 0 {
            self.asked.push((ns.clone(), name.clone(), ip));
        }
        let entry =
            node.neighs.iter().find(|n| n.key.dev == *name && n.key.ip == ip && !n.key.proxy);
        let state = entry.map_or(0, |e| e.state);
        if let Some(mac) = entry.filter(|_| state & FIXED != 0).and_then(|e| e.mac) {
            return known(mac);
        }
        if let Some(table) = node.crowded(ip.is_ipv6()).filter(|_| entry.is_none()) {
            return Err(Self::stop(ns, Some(name), Why::NeighboursFull(table.room), p));
        }
        let request = question(node, name, dev.mac(), ip, p);
        let spread = self.ask(ns, name, request.clone())?;
        let (answers, mut reasons) = self.answers(ns, name, ip, &request, &spread);
        let listed = entry.and_then(|e| e.mac).filter(|_| state & (INCOMPLETE | FAILED) == 0);
        if let Some(mac) = listed
            && (answers.contains(&mac) || answers.is_empty() || state & REACHABLE != 0)
            && (!answers.is_empty() || !spread.outside.is_empty())
        {
            let outside = !answers.contains(&mac) && !spread.outside.is_empty();
            return Ok(Owner { mac, outside });
        }
        if let Some(mac) = answers.first() {
            return known(*mac);
        }
        let elsewhere = self.world.owners(ip).any(|(other, a)| *other != *ns || a.key.dev != *name);
        if let Some(gate) = spread.outside.first().filter(|_| !elsewhere) {
            match self.answered_from_outside(ns, name, ip, &request, gate) {
                Err(stop) => reasons.extend(stop),
                Ok(()) if state & (INCOMPLETE | FAILED) == 0 => {
                    return Ok(Owner { mac: STRANGER, outside: true });
                }
                Ok(()) => self.mute.push((ns.clone(), name.clone(), ip)),
            }
        }
        // Nobody was asked any more: it goes round and round.
        if self.budget == 0 {
            return Err(Self::stop(ns, Some(name), Why::Loop, p));
        }
        let because = [reasons, spread.losses].concat();
        Err(Self::stop(ns, Some(name), Why::Unresolved { ip, because }, p))
    }

    /// Sends the question, through the rules that see it.
    fn ask(&mut self, ns: &Ns, name: &IfName, mut request: Packet) -> Result<Spread, Stop> {
        self.depth += 1;
        let shown = self.shown_out(ns, name, &mut request);
        let spread = shown.map(|()| self.send(ns, name, request));
        self.depth -= 1;
        spread
    }

    fn shown_out(&mut self, ns: &Ns, name: &IfName, p: &mut Packet) -> Result<(), Stop> {
        if p.is_arp() {
            return self.arp_chains(ns, Hook::Output, None, Some(name), p);
        }
        let at = |hook| At { ns, hook, iif: None, oif: Some(name), bridged: false };
        self.netfilter(at(Hook::Output), p)?;
        self.netfilter(at(Hook::Postrouting), p)
    }

    fn shown_in(&mut self, ns: &Ns, name: &IfName, p: &mut Packet) -> Result<(), Stop> {
        if p.is_arp() {
            return self.arp_chains(ns, Hook::Input, Some(name), None, p);
        }
        let at = |hook| At { ns, hook, iif: Some(name), oif: None, bridged: false };
        self.netfilter(at(Hook::Prerouting), p)?;
        self.netfilter(at(Hook::Input), p)
    }

    fn arp_chains(
        &mut self,
        ns: &Ns,
        hook: Hook,
        iif: Option<&IfName>,
        oif: Option<&IfName>,
        p: &mut Packet,
    ) -> Result<(), Stop> {
        let Some(node) = self.node(ns) else { return Ok(()) };
        for line in node.nft.hooked(nft::ARP, hook, None) {
            let at = At { ns, hook, iif, oif, bridged: false };
            let env = Env {
                node,
                hook,
                iif,
                oif,
                bridge_in: None,
                bridge_out: None,
                track: None,
                untracked: true,
                filled: &[],
            };
            let outcome = nft::run(&env, line, p);
            self.judge(at, outcome, p)?;
        }
        Ok(())
    }

    /// The hardware addresses that come back, and why others do not.
    fn answers(
        &mut self,
        ns: &Ns,
        name: &IfName,
        ip: IpAddr,
        request: &Packet,
        spread: &Spread,
    ) -> (Vec<Mac>, Vec<Stop>) {
        let (mut macs, mut reasons) = (Vec::new(), Vec::new());
        self.depth += 1;
        for arrival in &spread.arrivals {
            if arrival.ns == *ns && arrival.dev == *name {
                continue;
            }
            match self.answered(ns, name, ip, request, arrival) {
                Ok(Some(mac)) => macs.push(mac),
                Ok(None) => {}
                Err(stop) => reasons.push(stop),
            }
        }
        self.depth -= 1;
        (macs, reasons)
    }

    /// Whether the one who got the question answers, and the answer gets back.
    fn answered(
        &mut self,
        ns: &Ns,
        name: &IfName,
        ip: IpAddr,
        request: &Packet,
        arrival: &Arrival,
    ) -> Result<Option<Mac>, Stop> {
        let mut p = arrival.packet.clone();
        let Some(node) = self.node(&arrival.ns) else { return Ok(None) };
        let Some(dev) = node.devs.get(&arrival.dev) else { return Ok(None) };
        if dev.noarp() {
            return Err(Self::stop(&arrival.ns, Some(&arrival.dev), Why::Swallowed, &p));
        }
        let concerned = node.owns(ip) || would_proxy(node, &arrival.dev, ip);
        if concerned {
            self.shown_in(&arrival.ns, &arrival.dev, &mut p)?;
        }
        if !self.speaks_for(node, &arrival.dev, ip, request)? {
            return Ok(None);
        }
        let mac = dev.mac();
        let answer = Packet {
            src: ip,
            dst: request.src,
            smac: mac,
            dmac: request.smac,
            icmp: (136, 0),
            ask: Some(Ask { from: ip, whose: ip, answer: true }),
            conn: None,
            untracked: false,
            zone: 0,
            physin: None,
            physout: None,
            ..request.clone()
        };
        let mut answer = answer;
        self.shown_out(&arrival.ns, &arrival.dev, &mut answer)?;
        let back = self.send(&arrival.ns, &arrival.dev, answer);
        for got in &back.arrivals {
            if got.ns == *ns && got.dev == *name {
                let mut p = got.packet.clone();
                self.shown_in(ns, name, &mut p)?;
                return Ok(Some(mac));
            }
        }
        let elsewhere = back
            .arrivals
            .iter()
            .find(|got| got.ns == *ns)
            .map(|got| Self::stop(ns, Some(&got.dev), Why::NotForUs(mac), &got.packet));
        Err(elsewhere
            .or_else(|| back.losses.first().cloned())
            .unwrap_or_else(|| Self::stop(&arrival.ns, Some(&arrival.dev), Why::Swallowed, &p)))
    }

    /// Whether the answer of somebody outside would get to who asked, and why not.
    fn answered_from_outside(
        &mut self,
        ns: &Ns,
        name: &IfName,
        ip: IpAddr,
        request: &Packet,
        (gate, link): &(Ns, IfName),
    ) -> Result<(), Vec<Stop>> {
        let answer = Packet {
            src: ip,
            dst: request.src,
            smac: STRANGER,
            dmac: request.smac,
            icmp: (136, 0),
            ask: Some(Ask { from: ip, whose: ip, answer: true }),
            conn: None,
            untracked: false,
            zone: 0,
            physin: None,
            physout: None,
            ..request.clone()
        };
        self.depth += 1;
        let mut spread = Spread::default();
        self.ingress(gate, link, Frame::new(answer), &mut spread);
        let got = spread.arrivals.iter().find(|a| a.ns == *ns && a.dev == *name).cloned();
        let shown = got.map(|mut got| self.shown_in(ns, name, &mut got.packet));
        self.depth -= 1;
        match shown {
            Some(Ok(())) => Ok(()),
            Some(Err(stop)) => Err(vec![stop]),
            None => Err(spread.losses),
        }
    }

    /// Whether a host answers for an address on a link.
    fn speaks_for(
        &mut self,
        node: &Node,
        dev: &IfName,
        ip: IpAddr,
        request: &Packet,
    ) -> Result<bool, Stop> {
        let stop = |why| Self::stop(&node.ns, Some(dev), why, request);
        if ip.is_ipv6() {
            let own = node.addrs_of(dev).any(|a| a.key.net.addr() == ip) && !node.cannot_use(ip);
            if node.conf(true, dev.as_str(), "disable_ipv6") != 0 {
                return Err(stop(Why::Disabled));
            }
            let proxies = would_proxy(node, dev, ip);
            if proxies && !own && node.conf(true, dev.as_str(), "forwarding") == 0 {
                return Err(stop(Why::NotForwarding));
            }
            return Ok(own || proxies);
        }
        let ask =
            route::Ask { src: Some(request.src), iif: Some(dev.clone()), ..Default::default() };
        let taken = match route::lookup(node, ip, &ask) {
            Answer::Route(taken) => taken,
            _ => return Ok(false),
        };
        let local = taken.route.kind == RouteKind::Local;
        let proxies = would_proxy(node, dev, ip);
        if !local && !proxies {
            return Ok(false);
        }
        let way = if local { None } else { self.way(node, &taken.route, ip, &ask) };
        let out = way.and_then(|hop| hop.dev);
        if let Err(why) = self.source_fits(node, dev, out.as_ref(), request) {
            return Err(stop(why));
        }
        if local {
            return self.own_arp(node, dev, ip, request).map(|()| true);
        }
        if taken.route.kind != RouteKind::Unicast || out.as_ref() == Some(dev) {
            return Ok(false);
        }
        // Who does not forward does not speak for others.
        if node.forwards(false, dev) { Ok(true) } else { Err(stop(Why::NotForwarding)) }
    }

    /// `arp_ignore` and `arp_filter`.
    fn own_arp(&self, node: &Node, dev: &IfName, ip: IpAddr, request: &Packet) -> Result<(), Stop> {
        let ignore = node.conf_max(dev, "arp_ignore");
        let here = node.addrs_of(dev).find(|a| a.key.net.addr() == ip);
        let silent = match ignore {
            0 => false,
            1 => here.is_none(),
            2 => here.is_none_or(|a| !a.key.net.contains(&request.src)),
            3 => node.addrs.iter().any(|a| a.key.net.addr() == ip && a.scope.0 >= 254),
            _ => true,
        };
        if silent {
            return Err(Self::stop(
                &node.ns,
                Some(dev),
                Why::Silent(Silence::Ignore(ignore)),
                request,
            ));
        }
        if node.conf_max(dev, "arp_filter") != 0 {
            let ask = route::Ask { src: Some(ip), ..Default::default() };
            let back = match route::lookup(node, request.src, &ask) {
                Answer::Route(t) => t.route.hops.first().and_then(|h| h.dev.clone()),
                _ => None,
            };
            if back.as_ref() != Some(dev) {
                return Err(Self::stop(
                    &node.ns,
                    Some(dev),
                    Why::Silent(Silence::Filter(back)),
                    request,
                ));
            }
        }
        Ok(())
    }

    /// Somebody outside asks for `ip` on the link that leads to him.
    pub(crate) fn asked_from_outside(
        &mut self,
        ns: &Ns,
        dev: &IfName,
        ip: IpAddr,
        from: IpAddr,
        p: &Packet,
    ) -> Result<Mac, Stop> {
        let Some(node) = self.node(ns) else { return Err(Self::stop(ns, None, Why::NotRead, p)) };
        let mut request = question(node, dev, STRANGER, ip, p);
        request.src = from;
        self.depth += 1;
        let mut spread = Spread::default();
        self.ingress(ns, dev, Frame::new(request.clone()), &mut spread);
        let mut found = None;
        let mut reasons = Vec::new();
        for arrival in &spread.arrivals {
            let Some(node) = self.node(&arrival.ns) else { continue };
            let mut got = arrival.packet.clone();
            let shown = self.shown_in(&arrival.ns, &arrival.dev, &mut got);
            let spoken = shown.and_then(|()| self.speaks_for(node, &arrival.dev, ip, &request));
            match spoken {
                Ok(true) => found = found.or_else(|| node.devs.get(&arrival.dev).map(|d| d.mac())),
                Ok(false) => {}
                Err(stop) => reasons.push(stop),
            }
        }
        self.depth -= 1;
        reasons.extend(spread.losses);
        found.ok_or_else(|| Self::stop(ns, Some(dev), Why::Unresolved { ip, because: reasons }, p))
    }
}

/// Why a host does not answer though the address is its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Silence {
    /// `arp_ignore`
    Ignore(i64),
    /// `arp_filter`: it would answer by this link.
    Filter(Option<IfName>),
}

fn proxied(node: &Node, dev: &IfName, ip: IpAddr) -> bool {
    node.neighs.iter().any(|n| n.key.proxy && n.key.ip == ip && n.key.dev == *dev)
}

fn would_proxy(node: &Node, dev: &IfName, ip: IpAddr) -> bool {
    if ip.is_ipv6() {
        let on = node.conf(true, dev.as_str(), "proxy_ndp") != 0
            || node.conf(true, "all", "proxy_ndp") != 0;
        return on && proxied(node, dev, ip);
    }
    node.conf_max(dev, "proxy_arp") != 0 || proxied(node, dev, ip)
}

/// The question for an address. It comes from the packet's own source where that is one of ours.
fn question(node: &Node, dev: &IfName, mac: Mac, ip: IpAddr, p: &Packet) -> Packet {
    let mine = node.owns(p.src) && p.src.is_ipv6() == ip.is_ipv6();
    let fits = |a: &&ropewalk_facts::Addr| a.key.net.addr().is_ipv6() == ip.is_ipv6();
    let near = node.addrs_of(dev).find(|a| fits(a) && a.key.net.contains(&ip));
    let any = || {
        node.addrs_of(dev)
            .find(|a| fits(a))
            .or_else(|| node.addrs.iter().find(|a| fits(a) && a.scope.0 == 0))
    };
    let own = near.or_else(any).map(|a| a.key.net.addr());
    let announce = node.conf_max(dev, "arp_announce");
    let src = if mine && announce == 0 { p.src } else { own.unwrap_or(p.src) };
    let dmac = match ip {
        IpAddr::V4(_) => BROADCAST,
        IpAddr::V6(ip) => {
            let [.., a, b, c] = ip.octets();
            Mac([0x33, 0x33, 0xff, a, b, c])
        }
    };
    Packet {
        src,
        dst: ip,
        proto: proto::ICMP6,
        sport: 0,
        dport: 0,
        icmp: (135, 0),
        flags: 0,
        ttl: 255,
        len: 64,
        df: false,
        mark: 0,
        priority: 0,
        smac: mac,
        dmac,
        ask: Some(Ask { from: src, whose: ip, answer: false }),
        physin: None,
        physout: None,
        conn: None,
        untracked: false,
        zone: 0,
    }
}

/// The hardware address of somebody where nobody may look.
const STRANGER: Mac = Mac([2, 0, 0, 0, 0, 0xff]);
/// The hardware address of nobody.
pub(crate) const NOBODY: Mac = NO_MAC;
