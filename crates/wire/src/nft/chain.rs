//! Tables and chains.

use ropewalk_facts::IfName;
use ropewalk_facts::nft::{Base, Chain, ChainKey, Table, TableKey};

use super::consts::*;
use super::frame::{Frame, request};
use crate::Error;
use crate::nl::{Attr, Request, Writer};

pub(super) fn table_new(x: &Table, flags: u16) -> Result<Request, Error> {
    request(NFT_MSG_NEWTABLE, flags, Some(x.key.family), |w| {
        w.text(NFTA_TABLE_NAME, &x.key.table);
        w.be32(NFTA_TABLE_FLAGS, if x.dormant { NFT_TABLE_F_DORMANT } else { 0 });
    })
}

pub(super) fn table_del(key: &TableKey) -> Result<Request, Error> {
    request(NFT_MSG_DELTABLE, 0, Some(key.family), |w| w.text(NFTA_TABLE_NAME, &key.table))
}

pub(super) fn table_get(key: &TableKey) -> Result<Request, Error> {
    request(NFT_MSG_GETTABLE, 0, Some(key.family), |w| w.text(NFTA_TABLE_NAME, &key.table))
}

pub(super) fn table(frame: &Frame<'_>) -> Option<Table> {
    let dormant = frame.be32(NFTA_TABLE_FLAGS) & NFT_TABLE_F_DORMANT != 0;
    Some(Table { key: frame.table(NFTA_TABLE_NAME)?, dormant })
}

pub(super) fn chain_new(x: &Chain, flags: u16) -> Result<Request, Error> {
    request(NFT_MSG_NEWCHAIN, flags, Some(x.key.table.family), |w| {
        put_key(w, &x.key);
        if let Some(base) = &x.base {
            put_base(w, base);
        }
    })
}

pub(super) fn chain_del(key: &ChainKey) -> Result<Request, Error> {
    request(NFT_MSG_DELCHAIN, 0, Some(key.table.family), |w| put_key(w, key))
}

pub(super) fn chain_get(key: &ChainKey) -> Result<Request, Error> {
    request(NFT_MSG_GETCHAIN, 0, Some(key.table.family), |w| put_key(w, key))
}

fn put_key(w: &mut Writer, key: &ChainKey) {
    w.text(NFTA_CHAIN_TABLE, &key.table.table);
    w.text(NFTA_CHAIN_NAME, &key.chain);
}

fn put_base(w: &mut Writer, base: &Base) {
    w.text(NFTA_CHAIN_TYPE, &base.kind);
    w.nest(NFTA_CHAIN_HOOK, |w| {
        w.be32(NFTA_HOOK_HOOKNUM, base.hook);
        w.be32(NFTA_HOOK_PRIORITY, base.priority.cast_unsigned());
        match base.devs.as_slice() {
            [] => {}
            [dev] => w.text(NFTA_HOOK_DEV, dev.as_str()),
            devs => w.nest(NFTA_HOOK_DEVS, |w| {
                devs.iter().for_each(|dev| w.text(NFTA_DEVICE_NAME, dev.as_str()));
            }),
        }
    });
    let policy = if base.drop { NF_DROP } else { NF_ACCEPT };
    w.be32(NFTA_CHAIN_POLICY, policy.cast_unsigned());
}

pub(super) fn chain(frame: &Frame<'_>) -> Option<Chain> {
    let key = frame.table(NFTA_CHAIN_TABLE)?.chain(frame.text(NFTA_CHAIN_NAME)?);
    let hook = frame.attrs.clone().first(NFTA_CHAIN_HOOK);
    Some(Chain { key, base: hook.and_then(|hook| base(frame, &hook)) })
}

fn base(frame: &Frame<'_>, hook: &Attr<'_>) -> Option<Base> {
    let number = |kind| hook.attrs().first(kind)?.be32();
    // A chain of one device names it in both attributes.
    let devs = match hook.attrs().first(NFTA_HOOK_DEVS) {
        Some(list) => names(&list, NFTA_DEVICE_NAME),
        None => names(hook, NFTA_HOOK_DEV),
    };
    let policy = frame.attrs.clone().first(NFTA_CHAIN_POLICY).and_then(|a| a.be32());
    Some(Base {
        kind: frame.text(NFTA_CHAIN_TYPE)?,
        hook: number(NFTA_HOOK_HOOKNUM)?,
        priority: number(NFTA_HOOK_PRIORITY)?.cast_signed(),
        drop: policy == Some(NF_DROP.cast_unsigned()),
        devs,
    })
}

fn names(list: &Attr<'_>, kind: u16) -> Vec<IfName> {
    let texts = list.attrs().filter(|a| a.kind == kind);
    texts.filter_map(|a| IfName::new(a.text()?).ok()).collect()
}
