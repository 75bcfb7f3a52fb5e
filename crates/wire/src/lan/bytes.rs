//! Reading within bounds, and the checksum of the Internet (RFC 1071).

/// `N` bytes at `at`.
pub(super) fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

/// Two bytes at `at`, as a number in network order.
pub(super) fn number_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_be_bytes)
}

/// The checksum over `parts`, each but the last of an even length.
pub(super) fn checksum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2)).map(|pair| match *pair {
        [high, low] => u16::from_be_bytes([high, low]),
        [high] => u16::from_be_bytes([high, 0]),
        _ => 0,
    });
    // Ones' complement: what is carried out comes in again.
    !words.fold(0_u16, |sum, word| {
        let (sum, carried) = sum.overflowing_add(word);
        sum.wrapping_add(u16::from(carried))
    })
}
