//! Policy rules.
//!
//!     ip rule add [not] from NET to NET iif DEV oif DEV fwmark M/MASK pref P lookup T suppress_…
//!         ipproto N sport A-B dport A-B
//!     struct fib_rule_hdr { family, dst_len, src_len, tos, table, 0, 0, action: u8, flags u32 }

use ipnet::IpNet;
use ropewalk_facts::{IfName, Rule, RuleAction};

use super::consts::*;
use super::ip;
use crate::Error;
use crate::nl::{Attr, Request, Writer, attrs, flag, u16_at, u32_at};

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
    Ok(Some(Rule {
        v6: family == AF_INET6,
        priority: number(FRA_PRIORITY).unwrap_or(0),
        from: net(FRA_SRC, from),
        to: net(FRA_DST, to),
        iif: name(FRA_IIFNAME),
        oif: name(FRA_OIFNAME),
        mark: number(FRA_FWMARK).map(|mark| (mark, number(FRA_FWMASK).unwrap_or(u32::MAX))),
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
