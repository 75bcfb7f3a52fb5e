//! Tunnels: a frame goes on inside a packet, which is walked as one of its own.
//!
//!     vx0 ─▶ UDP to a remote ─▶ … ─▶ the device there of the same network and port
//!
//! Kernel: drivers/net/vxlan/vxlan_core.c.

use std::net::IpAddr;

use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, LinkKind, Mac, Ns, VxlanSpec};

use super::{Frame, Spread, multicast};
use crate::packet::{NO_MAC, Packet};
use crate::question::proto;
use crate::route::{self, Answer};
use crate::trace::{Ending, Stop, Why};
use crate::walker::Walker;
use crate::world::{Dev, Node};

impl Walker<'_> {
    /// A tunnel: the frame goes on inside a packet.
    pub(super) fn tunnel(
        &mut self,
        ns: &Ns,
        dev: &Dev,
        spec: &VxlanSpec,
        frame: Frame,
        out: &mut Spread,
    ) {
        let Some(node) = self.node(ns) else { return };
        if frame.packet.len > dev.mtu() {
            return Self::lose(out, ns, dev.name(), Why::TooLong { mtu: dev.mtu() }, &frame);
        }
        // What is sent from an address of others finds no route (`ip_route_output_key_hash`).
        if spec.local.is_some_and(|local| !node.owns(local)) {
            return Self::lose(out, ns, dev.name(), Why::NoSource, &frame);
        }
        let remotes = remotes(node, dev, frame.packet.dmac);
        if remotes.is_empty() {
            return Self::lose(out, ns, dev.name(), Why::VxlanNoRemote, &frame);
        }
        for remote in remotes {
            let src = spec.local.or_else(|| {
                let lower = spec.dev.as_ref()?;
                let fits =
                    |a: &&ropewalk_facts::Addr| a.key.net.addr().is_ipv6() == remote.is_ipv6();
                node.addrs_of(lower).find(|a| fits(a)).map(|a| a.key.net.addr())
            });
            // What must not be broken is not put into what would be (`skb_tunnel_check_pmtu`).
            let whole = frame.packet.df || frame.packet.v6() && !frame.packet.is_arp();
            let header = if remote.is_ipv6() { 70 } else { 50 };
            let room = below(node, remote).map(|mtu| mtu.saturating_sub(header));
            if let Some(mtu) = room.filter(|room| whole && frame.packet.len > *room) {
                Self::lose(out, ns, dev.name(), Why::TooLong { mtu }, &frame);
                continue;
            }
            let outer = Packet {
                src: src.unwrap_or(remote),
                dst: remote,
                proto: proto::UDP,
                sport: 50_000,
                dport: spec.port,
                len: frame.packet.len + header,
                ttl: 64,
                df: false,
                mark: 0,
                smac: NO_MAC,
                dmac: NO_MAC,
                ask: None,
                conn: None,
                untracked: false,
                zone: 0,
                ..frame.packet.clone()
            };
            let mut copy = frame.clone();
            copy.hop(ns, dev.name().as_str(), format!("into the tunnel {} to {remote}", spec.vni));
            self.outer(ns, (dev.name(), spec), outer, remote, copy, out);
        }
    }

    /// What comes back through a tunnel comes in by the link that leads to its other end, and is shown to the
    /// rules there as the UDP packet that it is.
    pub(crate) fn back_by_tunnel(
        &mut self,
        ns: &Ns,
        dev: &Dev,
        request: &Packet,
    ) -> Result<(), Box<Stop>> {
        let (Some(node), LinkKind::Vxlan(spec)) = (self.node(ns), &dev.link.kind) else {
            return Ok(());
        };
        let Some((_, remote)) = far_end(node, dev, request.dmac) else { return Ok(()) };
        let Some(lower) = toward(node, remote) else { return Ok(()) };
        let own = || node.addrs_of(lower.name()).map(|a| a.key.net.addr());
        let Some(local) = spec.local.or_else(|| own().find(|a| a.is_ipv6() == remote.is_ipv6()))
        else {
            return Ok(());
        };
        let tuple =
            Tuple { src: remote, dst: local, proto: proto::UDP, sport: 50_000, dport: spec.port };
        let outer = Packet {
            smac: NO_MAC,
            dmac: lower.mac(),
            ..Packet::new(tuple, request.len.saturating_add(50))
        };
        self.depth += 1;
        let end = if self.depth > 6 { None } else { Some(self.enter(ns, lower.name(), outer)) };
        self.depth -= 1;
        let Some(Ending::Stopped(stop)) = end else { return Ok(()) };
        let (at, place) = (stop.ns.clone(), stop.dev.clone());
        Err(Box::new(Self::stop(&at, place.as_ref(), Why::Outer(stop), &request.answered())))
    }

    fn outer(
        &mut self,
        ns: &Ns,
        (name, spec): (&IfName, &VxlanSpec),
        outer: Packet,
        remote: IpAddr,
        mut frame: Frame,
        out: &mut Spread,
    ) {
        self.depth += 1;
        let end =
            if self.depth > 6 { None } else { Some(self.travel(ns, outer, spec.dev.as_ref())) };
        self.depth -= 1;
        match end {
            Some(Ending::Delivered { ns: far, dev, packet }) => {
                let Some(node) = self.node(&far) else { return };
                let ends = node.devs.values().filter_map(|d| match &d.link.kind {
                    LinkKind::Vxlan(s) => Some((d, s)),
                    _ => None,
                });
                let takes = |(_, s): &(&Dev, &VxlanSpec)| {
                    s.vni == spec.vni
                        && s.port == packet.dport
                        && s.local.is_none_or(|l| l == remote)
                };
                let Some((taker, _)) = ends.clone().find(takes) else {
                    let near = ends.map(|(d, _)| d.name().clone()).next();
                    let (vni, port) = (spec.vni, packet.dport);
                    let why = Why::VxlanNoDevice { vni, port };
                    return Self::lose(out, &far, &near.unwrap_or(dev), why, &frame);
                };
                frame.hop(&far, taker.name().as_str(), "out of the tunnel");
                frame.packet.conn = None;
                frame.packet.untracked = false;
                frame.shown = false;
                let name = taker.name().clone();
                self.ingress(&far, &name, frame, out);
            }
            Some(Ending::Left { ns: at, dev, packet, .. }) => {
                // It goes where the other end is not, though that may be looked at.
                let owner = self.world.owners(remote).next().map(|(owner, _)| owner.clone());
                // Who takes it out there answers by the tunnel, too: it is the link that it left by.
                let Some(owner) = owner else {
                    return out.outside.push((ns.clone(), name.clone()));
                };
                let stop = Self::stop(&at, Some(&dev), Why::WrongWay(owner), &packet);
                let why = Why::Outer(Box::new(stop));
                out.losses.push(Self::stop(&at, Some(&dev), why, &frame.packet));
            }
            Some(Ending::Stopped(stop)) => {
                let (at, dev) = (stop.ns.clone(), stop.dev.clone());
                out.losses.push(Self::stop(&at, dev.as_ref(), Why::Outer(stop), &frame.packet));
            }
            None => {}
        }
    }
}

