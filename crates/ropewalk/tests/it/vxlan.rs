//! One network on three hosts: the lab of the tutorial, played by the binary, and data through it.

use std::fs;

use serde_json::{Value, json};

use crate::host::Host;

const LAB: &str = include_str!("../../../../examples/7-vxlan.toml");
/// What is sent from each container to each other, over each family.
const BYTES: usize = 12 << 20;

/// The lab as `text` describes it, its commands given; it is gone with the namespaces of the test.
fn wired(text: &str) -> Host {
    let host = Host::new();
    host.net.sh("mkdir -p /run/ropewalk-lab; mount -t tmpfs none /run/ropewalk-lab");
    let file = "/run/ropewalk/lab.toml";
    fs::write(file, text).expect(file);
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
    assert_eq!(over["tunnel"]["peers"].as_array().map(Vec::len), Some(2), "{over}");
}

#[test]
fn an_underlay_of_ipv6_does_as_well() {
    let host = wired(&LAB.replace("--peer 192.168.1.", "--peer fd00:1::"));
    all_pairs(&host);
    let link = host.ok("lab exec h1 -- ip -d link show rwv-over");
    assert!(link.contains("local fd00:1::11") && link.contains("mtu 1430"), "{link}");
}
