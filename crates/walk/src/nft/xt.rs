//! Matches and targets of iptables, which the kernel shows as bytes: include/uapi/linux/netfilter/xt_*.h.
//!
//! `None` is "not known".  Offsets are those of the structures on 64-bit machines.

use std::net::IpAddr;

use ropewalk_facts::nft::{Bytes, NatKind, Rule};

use super::eval::{Decision, Limit, Run, Step};
use super::expr::address;
use super::load;
use super::ruleset::Hook;
use super::xt_more;
use crate::packet::Packet;
use crate::question::proto;

/// How long the options of TCP may be.
const OPTIONS: u32 = 40;

/// Numbers within a structure, in the order of the machine.
pub(super) struct At<'a>(&'a [u8]);

impl At<'_> {
    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.0.get(at).copied()
    }
    pub(super) fn u16(&self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
    }
    pub(super) fn be16(&self, at: usize) -> Option<u16> {
        self.0.get(at..)?.first_chunk().copied().map(u16::from_be_bytes)
    }
    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        self.0.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
    }
    pub(super) fn ip(&self, at: usize, v6: bool) -> Option<IpAddr> {
        address(self.0.get(at..at + if v6 { 16 } else { 4 })?)
    }
}

/// Whether the header of a rule of iptables-legacy fits: addresses, masks, protocol, what is
/// inverted (`struct ipt_ip`, `struct ip6t_ip6`, as `wire::xt` has put it together).
pub(super) fn header(p: &Packet, data: &[u8]) -> Option<bool> {
    let (v6, at) = (p.v6(), At(data));
    let (width, proto_at) = if v6 { (16, 64) } else { (4, 16) };
    let (flags, invert) = (*data.get(data.len().checked_sub(2)?)?, *data.last()?);
    // A fragment (IPv4), a class of service (IPv6) is asked for.
    if (if v6 { flags & 2 } else { flags & 1 }) != 0 {
        return None;
    }
    let fits = |ip, place: usize, bit: u8| -> Option<bool> {
        let (net, mask) = (at.ip(place * width, v6)?, at.ip((place + 2) * width, v6)?);
        Some((masked(ip, mask) == masked(net, u_all(v6))) != (invert & bit != 0))
    };
    let wanted = at.u16(proto_at)?;
    let proto = wanted == 0 || (u16::from(p.proto) == wanted) != (invert & 0x40 != 0);
    Some(fits(p.src, 0, 8)? && fits(p.dst, 1, 16)? && proto)
}

fn u_all(v6: bool) -> IpAddr {
    if v6 { IpAddr::from([0xff; 16]) } else { IpAddr::from([0xff; 4]) }
}

/// Whether a match holds.
pub(super) fn matches(
    run: &Run<'_>,
    name: &str,
    rev: u32,
    data: &Bytes,
    bridged: bool,
) -> Option<bool> {
    let at = At(&data.0);
    if let Some(holds) = super::ebt::matches(run, name, &at).filter(|_| bridged) {
        return holds;
    }
    if let Some(holds) = xt_more::matches(run, name, rev, &at) {
        return holds;
    }
    let p = &run.packet;
    match name {
        "comment" => Some(true),
        "addrtype" => addrtype(run, &at),
        "conntrack" => conntrack(run, &at),
        "state" => Some(at.u32(0)? & state_bits(run, 6) != 0),
        "multiport" => multiport(p, &at),
        "tcp" => tcp(p, &at),
        "udp" => {
            let inv = at.u8(8)?;
            Some(p.proto == proto::UDP && ports(p, &at, inv)?)
        }
        "icmp" | "icmp6" => icmp(p, &at),
        "mark" => Some((p.mark & at.u32(4)? == at.u32(0)?) != (at.u8(8)? != 0)),
        // Of a packet without a connection it is not asked, inverted or not.
        "connmark" => {
            let Some(track) = run.env.track else { return Some(false) };
            let mark = run.ct_mark.unwrap_or(track.mark);
            Some((mark & at.u32(4)? == at.u32(0)?) != (at.u8(8)? != 0))
        }
        "mac" => {
            let wanted = at.0.get(..6)?;
            Some((p.smac.0 == wanted) != (at.u32(8)? != 0))
        }
        "physdev" => physdev(p, &at),
        "iprange" => iprange(p, &at),
        "length" => {
            let (min, max) = (u32::from(at.u16(0)?), u32::from(at.u16(2)?));
            // Which options of TCP its sender's kernel puts in is not known.
            let most = p.len + if p.proto == proto::TCP { OPTIONS } else { 0 };
            let (inside, outside) = (min <= p.len && most <= max, most < min || max < p.len);
            let invert = at.u8(4)? != 0;
            (inside || outside).then_some(inside != invert)
        }
        "ttl" | "hl" => {
            let (mode, ttl) = (at.u8(0)?, at.u8(1)?);
            match mode {
                0 => Some(p.ttl == ttl),
                1 => Some(p.ttl != ttl),
                2 => Some(p.ttl < ttl),
                3 => Some(p.ttl > ttl),
                _ => None,
            }
        }
        "pkttype" => Some((at.u32(0)? == 0) != (at.u32(4)? != 0)),
        _ => None,
    }
}

