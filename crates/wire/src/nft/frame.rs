//! What every message of nf_tables begins with, and the two that enclose a transaction.
//!
//!     struct nfgenmsg { family u8, version u8, res_id be16 }     then attributes

use ropewalk_facts::nft::{Family, TableKey};

use super::consts::*;
use crate::Error;
use crate::nl::{Attrs, Message, Request, Writer, attrs};

/// Length of `struct nfgenmsg`.
const HEADER: usize = 4;

/// A request about objects of `family`; none for those of every family.
pub(super) fn request(
    kind: u16,
    flags: u16,
    family: Option<Family>,
    attributes: impl FnOnce(&mut Writer),
) -> Result<Request, Error> {
    let mut w = Writer::with(&[family.map_or(0, Family::number), 0, 0, 0]);
    attributes(&mut w);
    Ok(Request { kind: NFNL_SUBSYS_NFTABLES << 8 | kind, flags, body: w.finish()? })
}

/// Encloses requests, so that all of them come true at once or none.
#[must_use]
pub fn transaction(requests: Vec<Request>) -> Vec<Request> {
    let edge = |kind| {
        let [high, low] = NFNL_SUBSYS_NFTABLES.to_be_bytes();
        Request { kind, flags: 0, body: vec![0, 0, high, low] }
    };
    let mut all = Vec::with_capacity(requests.len() + 2);
    all.push(edge(NFNL_MSG_BATCH_BEGIN));
    all.extend(requests);
    all.push(edge(NFNL_MSG_BATCH_END));
    all
}

/// A message about objects of a family that has a name.
pub(super) struct Frame<'a> {
    /// `NFT_MSG_*`.
    pub(super) kind: u16,
    pub(super) family: Family,
    pub(super) attrs: Attrs<'a>,
}

impl<'a> Frame<'a> {
    pub(super) fn of(message: &Message<'a>) -> Option<Self> {
        if message.kind >> 8 != NFNL_SUBSYS_NFTABLES {
            return None;
        }
        let family = Family::from_number(*message.body.first()?)?;
        let attrs = attrs(message.body.get(HEADER..)?);
        Some(Self { kind: message.kind & 0xff, family, attrs })
    }

    /// The text of the attribute `kind`.
    pub(super) fn text(&self, kind: u16) -> Option<String> {
        self.attrs.clone().first(kind)?.text().map(str::to_owned)
    }

    /// The table that is named in the attribute `kind`.
    pub(super) fn table(&self, kind: u16) -> Option<TableKey> {
        Some(TableKey::new(self.family, self.text(kind)?))
    }

    /// The number in the attribute `kind`, 0 where there is none.
    pub(super) fn be32(&self, kind: u16) -> u32 {
        self.attrs.clone().first(kind).and_then(|a| a.be32()).unwrap_or_default()
    }
}
