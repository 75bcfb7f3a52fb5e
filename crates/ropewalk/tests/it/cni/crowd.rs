//! A hundred containers at once, each with a whole chain.

use std::collections::BTreeSet;
use std::sync::Mutex;

use serde_json::Value;

use super::net::Node;
use super::{Whose, json};

const CROWD: usize = 100;
/// How many at a time: runtimes have a limit, too.
const AT_ONCE: usize = 20;

const BRIDGE: &str = r#""bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local",
    "subnet": "10.22.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}"#;

fn chain(n: usize) -> [(&'static str, String); 5] {
    let ports = format!(
        r#""runtimeConfig": {{"portMappings": [{{"hostPort": {}, "containerPort": 80}}]}}"#,
        8000 + n
    );
    let rates = r#""ingressRate": 8000000, "ingressBurst": 819200"#;
    [
        ("bridge", BRIDGE.into()),
        ("portmap", ports),
        ("firewall", r#""ingressPolicy": "same-bridge""#.into()),
        ("bandwidth", rates.into()),
        ("tuning", r#""sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}"#.into()),
    ]
}

/// Calls that fail end the test from within a thread with what they said.
fn call(node: &Node, line: &str, conf: &str, last: &Value) -> Value {
    let before = if last.is_null() { String::new() } else { format!(r#", "prevResult": {last}"#) };
    let ran = node.run(line, &format!(r#""cniVersion": "1.1.0", {conf}{before}"#));
    assert_eq!(ran.status, Some(0), "{line}: {ran:?}");
    if ran.out.is_empty() { Value::Null } else { json(&ran) }
}

fn crowd(node: &Node, work: impl Fn(&Node, usize) + Sync) {
    let next = Mutex::new(0..CROWD);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(n) = { next.lock().expect("no panic").next() } {
                    work(node, n);
                }
            });
        }
    });
}

#[test]
fn a_hundred_chains_at_once_have_a_hundred_addresses_and_leave_nothing() {
    let node = Node::new(Whose::Ours, &[]);
    node.host.net.sh(&format!("for n in $(seq 0 {}); do ip netns add s$n; done", CROWD - 1));
    let before = node.host.scene();
    let made: Mutex<Vec<(usize, Value)>> = Mutex::new(Vec::new());
    crowd(&node, |node, n| {
        let mut last = Value::Null;
        for (plugin, conf) in chain(n) {
            last = call(node, &format!("{plugin} ADD s{n}"), &conf, &last);
        }
        made.lock().expect("no panic").push((n, last));
    });
    let mut made = made.into_inner().expect("no panic");
    made.sort_by_key(|(n, _)| *n);
    let address = |(_, result): &(usize, Value)| result["ips"][0]["address"].to_string();
    let addresses: BTreeSet<String> = made.iter().map(address).collect();
    assert_eq!(addresses.len(), CROWD, "{addresses:?}");
    node.host.is_healthy("a hundred");
    let rules = node.host.net.sh("nft list table inet ropewalk | grep -c ' : 10.22.' || true");
    assert_ne!(rules, "0\n", "ports are published");
    crowd(&node, |node, n| {
        let last = made.get(n).map_or(&Value::Null, |(_, result)| result);
        for (plugin, conf) in chain(n).iter().rev() {
            call(node, &format!("{plugin} DEL s{n}"), conf, last);
        }
    });
    for (plugin, conf) in chain(0) {
        let conf = format!(r#"{conf}, "cni.dev/valid-attachments": []"#);
        call(&node, &format!("{plugin} GC -"), &conf, &Value::Null);
    }
    before.same(&node.host.scene(), "a hundred came and went");
}

#[test]
fn one_address_on_two_networks_that_masquerade_is_refused_with_who_has_it() {
    let node = Node::new(Whose::Ours, &["red", "blue"]);
    node.ok("bridge ADD red", BRIDGE);
    let other = BRIDGE.replace("cni0", "cni1").replace("/run/ropewalk/cni", "/run/ropewalk/cni1");
    let ran = node.run("ptp ADD blue", &format!(r#"{other}, "name": "other""#));
    let said = json(&ran);
    assert_eq!((ran.status, said["code"].as_u64()), (Some(1), Some(11)), "{ran:?}");
    for word in ["10.22.0.2", "container red"] {
        assert!(said.to_string().contains(word), "{word}: {said}");
    }
}