/// The rate of a match that lets through so many in a time.
pub(super) fn limit(name: &str, rev: u32, data: &Bytes) -> Option<Limit> {
    let at = At(&data.0);
    let none = Limit { rate: 0, seconds: 0, burst: 0, over: false };
    // A rate from how many units of time one packet costs.
    let rate = |unit: u64, cost: u64| {
        if cost > unit { (1, cost / unit.max(1)) } else { (unit / cost.max(1), 1) }
    };
    match name {
        // struct xt_rateinfo { avg, burst }: avg is 10000 / rate per second.
        "limit" => {
            let (rate, seconds) = rate(10_000, u64::from(at.u32(0)?));
            Some(Limit { rate, seconds, burst: at.u32(4)?, over: false })
        }
        // struct xt_hashlimit_mtinfo3 { name[256], cfg { avg, burst: u64; mode: u32 … } }
        "hashlimit" if rev == 3 => {
            let avg = at.0.get(256..)?.first_chunk().copied().map(u64::from_ne_bytes)?;
            let mode = at.u32(272)?;
            // Rates of bytes are another matter.
            if mode & 0x60 != 0 {
                return Some(none);
            }
            let (rate, seconds) = rate(1_000_000, avg);
            Some(Limit { rate, seconds, burst: 0, over: mode & 0x10 != 0 })
        }
        // struct xt_connlimit_info { mask[16], limit, flags }: none at all may be there.
        "connlimit" if at.u32(16)? == 0 => {
            Some(Limit { rate: 0, seconds: 1, burst: 0, over: at.u32(20)? & 1 == 0 })
        }
        // struct xt_quota_info { flags, pad, quota }
        "quota" => {
            let left = at.0.get(8..)?.first_chunk().copied().map(u64::from_ne_bytes)?;
            let over = at.u32(0)? & 1 != 0;
            if left == 0 { Some(Limit { rate: 0, seconds: 1, burst: 0, over }) } else { Some(none) }
        }
        "hashlimit" | "connlimit" | "recent" | "statistic" => Some(none),
        _ => None,
    }
}

fn addrtype(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let (source, dest, flags) = (at.u16(0)?, at.u16(2)?, at.u32(4)?);
    let dev = match flags & 12 {
        4 => run.env.iif,
        8 => run.env.oif,
        _ => None,
    };
    let is = |ip, mask: u16| {
        let kind = load::address_kind(run.env.node, ip, dev);
        mask == 0 || u32::from(mask) >> kind & 1 == 1
    };
    let src = is(run.packet.src, source) != (source != 0 && flags & 1 != 0);
    let dst = is(run.packet.dst, dest) != (dest != 0 && flags & 2 != 0);
    Some(src && dst)
}

/// Bits of the state as xt has them; `untracked` is at a place of its own.
fn state_bits(run: &Run<'_>, untracked: u32) -> u32 {
    match load::state(run.env) {
        1 => 1,
        2 => 1 << 1,
        4 => 1 << 2,
        8 => 1 << 3,
        _ => 1 << untracked,
    }
}

