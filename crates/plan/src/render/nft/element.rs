//! Elements: `{ tcp . 8080 : 192.168.15.2 . 80 }`.

use ropewalk_facts::nft::{Bytes, Element, ElementKey, Set};

use super::value;

/// `add element …`, with the value.
pub(super) fn add(x: &Element, set: &Set) -> String {
    let value = x.value.as_ref().map(|v| format!(" : {}", value::value(set, v)));
    format!("add element {} {{ {}{} }}", set.key, key(&x.key, set), value.unwrap_or_default())
}

/// `delete element …`.
pub(super) fn delete(x: &ElementKey, set: &Set) -> String {
    format!("delete element {} {{ {} }}", set.key, key(x, set))
}

fn key(x: &ElementKey, set: &Set) -> String {
    if x.key == Bytes::default() {
        return "*".to_owned();
    }
    value::key(&set.key_types, &x.key, x.end.as_ref().unwrap_or(&x.key))
}
