//! Policy rules.
//!
//!     ip rule add [not] from NET to NET iif DEV oif DEV fwmark M/MASK pref P lookup T suppress_…
//!         ipproto N sport A-B dport A-B
//!     struct fib_rule_hdr { family, dst_len, src_len, tos, table, 0, 0, action: u8, flags u32 }

use ipnet::IpNet;
use ropewalk_facts::seen::SeenRule;
use ropewalk_facts::{IfName, Rule, RuleAction};

use super::consts::*;
use super::ip;
use crate::Error;
use crate::nl::{Attr, Message, Request, Writer, attrs, flag, u16_at, u32_at};

/// Length of `struct fib_rule_hdr`.
const HEADER: usize = 12;

fn body(rule: &Rule) -> Result<Vec<u8>, Error> {
    let family = if rule.v6 { AF_INET6 } else { AF_INET };
    let len = |net: Option<IpNet>| net.map_or(0, |n| n.prefix_len());
    let (action, table) = match rule.action {
        RuleAction::Lookup(table) => (FR_ACT_TO_TBL, table),
        RuleAction::Blackhole => (FR_ACT_BLACKHOLE, 0),
        RuleAction::Unreachable => (FR_ACT_UNREACHABLE, 0),
        RuleAction::Prohibit => (FR_ACT_PROHIBIT, 0),
        RuleAction::Other(n) => (n, 0),
    };
    let small = u8::try_from(table).unwrap_or(RT_TABLE_UNSPEC);
    let flags = if rule.not { FIB_RULE_INVERT } else { 0 };
    let [a, b, c, d] = flags.to_ne_bytes();
    let (to, from) = (len(rule.to), len(rule.from));
    let mut w = Writer::with(&[family, to, from, 0, small, 0, 0, action, a, b, c, d]);
    if let Some(net) = rule.to {
        ip::put(&mut w, FRA_DST, net.network());
    }
    if let Some(net) = rule.from {
        ip::put(&mut w, FRA_SRC, net.network());
    }
    matches_of(&mut w, rule);
    w.u32(FRA_PRIORITY, rule.priority);
    w.u8(FRA_PROTOCOL, rule.proto);
    if table != 0 {
        w.u32(FRA_TABLE, table);
    }
    w.finish()
}

fn matches_of(w: &mut Writer, rule: &Rule) {
    if let Some(dev) = &rule.iif {
        w.text(FRA_IIFNAME, dev.as_str());
    }
    if let Some(dev) = &rule.oif {
        w.text(FRA_OIFNAME, dev.as_str());
    }
    if let Some((mark, mask)) = rule.mark {
        w.u32(FRA_FWMARK, mark);
        w.u32(FRA_FWMASK, mask);
    }
    if let Some(len) = rule.suppress {
        w.u32(FRA_SUPPRESS_PREFIXLEN, len);
    }
    if let Some(proto) = rule.ipproto {
        w.u8(FRA_IP_PROTO, proto);
    }
    for (kind, range) in [(FRA_SPORT_RANGE, rule.sport), (FRA_DPORT_RANGE, rule.dport)] {
        if let Some((first, last)) = range {
            let ([a, b], [c, d]) = (first.to_ne_bytes(), last.to_ne_bytes());
            w.bytes(kind, &[a, b, c, d]);
        }
    }
}

/// `struct fib_rule_port_range`.
fn ports(attr: Option<Attr<'_>>) -> Option<(u16, u16)> {
    let data = attr?.data;
    Some((u16_at(data, 0)?, u16_at(data, 2)?))
}

/// Always exclusive: without NLM_F_EXCL the kernel would add a second rule just like the first.
pub(super) fn create(rule: &Rule) -> Result<Vec<Request>, Error> {
    let flags = flag::CREATE | flag::EXCL;
    Ok(vec![Request { kind: RTM_NEWRULE, flags, body: body(rule)? }])
}

pub(super) fn delete(rule: &Rule) -> Result<Vec<Request>, Error> {
    Ok(vec![Request { kind: RTM_DELRULE, flags: 0, body: body(rule)? }])
}