/// The link that leads to a remote.
fn toward(node: &Node, remote: IpAddr) -> Option<&Dev> {
    let Answer::Route(taken) = route::lookup(node, remote, &route::Ask::default()) else {
        return None;
    };
    taken.route.hops.first().and_then(|hop| node.devs.get(hop.dev.as_ref()?))
}

/// What the way to a remote takes.
fn below(node: &Node, remote: IpAddr) -> Option<u32> {
    let Answer::Route(taken) = route::lookup(node, remote, &route::Ask::default()) else {
        return None;
    };
    let dev = taken.route.hops.first().and_then(|hop| node.devs.get(hop.dev.as_ref()?))?;
    Some(taken.route.mtu.unwrap_or_else(|| dev.mtu()).min(dev.mtu()))
}

/// The other end that a frame is sent to, where a link is a tunnel.
pub(crate) fn far_end(node: &Node, dev: &Dev, dmac: Mac) -> Option<(u32, IpAddr)> {
    let LinkKind::Vxlan(spec) = &dev.link.kind else { return None };
    remotes(node, dev, dmac).first().map(|remote| (spec.vni, *remote))
}

/// Where a tunnel sends a frame: to the one that has the station, else to all.
fn remotes(node: &Node, dev: &Dev, dmac: Mac) -> Vec<IpAddr> {
    let own = || node.fdb.iter().filter(|f| f.key.own && f.key.dev == *dev.name());
    if !multicast(dmac) {
        let exact: Vec<IpAddr> =
            own().filter(|f| f.key.mac == dmac).filter_map(|f| f.key.dst).collect();
        if !exact.is_empty() {
            return exact;
        }
    }
    let mut all: Vec<IpAddr> =
        own().filter(|f| f.key.mac == NO_MAC).filter_map(|f| f.key.dst).collect();
    if let Some(remote) = dev.seen.remote
        && !all.contains(&remote)
    {
        all.push(remote);
    }
    all
}
