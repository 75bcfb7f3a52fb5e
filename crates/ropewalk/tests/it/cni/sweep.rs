//! A chain of plugins, each killed before every step of ADD and of DEL: GC leaves nothing of it.
//!
//!     bridge portmap firewall bandwidth tuning      ADD ✗   DEL ✗   then GC with no valid attachment
//!
//! The suite takes some of the steps; `ROPEWALK_EVERY_STEP=1 cargo nextest run cni::sweep` takes all.

use std::fs;

use serde_json::Value;

use super::Whose;
use super::net::Node;
use crate::crash::STEPS;

/// The plugins in their order.
const CHAIN: [(&str, &str); 5] = [
    (
        "bridge",
        r#""bridge": "cni0", "isGateway": true, "ipMasq": true, "ipam": {"type": "host-local",
           "subnet": "10.22.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}"#,
    ),
    (
        "portmap",
        r#""runtimeConfig": {"portMappings": [{"hostPort": 8080, "containerPort": 80},
           {"hostPort": 5353, "containerPort": 53, "protocol": "udp"}]}"#,
    ),
    ("firewall", r#""ingressPolicy": "same-bridge""#),
    (
        "bandwidth",
        r#""ingressRate": 8000000, "ingressBurst": 819200, "egressRate": 4000000, "egressBurst": 819200"#,
    ),
    ("tuning", r#""sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1"}, "mtu": 1400"#),
];

/// How many steps are passed over between two that are tried.
fn stride() -> usize {
    if std::env::var_os("ROPEWALK_EVERY_STEP").is_some() { 1 } else { 6 }
}

impl Node {
    /// ADD of the first `count` plugins; the last answer.
    fn add_first(&self, count: usize) -> Value {
        let mut last = Value::Null;
        for (plugin, conf) in CHAIN.iter().take(count) {
            last = self.ok(&format!("{plugin} ADD red"), &with(conf, &last));
        }
        last
    }

    /// GC of the whole chain, after which the host is as it was.
    fn collects(&self, start: &crate::scene::Scene, when: &str) {
        for (plugin, conf) in CHAIN {
            let conf = format!(r#"{}, "cni.dev/valid-attachments": []"#, with(conf, &Value::Null));
            self.ok(&format!("{plugin} GC -"), &conf);
        }
        start.same(&self.host.scene(), when);
        self.host.is_healthy(when);
        let leases = self.host.net.sh("find /run/ropewalk/cni -name '10.22.*'");
        assert_eq!(leases, "", "{when}: leases");
    }

    /// True when the call was killed before its step of this number.
    fn killed(&self, call: &str, conf: &str, step: usize) -> bool {
        let _none = fs::remove_file(STEPS);
        let step = step.to_string();
        let vars = [("ROPEWALK_FAILPOINT", step.as_str()), ("ROPEWALK_FAILPOINT_LIST", STEPS)];
        let ran = self.run_with(call, conf, &vars);
        assert!(matches!(ran.status, None | Some(0)), "{call}, step {step}: {ran:?}");
        ran.status.is_none()
    }
}

fn with(conf: &str, last: &Value) -> String {
    let before = if last.is_null() { String::new() } else { format!(r#", "prevResult": {last}"#) };
    format!(r#""cniVersion": "1.1.0", {conf}{before}"#)
}

#[test]
fn a_chain_killed_anywhere_is_collected() {
    let node = Node::new(Whose::Ours, &["red"]);
    let start = node.host.scene();
    let mut steps = 0;
    for (at, (plugin, conf)) in CHAIN.iter().enumerate() {
        for step in (1 + at..).step_by(stride()) {
            let last = node.add_first(at);
            let call = format!("{plugin} ADD red");
            let died = node.killed(&call, &with(conf, &last), step);
            node.collects(&start, &format!("{call}, step {step}"));
            if !died {
                break;
            }
            steps += 1;
        }
    }
    assert!(steps * stride() > 30, "{steps}");
}

#[test]
fn the_end_of_a_chain_killed_anywhere_is_collected() {
    let node = Node::new(Whose::Ours, &["red"]);
    let start = node.host.scene();
    let mut steps = 0;
    for at in (0..CHAIN.len()).rev() {
        for step in (1..).step_by(stride()) {
            let last = node.add_first(CHAIN.len());
            let mut died = false;
            for (now, (plugin, conf)) in CHAIN.iter().enumerate().skip(at).rev() {
                let (call, conf) = (format!("{plugin} DEL red"), with(conf, &last));
                match now == at {
                    true => died = node.killed(&call, &conf, step),
                    false => drop(node.ok(&call, &conf)),
                }
            }
            node.collects(&start, &format!("{} DEL, step {step}", CHAIN[at].0));
            if !died {
                break;
            }
            steps += 1;
        }
    }
    assert!(steps * stride() > 15, "{steps}");
}
