//! Frames: out of a link, through pairs, bridges, macvlans and tunnels, to where a stack takes them.
//!
//!     send(ns, dev, frame) ──▶ Spread { arrivals, losses, outside }
//!
//! A broadcast arrives in many places, and a frame for an unknown station is flooded, so the
//! answer is a list.  Never here: addresses of IP, but for the hooks that br_netfilter calls.

mod bridge;
mod tc;
mod tunnel;

pub(crate) use tunnel::far_end;

use std::net::IpAddr;

use ropewalk_facts::nft::Family;
use ropewalk_facts::{IfName, LinkKind, Mac, Ns, Peer};

use crate::nft::{self, Env, Hook};
use crate::packet::{NO_MAC, Packet};
use crate::trace::{Hop, Stop, Why};
use crate::walker::{At, Walker};
use crate::world::{Dev, Node};

/// A frame that a stack takes.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) ns: Ns,
    pub(crate) dev: IfName,
    pub(crate) packet: Packet,
    /// The bridge has shown it to the rules of IP already.
    pub(crate) shown: bool,
    pub(crate) hops: Vec<Hop>,
}

/// Where a frame gets to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Spread {
    pub(crate) arrivals: Vec<Arrival>,
    pub(crate) losses: Vec<Stop>,
    /// Links by which it leaves for where nobody may look.
    pub(crate) outside: Vec<(Ns, IfName)>,
}

/// A frame on its way, and what has happened to it.
#[derive(Clone)]
pub(crate) struct Frame {
    pub(crate) packet: Packet,
    shown: bool,
    hops: Vec<Hop>,
    ttl: u8,
    /// The VLAN that its tag names.
    tag: Option<u16>,
}

impl Frame {
    pub(crate) fn new(packet: Packet) -> Self {
        Self { packet, shown: false, hops: Vec::new(), ttl: 24, tag: None }
    }

    fn hop(&mut self, ns: &Ns, at: impl Into<String>, what: impl Into<String>) {
        let tuple = self.packet.tuple();
        self.hops.push(Hop::new(ns, at.into(), what.into(), tuple));
    }

    /// Who listens sees the last hop at this link.
    fn seen_at(&mut self, dev: &IfName) {
        if let Some(hop) = self.hops.last_mut() {
            hop.link = Some(dev.clone());
        }
    }

    /// The last hop led over to this link.
    fn over(&mut self, ns: &Ns, dev: &IfName) {
        if let Some(hop) = self.hops.last_mut() {
            hop.over = Some((ns.clone(), dev.clone()));
        }
    }
}

fn multicast(mac: Mac) -> bool {
    mac.0.first().is_some_and(|b| b & 1 != 0)
}

