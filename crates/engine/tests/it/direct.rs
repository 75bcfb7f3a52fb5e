//! Interfaces that do not pass the host's network stack. What the kernel here may lack is tried in
//! a virtual machine.

use ropewalk_engine::Code;
use ropewalk_spec::{Endpoint, RawEndpoint, RawNetwork, SandboxRef};
use ropewalk_testnet::vm;

use crate::Host;
use crate::attach::outside;
use crate::host::{said, same};

/// The LAN of [`outside`], on which addresses are kept for sandboxes.
fn lan(mode: &str, link_mode: Option<&str>) -> RawNetwork {
    RawNetwork {
        name: "lan".into(),
        mode: Some(mode.into()),
        link_mode: link_mode.map(String::from),
        parent: Some("up0".into()),
        subnet: vec!["10.0.0.0/24".into(), "fd00:aa::/64".into()],
        gateway: vec!["10.0.0.2".into(), "fd00:aa::2".into()],
        range: vec!["10.0.0.48/28".into(), "fd00:aa::30/124".into()],
        ..RawNetwork::default()
    }
}

fn tap(name: &str) -> RawNetwork {
    let subnet = vec!["10.1.0.0/24".into(), "fd00:1::/64".into()];
    RawNetwork { name: name.into(), mode: Some("tap".into()), subnet, ..RawNetwork::default() }
}

fn sandbox(text: &str) -> SandboxRef {
    text.parse().unwrap()
}

fn endpoint(sandbox: &str) -> Endpoint {
    wish(sandbox, &[], None)
}

fn wish(sandbox: &str, ips: &[&str], mtu: Option<u32>) -> Endpoint {
    let (sandbox, network) = (sandbox.into(), "lan".into());
    let ip = ips.iter().map(ToString::to_string).collect();
    RawEndpoint { sandbox, network, ip, mtu, ..RawEndpoint::default() }.check().unwrap()
}

/// A ping in both families is answered, at the latest when neighbours have been found and links
/// have settled, which takes its time on a processor that is emulated.
fn answered(host: &Host, from: &str, v4: &str, v6: &str) {
    let enter = if from.is_empty() { String::new() } else { format!("ip netns exec {from}") };
    for to in [v4, v6] {
        host.sh(&format!("{enter} ping -qc1 -w8 {to}"));
    }
}

/// The outcome of a ping in both families, from a namespace or the host.
fn reaches(host: &Host, from: &str, v4: &str, v6: &str) -> [bool; 2] {
    let enter = if from.is_empty() { String::new() } else { format!("ip netns exec {from}") };
    [v4, v6].map(|to| host.works(&format!("{enter} ping -qc1 -W1 {to}")))
}

#[test]
fn macvlans_reach_the_lan_and_each_other_but_not_the_host() {
    let host = Host::new();
    outside(&host);
    let clean = host.snapshot();
    host.create(&lan("macvlan", None));
    host.sh("ip netns add red");
    let before = host.snapshot();
    let row = host.engine().attach(&endpoint("netns:red")).unwrap().row;
    assert_eq!(row.addresses, ["10.0.0.48/24", "fd00:aa::30/64"]);
    assert_eq!((row.gateway, row.leg), (vec!["10.0.0.2".into(), "fd00:aa::2".into()], None));
    host.engine().attach(&endpoint("new:blue")).unwrap();
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    answered(&host, "lan", "10.0.0.49", "fd00:aa::31");
    answered(&host, "red", "10.0.0.49", "fd00:aa::31");
    assert_eq!(reaches(&host, "red", "10.0.0.1", "fd00:aa::1"), [false; 2]);
    assert!(host.engine().check().unwrap().is_empty());
    host.engine().detach(&sandbox("new:blue"), None).unwrap();
    host.engine().detach(&sandbox("netns:red"), None).unwrap();
    same(&before, &host.snapshot());
    host.sh("ip netns del red");
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    same(&clean, &host.snapshot());
}

