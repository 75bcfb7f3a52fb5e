//! What somebody breaks of a NIC that was taken over, and `repair`.

use super::{LAN, host};

#[test]
fn what_is_broken_of_the_bridge_is_mended() {
    let host = host();
    host.ok(LAN);
    host.ok("attach netns:red lan");
    let whole = host.scene();
    for (harm, word) in [
        ("ip link set eth1 nomaster", "link eth1"),
        ("ip addr add 10.9.9.9/24 dev rw-lan; ip addr del 10.0.0.1/24 dev rw-lan", "10.0.0.1/24"),
        ("ip -6 route del default", "::/0"),
        ("ip link set eth1 down", "link eth1"),
        ("ip addr add 10.6.0.1/24 dev eth1", "10.6.0.1/24 dev eth1"),
        ("ip link del rw-lan", "link rw-lan"),
    ] {
        host.net.sh(harm);
        let ran = host.run("check");
        assert_eq!(ran.status, Some(3), "{harm}\n{}{}", ran.out, ran.err);
        assert!(ran.out.contains(word), "{harm}: no {word} in\n{}", ran.out);
        host.ok("repair");
        host.net.sh("ip addr del 10.9.9.9/24 dev rw-lan 2>/dev/null || true
            for ip in 10.0.0.254 fd00:aa::254 10.0.0.100; do
                timeout 20 sh -c \"until ping -c1 -W1 $ip; do :; done\"; done");
        whole.same(&host.scene(), harm);
        host.is_healthy(harm);
    }
}

#[test]
fn a_nic_that_is_gone_is_told_of() {
    let host = host();
    host.ok(LAN);
    host.net.sh("ip link del eth1");
    let ran = host.run("check");
    assert_eq!(ran.status, Some(3), "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("link eth1"), "{}", ran.out);
    host.ok("purge --yes");
    assert!(!host.net.sh("ip -br link").contains("rw-lan"));
}
