//! There and back: the request, who takes it, and the answer.
//!
//!     trip(world, question) ──▶ Trip { request, reply, … }
//!
//! The answer is walked with the connections that the request has made on its way.

use std::net::IpAddr;

use ropewalk_facts::Ns;
use ropewalk_facts::seen::{Listener, Tuple};

use crate::packet::Packet;
use crate::question::{Question, proto};
use crate::trace::{Ending, Journey, Limit, Stop, Trip, Why};
use crate::walker::{Conn, Life, Walker};
use crate::world::{Node, World};

/// The port that a client is given when none is asked for.
const EPHEMERAL: u16 = 40_123;
/// The identifier of an echo.
const ECHO: u16 = 0x1234;

/// How often a sender is told of a smaller size.
const SMALLER: u32 = 4;

/// Walks the question's packet and its answer. Where a router on the way says that it is too long
/// for a link that is meant to be small, the sender sends a smaller one, as it does by itself.
#[must_use]
pub fn trip(world: &World, question: &Question) -> Trip {
    let mut trip = ways(world, question);
    let (mut asked, mut limit) = (question.clone(), None);
    for _ in 0..SMALLER {
        let Some((stop, mtu)) = trip.stop().and_then(|s| Some((s, told_of(world, &asked, s)?)))
        else {
            break;
        };
        let (over, payload) =
            (stop.packet.len.saturating_sub(mtu), first_packet(world, &asked).len);
        let header = payload.saturating_sub(asked.size.unwrap_or(56));
        limit = stop.dev.clone().map(|dev| Limit { ns: stop.ns.clone(), dev, mtu });
        asked.size = Some(payload.saturating_sub(header + over));
        trip = ways(world, &asked);
    }
    Trip { limit, ..trip }
}

/// What a router on the way takes, where that is told to the sender, and is no mistake of the link:
/// its other end takes no more.
fn told_of(world: &World, question: &Question, stop: &Stop) -> Option<u32> {
    let Why::TooBig { mtu, route: false, told: true, .. } = stop.why else { return None };
    let dev = world.dev(&stop.ns, stop.dev.as_ref()?)?;
    let beyond = dev.other().and_then(|peer| world.dev(&peer.ns, &peer.name));
    let fits = beyond.is_none_or(|peer| peer.mtu() <= mtu);
    let sent = question.size.is_some() && stop.packet.dst == question.dst;
    (fits && sent && stop.ns != question.from()).then_some(mtu)
}

/// Where a route has several ways, each must work.
fn ways(world: &World, question: &Question) -> Trip {
    let (first, legs) = one(world, question, 0);
    if !first.passes() || legs < 2 {
        let leg = (legs > 1).then_some(0);
        return Trip { leg, ..first };
    }
    for leg in 1..legs {
        let (other, _) = one(world, question, leg);
        if !other.passes() {
            return Trip { leg: Some(leg), ..other };
        }
    }
    first
}

fn one(world: &World, question: &Question, leg: usize) -> (Trip, usize) {
    let mut walker = Walker::new(world, leg);
    let packet = first_packet(world, question);
    let from = question.from();
    let end = walker.travel(&from, packet, None);
    let end = taken(&walker, end);
    let request = walker.journey(end);
    let reply = reply(&mut walker, question, &from, &request);
    let (request, reply) = match third(&mut walker, question, reply.as_ref()) {
        Some(third) => (third, None),
        None => (request, reply),
    };
    let trip = Trip {
        request,
        reply,
        doubts: std::mem::take(&mut walker.doubts),
        opaque: std::mem::take(&mut walker.opaque),
        leg: None,
        limit: None,
        limited: std::mem::take(&mut walker.limited),
        ttls: std::mem::take(&mut walker.ttls),
        nats: std::mem::take(&mut walker.nats),
        looked_up: std::mem::take(&mut walker.looked_up),
        asked: std::mem::take(&mut walker.asked),
        needed: std::mem::take(&mut walker.needed),
        mute: std::mem::take(&mut walker.mute),
    };
    (trip, walker.legs)
}

/// The third packet of TCP, where some connection on the way has not seen the second: that one went another
/// way. Only where it does not get through.
fn third(walker: &mut Walker<'_>, q: &Question, reply: Option<&Journey>) -> Option<Journey> {
    let passed = reply.is_some_and(|reply| !matches!(reply.end, Ending::Stopped(_)));
    let half = |c: &Conn| c.orig.proto == proto::TCP && c.life == Life::New;
    if !passed || !walker.conns.values().flatten().any(half) {
        return None;
    }
    walker.budget = Walker::patience(walker.world);
    let packet = Packet { flags: 0x10, ..first_packet(walker.world, q) };
    let end = walker.travel(&q.from(), packet, None);
    let journey = walker.journey(end);
    matches!(journey.end, Ending::Stopped(_)).then_some(journey)
}

