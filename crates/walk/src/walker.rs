//! The state of a walk: the world, the connections made so far, what was met.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::nft::{ChainKey, SetKey};
use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, Ns, Peer};

use crate::nft::{self, Decision, Doubt, Env, Hook, Track};
use crate::packet::Packet;
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
    /// Connections of other zones are none of a packet's.
    pub(crate) zone: u16,
    pub(crate) life: Life,
    pub(crate) src_done: bool,
    pub(crate) dst_done: bool,
}

/// What a connection has seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Packets of one direction.
    New,
    /// Of both.
    Answered,
    /// It was there before.
    Old,
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
    pub(crate) needed: BTreeSet<(Ns, IfName, std::net::IpAddr)>,
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
    pub(crate) fn place(&self) -> Option<&'a IfName> {
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
            needed: BTreeSet::new(),
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
    pub(crate) fn decided(&mut self, ns: &Ns, outcome: &nft::Outcome, p: &Packet) {
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
        let families = nft::families(packet.v6());
        let lines = node.nft.hooked(families, at.hook, None);
        let first = matches!(at.hook, Hook::Prerouting | Hook::Output);
        let core = node.nft.core(families, at.hook);
        let mut tracked = !first || packet.conn.is_some();
        let mut translated = false;
        for line in lines {
            let Some(base) = &line.chain.base else { continue };
            let nat = base.kind == "nat";
            if !tracked && (nat || base.priority > -200) {
                self.track(node, at, packet)?;
                tracked = true;
            }
            let late = core.is_some_and(|core| nat || core < node.nft.stands(line, base));
            if late && !translated && self.may_translate(at, packet) {
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
        if core.is_some() && !translated && self.may_translate(at, packet) {
            self.apply(at, packet);
        }
        Ok(())
    }

    pub(crate) fn env<'a>(
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
        self.take_over(at, &outcome, p);
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

    /// What a chain leaves at the packet, its connection and the sets, whatever it decided.
    pub(crate) fn take_over(&mut self, at: At<'_>, outcome: &nft::Outcome, p: &mut Packet) {
        self.decided(at.ns, outcome, p);
        self.doubts.extend(outcome.doubts.iter().cloned().map(|d| (at.ns.clone(), d)));
        self.limited.extend(outcome.limited.iter().cloned().map(|d| (at.ns.clone(), d)));
        if p.ttl != outcome.ttl && self.depth == 0 {
            self.ttls.push((at.ns.clone(), outcome.end.who.base.clone()));
        }
        p.ttl = outcome.ttl;
        (p.mark, p.priority) = (outcome.mark, outcome.priority);
        p.untracked |= outcome.notrack;
        p.zone = outcome.zone;
        if !outcome.filled.is_empty() {
            let filled = outcome.filled.iter().cloned();
            self.filled.entry(at.ns.clone()).or_default().extend(filled);
        }
        if let (Some(mark), Some((index, _))) = (outcome.ct_mark, p.conn)
            && let Some(conn) = self.conns.get_mut(at.ns).and_then(|c| c.get_mut(index))
        {
            conn.mark = mark;
        }
    }
}