fn conntrack(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let (wanted, invert) = (at.u16(146)?, at.u16(148)?);
    let flips = |bit: u16| invert & bit != 0;
    let mut holds = true;
    if wanted & 1 != 0 {
        let mut bits = state_bits(run, 8);
        if let Some(track) = run.env.track {
            bits |= u32::from(track.snat()) << 6 | u32::from(track.dnat()) << 7;
        }
        holds &= (u32::from(at.u16(150)?) & bits != 0) != flips(1);
    }
    if wanted & !(1 | 1 << 12 | 1 << 13) != 0 {
        let Some(track) = run.env.track else { return Some(false) };
        // Addresses and ports of the connection; the rest is not known.
        if wanted & !(0x3f | 0xf << 8 | 3 << 12) != 0 {
            return None;
        }
        let v6 = run.packet.v6();
        let ip = |bit: u16, place: usize, ip: IpAddr| -> Option<bool> {
            if wanted & bit == 0 {
                return Some(true);
            }
            let (net, mask) = (at.ip(place, v6)?, at.ip(place + 16, v6)?);
            Some((masked(ip, mask) == masked(net, mask)) != flips(bit))
        };
        holds &= ip(1 << 2, 0, track.orig.src)? && ip(1 << 3, 32, track.orig.dst)?;
        holds &= ip(1 << 4, 64, track.reply_tuple.src)? && ip(1 << 5, 96, track.reply_tuple.dst)?;
        if wanted & 2 != 0 {
            holds &= (at.u16(136)? == u16::from(track.orig.proto)) != flips(2);
        }
        let port = |bit: u16, place: usize, port: u16| -> Option<bool> {
            if wanted & bit == 0 {
                return Some(true);
            }
            let (low, high) = (at.u16(place)?, at.u16(place + 16)?);
            Some((low..=high.max(low)).contains(&port) != flips(bit))
        };
        holds &= port(1 << 8, 138, track.orig.sport)? && port(1 << 9, 140, track.orig.dport)?;
    }
    if wanted & 1 << 12 != 0 {
        let reply = run.env.track.is_some_and(|t| t.reply);
        holds &= reply == flips(1 << 12);
    }
    Some(holds)
}

pub(super) fn masked(ip: IpAddr, mask: IpAddr) -> u128 {
    let number = |ip| match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    };
    number(ip) & number(mask)
}

fn multiport(p: &Packet, at: &At<'_>) -> Option<bool> {
    if !load::ported(p) {
        return Some(false);
    }
    let (kind, count, invert) = (at.u8(0)?, usize::from(at.u8(1)?), at.u8(47)? != 0);
    let mut hit = false;
    let mut i = 0;
    while i < count.min(15) {
        let from = at.u16(2 + 2 * i)?;
        let mut to = from;
        if at.u8(32 + i)? != 0 {
            i += 1;
            to = at.u16(2 + 2 * i)?;
        }
        let within = |port: u16| (from..=to).contains(&port);
        hit |= match kind {
            0 => within(p.sport),
            1 => within(p.dport),
            _ => within(p.sport) || within(p.dport),
        };
        i += 1;
    }
    Some(hit != invert)
}

fn ports(p: &Packet, at: &At<'_>, inv: u8) -> Option<bool> {
    let src = (at.u16(0)?..=at.u16(2)?).contains(&p.sport) != (inv & 1 != 0);
    let dst = (at.u16(4)?..=at.u16(6)?).contains(&p.dport) != (inv & 2 != 0);
    Some(src && dst)
}

fn tcp(p: &Packet, at: &At<'_>) -> Option<bool> {
    let (option, mask, cmp, inv) = (at.u8(8)?, at.u8(9)?, at.u8(10)?, at.u8(11)?);
    if p.proto != proto::TCP || !ports(p, at, inv)? {
        return Some(false);
    }
    if option != 0 {
        return None;
    }
    Some((p.flags & mask == cmp) != (inv & 4 != 0))
}

fn icmp(p: &Packet, at: &At<'_>) -> Option<bool> {
    let (kind, low, high, inv) = (at.u8(0)?, at.u8(1)?, at.u8(2)?, at.u8(3)?);
    if !matches!(p.proto, proto::ICMP | proto::ICMP6) {
        return Some(false);
    }
    let any = kind == 0xff && p.proto == proto::ICMP;
    let hit = any || (kind == p.icmp.0 && (low..=high).contains(&p.icmp.1));
    Some(hit != (inv & 1 != 0))
}

