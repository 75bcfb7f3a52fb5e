//! Elements of sets and maps.
//!
//!     hash set        key
//!     one field       start, and another element for the key after the last, marked as an end
//!     several fields  key and key-end in one element
//!
//! A fact says the last key, inclusive. nft adds an end at key 0 to a set whose first range starts
//! later; it says nothing and is passed over here. A range up to the highest key has no end.

use ropewalk_facts::nft::{Bytes, Element, ElementKey, Set, SetKey, Value};

use super::consts::*;
use super::frame::{Frame, request};
use super::set::is_ranges_of_fields;
use super::{udata, value};
use crate::Error;
use crate::nl::{Attr, Request, Writer, flag};

/// The flag by which nft knows a range without an end (`SET_ELEM_F_INTERVAL_OPEN`).
const OPEN: u32 = 1;

pub(super) fn new(set: &Set, x: &Element, flags: u16) -> Result<Request, Error> {
    list(NFT_MSG_NEWSETELEM, flags, set, &x.key, x.value.as_ref())
}

pub(super) fn del(set: &Set, key: &ElementKey) -> Result<Request, Error> {
    list(NFT_MSG_DELSETELEM, 0, set, key, None)
}

/// Asks for one element; for all of them, when it is a range without an end, which cannot be
/// asked for.
pub(super) fn get(set: &Set, key: &ElementKey) -> Result<Request, Error> {
    if !is_pairs(set) || key.key.0.is_empty() {
        return list(NFT_MSG_GETSETELEM, 0, set, key, None);
    }
    let last = key.end.as_ref().unwrap_or(&key.key);
    if successor(last).is_none() {
        return dump(&set.key);
    }
    request(NFT_MSG_GETSETELEM, 0, Some(key.set.table.family), |w| {
        put_set(w, &key.set);
        w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
            // The start and the end of the range that the last key lies in. An end is not asked
            // for by its own key: where another range starts there, the kernel may take the wrong
            // turn and find nothing (__nft_rbtree_get in net/netfilter/nft_set_rbtree.c).
            put_edge(w, last, false);
            put_edge(w, last, true);
        });
    })
}

/// A bare start or end.
fn put_edge(w: &mut Writer, key: &Bytes, is_end: bool) {
    w.nest(NFTA_LIST_ELEM, |w| {
        if is_end {
            w.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
        }
        value::put_data(w, NFTA_SET_ELEM_KEY, key);
    });
}

/// Ranges of one field: the kernel keeps a start and an end apart.
pub(super) fn is_pairs(set: &Set) -> bool {
    set.flags.interval && !is_ranges_of_fields(set)
}

/// All elements of one set.
pub(super) fn dump(key: &SetKey) -> Result<Request, Error> {
    request(NFT_MSG_GETSETELEM, flag::DUMP, Some(key.table.family), |w| put_set(w, key))
}

fn put_set(w: &mut Writer, key: &SetKey) {
    w.text(NFTA_SET_ELEM_LIST_TABLE, &key.table.table);
    w.text(NFTA_SET_ELEM_LIST_SET, &key.set);
}

fn list(
    kind: u16,
    flags: u16,
    set: &Set,
    key: &ElementKey,
    value: Option<&Value>,
) -> Result<Request, Error> {
    request(kind, flags, Some(key.set.table.family), |w| {
        put_set(w, &key.set);
        w.nest(NFTA_SET_ELEM_LIST_ELEMENTS, |w| {
            if is_pairs(set) && !key.key.0.is_empty() {
                put_range(w, key, value);
            } else {
                put_one(w, set, key, value);
            }
        });
    })
}

/// A start, and unless it reaches the highest key an end.
fn put_range(w: &mut Writer, key: &ElementKey, given: Option<&Value>) {
    let end = successor(key.end.as_ref().unwrap_or(&key.key));
    w.nest(NFTA_LIST_ELEM, |w| {
        value::put_data(w, NFTA_SET_ELEM_KEY, &key.key);
        put_value(w, given);
        if end.is_none() {
            let mut notes = Vec::new();
            udata::put_u32(&mut notes, udata::ELEM_FLAGS, OPEN);
            w.bytes(NFTA_SET_ELEM_USERDATA, &notes);
        }
    });
    if let Some(end) = end {
        put_edge(w, &end, true);
    }
}

fn put_one(w: &mut Writer, set: &Set, key: &ElementKey, given: Option<&Value>) {
    w.nest(NFTA_LIST_ELEM, |w| {
        if key.key.0.is_empty() {
            w.be32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_CATCHALL);
        } else {
            value::put_data(w, NFTA_SET_ELEM_KEY, &key.key);
        }
        put_value(w, given);
        if is_ranges_of_fields(set) {
            let end = key.end.as_ref().unwrap_or(&key.key);
            value::put_data(w, NFTA_SET_ELEM_KEY_END, end);
        }
    });
}

