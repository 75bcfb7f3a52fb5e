//! Events: what nf_tables tells those who listen to its group.
//!
//!     nft monitor
//!
//! Told are changes by table, in one word each.  Never here: what they say.

use ropewalk_facts::nft::TableKey;

use super::consts::*;
use super::frame::Frame;
use crate::nl::Message;

/// The groups to listen to.
pub const GROUPS: u32 = 1 << (NFNLGRP_NFTABLES - 1);

/// Something in a table changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The table.
    pub table: TableKey,
    /// Something of it, or it as a whole, is gone; else something came or changed.
    pub gone: bool,
    /// It is about elements, which come and go with what they stand for.
    pub element: bool,
}

/// What a message tells; nothing for one that is about no table.
#[must_use]
pub fn event(message: &Message<'_>) -> Option<Event> {
    let frame = Frame::of(message)?;
    let (gone, element, attr) = match frame.kind {
        NFT_MSG_NEWTABLE => (false, false, NFTA_TABLE_NAME),
        NFT_MSG_DELTABLE => (true, false, NFTA_TABLE_NAME),
        NFT_MSG_NEWCHAIN => (false, false, NFTA_CHAIN_TABLE),
        NFT_MSG_DELCHAIN => (true, false, NFTA_CHAIN_TABLE),
        NFT_MSG_NEWRULE => (false, false, NFTA_RULE_TABLE),
        NFT_MSG_DELRULE => (true, false, NFTA_RULE_TABLE),
        NFT_MSG_NEWSET => (false, false, NFTA_SET_TABLE),
        NFT_MSG_DELSET => (true, false, NFTA_SET_TABLE),
        NFT_MSG_NEWSETELEM => (false, true, NFTA_SET_ELEM_LIST_TABLE),
        NFT_MSG_DELSETELEM => (true, true, NFTA_SET_ELEM_LIST_TABLE),
        _ => return None,
    };
    Some(Event { table: frame.table(attr)?, gone, element })
}
