//! One expression: what it loads, compares, looks up, translates or decides.
//!
//! Kernel: net/netfilter/nft_*.c.  Never here: chains and jumps.

use std::net::IpAddr;

use ropewalk_facts::nft::{
    Bytes, CmpOp, Element, Expr, Family, MetaKey, NatKind, Rule, SetKey, Value, VerdictCode,
};
use ropewalk_wire::nl::attrs;

use super::eval::{Decision, Limit, Nat, Run, Step};
use super::load::{self, Loaded};
use super::xt;

/// `NFT_CT_MARK`
const CT_MARK: u32 = 3;
/// `NFT_CT_ZONE`
const CT_ZONE: u32 = 17;
/// `NFT_RT_NEXTHOP6`
const RT_NEXTHOP6: u32 = 2;

impl Run<'_> {
    pub(super) fn expr(&mut self, rule: &Rule, expr: &Expr) -> Step {
        match expr {
            Expr::Meta { key, dreg } => {
                let loaded = load::meta(self.env, &self.packet, *key);
                self.load(*dreg, loaded, 16)
            }
            Expr::MetaSet { key, sreg } => {
                let value = self.regs.bytes(*sreg, 4).and_then(|b| b.first_chunk().copied());
                match (*key, value.map(u32::from_ne_bytes)) {
                    (MetaKey::MARK, Some(mark)) => self.packet.mark = mark,
                    (MetaKey::MARK, None) => self.lacks(rule, "meta mark set"),
                    (MetaKey::PRIORITY, value) => {
                        self.packet.priority = value.unwrap_or(self.packet.priority);
                    }
                    _ => {}
                }
                Step::Next
            }
            Expr::Payload { what, dreg } => {
                let len = usize::try_from(what.len).unwrap_or(16);
                let loaded = load::payload(&self.packet, *what);
                self.load(*dreg, loaded, len)
            }
            Expr::Ct { key: CT_MARK, dreg, .. } if self.ct_mark.is_some() => {
                // A rule before has set it.
                let bytes = self.ct_mark.unwrap_or_default().to_ne_bytes().to_vec();
                self.load(*dreg, Loaded::Known(bytes), 4)
            }
            Expr::Ct { key, dir, dreg } => {
                let loaded = load::ct(self.env, *key, *dir);
                self.load(*dreg, loaded, 16)
            }
            Expr::CtSet { key, sreg } => {
                if *key == CT_MARK {
                    let mark = self.regs.bytes(*sreg, 4).and_then(|b| b.first_chunk().copied());
                    self.ct_mark = mark.map(u32::from_ne_bytes);
                }
                if *key == CT_ZONE && self.env.track.is_none() {
                    let zone = self.regs.bytes(*sreg, 2).and_then(|b| b.first_chunk().copied());
                    self.packet.zone = zone.map_or(0, u16::from_ne_bytes);
                }
                Step::Next
            }
            Expr::Cmp { sreg, op, data } => {
                let found = self.regs.bytes(*sreg, data.0.len());
                self.when(rule, found.map(|found| compare(&found, *op, data)), "cmp")
            }
            Expr::Range { sreg, invert, from, to } => {
                let found = self.regs.bytes(*sreg, from.0.len());
                let inside = found.map(|f| (f >= from.0 && f <= to.0) != *invert);
                self.when(rule, inside, "range")
            }
            Expr::Bitwise { sreg, dreg, mask, xor } => {
                match self.regs.bytes(*sreg, mask.0.len()) {
                    Some(bytes) => {
                        let both = mask.0.iter().zip(&xor.0);
                        let out: Vec<u8> =
                            bytes.iter().zip(both).map(|(b, (m, x))| b & m ^ x).collect();
                        self.regs.put(*dreg, &out);
                    }
                    None => self.regs.forget(*dreg, mask.0.len()),
                }
                Step::Next
            }
            Expr::Byteorder { sreg, dreg, len, size, .. } => {
                let (len, size) = (usize::try_from(*len).unwrap_or(4), usize::try_from(*size));
                match (self.regs.bytes(*sreg, len), size) {
                    (Some(bytes), Ok(size)) if size > 0 => {
                        let swapped: Vec<u8> =
                            bytes.chunks(size).flat_map(|c| c.iter().rev().copied()).collect();
                        self.regs.put(*dreg, &swapped);
                    }
                    _ => self.regs.forget(*dreg, len),
                }
                Step::Next
            }
            Expr::Lookup { set, sreg, dreg, map, invert } => {
                let key = rule.key.chain.table.set(set.clone());
                self.lookup(rule, &key, *sreg, *dreg, *map, *invert)
            }
            Expr::Immediate { dreg, data } => {
                self.regs.put(*dreg, &data.0);
                Step::Next
            }
            Expr::Verdict(verdict) => Step::Done(verdict.clone()),
            // A translation to addresses of the other family does nothing (`nft_nat_inet_eval`).
            Expr::Nat { family, .. }
                if *family == (if self.packet.v6() { Family::Ip } else { Family::Ip6 }) =>
            {
                Step::Next
            }
            Expr::Nat { kind, addr, proto, flags, .. } => {
                self.nat(rule, *kind, *addr, *proto, *flags)
            }
            Expr::Masq { proto, .. } => self.link_nat(rule, NatKind::Snat, *proto),
            Expr::Redir { proto, .. } => self.link_nat(rule, NatKind::Dnat, *proto),
            Expr::Fib { flags, result, dreg } => {
                let loaded = load::fib(self.env, &self.packet, *flags, *result);
                let present = flags.0 & 32 != 0;
                let loaded = match loaded {
                    Loaded::Known(bytes) if present => {
                        Loaded::Known(vec![u8::from(bytes.iter().any(|b| *b != 0))])
                    }
                    other => other,
                };
                self.load(*dreg, loaded, 16)
            }
            Expr::Counter { .. } => Step::Next,
            Expr::Reject { .. } => Step::Decide(Decision::Reject),
            Expr::Notrack => {
                self.untrack();
                Step::Next
            }
            Expr::Xt { target, name, rev, data } => {
                if *target {
                    xt::target(self, rule, name, *rev, data)
                } else {
                    let bridged = rule.key.chain.table.family == Family::Bridge;
                    match xt::matches(self, name, *rev, data, bridged) {
                        Some(holds) => self.when(rule, Some(holds), name),
                        None => {
                            let limit = xt::limit(name, *rev, data);
                            self.limit(rule, name, limit)
                        }
                    }
                }
            }
            Expr::Rt { key, dreg } => {
                self.regs.forget(*dreg, if *key == RT_NEXTHOP6 { 16 } else { 4 });
                Step::Next
            }
            Expr::Limit { rate, unit, burst, over } => {
                let limit = Limit { rate: *rate, seconds: *unit, burst: *burst, over: *over };
                self.limit(rule, "limit", Some(limit))
            }
            Expr::Connlimit { count: 0, over } => self.used_up(rule, "connlimit", true, *over),
            Expr::Connlimit { .. } => self.when(rule, None, "connlimit"),
            Expr::Dynset { with: Some(with), .. }
                if matches!(**with, Expr::Limit { .. } | Expr::Connlimit { count: 0, .. }) =>
            {
                self.per_source(rule, with)
            }
            Expr::Dynset { set, sreg, with: None, .. } => {
                let key = rule.key.chain.table.set(set.clone());
                let len = self.env.node.nft.sets.get(&key).map(length);
                let added = len.and_then(|len| self.regs.bytes(*sreg, len));
                self.filled.extend(added.map(|bytes| (key, bytes)));
                Step::Next
            }
            Expr::Dynset { with, .. } => {
                // Who floods and is held back is not seen: one packet more is within what each may.
                let over = with.as_ref().is_some_and(|with| {
                    matches!(
                        **with,
                        Expr::Limit { over: true, .. } | Expr::Connlimit { over: true, .. }
                    )
                });
                if over { Step::Break } else { Step::Next }
            }
            Expr::Opaque { name, data } => self.opaque(rule, name, data),
        }
    }

    fn opaque(&mut self, rule: &Rule, name: &str, data: &Bytes) -> Step {
        match name {
            "ip" if rule.key.chain.table.family.is_legacy() => {
                let holds = xt::header(&self.packet, &data.0);
                self.when(rule, holds, name)
            }
            "log" | "last" | "counter" | "dup" | "flow_offload" | "objref" => Step::Next,
            "limit" => {
                let limit = limit(data);
                self.limit(rule, name, limit)
            }
            "quota" => match quota(data) {
                Some((used, over)) => self.used_up(rule, name, used, over),
                None => self.when(rule, None, name),
            },
            "range" | "connlimit" => self.when(rule, None, name),
            "payload" => self.written(rule, data),
            "dynset" if attrs(&data.0).first(7).is_none() => Step::Next,
            "dynset" => self.when(rule, None, name),
            "tproxy" | "fwd" | "synproxy" | "queue" => {
                self.lacks(rule, name);
                Step::Decide(Decision::Queue)
            }
            // To one of several addresses or ports.
            "nat" | "masq" | "redir" => {
                self.lacks(rule, name);
                Step::Decide(Decision::Accept)
            }
            // These set a register, and which one is not known.
            "numgen" | "hash" | "osf" | "xfrm" | "tunnel" | "meta" | "ct" | "bitwise"
            | "byteorder" | "immediate" | "rt" | "fib" => {
                self.regs.forget_all();
                Step::Next
            }
            // What it is for is not known: it may set a register, match, or decide.
            _ => {
                self.regs.forget_all();
                self.when(rule, None, name)
            }
        }
    }

    /// A limit for each source: a tight one is used up like any other, of a wide one a packet more
    /// is within what each may.
    fn per_source(&mut self, rule: &Rule, with: &Expr) -> Step {
        match with {
            Expr::Limit { rate, unit, burst, over } => {
                let limit = Limit { rate: *rate, seconds: *unit, burst: *burst, over: *over };
                if limit.tight() {
                    return self.limit(rule, "limit of a set", Some(limit));
                }
                if *over { Step::Break } else { Step::Next }
            }
            Expr::Connlimit { over, .. } => self.used_up(rule, "connlimit", true, *over),
            _ => Step::Next,
        }
    }

    /// A quota or count that is known: used up, it matches what is above it, else what is below.
    fn used_up(&mut self, rule: &Rule, what: &str, used: bool, over: bool) -> Step {
        if used {
            let limit = Limit { rate: 0, seconds: 1, burst: 0, over };
            return self.limit(rule, what, Some(limit));
        }
        if over { Step::Break } else { Step::Next }
    }

    /// Bytes of the packet are changed (`NFTA_PAYLOAD_*`): the hop limit is followed, other fields
    /// of the headers are a doubt.
    fn written(&mut self, rule: &Rule, data: &Bytes) -> Step {
        let list = attrs(&data.0);
        let number = |kind| list.clone().first(kind).and_then(|a| a.be32());
        let (base, offset) = (number(2), number(3));
        let at_ttl = if self.packet.v6() { Some(7) } else { Some(8) };
        // The kernel's NFT_REG32_00 is 8; NFT_REG_1 to 4 are sixteen bytes each.
        let reg = number(5).and_then(|reg| match reg {
            1..=4 => u8::try_from((reg - 1) * 4).ok(),
            8.. => u8::try_from(reg - 8).ok(),
            _ => None,
        });
        let value = reg.and_then(|reg| self.regs.bytes(ropewalk_facts::nft::Reg(reg), 1));
        match (base, offset == at_ttl, value.as_deref()) {
            (Some(1), true, Some([ttl])) => self.packet.ttl = *ttl,
            _ => self.lacks(rule, "payload set"),
        }
        Step::Next
    }

    fn lookup(
        &mut self,
        rule: &Rule,
        key: &SetKey,
        sreg: ropewalk_facts::nft::Reg,
        dreg: Option<ropewalk_facts::nft::Reg>,
        map: bool,
        invert: bool,
    ) -> Step {
        let nft = &self.env.node.nft;
        let elements = nft.elements.get(key).map(Vec::as_slice).unwrap_or_default();
        let fields: Vec<usize> = nft.sets.get(key).map(fields).unwrap_or_default();
        let len = elements.iter().map(|e| e.key.key.0.len()).max().unwrap_or(0);
        let found = match self.regs.bytes(sreg, len) {
            Some(bytes) => find(elements, &bytes, &fields),
            None => {
                let holds = self.doubt(rule, &format!("lookup @{}", key.set), None);
                if map || holds == invert {
                    return Step::Break;
                }
                return Step::Next;
            }
        };
        let added = |(set, bytes): &(SetKey, Vec<u8>)| {
            set == key && self.regs.bytes(sreg, bytes.len()).as_ref() == Some(bytes)
        };
        match found {
            None if !map && self.env.filled.iter().any(added) => {
                if invert {
                    Step::Break
                } else {
                    Step::Next
                }
            }
            None if invert => Step::Next,
            None => Step::Break,
            Some(_) if invert => Step::Break,
            Some(element) if map => match (&element.value, dreg) {
                (Some(Value::Verdict(verdict)), _) => match verdict.code {
                    VerdictCode::Continue => Step::Next,
                    _ => Step::Done(verdict.clone()),
                },
                (Some(Value::Data(data)), Some(dreg)) => {
                    let data = data.0.clone();
                    self.regs.put(dreg, &data);
                    Step::Next
                }
                _ => Step::Next,
            },
            Some(_) => Step::Next,
        }
    }

    fn nat(
        &mut self,
        rule: &Rule,
        kind: NatKind,
        addr: Option<ropewalk_facts::nft::Reg>,
        port: Option<ropewalk_facts::nft::Reg>,
        _flags: u32,
    ) -> Step {
        let v6 = self.packet.v6();
        let ip = addr.map(|reg| {
            let bytes = self.regs.bytes(reg, if v6 { 16 } else { 4 })?;
            address(&bytes)
        });
        let port = port.map(|reg| {
            let bytes = self.regs.bytes(reg, 2)?;
            bytes.first_chunk().copied().map(u16::from_be_bytes)
        });
        if ip == Some(None) || port == Some(None) {
            self.lacks(rule, "nat");
        }
        let who = self.who(&rule.key.chain, Some(&rule.key));
        let (addr, port) = (ip.flatten(), port.flatten());
        self.nat = Some(Nat { kind, addr, port, of_link: false, who });
        Step::Decide(Decision::Accept)
    }

    fn link_nat(
        &mut self,
        rule: &Rule,
        kind: NatKind,
        port: Option<ropewalk_facts::nft::Reg>,
    ) -> Step {
        let port = port.and_then(|reg| {
            self.regs.bytes(reg, 2)?.first_chunk().copied().map(u16::from_be_bytes)
        });
        self.translate(rule, kind, None, port, true)
    }

    pub(super) fn translate(
        &mut self,
        rule: &Rule,
        kind: NatKind,
        addr: Option<IpAddr>,
        port: Option<u16>,
        of_link: bool,
    ) -> Step {
        let who = self.who(&rule.key.chain, Some(&rule.key));
        self.nat = Some(Nat { kind, addr, port, of_link, who });
        Step::Decide(Decision::Accept)
    }
}

