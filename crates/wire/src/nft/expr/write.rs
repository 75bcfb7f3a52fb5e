//! Expressions to attributes, in the order of nft's own requests.

use ropewalk_facts::nft::{Bytes, CmpOp, Expr, Family, FibResult, NatKind, Payload, Reg};

use super::super::consts::*;
use super::super::value;
use crate::nl::Writer;

/// Appends `expr` to a list.
pub(crate) fn put(w: &mut Writer, expr: &Expr) {
    w.nest(NFTA_LIST_ELEM, |w| named(w, expr));
}

fn named(w: &mut Writer, expr: &Expr) {
    w.text(NFTA_EXPR_NAME, name(expr));
    if *expr != Expr::Notrack {
        w.nest(NFTA_EXPR_DATA, |w| fields(w, expr));
    }
}

fn name(expr: &Expr) -> &str {
    match expr {
        Expr::Meta { .. } | Expr::MetaSet { .. } => "meta",
        Expr::Payload { .. } => "payload",
        Expr::Ct { .. } | Expr::CtSet { .. } => "ct",
        Expr::Cmp { .. } => "cmp",
        Expr::Range { .. } => "range",
        Expr::Bitwise { .. } => "bitwise",
        Expr::Byteorder { .. } => "byteorder",
        Expr::Lookup { .. } => "lookup",
        Expr::Immediate { .. } | Expr::Verdict(_) => "immediate",
        Expr::Nat { .. } => "nat",
        Expr::Masq { .. } => "masq",
        Expr::Redir { .. } => "redir",
        Expr::Fib { .. } => "fib",
        Expr::Counter { .. } => "counter",
        Expr::Reject { .. } => "reject",
        Expr::Notrack => "notrack",
        Expr::Rt { .. } => "rt",
        Expr::Limit { .. } => "limit",
        Expr::Connlimit { .. } => "connlimit",
        Expr::Dynset { .. } => "dynset",
        Expr::Xt { target: true, .. } => "target",
        Expr::Xt { target: false, .. } => "match",
        Expr::Opaque { name, .. } => name,
    }
}

/// A register by the kernel's number, the one of 16 bytes where it begins there, as nft has it.
fn number(Reg(unit): Reg) -> u32 {
    let unit = u32::from(unit);
    if unit.is_multiple_of(4) { NFT_REG_1 + unit / 4 } else { NFT_REG32_00 + unit }
}

fn put_reg(w: &mut Writer, kind: u16, reg: Reg) {
    w.be32(kind, number(reg));
}

fn put_some(w: &mut Writer, kind: u16, value: Option<Reg>) {
    if let Some(reg) = value {
        put_reg(w, kind, reg);
    }
}

fn put_nonzero(w: &mut Writer, kind: u16, value: u32) {
    if value != 0 {
        w.be32(kind, value);
    }
}

