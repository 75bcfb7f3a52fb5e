//! Plugins called with whatever: configurations and variables bent at random, a very large one.
//!
//! Whatever is said, a plugin ends with 0 or 1, answers in JSON, names a code, and leaves nothing that
//! `purge` does not find. `ROPEWALK_ROUNDS=100000 cargo nextest run cni::chance` tries longer.

use std::time::SystemTime;

use serde_json::{Map, Value, json as value};

use super::Whose;
use super::net::Node;

/// How often, unless it is said otherwise.
const ROUNDS: u64 = 150;

/// Numbers that look random, from a seed that a failure tells.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(below.max(1)).expect("small")).expect("small")
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }

    /// A value that nobody expects where it stands. No path is among them: what is bent stays here.
    fn odd(&mut self) -> Value {
        match self.roll(12) {
            0 => Value::Null,
            1 => value!([]),
            2 => value!({}),
            3 => value!(-1),
            4 => value!(1e300),
            5 => value!(u64::MAX),
            6 => value!(true),
            7 => value!("x".repeat(300)),
            8 => value!("10.22.0.0/33"),
            9 => value!("::ffff:0:0/0"),
            10 => value!([[{"subnet": ["10.0.0.0/8"]}], null]),
            _ => value!("\u{0}\u{7f}\u{10ffff}"),
        }
    }

    /// Bends one thing somewhere in `value`; paths stay as they are.
    fn bend(&mut self, value: &mut Value) {
        match value {
            Value::Object(fields) if !fields.is_empty() && self.roll(8) > 0 => self.bend_in(fields),
            Value::Array(list) if !list.is_empty() && self.roll(4) > 0 => {
                let at = self.roll(list.len());
                self.bend(&mut list[at]);
            }
            Value::String(text) if text.starts_with('/') => {}
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_)
            | Value::Object(_) => *value = self.odd(),
        }
    }

    fn bend_in(&mut self, fields: &mut Map<String, Value>) {
        let names: Vec<String> = fields.keys().cloned().collect();
        let name = self.one(&names).clone();
        match self.roll(6) {
            0 => drop(fields.remove(&name)),
            1 => drop(fields.insert(name.to_uppercase(), self.odd())),
            _ => fields.get_mut(&name).map_or((), |value| self.bend(value)),
        }
    }
}