/// An address of four or sixteen bytes.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from),
        16 => <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from),
        _ => None,
    }
}

/// Whether a quota is used up, and whether it matches what is above (`NFTA_QUOTA_*`).
fn quota(data: &Bytes) -> Option<(bool, bool)> {
    let list = attrs(&data.0);
    let attr = |kind| list.clone().first(kind);
    let (bytes, used) = (attr(1)?.be64()?, attr(4).and_then(|a| a.be64()).unwrap_or(0));
    let over = attr(2).and_then(|a| a.be32()).unwrap_or(0) & 1 != 0;
    Some((used >= bytes, over))
}

fn limit(data: &Bytes) -> Option<Limit> {
    let list = attrs(&data.0);
    let attr = |kind| list.clone().first(kind);
    Some(Limit {
        rate: attr(1)?.be64()?,
        seconds: attr(2)?.be64()?,
        burst: attr(3).and_then(|a| a.be32()).unwrap_or(5),
        over: attr(5).and_then(|a| a.be32()).unwrap_or(0) & 1 != 0,
    })
}

fn compare(found: &[u8], op: CmpOp, data: &Bytes) -> bool {
    let order = found.cmp(data.0.as_slice());
    match op {
        CmpOp::Eq => order.is_eq(),
        CmpOp::Neq => order.is_ne(),
        CmpOp::Lt => order.is_lt(),
        CmpOp::Lte => order.is_le(),
        CmpOp::Gt => order.is_gt(),
        CmpOp::Gte => order.is_ge(),
    }
}

