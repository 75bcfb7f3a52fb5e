//! The script that a dry run prints, run by a shell, against the verb itself: equal hosts.

use std::path::Path;

use ropewalk_engine::Wanted;
use ropewalk_facts::nft::Expr;
use ropewalk_facts::{Body, Fact, Snapshot};
use ropewalk_plan::{Change, render};
use ropewalk_spec::Declaration;
use ropewalk_testnet::vm;

use crate::Host;
use crate::host::differences;

/// What each topology is declared by.
const TOPOLOGIES: &[(&str, &str)] = &[
    ("bridge", "subnet = '192.168.15.0/24'"),
    ("bridge of both families", "subnet = ['192.168.15.0/24', 'fd00:15::/64']"),
    ("bridge of IPv6", "subnet = 'fd00:15::/64'\nmasquerade = 'no'"),
    ("bridge with a fixed source", "subnet = '192.168.15.0/24'\nmasquerade = '10.0.0.1'"),
    ("bridge masqueraded inwards", "subnet = '192.168.15.0/24'\nmasquerade_in = 'yes'"),
    ("internal bridge", "subnet = ['192.168.15.0/24', 'fd00:15::/64']\ninternal = true"),
    ("routed", "mode = 'routed'\nsubnet = '192.168.15.0/24'"),
    ("routed of both families", "mode = 'routed'\nsubnet = ['192.168.15.0/24', 'fd00:15::/64']"),
    (
        "routed with fixed sources",
        "mode = 'routed'\nsubnet = '192.168.15.0/24'\nmasquerade = '10.0.0.1'\nmasquerade_in = 'yes'",
    ),
    (
        "flat",
        "mode = 'flat'\nparent = 'up0'\nsubnet = '10.0.0.0/24'\nrange = '10.0.0.50-10.0.0.59'",
    ),
    (
        "flat of both families",
        "mode = 'flat'\nsubnet = ['10.0.0.0/24', 'fd00:aa::/64']\n\
         range = ['10.0.0.50-10.0.0.59', 'fd00:aa::50-fd00:aa::59']",
    ),
    (
        "vxlan of both families",
        "mode = 'vxlan'\nsubnet = ['192.168.15.0/24', 'fd00:15::/64']\nvni = 42\n\
         peer = ['10.0.0.12=10.5.2.0/24,fd00:5:2::/64', '10.0.0.13=10.5.3.0/24']",
    ),
    (
        "vxlan over IPv6",
        "mode = 'vxlan'\nsubnet = '192.168.15.0/24'\nparent = 'up0'\nport = 8472\n\
         peer = 'fd00:aa::12=10.5.2.0/24'",
    ),
    (
        "bridge that was there",
        "bridge = 'mine'\nsubnet = '172.17.0.0/16'\nrange = '172.17.9.1-172.17.9.9'",
    ),
];

const ATTACHMENTS: &str = "
[[attach]]
sandbox = 'new:red'
network = 'web'
publish = ['8080:80', '5353:53/udp', '9000-9003:90-93/sctp']
[[attach]]
sandbox = 'new:blue'
network = 'web'
mtu = 1400
mac = '02:00:00:00:00:77'
";