pub(super) fn dump(v6: bool) -> Request {
    let mut body = vec![0; HEADER];
    if let Some(family) = body.first_mut() {
        *family = if v6 { AF_INET6 } else { AF_INET };
    }
    Request { kind: RTM_GETRULE, flags: flag::DUMP, body }
}

/// `FRA_DSCP`, `FRA_SPORT_MASK` and `FRA_DPORT_MASK`, which older headers lack.
const DSCP: u16 = 25;
const PORT_MASKS: [u16; 2] = [28, 29];
/// Attributes that the fact, or what is seen beside it, holds.
const KNOWN: [u16; 19] = [
    FRA_DST,
    FRA_SRC,
    FRA_IIFNAME,
    FRA_GOTO,
    FRA_PRIORITY,
    FRA_FWMARK,
    FRA_FLOW,
    FRA_SUPPRESS_IFGROUP,
    FRA_SUPPRESS_PREFIXLEN,
    FRA_TABLE,
    FRA_FWMASK,
    FRA_OIFNAME,
    FRA_PAD,
    FRA_UID_RANGE,
    FRA_PROTOCOL,
    FRA_IP_PROTO,
    FRA_SPORT_RANGE,
    FRA_DPORT_RANGE,
    DSCP,
];

/// A policy rule that its fact does not tell wholly, with the rest; `None` for any other.
#[must_use]
pub fn rule_seen(message: &Message<'_>) -> Option<SeenRule> {
    if message.kind != RTM_NEWRULE {
        return None;
    }
    let rule = decode(message.body).ok().flatten()?;
    let list = attrs(message.body.get(HEADER..)?);
    let attr = |kind| list.clone().first(kind);
    let whole = |a: &Attr<'_>| PORT_MASKS.contains(&a.kind) && a.u16() == Some(u16::MAX);
    let dscp = attr(DSCP).and_then(|a| a.u8()).map_or(0, |dscp| dscp << 2);
    let users = attr(FRA_UID_RANGE).map(|a| a.data);
    let seen = SeenRule {
        rule,
        tos: message.body.get(3)? | dscp,
        users: users.and_then(|range| Some((u32_at(range, 0)?, u32_at(range, 4)?))),
        goto: attr(FRA_GOTO).and_then(|a| a.u32()),
        // The kernel says -1 where there is none.
        group: attr(FRA_SUPPRESS_IFGROUP).and_then(|a| a.u32()).filter(|group| *group != u32::MAX),
        more: list.clone().any(|a| !KNOWN.contains(&a.kind) && !whole(&a)),
    };
    let plain = seen.tos == 0 && seen.users.is_none() && seen.goto.is_none();
    (!plain || seen.group.is_some() || seen.more).then_some(seen)
}