#[test]
fn a_host_link_joins_the_host_and_answers_for_it_to_nobody_else() {
    let host = Host::new();
    outside(&host);
    let clean = host.snapshot();
    host.create(&RawNetwork { host_link: true, ..lan("macvlan", None) });
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!(row.addresses, ["10.0.0.49/24", "fd00:aa::31/64"]);
    answered(&host, "red", "10.0.0.48", "fd00:aa::30");
    answered(&host, "", "10.0.0.49", "fd00:aa::31");
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    answered(&host, "lan", "10.0.0.1", "fd00:aa::1");
    let asked = "ip netns exec lan ip neigh flush all; ip netns exec lan ping -qc1 -W1 10.0.0.1
        ip -n lan neigh show 10.0.0.1 | awk '{print $5}'; cat /sys/class/net/up0/address";
    let macs = host.sh(asked);
    let macs: Vec<&str> = macs.lines().rev().take(2).collect();
    assert_eq!(macs[0], macs[1], "the host has one hardware address on the LAN");
    host.engine().detach(&sandbox("new:red"), None).unwrap();
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    same(&clean, &host.snapshot());
}

#[test]
fn private_macvlans_do_not_reach_each_other() {
    let host = Host::new();
    outside(&host);
    host.create(&lan("macvlan", Some("private")));
    host.engine().attach(&endpoint("new:red")).unwrap();
    host.engine().attach(&endpoint("new:blue")).unwrap();
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    assert_eq!(reaches(&host, "red", "10.0.0.49", "fd00:aa::31"), [false; 2]);
}

