//! Moved and moved back, by the command and by the script that stands for it.

use super::{LAN, host};
use crate::host::Host;
use crate::scene::facts;

#[test]
fn what_hangs_on_a_nic_moves_to_the_bridge_and_back() {
    let host = host();
    let before = host.scene();
    host.ok(LAN);
    let sh = |line: &str| host.net.sh(line);
    assert_eq!(sh("cat /sys/class/net/rw-lan/address").trim(), "02:00:00:00:00:01");
    assert_eq!(sh("ip -br addr show dev eth1 | grep -c / || true").trim(), "0");
    let addresses = sh("ip -o addr show dev rw-lan");
    for words in [
        "inet 10.0.0.1/24 brd 10.0.0.255 scope global rw-lan",
        "inet 10.0.0.9/24 scope global secondary rw-lan",
        "inet 10.5.0.1 peer 10.5.0.2/32 scope global rw-lan",
        "inet 10.6.0.1/24 metric 600 scope global rw-lan",
        "inet 192.0.2.1/24 scope global noprefixroute rw-lan",
        "inet6 fd00:aa::1/64 scope global nodad",
        "inet6 fe80::77/64 scope link nodad",
    ] {
        assert!(addresses.contains(words), "no {words} in\n{addresses}");
    }
    let routes = sh("for v in -4 -6; do ip $v route show table all; ip $v rule; ip $v neigh; done
        ip -6 neigh show proxy");
    for words in [
        "default via 10.0.0.254 dev rw-lan proto dhcp src 10.0.0.9 metric 50",
        "10.0.0.0/24 dev rw-lan proto kernel scope link src 10.0.0.1",
        "10.6.0.0/24 dev rw-lan proto kernel scope link src 10.6.0.1 metric 600",
        "192.0.2.0/24 dev rw-lan proto kernel scope link src 192.0.2.1 metric 100",
        "172.21.0.0/16 dev rw-lan scope link",
        "172.20.0.0/16 via 10.0.0.253 dev rw-lan table 77",
        "default via fd00:aa::254 dev rw-lan proto static",
        "fd00:cc::/64 via fe80::1 dev rw-lan src fd00:aa::1",
        "iif rw-lan lookup 77",
        "oif rw-lan lookup 78",
        "10.0.0.77 dev rw-lan lladdr 02:00:00:00:00:77 PERMANENT",
        "fd00:aa::7 dev rw-lan proxy",
    ] {
        assert!(routes.contains(words), "no {words} in\n{routes}");
    }
    assert!(!routes.contains("dev eth1"), "{routes}");
    host.is_healthy("moved");
    host.ok("attach netns:red lan");
    sh("for ip in 10.0.0.1 10.0.0.254 fd00:aa::1 fd00:aa::254; do
            ip netns exec red ping -c1 -W5 $ip; done
        ip netns exec lan ping -c1 -W5 10.0.0.100; ip netns exec lan ping -c1 -W5 fd00:aa::100");
    let red = sh("ip -n red route; ip -n red -6 route");
    assert!(red.contains("default via 10.0.0.254 dev eth0"), "{red}");
    assert!(red.contains("default via fd00:aa::254 dev eth0"), "{red}");
    host.ok("detach netns:red");
    host.ok("network rm lan");
    before.same(&host.scene(), "there and back");
    sh("ping -c1 -W5 10.0.0.254; ping -c1 -W5 fd00:aa::254");
}

#[test]
fn a_script_moves_what_the_command_moves() {
    let by_script = {
        let host = host();
        let script = host.ok(&format!("{LAN} --sh"));
        host.net.sh(&script);
        facts()
    };
    let by_command = {
        let host = host();
        host.ok(LAN);
        facts()
    };
    let differ = |a: &ropewalk_facts::Snapshot, b: &ropewalk_facts::Snapshot| {
        let all = a.iter().filter(|fact| b.fact(&fact.key()) != Some(fact));
        all.map(|fact| format!("{fact:?}\n")).collect::<String>()
    };
    let (script, command) = (differ(&by_script, &by_command), differ(&by_command, &by_script));
    assert!(script.is_empty() && command.is_empty(), "script:\n{script}command:\n{command}");
    assert!(by_command.len() > 60, "{}", by_command.len());
}

/// Seconds that the address has left on `dev`.
fn left(host: &Host, ip: &str, dev: &str) -> Option<u32> {
    let line = host.net.sh(&format!("ip -o addr show dev {dev} | grep ' {ip}/' || true"));
    let rest = line.split_once("valid_lft ")?.1;
    rest.split_once("sec")?.0.parse().ok()
}

#[test]
fn an_address_that_has_an_end_keeps_it() {
    let host = host();
    for (ip, life) in [("10.8.0.1", 4000), ("fd00:88::1", 4000), ("fd00:99::1", 5000)] {
        let len = if ip.contains(':') { 64 } else { 24 };
        host.net
            .sh(&format!("ip addr add {ip}/{len} dev eth1 valid_lft {life} preferred_lft 3000"));
    }
    host.ok(LAN);
    let near = |left: Option<u32>, life: u32| left.is_some_and(|n| (life - 60..=life).contains(&n));
    for (ip, life) in [("10.8.0.1", 4000), ("fd00:88::1", 4000), ("fd00:99::1", 5000)] {
        assert_eq!(left(&host, ip, "eth1"), None, "{ip}");
        assert!(near(left(&host, ip, "rw-lan"), life), "{ip}");
    }
    // One is renewed, one runs out: neither is amiss.
    host.net.sh("ip addr change fd00:99::1/64 dev rw-lan valid_lft 9000 preferred_lft 8000
        ip addr del fd00:88::1/64 dev rw-lan");
    host.is_healthy("renewed");
    host.ok("network rm lan");
    assert!(near(left(&host, "10.8.0.1", "eth1"), 4000));
    assert!(near(left(&host, "fd00:99::1", "eth1"), 9000));
    assert!(!host.net.sh("ip addr").contains("fd00:88::1"));
}

#[test]
fn what_came_to_the_bridge_meanwhile_goes_to_the_nic() {
    let host = host();
    host.ok(LAN);
    host.net.sh("ip addr add 10.7.0.1/24 dev rw-lan; ip route add 172.22.0.0/16 via 10.7.0.9
        ip addr add fd00:77::1/64 dev rw-lan; ip rule add iif rw-lan lookup 79 pref 102
        ip route change default via 10.0.0.253 dev rw-lan metric 50 proto dhcp src 10.0.0.9");
    host.ok("network rm lan");
    let now = host.net.sh("ip -o addr show dev eth1; ip route; ip rule");
    for words in [
        "10.7.0.1/24",
        "fd00:77::1/64",
        "172.22.0.0/16 via 10.7.0.9 dev eth1",
        "iif eth1 lookup 79",
        "10.0.0.9/24",
    ] {
        assert!(now.contains(words), "no {words} in\n{now}");
    }
}

#[test]
fn a_network_without_subnets_leaves_addresses_to_the_lan() {
    let host = host();
    let before = host.scene();
    host.ok("network create lan --mode uplink");
    host.ok("attach netns:red lan");
    host.net.sh("ip -n red addr add 10.0.0.50/24 dev eth0
        ip netns exec red ping -c1 -W5 10.0.0.254; ping -c1 -W5 10.0.0.50");
    host.ok("purge --yes");
    before.same(&host.scene(), "purged");
}

#[test]
fn the_same_again_is_nothing_new() {
    let host = host();
    let line = "network create lan --mode uplink --subnet 10.0.0.0/24 \
                --range 10.0.0.100-10.0.0.110";
    let made = host.json(line);
    assert_eq!(made["subnets"][0]["gateway"], "10.0.0.254");
    assert_eq!(made["parent"], "eth1");
    let before = host.trace();
    host.ok(line);
    crate::host::same(&host.trace(), &before, "the same again");
}