fn first_packet(world: &World, q: &Question) -> Packet {
    let v6 = q.dst.is_ipv6();
    let number = q.number().unwrap_or(proto::ICMP);
    let unset: IpAddr = if v6 {
        std::net::Ipv6Addr::UNSPECIFIED.into()
    } else {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    };
    let echo = matches!(number, proto::ICMP | proto::ICMP6);
    let header = if v6 { 40 } else { 20 };
    let inner = match number {
        proto::TCP => 20,
        _ => 8,
    };
    let tuple = Tuple {
        src: q.saddr.unwrap_or(unset),
        dst: q.dst,
        proto: number,
        sport: q.sport.unwrap_or(if echo { ECHO } else { EPHEMERAL }),
        dport: if echo { 0 } else { q.dport.unwrap_or(0) },
    };
    Packet {
        ttl: hops(world.node(&q.from()).map(AsRef::as_ref), v6),
        df: q.df || number == proto::TCP,
        ..Packet::new(tuple, header + inner + q.size.unwrap_or(if echo { 56 } else { 0 }))
    }
}

/// Whether somebody listens where a request was delivered.
fn taken(walker: &Walker<'_>, end: Ending) -> Ending {
    if let Ending::Left { ns, dev, packet, .. } = &end
        && let Some((owner, _)) = walker.world.owners(packet.dst).next()
    {
        let why = Why::WrongWay(owner.clone());
        return Ending::Stopped(Box::new(Walker::stop(ns, Some(dev), why, packet)));
    }
    let Ending::Delivered { ns, dev, packet } = &end else { return end };
    let Some(node) = walker.node(ns) else { return end };
    let why = match taker(node, dev, packet) {
        _ if packet.dport == 0 => return end,
        Some(l) if l.backlog.is_some_and(|(waiting, room)| waiting > room) => Why::Overflow,
        Some(_) => return end,
        None => Why::NoListener,
    };
    Ending::Stopped(Box::new(Stop {
        ns: ns.clone(),
        dev: Some(dev.clone()),
        why,
        packet: packet.clone(),
    }))
}

/// The socket that takes the packet.
fn taker<'n>(node: &'n Node, dev: &ropewalk_facts::IfName, p: &Packet) -> Option<&'n Listener> {
    let index = node.devs.get(dev).map(|dev| dev.seen.index);
    let bound = |l: &Listener| l.dev == 0 || Some(l.dev) == index;
    node.listeners
        .iter()
        .find(|l| l.proto == p.proto && l.port == p.dport && hears(l, p.dst) && bound(l))
}

/// True when a socket takes what is sent to an address.
pub(crate) fn hears(l: &Listener, dst: IpAddr) -> bool {
    if l.addr.is_ipv4() == dst.is_ipv4() {
        return l.addr.is_unspecified() || l.addr == dst;
    }
    l.addr.is_ipv6() && l.addr.is_unspecified() && !l.v6only
}

fn reply(walker: &mut Walker<'_>, q: &Question, from: &Ns, request: &Journey) -> Option<Journey> {
    walker.budget = Walker::patience(walker.world);
    let end = match &request.end {
        Ending::Delivered { ns, packet, .. } => {
            let back = answer(walker, ns, packet);
            walker.travel(ns, back, None)
        }
        Ending::Left { ns, dev, packet, .. } => from_outside(walker, ns, dev, packet),
        Ending::Stopped(_) => return None,
    };
    let end = expected(walker, q, from, request, end);
    Some(walker.journey(end))
}

/// The hops that packets of a namespace may take (`ip_default_ttl`, `hop_limit`).
fn hops(node: Option<&Node>, v6: bool) -> u8 {
    let path = if v6 { "net/ipv6/conf/all/hop_limit" } else { "net/ipv4/ip_default_ttl" };
    let found = node.map_or(64, |n| n.number(path));
    u8::try_from(found).ok().filter(|t| *t > 0).unwrap_or(64)
}

/// The answer keeps the hop limit of its own host.
fn answer(walker: &Walker<'_>, ns: &Ns, packet: &Packet) -> Packet {
    let mut back = packet.answered();
    back.ttl = hops(walker.node(ns), packet.v6());
    back
}

