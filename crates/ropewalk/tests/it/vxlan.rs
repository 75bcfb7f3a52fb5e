//! One network on three hosts: the lab of the tutorial, played by the binary, and data through it.

use std::fs;
use std::net::IpAddr;
use std::ops::Deref;

use serde_json::{Value, json};

use crate::host::Host;

const LAB: &str = include_str!("../../../../examples/7-vxlan.toml");
/// What is sent from each container to each other, over each family.
const BYTES: usize = 12 << 20;

/// A host with the lab up. What runs in its places would outlive the test, and keep them.
struct Wired(Host);

impl Deref for Wired {
    type Target = Host;
    fn deref(&self) -> &Host {
        &self.0
    }
}

impl Drop for Wired {
    fn drop(&mut self) {
        self.run("lab down");
    }
}

/// The lab as `text` describes it, its commands given; it is taken down also by a test that fails.
fn wired(text: &str) -> Wired {
    let host = Host::new();
    host.net.sh("mkdir -p /run/ropewalk-lab; mount -t tmpfs none /run/ropewalk-lab");
    let file = "/run/ropewalk/lab.toml";
    fs::write(file, text).expect(file);
    let host = Wired(host);
    host.ok(&format!("lab up {file}"));
    let mut place = "";
    for line in text.lines() {
        if let Some(on) = line.strip_prefix("on = ") {
            place = on.trim_matches('"');
        } else if let Some(command) = line.trim().strip_prefix("\"ropewalk ") {
            let command = command.trim_end_matches(['"', ',']);
            host.ok(&format!("lab exec {place} -- ropewalk {command}"));
        }
    }
    host
}

/// Every container pings every other and sends it data, and each host finds all as it was made.
fn all_pairs(host: &Host) {
    let all = [("h1/red", 1), ("h2/blue", 2), ("h3/green", 3)];
    for (from, _) in all {
        for (to, n) in all.iter().filter(|(to, _)| *to != from) {
            for address in [format!("10.5.{n}.2"), format!("fd00:5:{n}::2")] {
                host.ok(&format!("lab exec {from} -- ping -c1 -W5 {address}"));
                let port = 7000 + n;
                let family = if address.contains(':') { "-6" } else { "-4" };
                let listen = format!("nc {family} -l -N {port} > /run/got 2>&1 < /dev/null &");
                host.ok(&format!("lab exec {to} -- sh -c \"rm -f /run/got; {listen} sleep 0.2\""));
                let send = format!("head -c {BYTES} /dev/zero | nc -N -w 20 {address} {port}");
                host.ok(&format!("lab exec {from} -- sh -c \"{send}\""));
                let count = "until [ $(stat -c %s /run/got) -ge SIZE ]; do sleep 0.05; done";
                let count = count.replace("SIZE", &BYTES.to_string());
                host.ok(&format!("lab exec {to} -- timeout 30 sh -c \"{count}\""));
            }
        }
    }
    for place in ["h1", "h2", "h3"] {
        assert_eq!(host.ok(&format!("lab exec {place} -- ropewalk check --json")), "[]\n");
    }
}

#[test]
fn containers_on_three_hosts_reach_each_other() {
    let host = wired(LAB);
    all_pairs(&host);
    let inspect = "lab exec h1 -- ropewalk network inspect over --json";
    let over: Value = serde_json::from_str(&host.ok(inspect)).expect("JSON");
    assert_eq!(over["mtu"], json!(1450));
    // One sandbox pretends to be another: of its own host, of a peer, of nobody.
    for source in ["10.5.1.3", "10.5.3.2", "10.7.0.1"] {
        let pretend = format!("ip addr add {source}/32 dev lo; ping -c1 -W1 -I {source} 10.5.2.2");
        host.ok(&format!("lab exec h2/blue -- sh -c \"nft add table ip t; nft 'add chain ip t in \
            {{ type filter hook input priority 0 ; }}'; nft add rule ip t in ip saddr {source} counter\""));
        let ran = host.run(&format!("lab exec h1/red -- sh -c \"{pretend}\""));
        assert_ne!(ran.status, Some(0), "{source}: {ran:?}");
        let counted = host.ok("lab exec h2/blue -- nft list table ip t");
        assert!(!counted.contains("packets 1"), "{counted}");
    }
    assert_eq!(over["tunnel"]["peers"].as_array().map(Vec::len), Some(2), "{over}");
}

/// The sum of what a packet's checksum covers beside its own words: what is in the field of one
/// that is left to the hardware (RFC 768, RFC 8200 section 8.1).
fn unfilled(from: IpAddr, to: IpAddr, length: u16) -> u16 {
    let octets = |ip| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let words = [octets(from), octets(to), vec![0, 17], length.to_be_bytes().to_vec()].concat();
    let words = words.chunks_exact(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    u16::try_from((folded & 0xffff) + (folded >> 16)).expect("two folds are enough")
}

#[test]
fn checksums_that_hardware_does_not_fill_in_are_filled_in_before_the_tunnel() {
    let host = wired(LAB);
    assert_eq!(host.ok("lab exec h1 -- ropewalk check --json"), "[]\n");
    // The others drop what comes with its checksum unfinished, as if real wires lay between.
    for (from, at, to) in [
        ("10.5.1.1", "h2", "10.5.2.1"),
        ("fd00:5:1::1", "h2", "fd00:5:2::1"),
        ("10.5.1.1", "h3", "10.5.3.1"),
        ("fd00:5:1::1", "h3", "fd00:5:3::1"),
    ] {
        let ip = |text: &str| text.parse::<IpAddr>().expect(text);
        let sum = unfilled(ip(from), ip(to), 8 + 16);
        let family = if from.contains(':') { "ip6" } else { "ip" };
        let chain = "{ type filter hook prerouting priority 0 ; }";
        let rule = format!("{family} daddr {to} udp checksum {sum:#x} counter drop");
        host.ok(&format!(
            "lab exec {at} -- sh -c \"nft add table inet wire; nft 'add chain inet wire in {chain}'; \
             nft add rule inet wire in {rule}\""
        ));
    }
    let found = host.run("lab exec h1 -- ropewalk check");
    assert_eq!(found.status, Some(3), "{found:?}");
    assert!(found.out.contains("rwv-over") && found.out.contains("checksums"), "{found:?}");
    host.ok("lab exec h1 -- ropewalk repair");
    all_pairs(&host);
}

#[test]
fn an_underlay_of_ipv6_does_as_well() {
    let host = wired(&LAB.replace("--peer 192.168.1.", "--peer fd00:1::"));
    all_pairs(&host);
    let link = host.ok("lab exec h1 -- ip -d link show rwv-over");
    assert!(link.contains("local fd00:1::11") && link.contains("mtu 1430"), "{link}");
}
