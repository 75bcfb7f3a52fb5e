//! The frame of netlink: what is written is read, and nothing that is read panics.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use proptest::prelude::*;

use super::answer::ack;
use super::attr::NESTED;
use super::*;
use crate::Error;

fn sample() -> Vec<u8> {
    let mut w = Writer::with(&[7; 16]);
    w.text(3, "eth0");
    w.nest(18, |w| {
        w.u8(1, 2);
        w.be16(2, 0x0102);
        w.mark(3);
    });
    w.u32(4, 1450);
    let mut out = Vec::new();
    let body = w.finish().unwrap();
    Request { kind: 16, flags: flag::CREATE | flag::EXCL, body }.encode(5, 6, &mut out);
    out
}

/// Everything a reader does to a datagram.
fn read(datagram: &[u8]) -> usize {
    messages(datagram)
        .map_while(Result::ok)
        .map(|m| match m.answer() {
            Answer::Data(m) => {
                attrs(m.body.get(16..).unwrap_or_default()).flat_map(|a| a.attrs()).count()
            }
            Answer::Ack(o) | Answer::Done(o) => o.text.map_or(0, |t| t.len()),
            Answer::Noop => 0,
        })
        .sum()
}

fn one(datagram: &[u8]) -> Message<'_> {
    let mut all = messages(datagram);
    let first = all.next().unwrap().unwrap();
    assert!(all.next().is_none());
    first
}

#[test]
fn what_is_written_is_read() {
    let bytes = sample();
    assert_eq!(bytes.len() % 4, 0);
    let m = one(&bytes);
    assert_eq!((m.kind, m.seq, m.pid), (16, 5, 6));
    assert_eq!(m.flags, flag::REQUEST | flag::CREATE | flag::EXCL);
    assert_eq!(m.body[..16], [7; 16]);
    let list = attrs(&m.body[16..]);
    assert_eq!(list.clone().count(), 3);
    assert_eq!(list.clone().first(3).and_then(|a| a.text()), Some("eth0"));
    assert_eq!(list.clone().first(4).and_then(|a| a.u32()), Some(1450));
    let nest = list.first(18).unwrap();
    assert_eq!(
        nest.attrs().map(|a| (a.kind, a.data.len())).collect::<Vec<_>>(),
        [(1, 1), (2, 2), (3, 0)]
    );
    assert_eq!(nest.attrs().first(2).and_then(|a| a.be16()), Some(0x0102));
}

#[test]
fn messages_stand_in_a_row() {
    let mut two = sample();
    two.extend(sample());
    assert_eq!(messages(&two).filter(Result::is_ok).count(), 2);
    two.pop();
    two.pop();
    let seen: Vec<_> = messages(&two).collect();
    assert_eq!(seen.len(), 2);
    assert!(matches!(seen[1], Err(Error::Cut { .. })), "{seen:?}");
}

#[test]
fn a_length_below_that_of_the_header_is_refused() {
    let mut bytes = sample();
    bytes[0] = 15;
    bytes[1] = 0;
    assert!(matches!(messages(&bytes).next(), Some(Err(Error::Cut { announced: 15, .. }))));
}

#[test]
fn an_attribute_that_outgrows_its_length_is_an_error() {
    let mut w = Writer::default();
    w.nest(9, |w| w.bytes(1, &[0; 65_524]));
    assert_eq!(w.clone().finish().map(|b| b.len()), Ok(65_532));
    w.nest(9, |w| w.bytes(1, &[0; 65_525]));
    assert_eq!(w.finish(), Err(Error::Overlong { kind: 9 }));
}

/// The kernel's refusal of [`sample`], with its words.
fn refusal(capped: bool) -> Vec<u8> {
    let request = sample();
    let carried = if capped { &request[..16] } else { &request[..] };
    let mut w = Writer::with(&(-17i32).to_ne_bytes());
    w.raw(carried);
    w.text(ack::MSG, "device is busy");
    w.u32(ack::OFFS, 36);
    let flags = flag::ACK_TLVS | if capped { flag::CAPPED } else { 0 };
    let mut out = Vec::new();
    Request { kind: kind::ERROR, flags, body: w.finish().unwrap() }.encode(5, 6, &mut out);
    out
}

#[test]
fn a_refusal_is_read_with_and_without_its_request() {
    for capped in [true, false] {
        let bytes = refusal(capped);
        let Answer::Ack(o) = one(&bytes).answer() else { unreachable!("not an answer") };
        assert_eq!(o.errno, 17);
        assert_eq!(o.text.as_deref(), Some("device is busy"));
        assert_eq!((o.offset, o.missing), (Some(36), None));
        assert!(o.ok().is_err());
    }
}

#[test]
fn an_acknowledgement_is_a_refusal_with_errno_0() {
    let mut body = vec![0; 4];
    body.extend(&sample()[..16]);
    let mut out = Vec::new();
    Request { kind: kind::ERROR, flags: flag::CAPPED, body }.encode(5, 6, &mut out);
    assert_eq!(one(&out).answer(), Answer::Ack(Outcome::default()));
}

#[test]
fn the_end_of_a_dump_may_be_a_failure() {
    let done = |body: &[u8]| {
        let mut out = Vec::new();
        Request { kind: kind::DONE, flags: flag::MULTI, body: body.to_vec() }
            .encode(1, 0, &mut out);
        let Answer::Done(o) = one(&out).answer() else { unreachable!("not the end") };
        o.errno
    };
    assert_eq!(done(&0i32.to_ne_bytes()), 0);
    assert_eq!(done(&(-4i32).to_ne_bytes()), 4);
    assert_eq!(done(&[]), 0);
    assert_ne!(done(&[0]), 0);
}

#[test]
fn no_prefix_of_a_message_panics() {
    for bytes in [sample(), refusal(true), refusal(false)] {
        for end in 0..bytes.len() {
            read(&bytes[..end]);
        }
        assert!(read(&bytes) > 0);
    }
}

#[test]
fn numbers_are_those_of_the_kernels_headers() {
    let table = [
        ("NLMSG_NOOP", kind::NOOP),
        ("NLMSG_ERROR", kind::ERROR),
        ("NLMSG_DONE", kind::DONE),
        ("NLM_F_REQUEST", flag::REQUEST),
        ("NLM_F_MULTI", flag::MULTI),
        ("NLM_F_ACK", flag::ACK),
        ("NLM_F_ECHO", flag::ECHO),
        ("NLM_F_DUMP_INTR", flag::DUMP_INTR),
        ("NLM_F_DUMP", flag::DUMP),
        ("NLM_F_REPLACE", flag::REPLACE),
        ("NLM_F_EXCL", flag::EXCL),
        ("NLM_F_CREATE", flag::CREATE),
        ("NLM_F_APPEND", flag::APPEND),
        ("NLM_F_CAPPED", flag::CAPPED),
        ("NLM_F_ACK_TLVS", flag::ACK_TLVS),
        ("NLMSGERR_ATTR_MSG", ack::MSG),
        ("NLMSGERR_ATTR_OFFS", ack::OFFS),
        ("NLMSGERR_ATTR_MISS_TYPE", ack::MISS_TYPE),
        ("NLA_F_NESTED", NESTED),
    ];
    crate::uapi::compare(&table.map(|(name, n)| ("linux/netlink.h", name, n.into())));
}

proptest! {
    #[test]
    fn random_bytes_do_not_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read(&bytes);
    }

    #[test]
    fn a_changed_byte_does_not_panic(at in 0usize..112, byte: u8, capped: bool) {
        let mut bytes = refusal(capped);
        let at = at % bytes.len();
        bytes[at] = byte;
        read(&bytes);
    }
}
