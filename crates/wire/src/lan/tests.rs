//! Frames written and read back, cut and bent.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use proptest::prelude::*;

use super::*;

const MAC: Mac = Mac([2, 0, 0, 0, 0, 9]);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn has(text: &str) -> Option<Said> {
    Some(Said::Has { ip: ip(text), mac: MAC })
}

fn wants(text: &str) -> Option<Said> {
    Some(Said::Wants { ip: ip(text), mac: MAC })
}

fn all() -> Vec<Vec<u8>> {
    let (v4, v6) = (ip("10.0.0.50"), ip("fd00:aa::50"));
    let own = Some(ip("10.0.0.1"));
    [questions(MAC, own, v4), questions(MAC, None, v6), claims(MAC, v4), claims(MAC, v6)].concat()
}

#[test]
fn what_is_said_is_understood() {
    let said: Vec<Option<Said>> = all().iter().map(|frame| read(frame)).collect();
    let (four, six) = ("10.0.0.50", "fd00:aa::50");
    assert_eq!(said, [wants(four), has("10.0.0.1"), wants(six), has(four), has(four), has(six)]);
}

#[test]
fn an_arp_probe_is_as_the_rfc_has_it() {
    let frames = questions(MAC, None, ip("10.0.0.50"));
    let want = "ffffffffffff 020000000009 0806 0001 0800 06 04 0001 \
                020000000009 00000000 000000000000 0a000032";
    let hex: String = frames[0].iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!((frames.len(), hex), (1, want.replace(' ', "")));
}

#[test]
fn a_solicitation_goes_to_the_group_of_its_target() {
    let frame = &questions(MAC, None, ip("fd00:aa::12:3456"))[0];
    assert_eq!(frame[..6], [0x33, 0x33, 0xff, 0x12, 0x34, 0x56]);
    assert_eq!(frame[38..54], ip_bytes("ff02::1:ff12:3456"));
}

fn ip_bytes(text: &str) -> [u8; 16] {
    text.parse::<std::net::Ipv6Addr>().unwrap().octets()
}

#[test]
fn a_solicitation_from_an_address_and_one_that_was_routed_say_nothing() {
    let mut routed = claims(MAC, ip("fd00:aa::50"))[0].clone();
    routed[21] = 254;
    assert_eq!(read(&routed), None);
    let mut tagged = claims(MAC, ip("10.0.0.50"))[0].clone();
    tagged.splice(12..12, [0x81, 0, 0, 5]);
    assert_eq!(read(&tagged), None);
}

#[test]
fn a_frame_that_is_cut_says_nothing() {
    for frame in all() {
        for length in 0..frame.len() {
            assert_eq!(read(&frame[..length]), None, "{length} of {frame:x?}");
        }
    }
}

#[test]
fn one_bit_that_is_wrong_in_an_advertisement_is_noticed() {
    let frame = claims(MAC, ip("fd00:aa::50"))[0].clone();
    for at in 54..frame.len() {
        let mut bent = frame.clone();
        bent[at] ^= 4;
        assert_eq!(read(&bent), None, "byte {at}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_without_a_fall(mut bytes in proptest::collection::vec(any::<u8>(), 0..120),
                                         kind in 0..3_usize) {
        let kinds = [Protocol::Arp, Protocol::Ipv4, Protocol::Ipv6];
        if let Some(field) = bytes.get_mut(12..14) {
            field.copy_from_slice(&kinds[kind].number().to_be_bytes());
        }
        let _said = read(&bytes);
    }
}