fn host() -> Host {
    let host = Host::new();
    crate::attach::outside(&host);
    host.sh("ip link set up0 address 02:00:00:00:00:08");
    if vm::inside() {
        return host;
    }
    host.sh("ip link add mine address 02:00:00:00:00:09 type bridge
        ip addr add 172.17.0.1/16 dev mine; ip link set mine up
        for t in iptables ip6tables; do
            $t -w -A FORWARD -p tcp --dport 9 -j DROP; $t -w -A FORWARD -j DROP; $t -w -P FORWARD DROP
        done");
    host
}

/// What is stated; hardware addresses that nobody chose are left out.
fn found(host: &Host) -> Snapshot {
    let mut all = host.snapshot();
    let up0 = |body: &Body| matches!(body, Body::Link(link) if link.name.as_str() == "up0");
    all.retain(|fact| !(fact.ns.is_host() && up0(&fact.body)));
    all.retain(|fact| fact.ns.as_str() != "netns:lan");
    all.iter().cloned().map(uncounted).collect()
}

/// Packets come when they like.
fn uncounted(mut fact: Fact) -> Fact {
    if let Body::NftRule(rule) = &mut fact.body {
        for expr in &mut rule.exprs {
            if let Expr::Counter { packets, bytes } = expr {
                (*packets, *bytes) = (0, 0);
            }
        }
    }
    fact
}

fn twins(what: &str, text: &str) {
    twins_after("true", what, text);
}

/// Twins on a host on which `script` was run.
fn twins_after(script: &str, what: &str, text: &str) {
    twins_on(|host| drop(host.sh(script)), what, text);
}

/// Twins on a host that was made ready.
fn twins_on(ready: impl Fn(&Host), what: &str, text: &str) {
    let by_script = {
        let host = host();
        ready(&host);
        let mut engine = host.engine();
        let wanted = Declaration::parse("twin.toml", text, &[]).unwrap();
        let dry = engine.plan(&Wanted::Up(&wanted)).unwrap();
        let changes: Vec<Change> =
            dry.changes.into_iter().flat_map(|(_, changes)| changes).collect();
        host.sh(&render::render(&changes, &dry.found));
        found(&host)
    };
    let by_verb = {
        let host = host();
        ready(&host);
        let wanted = Declaration::parse("twin.toml", text, &[]).unwrap();
        host.engine().up(Path::new("twin.toml"), &wanted).unwrap();
        found(&host)
    };
    assert!(by_verb.len() > 20, "{what}");
    let none: Vec<String> = Vec::new();
    assert_eq!(differences(&by_script, &by_verb), none, "{what}");
}

#[test]
fn a_script_makes_what_the_verb_makes_for_every_topology() {
    for (what, network) in TOPOLOGIES {
        twins(what, &format!("[network.web]\n{network}\n{ATTACHMENTS}"));
    }
}

#[test]
fn a_script_makes_what_the_verb_makes_on_a_network_that_is_there() {
    for (what, network) in TOPOLOGIES.iter().filter(|(what, _)| what.ends_with("both families")) {
        let network = format!("[network.web]\n{network}\n");
        let made = Declaration::parse("twin.toml", &network, &[]).unwrap();
        let make = |host: &Host| drop(host.engine().up(Path::new("twin.toml"), &made).unwrap());
        twins_on(make, &format!("{what}, there"), &format!("{network}{ATTACHMENTS}"));
    }
}

#[test]
fn a_script_makes_what_the_verb_makes_with_rates() {
    let rates = "rate_in = '10M'\nrate_out = '2.5G/1M'\n";
    for (what, network) in
        TOPOLOGIES.iter().filter(|(what, _)| matches!(*what, "bridge" | "routed"))
    {
        let attach = format!("[[attach]]\nsandbox = 'new:red'\nnetwork = 'web'\n{rates}");
        twins(what, &format!("[network.web]\n{network}\n{attach}"));
    }
}

#[test]
fn a_script_makes_what_the_verb_makes_with_allow_lists() {
    let lists = "allow_in = ['10.0.0.0/8 tcp:80-90', '10.0.0.2', 'udp', 'none']\n\
                 allow_out = ['icmp', 'tcp:443', '10.7.0.0/16 sctp:9']\n";
    for (what, network) in TOPOLOGIES
        .iter()
        .filter(|(what, _)| matches!(*what, "bridge of both families" | "flat of both families"))
    {
        let attach = format!("[[attach]]\nsandbox = 'new:red'\nnetwork = 'web'\n{lists}");
        twins(what, &format!("[network.web]\n{network}\n{attach}"));
    }
}

#[test]
fn a_script_makes_what_the_verb_makes_beside_legacy_iptables() {
    let legacy = "for t in iptables ip6tables; do
            $t -w -P FORWARD ACCEPT; $t -w -F FORWARD
            $t-legacy -w -P FORWARD DROP; $t-legacy -w -A FORWARD -p tcp --dport 9 -j REJECT
            $t-legacy -w -A FORWARD -j DROP
        done";
    for (what, network) in TOPOLOGIES
        .iter()
        .filter(|(what, _)| what.ends_with("both families") || what.ends_with("there"))
    {
        let text = format!("[network.web]\n{network}\n{ATTACHMENTS}");
        twins_after(legacy, &format!("{what}, legacy"), &text);
    }
}

#[test]
fn a_script_makes_what_the_verb_makes_without_addresses() {
    let attach = "[[attach]]\nsandbox = 'new:red'\nnetwork = 'wire'\n";
    twins("l2", &format!("[network.wire]\nl2 = true\n{attach}"));
}

/// The same for interfaces that pass the host by, which publish nothing.
const DIRECT: &[(&str, &str)] = &[
    ("macvlan", "mode = 'macvlan'"),
    ("private macvlan", "mode = 'macvlan'\nparent = 'up0'\nlink_mode = 'private'"),
    ("macvlan with a host link", "mode = 'macvlan'\nhost_link = true"),
    ("tap", "mode = 'tap'\nowner = 1000\ngroup = 100"),
];

/// Those that only the virtual machine has.
const MACHINE: &[(&str, &str)] = &[
    ("ipvlan", "mode = 'ipvlan'"),
    ("ipvlan of layer 3, seen by netfilter", "mode = 'ipvlan'\nlink_mode = 'l3s'"),
    ("vlan", "mode = 'vlan'\nvlan = 10"),
    ("dummy", "mode = 'dummy'"),
];

/// Addresses that are kept on the LAN, and the first of the attachments.
fn direct(what: &str, network: &str, attachments: usize) {
    let nets = "subnet = ['10.0.0.0/24', 'fd00:aa::/64']\n\
        range = ['10.0.0.48/28', 'fd00:aa::30/124']\n";
    let own_mac = !network.contains("ipvlan") && !network.contains("host-device");
    let attach =
        ATTACHMENTS.replace("publish", "#").replace("mac =", if own_mac { "mac =" } else { "#" });
    // One has the name of its parent.
    let attach = attach.replacen("network = 'web'", "network = 'web'\nname = 'up0'", 1);
    let some: Vec<&str> = attach.split("[[attach]]").take(attachments + 1).collect();
    let text = format!("[network.web]\n{network}\n{nets}{}", some.join("[[attach]]"));
    let nic = "ip link add nic0 address 02:00:00:00:00:0c type veth \
            peer name far address 02:00:00:00:00:0d
        ip link set nic0 up; ip addr add 10.5.0.1/24 dev nic0";
    twins_after(if network.contains("nic0") { nic } else { "true" }, what, &text);
}

#[test]
fn a_script_makes_what_the_verb_makes_beside_the_hosts_stack() {
    DIRECT.iter().for_each(|(what, network)| direct(what, network, 2));
    direct("interface of the host", "mode = 'host-device'\nparent = 'nic0'", 1);
    direct("passthru", "mode = 'macvlan'\nlink_mode = 'passthru'", 1);
}

/// For the test that runs in the virtual machine.
pub(crate) fn in_the_machine() {
    for (what, network) in MACHINE {
        direct(what, network, if network.contains("vlan = ") { 1 } else { 2 });
    }
}
