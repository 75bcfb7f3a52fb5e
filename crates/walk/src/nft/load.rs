//! What expressions load: of the packet, its links, its connection, the routing tables.
//!
//! Numbers are those of include/uapi/linux/netfilter/nf_tables.h (`NFT_META_*`, `NFT_CT_*`).

use std::net::IpAddr;

use ropewalk_facts::nft::{FibFlags, FibResult, MetaKey, Payload};
use ropewalk_facts::{IfName, RouteKind};

use super::eval::{Env, Track};
use super::ruleset::Hook;
use crate::packet::Packet;
use crate::question::proto;
use crate::route::{self, Answer, Ask};
use crate::world::Node;

/// A value, none because it is not known, or the end of the rule because there is none.
pub(super) enum Loaded {
    Known(Vec<u8>),
    Unknown,
    Break,
}
use Loaded::{Break, Known, Unknown};

fn ifname(name: Option<&IfName>) -> Vec<u8> {
    let mut bytes = name.map(|n| n.as_str().as_bytes().to_vec()).unwrap_or_default();
    bytes.resize(16, 0);
    bytes
}

fn index(node: &Node, name: Option<&IfName>) -> Vec<u8> {
    let index = name.and_then(|n| node.devs.get(n)).map_or(0, |d| d.seen.index);
    index.to_ne_bytes().to_vec()
}

pub(super) fn meta(env: &Env<'_>, packet: &Packet, key: MetaKey) -> Loaded {
    let kind = |name: Option<&IfName>| {
        let kind = name.and_then(|n| env.node.devs.get(n)).map(|d| d.kind().to_owned());
        let mut bytes = kind.unwrap_or_default().into_bytes();
        bytes.resize(16, 0);
        Known(bytes)
    };
    let group = |name: Option<&IfName>| {
        let group = name.and_then(|n| env.node.devs.get(n)).map_or(0, |d| d.link.group);
        Known(group.to_ne_bytes().to_vec())
    };
    let family = |name: Option<&IfName>| {
        let lo = name.and_then(|n| env.node.devs.get(n)).is_some_and(|d| d.loopback());
        Known((if lo { 772u16 } else { 1 }).to_ne_bytes().to_vec())
    };
    match key.0 {
        // Which options of TCP its sender's kernel puts in is not known.
        0 if packet.proto == proto::TCP => Unknown,
        0 => Known(packet.len.to_ne_bytes().to_vec()),
        1 => Known(packet.ethertype().to_be_bytes().to_vec()),
        2 => Known(packet.priority.to_ne_bytes().to_vec()),
        3 => Known(packet.mark.to_ne_bytes().to_vec()),
        4 => Known(index(env.node, env.iif)),
        5 => Known(index(env.node, env.oif)),
        6 => Known(ifname(env.iif)),
        7 => Known(ifname(env.oif)),
        8 => family(env.iif),
        9 => family(env.oif),
        // Who asks is taken to be root, and what is forwarded has no owner (`nft_meta_get_eval_skugid`).
        10 | 11 if sent(env, packet) => Known(0u32.to_ne_bytes().to_vec()),
        10 | 11 => Break,
        12 | 25 => Known(vec![0]),
        15 => Known(vec![if packet.is_arp() {
            3
        } else if packet.v6() {
            10
        } else {
            2
        }]),
        16 if packet.is_arp() => Break,
        16 => Known(vec![packet.proto]),
        17 => Known(ifname(env.bridge_in)),
        18 => Known(ifname(env.bridge_out)),
        19 => Known(vec![pkttype(packet)]),
        21 => group(env.iif),
        22 => group(env.oif),
        26 => kind(env.iif),
        27 => kind(env.oif),
        _ => Unknown,
    }
}

/// A program of this namespace has sent it, by a socket of its own.
pub(super) fn sent(env: &Env<'_>, p: &Packet) -> bool {
    let echo = matches!((p.proto, p.icmp.0), (proto::ICMP, 8) | (proto::ICMP6, 128));
    env.iif.is_none() && (echo || matches!(p.proto, proto::TCP | proto::UDP))
}

pub(super) fn pkttype(packet: &Packet) -> u8 {
    if packet.dmac == crate::packet::BROADCAST {
        1
    } else if packet.dmac.0.first().is_some_and(|b| b & 1 != 0) {
        2
    } else {
        0
    }
}

pub(super) fn payload(packet: &Packet, what: Payload) -> Loaded {
    let bytes = match what.base {
        0 => packet.link(),
        1 => packet.network(),
        2 if packet.is_arp() => return Break,
        2 => packet.transport(),
        _ => return Unknown,
    };
    let (Ok(from), Ok(len)) = (usize::try_from(what.offset), usize::try_from(what.len)) else {
        return Unknown;
    };
    let to = from.saturating_add(len);
    // What its sender's kernel makes up, or a checksum.
    let made_up: &[(usize, usize)] = match (what.base, packet.v6(), packet.proto) {
        (1, ..) if packet.is_arp() => &[],
        (1, false, _) => &[(4, 6), (10, 12)],
        (1, true, _) => &[(2, 4)],
        (2, _, proto::TCP) => &[(4, 12), (14, 18)],
        (2, _, proto::UDP) => &[(6, 8)],
        (2, _, proto::ICMP | proto::ICMP6) => &[(2, 4)],
        _ => &[],
    };
    if made_up.iter().any(|(first, end)| *first < to && from < *end) {
        return Unknown;
    }
    // What lies behind the header is not known either.
    bytes.get(from..to).map_or(Unknown, |bytes| Known(bytes.to_vec()))
}