pub(super) fn decode(body: &[u8]) -> Result<Option<Rule>, Error> {
    let short = || Error::Malformed { kind: RTM_NEWRULE };
    let &[family, to, from, _, table, _, _, action, ..] = body else { return Err(short()) };
    let flags = u32_at(body, 8).ok_or_else(short)?;
    if !matches!(family, AF_INET | AF_INET6) {
        return Ok(None);
    }
    let list = attrs(body.get(HEADER..).unwrap_or_default());
    let attr = |kind| list.clone().first(kind);
    let number = |kind| attr(kind).and_then(|a| a.u32());
    let name = |kind| attr(kind).and_then(|a| IfName::new(a.text()?).ok());
    let net = |kind, len| attr(kind).and_then(|a| ip::net(family, len, Some(a.data)));
    let action = match action {
        FR_ACT_TO_TBL => RuleAction::Lookup(number(FRA_TABLE).unwrap_or(u32::from(table))),
        FR_ACT_BLACKHOLE => RuleAction::Blackhole,
        FR_ACT_UNREACHABLE => RuleAction::Unreachable,
        FR_ACT_PROHIBIT => RuleAction::Prohibit,
        n => RuleAction::Other(n),
    };
    // Of a mark the kernel leaves out what is 0: `fwmark 0/0xff` has a mask alone.
    let mark = match (number(FRA_FWMARK), number(FRA_FWMASK)) {
        (None, None | Some(0)) => None,
        (mark, mask) => Some((mark.unwrap_or(0), mask.unwrap_or(u32::MAX))),
    };
    Ok(Some(Rule {
        v6: family == AF_INET6,
        priority: number(FRA_PRIORITY).unwrap_or(0),
        from: net(FRA_SRC, from),
        to: net(FRA_DST, to),
        iif: name(FRA_IIFNAME),
        oif: name(FRA_OIFNAME),
        mark,
        ipproto: attr(FRA_IP_PROTO).and_then(|a| a.u8()),
        sport: ports(attr(FRA_SPORT_RANGE)),
        dport: ports(attr(FRA_DPORT_RANGE)),
        not: flags & FIB_RULE_INVERT != 0,
        // The kernel says -1 where there is none.
        suppress: number(FRA_SUPPRESS_PREFIXLEN).filter(|len| *len != u32::MAX),
        action,
        proto: attr(FRA_PROTOCOL).and_then(|a| a.u8()).unwrap_or(0),
    }))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A message of the kernel's: table main, and these attributes.
    fn told(tos: u8, action: u8, more: impl FnOnce(&mut Writer)) -> Vec<u8> {
        let mut w = Writer::with(&[AF_INET, 0, 0, tos, 254, 0, 0, action, 0, 0, 0, 0]);
        w.u32(FRA_PRIORITY, 7);
        w.u32(FRA_SUPPRESS_PREFIXLEN, u32::MAX);
        more(&mut w);
        w.finish().unwrap()
    }

    fn seen(body: &[u8]) -> Option<SeenRule> {
        for end in 0..body.len() {
            let cut = body.get(..end).unwrap();
            let _ = rule_seen(&Message { kind: RTM_NEWRULE, flags: 0, seq: 0, pid: 0, body: cut });
        }
        rule_seen(&Message { kind: RTM_NEWRULE, flags: 0, seq: 0, pid: 0, body })
    }

    #[test]
    fn a_mark_of_zero_with_a_mask_is_not_every_mark() {
        let masked = told(0, FR_ACT_TO_TBL, |w| w.u32(FRA_FWMASK, 0xff));
        assert_eq!(decode(&masked).unwrap().unwrap().mark, Some((0, 0xff)));
        let none = told(0, FR_ACT_TO_TBL, |_| ());
        assert_eq!(decode(&none).unwrap().unwrap().mark, None);
    }

    #[test]
    fn what_a_fact_does_not_say_of_a_rule_is_seen() {
        assert_eq!(seen(&told(0, FR_ACT_TO_TBL, |_| ())), None);
        assert_eq!(seen(&told(0x10, FR_ACT_TO_TBL, |_| ())).unwrap().tos, 0x10);
        let goto = seen(&told(0, 2, |w| w.u32(FRA_GOTO, 9))).unwrap();
        assert_eq!((goto.goto, goto.more), (Some(9), false));
        let range = [0u32.to_ne_bytes(), 5u32.to_ne_bytes()].concat();
        let users = seen(&told(0, FR_ACT_TO_TBL, |w| w.bytes(FRA_UID_RANGE, &range)));
        assert_eq!(users.unwrap().users, Some((0, 5)));
        let group = seen(&told(0, FR_ACT_TO_TBL, |w| w.u32(FRA_SUPPRESS_IFGROUP, 3)));
        assert_eq!(group.unwrap().group, Some(3));
        // FRA_L3MDEV, and one that nobody knows yet.
        assert!(seen(&told(0, FR_ACT_TO_TBL, |w| w.u8(19, 1))).unwrap().more);
        assert!(seen(&told(0, FR_ACT_TO_TBL, |w| w.u32(77, 1))).unwrap().more);
        // The mask of a single port is no more than the port.
        assert_eq!(seen(&told(0, FR_ACT_TO_TBL, |w| w.u16(28, u16::MAX))), None);
    }
}
