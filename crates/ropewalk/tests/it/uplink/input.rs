//! NICs that cannot be taken over: each is refused by name, and nothing is changed.

use super::{host, small};

#[test]
fn a_nic_that_is_unfit_is_refused() {
    let host = host();
    host.net.sh("ip link add br0 type bridge; ip link set br0 up
        ip link add p0 type veth peer name p1; ip link set p0 up master br0; ip link set p1 up
        ip link add d0 type veth peer name d1; ip link set d0 up
        mount -t tmpfs radio /sys/class/net; mkdir -p /sys/class/net/p1/wireless");
    for (parent, word) in [
        ("none", "there is no interface none"),
        ("lo", "lo is the loopback device"),
        ("br0", "br0 is a bridge itself"),
        ("p0", "p0 is a port of br0"),
        ("p1", "p1 is wireless"),
        ("d1", "d1 is down"),
        ("d0", "d0 has no carrier"),
    ] {
        let line = format!("network create lan --mode uplink --parent {parent}");
        host.refuses(&line, 1, &[word, "[parent-unfit]", "try:"]);
    }
    host.net.sh("umount /sys/class/net");
}

#[test]
fn options_that_make_no_sense_for_a_lan_are_refused() {
    let host = host();
    let create = "network create lan --mode uplink --parent eth1";
    for (options, status, word) in [
        ("--subnet 10.0.0.0/24 --range 10.0.0.5-10.0.0.20", 1, "10.0.0.9, which is this host's"),
        ("--subnet 10.0.0.0/24 --gateway 10.1.0.1", 2, "10.1.0.1"),
        ("--subnet 172.30.0.0/24", 1, "172.30.0.0/24 is not on eth1"),
        ("--mtu 9000", 1, "9000"),
        ("--masquerade yes", 2, "mode uplink"),
        ("--internal", 2, "mode uplink"),
        ("--bridge br0", 2, "mode uplink"),
        ("--confirm-within soon", 2, "30s"),
        ("--confirm-within 0", 2, "30s"),
    ] {
        host.refuses(&format!("{create} {options}"), status, &[word]);
    }
    host.net.sh("ip link add rw-lan type bridge");
    host.refuses(create, 1, &["rw-lan", "[foreign]"]);
    host.net.sh("ip link del rw-lan");
    host.ok(create);
    host.refuses(
        "network create two --mode uplink --parent eth1",
        1,
        &["eth1 is a port of rw-lan"],
    );
    host.refuses("attach netns:red lan --publish 80:80", 2, &["publish", "mode uplink"]);
    host.ok("attach netns:red lan");
    host.refuses("publish netns:red 80:80", 1, &["[not-attached]"]);
}

#[test]
fn an_address_that_somebody_on_the_lan_has_is_refused() {
    let host = small();
    host.net.sh("ip -n lan addr add 10.0.0.105/24 dev eth0");
    host.ok(super::LAN);
    let words = ["10.0.0.105", "02:00:00:00:00:fe", "rw-lan", "[addr-taken]"];
    host.refuses("attach netns:red lan --ip 10.0.0.105", 1, &words);
    host.refuses("attach netns:red lan --ip 10.0.0.1", 1, &["10.0.0.1", "[addr-taken]"]);
    host.ok("attach netns:red lan");
}