/// `IPS_*` bits that follow from what the walk knows.
fn status(track: &Track) -> u32 {
    let (seen, snat, dnat) = (1 << 1, 1 << 4, 1 << 5);
    let on = |yes, bit| if yes { bit } else { 0 };
    on(track.reply, seen) | on(track.snat(), snat) | on(track.dnat(), dnat)
}

/// The state of the connection as nft has it: invalid 1, established 2, related 4, new 8,
/// untracked 64.
pub(super) fn state(env: &Env<'_>) -> u32 {
    match env.track {
        _ if env.untracked => 64,
        None => 1,
        Some(track) if track.related => 4,
        Some(track) if track.established => 2,
        Some(_) => 8,
    }
}

pub(super) fn ct(env: &Env<'_>, key: u32, dir: Option<u8>) -> Loaded {
    if key == 0 {
        return Known(state(env).to_ne_bytes().to_vec());
    }
    let Some(track) = env.track.filter(|_| !env.untracked) else { return Break };
    let tuple = match dir {
        Some(1) => track.reply_tuple,
        Some(_) => track.orig,
        None if track.reply => track.reply_tuple,
        None => track.orig,
    };
    let ip = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => Known(ip.octets().to_vec()),
        IpAddr::V6(ip) => Known(ip.octets().to_vec()),
    };
    match key {
        1 => Known(vec![u8::from(track.reply)]),
        2 => Known(status(track).to_ne_bytes().to_vec()),
        3 => Known(track.mark.to_ne_bytes().to_vec()),
        7 => Known(vec![if tuple.src.is_ipv6() { 10 } else { 2 }]),
        // Asked for of one version of IP.
        19 | 20 if tuple.src.is_ipv6() => Break,
        21 | 22 if !tuple.src.is_ipv6() => Break,
        8 | 19 | 21 => ip(tuple.src),
        9 | 20 | 22 => ip(tuple.dst),
        10 => Known(vec![tuple.proto]),
        11 => Known(tuple.sport.to_be_bytes().to_vec()),
        12 => Known(tuple.dport.to_be_bytes().to_vec()),
        17 => Known(vec![0, 0]),
        _ => Unknown,
    }
}

/// The kind of an address (`RTN_*`): 1 unicast, 2 local, 3 broadcast, 5 multicast.
pub(super) fn address_kind(node: &Node, ip: IpAddr, dev: Option<&IfName>) -> u32 {
    if ip.is_multicast() {
        return 5;
    }
    let local = |route: &&ropewalk_facts::Route| {
        let here = dev.is_none_or(|dev| route.hops.iter().any(|h| h.dev.as_ref() == Some(dev)));
        route.key.table == ropewalk_facts::table::LOCAL && route.key.dst.contains(&ip) && here
    };
    let found = node.routes.iter().filter(local).max_by_key(|r| r.key.dst.prefix_len());
    match found.map(|r| r.kind) {
        Some(RouteKind::Local) => 2,
        Some(RouteKind::Broadcast) => 3,
        Some(RouteKind::Multicast) => 5,
        Some(RouteKind::Anycast) => 4,
        _ => 1,
    }
}

pub(super) fn fib(env: &Env<'_>, packet: &Packet, flags: FibFlags, result: FibResult) -> Loaded {
    let has = |bit| flags.0 & bit != 0;
    let ip = if has(1) { packet.src } else { packet.dst };
    let dev = if has(8) {
        env.iif
    } else if has(16) {
        env.oif
    } else {
        None
    };
    if result == FibResult::AddrType {
        return Known(address_kind(env.node, ip, dev).to_ne_bytes().to_vec());
    }
    // What comes in from itself is not asked about (`nft_fib_can_skip`).
    let lo = env.iif.filter(|dev| env.node.devs.get(*dev).is_some_and(|d| d.loopback()));
    if let (Some(lo), Hook::Prerouting | Hook::Input | Hook::Ingress) = (lo, env.hook) {
        return match result {
            FibResult::OifName => Known(ifname(Some(lo))),
            _ => Known(index(env.node, Some(lo))),
        };
    }
    let other = if has(1) { packet.dst } else { packet.src };
    let mark = if has(4) { packet.mark } else { 0 };
    let ask = Ask { src: Some(other), oif: dev.cloned(), mark, ..Default::default() };
    let found = match route::lookup(env.node, ip, &ask) {
        Answer::Route(taken) if taken.route.kind == RouteKind::Unicast => {
            taken.route.hops.first().and_then(|h| h.dev.clone())
        }
        Answer::Unknown(_) => return Unknown,
        _ => None,
    };
    match result {
        FibResult::OifName => Known(ifname(found.as_ref())),
        _ => Known(index(env.node, found.as_ref())),
    }
}

/// True for a protocol with ports.
pub(super) fn ported(packet: &Packet) -> bool {
    matches!(packet.proto, proto::TCP | proto::UDP)
}
