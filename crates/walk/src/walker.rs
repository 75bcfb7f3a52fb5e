//! The state of a walk: the world, the connections made so far, what was met.

use std::collections::BTreeMap;

use ropewalk_facts::nft::{ChainKey, NatKind, SetKey};
use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, Ns, Peer};

use crate::nft::{self, Decision, Doubt, Env, Hook, Nat, Track};
use crate::packet::Packet;
use crate::question::proto;
use crate::route::{self, Answer};
use crate::trace::{Ending, Hop, Journey, ROUTE, Shown, Stop, Why};
use crate::world::{Node, World};

/// Steps a packet may take before it is taken to go round in circles; and, since every member of a
/// bridge hears who is asked for, for each link that there is.
const PATIENCE: u32 = 400;
const OF_LINK: u32 = 20;

/// A connection that the walk has made, or found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conn {
    pub(crate) orig: Tuple,
    pub(crate) reply: Tuple,
    pub(crate) mark: u32,
    /// It was there before.
    pub(crate) old: bool,
    pub(crate) src_done: bool,
    pub(crate) dst_done: bool,
}

pub(crate) struct Walker<'w> {
    pub(crate) world: &'w World,
    /// The links that sit upon others: upon which, and who they are.
    pub(crate) uppers: Vec<(&'w Peer, &'w Ns, &'w IfName)>,
    pub(crate) conns: BTreeMap<Ns, Vec<Conn>>,
    pub(crate) hops: Vec<Hop>,
    /// Those among them that frames tell themselves when they arrive.
    pub(crate) bridged: Vec<usize>,
    pub(crate) shown: Vec<Shown>,
    pub(crate) doubts: Vec<(Ns, Doubt)>,
    pub(crate) opaque: Vec<(Ns, IfName, String)>,
    pub(crate) limited: Vec<(Ns, Doubt)>,
    /// What packets added to sets on their way.
    filled: BTreeMap<Ns, Vec<(SetKey, Vec<u8>)>>,
    pub(crate) ttls: Vec<(Ns, ChainKey)>,
    pub(crate) nats: Vec<(Ns, nft::Who, Tuple)>,
    pub(crate) looked_up: Vec<(Ns, Tuple)>,
    pub(crate) asked: Vec<(Ns, IfName, std::net::IpAddr)>,
    pub(crate) mute: Vec<(Ns, IfName, std::net::IpAddr)>,
    /// Which of several ways is taken, and how many there are at most.
    pub(crate) leg: usize,
    pub(crate) legs: usize,
    pub(crate) budget: u32,
    /// Addresses being asked for, so that asking does not ask for itself.
    pub(crate) depth: u32,
}

/// Where a packet is when it is shown to rules.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) ns: &'a Ns,
    pub(crate) hook: Hook,
    pub(crate) iif: Option<&'a IfName>,
    pub(crate) oif: Option<&'a IfName>,
    /// In the midst of a bridge.
    pub(crate) bridged: bool,
}

impl<'a> At<'a> {
    /// The link that it is at.
    fn place(&self) -> Option<&'a IfName> {
        match self.hook {
            Hook::Postrouting => self.oif.or(self.iif),
            _ => self.iif.or(self.oif),
        }
    }
}

/// The links that sit upon others.
fn uppers(world: &World) -> Vec<(&Peer, &Ns, &IfName)> {
    let devs = world.nodes.iter().flat_map(|(ns, node)| node.devs.values().map(move |d| (ns, d)));
    let stacked = devs.filter(|(_, d)| matches!(d.kind(), "macvlan" | "vlan" | "ipvlan"));
    stacked.filter_map(|(ns, d)| Some((d.other()?, ns, d.name()))).collect()
}

impl<'w> Walker<'w> {
    pub(crate) fn new(world: &'w World, leg: usize) -> Self {
        Self {
            world,
            uppers: uppers(world),
            conns: BTreeMap::new(),
            hops: Vec::new(),
            bridged: Vec::new(),
            shown: Vec::new(),
            doubts: Vec::new(),
            opaque: Vec::new(),
            limited: Vec::new(),
            filled: BTreeMap::new(),
            ttls: Vec::new(),
            nats: Vec::new(),
            looked_up: Vec::new(),
            asked: Vec::new(),
            mute: Vec::new(),
            leg,
            legs: 1,
            budget: Self::patience(world),
            depth: 0,
        }
    }