/// The answer of somebody who may not be looked at: he finds what is on his link by asking for
/// it, and all the rest as the world does: private addresses of IPv4 have no way back.
fn from_outside(
    walker: &mut Walker<'_>,
    ns: &Ns,
    dev: &ropewalk_facts::IfName,
    packet: &Packet,
) -> Ending {
    let mut back = packet.answered();
    let Some(node) = walker.node(ns) else {
        return Ending::Stopped(Box::new(Walker::stop(ns, None, Why::NotRead, packet)));
    };
    if let Some(tunnel) = node.devs.get(dev).filter(|dev| dev.tunnel()) {
        if let Err(stop) = walker.back_by_tunnel(ns, tunnel, packet) {
            return Ending::Stopped(stop);
        }
        // The other end is a host of the same network, which has a way back: to the station that has sent it.
        back.dmac = packet.smac;
        return walker.enter(ns, dev, back);
    }
    let near = node.addrs_of(dev).any(|a| a.key.net.contains(&back.dst));
    // A translated source that nobody has is no way back either.
    let nobody = request_source(walker, packet) && walker.world.owners(back.dst).next().is_none();
    // Who translates some addresses of his own site (fc00::/7) for the world meant all of them.
    let site = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unique_local());
    let lacks = site(back.dst) && !site(back.src) && crate::causes::translates_v6(node);
    // Nor is one of the sender's own that a route of his names, and that is not of the link.
    let hinted = |r: &ropewalk_facts::Route| !r.derived && r.prefsrc == Some(back.dst);
    let fits = |a: &ropewalk_facts::Addr| a.scope.0 == 0 && a.key.net.addr().is_ipv6() == back.v6();
    let named = node.owns(back.dst)
        && node.routes.iter().any(hinted)
        && node.addrs_of(dev).any(fits)
        && !node.addrs_of(dev).any(|a| a.key.net.addr() == back.dst);
    if !near && (private(back.dst) || nobody || lacks || named) {
        let why = Why::NoWayBack(back.dst);
        return Ending::Stopped(Box::new(Walker::stop(ns, Some(dev), why, packet)));
    }
    let neighbour = node.addrs_of(dev).find(|a| a.key.net.contains(&back.dst)).map(|a| a.key.net);
    let asker = if neighbour.is_some_and(|n| n.contains(&back.src)) {
        back.src
    } else {
        somebody(node, dev, &back)
    };
    if near {
        match walker.asked_from_outside(ns, dev, back.dst, asker, &back) {
            Ok(mac) => back.dmac = mac,
            Err(stop) => return Ending::Stopped(Box::new(stop)),
        }
    } else {
        back.dmac = node.devs.get(dev).map_or(crate::resolve::NOBODY, |d| d.mac());
    }
    walker.enter(ns, dev, back)
}

/// The source that the packet has now is one that a rule gave it.
fn request_source(walker: &Walker<'_>, packet: &Packet) -> bool {
    walker.nats.iter().any(|(_, _, before)| before.src != packet.src)
}

/// An address on the link, for who asks from there: that of the way that the request took.
fn somebody(node: &Node, dev: &ropewalk_facts::IfName, back: &Packet) -> IpAddr {
    let via =
        node.routes.iter().flat_map(|r| &r.hops).find(|h| {
            h.dev.as_ref() == Some(dev) && h.via.is_some_and(|v| v.is_ipv6() == back.v6())
        });
    via.and_then(|h| h.via).unwrap_or(back.src)
}

fn private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    }
}

/// The answer must come from where the request was sent to, and to who sent it.
fn expected(
    walker: &Walker<'_>,
    q: &Question,
    from: &Ns,
    request: &Journey,
    end: Ending,
) -> Ending {
    let _ = walker;
    let Ending::Delivered { ns, dev, packet } = &end else {
        return match end {
            Ending::Left { ns, dev, packet, .. } => {
                Ending::Stopped(Box::new(Walker::stop(&ns, Some(&dev), Why::Astray, &packet)))
            }
            other => other,
        };
    };
    let stop = |why| Ending::Stopped(Box::new(Walker::stop(ns, Some(dev), why, packet)));
    if ns != from {
        return stop(Why::Astray);
    }
    let sent = request.hops.first().map(|h| h.tuple).unwrap_or_else(|| packet.tuple().reversed());
    let wanted = ropewalk_facts::seen::Tuple { dst: q.dst, ..sent }.reversed();
    if packet.tuple() != wanted {
        return stop(Why::OtherSource { wanted });
    }
    end
}
