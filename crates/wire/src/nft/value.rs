//! Data and verdicts (`NFTA_DATA_*`): constants, values of maps, what a rule decides.

use ropewalk_facts::nft::{Bytes, Value, Verdict, VerdictCode};

use super::consts::*;
use crate::nl::{Attr, Writer};

pub(super) fn put_data(w: &mut Writer, kind: u16, data: &Bytes) {
    w.nest(kind, |w| w.bytes(NFTA_DATA_VALUE, &data.0));
}

pub(super) fn put_verdict(w: &mut Writer, kind: u16, verdict: &Verdict) {
    w.nest(kind, |w| {
        w.nest(NFTA_DATA_VERDICT, |w| {
            w.be32(NFTA_VERDICT_CODE, number(verdict.code).cast_unsigned());
            if let Some(chain) = &verdict.chain {
                w.text(NFTA_VERDICT_CHAIN, chain);
            }
        });
    });
}

pub(super) fn put(w: &mut Writer, kind: u16, value: &Value) {
    match value {
        Value::Data(data) => put_data(w, kind, data),
        Value::Verdict(verdict) => put_verdict(w, kind, verdict),
    }
}

pub(super) fn data(attr: &Attr<'_>) -> Option<Bytes> {
    Some(Bytes(attr.attrs().first(NFTA_DATA_VALUE)?.data.to_vec()))
}

pub(super) fn value(attr: &Attr<'_>) -> Option<Value> {
    let Some(inner) = attr.attrs().first(NFTA_DATA_VERDICT) else {
        return data(attr).map(Value::Data);
    };
    let number = inner.attrs().first(NFTA_VERDICT_CODE)?.be32()?.cast_signed();
    let chain = inner.attrs().first(NFTA_VERDICT_CHAIN).and_then(|a| a.text());
    Some(Value::Verdict(Verdict { code: code(number), chain: chain.map(str::to_owned) }))
}

fn number(code: VerdictCode) -> i32 {
    match code {
        VerdictCode::Drop => NF_DROP,
        VerdictCode::Accept => NF_ACCEPT,
        VerdictCode::Queue => NF_QUEUE,
        VerdictCode::Continue => NFT_CONTINUE,
        VerdictCode::Break => NFT_BREAK,
        VerdictCode::Jump => NFT_JUMP,
        VerdictCode::Goto => NFT_GOTO,
        VerdictCode::Return => NFT_RETURN,
        VerdictCode::Other(n) => n,
    }
}

fn code(number: i32) -> VerdictCode {
    match number {
        NF_DROP => VerdictCode::Drop,
        NF_ACCEPT => VerdictCode::Accept,
        NF_QUEUE => VerdictCode::Queue,
        NFT_CONTINUE => VerdictCode::Continue,
        NFT_BREAK => VerdictCode::Break,
        NFT_JUMP => VerdictCode::Jump,
        NFT_GOTO => VerdictCode::Goto,
        NFT_RETURN => VerdictCode::Return,
        n => VerdictCode::Other(n),
    }
}