fn fields(w: &mut Writer, expr: &Expr) {
    match expr {
        Expr::Meta { key, dreg } => {
            w.be32(NFTA_META_KEY, key.0);
            put_reg(w, NFTA_META_DREG, *dreg);
        }
        Expr::MetaSet { key, sreg } => {
            w.be32(NFTA_META_KEY, key.0);
            put_reg(w, NFTA_META_SREG, *sreg);
        }
        Expr::Payload { what, dreg } => payload(w, what, *dreg),
        Expr::Ct { key, dir, dreg } => ct(w, *key, *dir, *dreg),
        Expr::CtSet { key, sreg } => {
            w.be32(NFTA_CT_KEY, *key);
            put_reg(w, NFTA_CT_SREG, *sreg);
        }
        Expr::Cmp { sreg, op, data } => {
            put_reg(w, NFTA_CMP_SREG, *sreg);
            w.be32(NFTA_CMP_OP, cmp(*op));
            value::put_data(w, NFTA_CMP_DATA, data);
        }
        Expr::Range { sreg, invert, from, to } => range(w, *sreg, *invert, [from, to]),
        Expr::Bitwise { sreg, dreg, mask, xor } => bitwise(w, [*sreg, *dreg], [mask, xor]),
        Expr::Byteorder { sreg, dreg, to_host, len, size } => {
            byteorder(w, [*sreg, *dreg], *to_host, [*len, *size]);
        }
        Expr::Lookup { set, sreg, dreg, map, invert } => {
            w.text(NFTA_LOOKUP_SET, set);
            put_reg(w, NFTA_LOOKUP_SREG, *sreg);
            match dreg {
                Some(dreg) => put_reg(w, NFTA_LOOKUP_DREG, *dreg),
                None if *map => w.be32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT),
                None => {}
            }
            put_nonzero(w, NFTA_LOOKUP_FLAGS, if *invert { NFT_LOOKUP_F_INV } else { 0 });
        }
        Expr::Immediate { dreg, data } => {
            put_reg(w, NFTA_IMMEDIATE_DREG, *dreg);
            value::put_data(w, NFTA_IMMEDIATE_DATA, data);
        }
        Expr::Verdict(verdict) => {
            w.be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
            value::put_verdict(w, NFTA_IMMEDIATE_DATA, verdict);
        }
        Expr::Nat { kind, family, addr, proto, flags } => {
            nat(w, *kind, *family);
            put_some(w, NFTA_NAT_REG_ADDR_MIN, *addr);
            put_some(w, NFTA_NAT_REG_PROTO_MIN, *proto);
            put_nonzero(w, NFTA_NAT_FLAGS, *flags);
        }
        Expr::Masq { flags, proto } => {
            put_nonzero(w, NFTA_MASQ_FLAGS, *flags);
            put_some(w, NFTA_MASQ_REG_PROTO_MIN, *proto);
        }
        Expr::Redir { flags, proto } => {
            put_some(w, NFTA_REDIR_REG_PROTO_MIN, *proto);
            put_nonzero(w, NFTA_REDIR_FLAGS, *flags);
        }
        Expr::Fib { flags, result, dreg } => {
            w.be32(NFTA_FIB_FLAGS, flags.0);
            w.be32(NFTA_FIB_RESULT, fib(*result));
            put_reg(w, NFTA_FIB_DREG, *dreg);
        }
        Expr::Counter { packets, bytes } => {
            w.be64(NFTA_COUNTER_BYTES, *bytes);
            w.be64(NFTA_COUNTER_PACKETS, *packets);
        }
        Expr::Reject { kind, code } => {
            w.be32(NFTA_REJECT_TYPE, *kind);
            if let Some(code) = code {
                w.u8(NFTA_REJECT_ICMP_CODE, *code);
            }
        }
        Expr::Xt { name, rev, data, .. } => {
            w.text(NFTA_MATCH_NAME, name);
            w.be32(NFTA_MATCH_REV, *rev);
            w.bytes(NFTA_MATCH_INFO, &data.0);
        }
        Expr::Rt { key, dreg } => {
            w.be32(NFTA_RT_KEY, *key);
            put_reg(w, NFTA_RT_DREG, *dreg);
        }
        Expr::Limit { rate, unit, burst, over } => {
            w.be64(NFTA_LIMIT_RATE, *rate);
            w.be64(NFTA_LIMIT_UNIT, *unit);
            w.be32(NFTA_LIMIT_TYPE, 0);
            put_nonzero(w, NFTA_LIMIT_BURST, *burst);
            put_nonzero(w, NFTA_LIMIT_FLAGS, u32::from(*over));
        }
        Expr::Connlimit { count, over } => {
            w.be32(NFTA_CONNLIMIT_COUNT, *count);
            put_nonzero(w, NFTA_CONNLIMIT_FLAGS, u32::from(*over));
        }
        Expr::Dynset { set, sreg, update, with } => {
            put_reg(w, NFTA_DYNSET_SREG_KEY, *sreg);
            w.be32(NFTA_DYNSET_OP, u32::from(*update));
            w.text(NFTA_DYNSET_SET_NAME, set);
            if let Some(with) = with {
                w.nest(NFTA_DYNSET_EXPR, |w| named(w, with));
            }
        }
        Expr::Opaque { data, .. } => w.raw(&data.0),
        Expr::Notrack => {}
    }
}

