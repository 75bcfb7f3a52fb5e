//! Attributes to expressions.

use ropewalk_facts::nft::{
    Bytes, CmpOp, Expr, Family, FibFlags, FibResult, MetaKey, NatKind, Payload, Reg, Value,
};

use super::super::consts::*;
use super::super::value;
use crate::nl::Attr;

/// An expression of a list; none for what has no name.
pub(crate) fn read(item: &Attr<'_>) -> Option<Expr> {
    let name = item.attrs().first(NFTA_EXPR_NAME)?.text()?;
    let data = item.attrs().first(NFTA_EXPR_DATA).map_or(&[][..], |a| a.data);
    let opaque = || Expr::Opaque { name: name.to_owned(), data: Bytes(data.to_vec()) };
    let mut args = Args(crate::nl::attrs(data).collect());
    let known = known(name, &mut args).filter(|_| args.spent());
    Some(known.unwrap_or_else(opaque))
}

fn known(name: &str, args: &mut Args<'_>) -> Option<Expr> {
    match name {
        "meta" => meta(args),
        "payload" => payload(args),
        "ct" => ct(args),
        "cmp" => cmp(args),
        "range" => range(args),
        "bitwise" => bitwise(args),
        "byteorder" => byteorder(args),
        "lookup" => lookup(args),
        "immediate" => immediate(args),
        "nat" => nat(args),
        "masq" => masq(args),
        "redir" => redir(args),
        "fib" => fib(args),
        "counter" => counter(args),
        "reject" => reject(args),
        "notrack" => Some(Expr::Notrack),
        "rt" => Some(Expr::Rt { key: args.be32(NFTA_RT_KEY)?, dreg: args.reg(NFTA_RT_DREG)? }),
        "limit" => limit(args),
        "connlimit" => {
            let over = flag(args, NFTA_CONNLIMIT_FLAGS)?;
            Some(Expr::Connlimit { count: args.be32(NFTA_CONNLIMIT_COUNT)?, over })
        }
        "dynset" => dynset(args),
        "match" => xt(args, false),
        "target" => xt(args, true),
        _ => None,
    }
}

/// The attributes that have not been understood yet.
struct Args<'a>(Vec<Attr<'a>>);

impl<'a> Args<'a> {
    fn take(&mut self, kind: u16) -> Option<Attr<'a>> {
        let at = self.0.iter().position(|a| a.kind == kind)?;
        Some(self.0.swap_remove(at))
    }

    fn be32(&mut self, kind: u16) -> Option<u32> {
        self.take(kind)?.be32()
    }

    /// A number that may be absent, for 0.
    fn be32_or_0(&mut self, kind: u16) -> Option<u32> {
        self.take(kind).map_or(Some(0), |a| a.be32())
    }

    fn reg(&mut self, kind: u16) -> Option<Reg> {
        reg(self.be32(kind)?)
    }

    /// A register that may be absent; `None` when it is there but makes no sense.
    fn reg_or_none(&mut self, kind: u16) -> Option<Option<Reg>> {
        self.take(kind).map_or(Some(None), |a| a.be32().and_then(reg).map(Some))
    }

    /// Two registers of a range, which the kernel reports even when they are one and the same.
    fn same(&mut self, min: u16, max: u16) -> Option<Option<Reg>> {
        let (min, max) = (self.reg_or_none(min)?, self.reg_or_none(max)?);
        (max.is_none() || min == max).then_some(min)
    }

    fn data(&mut self, kind: u16) -> Option<Bytes> {
        value::data(&self.take(kind)?)
    }

    fn text(&mut self, kind: u16) -> Option<String> {
        self.take(kind)?.text().map(str::to_owned)
    }

    /// True when nothing is left that says anything: padding and zeros.
    fn spent(&self) -> bool {
        self.0.iter().all(|a| a.data.iter().all(|byte| *byte == 0))
    }
}

fn reg(number: u32) -> Option<Reg> {
    let unit = match number {
        NFT_REG_1..=NFT_REG_4 => (number - NFT_REG_1) * 4,
        NFT_REG32_00..=NFT_REG32_15 => number - NFT_REG32_00,
        _ => return None,
    };
    u8::try_from(unit).ok().map(Reg)
}

fn meta(args: &mut Args<'_>) -> Option<Expr> {
    let key = MetaKey(args.be32(NFTA_META_KEY)?);
    match args.reg(NFTA_META_SREG) {
        Some(sreg) => Some(Expr::MetaSet { key, sreg }),
        None => Some(Expr::Meta { key, dreg: args.reg(NFTA_META_DREG)? }),
    }
}