/// What plugins are asked for, to begin with.
fn usual() -> Vec<(&'static str, Value)> {
    let ipam = value!({"type": "host-local", "subnet": "10.22.0.0/16", "dataDir": "/run/ropewalk/cni",
        "ranges": [[{"subnet": "fd00:22::/64", "rangeStart": "fd00:22::9"}]], "routes": [{"dst": "0.0.0.0/0"}]});
    let before = value!({"interfaces": [{"name": "v1"}, {"name": "eth0", "sandbox": "/run/netns/red"}],
        "ips": [{"address": "10.22.0.9/16", "gateway": "10.22.0.1", "interface": 1}], "routes": []});
    let chained = |more: Value| {
        let mut all = value!({"prevResult": before});
        if let (Value::Object(all), Value::Object(more)) = (&mut all, more) {
            all.extend(more);
        }
        all
    };
    vec![
        (
            "bridge",
            value!({"bridge": "cni0", "isGateway": true, "ipMasq": true, "mtu": 1400, "ipam": ipam}),
        ),
        ("ptp", value!({"ipMasq": true, "ipam": ipam, "dns": {"nameservers": ["10.0.0.1"]}})),
        ("macvlan", value!({"master": "up0", "mode": "bridge", "ipam": ipam})),
        ("tap", value!({"owner": 0, "group": 0, "multiQueue": true})),
        ("host-local", value!({"ipam": ipam, "args": {"cni": {"ips": ["10.22.0.77"]}}})),
        ("static", value!({"ipam": {"addresses": [{"address": "10.0.0.9/24"}], "routes": []}})),
        (
            "dhcp",
            value!({"ipam": {"type": "dhcp", "daemonSocketPath": "/run/ropewalk/none.sock",
            "provide": [{"option": "12", "value": "x"}], "request": [{"option": "121"}]}}),
        ),
        (
            "portmap",
            chained(value!({"runtimeConfig": {"portMappings":
            [{"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}})),
        ),
        ("bandwidth", chained(value!({"ingressRate": 8_000_000, "ingressBurst": 80_000}))),
        ("firewall", chained(value!({"ingressPolicy": "same-bridge"}))),
        (
            "tuning",
            chained(value!({"sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mtu": 1400})),
        ),
        ("vrf", chained(value!({"vrfname": "blue", "table": 7}))),
        ("sbr", chained(value!({"table": 100, "gateways": ["10.22.0.1"], "addSourceHints": true}))),
        (
            "ropewalk",
            value!({"network": {"subnet": "10.7.0.0/24"}, "attachment": {"rate_in": "4M"}}),
        ),
    ]
}

const VERBS: [&str; 6] = ["ADD", "ADD", "DEL", "CHECK", "GC", "STATUS"];
const VERSIONS: [&str; 4] = ["1.1.0", "1.0.0", "0.4.0", "0.2.0"];

#[test]
fn whatever_is_said_is_answered_and_leaves_nothing() {
    let node = Node::new(Whose::Ours, &["red"]);
    node.host.net.sh("ip link add up0 type ifb && ip link set up0 up");
    let before = node.host.scene();
    let rounds = std::env::var("ROPEWALK_ROUNDS").ok().and_then(|text| text.parse().ok());
    let seed = SystemTime::UNIX_EPOCH.elapsed().expect("a clock").subsec_nanos();
    let seed =
        std::env::var("ROPEWALK_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(seed);
    let mut dice = Dice(u64::from(seed) + 1);
    let usual = usual();
    for round in 0..rounds.unwrap_or(ROUNDS) {
        let (plugin, conf) = dice.one(&usual);
        let (verb, version) = (*dice.one(&VERBS), *dice.one(&VERSIONS));
        let mut conf = conf.clone();
        conf["cniVersion"] = version.into();
        (0..dice.roll(4)).for_each(|_| dice.bend(&mut conf));
        let mut text = conf.to_string();
        if text.starts_with('{') && text.len() > 2 {
            text = text[1..text.len() - 1].to_owned();
        }
        if dice.roll(10) == 0 {
            let end = dice.roll(text.len());
            text = text.chars().take(end).collect();
        }
        let ifname = *dice.one(&["eth0", "eth0", "eth1", "", "a/b", "sixteen-letters-"]);
        let args =
            *dice.one(&["", "IgnoreUnknown=1", "MAC=x", "IP=10.22.0.8;=", "K8S_POD_NAME=\u{1}"]);
        let container = *dice.one(&["red", "red", "red", "", "../red", "x\u{7f}"]);
        let netns = *dice.one(&["/run/netns/red", "/run/netns/red", "/run/netns/none", "", "red"]);
        let vars = [
            ("CNI_IFNAME", ifname),
            ("CNI_ARGS", args),
            ("CNI_CONTAINERID", container),
            ("CNI_NETNS", netns),
        ];
        let ran = node.run_with(&format!("{plugin} {verb} red"), &text, &vars);
        let when = format!("seed {seed}, round {round}: {verb} {plugin} {vars:?} {text}: {ran:?}");
        assert!(matches!(ran.status, Some(0 | 1)), "{when}");
        let said: Option<Value> = serde_json::from_str(&ran.out).ok();
        match ran.status {
            Some(0) => assert!(ran.out.is_empty() || said.is_some(), "{when}"),
            _ => {
                let code = said.as_ref().and_then(|said| said["code"].as_u64());
                let msg = said.as_ref().and_then(|said| said["msg"].as_str());
                assert!(
                    code.is_some_and(|code| code > 0) && msg.is_some_and(|m| !m.is_empty()),
                    "{when}"
                );
            }
        }
    }
    node.host.ok("purge --yes");
    before.same(&node.host.scene(), &format!("seed {seed}"));
}

#[test]
fn a_megabyte_of_what_nobody_knows_is_read() {
    let node = Node::new(Whose::Ours, &["red"]);
    let list: Vec<String> = (0..40_000).map(|n| format!("\"key {n}: nobody\"")).collect();
    let conf = format!(
        r#""unknown": [{}], "bridge": "cni0", "ipam": {{"type": "host-local", "subnet": "10.22.0.0/16"}}"#,
        list.join(", ")
    );
    assert!(conf.len() > 800_000, "{}", conf.len());
    let made = node.ok("bridge ADD red", &conf);
    assert_eq!(made["ips"][0]["address"], "10.22.0.2/16");
    node.ok("bridge DEL red", &conf);
}