impl Walker<'_> {
    /// Sends a frame out of a link.
    pub(crate) fn send(&mut self, ns: &Ns, dev: &IfName, packet: Packet) -> Spread {
        let mut spread = Spread::default();
        self.egress(ns, dev, Frame::new(packet), &mut spread);
        spread
    }

    fn lose(spread: &mut Spread, ns: &Ns, dev: &IfName, why: Why, frame: &Frame) {
        spread.losses.push(Self::stop(ns, Some(dev), why, &frame.packet));
    }

    pub(crate) fn egress(&mut self, ns: &Ns, name: &IfName, mut frame: Frame, out: &mut Spread) {
        frame.ttl = frame.ttl.saturating_sub(1);
        if frame.ttl == 0 || self.tired() {
            return Self::lose(out, ns, name, Why::Loop, &frame);
        }
        let Some(dev) = self.world.dev(ns, name) else {
            return Self::lose(out, ns, name, Why::Loose, &frame);
        };
        if !dev.link.up {
            return Self::lose(out, ns, name, Why::Down, &frame);
        }
        if let Some((below, why)) = self.grounded(dev) {
            return Self::lose(out, &below.ns, &below.name, why, &frame);
        }
        if self.filtered(ns, dev, true, &frame, out) {
            return;
        }
        if let Some(why) = Self::queue(dev) {
            return Self::lose(out, ns, name, why, &frame);
        }
        if let Err(stop) = self.netdev(ns, name, Hook::Egress, &mut frame) {
            out.losses.push(stop);
            return;
        }
        match &dev.link.kind {
            LinkKind::Loopback => self.ingress(ns, name, frame, out),
            LinkKind::Bridge => self.bridge(ns, name, None, frame, out),
            LinkKind::Vxlan(spec) => self.tunnel(ns, dev, spec, frame, out),
            LinkKind::Dummy => Self::lose(out, ns, name, Why::Swallowed, &frame),
            _ => match dev.kind() {
                "veth" => self.pair(ns, dev, frame, out),
                "macvlan" => self.macvlan(ns, dev, frame, out),
                "ipvlan" => self.ipvlan(ns, dev, frame, out),
                "vlan" => {
                    frame.tag = dev.seen.vlan;
                    self.lower(ns, dev, frame, out);
                }
                "dummy" => Self::lose(out, ns, name, Why::Swallowed, &frame),
                _ => self.cloud(ns, dev, frame, out),
            },
        }
    }

    /// A link that sits upon another has no carrier where that one has none (`netif_stacked_transfer_operstate`).
    fn grounded(&self, dev: &Dev) -> Option<(Peer, Why)> {
        if !matches!(dev.kind(), "macvlan" | "ipvlan" | "vlan") {
            return None;
        }
        let below = dev.other()?;
        let lower = self.world.dev(&below.ns, &below.name)?;
        let why = match (lower.link.up, lower.seen.carrier) {
            (false, _) => Why::Down,
            (true, false) if lower.kind() == "veth" => Why::NoCarrier,
            (true, _) => return None,
        };
        Some((below.clone(), why))
    }

    /// Chains of the family netdev.
    fn netdev(&mut self, ns: &Ns, dev: &IfName, hook: Hook, frame: &mut Frame) -> Result<(), Stop> {
        let families = [Family::Netdev, Family::Inet];
        let Some(node) = self.node(ns).filter(|node| node.hooks(&families)) else { return Ok(()) };
        let lines = node.nft.hooked(&families, hook, Some(dev));
        for line in lines {
            let (iif, oif) =
                if hook == Hook::Ingress { (Some(dev), None) } else { (None, Some(dev)) };
            self.show(node, At { ns, hook, iif, oif, bridged: false }, (None, None), line, frame)?;
        }
        Ok(())
    }

    fn show(
        &mut self,
        node: &Node,
        at: At<'_>,
        bridges: (Option<&IfName>, Option<&IfName>),
        line: &nft::Line,
        frame: &mut Frame,
    ) -> Result<(), Stop> {
        let filled = self.filled_in(at.ns).to_vec();
        let env = Env {
            node,
            hook: at.hook,
            iif: at.iif,
            oif: at.oif,
            bridge_in: bridges.0,
            bridge_out: bridges.1,
            track: None,
            untracked: frame.packet.untracked,
            filled: &filled,
        };
        let outcome = nft::run(&env, line, &frame.packet);
        self.judge(at, outcome, &mut frame.packet)
    }

    fn pair(&mut self, ns: &Ns, dev: &Dev, mut frame: Frame, out: &mut Spread) {
        let Some(peer) = dev.other().filter(|p| self.world.dev(&p.ns, &p.name).is_some()) else {
            return self.cloud(ns, dev, frame, out);
        };
        let Some(other) = self.world.dev(&peer.ns, &peer.name) else { return };
        if !other.link.up {
            return Self::lose(out, ns, dev.name(), Why::NoCarrier, &frame);
        }
        // `is_skb_forwardable`: a VLAN tag more is let through, so the MTU itself decides.
        if frame.packet.len > other.mtu() + 4 {
            let mtu = other.mtu();
            return Self::lose(out, &peer.ns, &peer.name, Why::TooLong { mtu }, &frame);
        }
        frame.hop(
            ns,
            dev.name().as_str(),
            format!("goes over to {} {}", crate::called(&peer.ns), peer.name),
        );
        frame.over(&peer.ns, &peer.name);
        frame.packet.conn = None;
        frame.packet.untracked = false;
        if peer.ns != *ns {
            frame.packet.mark = 0;
        }
        frame.packet.physin = None;
        frame.packet.physout = None;
        frame.shown = false;
        self.ingress(&peer.ns, &peer.name, frame, out);
    }

    /// Where nobody may look; but what is known to be there too, may be looked into.
    fn cloud(&mut self, ns: &Ns, dev: &Dev, mut frame: Frame, out: &mut Spread) {
        if !dev.seen.carrier {
            return Self::lose(out, ns, dev.name(), Why::NoCarrier, &frame);
        }
        let dmac = frame.packet.dmac;
        for (other, child) in self.upon(ns, dev.name()) {
            let upper = self.world.dev(&other, &child);
            let wanted = upper.is_some_and(|u| match u.kind() {
                "macvlan" => {
                    let own = dev.mac() == frame.packet.smac && u.mac() != frame.packet.smac;
                    own && (u.mac() == dmac || multicast(dmac))
                }
                "ipvlan" => self.has(&other, &child, &frame.packet),
                _ => false,
            });
            if wanted {
                Self::lose(out, ns, dev.name(), Why::MacvlanParent, &frame);
            }
        }
        let mates = self.mates(ns, dev);
        if frame.tag.is_some() {
            // What comes back with a tag from where nobody may look is not walked: it is said.
            self.opaque.push((ns.clone(), dev.name().clone(), "vlan".to_owned()));
        }
        let known =
            mates.iter().any(|(n, d)| self.world.dev(n, d).is_some_and(|d| d.mac() == dmac));
        frame.hop(ns, dev.name().as_str(), "leaves");
        if !known {
            out.outside.push((ns.clone(), dev.name().clone()));
        }
        for (other, name) in mates {
            let mut copy = frame.clone();
            copy.over(&other, &name);
            copy.packet.conn = None;
            copy.packet.untracked = false;
            copy.packet.mark = 0;
            copy.shown = false;
            copy.packet.physin = None;
            copy.packet.physout = None;
            self.ingress(&other, &name, copy, out);
        }
    }

    /// Links of other namespaces that seem to be on the same segment: their subnets meet, or one
    /// has the other among its neighbours.
    fn mates(&self, ns: &Ns, dev: &Dev) -> Vec<(Ns, IfName)> {
        let Some(node) = self.node(ns) else { return Vec::new() };
        let mut all = Vec::new();
        for (other, far) in &self.world.nodes {
            for candidate in far.devs.values() {
                let same = other == ns && candidate.name() == dev.name();
                if !same && self.outside(candidate) && meet(node, dev, far, candidate) {
                    all.push((other.clone(), candidate.name().clone()));
                }
            }
        }
        all
    }

    /// A link whose other end may not be looked at.
    pub(crate) fn outside(&self, dev: &Dev) -> bool {
        match dev.kind() {
            "veth" => dev.other().is_none_or(|p| self.world.dev(&p.ns, &p.name).is_none()),
            "" => !dev.loopback(),
            _ => false,
        }
    }

    /// A frame comes in by a link.
    pub(crate) fn ingress(&mut self, ns: &Ns, name: &IfName, mut frame: Frame, out: &mut Spread) {
        frame.ttl = frame.ttl.saturating_sub(1);
        if frame.ttl == 0 || self.tired() {
            return Self::lose(out, ns, name, Why::Loop, &frame);
        }
        let Some(dev) = self.world.dev(ns, name) else { return };
        if !dev.link.up {
            return Self::lose(out, ns, name, Why::Down, &frame);
        }
        match dev.seen.xdp.map(|xdp| xdp.always) {
            Some(Some(0 | 1)) => return Self::lose(out, ns, name, Why::Xdp, &frame),
            None | Some(Some(2)) => {}
            Some(_) => self.opaque.push((ns.clone(), name.clone(), "xdp".to_owned())),
        }
        if self.filtered(ns, dev, false, &frame, out) {
            return;
        }
        if let Err(stop) = self.netdev(ns, name, Hook::Ingress, &mut frame) {
            out.losses.push(stop);
            return;
        }
        if let Some(id) = frame.tag
            && let Some(child) = self.vlan_of(ns, name, id)
        {
            frame.tag = None;
            return self.ingress(&child.0, &child.1, frame, out);
        }
        if self.children(ns, dev, &frame, out) {
            return;
        }
        if let Some(master) = &dev.link.master
            && self.world.dev(ns, master).is_some_and(|m| m.link.kind == LinkKind::Bridge)
        {
            return self.bridge(ns, master, Some(dev), frame, out);
        }
        if frame.tag.is_some() {
            return Self::lose(out, ns, name, Why::Vlan, &frame);
        }
        let mine = dev.mac() == frame.packet.dmac || multicast(frame.packet.dmac) || dev.loopback();
        if mine || dev.mac() == NO_MAC {
            let Frame { packet, shown, hops, .. } = frame;
            out.arrivals.push(Arrival { ns: ns.clone(), dev: name.clone(), packet, shown, hops });
        } else {
            Self::lose(out, ns, name, Why::NotForUs(frame.packet.dmac), &frame);
        }
    }

    /// Macvlans and ipvlans that sit upon a link. True when an ipvlan takes the frame, and the link's
    /// own stack does not see it.
    fn children(&mut self, ns: &Ns, dev: &Dev, frame: &Frame, out: &mut Spread) -> bool {
        let mut taken = false;
        for (child_ns, child) in self.upon(ns, dev.name()) {
            let Some(upper) = self.world.dev(&child_ns, &child) else { continue };
            let takes = match upper.kind() {
                "macvlan" => {
                    let fits = upper.mac() == frame.packet.dmac || multicast(frame.packet.dmac);
                    fits && upper.mac() != frame.packet.smac
                }
                // They have the hardware address of the link; the address of IP tells them apart.
                "ipvlan" => self.has(&child_ns, &child, &frame.packet),
                _ => false,
            };
            if takes {
                taken |= upper.kind() == "ipvlan";
                let mut copy = frame.clone();
                copy.packet.conn = None;
                self.ingress(&child_ns, &child, copy, out);
            }
        }
        taken && !multicast(frame.packet.dmac)
    }

    /// True when a frame is for an address that sits on a link.
    fn has(&self, ns: &Ns, dev: &IfName, packet: &Packet) -> bool {
        let to =
            packet.ask.map_or(packet.dst, |ask| if ask.answer { packet.dst } else { ask.whose });
        self.node(ns).is_some_and(|n| n.addrs_of(dev).any(|a| a.key.net.addr() == to))
    }

    /// The VLAN of this number that sits upon a link.
    fn vlan_of(&self, ns: &Ns, dev: &IfName, id: u16) -> Option<(Ns, IfName)> {
        self.upon(ns, dev).into_iter().find(|(ns, name)| {
            self.world.dev(ns, name).is_some_and(|d| d.kind() == "vlan" && d.seen.vlan == Some(id))
        })
    }

    /// An ipvlan: a sibling that has the address gets it at once, all else goes by the link below,
    /// whose own stack hears nothing of it.
    fn ipvlan(&mut self, ns: &Ns, dev: &Dev, mut frame: Frame, out: &mut Spread) {
        let Some(lower) = dev.other().cloned() else { return self.cloud(ns, dev, frame, out) };
        frame.packet.conn = None;
        for (other, name) in self.upon(&lower.ns, &lower.name) {
            let own = other == *ns && name == *dev.name();
            let Some(sibling) = self.world.dev(&other, &name) else { continue };
            if own || sibling.kind() != "ipvlan" || !self.has(&other, &name, &frame.packet) {
                continue;
            }
            let mut copy = frame.clone();
            let what = format!("over to its sibling {} {name}", crate::called(&other));
            copy.hop(ns, dev.name().as_str(), what);
            copy.over(&other, &name);
            return self.ingress(&other, &name, copy, out);
        }
        if self.has(&lower.ns, &lower.name, &frame.packet) {
            return Self::lose(out, &lower.ns, &lower.name, Why::MacvlanParent, &frame);
        }
        // Beyond layer 2 the namespace of the link below decides, which is not walked.
        if let LinkKind::Ipvlan { mode, .. } = &dev.link.kind
            && *mode != ropewalk_facts::IpvlanMode::L2
        {
            self.opaque.push((ns.clone(), dev.name().clone(), "ipvlan".to_owned()));
        }
        self.egress(&lower.ns, &lower.name, frame, out);
    }

    /// The links that sit upon this one.
    pub(crate) fn upon(&self, ns: &Ns, dev: &IfName) -> Vec<(Ns, IfName)> {
        let on = self.uppers.iter().filter(|(below, ..)| below.name == *dev && below.ns == *ns);
        on.map(|(_, ns, upper)| ((*ns).clone(), (*upper).clone())).collect()
    }

    fn lower(&mut self, ns: &Ns, dev: &Dev, frame: Frame, out: &mut Spread) {
        match dev.other() {
            Some(lower) => self.egress(&lower.ns.clone(), &lower.name.clone(), frame, out),
            None => self.cloud(ns, dev, frame, out),
        }
    }

    fn macvlan(&mut self, ns: &Ns, dev: &Dev, mut frame: Frame, out: &mut Spread) {
        let Some(lower) = dev.other().cloned() else { return self.cloud(ns, dev, frame, out) };
        let mode = dev.seen.macvlan.unwrap_or(4);
        let dmac = frame.packet.dmac;
        frame.packet.conn = None;
        let siblings = self.upon(&lower.ns, &lower.name);
        for (other, name) in siblings {
            let Some(sibling) = self.world.dev(&other, &name) else { continue };
            if (other == *ns && name == *dev.name()) || !(sibling.mac() == dmac || multicast(dmac))
            {
                continue;
            }
            let both = mode == 4 && sibling.seen.macvlan == Some(4);
            if both {
                let mut copy = frame.clone();
                copy.hop(
                    ns,
                    dev.name().as_str(),
                    format!("over to its sibling {} {name}", crate::called(&other)),
                );
                copy.over(&other, &name);
                self.ingress(&other, &name, copy, out);
            } else {
                let off = if mode == 4 { sibling.seen.macvlan.unwrap_or(0) } else { mode };
                Self::lose(out, ns, dev.name(), Why::MacvlanMode(off), &frame);
            }
            if sibling.mac() == dmac && both {
                return;
            }
        }
        if self
            .world
            .dev(&lower.ns, &lower.name)
            .is_some_and(|l| l.mac() == dmac || multicast(dmac))
        {
            Self::lose(out, &lower.ns, &lower.name, Why::MacvlanParent, &frame);
        }
        self.egress(&lower.ns, &lower.name, frame, out);
    }
}

/// Two links on one segment, as far as can be told.
fn meet(node: &Node, dev: &Dev, far: &Node, other: &Dev) -> bool {
    let near = |a: &Node, d: &Dev, b: &Node, e: &Dev| {
        let nets: Vec<_> = a.addrs_of(d.name()).map(|x| x.key.net).collect();
        let within = b.addrs_of(e.name()).any(|x| {
            nets.iter().any(|n| n.contains(&x.key.net.addr()) && !link_local(x.key.net.addr()))
        });
        let knows = a.neighs.iter().any(|n| n.key.dev == *d.name() && n.mac == Some(e.mac()));
        within || knows
    };
    near(node, dev, far, other) || near(far, other, node, dev)
}

fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
