//! Chains of plugins, ours alone and ours behind Debian's.

use serde_json::{Value, json as value};

use super::net::{Node, plain};
use super::{Whose, json};
use crate::host::same;

const WEB: &str = r#""bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local",
    "subnet": "10.22.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}"#;
const PORTS: &str = r#""runtimeConfig": {"portMappings": [
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"},
    {"hostPort": 5353, "containerPort": 53, "protocol": "UDP", "hostIP": "0.0.0.0"}]}"#;
const RATES: &str = r#""ingressRate": 8000000, "ingressBurst": 819200, "egressRate": 4000000, "egressBurst": 819200"#;

impl Node {
    /// ADD of a whole chain; the last answer.
    fn chain(&self, container: &str, plugins: &[(&str, &str)]) -> Value {
        let mut last = Value::Null;
        for (plugin, conf) in plugins {
            let before = match last.is_null() {
                true => String::new(),
                false => format!(r#", "prevResult": {last}"#),
            };
            last = self.ok(&format!("{plugin} ADD {container}"), &format!("{conf}{before}"));
        }
        last
    }

    /// What red answers on its port 80 to who asks from `inside` a container, or the host.
    pub(super) fn answers(&self, inside: &str, at: &str) -> String {
        let enter =
            if inside.is_empty() { String::new() } else { format!("ip netns exec {inside}") };
        self.host.net.sh(&format!(
            "(echo hello | timeout 5 ip netns exec red nc -l -N 80 >/dev/null 2>&1 &)
            for i in $(seq 100); do
                ip netns exec red ss -Hltn sport = :80 | grep -q . && break; sleep 0.05
            done
            {enter} timeout 4 nc -N {at} </dev/null || true
            # One that was not asked is not left.
            timeout 1 ip netns exec red nc -N 127.0.0.1 80 </dev/null >/dev/null || true"
        ))
    }
}

#[test]
fn ports_lead_to_the_container_whoever_made_its_bridge() {
    for first in [Whose::Ours, Whose::Debians] {
        let mut node = Node::new(first, &["red", "blue"]);
        node.host.net.sh(
            "ip link add up0 type ifb && ip link set up0 up && ip addr add 192.0.2.1/24 dev up0",
        );
        let blue = node.ok("bridge ADD blue", WEB);
        let made = node.ok("bridge ADD red", WEB);
        node.whose = Whose::Ours;
        let conf = format!(r#"{PORTS}, "prevResult": {made}"#);
        for _ in 0..2 {
            assert_eq!(plain(node.ok("portmap ADD red", &conf)), plain(made.clone()));
        }
        for (inside, at) in [
            ("", "192.0.2.1 8080"),
            ("", "127.0.0.1 8080"),
            ("blue", "192.0.2.1 8080"),
            ("red", "10.22.0.1 8080"),
        ] {
            assert_eq!(node.answers(inside, at), "hello\n", "{first:?} {inside} {at}");
        }
        node.ok("portmap CHECK red", &conf);
        let taken = node.run("portmap ADD blue", &format!(r#"{PORTS}, "prevResult": {blue}"#));
        let said = json(&taken);
        assert_eq!(said["code"], 11, "{said}");
        assert!(said.to_string().contains("/run/netns/red"), "{said}");
        node.ok("portmap DEL red", "\"x\": 1");
        node.ok("portmap DEL red", "\"x\": 1");
        assert_eq!(node.answers("", "192.0.2.1 8080"), "");
        let published =
            node.host.net.sh("nft list map inet ropewalk publish4 | grep -c 10.22 || true");
        assert_eq!(published, "0\n", "{first:?}");
    }
}

#[test]
fn a_port_that_a_process_listens_on_is_refused_by_its_name() {
    let node = Node::new(Whose::Ours, &["red"]);
    let made = node.ok("bridge ADD red", WEB);
    let listener = std::net::TcpListener::bind("0.0.0.0:8080").expect("a listener");
    let ran = node.run("portmap ADD red", &format!(r#"{PORTS}, "prevResult": {made}"#));
    drop(listener);
    let said = json(&ran);
    assert_eq!((ran.status, &said["code"]), (Some(1), &value!(11)), "{ran:?}");
    assert!(said["details"].as_str().unwrap_or_default().contains("listens on it"), "{said}");
}

#[test]
fn rates_are_those_of_debians_plugin() {
    let [ours, debians] = [Whose::Ours, Whose::Debians].map(|whose| {
        let node = Node::new(whose, &["red"]);
        let made = node.chain("red", &[("bridge", WEB), ("bandwidth", RATES)]);
        let tbf =
            node.host.net.sh("tc qdisc | grep tbf | grep -oE 'rate [^ ]+ burst [^ ]+' | sort");
        let names: Vec<usize> = made["interfaces"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["name"].as_str().map_or(0, str::len))
            .collect();
        let conf = format!(r#"{RATES}, "prevResult": {made}"#);
        node.ok("bandwidth CHECK red", &conf);
        node.ok("bandwidth DEL red", &conf);
        let left =
            node.host.net.sh("tc qdisc | grep -c tbf || true; ip -br link | grep -c bwp || true");
        node.ok("bridge DEL red", WEB);
        (tbf, names.len(), if whose == Whose::Ours { left } else { "0\n0\n".into() })
    });
    assert_eq!(ours, debians);
}

#[test]
fn what_others_drop_is_let_through() {
    for plugin in ["bridge", "ptp"] {
        let node = Node::new(Whose::Ours, &["red"]);
        let before = node.host.trace();
        node.host.net.sh("iptables -P FORWARD DROP
            ip netns add out && ip link add o0 type veth peer name eth0 netns out
            ip addr add 192.0.2.1/24 dev o0 && ip link set o0 up
            ip -n out addr add 192.0.2.9/24 dev eth0 && ip -n out link set eth0 up");
        let conf = WEB.replace("\"ipMasq\"", "\"cniVersion\": \"1.1.0\", \"ipMasq\"");
        let made = node.ok(&format!("{plugin} ADD red"), &conf);
        let ping = || {
            node.host
                .net
                .sh("ip netns exec red ping -c1 -W1 192.0.2.9 >/dev/null && echo there || true")
        };
        assert_eq!(ping(), "", "{plugin}");
        let conf = format!(r#"{conf}, "prevResult": {made}"#);
        node.ok("firewall ADD red", &conf);
        assert_eq!(ping(), "there\n", "{plugin}");
        node.ok("firewall CHECK red", &conf);
        node.ok("firewall DEL red", &conf);
        node.ok(&format!("{plugin} DEL red"), &conf);
        node.ok(
            &format!("{plugin} GC red"),
            &format!(r#"{conf}, "cni.dev/valid-attachments": []"#),
        );
        node.host
            .net
            .sh("ip link del o0; ip netns del out; iptables -P FORWARD ACCEPT; nft delete table ip filter");
        same(&node.host.trace(), &before, plugin);
    }
}

#[test]
fn bridges_that_are_apart_do_not_reach_each_other_and_the_host_is_open() {
    let node = Node::new(Whose::Ours, &["red", "blue", "free"]);
    for (container, octet, policy) in
        [("red", 1, "same-bridge"), ("blue", 2, "same-bridge"), ("free", 3, "open")]
    {
        let conf = WEB
            .replace("cni0", &format!("cni{octet}"))
            .replace("10.22.0.0/16", &format!("10.22.{octet}.0/24"));
        let conf = format!(r#"{conf}, "name": "net{octet}""#);
        let policy = format!(r#"{conf}, "ingressPolicy": "{policy}""#);
        node.chain(container, &[("bridge", &conf), ("firewall", &policy)]);
    }
    let ping = |from: &str, to: &str| {
        node.host
            .net
            .sh(&format!("ip netns exec {from} ping -c1 -W1 {to} >/dev/null && echo there || true"))
    };
    assert_eq!(ping("red", "10.22.2.2"), "");
    assert_eq!(ping("red", "10.22.1.1"), "there\n");
    assert_eq!(ping("free", "10.22.2.2"), "there\n");
    node.host.net.sh("(echo hi | timeout 5 nc -l -N 9000 >/dev/null 2>&1 &) ; sleep 0.3");
    let heard = node.host.net.sh("ip netns exec red timeout 3 nc -N 10.22.1.1 9000 </dev/null");
    assert_eq!(heard, "hi\n");
}