fn put_value(w: &mut Writer, given: Option<&Value>) {
    if let Some(given) = given {
        value::put(w, NFTA_SET_ELEM_DATA, given);
    }
}

/// The key after this one; none after the highest.
fn successor(key: &Bytes) -> Option<Bytes> {
    let mut bytes = key.0.clone();
    for byte in bytes.iter_mut().rev() {
        let (next, carry) = byte.overflowing_add(1);
        *byte = next;
        if !carry {
            return Some(Bytes(bytes));
        }
    }
    None
}

/// The key before this one; none before the lowest.
fn predecessor(key: &Bytes) -> Option<Bytes> {
    let mut bytes = key.0.clone();
    for byte in bytes.iter_mut().rev() {
        let (next, borrow) = byte.overflowing_sub(1);
        *byte = next;
        if !borrow {
            return Some(Bytes(bytes));
        }
    }
    None
}

/// An element as the kernel keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Raw {
    key: Bytes,
    last: Option<Bytes>,
    is_end: bool,
    value: Option<Value>,
    ages: bool,
}

/// The elements in a message, and the set that they are of.
pub(super) fn raw(frame: &Frame<'_>) -> Option<(SetKey, Vec<Raw>)> {
    let name = frame.text(NFTA_SET_ELEM_LIST_SET)?;
    let set = frame.table(NFTA_SET_ELEM_LIST_TABLE)?.set(name);
    let list = frame.attrs.clone().first(NFTA_SET_ELEM_LIST_ELEMENTS);
    let raws = list.map(|list| list.attrs().filter_map(|a| one(&a)).collect());
    Some((set, raws.unwrap_or_default()))
}

fn one(attr: &Attr<'_>) -> Option<Raw> {
    let first = |kind| attr.attrs().first(kind);
    let flags = first(NFTA_SET_ELEM_FLAGS).and_then(|a| a.be32()).unwrap_or_default();
    let key = match first(NFTA_SET_ELEM_KEY) {
        Some(key) => value::data(&key)?,
        None if flags & NFT_SET_ELEM_CATCHALL != 0 => Bytes::default(),
        None => return None,
    };
    Some(Raw {
        key,
        last: first(NFTA_SET_ELEM_KEY_END).and_then(|a| value::data(&a)),
        is_end: flags & NFT_SET_ELEM_INTERVAL_END != 0,
        value: first(NFTA_SET_ELEM_DATA).and_then(|a| value::value(&a)),
        ages: [NFTA_SET_ELEM_TIMEOUT, NFTA_SET_ELEM_EXPIRATION]
            .into_iter()
            .any(|k| first(k).is_some()),
    })
}

/// The elements of one set. `dynamic`: packets add to it.
pub(super) fn elements(set: &Set, dynamic: bool, mut raws: Vec<Raw>) -> Vec<Element> {
    let made = |raw: Raw, last: Option<Bytes>| {
        let end = last.filter(|last| *last != raw.key);
        let key = ElementKey { set: set.key.clone(), key: raw.key, end };
        Element { key, value: raw.value, derived: dynamic || raw.ages }
    };
    if !is_pairs(set) {
        return raws.into_iter().map(|mut r| (r.last.take(), r)).map(|(l, r)| made(r, l)).collect();
    }
    raws.sort_by(|a, b| (&a.key, !a.is_end).cmp(&(&b.key, !b.is_end)));
    let mut all = Vec::new();
    let mut open: Option<Raw> = None;
    for raw in raws {
        // Without an end of its own, a range ends where the next begins.
        if let Some(start) = open.take() {
            let last = if start.key.0.is_empty() { None } else { predecessor(&raw.key) };
            all.push(made(start, last));
        }
        if !raw.is_end {
            open = Some(raw);
        }
    }
    if let Some(start) = open {
        let highest = Bytes(vec![u8::MAX; start.key.0.len()]);
        all.push(made(start, Some(highest)));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(b: &[u8]) -> Bytes {
        Bytes(b.to_vec())
    }

    #[test]
    fn neighbours_of_keys_carry_and_end() {
        assert_eq!(successor(&bytes(&[1, 255, 255])), Some(bytes(&[2, 0, 0])));
        assert_eq!(predecessor(&bytes(&[2, 0, 0])), Some(bytes(&[1, 255, 255])));
        assert_eq!(successor(&bytes(&[255, 255])), None);
        assert_eq!(predecessor(&bytes(&[0, 0])), None);
        assert_eq!(successor(&bytes(&[])), None);
    }
}
