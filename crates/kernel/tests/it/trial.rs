//! Checksums that are left to a link, and hosts that are asked for what they got.

use std::net::SocketAddr;
use std::time::Duration;

use ropewalk_facts::Ns;
use ropewalk_kernel::{Kernel, Refused, ask_hosts};
use ropewalk_testnet::Private;

const LONG: Duration = Duration::from_secs(20);
const SHORT: Duration = Duration::from_millis(50);

fn two_hosts() -> Private {
    let net = Private::enter();
    net.sh("ip netns add b; ip link add v0 type veth peer name v0 netns b
        ip addr add 10.0.0.1/24 dev v0; ip addr add fd00::1/64 dev v0 nodad
        ip -n b addr add 10.0.0.2/24 dev v0; ip -n b addr add fd00::2/64 dev v0 nodad
        ip link set v0 up; ip -n b link set v0 up");
    net
}

fn both() -> [SocketAddr; 2] {
    ["10.0.0.2:33434", "[fd00::2]:33434"].map(|to| to.parse().unwrap())
}

#[test]
fn a_link_is_told_to_fill_in_checksums() {
    let _net = two_hosts();
    let (kernel, v0) = (Kernel::new().unwrap(), "v0".parse().unwrap());
    assert!(kernel.leaves_checksums(&Ns::HOST, &v0).unwrap());
    kernel.fill_checksums(&Ns::HOST, &v0).unwrap();
    assert!(!kernel.leaves_checksums(&Ns::HOST, &v0).unwrap());
    let error = kernel.leaves_checksums(&Ns::HOST, &"nope".parse().unwrap()).unwrap_err();
    assert!(error.to_string().contains("nope"), "{error}");
}

#[test]
fn a_host_refuses_what_it_has_read() {
    let net = two_hosts();
    for to in both() {
        assert!(ask_hosts(&[to], LONG).left, "{to}");
        let nobody = ask_hosts(&["192.0.2.9:33434".parse().unwrap()], SHORT);
        assert_eq!(nobody, Refused::default());
    }
    net.sh("ip netns exec b nft 'add table inet t; add chain inet t in { type filter hook input priority 0; };
        add rule inet t in udp dport 33434 drop'");
    for to in both() {
        assert_eq!(ask_hosts(&[to], SHORT), Refused::default(), "{to}");
    }
}

#[test]
fn what_is_filled_in_is_told_from_what_is_left() {
    let net = two_hosts();
    // They know each other before it counts.
    for to in both() {
        assert!(ask_hosts(&[to], LONG).left, "{to}");
    }
    // The sums of both addresses, the protocol and the length: what stands in the field of a
    // datagram whose checksum is left to the link.
    net.sh("ip netns exec b nft 'add table inet t; add chain inet t in { type filter hook input priority 0; };
        add rule inet t in meta nfproto ipv4 udp checksum 0x142c drop; add rule inet t in meta nfproto ipv6 udp checksum 0xfa2d drop'");
    for to in both() {
        let heard = ask_hosts(&[to], Duration::from_secs(2));
        assert_eq!(heard, Refused { left: false, filled: true }, "{to}");
    }
}
