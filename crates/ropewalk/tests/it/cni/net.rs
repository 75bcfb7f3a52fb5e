//! Plugins that give interfaces, beside Debian's: the same answers, the same in the container.

use serde_json::{Value, json as value};

use super::{Whose, json};
use crate::host::{Host, same};
use crate::run::Ran;

/// A host with plugins and containers.
pub(super) struct Node {
    pub(super) host: Host,
    pub(super) whose: Whose,
}

impl Node {
    /// With the namespaces `containers`. Ours find ours.
    pub(super) fn new(whose: Whose, containers: &[&str]) -> Self {
        let host = Host::new();
        let dir = "/run/ropewalk/plugins";
        host.net.sh(&format!(
            "mkdir -p {dir} && ln -s {} {dir}/host-local && ln -s host-local {dir}/static",
            env!("CARGO_BIN_EXE_ropewalk")
        ));
        for name in containers {
            host.net.sh(&format!("ip netns add {name}"));
        }
        Self { host, whose }
    }

    /// Runs a plugin: `bridge ADD red`, of version 1.0.0 unless `conf` says otherwise.
    pub(super) fn run(&self, call: &str, conf: &str) -> Ran {
        self.run_with(call, conf, &[])
    }

    /// The same, with these variables as well.
    pub(super) fn run_with(&self, call: &str, conf: &str, vars: &[(&str, &str)]) -> Ran {
        let mut words = call.split(' ');
        let mut word = || words.next().expect("plugin, verb, container");
        let (plugin, verb, container) = (word(), word(), word());
        let path = match self.whose {
            Whose::Ours => "/run/ropewalk/plugins",
            Whose::Debians => super::DEBIANS,
        };
        let env = format!(
            "COMMAND={verb} CONTAINERID={container} NETNS=/run/netns/{container} IFNAME=eth0 \
             PATH={path} ARGS=IgnoreUnknown=1"
        );
        let version = match conf.contains("\"cniVersion\": ") {
            true => String::new(),
            false => r#""cniVersion": "1.0.0", "#.into(),
        };
        let data = conf.replace("host-local\"", "host-local\", \"dataDir\": \"/run/ropewalk/cni\"");
        let conf = format!(r#"{{{version}"name": "web", "type": "{plugin}", {data}}}"#);
        self.whose.run_with(plugin, &env, &conf, vars)
    }

    /// As [`Node::run`]; it must go well. Returns what it answers.
    pub(super) fn ok(&self, call: &str, conf: &str) -> Value {
        let ran = self.run(call, conf);
        assert_eq!(ran.status, Some(0), "{:?} {call} {conf}: {ran:?}", self.whose);
        if ran.out.is_empty() { Value::Null } else { json(&ran) }
    }

    /// What a container sees: addresses, routes, the state of its interface.
    pub(super) fn seen(&self, container: &str) -> String {
        self.host.net.sh(&format!(
            "cd /; i='ip netns exec {container} ip'
            $i -o link show dev eth0 | grep -oE 'mtu [0-9]+|state UP|state DOWN'
            $i -o addr show dev eth0 scope global | awk '{{ print $3, $4 }}'
            for v in -4 -6; do $i $v route show table all | grep -v '^local\\|^broadcast\\|multicast\\|fe80\\|dev lo' || true
            done | sed -E 's/(proto|metric|pref) [a-z0-9]+ ?//g; s/ +$//' | sort"
        ))
    }

    /// What is on the host: addresses of the bridge, forwarding, how the bridge treats its member.
    fn around(&self) -> String {
        self.host.net.sh(
            "sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
            ip -o addr show scope global | grep -v ' lo ' | awk '{ print $3, $4 }' | sort
            ip -4 route | sed -E 's/(proto|metric) [a-z0-9]+ ?//g; s/veth[0-9a-f]+/veth/; s/ linkdown//; s/ scope (host|link)//; s/ +$//'
            for v in /sys/class/net/veth*; do cat $v/brport/hairpin_mode 2>/dev/null || true; done",
        )
    }
}

/// An answer in which what each draws by lot is blotted out, and what older releases than the one
/// that is kept print otherwise: a `dns` that says nothing, no family of addresses.
pub(super) fn plain(mut answer: Value) -> Value {
    if answer["dns"].as_object().is_some_and(serde_json::Map::is_empty) {
        answer.as_object_mut().map(|object| object.remove("dns"));
    }
    for ip in answer["ips"].as_array_mut().into_iter().flatten() {
        ip.as_object_mut().map(|object| object.remove("version"));
    }
    for one in answer["interfaces"].as_array_mut().into_iter().flatten() {
        let name = one["name"].as_str().unwrap_or_default();
        if name.starts_with("veth") {
            assert_eq!(name.len(), 12, "{name}");
            one["name"] = value!("veth");
        }
        let mac = one["mac"].as_str().unwrap_or_default();
        if mac.len() == 17 && mac != "00:00:00:00:00:00" {
            one["mac"] = value!("MAC");
        }
    }
    answer
}

const WEB: &str = r#""bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local",
    "subnet": "10.22.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}"#;

/// What is asked of which plugin.
const ASKED: &[(&str, &str)] = &[
    ("bridge", WEB),
    (
        "bridge",
        r#""isDefaultGateway": true, "mtu": 1400, "hairpinMode": true, "ipam": {"type":
        "host-local", "ranges": [[{"subnet": "10.22.0.0/16"}], [{"subnet": "fd00:22::/64"}]]},
        "dns": {"nameservers": ["10.22.0.1"]}"#,
    ),
    (
        "bridge",
        r#""bridge": "br-x", "ipam": {"type": "host-local", "subnet": "10.22.0.0/24",
        "gateway": "10.22.0.254", "routes": [{"dst": "10.0.0.0/8"}, {"dst": "10.5.0.0/16",
        "gw": "10.22.0.7"}]}"#,
    ),
    (
        "bridge",
        r#""BRIDGE": "br-y", "isgateway": true, "cniVersion": "0.3.1", "ipam": {"type":
        "static", "addresses": [{"address": "10.22.7.5/24"}]}"#,
    ),
    ("bridge", r#""bridge": "br-l2""#),
    (
        "ptp",
        r#""ipMasq": true, "ipam": {"type": "host-local", "subnet": "10.22.0.0/24",
        "routes": [{"dst": "0.0.0.0/0"}]}"#,
    ),
    (
        "ptp",
        r#""mtu": 1400, "cniVersion": "0.2.0", "ipam": {"type": "host-local",
        "subnet": "10.22.0.0/24"}"#,
    ),
];

