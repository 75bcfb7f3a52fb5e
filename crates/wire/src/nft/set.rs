//! Sets and maps, without their elements.
//!
//! Written as nft 1.0.6 does, what it leaves for itself included, so that `nft list ruleset` shows
//! them by the names of their types. `NFT_SET_CONCAT` goes only with the lengths of the fields,
//! which the kernel needs for ranges of several fields and refuses to miss.

use ropewalk_facts::nft::{ByteOrder, DataType, RAW, Set, SetFlags, SetKey};

use super::consts::*;
use super::frame::{Frame, request};
use super::udata;
use crate::Error;
use crate::nl::{Request, Writer};

/// The number by which later requests of the same transaction may speak of the set. Ours use its
/// name, but the kernel insists on a number.
const ANY_ID: u32 = 1;
/// `EXPR_CONCAT` without operands: how nft says that the type is a concatenation.
const EMPTY_CONCAT: [u8; 8] = [0, 4, 13, 0, 0, 0, 1, 0];

pub(super) fn new(x: &Set, flags: u16) -> Result<Request, Error> {
    let key = Shape::of(&x.key_types)?;
    let value = if is_verdict_map(x) { None } else { Some(Shape::of(&x.value_types)?) };
    request(NFT_MSG_NEWSET, flags, Some(x.key.table.family), |w| {
        put_key(w, &x.key);
        w.be32(NFTA_SET_FLAGS, bits(x));
        w.be32(NFTA_SET_KEY_TYPE, key.number);
        w.be32(NFTA_SET_KEY_LEN, key.len);
        match &value {
            None => {
                w.be32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
                w.be32(NFTA_SET_DATA_LEN, 0);
            }
            Some(value) if value.number != 0 => {
                w.be32(NFTA_SET_DATA_TYPE, value.number);
                w.be32(NFTA_SET_DATA_LEN, value.len);
            }
            Some(_) => {}
        }
        w.be32(NFTA_SET_ID, ANY_ID);
        if is_ranges_of_fields(x) {
            put_fields(w, &key);
        } else if x.flags.dynamic {
            w.nest(NFTA_SET_DESC, |w| w.be32(NFTA_SET_DESC_SIZE, SetFlags::ROOM));
        }
        if x.timeout_ms > 0 {
            w.be64(NFTA_SET_TIMEOUT, x.timeout_ms);
        }
        w.bytes(NFTA_SET_USERDATA, &notes(x, &key, value.as_ref()));
    })
}

pub(super) fn del(key: &SetKey) -> Result<Request, Error> {
    request(NFT_MSG_DELSET, 0, Some(key.table.family), |w| put_key(w, key))
}

pub(super) fn get(key: &SetKey) -> Result<Request, Error> {
    request(NFT_MSG_GETSET, 0, Some(key.table.family), |w| put_key(w, key))
}

fn put_key(w: &mut Writer, key: &SetKey) {
    w.text(NFTA_SET_TABLE, &key.table.table);
    w.text(NFTA_SET_NAME, &key.set);
}

fn put_fields(w: &mut Writer, key: &Shape) {
    w.nest(NFTA_SET_DESC, |w| {
        w.nest(NFTA_SET_DESC_CONCAT, |w| {
            for len in &key.fields {
                w.nest(NFTA_LIST_ELEM, |w| w.be32(NFTA_SET_FIELD_LEN, *len));
            }
        });
    });
}

fn is_verdict_map(x: &Set) -> bool {
    matches!(x.value_types.as_slice(), [one] if one == VERDICT)
}

/// A key has a first and a last value in each of several fields: the kernel keeps both in one
/// element, instead of a start and an end.
pub(super) fn is_ranges_of_fields(x: &Set) -> bool {
    x.flags.interval && x.key_types.len() > 1
}

const VERDICT: &str = "verdict";

fn bits(x: &Set) -> u32 {
    let on = |yes: bool, bit: u32| if yes { bit } else { 0 };
    on(x.flags.anonymous, NFT_SET_ANONYMOUS)
        | on(x.flags.constant, NFT_SET_CONSTANT)
        | on(x.flags.interval, NFT_SET_INTERVAL)
        | on(!x.value_types.is_empty(), NFT_SET_MAP)
        | on(x.timeout_ms > 0, NFT_SET_TIMEOUT)
        | on(x.flags.dynamic, NFT_SET_EVAL)
        | on(is_ranges_of_fields(x), NFT_SET_CONCAT)
}

/// The number, the length and the fields of a list of types.
struct Shape {
    number: u32,
    len: u32,
    fields: Vec<u32>,
    order: ByteOrder,
}

impl Shape {
    fn of(types: &[String]) -> Result<Self, Error> {
        let mut known = Vec::with_capacity(types.len());
        for name in types {
            let t = DataType::named(name).filter(|t| t.len > 0);
            known.push(t.ok_or_else(|| Error::UnknownType(name.clone()))?);
        }
        let number = known.iter().fold(0, |sum, t| sum << DataType::BITS | t.id);
        let fields: Vec<u32> = known.iter().map(|t| t.len).collect();
        let (len, order) = match known.as_slice() {
            [one] => (one.len, one.order),
            _ => (fields.iter().map(|len| len.next_multiple_of(4)).sum(), ByteOrder::Unsaid),
        };
        Ok(Self { number, len, fields, order })
    }
}

