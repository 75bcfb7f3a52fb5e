//! The plugin `ropewalk`: what a chain of plugins does, in one.

use serde_json::{Value, json as value};

use super::Whose;
use super::net::Node;

const PORTS: &str = r#""runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80}],
    "bandwidth": {"ingressRate": 8000000, "ingressBurst": 819200}, "ips": ["192.168.15.77"]}"#;

/// The host has nothing of a container's that is gone, nor of its network.
fn collected(node: &Node, conf: &str) {
    node.ok("ropewalk GC -", &format!(r#"{conf}, "cni.dev/valid-attachments": []"#));
}

#[test]
fn one_plugin_is_a_whole_chain_on_a_network_by_its_name() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    node.host.ok("network create lan --subnet 192.168.15.0/24 --subnet fd00:15::/64");
    let before = node.host.scene();
    let conf = format!(
        r#""cniVersion": "1.1.0", "network": "lan", "attachment": {{"rate_out": "4M"}}, {PORTS}"#
    );
    node.ok("ropewalk STATUS -", &conf);
    let made = node.ok("ropewalk ADD red", &conf);
    assert_eq!(node.ok("ropewalk ADD red", &conf), made, "once more");
    let addresses: Vec<&Value> =
        made["ips"].as_array().into_iter().flatten().map(|ip| &ip["address"]).collect();
    assert_eq!(addresses, [&value!("192.168.15.77/24"), &value!("fd00:15::2/64")], "{made}");
    assert_eq!(made["ips"][0]["gateway"], "192.168.15.1");
    let row = &node.host.json("ps")[0];
    assert_eq!(
        (&row["published"][0], &row["rate_in"], &row["rate_out"], &row["container"]),
        (&value!("8080:80/tcp"), &value!("8M/102.4k"), &value!("4M"), &value!("red")),
        "{row}"
    );
    node.ok("ropewalk CHECK red", &format!(r#"{conf}, "prevResult": {made}"#));
    let taken = node.run("ropewalk ADD blue", &conf);
    assert_ne!(taken.status, Some(0), "the address and the port are taken: {taken:?}");
    // Neither the namespace nor the result is needed.
    node.host.net.sh("ip netns del red");
    node.ok("ropewalk DEL red", r#""network": "lan""#);
    node.ok("ropewalk DEL red", r#""network": "lan""#);
    node.host.net.sh("ip netns add red");
    before.same(&node.host.scene(), "attached and detached");
    node.ok("ropewalk ADD red", &conf);
    collected(&node, &conf);
    before.same(&node.host.scene(), "collected");
}

#[test]
fn a_network_that_the_configuration_defines_goes_with_gc() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    let before = node.host.scene();
    let conf = r#""cniVersion": "1.1.0", "network": {"mode": "routed", "subnet": "10.4.0.0/24"}"#;
    node.ok("ropewalk ADD red", conf);
    let blue = node.ok("ropewalk ADD blue", conf);
    let address = blue["ips"][0]["address"].as_str().and_then(|net| net.strip_suffix("/32"));
    let address = address.unwrap_or_else(|| panic!("{blue}"));
    node.host.net.sh(&format!("ip netns exec red ping -qc1 -W2 {address}"));
    node.host.is_healthy("two containers");
    collected(&node, conf);
    before.same(&node.host.scene(), "collected");
}

#[test]
fn a_pod_is_known_by_its_name() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    let conf = r#""bridge": "cni0", "isGateway": true, "ipam": {"type": "host-local", "subnet": "10.22.0.0/16"}"#;
    for (container, pod) in [("red", "shop"), ("blue", "db")] {
        let args = format!("IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={pod}");
        let ran =
            node.run_with(&format!("bridge ADD {container}"), conf, &[("CNI_ARGS", args.as_str())]);
        assert_eq!(ran.status, Some(0), "{ran:?}");
    }
    let rows = node.host.json("ps");
    assert_eq!((&rows[1]["pod"], &rows[1]["container"]), (&value!("default/shop"), &value!("red")));
    assert!(node.host.ok("ps").contains("pod:default/shop"));
    for (from, to) in
        [("default/shop", "pod:default/db"), ("pod:shop", "db"), ("shop", "netns:blue")]
    {
        let verdict = node.host.json(&format!("why {from} {to} --no-live"));
        assert_eq!(
            (&verdict["code"], &verdict["path"][0]["packet"]),
            (&value!("OK"), &value!("10.22.0.2 > 10.22.0.3")),
            "{verdict}"
        );
    }
}

#[test]
fn nonsense_is_refused_by_its_key() {
    let node = Node::new(Whose::Ours, &["red"]);
    let before = node.host.trace();
    for (conf, words) in [
        (r#""network": 5"#, "network"),
        (r#""network": "nowhere""#, "nowhere"),
        (r#""network": {"mode": "rooted"}"#, "rooted"),
        (r#""network": {"subnet": "10.4.0.0/24"}, "attachment": {"rate": "4M"}"#, "rate"),
    ] {
        let ran = node.run("ropewalk ADD red", conf);
        assert_eq!(ran.status, Some(1), "{conf}: {ran:?}");
        assert!(super::json(&ran).to_string().contains(words), "{conf}: {ran:?}");
    }
    crate::host::same(&node.host.trace(), &before, "what was refused");
}
