//! Chains of iptables, of both kinds: made whole, taken away by name, whoever made them.

use super::Whose;
use super::net::Node;
use crate::agent::{Agent, until};

const WEB: &str = r#""cniVersion": "1.0.0", "bridge": "cni0", "isGateway": true, "ipMasq": true, "ipMasqBackend": "iptables",
    "ipam": {"type": "host-local", "subnet": "10.22.0.0/16", "routes": [{"dst": "0.0.0.0/0"}]}"#;
const PORTS: &str = r#""backend": "iptables", "runtimeConfig": {"portMappings": [
    {"hostPort": 8080, "containerPort": 80, "protocol": "tcp"}]}"#;
const WALL: &str = r#""backend": "iptables""#;

/// The programs called iptables are those of iptables-legacy from here on.
const LEGACY: &str = "mkdir /run/alternatives && cp -a /etc/alternatives/* /run/alternatives
    for tool in iptables ip6tables; do for what in '' -save -restore; do
        ln -sf /usr/sbin/$tool-legacy$what /run/alternatives/$tool$what
    done; done
    mount --bind /run/alternatives /etc/alternatives";

/// What is left of containers in iptables.
const LEFT: &str = "(iptables-save; ip6tables-save) 2>/dev/null | grep -E 'CNI-DN-|CNI-[0-9a-f]{20}|10.22.0' || true";

impl Node {
    fn left(&self) -> String {
        self.host.net.sh(LEFT)
    }

    /// The whole chain for red; the first answer.
    fn chained(&self) -> serde_json::Value {
        let made = self.ok("bridge ADD red", WEB);
        for (plugin, conf) in [("portmap", PORTS), ("firewall", WALL)] {
            self.ok(&format!("{plugin} ADD red"), &format!(r#"{conf}, "prevResult": {made}"#));
        }
        made
    }
}

fn way_out(node: &Node) {
    node.host
        .net
        .sh("ip link add up0 type ifb && ip link set up0 up && ip addr add 192.0.2.1/24 dev up0
        iptables -P FORWARD DROP");
}

#[test]
fn chains_of_both_kinds_of_iptables_come_back_when_flushed_and_go_with_the_container() {
    for script in ["true", LEGACY] {
        let node = Node::new(Whose::Ours, &["red"]);
        node.host.net.sh(script);
        way_out(&node);
        let made = node.chained();
        let rules = || node.host.net.sh("iptables-save | sed 's/\\[.*//; /^#/d'");
        let whole = rules();
        for part in
            ["CNI-HOSTPORT-DNAT", "CNI-ADMIN", "-j MASQUERADE", "--to-destination 10.22.0.2:80"]
        {
            assert!(whole.contains(part), "{script}: {part}\n{whole}");
        }
        assert_eq!(node.answers("", "192.0.2.1 8080"), "hello\n", "{script}");
        let conf = format!(r#"{PORTS}, "prevResult": {made}"#);
        node.ok("portmap CHECK red", &conf);
        node.ok("portmap ADD red", &conf);
        assert_eq!(rules(), whole, "{script}");
        node.host.net.sh("iptables -t nat -F && iptables -F");
        assert_eq!(node.run("portmap CHECK red", &conf).status, Some(1), "{script}");
        let found = node.host.run("check");
        assert!(found.status == Some(3) && found.out.contains("CNI-FORWARD"), "{script} {found:?}");
        node.host.ok("repair");
        assert_eq!(rules(), whole, "{script}");
        let agent = Agent::start(&[]);
        node.host.net.sh("iptables -t nat -F && iptables -F");
        until("the agent puts them back", || rules() == whole);
        drop(agent);
        node.host.net.sh("ip netns del red");
        for plugin in ["firewall", "portmap"] {
            node.ok(&format!("{plugin} DEL red"), "\"x\": 1");
        }
        node.ok("bridge DEL red", WEB);
        assert_eq!(node.left(), "", "{script}");
    }
}

#[test]
fn what_the_reference_plugins_left_goes_by_name() {
    let mut node = Node::new(Whose::Debians, &["red"]);
    node.chained();
    node.whose = Whose::Ours;
    assert!(node.left().contains("CNI-DN-"));
    node.ok("firewall DEL red", WALL);
    node.ok("portmap DEL red", "\"x\": 1");
    node.ok("bridge DEL red", WEB);
    assert_eq!(node.left(), "");
    // By nobody but GC.
    node.host.net.sh("ip netns add blue");
    node.whose = Whose::Debians;
    let made = node.ok("bridge ADD blue", WEB);
    for (plugin, conf) in [("portmap", PORTS), ("firewall", WALL)] {
        node.ok(&format!("{plugin} ADD blue"), &format!(r#"{conf}, "prevResult": {made}"#));
    }
    node.whose = Whose::Ours;
    let conf = WEB.replace("1.0.0", "1.1.0");
    let valid = r#""cni.dev/valid-attachments": [{"containerID": "blue", "ifname": "eth0"}]"#;
    node.ok("bridge GC none", &format!("{conf}, {valid}"));
    assert_eq!(node.left().matches("-j CNI-DN-").count(), 1);
    node.ok("bridge GC none", &format!(r#"{conf}, "cni.dev/valid-attachments": []"#));
    assert_eq!(node.left(), "");
}

#[test]
fn rules_that_iptables_refuses_leave_nothing_and_claim_no_port() {
    let node = Node::new(Whose::Ours, &["red"]);
    let made = node.ok("bridge ADD red", WEB);
    let before = node.left();
    let conf = format!(r#"{PORTS}, "externalSetMarkChain": "NOBODYS", "prevResult": {made}"#);
    let ran = node.run("portmap ADD red", &conf);
    assert!(ran.status == Some(1) && ran.out.contains("iptables-restore refused"), "{ran:?}");
    assert_eq!(node.left(), before);
    node.ok("portmap ADD red", &format!(r#"{PORTS}, "prevResult": {made}"#));
    // Where the chains are, they are used by whoever names no backend.
    let conf = PORTS.replace("\"backend\": \"iptables\",", "").replace("8080", "8081");
    node.ok("portmap ADD red", &format!(r#"{conf}, "prevResult": {made}"#));
    assert!(node.left().contains("--dport 8081 -j DNAT"));
    node.host.ok("purge --yes");
    assert_eq!(node.left(), "");
}

#[test]
fn an_add_that_is_killed_at_any_step_is_cleared_by_del() {
    let node = Node::new(Whose::Ours, &["red"]);
    let binary = env!("CARGO_BIN_EXE_ropewalk");
    let made = node.ok("bridge ADD red", WEB);
    let start = node.left();
    for (plugin, conf) in [("portmap", PORTS), ("firewall", WALL)] {
        let conf = format!(
            r#"{{"cniVersion": "1.0.0", "name": "web", "type": "{plugin}", {conf}, "prevResult": {made}}}"#
        );
        let killed = (1..40).find(|step| {
            let ended = node.host.net.sh(&format!(
                "ln -sf {binary} /run/{plugin}; echo '{conf}' | CNI_COMMAND=ADD CNI_CONTAINERID=red \
                 CNI_NETNS=/run/netns/red CNI_IFNAME=eth0 CNI_PATH=/x ROPEWALK_FAILPOINT={step} \
                 /run/{plugin} >/dev/null && echo ended || true"
            ));
            node.ok(&format!("{plugin} DEL red"), "\"x\": 1");
            assert_eq!(node.left(), start, "{plugin}, step {step}");
            ended.contains("ended")
        });
        assert!(killed.is_some_and(|steps| steps > 3), "{plugin}: {killed:?}");
    }
}
