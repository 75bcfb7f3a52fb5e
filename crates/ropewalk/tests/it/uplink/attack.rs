//! An attacker's sandbox on the host's own LAN: what it tries must fail under protection, and work
//! without. The attacks are those of the engine's tests.
//!
//!     lan 10.0.0.2 ── up0 ── rw-web 10.0.0.1 the host     evil, blue and the victim red beside it

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::host::Host;

const FRAMES: &str = include_str!("../../../../engine/tests/it/attack/frames.py");
const ADDRESSES: &str = include_str!("../../../../engine/tests/it/attack/addresses.py");
const PATHS: &str = include_str!("../../../../engine/tests/it/attack/paths.py");
const LISTS: &str = include_str!("../../../../engine/tests/it/attack/lists.py");
const FILLING: &str = include_str!("../../../../engine/tests/it/attack/filling.py");

const NETWORK: &str = "network create web --mode uplink --parent up0 --subnet 10.0.0.0/24 \
    --gateway 10.0.0.2 --range 10.0.0.50-10.0.0.59 --subnet fd00:aa::/64 --gateway fd00:aa::2 \
    --range fd00:aa::50-fd00:aa::59";

struct Scene {
    host: Host,
    facts: Value,
}

impl Scene {
    /// A host, its LAN and three sandboxes on it; `options` are those of the network.
    fn new(options: &str, patience: f64) -> Self {
        let host = Host::new();
        host.net.sh("ip netns add lan
            ip link add up0 type veth peer name eth0 netns lan
            ip link set up0 up; ip -n lan link set eth0 up; ip -n lan link set lo up
            ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
            ip addr add fd00:aa::1/64 dev up0 nodad; ip -n lan addr add fd00:aa::2/64 dev eth0 nodad
            ip route add default via 10.0.0.2; ip route add default via fd00:aa::2
            sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
            for f in /proc/sys/net/bridge/bridge-nf-call-*tables; do echo 0 > $f; done");
        host.ok(&format!("{NETWORK} {options}"));
        if options.contains("--allow-spoofing") {
            host.net.sh("ip link set rw-web type bridge no_linklocal_learn 0");
        }
        let mut facts = json!({
            "mode": "uplink", "patience": patience, "lifted": options.contains("--allow-spoofing"), "link": "rw-web", "lan_link": "rw-web",
            "gateway_mac": mac(&host, "", "rw-web"), "lan_mac": mac(&host, "lan", "eth0"),
            "gateway4": "10.0.0.1", "gateway6": "fd00:aa::1",
            "gateways": ["10.0.0.2", "fd00:aa::2"],
            "free4": "10.0.0.77", "free6": "fd00:aa::77",
        });
        for name in ["evil", "red", "blue"] {
            facts[name] = person(&host, name, "web");
        }
        Self { host, facts }
    }

    /// The attacks that had an effect.
    fn run(&self, attacks: &str) -> BTreeSet<String> {
        let file = "/run/ropewalk/attack.py";
        std::fs::write(file, format!("{FRAMES}\n{attacks}")).expect("a file");
        let out = self.host.net.sh(&format!("python3 {file} '{}'", self.facts));
        out.lines().map(str::to_owned).collect()
    }
}

fn person(host: &Host, name: &str, line: &str) -> Value {
    let row = host.json(&format!("attach new:{name} {line}"));
    let local = host.net.sh(&format!("ip -n {name} -6 -o addr show dev eth0 scope link"));
    let bare = |net: &str| net.split('/').next().unwrap_or_default().to_owned();
    let ip = |n: usize| bare(row["addresses"][n].as_str().unwrap_or_default());
    let local = bare(local.split_whitespace().nth(3).unwrap_or_default());
    json!({ "mac": row["mac"], "ip4": ip(0), "ip6": ip(1), "leg": row["leg"], "local6": local })
}

fn mac(host: &Host, ns: &str, dev: &str) -> String {
    let enter = if ns.is_empty() { String::new() } else { format!("ip netns exec {ns} ") };
    host.net.sh(&format!("{enter}cat /sys/class/net/{dev}/address")).trim().to_owned()
}

#[test]
fn nobody_beside_the_host_pretends_to_be_another() {
    let protected = Scene::new("", 0.3).run(ADDRESSES);
    assert_eq!(protected, BTreeSet::new(), "under protection");
    let lifted = Scene::new("--allow-spoofing", 4.0).run(ADDRESSES);
    assert_eq!(lifted.len(), 34, "without: {lifted:#?}");
}

/// What works for the attacker, when the network has `options`; all of it, with `lifted` rules.
fn ways(options: &str, lifted: bool) -> BTreeSet<String> {
    let mut scene = Scene::new(options, if lifted { 4.0 } else { 1.5 });
    scene.host.ok("network create db --mode routed --subnet 192.168.16.0/24 --subnet fd00:16::/64");
    scene.facts["victim"] = person(&scene.host, "victim", "db --publish 8080:80");
    if lifted {
        scene.host.net.sh("nft flush chain inet ropewalk enter");
    }
    scene.run(PATHS)
}

#[test]
fn nobody_gets_from_the_lan_of_the_host_to_where_he_was_not_let() {
    let lifted = ways("--reach host", true);
    let of = |all: &BTreeSet<String>, with: &str| -> BTreeSet<String> {
        all.iter().filter(|name| name.starts_with(with)).cloned().collect()
    };
    assert_eq!(of(&lifted, "SHUT"), BTreeSet::new(), "without");
    assert_eq!(lifted.len(), 10, "without: {lifted:#?}");
    assert_eq!(ways("", false), BTreeSet::new(), "under protection");
    assert_eq!(ways("--reach host", false), of(&lifted, "host"), "--reach host");
}

#[test]
fn nobody_beside_the_host_fills_its_tables() {
    let filled = |lifted: bool| {
        let scene = Scene::new("--reach host", if lifted { 8.0 } else { 0.5 });
        if lifted {
            scene
                .host
                .net
                .sh("nft flush chain inet ropewalk limits; nft flush chain inet ropewalk count");
        }
        scene.run(FILLING)
    };
    assert_eq!(filled(false), BTreeSet::new(), "under protection");
    let lifted = filled(true);
    assert_eq!(lifted.len(), 3, "without: {lifted:#?}");
}

#[test]
fn a_sandbox_beside_the_host_speaks_with_whom_its_lists_name() {
    for lifted in [false, true] {
        let mut scene = Scene::new("--reach host", 0.0);
        let blue = |key: &str| scene.facts["blue"][key].as_str().unwrap_or_default().to_owned();
        let held = format!(
            "--allow-in \"{} tcp:80\" --allow-in \"{} tcp:80\" --allow-in udp:5400 \
             --allow-out \"10.0.0.2 tcp:82\" --allow-out \"fd00:aa::2 tcp:82\" \
             --allow-out udp:5300-5301",
            blue("ip4"),
            blue("ip6"),
        );
        for (name, lists) in [("held", held.as_str()), ("mute", "--allow-out none")] {
            let lists = if lifted { "" } else { lists };
            scene.facts[name] = person(&scene.host, name, &format!("web {lists}"));
        }
        scene.facts["lifted"] = json!(lifted);
        assert_eq!(scene.run(LISTS), BTreeSet::new(), "lifted: {lifted}");
    }
}
