//! Rules: where they stand and what they are called. What they do is in [`super::expr`].

use ropewalk_facts::nft::{ChainKey, Expr, Rule, RuleKey};

use super::consts::*;
use super::expr;
use super::frame::{Frame, request};
use super::udata;
use crate::Error;
use crate::nl::{Request, Writer, flag};

/// The first character of the name of a rule without a comment; its handle follows.
const HANDLE: char = '#';

/// Where a new rule goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// After all others.
    End,
    /// Before the rule with this handle.
    Before(u64),
    /// In place of the rule with this handle.
    Of(u64),
}

pub(super) fn new(x: &Rule, place: Place) -> Result<Request, Error> {
    let place_flag = match place {
        Place::End => flag::CREATE | flag::APPEND,
        Place::Before(_) => flag::CREATE,
        Place::Of(_) => flag::REPLACE,
    };
    let table = &x.key.chain.table;
    request(NFT_MSG_NEWRULE, place_flag, Some(table.family), |w| {
        put_chain(w, &x.key.chain);
        match place {
            Place::End => {}
            Place::Before(handle) => w.be64(NFTA_RULE_POSITION, handle),
            Place::Of(handle) => w.be64(NFTA_RULE_HANDLE, handle),
        }
        w.nest(NFTA_RULE_EXPRESSIONS, |w| x.exprs.iter().for_each(|e| expr::put(w, e)));
        if !x.key.tag.starts_with(HANDLE) {
            let mut notes = Vec::new();
            udata::put(&mut notes, udata::RULE_COMMENT, &[x.key.tag.as_bytes(), &[0]].concat());
            w.bytes(NFTA_RULE_USERDATA, &notes);
        }
    })
}

pub(super) fn del(chain: &ChainKey, handle: u64) -> Result<Request, Error> {
    request(NFT_MSG_DELRULE, 0, Some(chain.table.family), |w| {
        put_chain(w, chain);
        w.be64(NFTA_RULE_HANDLE, handle);
    })
}

/// All rules of one chain, in order.
pub(super) fn dump(chain: &ChainKey) -> Result<Request, Error> {
    request(NFT_MSG_GETRULE, flag::DUMP, Some(chain.table.family), |w| put_chain(w, chain))
}

fn put_chain(w: &mut Writer, chain: &ChainKey) {
    w.text(NFTA_RULE_TABLE, &chain.table.table);
    w.text(NFTA_RULE_CHAIN, &chain.chain);
}

/// A rule without its place, and its handle. `taken` tells whether a name is that of a rule that
/// stands before it.
pub(super) fn rule(
    frame: &Frame<'_>,
    taken: impl Fn(&ChainKey, &str) -> bool,
) -> Option<(Rule, u64)> {
    let chain = frame.table(NFTA_RULE_TABLE)?.chain(frame.text(NFTA_RULE_CHAIN)?);
    let handle = frame.attrs.clone().first(NFTA_RULE_HANDLE)?.be64()?;
    let list = frame.attrs.clone().first(NFTA_RULE_EXPRESSIONS);
    let exprs = list.map(|l| l.attrs().filter_map(|a| expr::read(&a)).collect());
    let exprs: Vec<Expr> = exprs.unwrap_or_default();
    let comment = comment(frame)
        .or_else(|| comment_of_iptables(&exprs))
        .filter(|text| !text.starts_with(HANDLE) && !taken(&chain, text));
    let tag = comment.unwrap_or_else(|| format!("{HANDLE}{handle}"));
    let key = RuleKey { chain, tag };
    Some((Rule { key, exprs, at: None }, handle))
}

/// iptables keeps a comment as a match that always holds, with 256 bytes (`struct
/// xt_comment_info`); older ones, and nft, as a note.
fn comment_of_iptables(exprs: &[Expr]) -> Option<String> {
    let data = exprs.iter().find_map(|expr| {
        let Expr::Xt { target: false, name, data, .. } = expr else { return None };
        (name == "comment").then_some(&data.0)
    })?;
    text(data)
}

fn comment(frame: &Frame<'_>) -> Option<String> {
    let notes = frame.attrs.clone().first(NFTA_RULE_USERDATA)?;
    text(udata::first(notes.data, udata::RULE_COMMENT)?)
}

/// Text up to its zero, if there is any.
fn text(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes.split(|b| *b == 0).next()?).ok()?;
    (!text.is_empty()).then(|| text.to_owned())
}