#[test]
fn what_a_container_gets_is_what_debians_plugins_give() {
    for (plugin, conf) in ASKED {
        let [ours, debians] = [Whose::Ours, Whose::Debians].map(|whose| {
            let node = Node::new(whose, &["red"]);
            let answer = node.ok(&format!("{plugin} ADD red"), conf);
            let answer_text = plain(answer.clone()).to_string();
            let mut said = vec![answer_text, node.seen("red"), node.around()];
            if whose == Whose::Ours && !conf.contains("cniVersion") {
                let more = format!(r#"{conf}, "prevResult": {answer}"#);
                node.ok(&format!("{plugin} CHECK red"), &more);
            }
            node.ok(&format!("{plugin} DEL red"), conf);
            node.ok(&format!("{plugin} DEL red"), conf);
            said.push(
                node.host
                    .net
                    .sh("ip netns exec red ip -br link | grep -v '^lo' || true; ip -br link \
                | grep -o '^veth' || true; find /run/ropewalk/cni -name '10*' || true"),
            );
            said
        });
        for (ours, debians) in ours.iter().zip(&debians) {
            same(ours, debians, &format!("{plugin} {conf}"));
        }
    }
}

#[test]
fn loopback_is_up_and_says_so_as_debians() {
    let [ours, debians] = [Whose::Ours, Whose::Debians].map(|whose| {
        let node = Node::new(whose, &["red"]);
        let one = node.ok("loopback ADD red", r#""cniVersion": "0.3.1""#);
        let up = node.host.net.sh("ip netns exec red ip -o link show lo | grep -o LOWER_UP");
        let with = format!(r#""prevResult": {}"#, node.ok("loopback ADD red", r#""x": 1"#));
        let again = node.ok("loopback ADD red", &with);
        node.ok("loopback DEL red", &with);
        (plain(one), up, plain(again))
    });
    assert_eq!(ours, debians);
}

#[test]
fn containers_reach_each_other_their_gateway_and_what_is_beyond() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    node.host
        .net
        .sh("ip link add up0 type ifb && ip link set up0 up && ip addr add 192.0.2.1/24 dev up0");
    node.ok("bridge ADD red", WEB);
    node.ok("bridge ADD blue", WEB);
    let ping = |ip| {
        node.host.net.sh(&format!("ip netns exec red ping -c1 -W2 {ip} >/dev/null && echo there"))
    };
    for ip in ["10.22.0.1", "10.22.0.3", "192.0.2.1"] {
        assert_eq!(ping(ip), "there\n", "{ip}");
    }
    let ps = node.host.json("ps");
    assert_eq!(ps[0]["network"], "cni.web", "{ps}");
}

#[test]
fn add_twice_answers_the_same_and_del_needs_no_namespace() {
    let node = Node::new(Whose::Ours, &["red"]);
    let before = node.host.trace();
    let conf = WEB.replace("\"ipMasq\"", "\"cniVersion\": \"1.1.0\", \"ipMasq\"");
    let first = node.ok("bridge ADD red", &conf);
    assert_eq!(node.ok("bridge ADD red", &conf), first);
    node.host.net.sh("ip netns del red");
    node.ok("bridge DEL red", &conf);
    node.host.net.sh("ip netns add red");
    assert_eq!(node.host.net.sh("ip -br link | grep ^veth || true"), "");
    // The bridge stays until somebody collects what nobody uses.
    node.ok("bridge GC red", &format!(r#"{conf}, "cni.dev/valid-attachments": []"#));
    same(&node.host.trace(), &before, "GC");
}

#[test]
fn gc_keeps_what_is_wanted() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    let conf = WEB.replace("\"ipMasq\"", "\"cniVersion\": \"1.1.0\", \"ipMasq\"");
    node.ok("bridge ADD red", &conf);
    node.ok("bridge ADD blue", &conf);
    let valid = r#""cni.dev/valid-attachments": [{"containerID": "blue", "ifname": "eth0"}]"#;
    node.ok("bridge GC none", &format!("{conf}, {valid}"));
    let left = node.host.json("ps");
    assert_eq!(
        (left.as_array().map(Vec::len), &left[0]["sandbox"]),
        (Some(1), &value!("/run/netns/blue"))
    );
    assert_eq!(node.host.net.sh("ls /run/ropewalk/cni/web | grep ^10"), "10.22.0.3\n");
}

#[test]
fn two_networks_share_a_bridge_and_the_last_takes_it_away() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    let before = node.host.trace();
    let call = |verb: &str, container: &str, name: &str, more: &str| {
        let range = if name == "one" { "10.22.0.10" } else { "10.22.1.10" };
        let conf = WEB.replace("\"subnet\"", &format!("\"rangeStart\": \"{range}\", \"subnet\""));
        let conf = format!(r#"{conf}, "name": "{name}", "cniVersion": "1.1.0"{more}"#);
        node.ok(&format!("bridge {verb} {container}"), &conf)
    };
    let none = r#", "cni.dev/valid-attachments": []"#;
    call("ADD", "red", "one", "");
    call("ADD", "blue", "two", "");
    call("GC", "x", "one", none);
    let ping = "ip netns exec blue ping -c1 -W2 10.22.0.1 >/dev/null && echo there";
    assert_eq!(node.host.net.sh(ping), "there\n");
    call("GC", "x", "two", none);
    same(&node.host.trace(), &before, "GC");
}

#[test]
fn what_cannot_be_is_refused_before_anything_is_done() {
    let node = Node::new(Whose::Ours, &["red"]);
    node.host.net.sh("ip link add cni1 type bridge && ip addr add 10.99.0.1/16 dev cni1");
    node.host.net.sh("ip link add nobridge type ifb");
    let before = node.host.trace();
    let refused = |call: &str, conf: &str, code: u32, words: &str| {
        let ran = node.run(call, conf);
        let said = json(&ran);
        assert_eq!((ran.status, &said["code"]), (Some(1), &value!(code)), "{conf}: {ran:?}");
        assert!(ran.out.contains(words), "{words}: {ran:?}");
        same(&node.host.trace(), &before, conf);
        assert_eq!(node.host.net.sh("find /run/ropewalk/cni -name '10*' 2>/dev/null || true"), "");
    };
    let both = r#""hairpinMode": true, "promiscMode": true"#;
    refused("bridge ADD red", both, 7, "cannot set hairpin mode and promiscuous mode");
    let down = format!(r#""disableContainerInterface": true, {WEB}"#);
    refused("bridge ADD red", &down, 7, "DisableContainerInterface");
    refused("bridge ADD red", r#""vlan": 5000"#, 7, "invalid VLAN ID");
    refused("bridge ADD gone", WEB, 8, "gone");
    refused("bridge ADD red", &WEB.replace("cni0", "nobridge"), 999, "is no bridge");
    let other = WEB.replace("cni0", "cni1");
    refused("bridge ADD red", &other, 999, "already has an IP address different from");
    refused("ptp ADD red", r#""x": 1"#, 7, "ipam");
    node.ok("bridge ADD red", &format!(r#"{other}, "forceAddress": true"#));
    let address = node.host.net.sh("ip -o -4 addr show dev cni1 | awk '{ print $4 }'");
    assert_eq!(address, "10.22.0.1/16\n");
}
