//! Files of packets as Wireshark reads them: the newer form, with many interfaces in one section.
//!
//!     section ── interface web/eth0 ── interface host/br0 ── packet ── packet ── …
//!
//! <https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng-02.html>: blocks of words, each with options.
//! Times are in nanoseconds. Never here: files, which packets.

use crate::heard::Layer;

/// A link that packets pass.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface<'a> {
    /// What its packets begin with.
    pub layer: Layer,
    /// `web/eth0`
    pub name: &'a str,
    /// More about it.
    pub description: &'a str,
}

/// A packet at a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passing<'a> {
    /// The link, by the order of their blocks.
    pub interface: u32,
    /// Nanoseconds since 1970.
    pub at: u64,
    /// Its bytes, as many as there are.
    pub bytes: &'a [u8],
    /// Its length on the link.
    pub len: u32,
    /// It goes out.
    pub out: bool,
    /// The same for the same packet at every link.
    pub id: u64,
    /// What is said about it; nothing where it is empty.
    pub comment: &'a str,
}

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const PACKET: u32 = 6;
const COMMENT: u16 = 1;

/// What a file begins with.
#[must_use]
pub fn section(program: &str) -> Vec<u8> {
    let mut body = 0x1a2b_3c4d_u32.to_le_bytes().to_vec();
    body.extend([1, 0, 0, 0]);
    // The length of the section is not said.
    body.extend([0xff; 8]);
    option(&mut body, 4, program.as_bytes());
    block(SECTION, body)
}

/// A link.
#[must_use]
pub fn interface(what: &Interface<'_>) -> Vec<u8> {
    let kind: u16 = match what.layer {
        Layer::Ethernet => 1,
        Layer::Network => 101,
    };
    let mut body = kind.to_le_bytes().to_vec();
    body.extend([0, 0]);
    // Packets are kept whole.
    body.extend([0; 4]);
    option(&mut body, 2, what.name.as_bytes());
    option(&mut body, 3, what.description.as_bytes());
    // Ten to the power of minus nine.
    option(&mut body, 9, &[9]);
    block(INTERFACE, body)
}

/// A packet.
#[must_use]
pub fn packet(what: &Passing<'_>) -> Vec<u8> {
    let mut body = what.interface.to_le_bytes().to_vec();
    let [high, low] = halves(what.at);
    body.extend(high.to_le_bytes());
    body.extend(low.to_le_bytes());
    let held = u32::try_from(what.bytes.len()).unwrap_or(u32::MAX);
    body.extend(held.to_le_bytes());
    body.extend(what.len.max(held).to_le_bytes());
    body.extend(what.bytes);
    pad(&mut body);
    option(&mut body, 2, &(if what.out { 2_u32 } else { 1 }).to_le_bytes());
    option(&mut body, 5, &what.id.to_le_bytes());
    if !what.comment.is_empty() {
        option(&mut body, COMMENT, what.comment.as_bytes());
    }
    block(PACKET, body)
}

fn halves(number: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = value.get(..usize::from(u16::MAX) - 3).unwrap_or(value);
    body.extend(code.to_le_bytes());
    body.extend(u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

/// Ends the options, and says the length before and behind.
fn block(kind: u32, mut body: Vec<u8>) -> Vec<u8> {
    body.extend([0; 4]);
    let length = u32::try_from(body.len() + 12).unwrap_or(u32::MAX).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, &body, &length].concat()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
mod tests {
    use super::*;

    /// Kinds and bodies of blocks, as a reader goes through them.
    fn blocks(mut bytes: &[u8]) -> Vec<(u32, &[u8])> {
        let word = |at: &[u8]| u32::from_le_bytes(*at.first_chunk().unwrap());
        let mut all = Vec::new();
        while !bytes.is_empty() {
            let length = usize::try_from(word(&bytes[4..])).unwrap();
            assert_eq!(length % 4, 0);
            assert_eq!(word(&bytes[length - 4..]), word(&bytes[4..]), "said twice");
            all.push((word(bytes), &bytes[8..length - 4]));
            bytes = &bytes[length..];
        }
        all
    }

    #[test]
    fn blocks_follow_one_another_and_hold_what_they_were_given() {
        let link = Interface { layer: Layer::Ethernet, name: "web/eth0", description: "ifindex 2" };
        let at = 1_700_000_000_123_456_789;
        let passing = Passing {
            interface: 0,
            at,
            bytes: &[1, 2, 3, 4, 5],
            len: 90,
            out: true,
            id: 7,
            comment: "masquerade",
        };
        let file = [section("ropewalk"), interface(&link), packet(&passing)].concat();
        let found = blocks(&file);
        assert_eq!(found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [SECTION, 1, 6]);
        let body = found[2].1;
        let half = |at: usize| u64::from(u32::from_le_bytes(*body[at..].first_chunk().unwrap()));
        assert_eq!(half(4) << 32 | half(8), at);
        assert_eq!((half(12), half(16)), (5, 90));
        assert_eq!(body[20..28], [1, 2, 3, 4, 5, 0, 0, 0]);
        assert_eq!(body[28..36], [2, 0, 4, 0, 2, 0, 0, 0], "outbound");
        assert_eq!(body[36..48], [5, 0, 8, 0, 7, 0, 0, 0, 0, 0, 0, 0], "the packet's number");
        assert_eq!(&body[52..62], b"masquerade");
    }
}