/// Lengths of the fields of a key, padded as in registers; one for a plain key.
fn fields(set: &ropewalk_facts::nft::Set) -> Vec<usize> {
    if set.key_types.len() < 2 {
        return Vec::new();
    }
    let len = |name: &String| {
        let known = ropewalk_facts::nft::DataType::named(name);
        known.and_then(|t| usize::try_from(t.len).ok()).unwrap_or(4).next_multiple_of(4)
    };
    set.key_types.iter().map(len).collect()
}

/// Length of a key of `set`, as in registers.
fn length(set: &ropewalk_facts::nft::Set) -> usize {
    match fields(set).as_slice() {
        [] => {
            let ty = set.key_types.first().map(String::as_str);
            let known = ty.and_then(ropewalk_facts::nft::DataType::named);
            known.and_then(|t| usize::try_from(t.len).ok()).unwrap_or(4)
        }
        fields => fields.iter().sum(),
    }
}

fn find<'e>(elements: &'e [Element], key: &[u8], fields: &[usize]) -> Option<&'e Element> {
    let all = || elements.iter().filter(|e| !e.key.key.0.is_empty());
    all()
        .find(|e| within(e, key, fields))
        .or_else(|| elements.iter().find(|e| e.key.key.0.is_empty()))
}

fn within(element: &Element, key: &[u8], fields: &[usize]) -> bool {
    let from = element.key.key.0.as_slice();
    let Some(to) = element.key.end.as_ref().map(|b| b.0.as_slice()) else {
        return key.get(..from.len()) == Some(from);
    };
    if fields.is_empty() {
        return from <= key && key <= to;
    }
    let mut at = 0;
    fields.iter().all(|len| {
        let range = at..at + len;
        at += len;
        let part = |b: &[u8]| b.get(range.clone()).map(<[u8]>::to_vec);
        match (part(from), part(key), part(to)) {
            (Some(from), Some(key), Some(to)) => from <= key && key <= to,
            _ => false,
        }
    })
}