    /// The steps that may be taken in a world.
    pub(crate) fn patience(world: &World) -> u32 {
        let links: usize = world.nodes.values().map(|node| node.devs.len()).sum();
        PATIENCE.saturating_add(u32::try_from(links).unwrap_or(u32::MAX).saturating_mul(OF_LINK))
    }

    pub(crate) fn node(&self, ns: &Ns) -> Option<&'w Node> {
        self.world.nodes.get(ns).map(AsRef::as_ref)
    }

    /// What was walked since the last time.
    pub(crate) fn journey(&mut self, end: Ending) -> Journey {
        let (hops, shown) = (std::mem::take(&mut self.hops), std::mem::take(&mut self.shown));
        self.bridged.clear();
        Journey { shown, hops, end }
    }

    /// A frame that has arrived tells itself what chains of IP did on its bridges, in its place.
    pub(crate) fn told_by_frames(&mut self) {
        for at in std::mem::take(&mut self.bridged).into_iter().rev() {
            if at < self.hops.len() {
                self.hops.remove(at);
            }
        }
    }

    /// A chain has decided about the packet.
    fn decided(&mut self, ns: &Ns, outcome: &nft::Outcome, p: &Packet) {
        if self.depth == 0 {
            let (nft::End { decision, who }, open) = (outcome.end.clone(), outcome.open);
            self.shown.push(Shown { ns: ns.clone(), tuple: p.tuple(), who, decision, open });
        }
    }

    pub(crate) fn hop(
        &mut self,
        ns: &Ns,
        at: impl Into<String>,
        what: impl Into<String>,
        p: &Packet,
    ) {
        // What happens while somebody is asked for an address is no part of the way.
        if self.depth == 0 {
            self.hops.push(Hop::new(ns, at.into(), what.into(), p.tuple()));
        }
    }

    /// A routing table has decided.
    pub(crate) fn routed(&mut self, ns: &Ns, what: String, dev: Option<&IfName>, p: &Packet) {
        if self.depth == 0 {
            let hop = Hop::new(ns, ROUTE.to_owned(), what, p.tuple());
            self.hops.push(Hop { dev: dev.cloned(), ..hop });
        }
    }

    pub(crate) fn stop(ns: &Ns, dev: Option<&IfName>, why: Why, packet: &Packet) -> Stop {
        Stop { ns: ns.clone(), dev: dev.cloned(), why, packet: packet.clone() }
    }

    pub(crate) fn tired(&mut self) -> bool {
        self.budget = self.budget.saturating_sub(1);
        self.budget == 0
    }

    /// Shows the packet to all chains of a hook of IP, with connections and translations.
    pub(crate) fn netfilter(&mut self, at: At<'_>, packet: &mut Packet) -> Result<(), Stop> {
        let Some(node) = self.node(at.ns) else { return Ok(()) };
        let lines = node.nft.hooked(nft::families(packet.v6()), at.hook, None);
        let first = matches!(at.hook, Hook::Prerouting | Hook::Output);
        let translates = node.nft.chains.values().any(|l| {
            l.chain.base.as_ref().is_some_and(|b| b.kind == "nat")
                && nft::families(packet.v6()).contains(&l.chain.key.table.family)
        });
        let mut tracked = !first || packet.conn.is_some();
        let mut translated = false;
        for line in lines {
            let Some(base) = &line.chain.base else { continue };
            let nat = base.kind == "nat";
            if !tracked && (nat || base.priority > -200) {
                self.track(node, at, packet)?;
                tracked = true;
            }
            let late = base.priority > if first { -100 } else { 100 };
            if translates && !translated && (nat || late) && self.may_translate(at, packet) {
                if nat && self.fresh(at, packet) {
                    if let Some(outcome) = self.nat_chain(node, at, line, packet)? {
                        self.bind(node, at, &outcome, packet);
                    }
                    continue;
                }
                self.apply(at, packet);
                translated = true;
            }
            if nat {
                continue;
            }
            self.filter(node, at, line, packet)?;
        }
        if !tracked {
            self.track(node, at, packet)?;
        }
        if translates && !translated && self.may_translate(at, packet) {
            self.apply(at, packet);
        }
        Ok(())
    }

    fn env<'a>(
        &'a self,
        node: &'a Node,
        at: &At<'a>,
        track: Option<&'a Track>,
        p: &Packet,
    ) -> Env<'a> {
        Env {
            node,
            hook: at.hook,
            iif: at.iif,
            oif: at.oif,
            bridge_in: None,
            bridge_out: None,
            track,
            untracked: p.untracked,
            filled: self.filled_in(at.ns),
        }
    }

    /// What packets added to the sets of a namespace.
    pub(crate) fn filled_in(&self, ns: &Ns) -> &[(SetKey, Vec<u8>)] {
        self.filled.get(ns).map(Vec::as_slice).unwrap_or_default()
    }

    fn filter(
        &mut self,
        node: &Node,
        at: At<'_>,
        line: &nft::Line,
        p: &mut Packet,
    ) -> Result<(), Stop> {
        let track = self.track_of(at.ns, p);
        let env = self.env(node, &at, track.as_ref(), p);
        let outcome = nft::run(&env, line, p);
        self.judge(at, outcome, p)
    }

    /// Takes over what a chain made of the packet.
    pub(crate) fn judge(
        &mut self,
        at: At<'_>,
        outcome: nft::Outcome,
        p: &mut Packet,
    ) -> Result<(), Stop> {
        self.decided(at.ns, &outcome, p);
        self.doubts.extend(outcome.doubts.into_iter().map(|d| (at.ns.clone(), d)));
        self.limited.extend(outcome.limited.into_iter().map(|d| (at.ns.clone(), d)));
        if p.ttl != outcome.ttl && self.depth == 0 {
            self.ttls.push((at.ns.clone(), outcome.end.who.base.clone()));
        }
        p.ttl = outcome.ttl;
        (p.mark, p.priority) = (outcome.mark, outcome.priority);
        p.untracked |= outcome.notrack;
        if !outcome.filled.is_empty() {
            self.filled.entry(at.ns.clone()).or_default().extend(outcome.filled);
        }
        if let (Some(mark), Some((index, _))) = (outcome.ct_mark, p.conn)
            && let Some(conn) = self.conns.get_mut(at.ns).and_then(|c| c.get_mut(index))
        {
            conn.mark = mark;
        }
        let who = outcome.end.who;
        match outcome.end.decision {
            Decision::Accept | Decision::Queue => Ok(()),
            decision @ (Decision::Drop | Decision::Reject) => {
                let dev = at.place();
                let (hook, bridged) = (at.hook, at.bridged);
                Err(Self::stop(at.ns, dev, Why::Filter { who, decision, hook, bridged }, p))
            }
        }
    }

    /// The connection of a packet as rules see it.
    fn track_of(&self, ns: &Ns, p: &Packet) -> Option<Track> {
        let (index, reply) = p.conn?;
        let conn = self.conns.get(ns)?.get(index)?;
        Some(Track {
            orig: conn.orig,
            reply_tuple: conn.reply,
            reply,
            established: reply || conn.old,
            related: false,
            mark: conn.mark,
        })
    }

    /// Finds or makes the connection of a packet.
    fn track(&mut self, node: &Node, at: At<'_>, p: &mut Packet) -> Result<(), Stop> {
        let discovery = p.proto == proto::ICMP6 && (133..=137).contains(&p.icmp.0);
        if p.untracked || discovery {
            p.untracked = true;
            return Ok(());
        }
        if !node.nft.tracks(p.v6()) {
            return Ok(());
        }
        let tuple = p.tuple();
        // An echo to oneself has the tuple of its answer.
        let echoed = matches!((p.proto, p.icmp.0), (proto::ICMP, 0) | (proto::ICMP6, 129));
        let conns = self.conns.entry(at.ns.clone()).or_default();
        let known = conns.iter().enumerate().find_map(|(i, c)| {
            if c.orig == tuple && !echoed {
                Some((i, false))
            } else if c.reply == tuple {
                Some((i, true))
            } else {
                None
            }
        });
        if known.is_some() {
            p.conn = known;
            return Ok(());
        }
        self.looked_up.push((at.ns.clone(), tuple));
        let found = node.flows.iter().find(|f| f.orig == tuple || f.reply == tuple);
        let made = match found {
            Some(f) => {
                let (orig, reply, mark) = (f.orig, f.reply, f.mark);
                Conn { orig, reply, mark, old: true, src_done: true, dst_done: true }
            }
            None => {
                let (count, max) = (
                    node.number("net/netfilter/nf_conntrack_count"),
                    node.number("net/netfilter/nf_conntrack_max"),
                );
                if max > 0 && count >= max {
                    return Err(Self::stop(at.ns, at.iif, Why::ConntrackFull, p));
                }
                // An answer to what was not seen begins no connection, and is of none.
                if echoed || (p.proto == proto::TCP && p.flags & 0x12 == 0x12) {
                    return Ok(());
                }
                let reply = tuple.reversed();
                Conn { orig: tuple, reply, mark: 0, old: false, src_done: false, dst_done: false }
            }
        };
        let reply = found.is_some_and(|f| f.reply == tuple && f.orig != tuple);
        let conns = self.conns.entry(at.ns.clone()).or_default();
        conns.push(made);
        p.conn = Some((conns.len() - 1, reply));
        Ok(())
    }

    fn may_translate(&self, at: At<'_>, p: &Packet) -> bool {
        at.hook != Hook::Forward && p.conn.is_some() && !p.untracked
    }

    /// True while no rule has decided on the translation of this side.
    fn fresh(&self, at: At<'_>, p: &Packet) -> bool {
        let Some((index, false)) = p.conn else { return false };
        let conn = self.conns.get(at.ns).and_then(|c| c.get(index));
        conn.is_some_and(|c| match at.hook {
            Hook::Prerouting | Hook::Output => !c.dst_done,
            _ => !c.src_done,
        })
    }

    fn nat_chain(
        &mut self,
        node: &Node,
        at: At<'_>,
        line: &nft::Line,
        p: &mut Packet,
    ) -> Result<Option<Nat>, Stop> {
        let track = self.track_of(at.ns, p);
        let env = self.env(node, &at, track.as_ref(), p);
        let outcome = nft::run(&env, line, p);
        self.decided(at.ns, &outcome, p);
        self.doubts.extend(outcome.doubts.into_iter().map(|d| (at.ns.clone(), d)));
        match outcome.end.decision {
            Decision::Accept | Decision::Queue => Ok(outcome.nat),
            decision @ (Decision::Drop | Decision::Reject) => {
                let (hook, bridged, who) = (at.hook, at.bridged, outcome.end.who);
                let why = Why::Filter { who, decision, hook, bridged };
                Err(Self::stop(at.ns, at.place(), why, p))
            }
        }
    }

    /// Notes a translation in the connection.
    fn bind(&mut self, node: &Node, at: At<'_>, nat: &Nat, p: &Packet) {
        let Some((index, _)) = p.conn else { return };
        let addr = match (nat.of_link, nat.kind) {
            (false, _) => nat.addr,
            (true, NatKind::Snat) => masquerade(node, at.oif, p),
            (true, NatKind::Dnat) if at.hook == Hook::Output => Some(localhost(p.v6())),
            (true, NatKind::Dnat) => link_source(node, at.iif, p),
        };
        let Some(conn) = self.conns.get_mut(at.ns).and_then(|c| c.get_mut(index)) else { return };
        let ported = matches!(p.proto, proto::TCP | proto::UDP);
        match nat.kind {
            NatKind::Snat => {
                conn.src_done = true;
                conn.reply.dst = addr.unwrap_or(conn.reply.dst);
                if let Some(port) = nat.port.filter(|_| ported) {
                    conn.reply.dport = port;
                }
            }
            NatKind::Dnat => {
                conn.dst_done = true;
                conn.reply.src = addr.unwrap_or(conn.reply.src);
                if let Some(port) = nat.port.filter(|_| ported) {
                    conn.reply.sport = port;
                }
            }
        }
        if self.depth == 0 {
            self.nats.push((at.ns.clone(), nat.who.clone(), p.tuple()));
        }
        let kind = if nat.kind == NatKind::Snat { "source" } else { "destination" };
        let chain = &nat.who.base;
        let at_chain = nft::path(chain);
        let to = addr.map_or_else(|| "itself".to_owned(), |a| a.to_string());
        self.hop(at.ns, at_chain, format!("translates the {kind} to {to}"), p);
    }

    /// Changes the packet as its connection says.
    fn apply(&mut self, at: At<'_>, p: &mut Packet) {
        let Some((index, reply)) = p.conn else { return };
        let Some(conn) = self.conns.get_mut(at.ns).and_then(|c| c.get_mut(index)) else { return };
        let echo = matches!(p.proto, proto::ICMP | proto::ICMP6);
        let first = matches!(at.hook, Hook::Prerouting | Hook::Output);
        if first {
            conn.dst_done = true;
        } else {
            conn.src_done = true;
        }
        let (ip, port) = match (first, reply) {
            (true, false) => (conn.reply.src, conn.reply.sport),
            (true, true) => (conn.orig.src, conn.orig.sport),
            (false, false) => (conn.reply.dst, conn.reply.dport),
            (false, true) => (conn.orig.dst, conn.orig.dport),
        };
        let (side, number) =
            if first { (&mut p.dst, &mut p.dport) } else { (&mut p.src, &mut p.sport) };
        *side = ip;
        if !echo {
            *number = port;
        }
    }
}

