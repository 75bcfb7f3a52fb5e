//! What nft(8) leaves for itself in an object: type u8, length u8, value.
//!
//! The kernel keeps it and does not look. The types are libnftnl's (include/libnftnl/udata.h).

/// A rule's comment, with a final zero (`NFTNL_UDATA_RULE_COMMENT`).
pub(super) const RULE_COMMENT: u8 = 0;
/// Byte order of keys and of values (`NFTNL_UDATA_SET_KEYBYTEORDER`, `…_DATABYTEORDER`).
pub(super) const SET_KEY_ORDER: u8 = 0;
pub(super) const SET_DATA_ORDER: u8 = 1;
/// The expression that gives the type, which for a concatenation is an empty one.
pub(super) const SET_KEY_TYPEOF: u8 = 3;
pub(super) const SET_DATA_TYPEOF: u8 = 4;
/// Kinds of expressions (`enum expr_types` of nft 1.0.6).
pub(super) const EXPR_PAYLOAD: u32 = 7;
pub(super) const EXPR_META: u32 = 9;
pub(super) const EXPR_CONCAT: u32 = 13;
/// Whether values are ranges.
pub(super) const SET_DATA_INTERVAL: u8 = 6;
/// Flags of an element, 1 for a range without an end (`NFTNL_UDATA_SET_ELEM_FLAGS`).
pub(super) const ELEM_FLAGS: u8 = 1;

/// Appends one entry. A value that does not fit is cut.
pub(super) fn put(out: &mut Vec<u8>, kind: u8, value: &[u8]) {
    let value = value.get(..255).unwrap_or(value);
    out.push(kind);
    out.push(u8::try_from(value.len()).unwrap_or(u8::MAX));
    out.extend(value);
}

/// Appends a number in the host's byte order.
pub(super) fn put_u32(out: &mut Vec<u8>, kind: u8, value: u32) {
    put(out, kind, &value.to_ne_bytes());
}

/// The value of the first entry of this type.
pub(super) fn first(mut bytes: &[u8], kind: u8) -> Option<&[u8]> {
    loop {
        let (&[found, len], rest) = bytes.split_first_chunk()?;
        let value = rest.get(..usize::from(len))?;
        if found == kind {
            return Some(value);
        }
        bytes = rest.get(usize::from(len)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_found_and_cut_ones_are_not() {
        let mut bytes = Vec::new();
        put(&mut bytes, 7, b"hi\0");
        put_u32(&mut bytes, 1, 5);
        assert_eq!(first(&bytes, 7), Some(&b"hi\0"[..]));
        assert_eq!(first(&bytes, 1), Some(&5u32.to_ne_bytes()[..]));
        assert_eq!(first(&bytes, 2), None);
        bytes.pop();
        assert_eq!(first(&bytes, 1), None);
        assert_eq!(first(&[0], 0), None);
    }
}
