//! Matches of ebtables, which ebtables-nft leaves to the kernel as bytes: include/uapi/linux/netfilter_bridge/.
//!
//!     -p IPv4 --ip-proto icmp · -p IPv6 --ip6-dst … · -p ARP --arp-opcode Request
//!
//! `None` is "not known".  Addresses are in the order of the network, ports in that of the host.

use std::net::IpAddr;

use super::eval::Run;
use super::xt::{At, masked};
use crate::packet::Packet;
use crate::question::proto;

/// Whether a match holds; the outer `None` for a name that is not among these.
pub(super) fn matches(run: &Run<'_>, name: &str, at: &At<'_>) -> Option<Option<bool>> {
    let p = &run.packet;
    Some(match name {
        "ip" => ip(p, at),
        "ip6" => ip6(p, at),
        "arp" => arp(p, at),
        // struct ebt_mark_m_info { long mark, mask; u8 invert, bitmask }: bit 1 any of the mask, else all.
        "mark_m" => mark(p, at),
        // struct ebt_pkttype_info { u8 kind, invert }: to oneself, to all, to many.
        "pkttype" => at
            .u8(0)
            .zip(at.u8(1))
            .map(|(kind, invert)| (kind == super::load::pkttype(p)) != (invert != 0)),
        _ => return None,
    })
}

/// One thing that is asked for, by its bit, which inverts it in the flags.
struct Asked {
    bits: u8,
    invert: u8,
}

impl Asked {
    fn holds(&self, bit: u8, fits: impl FnOnce() -> Option<bool>) -> Option<bool> {
        if self.bits & bit == 0 {
            return Some(true);
        }
        Some(fits()? != (self.invert & bit != 0))
    }
}

fn net(at: &At<'_>, v6: bool, ip: IpAddr, place: usize, mask: usize) -> Option<bool> {
    let (net, mask) = (at.ip(place, v6)?, at.ip(mask, v6)?);
    Some(ip.is_ipv6() == v6 && masked(ip, mask) == masked(net, mask))
}

/// A number between two that stand one behind the other, in the order of the host.
fn between(at: &At<'_>, place: usize, number: u16) -> Option<bool> {
    Some((at.u16(place)?..=at.u16(place + 2)?).contains(&number))
}

/// What is asked of ports, from `place` on; or, by `types`, of ICMP's type and code, which lie where ports would.
fn ports(p: &Packet, at: &At<'_>, asked: &Asked, place: usize, types: Types) -> Option<bool> {
    if asked.bits & types.bits != 0 {
        let kind = at.u8(place)?..=at.u8(place + 1)?;
        let code = at.u8(place + 4)?..=at.u8(place + 5)?;
        let fits = p.proto == types.proto && kind.contains(&p.icmp.0) && code.contains(&p.icmp.1);
        return Some((asked.bits & ICMP != 0 && fits) != (asked.invert & ICMP != 0));
    }
    let ported = matches!(p.proto, proto::TCP | proto::UDP);
    let from = asked.holds(0x10, || Some(ported && between(at, place, p.sport)?))?;
    Some(asked.holds(0x20, || Some(ported && between(at, place + 4, p.dport)?))? && from)
}

/// Which bits ask for types instead of ports, and of which protocol.
#[derive(Clone, Copy)]
struct Types {
    bits: u8,
    proto: u8,
}

/// The bit that asks for types of ICMP; that of IGMP, of which no packet is walked, is the next.
const ICMP: u8 = 0x40;

/// `struct ebt_ip_info { saddr, daddr, smsk, dmsk; tos, protocol, bitmask, invflags; sport[2] | types,
/// dport[2] | codes }`.
fn ip(p: &Packet, at: &At<'_>) -> Option<bool> {
    if p.is_arp() || p.v6() {
        return Some(false);
    }
    let asked = Asked { bits: at.u8(18)?, invert: at.u8(19)? };
    let holds = asked.holds(1, || net(at, false, p.src, 0, 8))?
        && asked.holds(2, || net(at, false, p.dst, 4, 12))?
        && asked.holds(4, || Some(at.u8(16)? == 0))?
        && asked.holds(8, || Some(at.u8(17)? == p.proto))?;
    Some(ports(p, at, &asked, 20, Types { bits: ICMP | 0x80, proto: proto::ICMP })? && holds)
}

/// `struct ebt_ip6_info { saddr, daddr, smsk, dmsk; tclass, protocol, bitmask, invflags; sport[2] | types,
/// dport[2] | codes }`.
fn ip6(p: &Packet, at: &At<'_>) -> Option<bool> {
    if !p.v6() {
        return Some(false);
    }
    let asked = Asked { bits: at.u8(66)?, invert: at.u8(67)? };
    let holds = asked.holds(1, || net(at, true, p.src, 0, 32))?
        && asked.holds(2, || net(at, true, p.dst, 16, 48))?
        && asked.holds(4, || Some(at.u8(64)? == 0))?
        && asked.holds(8, || Some(at.u8(65)? == p.proto))?;
    Some(ports(p, at, &asked, 68, Types { bits: ICMP, proto: proto::ICMP6 })? && holds)
}

/// `struct ebt_arp_info { htype, ptype, opcode; saddr, smsk, daddr, dmsk; smaddr, smmsk, dmaddr, dmmsk;
/// bitmask, invflags }`.
fn arp(p: &Packet, at: &At<'_>) -> Option<bool> {
    let Some(question) = p.ask.as_ref().filter(|_| p.is_arp()) else { return Some(false) };
    let asked = Asked { bits: at.u8(48)?, invert: at.u8(49)? };
    let opcode = if question.answer { 2 } else { 1 };
    let mac = |mac: [u8; 6], place: usize| -> Option<bool> {
        let of = |at: &At<'_>, from: usize| -> Option<Vec<u8>> {
            (from..from + 6).map(|i| at.u8(i)).collect()
        };
        let (wanted, mask) = (of(at, place)?, of(at, place + 6)?);
        let pairs = mac.iter().zip(wanted).zip(mask);
        Some(pairs.into_iter().all(|((own, wanted), mask)| (own ^ wanted) & mask == 0))
    };
    let target = if question.answer { p.dmac.0 } else { [0; 6] };
    Some(
        asked.holds(1, || Some(at.be16(4)? == opcode))?
            && asked.holds(2, || Some(at.be16(0)? == 1))?
            && asked.holds(4, || Some(at.be16(2)? == 0x0800))?
            && asked.holds(8, || net(at, false, p.src, 8, 12))?
            && asked.holds(0x10, || net(at, false, p.dst, 16, 20))?
            && asked.holds(0x20, || mac(p.smac.0, 24))?
            && asked.holds(0x40, || mac(target, 36))?
            && asked.holds(0x80, || Some(p.src == p.dst))?,
    )
}

fn mark(p: &Packet, at: &At<'_>) -> Option<bool> {
    let (mark, mask, invert, bits) = (at.u32(0)?, at.u32(8)?, at.u8(16)?, at.u8(17)?);
    let fits = if bits & 1 != 0 { p.mark & mask != 0 } else { p.mark & mask == mark };
    Some(fits != (invert != 0))
}