fn payload(args: &mut Args<'_>) -> Option<Expr> {
    let what = Payload {
        base: args.be32(NFTA_PAYLOAD_BASE)?,
        offset: args.be32(NFTA_PAYLOAD_OFFSET)?,
        len: args.be32(NFTA_PAYLOAD_LEN)?,
    };
    Some(Expr::Payload { what, dreg: args.reg(NFTA_PAYLOAD_DREG)? })
}

fn ct(args: &mut Args<'_>) -> Option<Expr> {
    let key = args.be32(NFTA_CT_KEY)?;
    if let Some(sreg) = args.reg(NFTA_CT_SREG) {
        return Some(Expr::CtSet { key, sreg });
    }
    let dir = match args.take(NFTA_CT_DIRECTION) {
        Some(attr) => Some(attr.u8()?),
        None => None,
    };
    Some(Expr::Ct { key, dir, dreg: args.reg(NFTA_CT_DREG)? })
}

fn cmp(args: &mut Args<'_>) -> Option<Expr> {
    let op = match args.be32(NFTA_CMP_OP)? {
        NFT_CMP_EQ => CmpOp::Eq,
        NFT_CMP_NEQ => CmpOp::Neq,
        NFT_CMP_LT => CmpOp::Lt,
        NFT_CMP_LTE => CmpOp::Lte,
        NFT_CMP_GT => CmpOp::Gt,
        NFT_CMP_GTE => CmpOp::Gte,
        _ => return None,
    };
    Some(Expr::Cmp { sreg: args.reg(NFTA_CMP_SREG)?, op, data: args.data(NFTA_CMP_DATA)? })
}

fn range(args: &mut Args<'_>) -> Option<Expr> {
    let invert = match args.be32(NFTA_RANGE_OP)? {
        0 => false,
        NFT_RANGE_NEQ => true,
        _ => return None,
    };
    let (from, to) = (args.data(NFTA_RANGE_FROM_DATA)?, args.data(NFTA_RANGE_TO_DATA)?);
    Some(Expr::Range { sreg: args.reg(NFTA_RANGE_SREG)?, invert, from, to })
}

fn bitwise(args: &mut Args<'_>) -> Option<Expr> {
    let (mask, xor) = (args.data(NFTA_BITWISE_MASK)?, args.data(NFTA_BITWISE_XOR)?);
    let len = usize::try_from(args.be32(NFTA_BITWISE_LEN)?).ok()?;
    let op = args.be32_or_0(NFTA_BITWISE_OP)?;
    let (sreg, dreg) = (args.reg(NFTA_BITWISE_SREG)?, args.reg(NFTA_BITWISE_DREG)?);
    let fits = op == 0 && mask.0.len() == len && xor.0.len() == len;
    fits.then_some(Expr::Bitwise { sreg, dreg, mask, xor })
}

fn byteorder(args: &mut Args<'_>) -> Option<Expr> {
    let to_host = match args.be32(NFTA_BYTEORDER_OP)? {
        NFT_BYTEORDER_NTOH => true,
        NFT_BYTEORDER_HTON => false,
        _ => return None,
    };
    let (sreg, dreg) = (args.reg(NFTA_BYTEORDER_SREG)?, args.reg(NFTA_BYTEORDER_DREG)?);
    let (len, size) = (args.be32(NFTA_BYTEORDER_LEN)?, args.be32(NFTA_BYTEORDER_SIZE)?);
    Some(Expr::Byteorder { sreg, dreg, to_host, len, size })
}

fn lookup(args: &mut Args<'_>) -> Option<Expr> {
    let set = args.text(NFTA_LOOKUP_SET)?;
    let sreg = args.reg(NFTA_LOOKUP_SREG)?;
    let invert = match args.be32_or_0(NFTA_LOOKUP_FLAGS)? {
        0 => false,
        NFT_LOOKUP_F_INV => true,
        _ => return None,
    };
    let (dreg, map) = match args.take(NFTA_LOOKUP_DREG) {
        None => (None, false),
        Some(attr) => match attr.be32()? {
            NFT_REG_VERDICT => (None, true),
            number => (Some(reg(number)?), true),
        },
    };
    Some(Expr::Lookup { set, sreg, dreg, map, invert })
}

fn immediate(args: &mut Args<'_>) -> Option<Expr> {
    let dreg = args.be32(NFTA_IMMEDIATE_DREG)?;
    match value::value(&args.take(NFTA_IMMEDIATE_DATA)?)? {
        Value::Verdict(verdict) if dreg == NFT_REG_VERDICT => Some(Expr::Verdict(verdict)),
        Value::Data(data) => Some(Expr::Immediate { dreg: reg(dreg)?, data }),
        Value::Verdict(_) => None,
    }
}

