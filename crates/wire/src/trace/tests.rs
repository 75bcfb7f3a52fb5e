#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "the kernel's own description is a file")]

use super::*;

fn own() -> Vec<u8> {
    std::fs::read("/sys/kernel/btf/vmlinux").unwrap()
}

#[test]
fn the_kernel_describes_itself() {
    let layout = btf::read(&own()).unwrap();
    assert!(layout.says_why);
    let reasons: Vec<&str> = layout.reasons.values().map(String::as_str).collect();
    assert!(reasons.contains(&"NETFILTER_DROP") && reasons.contains(&"NO_SOCKET"), "{reasons:?}");
    assert!(layout.head > layout.dev && layout.inum > 0, "{layout:?}");
}

#[test]
fn a_description_that_is_cut_short_or_of_something_else_is_none() {
    let own = own();
    for cut in [0, 1, 3, 8, 23, 24, 1000, own.len() / 2, own.len() - 1] {
        assert_eq!(btf::read(&own[..cut]), None, "{cut}");
    }
    assert_eq!(btf::read(&[0xff; 4096]), None);
    let mut spoilt = own;
    for at in (24..200_000).step_by(4099) {
        spoilt[at] ^= 0x55;
    }
    let _read = btf::read(&spoilt);
}

#[test]
fn every_jump_leads_somewhere() {
    let layout = Layout { says_why: true, ..Layout::default() };
    let addrs = ["10.9.0.2".parse().unwrap(), "2001:db8::2".parse().unwrap()];
    let code = program(&layout, &addrs, 7).unwrap();
    assert_eq!(code.len() % 8, 0);
    assert_eq!(code.last_chunk::<8>().unwrap(), &[0x95, 0, 0, 0, 0, 0, 0, 0]);
    let more = program(&layout, &[addrs[0]; 60], 7).unwrap();
    assert_eq!(more.len() - code.len(), (120 - 4) * 8, "two tests for an address");
}

#[test]
fn a_record_is_read_within_bounds() {
    let mut bytes = vec![0; RECORD];
    bytes[24] = 9;
    bytes[40..44].copy_from_slice(b"eth0");
    bytes[8] = 1;
    bytes[144] = 2;
    let lost = record(&bytes).unwrap();
    assert_eq!((lost.reason, lost.name.as_str(), lost.stack), (9, "eth0", vec![1, 2]));
    for cut in 0..RECORD {
        let _read = record(&bytes[..cut]);
    }
}
