//! Bridges: which members a frame gets to, and the rules that it is shown to on the way.
//!
//!     member ─▶ flags, bridge chains, br_netfilter ─▶ up to the host, or on to other members
//!
//! Kernel: net/bridge/br_{input,forward,device,netfilter_hooks}.c.

use ropewalk_facts::nft::Family;
use ropewalk_facts::{IfName, Mac, Ns};

use super::{Arrival, Frame, Spread, multicast};
use crate::nft::{self, Hook};
use crate::packet::{BROADCAST, Packet};
use crate::route;
use crate::trace::{Stop, Why};
use crate::walker::{At, Walker};
use crate::world::{Dev, Node};

impl Walker<'_> {
    /// A bridge: `from` is the member that the frame came in by, none for one of its own.
    pub(super) fn bridge(
        &mut self,
        ns: &Ns,
        bridge: &IfName,
        from: Option<&Dev>,
        mut frame: Frame,
        out: &mut Spread,
    ) {
        let Some(node) = self.node(ns) else { return };
        if let Err(at) = sorted(node, bridge, from, &mut frame) {
            return Self::lose(out, ns, at, Why::Vlan, &frame);
        }
        if let Some(member) = from {
            if let Some(why) = self.refuses(node, member, &frame) {
                return Self::lose(out, ns, member.name(), why, &frame);
            }
            frame.packet.physin = Some(member.name().clone());
            let at = At {
                ns,
                hook: Hook::Prerouting,
                iif: Some(member.name()),
                oif: None,
                bridged: true,
            };
            if let Err(stop) = self.bridge_chains(node, at, (Some(bridge), None), &mut frame) {
                out.losses.push(stop);
                return;
            }
            if self.calls_ip(node, &frame.packet) {
                let at =
                    At { ns, hook: Hook::Prerouting, iif: Some(bridge), oif: None, bridged: true };
                let before = frame.packet.dst;
                if let Err(stop) = self.ip_chains(at, &mut frame) {
                    out.losses.push(stop);
                    return;
                }
                frame.shown = true;
                if before != frame.packet.dst {
                    self.redirected(node, bridge, &mut frame);
                }
            }
        }
        let dmac = frame.packet.dmac;
        let own = self.is_own(node, bridge, dmac);
        if from.is_some() && (own || multicast(dmac)) {
            self.up(node, bridge, from, frame.clone(), out);
        }
        if own && from.is_some() {
            return;
        }
        self.forward(node, bridge, from, frame, out);
    }

    /// A translated destination is looked up at once: on this bridge the frame stays a frame
    /// (`br_nf_pre_routing_finish`), elsewhere it goes up to the stack.
    fn redirected(&mut self, node: &Node, bridge: &IfName, frame: &mut Frame) {
        let ask = route::Ask {
            src: Some(frame.packet.src),
            iif: Some(bridge.clone()),
            ..Default::default()
        };
        let out = match route::lookup(node, frame.packet.dst, &ask) {
            route::Answer::Route(t) if t.route.kind == ropewalk_facts::RouteKind::Unicast => {
                t.route.hops.first().and_then(|h| h.dev.clone())
            }
            _ => None,
        };
        let own = self.world.dev(&node.ns, bridge).map(Dev::mac);
        if out.as_ref() == Some(bridge) {
            let owner = self.world.owners(frame.packet.dst).next();
            let mac = owner.and_then(|(ns, a)| self.world.dev(ns, &a.key.dev)).map(Dev::mac);
            frame.packet.dmac = mac.unwrap_or(frame.packet.dmac);
        } else if let Some(own) = own {
            frame.packet.dmac = own;
        }
    }

    fn refuses(&self, node: &Node, member: &Dev, frame: &Frame) -> Option<Why> {
        let port = member.port()?;
        if port.state != 3 {
            return Some(Why::PortState(port.state));
        }
        let knows = |f: &&ropewalk_facts::Fdb| {
            f.key.mac == frame.packet.smac && f.key.dev == *member.name() && !f.key.own
        };
        if port.locked && !node.fdb.iter().any(|f| knows(&f)) {
            return Some(Why::Locked);
        }
        None
    }

    fn calls_ip(&self, node: &Node, p: &Packet) -> bool {
        let path = if p.v6() {
            "net/bridge/bridge-nf-call-ip6tables"
        } else {
            "net/bridge/bridge-nf-call-iptables"
        };
        !p.is_arp() && node.number(path) != 0
    }

    fn is_own(&self, node: &Node, bridge: &IfName, mac: Mac) -> bool {
        let is = |name: &IfName| node.devs.get(name).is_some_and(|d| d.mac() == mac);
        is(bridge) || node.members(bridge).any(|m| m.mac() == mac)
    }

    /// Up to the stack of the bridge's own host.
    fn up(
        &mut self,
        node: &Node,
        bridge: &IfName,
        from: Option<&Dev>,
        mut frame: Frame,
        out: &mut Spread,
    ) {
        let ns = &node.ns;
        let Some(dev) = node.devs.get(bridge) else { return };
        if !dev.link.up {
            return Self::lose(out, ns, bridge, Why::Down, &frame);
        }
        if !leaves(node, bridge, dev, &mut frame) {
            return Self::lose(out, ns, bridge, Why::Vlan, &frame);
        }
        let at = At { ns, hook: Hook::Input, iif: from.map(Dev::name), oif: None, bridged: true };
        if let Err(stop) = self.bridge_chains(node, at, (Some(bridge), None), &mut frame) {
            out.losses.push(stop);
            return;
        }
        frame.hop(ns, bridge.as_str(), "hands it up to the host");
        if let Some(id) = frame.tag {
            let Some(child) = self.vlan_of(ns, bridge, id) else {
                return Self::lose(out, ns, bridge, Why::Vlan, &frame);
            };
            frame.tag = None;
            return self.ingress(&child.0, &child.1, frame, out);
        }
        let Frame { packet, shown, hops, .. } = frame;
        out.arrivals.push(Arrival { ns: ns.clone(), dev: bridge.clone(), packet, shown, hops });
    }

    /// On to the members that it is for.
    fn forward(
        &mut self,
        node: &Node,
        bridge: &IfName,
        from: Option<&Dev>,
        frame: Frame,
        out: &mut Spread,
    ) {
        let dmac = frame.packet.dmac;
        let known = |f: &&ropewalk_facts::Fdb| {
            f.key.mac == dmac
                && !f.key.own
                && node.devs.get(&f.key.dev).is_some_and(|d| d.link.master.as_ref() == Some(bridge))
        };
        let entry = if multicast(dmac) { None } else { node.fdb.iter().find(known) };
        let members: Vec<&Dev> = node.members(bridge).collect();
        for member in members {
            if let Some(entry) = entry
                && entry.key.dev != *member.name()
            {
                continue;
            }
            self.member_gets(node, bridge, from, member, entry.is_some(), frame.clone(), out);
        }
    }

    #[expect(clippy::too_many_arguments, reason = "a frame's way from one member to another")]
    fn member_gets(
        &mut self,
        node: &Node,
        bridge: &IfName,
        from: Option<&Dev>,
        to: &Dev,
        known: bool,
        mut frame: Frame,
        out: &mut Spread,
    ) {
        let ns = &node.ns;
        let Some(port) = to.port() else { return };
        if let Some(from) = from {
            if from.name() == to.name() && !port.hairpin {
                // A flooded frame goes to all others; that is no loss.
                if !multicast(frame.packet.dmac) {
                    Self::lose(out, ns, to.name(), Why::Hairpin, &frame);
                }
                return;
            }
            if from.port().is_some_and(|p| p.isolated) && port.isolated {
                let other = from.name().clone();
                return Self::lose(out, ns, to.name(), Why::Isolated(other), &frame);
            }
        }
        if port.state != 3 {
            return Self::lose(out, ns, to.name(), Why::PortState(port.state), &frame);
        }
        if !leaves(node, bridge, to, &mut frame) {
            return Self::lose(out, ns, to.name(), Why::Vlan, &frame);
        }
        let dmac = frame.packet.dmac;
        let floods = if dmac == BROADCAST {
            port.broadcast
        } else if multicast(dmac) {
            port.multicast
        } else {
            known || port.flood
        };
        if !floods {
            return Self::lose(out, ns, to.name(), Why::NoFlood, &frame);
        }
        if frame.packet.len > to.mtu() {
            return Self::lose(out, ns, to.name(), Why::TooLong { mtu: to.mtu() }, &frame);
        }
        if let Err(stop) = self.bridge_hooks(node, bridge, from, to, &mut frame) {
            out.losses.push(stop);
            return;
        }
        frame.hop(ns, bridge.as_str(), format!("passes it on to {}", to.name()));
        frame.seen_at(to.name());
        self.egress(ns, to.name(), frame, out);
    }

    fn bridge_hooks(
        &mut self,
        node: &Node,
        bridge: &IfName,
        from: Option<&Dev>,
        to: &Dev,
        frame: &mut Frame,
    ) -> Result<(), Stop> {
        let ns = &node.ns;
        frame.packet.physout = Some(to.name().clone());
        let iif = from.map(Dev::name);
        let oif = Some(to.name());
        let both = (Some(bridge), Some(bridge));
        let hook = if from.is_some() { Hook::Forward } else { Hook::Output };
        self.bridge_chains(node, At { ns, hook, iif, oif, bridged: true }, both, frame)?;
        let arp = frame.packet.is_arp() && node.number("net/bridge/bridge-nf-call-arptables") != 0;
        if arp && from.is_some() {
            // With the members, not the bridge, as what it comes in and goes out by (`br_nf_forward_arp`).
            for line in node.nft.hooked(nft::ARP, Hook::Forward, None) {
                let at = At { ns, hook: Hook::Forward, iif, oif, bridged: true };
                self.show(node, at, both, line, frame)?;
            }
        }
        if self.calls_ip(node, &frame.packet) && from.is_some() {
            let (iif, oif) = (Some(bridge), Some(bridge));
            let at = At { ns, hook: Hook::Forward, iif, oif, bridged: true };
            self.ip_chains(at, frame)?;
            let at = At { ns, hook: Hook::Postrouting, iif: None, oif, bridged: true };
            self.ip_chains(at, frame)?;
        }
        let at = At { ns, hook: Hook::Postrouting, iif: None, oif, bridged: true };
        self.bridge_chains(node, at, both, frame)
    }

    /// The chains of IP that br_netfilter shows a frame to. What they do is told behind what has
    /// happened to the frame before; of a frame that gets lost, at once.
    fn ip_chains(&mut self, at: At<'_>, frame: &mut Frame) -> Result<(), Stop> {
        let before = self.hops.len();
        let shown = self.netfilter(at, &mut frame.packet);
        self.bridged.extend(before..self.hops.len());
        frame.hops.extend(self.hops.iter().skip(before).cloned());
        shown
    }

    fn bridge_chains(
        &mut self,
        node: &Node,
        at: At<'_>,
        bridges: (Option<&IfName>, Option<&IfName>),
        frame: &mut Frame,
    ) -> Result<(), Stop> {
        for line in node.nft.hooked(&[Family::Bridge], at.hook, None) {
            self.show(node, at, bridges, line, frame)?;
        }
        Ok(())
    }
}