#[test]
fn one_sandbox_has_a_passthru_and_it_has_the_parents_address() {
    let host = Host::new();
    outside(&host);
    host.sh("ip addr flush dev up0");
    host.create(&lan("macvlan", Some("passthru")));
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!(row.mac, None);
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&endpoint("new:blue")));
    assert_eq!(code, Code::ParentTaken, "{text}");
    assert!(text.contains("new:red") || text.contains("netns:red"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_parent_that_somebody_uses_otherwise_is_refused() {
    let host = Host::new();
    outside(&host);
    host.create(&lan("macvlan", None));
    host.sh("ip link add br9 type bridge; ip link add p9 type ifb; ip link set p9 up
        ip link add q9 type ifb; ip link set q9 up; ip link set q9 master br9
        ip link add m9 link p9 type macvlan mode passthru; ip link set m9 up
        ip link add d9 type ifb");
    let before = host.snapshot();
    let second = |mode, link_mode, parent: &str| RawNetwork {
        name: "second".into(),
        subnet: vec!["10.7.0.0/24".into()],
        gateway: Vec::new(),
        range: vec!["10.7.0.0/25".into()],
        parent: Some(parent.into()),
        ..lan(mode, link_mode)
    };
    for (raw, code, word) in [
        (second("macvlan", Some("passthru"), "up0"), Code::ParentTaken, "network lan"),
        (second("ipvlan", None, "up0"), Code::ParentTaken, "network lan"),
        (second("macvlan", None, "p9"), Code::ParentTaken, "m9"),
        (second("macvlan", None, "m9"), Code::ParentUnfit, "--parent p9"),
        (second("macvlan", None, "q9"), Code::ParentUnfit, "--parent br9"),
        (second("vlan", None, "none"), Code::ParentUnfit, "none"),
        (second("macvlan", None, "d9"), Code::ParentUnfit, "ip link set d9 up"),
        (second("macvlan", None, "lo"), Code::ParentUnfit, "loopback"),
    ] {
        let raw = RawNetwork { vlan: (raw.mode.as_deref() == Some("vlan")).then_some(7), ..raw };
        let (found, text) = said(host.engine().create_network(&raw.check().unwrap()));
        assert_eq!(found, code, "{text}");
        assert!(text.contains(word), "{word}: {text}");
        same(&before, &host.snapshot());
    }
    let large = RawNetwork { mtu: Some(9000), ..second("macvlan", None, "up0") };
    let (code, text) = said(host.engine().create_network(&large.check().unwrap()));
    assert_eq!((code, text.contains("--mtu 1500")), (Code::ParentUnfit, true), "{text}");
    let (code, text) = said(host.engine().attach(&wish("new:red", &[], Some(1501))));
    assert_eq!((code, text.contains("--mtu 1500")), (Code::ParentUnfit, true), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_parent_that_went_down_or_away_refuses_attachments() {
    let host = Host::new();
    outside(&host);
    host.create(&lan("macvlan", None));
    for (change, word) in [("ip link set up0 down", "up0 up"), ("ip link del up0", "up0")] {
        host.sh(change);
        let before = host.snapshot();
        let (code, text) = said(host.engine().attach(&endpoint("new:red")));
        assert_eq!(code, Code::ParentUnfit, "{text}");
        assert!(text.contains(word), "{text}");
        same(&before, &host.snapshot());
    }
}

/// A second interface of the host, with all that people give one.
pub(crate) fn card(host: &Host) {
    host.sh("ip link add nic0 address 02:00:00:00:00:0c type veth peer name eth1 netns lan
        ip -n lan link set eth1 up; ip -n lan addr add 10.5.0.2/24 dev eth1
        ip -n lan addr add fd00:5::2/64 dev eth1 nodad
        ip link set nic0 mtu 1400 up alias uplink-2
        ip link property add dev nic0 altname enp3s0; sysctl -qw net.ipv4.conf.nic0.rp_filter=2
        ip addr add 10.5.0.1/24 dev nic0; ip addr add fd00:5::1/64 dev nic0 nodad
        ip route add 10.6.0.0/24 via 10.5.0.9; ip route add fd00:6::/64 via fd00:5::9");
}

/// A network of the interface that [`card`] makes.
fn lent() -> RawNetwork {
    RawNetwork {
        parent: Some("nic0".into()),
        subnet: vec!["10.5.0.0/24".into(), "fd00:5::/64".into()],
        gateway: vec!["10.5.0.2".into(), "fd00:5::2".into()],
        range: vec!["10.5.0.48/28".into(), "fd00:5::30/124".into()],
        ..lan("host-device", None)
    }
}

#[test]
fn an_interface_of_the_host_is_lent_and_given_back_as_it_was() {
    let host = Host::new();
    outside(&host);
    card(&host);
    let clean = host.snapshot();
    host.create(&lent());
    host.sh("ip netns add red");
    let before = host.snapshot();
    for (name, address) in [("netns:red", "10.5.0.48/24"), ("new:blue", "10.5.0.49/24")] {
        let row = host.engine().attach(&endpoint(name)).unwrap().row;
        assert_eq!((row.addresses[0].as_str(), row.mac), (address, None));
        let (_, ns) = name.split_once(':').unwrap();
        answered(&host, ns, "10.5.0.2", "fd00:5::2");
        assert!(!host.works("ip link show nic0"));
        assert!(host.engine().check().unwrap().is_empty());
        let (code, text) = said(host.engine().attach(&endpoint("new:green")));
        assert_eq!((code, text.contains(ns)), (Code::ParentTaken, true), "{text}");
        host.engine().detach(&sandbox(name), None).unwrap();
        same(&before, &host.snapshot());
    }
    host.sh("ip netns del red");
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    same(&clean, &host.snapshot());
}

#[test]
fn the_hosts_own_way_out_is_not_lent() {
    let host = Host::new();
    outside(&host);
    card(&host);
    let raw = |parent: &str| RawNetwork {
        parent: Some(parent.into()),
        subnet: vec!["10.5.0.0/24".into()],
        gateway: vec![],
        range: vec!["10.5.0.48/28".into()],
        ..lan("host-device", None)
    };
    let before = host.snapshot();
    let (code, text) = said(host.engine().create_network(&raw("up0").check().unwrap()));
    assert_eq!(code, Code::ParentTaken, "{text}");
    assert!(text.contains("the host's own way out leads over up0"), "{text}");
    same(&before, &host.snapshot());
    // It may have become that since.
    host.create(&raw("nic0"));
    let default = |over: &str| format!("ip route replace default via {over}");
    host.sh(&default("10.5.0.2 dev nic0"));
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&endpoint("new:red")));
    assert_eq!((code, text.contains("over nic0")), (Code::ParentTaken, true), "{text}");
    same(&before, &host.snapshot());
    host.sh(&default("10.0.0.2 dev up0"));
    host.engine().attach(&endpoint("new:red")).unwrap();
}

#[test]
fn an_address_that_somebody_on_the_wire_has_is_refused_with_who_has_it() {
    let host = Host::new();
    outside(&host);
    host.create(&lan("macvlan", None));
    host.sh("ip -n lan addr add 10.0.0.51/24 dev eth0
        ip -n lan addr add fd00:aa::34/64 dev eth0 nodad");
    let mac = host.sh("ip netns exec lan cat /sys/class/net/eth0/address");
    let before = host.snapshot();
    for ip in ["10.0.0.51", "fd00:aa::34"] {
        let (code, text) = said(host.engine().attach(&wish("new:red", &[ip], None)));
        assert_eq!(code, Code::AddrTaken, "{text}");
        for word in [ip, mac.trim(), "up0"] {
            assert!(text.contains(word), "{word}: {text}");
        }
        same(&before, &host.snapshot());
    }
    let (code, text) = said(host.engine().attach(&wish("new:red", &["10.0.0.1"], None)));
    assert_eq!((code, text.contains("of this host")), (Code::AddrTaken, true), "{text}");
    same(&before, &host.snapshot());
    // The range gives the next one that is free in both families.
    let names = ["new:a", "new:b", "new:c", "new:d"];
    let rows = names.map(|name| host.engine().attach(&endpoint(name)).unwrap().row);
    assert_eq!(rows.map(|row| row.addresses[0].clone())[3], "10.0.0.53/24");
}

#[test]
fn what_stands_on_an_interface_of_the_host_keeps_it_there() {
    let host = Host::new();
    outside(&host);
    card(&host);
    host.create(&lent());
    host.sh("ip link add m9 link nic0 type macvlan mode bridge");
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&endpoint("new:red")));
    assert_eq!((code, text.contains("m9")), (Code::ParentTaken, true), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn an_interface_that_is_not_hardware_goes_with_the_sandbox_and_nothing_is_left() {
    let host = Host::new();
    outside(&host);
    let before = host.snapshot();
    card(&host);
    host.create(&lent());
    host.sh("ip netns add red");
    host.engine().attach(&endpoint("netns:red")).unwrap();
    // The kernel clears a namespace away some time after its name.
    host.sh("ip netns del red
        for i in $(seq 100); do ip -n lan link show eth1 >/dev/null 2>&1 || exit 0; sleep 0.1; done
        exit 1");
    let detached = host.engine().gc().unwrap();
    assert_eq!(detached.len(), 1, "{detached:?}");
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn a_tap_is_there_for_a_process_and_gone_without_a_trace() {
    let host = Host::new();
    let before = host.snapshot();
    host.create(&RawNetwork { owner: Some(1000), multi_queue: true, ..tap("lan") });
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!(row.addresses, ["10.1.0.1/24", "fd00:1::1/64"]);
    assert_eq!(host.sh("ip -n red route show default; ip -n red -6 route show default"), "");
    let shown = host.sh("ip -n red -d link show eth0");
    assert!(shown.contains("tun type tap") && shown.contains(" user "), "{shown}");
    assert!(shown.contains("multi_queue"), "{shown}");
    assert!(host.engine().check().unwrap().is_empty());
    host.engine().detach(&sandbox("new:red"), None).unwrap();
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn a_sandbox_that_died_leaves_no_host_route() {
    let host = Host::new();
    outside(&host);
    host.create(&RawNetwork { host_link: true, ..lan("macvlan", None) });
    let before = host.snapshot();
    host.sh("ip netns add red");
    host.engine().attach(&endpoint("netns:red")).unwrap();
    host.sh("ip netns del red");
    assert_eq!(host.engine().gc().unwrap().len(), 1);
    same(&before, &host.snapshot());
}

#[test]
fn ipvlans_vlans_and_dummies() {
    if !vm::inside() {
        return vm::run("direct::ipvlans_vlans_and_dummies");
    }
    crate::twin::in_the_machine();
    ipvlans_on_the_wire();
    ipvlans_by_the_hosts_routes("l3");
    ipvlans_by_the_hosts_routes("l3s");
    one_vlan();
    a_dummy();
}

fn ipvlans_on_the_wire() {
    let host = Host::new();
    outside(&host);
    let before = host.snapshot();
    host.create(&lan("ipvlan", None));
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!((row.mac, row.leg), (None, None));
    host.engine().attach(&endpoint("new:blue")).unwrap();
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    answered(&host, "lan", "10.0.0.49", "fd00:aa::31");
    answered(&host, "red", "10.0.0.49", "fd00:aa::31");
    let macvlan = RawNetwork { name: "other".into(), ..lan("macvlan", None) };
    let macvlan = RawNetwork { subnet: vec![], range: vec![], gateway: vec![], ..macvlan };
    let (code, text) = said(host.engine().create_network(&macvlan.check().unwrap()));
    assert_eq!(code, Code::ParentTaken, "{text}");
    gone(&host, &["new:red", "new:blue"]);
    same(&before, &host.snapshot());
}

fn ipvlans_by_the_hosts_routes(mode: &str) {
    let host = Host::new();
    outside(&host);
    let before = host.snapshot();
    host.create(&RawNetwork {
        subnet: vec!["10.7.0.0/24".into(), "fd00:7::/64".into()],
        gateway: vec![],
        range: vec![],
        ..lan("ipvlan", Some(mode))
    });
    host.sh("ip -n lan route add 10.7.0.0/24 via 10.0.0.1 || true
        ip -n lan route add 10.7.0.0/24 dev eth0 metric 9 || true");
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!(row.addresses, ["10.7.0.1/24", "fd00:7::1/64"]);
    host.engine().attach(&endpoint("new:blue")).unwrap();
    let route = host.sh("ip -n red route show default; ip -n red -6 route show default");
    assert!(route.starts_with("default dev eth0"), "{route}");
    answered(&host, "red", "10.7.0.2", "fd00:7::2");
    host.sh("ip -n lan route add fd00:7::/64 via fd00:aa::1");
    answered(&host, "red", "10.0.0.2", "fd00:aa::2");
    gone(&host, &["new:red", "new:blue"]);
    same(&before, &{
        host.sh("ip -n lan route flush 10.7.0.0/24; ip -n lan -6 route flush fd00:7::/64");
        host.snapshot()
    });
}

fn one_vlan() {
    let host = Host::new();
    outside(&host);
    let before = host.snapshot();
    host.create(&RawNetwork { vlan: Some(10), ..lan("vlan", None) });
    host.sh("ip -n lan link add link eth0 name eth0.10 type vlan id 10
        ip -n lan link set eth0.10 up; ip -n lan addr add 10.0.0.3/32 dev eth0.10
        ip -n lan route add 10.0.0.48/28 dev eth0.10 src 10.0.0.3");
    host.engine().attach(&endpoint("new:red")).unwrap();
    host.sh("ip netns exec lan ping -qc1 -w8 10.0.0.48");
    let (code, text) = said(host.engine().attach(&endpoint("new:blue")));
    assert_eq!((code, text.contains("netns:red")), (Code::ParentTaken, true), "{text}");
    gone(&host, &["new:red"]);
    host.create(&RawNetwork { vlan: Some(10), ..lan("vlan", None) });
    host.sh("ip link add link up0 name mine type vlan id 10");
    let (code, text) = said(host.engine().attach(&endpoint("new:blue")));
    assert_eq!((code, text.contains("kernel:")), (Code::ParentTaken, true), "{text}");
    host.sh("ip link del mine; ip -n lan link del eth0.10");
    gone(&host, &[]);
    same(&before, &host.snapshot());
}

fn a_dummy() {
    let host = Host::new();
    let before = host.snapshot();
    let subnet = vec!["10.1.0.0/24".into(), "fd00:1::/64".into()];
    let mode = Some("dummy".into());
    host.create(&RawNetwork { name: "lan".into(), mode, subnet, ..RawNetwork::default() });
    let row = host.engine().attach(&endpoint("new:red")).unwrap().row;
    assert_eq!(row.addresses, ["10.1.0.1/24", "fd00:1::1/64"]);
    answered(&host, "red", "10.1.0.1", "fd00:1::1");
    gone(&host, &["new:red"]);
    same(&before, &host.snapshot());
}

/// Takes everything away again.
fn gone(host: &Host, sandboxes: &[&str]) {
    for name in sandboxes {
        host.engine().detach(&sandbox(name), None).unwrap();
    }
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
}
