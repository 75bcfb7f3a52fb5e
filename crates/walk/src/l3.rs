//! Packets: out of a socket, into a stack, through it, to a listener.
//!
//!     travel(ns, packet) ──▶ originate ─▶ transmit ─▶ (l2) ─▶ arrive ─▶ forward ─▶ … ─▶ Ending
//!
//! Kernel: net/ipv4/{ip_output,ip_input,ip_forward,route,fib_frontend}.c and their kin of IPv6.

use std::net::IpAddr;

use ropewalk_facts::{IfName, NextHop, Ns, Route, RouteKind};

use crate::l2::{Arrival, Frame, Spread, far_end};
use crate::nft::Hook;
use crate::packet::{BROADCAST, Packet};
use crate::question::proto;
use crate::route::{self, Answer, Taken};
use crate::socket::first_hops;
use crate::trace::{Ending, Stop, Why};
use crate::walker::{At, Walker};
use crate::world::{Node, World};

/// Where the packet is after a step.
enum Step {
    /// At a stack.
    At(Box<Arrival>),
    /// At its end.
    End(Box<Ending>),
}

type Stepped = Result<Step, Stop>;

impl Walker<'_> {
    /// Walks a packet from a socket in `ns` to its end.
    pub(crate) fn travel(&mut self, ns: &Ns, packet: Packet, oif: Option<&IfName>) -> Ending {
        let first = self.originate(ns, packet, oif);
        self.follow(first)
    }

    /// Walks a frame that comes in by a link from outside.
    pub(crate) fn enter(&mut self, ns: &Ns, dev: &IfName, packet: Packet) -> Ending {
        let mut spread = Spread::default();
        self.ingress(ns, dev, Frame::new(packet.clone()), &mut spread);
        let first = self.pick(ns, dev, spread, &packet, packet.dst);
        self.follow(first)
    }

    fn follow(&mut self, first: Stepped) -> Ending {
        let mut step = first;
        loop {
            match step {
                Err(stop) => return Ending::Stopped(Box::new(stop)),
                Ok(Step::End(end)) => return *end,
                Ok(Step::At(arrival)) => {
                    if self.depth == 0 {
                        self.hops.extend(arrival.hops.iter().cloned());
                    }
                    step = if self.tired() {
                        Err(Self::stop(&arrival.ns, Some(&arrival.dev), Why::Loop, &arrival.packet))
                    } else {
                        self.arrive(*arrival)
                    };
                }
            }
        }
    }

    fn originate(&mut self, ns: &Ns, mut p: Packet, oif: Option<&IfName>) -> Stepped {
        let Some(node) = self.node(ns) else {
            return Err(Self::stop(ns, None, Why::NotRead, &p));
        };
        let lo = IfName::new("lo").ok();
        if p.dst.is_loopback() && node.devs.values().any(|d| d.loopback() && !d.link.up) {
            return Err(Self::stop(ns, lo.as_ref(), Why::Down, &p));
        }
        let bound = !p.src.is_unspecified();
        let ask =
            route::Ask { src: bound.then_some(p.src), oif: oif.cloned(), ..route::Ask::of(&p) };
        let mut taken = self.route(node, &p, &ask)?;
        let mut hop = self.way(node, &taken.route, p.dst, &ask);
        if !bound {
            p.src = route::source(node, &taken.route, hop.as_ref(), p.dst).ok_or_else(|| {
                Self::stop(ns, hop.as_ref().and_then(|h| h.dev.as_ref()), Why::NoSource, &p)
            })?;
            if let Some(again) = self.connected(node, &p, &ask)? {
                hop = self.way(node, &again.route, p.dst, &ask);
                taken = again;
            }
        }
        let limit = first_hops(node, &taken.route, hop.as_ref(), p.v6());
        p.ttl = limit.filter(|_| self.depth == 0).unwrap_or(p.ttl);
        let to = hop.as_ref().and_then(|h| h.dev.as_ref());
        self.routed(ns, described(&taken.route, hop.as_ref()), to, &p);
        let local = taken.route.kind == RouteKind::Local;
        let dev = if local { lo.clone() } else { hop.as_ref().and_then(|h| h.dev.clone()) };
        let before = (p.dst, p.mark);
        self.netfilter(
            At { ns, hook: Hook::Output, iif: None, oif: dev.as_ref(), bridged: false },
            &mut p,
        )?;
        if before != (p.dst, p.mark) {
            let ask = route::Ask::of(&p);
            let taken = self.route(node, &p, &ask)?;
            let hop = self.way(node, &taken.route, p.dst, &ask);
            return self.leave(node, p, None, &taken, hop.as_ref());
        }
        self.leave(node, p, None, &taken, hop.as_ref())
    }

    /// Out of this host by the route that was taken; `iif`: of what is forwarded, the link that it
    /// came in by, which rules still see (`ip_output`).
    fn leave(
        &mut self,
        node: &Node,
        mut p: Packet,
        iif: Option<&IfName>,
        taken: &Taken,
        hop: Option<&NextHop>,
    ) -> Stepped {
        let ns = &node.ns;
        if taken.route.kind == RouteKind::Local {
            let Some(lo) = IfName::new("lo").ok() else {
                return Err(Self::stop(ns, None, Why::Down, &p));
            };
            if !node.devs.get(&lo).is_some_and(|d| d.link.up) {
                return Err(Self::stop(ns, Some(&lo), Why::Down, &p));
            }
            let at = At { ns, hook: Hook::Postrouting, iif: None, oif: Some(&lo), bridged: false };
            self.netfilter(at, &mut p)?;
            let (ns, dev) = (ns.clone(), lo);
            return Ok(Step::At(Box::new(Arrival {
                ns,
                dev,
                packet: p,
                shown: false,
                hops: Vec::new(),
            })));
        }
        let Some(dev) = hop.and_then(|h| h.dev.clone()) else {
            return Err(Self::stop(ns, None, Why::NoRoute, &p));
        };
        if let IpAddr::V4(src) = p.src
            && src.is_loopback()
            && node.conf_max(&dev, "route_localnet") == 0
        {
            return Err(Self::stop(ns, Some(&dev), Why::Localnet, &p));
        }
        let at = At { ns, hook: Hook::Postrouting, iif, oif: Some(&dev), bridged: false };
        self.netfilter(at, &mut p)?;
        let via = hop.and_then(|h| h.via).unwrap_or(p.dst);
        self.transmit(node, &dev, via, taken, p)
    }

    fn transmit(
        &mut self,
        node: &Node,
        name: &IfName,
        via: IpAddr,
        taken: &Taken,
        mut p: Packet,
    ) -> Stepped {
        let ns = &node.ns;
        let Some(dev) = node.devs.get(name) else {
            return Err(Self::stop(ns, Some(name), Why::Loose, &p));
        };
        if !dev.link.up {
            return Err(Self::stop(ns, Some(name), Why::Down, &p));
        }
        self.fits(node, name, taken, &mut p)?;
        p.smac = dev.mac();
        let group = via.is_multicast() || taken.route.kind == RouteKind::Broadcast;
        let owner = if group { None } else { Some(self.resolve(ns, name, via, &p)?) };
        p.dmac = owner.as_ref().map_or(BROADCAST, |o| o.mac);
        let spread = self.send(ns, name, p.clone());
        let outside = owner.is_some_and(|o| o.outside);
        if outside && let Some(gate) = spread.outside.first() {
            return Ok(self.left(gate, &p, via));
        }
        self.pick(ns, name, spread, &p, via)
    }

    /// The one place among those that a frame gets to.
    fn pick(
        &mut self,
        ns: &Ns,
        dev: &IfName,
        mut spread: Spread,
        p: &Packet,
        via: IpAddr,
    ) -> Stepped {
        if !spread.arrivals.is_empty() {
            self.told_by_frames();
            return Ok(Step::At(Box::new(spread.arrivals.swap_remove(0))));
        }
        let telling = |stop: &&Stop| !matches!(stop.why, Why::NotForUs(_) | Why::Hairpin);
        let loss = spread.losses.iter().find(telling).or_else(|| spread.losses.first()).cloned();
        match (loss, spread.outside.first()) {
            (None, Some(gate)) => Ok(self.left(gate, p, via)),
            (Some(loss), Some(gate)) if matches!(loss.why, Why::NotForUs(_)) => {
                Ok(self.left(gate, p, via))
            }
            (Some(loss), _) => Err(loss),
            (None, None) => Err(Self::stop(ns, Some(dev), Why::Loose, p)),
        }
    }

    /// It has left for where nobody may look.
    fn left(&mut self, (ns, dev): &(Ns, IfName), p: &Packet, via: IpAddr) -> Step {
        let end = self.node(ns).and_then(|node| far_end(node, node.devs.get(dev)?, p.dmac));
        let what = end.map(|(vni, remote)| format!("into the tunnel {vni} to {remote}"));
        self.hop(ns, dev.as_str(), what.unwrap_or_else(|| format!("leaves for {via}")), p);
        let (ns, dev) = (ns.clone(), dev.clone());
        Step::End(Box::new(Ending::Left { ns, dev, packet: p.clone(), via }))
    }

    /// The MTU of the link and of the route.
    fn fits(
        &mut self,
        node: &Node,
        name: &IfName,
        taken: &Taken,
        p: &mut Packet,
    ) -> Result<(), Stop> {
        let link = node.devs.get(name).map_or(u32::MAX, |d| d.mtu());
        let route = taken.route.mtu.filter(|mtu| *mtu > 0);
        let mtu = route.unwrap_or(link).min(link);
        if p.len <= mtu {
            return Ok(());
        }
        let local = node.owns(p.src);
        if p.df || (p.v6() && !local) {
            let route = route == Some(mtu) && mtu < link;
            let lost = if local { None } else { self.told(node, p).err() };
            let told = lost.is_none();
            return Err(Self::stop(
                &node.ns,
                Some(name),
                Why::TooBig { mtu, route, told, lost },
                p,
            ));
        }
        p.len = mtu;
        Ok(())
    }

    /// Whether the message that a packet is too long gets back to who sent it.
    fn told(&mut self, node: &Node, p: &Packet) -> Result<(), Box<Stop>> {
        if self.depth > 2 {
            return Ok(());
        }
        let (icmp, number) = if p.v6() { ((2, 0), proto::ICMP6) } else { ((3, 4), proto::ICMP) };
        let unset: IpAddr = if p.v6() {
            std::net::Ipv6Addr::UNSPECIFIED.into()
        } else {
            std::net::Ipv4Addr::UNSPECIFIED.into()
        };
        let error = Packet {
            src: unset,
            dst: p.src,
            proto: number,
            icmp,
            len: 96,
            df: false,
            ttl: 64,
            conn: None,
            ask: None,
            ..p.clone()
        };
        self.depth += 1;
        let end = self.travel(&node.ns, error, None);
        self.depth -= 1;
        if let Ending::Stopped(stop) = end { Err(stop) } else { Ok(()) }
    }

    pub(crate) fn route(
        &self,
        node: &Node,
        p: &Packet,
        ask: &route::Ask,
    ) -> Result<Box<Taken>, Stop> {
        let stop = |why| Self::stop(&node.ns, ask.iif.as_ref(), why, p);
        match route::lookup(node, p.dst, ask) {
            Answer::Route(taken) => Ok(taken),
            Answer::Refused(refusal) => Err(stop(Why::Refused(refusal))),
            Answer::Nothing => Err(stop(Why::NoRoute)),
            Answer::Unknown(_) => Err(stop(Why::UnknownRule)),
        }
    }

    /// One of the ways that a route leads.
    pub(crate) fn way(
        &mut self,
        node: &Node,
        route: &Route,
        dst: IpAddr,
        ask: &route::Ask,
    ) -> Option<NextHop> {
        let learned =
            node.learned.iter().find(|r| r.key.dst.addr() == dst && r.key.dst.contains(&dst));
        if let Some(hop) =
            learned.filter(|_| route.kind == RouteKind::Unicast).and_then(|r| r.hops.first())
            && route.hops.iter().any(|h| h.dev == hop.dev)
        {
            return Some(hop.clone());
        }
        let ways: Vec<&NextHop> = route.hops.iter().filter(|h| route::goes(node, h, ask)).collect();
        self.legs = self.legs.max(ways.len());
        let count = ways.len().max(1);
        ways.get(self.leg % count).map(|h| (*h).clone())
    }

    fn arrive(&mut self, arrival: Arrival) -> Stepped {
        let Arrival { ns, dev, packet: mut p, shown, .. } = arrival;
        let Some(node) = self.node(&ns) else {
            return Err(Self::stop(&ns, None, Why::NotRead, &p));
        };
        let stop = |why, p: &Packet| Self::stop(&ns, Some(&dev), why, p);
        if p.v6() && node.conf(true, dev.as_str(), "disable_ipv6") != 0 {
            return Err(stop(Why::Disabled, &p));
        }
        if !shown {
            let at =
                At { ns: &ns, hook: Hook::Prerouting, iif: Some(&dev), oif: None, bridged: false };
            self.netfilter(at, &mut p)?;
        }
        let (taken, hop) = self.input(node, &dev, &p)?;
        match taken.route.kind {
            RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast => {
                self.deliver(node, &dev, p)
            }
            _ => self.forward_on(node, &dev, &taken, hop.as_ref(), p),
        }
    }

    /// The route of a packet that came in by a link, and which of its ways it goes on by
    /// (`ip_route_input_slow`: the way is chosen before the source is asked about).
    fn input(
        &mut self,
        node: &Node,
        dev: &IfName,
        p: &Packet,
    ) -> Result<(Box<Taken>, Option<NextHop>), Stop> {
        let stop = |why| Self::stop(&node.ns, Some(dev), why, p);
        let lo = node.devs.get(dev).is_some_and(|d| d.loopback());
        if let (IpAddr::V4(dst), IpAddr::V4(src), false) = (p.dst, p.src, lo) {
            let open = node.conf_max(dev, "route_localnet") != 0;
            if !open && (dst.is_loopback() || src.is_loopback()) {
                return Err(stop(Why::Localnet));
            }
        }
        let ask = route::Ask { iif: Some(dev.clone()), ..route::Ask::of(p) };
        if p.v6() && !lo && (p.dst.is_loopback() || p.src.is_loopback()) {
            return Err(stop(Why::Localnet));
        }
        let taken = self.route(node, p, &ask)?;
        let lonely = Packet { dst: std::net::Ipv4Addr::UNSPECIFIED.into(), ..p.clone() };
        let here = matches!(
            taken.route.kind,
            RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast
        );
        if !here && !node.forwards(p.v6(), dev) {
            return Err(stop(Why::NotForwarding));
        }
        let hop = if here { None } else { self.way(node, &taken.route, p.dst, &ask) };
        let out = hop.as_ref().and_then(|hop| hop.dev.as_ref());
        match taken.route.kind {
            RouteKind::Multicast => {}
            // IPv6 has no rp_filter.
            _ if p.v6() || (here && lo) => {}
            RouteKind::Broadcast => {
                self.source_fits(node, dev, None, &lonely).map_err(&stop)?;
            }
            _ => self.source_fits(node, dev, out, p).map_err(&stop)?,
        }
        Ok((taken, hop))
    }

    fn forward_on(
        &mut self,
        node: &Node,
        dev: &IfName,
        taken: &Taken,
        hop: Option<&NextHop>,
        mut p: Packet,
    ) -> Stepped {
        let ns = &node.ns;
        let stop = |why, p: &Packet| Self::stop(ns, Some(dev), why, p);
        if p.ttl <= 1 {
            return Err(stop(Why::Ttl, &p));
        }
        p.ttl -= 1;
        let Some(out) = hop.and_then(|h| h.dev.clone()) else {
            return Err(stop(Why::NoRoute, &p));
        };
        self.routed(ns, described(&taken.route, hop), Some(&out), &p);
        self.fits(node, &out, taken, &mut p)?;
        let at = At { ns, hook: Hook::Forward, iif: Some(dev), oif: Some(&out), bridged: false };
        self.netfilter(at, &mut p)?;
        self.leave(node, p, Some(dev), taken, hop)
    }

    /// Whether a source may come in by a link (`fib_validate_source`); `out` is the link that the
    /// packet would leave by again.
    pub(crate) fn source_fits(
        &self,
        node: &Node,
        dev: &IfName,
        out: Option<&IfName>,
        p: &Packet,
    ) -> Result<(), Why> {
        if p.src.is_unspecified() {
            return Ok(());
        }
        let mode = node.conf_max(dev, "rp_filter");
        let alien = node.conf_max(dev, "accept_local") != 0;
        let turns = out == Some(dev) && node.conf_max(dev, "send_redirects") != 0;
        if mode == 0 && !turns && (alien || !node.custom()) {
            return if alien || !node.owns(p.src) { Ok(()) } else { Err(Why::Martian) };
        }
        let mark = if node.conf_max(dev, "src_valid_mark") != 0 { p.mark } else { 0 };
        let lo = || IfName::new("lo").ok();
        let ask = route::Ask {
            src: Some(p.dst),
            iif: out.cloned().or_else(lo),
            oif: None,
            mark,
            flow: Some((p.proto, p.dport, p.sport)),
        };
        let back = match route::lookup(node, p.src, &ask) {
            Answer::Route(taken) => taken,
            _ if mode == 0 => return Ok(()),
            _ => return Err(Why::RpFilter { mode, back: None }),
        };
        match back.route.kind {
            RouteKind::Unicast => {}
            RouteKind::Local if alien => {}
            _ => return Err(Why::Martian),
        }
        let here = back.route.hops.iter().any(|h| h.dev.as_ref() == Some(dev));
        if mode == 1 && !here {
            let back = back.route.hops.first().and_then(|h| h.dev.clone());
            return Err(Why::RpFilter { mode, back });
        }
        // A link without an address does with any way back, where that need not be this one.
        if mode != 0 && !here && node.addrs_of(dev).all(|a| a.key.net.addr().is_ipv6()) {
            return Err(Why::RpFilter { mode, back: None });
        }
        Ok(())
    }

    fn deliver(&mut self, node: &Node, dev: &IfName, mut p: Packet) -> Stepped {
        let ns = &node.ns;
        let at = At { ns, hook: Hook::Input, iif: Some(dev), oif: None, bridged: false };
        self.netfilter(at, &mut p)?;
        self.hop(ns, dev.as_str(), "delivers it", &p);
        let (ns, dev) = (ns.clone(), dev.clone());
        Ok(Step::End(Box::new(Ending::Delivered { ns, dev, packet: p })))
    }
}

/// The route that a packet takes which comes in by a link, and the way it goes on by, or why it goes
/// no further: what `ip route get DST from SRC iif DEV` answers. Where a route has several ways, the
/// answer is that of way number `leg` of them, counted from 0 and around.
///
/// # Errors
/// Why it goes no further.
pub fn arrives(
    world: &World,
    ns: &Ns,
    dev: &IfName,
    packet: &Packet,
    leg: usize,
) -> Result<(Taken, Option<NextHop>), Why> {
    let mut walker = Walker::new(world, leg);
    let node = walker.node(ns).ok_or(Why::NotRead)?;
    walker.input(node, dev, packet).map(|(taken, hop)| (*taken, hop)).map_err(|stop| stop.why)
}

fn described(route: &Route, hop: Option<&NextHop>) -> String {
    let mut text = if route.key.dst.prefix_len() == 0 {
        "default".to_owned()
    } else {
        route.key.dst.to_string()
    };
    if route.kind != RouteKind::Unicast {
        text = format!("{} {text}", route.kind.name());
    }
    if let Some(hop) = hop {
        if let Some(via) = hop.via {
            text += &format!(" via {via}");
        }
        if let Some(dev) = &hop.dev {
            text += &format!(" dev {dev}");
        }
    }
    text
}