/// Sorts a frame that comes into a bridge by its VLAN: that of its tag, else that of the link it comes
/// in by, which stands in the tag inside. The link that is not in it, where there is none.
fn sorted<'n>(
    node: &'n Node,
    bridge: &'n IfName,
    from: Option<&'n Dev>,
    frame: &mut Frame,
) -> Result<(), &'n IfName> {
    let Some(own) = node.devs.get(bridge).filter(|d| d.seen.vlan_filtering) else { return Ok(()) };
    let at = from.unwrap_or(own);
    let found = match frame.tag {
        Some(id) => at.seen.vlans.iter().find(|v| v.id == id),
        None => at.seen.vlans.iter().find(|v| v.pvid),
    };
    frame.tag = Some(found.ok_or(at.name())?.id);
    Ok(())
}

/// Whether a frame may leave a bridge by a link of its VLAN, and with which tag.
fn leaves(node: &Node, bridge: &IfName, to: &Dev, frame: &mut Frame) -> bool {
    if !node.devs.get(bridge).is_some_and(|d| d.seen.vlan_filtering) {
        return true;
    }
    let Some(found) = to.seen.vlans.iter().find(|v| Some(v.id) == frame.tag) else { return false };
    if found.untagged {
        frame.tag = None;
    }
    true
}
