//! More matches of iptables: programs, numbers within the packet, who sends, chance, the way back.
//!
//!     -m bpf · -m u32 · -m owner · -m statistic · -m rpfilter · -m dscp · -m tos · -m devgroup · -m policy
//!
//! `None` is "not known".  Offsets are those of the structures on 64-bit machines.

use ropewalk_facts::RouteKind;
use ropewalk_facts::seen::Classic;

use super::eval::Run;
use super::load::sent;
use super::xt::At;
use crate::classic;
use crate::packet::Packet;
use crate::route::{self, Answer};

/// Whether a match holds; the outer `None` for a name that is not among these.
pub(super) fn matches(run: &Run<'_>, name: &str, rev: u32, at: &At<'_>) -> Option<Option<bool>> {
    let p = &run.packet;
    Some(match name {
        "bpf" => program(p, rev, at),
        "u32" => u32_tests(p, at),
        "owner" => owner(run, at),
        "statistic" => chance(at),
        "rpfilter" => way_back(run, at),
        // struct xt_dscp_info { dscp, invert }; our packets have none.
        "dscp" => at.u8(0).zip(at.u8(1)).map(|(dscp, invert)| (dscp == 0) != (invert != 0)),
        "tos" => at.u8(1).zip(at.u8(2)).map(|(value, invert)| (value == 0) != (invert != 0)),
        "devgroup" => groups(run, at),
        // struct xt_policy_info: four elements of 76 bytes, then flags; there is no IPsec here.
        "policy" => at.u16(304).map(|flags| flags & 4 != 0),
        // struct xt_helper_info { invert, name }: no connection has a helper.
        "helper" => at.u32(0).map(|invert| invert != 0),
        "recent" => return recent(run, at).map(Some),
        "nfacct" => Some(true),
        "esp" | "ah" | "sctp" | "dccp" | "ipcomp" | "l2tp" => Some(false),
        _ => return None,
    })
}

fn program(p: &Packet, rev: u32, at: &At<'_>) -> Option<bool> {
    // Revision 0: { u16 number, program }; 1: { u16 mode, u16 number, fd, program }, mode 0 bytecode.
    let (number, from) = if rev == 0 { (at.u16(0)?, 4) } else { (at.u16(2)?, 8) };
    if rev > 0 && at.u16(0)? != 0 {
        return None;
    }
    let code: Option<Vec<Classic>> = (0..usize::from(number.min(64)))
        .map(|i| {
            let i = from + 8 * i;
            Some(Classic(at.u16(i)?, at.u8(i + 2)?, at.u8(i + 3)?, at.u32(i + 4)?))
        })
        .collect();
    classic::run(&code?, p, false).map(|returned| returned != 0)
}

/// `struct xt_u32`: tests of 180 bytes each, each with 11 locations, 11 ranges and their numbers.
fn u32_tests(p: &Packet, at: &At<'_>) -> Option<bool> {
    let bytes = [p.network(), p.transport()].concat();
    let word = |at: u32| -> Option<u32> {
        let at = usize::try_from(at).ok()?;
        bytes.get(at..)?.first_chunk().copied().map(u32::from_be_bytes)
    };
    let (tests, invert) = (usize::from(at.u8(1980)?), at.u8(1981)? != 0);
    for test in 0..tests.min(11) {
        let base = test * 180;
        let (numbers, values) = (usize::from(at.u8(base + 176)?), usize::from(at.u8(base + 177)?));
        let (mut from, mut pos) = (0u32, at.u32(base)?);
        let mut value = word(pos)?;
        for i in 1..numbers.min(11) {
            let number = at.u32(base + 8 * i)?;
            match at.u8(base + 8 * i + 4)? {
                0 => value &= number,
                1 => value = value.checked_shl(number).unwrap_or(0),
                2 => value = value.checked_shr(number).unwrap_or(0),
                _ => {
                    from = from.checked_add(value)?;
                    pos = number;
                    value = word(from.checked_add(pos)?)?;
                }
            }
        }
        let hit = (0..values.min(11)).any(|i| {
            let range = base + 88 + 8 * i;
            let bounds = at.u32(range).zip(at.u32(range + 4));
            bounds.is_some_and(|(min, max)| (min..=max).contains(&value))
        });
        if !hit {
            return Some(invert);
        }
    }
    Some(!invert)
}