/// `struct xt_physdev_info { physindev, in_mask, physoutdev, out_mask; u8 invert, bitmask }`: the members
/// of a bridge that br_netfilter has kept in mind.
fn physdev(p: &Packet, at: &At<'_>) -> Option<bool> {
    let (invert, bits) = (at.u8(64)?, at.u8(65)?);
    let is = |dev: &Option<ropewalk_facts::IfName>, from: usize| -> Option<bool> {
        let (wanted, mask) = (at.0.get(from..from + 16)?, at.0.get(from + 16..from + 32)?);
        let Some(dev) = dev else { return Some(false) };
        let own = dev.as_str().bytes().chain(std::iter::repeat(0));
        let mut bytes = own.zip(wanted).zip(mask);
        Some(bytes.all(|((own, wanted), mask)| (own ^ wanted) & mask == 0))
    };
    let flip = |bit: u8| invert & bit != 0;
    let mut holds = true;
    if bits & 1 != 0 {
        holds &= is(&p.physin, 0)? != flip(1);
    }
    if bits & 2 != 0 {
        holds &= is(&p.physout, 32)? != flip(2);
    }
    if bits & 4 != 0 {
        holds &= (p.physin.is_some() && p.physout.is_some()) != flip(4);
    }
    if bits & 8 != 0 {
        holds &= p.physin.is_some() != flip(8);
    }
    if bits & 16 != 0 {
        holds &= p.physout.is_some() != flip(16);
    }
    Some(holds)
}

fn iprange(p: &Packet, at: &At<'_>) -> Option<bool> {
    let flags = at.u8(64)?;
    let v6 = p.v6();
    let within = |bit: u8, inv: u8, from: usize, ip: IpAddr| -> Option<bool> {
        if flags & bit == 0 {
            return Some(true);
        }
        let (min, max) = (at.ip(from, v6)?, at.ip(from + 16, v6)?);
        Some((min <= ip && ip <= max) != (flags & inv != 0))
    };
    Some(within(1, 16, 0, p.src)? && within(2, 32, 32, p.dst)?)
}

/// What a target does.
pub(super) fn target(run: &mut Run<'_>, rule: &Rule, name: &str, rev: u32, data: &Bytes) -> Step {
    let at = At(&data.0);
    match name {
        "MASQUERADE" => run.translate(rule, NatKind::Snat, None, None, true),
        "REDIRECT" => {
            let range = range(run, &at, rev > 0 || run.packet.v6());
            run.translate(rule, NatKind::Dnat, None, range.and_then(|r| r.1), true)
        }
        "SNAT" | "DNAT" => {
            let kind = if name == "SNAT" { NatKind::Snat } else { NatKind::Dnat };
            let Some((addr, port)) = range(run, &at, rev > 0 || run.packet.v6()) else {
                run.lacks(rule, name);
                return Step::Next;
            };
            run.translate(rule, kind, addr, port, false)
        }
        "NETMAP" => netmap(run, rule, &at, rev),
        "REJECT" => Step::Decide(Decision::Reject),
        // struct ipt_TTL_info { mode, ttl }: set, more, less.
        "TTL" | "HL" => {
            if let (Some(mode), Some(ttl)) = (at.u8(0), at.u8(1)) {
                run.packet.ttl = match mode {
                    0 => ttl,
                    1 => run.packet.ttl.saturating_add(ttl),
                    _ => run.packet.ttl.saturating_sub(ttl),
                };
            }
            Step::Next
        }
        "MARK" => {
            if let (Some(mark), Some(mask)) = (at.u32(0), at.u32(4)) {
                run.packet.mark = run.packet.mark & !mask ^ mark;
            }
            Step::Next
        }
        "CONNMARK" => connmark(run, &at, rev),
        "NFQUEUE" => queue(run, rule, &at, rev),
        "CT" => {
            // struct xt_ct_target_info { u16 flags, zone }
            if at.u16(0).is_some_and(|flags| flags & 1 != 0) {
                run.untrack();
            } else if let Some(zone) = at.u16(2).filter(|_| run.env.track.is_none()) {
                run.packet.zone = zone;
            }
            Step::Next
        }
        "NOTRACK" => {
            run.untrack();
            Step::Next
        }
        "LOG" | "NFLOG" | "TCPMSS" | "CHECKSUM" | "TRACE" | "CLASSIFY" | "TOS" | "DSCP" | "ECN"
        | "AUDIT" | "SECMARK" | "CONNSECMARK" | "SET" | "RATEEST" | "HMARK" | "TEE"
        | "TCPOPTSTRIP" | "LED" | "IDLETIMER" => Step::Next,
        _ => {
            run.lacks(rule, name);
            Step::Decide(Decision::Queue)
        }
    }
}