fn nat(args: &mut Args<'_>) -> Option<Expr> {
    let kind = match args.be32(NFTA_NAT_TYPE)? {
        NFT_NAT_SNAT => NatKind::Snat,
        NFT_NAT_DNAT => NatKind::Dnat,
        _ => return None,
    };
    let family = Family::from_number(u8::try_from(args.be32(NFTA_NAT_FAMILY)?).ok()?)?;
    let addr = args.same(NFTA_NAT_REG_ADDR_MIN, NFTA_NAT_REG_ADDR_MAX)?;
    let proto = args.same(NFTA_NAT_REG_PROTO_MIN, NFTA_NAT_REG_PROTO_MAX)?;
    // The kernel adds these two by itself, for what is given.
    let own = NF_NAT_RANGE_MAP_IPS | NF_NAT_RANGE_PROTO_SPECIFIED;
    let flags = args.be32_or_0(NFTA_NAT_FLAGS)? & !own;
    Some(Expr::Nat { kind, family, addr, proto, flags })
}

fn masq(args: &mut Args<'_>) -> Option<Expr> {
    let proto = args.same(NFTA_MASQ_REG_PROTO_MIN, NFTA_MASQ_REG_PROTO_MAX)?;
    let flags = args.be32_or_0(NFTA_MASQ_FLAGS)? & !NF_NAT_RANGE_PROTO_SPECIFIED;
    Some(Expr::Masq { flags, proto })
}

fn redir(args: &mut Args<'_>) -> Option<Expr> {
    let proto = args.same(NFTA_REDIR_REG_PROTO_MIN, NFTA_REDIR_REG_PROTO_MAX)?;
    let flags = args.be32_or_0(NFTA_REDIR_FLAGS)? & !NF_NAT_RANGE_PROTO_SPECIFIED;
    Some(Expr::Redir { flags, proto })
}

fn fib(args: &mut Args<'_>) -> Option<Expr> {
    let result = match args.be32(NFTA_FIB_RESULT)? {
        NFT_FIB_RESULT_OIF => FibResult::Oif,
        NFT_FIB_RESULT_OIFNAME => FibResult::OifName,
        NFT_FIB_RESULT_ADDRTYPE => FibResult::AddrType,
        _ => return None,
    };
    let flags = FibFlags(args.be32_or_0(NFTA_FIB_FLAGS)?);
    Some(Expr::Fib { flags, result, dreg: args.reg(NFTA_FIB_DREG)? })
}

fn counter(args: &mut Args<'_>) -> Option<Expr> {
    let bytes = args.take(NFTA_COUNTER_BYTES)?.be64()?;
    Some(Expr::Counter { packets: args.take(NFTA_COUNTER_PACKETS)?.be64()?, bytes })
}

fn reject(args: &mut Args<'_>) -> Option<Expr> {
    let kind = args.be32(NFTA_REJECT_TYPE)?;
    let code = match args.take(NFTA_REJECT_ICMP_CODE) {
        Some(attr) => Some(attr.u8()?),
        None => None,
    };
    Some(Expr::Reject { kind, code })
}

/// A number of one bit.
fn flag(args: &mut Args<'_>, kind: u16) -> Option<bool> {
    match args.be32_or_0(kind)? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Of packets; one of bytes has a type that is left over.
fn limit(args: &mut Args<'_>) -> Option<Expr> {
    let rate = args.take(NFTA_LIMIT_RATE)?.be64()?;
    let unit = args.take(NFTA_LIMIT_UNIT)?.be64()?;
    let burst = args.be32_or_0(NFTA_LIMIT_BURST)?;
    Some(Expr::Limit { rate, unit, burst, over: flag(args, NFTA_LIMIT_FLAGS)? })
}

fn dynset(args: &mut Args<'_>) -> Option<Expr> {
    let (set, sreg) = (args.text(NFTA_DYNSET_SET_NAME)?, args.reg(NFTA_DYNSET_SREG_KEY)?);
    let update = flag(args, NFTA_DYNSET_OP)?;
    let with = match args.take(NFTA_DYNSET_EXPR) {
        Some(attr) => Some(Box::new(read(&attr)?)),
        None => None,
    };
    Some(Expr::Dynset { set, sreg, update, with })
}

/// Matches and targets have the same attributes.
fn xt(args: &mut Args<'_>, target: bool) -> Option<Expr> {
    let name = args.text(NFTA_MATCH_NAME)?;
    let rev = args.be32(NFTA_MATCH_REV)?;
    let data = Bytes(args.take(NFTA_MATCH_INFO)?.data.to_vec());
    Some(Expr::Xt { target, name, rev, data })
}