fn localhost(v6: bool) -> std::net::IpAddr {
    if v6 { std::net::Ipv6Addr::LOCALHOST.into() } else { std::net::Ipv4Addr::LOCALHOST.into() }
}

/// The address that a packet is given which leaves by a link (`nf_nat_masquerade_ipv4`, `…_ipv6`): of
/// those for everywhere one that is near the next hop, else the first.
fn masquerade(node: &Node, dev: Option<&IfName>, p: &Packet) -> Option<std::net::IpAddr> {
    if p.v6() {
        return route::source_v6(node, dev, p.dst);
    }
    let ask = route::Ask { oif: dev.cloned(), ..route::Ask::of(p) };
    let via = match route::lookup(node, p.dst, &ask) {
        Answer::Route(taken) => taken.route.hops.iter().find(|h| h.dev.as_ref() == dev)?.via,
        _ => None,
    };
    let next = via.unwrap_or(p.dst);
    let fits =
        |a: &&ropewalk_facts::Addr| a.key.net.addr().is_ipv4() && a.scope.0 == 0 && !a.secondary;
    let own = || node.addrs.iter().filter(fits).filter(|a| dev == Some(&a.key.dev));
    let near = own().find(|a| a.key.net.contains(&next)).or_else(|| own().next());
    near.or_else(|| node.addrs.iter().find(fits)).map(|a| a.key.net.addr())
}

/// The first address of a link that fits the packet.
fn link_source(node: &Node, dev: Option<&IfName>, p: &Packet) -> Option<std::net::IpAddr> {
    let dev = dev?;
    let wide = |ip: std::net::IpAddr| match ip {
        std::net::IpAddr::V6(ip) => !ip.is_unicast_link_local(),
        std::net::IpAddr::V4(_) => true,
    };
    let fits = |ip: &std::net::IpAddr| ip.is_ipv6() == p.v6() && wide(*ip) && !node.cannot_use(*ip);
    let mut own = node.addrs_of(dev).map(|a| a.key.net.addr()).filter(fits);
    own.next()
}
