//! nf_tables: tables, chains, rules, sets, maps and their elements.
//!
//!     create / change / delete (fact)  ──▶ Requests, to be enclosed by `transaction`
//!     read (id) / dumps () …           ──▶ Requests ──▶ messages ──Reader──▶ facts, Ruleset
//!
//! Elements are written by the types of their set and rules are removed by their handles: a
//! [`Ruleset`] knows both. The dump of a set or chain comes in several messages that make sense
//! together: a [`Reader`] collects them. As nft 1.0.6 writes it, so that `nft list ruleset` reads
//! ours well. Deletion is of empty objects but for tables: what is inside goes before, in one
//! transaction.  Never here: the text of nft(8), sockets.

mod chain;
mod consts;
mod element;
mod event;
mod expr;
mod frame;
mod reader;
mod rule;
mod ruleset;
mod set;
#[cfg(test)]
mod tests;
mod udata;
mod value;

use ropewalk_facts::nft::{ChainKey, SetKey};
use ropewalk_facts::{Body, Id};

use crate::Error;
use crate::nl::{Request, flag};
use consts::*;

pub use crate::rt::Make;
pub use event::{Event, GROUPS, event};
pub use frame::transaction;
pub use reader::Reader;
pub use ruleset::Ruleset;

fn flags(make: Make) -> u16 {
    match make {
        Make::Exclusive => flag::CREATE | flag::EXCL,
        Make::Shared => flag::CREATE,
    }
}

/// The requests that make an object. A rule goes to its place (`at`) among those that `ruleset`
/// knows, else to the end, and is made even when there is one like it.
///
/// # Errors
/// [`Error::NoSet`], [`Error::UnknownType`], [`Error::Overlong`]; [`Error::Foreign`] for what is
/// not of nf_tables.
pub fn create(body: &Body, make: Make, ruleset: &mut Ruleset) -> Result<Vec<Request>, Error> {
    let flags = flags(make);
    let request = match body {
        Body::Table(x) => chain::table_new(x, flags),
        Body::Chain(x) => chain::chain_new(x, flags),
        Body::Set(x) => {
            let request = set::new(x, flags)?;
            ruleset.learn_set(x.clone());
            Ok(request)
        }
        Body::NftRule(x) => rule::new(x, ruleset.insert(&x.key, x.at)?),
        Body::Element(x) => element::new(ruleset.need_set(&x.key.set)?, x, flags),
        Body::Netns(_)
        | Body::Link(_)
        | Body::Member(_)
        | Body::Sysctl(_)
        | Body::Addr(_)
        | Body::Route(_)
        | Body::Rule(_)
        | Body::Neigh(_)
        | Body::Fdb(_)
        | Body::Qdisc(_)
        | Body::Filter(_) => Err(Error::Foreign),
    };
    Ok(vec![request?])
}

/// The requests that make `new` of `old`, which is the same object. A rule that stays at its place
/// is replaced there; an element with another value goes and comes, in one transaction unseen.
///
/// # Errors
/// As for [`create`]; [`Error::NoHandle`]; [`Error::Fixed`] for a set.
pub fn change(old: &Body, new: &Body, ruleset: &mut Ruleset) -> Result<Vec<Request>, Error> {
    match (old, new) {
        _ if old == new => Ok(Vec::new()),
        (Body::Set(_), _) => Err(Error::Fixed),
        (Body::NftRule(old), Body::NftRule(new)) if new.at.is_none() || old.at == new.at => {
            let handle = ruleset.need_handle(&new.key)?;
            ruleset.replaced(&new.key);
            Ok(vec![rule::new(new, rule::Place::Of(handle))?])
        }
        (Body::NftRule(_) | Body::Element(_), _) => {
            let mut requests = delete(&old.id(), ruleset)?;
            requests.extend(create(new, Make::Exclusive, ruleset)?);
            Ok(requests)
        }
        _ => create(new, Make::Shared, ruleset),
    }
}

/// The requests that remove an object; with a table goes all that is inside.
///
/// # Errors
/// [`Error::NoHandle`], [`Error::NoSet`]; [`Error::Foreign`] for what is not of nf_tables.
pub fn delete(id: &Id, ruleset: &mut Ruleset) -> Result<Vec<Request>, Error> {
    let request = match id {
        Id::Table(key) => {
            ruleset.forget_table(key);
            chain::table_del(key)
        }
        Id::Chain(key) => {
            ruleset.forget_chain(key);
            chain::chain_del(key)
        }
        Id::Set(key) => {
            ruleset.forget_set(key);
            set::del(key)
        }
        Id::NftRule(key) => {
            let handle = ruleset.need_handle(key)?;
            ruleset.forget_rule(key);
            rule::del(&key.chain, handle)
        }
        Id::Element(key) => element::del(ruleset.need_set(&key.set)?, key),
        Id::Netns(_)
        | Id::Link(_)
        | Id::Member(_)
        | Id::Sysctl(_)
        | Id::Addr(_)
        | Id::Route(_)
        | Id::Rule(_)
        | Id::Neigh(_)
        | Id::Fdb(_)
        | Id::Qdisc(_)
        | Id::Filter(_) => Err(Error::Foreign),
    };
    Ok(vec![request?])
}

/// The narrowest request whose answer holds the object, if it exists. For a rule it is a dump of
/// its chain, for a range up to the highest key one of its set. Where the key lies within a range,
/// the answer is that range: compare ids.
///
/// # Errors
/// [`Error::NoSet`]; [`Error::Foreign`] for what is not of nf_tables.
pub fn read(id: &Id, ruleset: &Ruleset) -> Result<Request, Error> {
    match id {
        Id::Table(key) => chain::table_get(key),
        Id::Chain(key) => chain::chain_get(key),
        Id::Set(key) => set::get(key),
        Id::NftRule(key) => rule::dump(&key.chain),
        Id::Element(key) => element::get(ruleset.need_set(&key.set)?, key),
        Id::Netns(_)
        | Id::Link(_)
        | Id::Member(_)
        | Id::Sysctl(_)
        | Id::Addr(_)
        | Id::Route(_)
        | Id::Rule(_)
        | Id::Neigh(_)
        | Id::Fdb(_)
        | Id::Qdisc(_)
        | Id::Filter(_) => Err(Error::Foreign),
    }
}

/// All tables, chains, sets and rules of the namespace, in four dumps; then [`elements_of`] each
/// set.
///
/// # Errors
/// None in practice: the messages are short.
pub fn dumps() -> Result<Vec<Request>, Error> {
    let all = |kind| frame::request(kind, flag::DUMP, None, |_| {});
    [NFT_MSG_GETTABLE, NFT_MSG_GETCHAIN, NFT_MSG_GETSET, NFT_MSG_GETRULE]
        .map(all)
        .into_iter()
        .collect()
}

/// All chains.
///
/// # Errors
/// None in practice: the message is short.
pub fn chains_dump() -> Result<Request, Error> {
    frame::request(NFT_MSG_GETCHAIN, flag::DUMP, None, |_| {})
}

/// All rules of one chain.
///
/// # Errors
/// [`Error::Overlong`].
pub fn rules_of(chain: &ChainKey) -> Result<Request, Error> {
    rule::dump(chain)
}

/// True for a set of ranges of one field, of which the kernel keeps starts and ends apart.
#[must_use]
pub fn has_edges(set: &ropewalk_facts::nft::Set) -> bool {
    element::is_pairs(set)
}

/// All elements of one set.
///
/// # Errors
/// [`Error::Overlong`].
pub fn elements_of(set: &SetKey) -> Result<Request, Error> {
    element::dump(set)
}