fn order(order: ByteOrder) -> u32 {
    match order {
        ByteOrder::Unsaid => 0,
        ByteOrder::Host => 1,
        ByteOrder::Network => 2,
    }
}

fn notes(x: &Set, key: &Shape, value: Option<&Shape>) -> Vec<u8> {
    let mut out = Vec::new();
    let is_map = !x.value_types.is_empty();
    udata::put_u32(&mut out, udata::SET_KEY_ORDER, order(key.order));
    if is_map {
        let data = value.map_or(ByteOrder::Unsaid, |v| v.order);
        udata::put_u32(&mut out, udata::SET_DATA_ORDER, order(data));
    }
    if key.fields.len() > 1 {
        let typeof_key = typeof_fields(&x.key_types);
        let bytes = typeof_key.as_deref().unwrap_or(&EMPTY_CONCAT);
        udata::put(&mut out, udata::SET_KEY_TYPEOF, bytes);
    }
    if value.is_some_and(|v| v.fields.len() > 1) {
        udata::put(&mut out, udata::SET_DATA_TYPEOF, &EMPTY_CONCAT);
    }
    if is_map {
        udata::put_u32(&mut out, udata::SET_DATA_INTERVAL, 0);
    }
    out
}

/// `typeof iifname . ether saddr . @th,64,128`, as nft notes it: each expression by its number and
/// what it loads. Only where a field has no type with a name, of those types that stand beside it.
fn typeof_fields(types: &[String]) -> Option<Vec<u8>> {
    if !types.iter().any(|name| name == RAW.name) {
        return None;
    }
    let mut fields = Vec::new();
    for (at, name) in (0..).zip(types) {
        udata::put(&mut fields, at, &typeof_field(name)?);
    }
    let mut out = Vec::new();
    udata::put_u32(&mut out, 0, udata::EXPR_CONCAT);
    udata::put(&mut out, 1, &fields);
    Some(out)
}

fn typeof_field(name: &str) -> Option<Vec<u8>> {
    let (expr, parts): (u32, &[u32]) = match name {
        "ifname" => (udata::EXPR_META, &[6]),
        // Ethernet, its source.
        "ether_addr" => (udata::EXPR_PAYLOAD, &[17, 2]),
        // No protocol and no field, but the transport header, an offset and a length in bits.
        name if name == RAW.name => (udata::EXPR_PAYLOAD, &[0, 0, 3, 64, 128]),
        _ => return None,
    };
    let (mut data, mut out) = (Vec::new(), Vec::new());
    for (at, part) in (0..).zip(parts) {
        udata::put_u32(&mut data, at, *part);
    }
    udata::put_u32(&mut out, 0, expr);
    udata::put(&mut out, 1, &data);
    Some(out)
}

/// A set that was read, and whether packets add elements to it.
pub(super) fn set(frame: &Frame<'_>) -> Option<(Set, bool)> {
    let bits = frame.be32(NFTA_SET_FLAGS);
    let value_type = frame.attrs.clone().first(NFTA_SET_DATA_TYPE).and_then(|a| a.be32());
    let timeout = frame.attrs.clone().first(NFTA_SET_TIMEOUT).and_then(|a| a.be64());
    let set = Set {
        key: frame.table(NFTA_SET_TABLE)?.set(frame.text(NFTA_SET_NAME)?),
        key_types: raw(names(frame.be32(NFTA_SET_KEY_TYPE)), frame.be32(NFTA_SET_KEY_LEN)),
        value_types: value_type.map(names).unwrap_or_default(),
        flags: SetFlags {
            interval: bits & NFT_SET_INTERVAL != 0,
            constant: bits & NFT_SET_CONSTANT != 0,
            anonymous: bits & NFT_SET_ANONYMOUS != 0,
            dynamic: bits & NFT_SET_EVAL != 0,
        },
        timeout_ms: timeout.unwrap_or_default(),
    };
    Some((set, bits & NFT_SET_EVAL != 0))
}

/// An `integer` that fills what the other fields leave of the key, when that is as much as [`RAW`].
fn raw(mut names: Vec<String>, len: u32) -> Vec<String> {
    let known = |name: &String| DataType::named(name).map_or(0, |t| t.len.next_multiple_of(4));
    let rest = names.iter().filter(|name| *name != "integer").map(known).sum::<u32>();
    if rest + RAW.len == len
        && names.iter().filter(|name| *name == "integer").count() == 1
        && let Some(name) = names.iter_mut().find(|name| *name == "integer")
    {
        RAW.name.clone_into(name);
    }
    names
}

/// The names of the types in a number.
fn names(number: u32) -> Vec<String> {
    if number == NFT_DATA_VERDICT {
        return vec![VERDICT.to_owned()];
    }
    let width = DataType::BITS;
    let places = (0..u32::BITS).step_by(6).filter(|at| number >> at != 0).collect::<Vec<_>>();
    let ids = places.into_iter().rev().map(|at| number >> at & ((1 << width) - 1));
    let name = |id| DataType::numbered(id).map_or_else(|| format!("?{id}"), |t| t.name.to_owned());
    ids.map(name).collect()
}