/// `struct xt_owner_match_info { uid_min, uid_max, gid_min, gid_max, match, invert }`: who asks is
/// taken to be root, and what is forwarded has no owner.
fn owner(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let (wanted, invert) = (at.u8(16)?, at.u8(17)?);
    if !sent(run.env, &run.packet) {
        return Some((wanted ^ invert) == 0);
    }
    let within = |bit: u8, from: usize| -> Option<bool> {
        let root = at.u32(from)? == 0;
        Some(wanted & bit == 0 || root != (invert & bit != 0))
    };
    let socket = wanted & 4 == 0 || invert & 4 == 0;
    Some(within(1, 0)? && within(2, 8)? && socket)
}

/// `struct xt_statistic_info { mode, flags, probability | every, packet }`: what is nearly always,
/// or nearly never, is taken to be so.
fn chance(at: &At<'_>) -> Option<bool> {
    const ALWAYS: u32 = 0x8000_0000;
    let (mode, invert, number) = (at.u16(0)?, at.u16(2)? & 1 != 0, at.u32(4)?);
    let holds = match mode {
        0 if number >= ALWAYS / 10 * 9 => true,
        0 if number <= ALWAYS / 10 => false,
        1 if number == 0 => true,
        _ => return None,
    };
    Some(holds != invert)
}

/// `struct xt_recent_mtinfo { u32 seconds, hits; u8 what, invert; name[200]; u8 side }`: whether an address is
/// on a list, where nothing else is asked for (`XT_RECENT_CHECK`).
fn recent(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let (what, invert) = (at.u8(8)?, at.u8(9)? != 0);
    if at.u32(0)? != 0 || at.u32(4)? != 0 || what != 1 {
        return None;
    }
    let name: Option<Vec<u8>> = (10..210).map(|i| at.u8(i)).take_while(|b| *b != Some(0)).collect();
    let list = run.env.node.recent(&String::from_utf8_lossy(&name?))?;
    let p = &run.packet;
    let ip = if at.u8(210)? == 0 { p.src } else { p.dst };
    Some(list.contains(&ip) != invert)
}

/// `struct xt_rpfilter_info { flags }`: loose 1, mark 2, accept local 4, invert 8.
fn way_back(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let flags = at.u8(0)?;
    let (loose, local, invert) = (flags & 1 != 0, flags & 4 != 0, flags & 8 != 0);
    let (p, node) = (&run.packet, run.env.node);
    let dev = run.env.iif?;
    if node.devs.get(dev).is_some_and(|d| d.loopback()) {
        return Some(!invert);
    }
    let mark = if flags & 2 != 0 { p.mark } else { 0 };
    let iif = (!p.v6()).then(|| dev.clone());
    let ask = route::Ask { src: Some(p.dst), iif, mark, ..Default::default() };
    let fits = match route::lookup(node, p.src, &ask) {
        Answer::Route(taken) => match taken.route.kind {
            RouteKind::Unicast => {
                loose || taken.route.hops.iter().any(|h| h.dev.as_ref() == Some(dev))
            }
            RouteKind::Local => local,
            _ => false,
        },
        Answer::Unknown(_) => return None,
        Answer::Refused(_) | Answer::Nothing => false,
    };
    Some(fits != invert)
}

/// `struct xt_devgroup_info { flags, src_group, src_mask, dst_group, dst_mask }`.
fn groups(run: &Run<'_>, at: &At<'_>) -> Option<bool> {
    let flags = at.u32(0)?;
    let group = |dev: Option<&ropewalk_facts::IfName>| {
        dev.and_then(|d| run.env.node.devs.get(d)).map_or(0, |d| d.link.group)
    };
    let fits = |bit: u32, from: usize, dev| -> Option<bool> {
        let same = group(dev) & at.u32(from + 4)? == at.u32(from)?;
        Some(flags & bit == 0 || same != (flags & (bit << 1) != 0))
    };
    Some(fits(1, 4, run.env.iif)? && fits(4, 12, run.env.oif)?)
}
