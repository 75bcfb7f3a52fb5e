//! Connections of a walk: found or made by its packets, translated by the chains of NAT.

use ropewalk_facts::nft::NatKind;
use ropewalk_facts::{IfName, Ns};

use crate::nft::{self, Decision, Hook, Nat, Track};
use crate::packet::Packet;
use crate::question::proto;
use crate::route::{self, Answer};
use crate::trace::{Stop, Why};
use crate::walker::{At, Conn, Life, Walker};
use crate::world::Node;

impl Walker<'_> {
    /// The connection of a packet as rules see it.
    pub(crate) fn track_of(&self, ns: &Ns, p: &Packet) -> Option<Track> {
        let (index, reply) = p.conn?;
        let conn = self.conns.get(ns)?.get(index)?;
        Some(Track {
            orig: conn.orig,
            reply_tuple: conn.reply,
            reply,
            established: reply || conn.life == Life::Old,
            related: false,
            mark: conn.mark,
        })
    }

    /// Finds or makes the connection of a packet.
    pub(crate) fn track(&mut self, node: &Node, at: At<'_>, p: &mut Packet) -> Result<(), Stop> {
        let zone = std::mem::take(&mut p.zone);
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
            if c.zone != zone {
                None
            } else if c.orig == tuple && !echoed {
                Some((i, false))
            } else if c.reply == tuple {
                Some((i, true))
            } else {
                None
            }
        });
        if let Some((index, back)) = known {
            let lone = p.proto == proto::TCP && p.flags & 0x12 == 0x10 && !back;
            let conn = conns.get_mut(index);
            // The third packet of a connection whose second went another way is of no connection
            // (`tcp_conntracks`: an ACK in SYN_SENT).
            if lone && conn.as_ref().is_some_and(|c| c.life == Life::New) {
                return Ok(());
            }
            if let Some(conn) = conn.filter(|c| back && c.life == Life::New) {
                conn.life = Life::Answered;
            }
            p.conn = known;
            return Ok(());
        }
        self.looked_up.push((at.ns.clone(), tuple));
        let same = |f: &&ropewalk_facts::seen::Flow| f.orig == tuple || f.reply == tuple;
        let found = node.flows.iter().find(same).filter(|_| zone == 0);
        let made = match found {
            Some(f) => {
                let (orig, reply, mark) = (f.orig, f.reply, f.mark);
                let (src_done, dst_done) = (true, true);
                Conn { orig, reply, mark, zone, life: Life::Old, src_done, dst_done }
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
                let (src_done, dst_done) = (false, false);
                Conn { orig: tuple, reply, mark: 0, zone, life: Life::New, src_done, dst_done }
            }
        };
        let reply = found.is_some_and(|f| f.reply == tuple && f.orig != tuple);
        let conns = self.conns.entry(at.ns.clone()).or_default();
        conns.push(made);
        p.conn = Some((conns.len() - 1, reply));
        Ok(())
    }

    pub(crate) fn may_translate(&self, at: At<'_>, p: &Packet) -> bool {
        at.hook != Hook::Forward && p.conn.is_some() && !p.untracked
    }

    /// True while no rule has decided on the translation of this side.
    pub(crate) fn fresh(&self, at: At<'_>, p: &Packet) -> bool {
        let Some((index, false)) = p.conn else { return false };
        let conn = self.conns.get(at.ns).and_then(|c| c.get(index));
        conn.is_some_and(|c| match at.hook {
            Hook::Prerouting | Hook::Output => !c.dst_done,
            _ => !c.src_done,
        })
    }

    pub(crate) fn nat_chain(
        &mut self,
        node: &Node,
        at: At<'_>,
        line: &nft::Line,
        p: &mut Packet,
    ) -> Result<Option<Nat>, Stop> {
        let track = self.track_of(at.ns, p);
        let env = self.env(node, &at, track.as_ref(), p);
        let outcome = nft::run(&env, line, p);
        self.take_over(at, &outcome, p);
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
    pub(crate) fn bind(&mut self, node: &Node, at: At<'_>, nat: &Nat, p: &Packet) {
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
    pub(crate) fn apply(&mut self, at: At<'_>, p: &mut Packet) {
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