/// Address and port of a translation: `nf_nat_range` and `…2`, or the older form of IPv4.
fn range(run: &Run<'_>, at: &At<'_>, new: bool) -> Option<(Option<IpAddr>, Option<u16>)> {
    let v6 = run.packet.v6();
    let (flags, ip, port) = if new {
        (at.u32(0)?, at.ip(4, v6)?, at.be16(36)?)
    } else {
        (at.u32(4)?, at.ip(8, false)?, at.be16(16)?)
    };
    Some(((flags & 1 != 0).then_some(ip), (flags & 2 != 0).then_some(port)))
}

fn netmap(run: &mut Run<'_>, rule: &Rule, at: &At<'_>, rev: u32) -> Step {
    let new = rev > 0 || run.packet.v6();
    let v6 = run.packet.v6();
    let bounds =
        if new { at.ip(4, v6).zip(at.ip(20, v6)) } else { at.ip(8, false).zip(at.ip(12, false)) };
    let kind = match run.env.hook {
        Hook::Postrouting | Hook::Input => NatKind::Snat,
        _ => NatKind::Dnat,
    };
    let old = if kind == NatKind::Snat { run.packet.src } else { run.packet.dst };
    let mapped = match (bounds, old) {
        (Some((IpAddr::V4(min), IpAddr::V4(max))), IpAddr::V4(old)) => {
            let host = u32::from(min) ^ u32::from(max);
            Some(IpAddr::V4((u32::from(min) & !host | u32::from(old) & host).into()))
        }
        (Some((IpAddr::V6(min), IpAddr::V6(max))), IpAddr::V6(old)) => {
            let host = u128::from(min) ^ u128::from(max);
            Some(IpAddr::V6((u128::from(min) & !host | u128::from(old) & host).into()))
        }
        _ => None,
    };
    run.translate(rule, kind, mapped, None, false)
}

/// `struct xt_connmark_tginfo1 { u32 ctmark, ctmask, nfmask; u8 mode }`; revision 2 has the direction of a
/// shift and by how many bits before the mode: set, save, restore.
fn connmark(run: &mut Run<'_>, at: &At<'_>, rev: u32) -> Step {
    let (Some(ctmark), Some(ctmask), Some(nfmask)) = (at.u32(0), at.u32(4), at.u32(8)) else {
        return Step::Next;
    };
    let (mode, right, bits) = match rev {
        2 => (at.u8(14), at.u8(12) == Some(1), at.u8(13).unwrap_or(0)),
        _ => (at.u8(12), false, 0),
    };
    let shift = |mark: u32| {
        let shifted =
            if right { mark.checked_shr(bits.into()) } else { mark.checked_shl(bits.into()) };
        shifted.unwrap_or(0)
    };
    let old = run.ct_mark.or_else(|| run.env.track.map(|t| t.mark)).unwrap_or(0);
    match mode.unwrap_or(0) {
        0 => run.ct_mark = Some(shift(old & !ctmask ^ ctmark)),
        1 => run.ct_mark = Some(old & !ctmask ^ shift(run.packet.mark & nfmask)),
        _ => run.packet.mark = run.packet.mark & !nfmask ^ shift(old & ctmask),
    }
    Step::Next
}

/// `struct xt_NFQ_info { u16 number, total, bypass | flags }`: where no program has asked for the queue, what
/// is put there is dropped, unless it may go by.
fn queue(run: &mut Run<'_>, rule: &Rule, at: &At<'_>, rev: u32) -> Step {
    let (first, total) = (at.u16(0).unwrap_or(0), at.u16(2).filter(|_| rev > 0).unwrap_or(1));
    let bypass = rev > 1 && at.u16(4).is_some_and(|flags| flags & 1 != 0);
    let asked: Option<Vec<u16>> = run.env.node.queues();
    let deaf = asked.is_some_and(|all| {
        !all.iter().any(|n| (first..first.saturating_add(total.max(1))).contains(n))
    });
    match (deaf, bypass) {
        (true, true) => Step::Next,
        (true, false) => Step::Decide(Decision::Drop),
        (false, _) => {
            run.lacks(rule, "NFQUEUE");
            Step::Decide(Decision::Queue)
        }
    }
}