fn ct(w: &mut Writer, key: u32, dir: Option<u8>, dreg: Reg) {
    w.be32(NFTA_CT_KEY, key);
    put_reg(w, NFTA_CT_DREG, dreg);
    if let Some(dir) = dir {
        w.u8(NFTA_CT_DIRECTION, dir);
    }
}

fn range(w: &mut Writer, sreg: Reg, invert: bool, [from, to]: [&Bytes; 2]) {
    put_reg(w, NFTA_RANGE_SREG, sreg);
    w.be32(NFTA_RANGE_OP, if invert { NFT_RANGE_NEQ } else { 0 });
    value::put_data(w, NFTA_RANGE_FROM_DATA, from);
    value::put_data(w, NFTA_RANGE_TO_DATA, to);
}

fn bitwise(w: &mut Writer, [sreg, dreg]: [Reg; 2], [mask, xor]: [&Bytes; 2]) {
    put_reg(w, NFTA_BITWISE_SREG, sreg);
    put_reg(w, NFTA_BITWISE_DREG, dreg);
    w.be32(NFTA_BITWISE_OP, 0);
    w.be32(NFTA_BITWISE_LEN, u32::try_from(mask.0.len()).unwrap_or(u32::MAX));
    value::put_data(w, NFTA_BITWISE_MASK, mask);
    value::put_data(w, NFTA_BITWISE_XOR, xor);
}

fn byteorder(w: &mut Writer, [sreg, dreg]: [Reg; 2], to_host: bool, [len, size]: [u32; 2]) {
    put_reg(w, NFTA_BYTEORDER_SREG, sreg);
    put_reg(w, NFTA_BYTEORDER_DREG, dreg);
    let op = if to_host { NFT_BYTEORDER_NTOH } else { NFT_BYTEORDER_HTON };
    w.be32(NFTA_BYTEORDER_OP, op);
    w.be32(NFTA_BYTEORDER_LEN, len);
    w.be32(NFTA_BYTEORDER_SIZE, size);
}

fn payload(w: &mut Writer, what: &Payload, dreg: Reg) {
    put_reg(w, NFTA_PAYLOAD_DREG, dreg);
    w.be32(NFTA_PAYLOAD_BASE, what.base);
    w.be32(NFTA_PAYLOAD_OFFSET, what.offset);
    w.be32(NFTA_PAYLOAD_LEN, what.len);
}

fn cmp(op: CmpOp) -> u32 {
    match op {
        CmpOp::Eq => NFT_CMP_EQ,
        CmpOp::Neq => NFT_CMP_NEQ,
        CmpOp::Lt => NFT_CMP_LT,
        CmpOp::Lte => NFT_CMP_LTE,
        CmpOp::Gt => NFT_CMP_GT,
        CmpOp::Gte => NFT_CMP_GTE,
    }
}

fn nat(w: &mut Writer, kind: NatKind, family: Family) {
    let kind = match kind {
        NatKind::Snat => NFT_NAT_SNAT,
        NatKind::Dnat => NFT_NAT_DNAT,
    };
    w.be32(NFTA_NAT_TYPE, kind);
    w.be32(NFTA_NAT_FAMILY, family.number().into());
}

fn fib(result: FibResult) -> u32 {
    match result {
        FibResult::Oif => NFT_FIB_RESULT_OIF,
        FibResult::OifName => NFT_FIB_RESULT_OIFNAME,
        FibResult::AddrType => NFT_FIB_RESULT_ADDRTYPE,
    }
}
