//! Specs in, plans out, a line a change, as `ropewalk plan` shows them.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod uplink;

use expect_test::{Expect, expect};
use ropewalk_facts::{Body, Id, Ns, Snapshot};
use ropewalk_plan::{Plan, describe, predict};
use ropewalk_spec::{Network, Publish, RawNetwork};

use crate::{HostFacts, Near, Wiring};

fn raw(mode: &str, subnets: &[&str]) -> RawNetwork {
    RawNetwork {
        name: "web".into(),
        mode: Some(mode.into()),
        subnet: subnets.iter().map(ToString::to_string).collect(),
        ..RawNetwork::default()
    }
}

fn host() -> HostFacts {
    HostFacts { uplink: Some("up0".parse().unwrap()), mtu: 1500, ..HostFacts::default() }
}

/// What `plan` changes on a host where nothing is known, the constant rule set left out.
fn changes(plan: &Plan) -> String {
    let changes = predict(plan, &mut Snapshot::default()).unwrap();
    let base: Vec<Id> = crate::firewall::facts().iter().map(Body::id).collect();
    let shown = changes.iter().filter(|change| !base.contains(&change.key.id));
    let known: Snapshot =
        crate::firewall::facts().into_iter().map(|body| body.at(Ns::HOST)).collect();
    shown.map(|change| format!("{}\n", describe(change, &known))).collect()
}

fn network(raw: &RawNetwork, host: &HostFacts, expect: &Expect) {
    expect.assert_eq(&changes(&crate::network(&raw.check().unwrap(), host).unwrap()));
}

fn attach(raw: &RawNetwork, addresses: &[&str], ports: &[&str], host: &HostFacts, expect: &Expect) {
    limited(raw, addresses, ports, host, [None, None], expect);
}

fn limited(
    raw: &RawNetwork,
    addresses: &[&str],
    ports: &[&str],
    host: &HostFacts,
    rates: [Option<&str>; 2],
    expect: &Expect,
) {
    let network: Network = raw.check().unwrap();
    let publish: Vec<Publish> = ports.iter().map(|port| port.parse().unwrap()).collect();
    let [rate_in, rate_out] = rates.map(|rate| rate.map(|text| text.parse().unwrap()));
    let wiring = Wiring {
        network: &network,
        ns: Ns::new("netns:red"),
        make_ns: None,
        parent: host.parent.clone(),
        ifname: "eth0".parse().unwrap(),
        leg: "rw1".parse().unwrap(),
        altname: "ropewalk.netns-red.eth0".into(),
        alias: "red:eth0".into(),
        mac: Some("02:72:00:00:00:01".parse().unwrap()),
        mtu: 1500,
        addresses: addresses.iter().map(|net| net.parse().unwrap()).collect(),
        default_metric: network.default_route.then_some(0),
        allow_spoofing: false,
        publish: &publish,
        rate_in,
        rate_out,
        allow_in: &[],
        allow_out: &[],
    };
    expect.assert_eq(&changes(&crate::attach(&wiring, host).unwrap()));
}

#[test]
fn a_bridge_network_in_both_families() {
    network(
        &raw("bridge", &["192.168.15.0/24", "fd00:15::/64"]),
        &host(),
        &expect![[r#"
            ~ net/ipv4/ip_forward = 1
            ~ net/ipv6/conf/all/forwarding = 1
            + link rw-web bridge, address 02:72:c4:8c:cc:4e, mtu 1500, up, altname ropewalk.network.web, group 2048355298
            ~ net/ipv6/conf/rw-web/accept_ra = 0
            ~ net/ipv6/conf/rw-web/accept_dad = 0
            ~ net/ipv4/conf/rw-web/route_localnet = 1
            + address 192.168.15.1/24 dev rw-web
            + address fd00:15::1/64 dev rw-web nodad
            + element inet ropewalk direct4 { 192.168.15.0/24 . 192.168.15.0/24 }
            + element inet ropewalk direct6 { fd00:15::/64 . fd00:15::/64 }
            + element inet ropewalk masq4 { 192.168.15.0/24 }
            + element inet ropewalk masq6 { fd00:15::/64 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk closed { 2048355298 }
            + element inet ropewalk gateways4 { 2048355298 . 192.168.15.1 }
            + element inet ropewalk gateways6 { 2048355298 . fd00:15::1 }
        "#]],
    );
}

#[test]
fn an_internal_bridge_has_a_gateway_and_no_way_out() {
    let raw = RawNetwork { internal: true, ..raw("bridge", &["192.168.15.0/24"]) };
    network(
        &raw,
        &host(),
        &expect![[r#"
            + link rw-web bridge, address 02:72:c4:8c:cc:4e, mtu 1500, up, altname ropewalk.network.web, group 2048355298
            ~ net/ipv6/conf/rw-web/accept_ra = 0
            ~ net/ipv6/conf/rw-web/accept_dad = 0
            ~ net/ipv4/conf/rw-web/route_localnet = 1
            + address 192.168.15.1/24 dev rw-web
            + element inet ropewalk direct4 { 192.168.15.0/24 . 192.168.15.0/24 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk closed { 2048355298 }
            + element inet ropewalk gateways4 { 2048355298 . 192.168.15.1 }
            + element inet ropewalk internal { "rw-web" }
            + element inet ropewalk bridged { "rw-web" . "rw-web" }
        "#]],
    );
}

#[test]
fn a_bridge_for_frames_only_has_no_address() {
    network(
        &RawNetwork { l2: true, ..raw("bridge", &[]) },
        &host(),
        &expect![[r#"
            + link rw-web bridge, address 02:72:c4:8c:cc:4e, mtu 1500, up, altname ropewalk.network.web, group 2048355298
            ~ net/ipv6/conf/rw-web/disable_ipv6 = 1
            + element inet ropewalk internal { "rw-web" }
            + element inet ropewalk bridged { "rw-web" . "rw-web" }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk closed { 2048355298 }
        "#]],
    );
}

#[test]
fn a_bridge_that_was_there_is_not_marked() {
    let raw = RawNetwork { bridge: Some("docker0".into()), ..raw("bridge", &["172.17.0.0/16"]) };
    network(
        &raw,
        &HostFacts { foreign_bridge: true, ..host() },
        &expect![[r#"
        ~ net/ipv4/ip_forward = 1
        + link docker0 bridge, up
        ~ net/ipv6/conf/docker0/accept_ra = 0
        ~ net/ipv4/conf/docker0/route_localnet = 1
        + address 172.17.0.1/16 dev docker0
        + element inet ropewalk direct4 { 172.17.0.0/16 . 172.17.0.0/16 }
        + element inet ropewalk masq4 { 172.17.0.0/16 }
    "#]],
    );
}

#[test]
fn forwarding_leaves_an_uplink_that_lives_on_router_advertisements_alive() {
    let host = HostFacts { uplink_takes_ra: true, ..host() };
    network(
        &raw("routed", &["fd00:9::/64"]),
        &host,
        &expect![[r#"
            ~ net/ipv6/conf/up0/accept_ra = 2
            ~ net/ipv6/conf/all/forwarding = 1
            + route unreachable fd00:9::/64 metric 4294967295 proto 114
            + element inet ropewalk direct6 { fd00:9::/64 . fd00:9::/64 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk gateways6 { 2048355298 . fe80::1 }
        "#]],
    );
}

#[test]
fn what_may_be_another_hosts_is_told_to_no_speaker_and_ends_here_all_the_same() {
    let nets = ["10.9.0.0/24", "fd00:9::/64", "10.9.7.9/32"];
    let own = nets.map(str::to_owned).into();
    let raw = RawNetwork { own, fenced: true, ..raw("routed", &nets) };
    let all = changes(&crate::network(&raw.check().unwrap(), &host()).unwrap());
    let ends: Vec<&str> = all.lines().filter(|line| line.contains("unreachable")).collect();
    expect![[r#"
        + route unreachable 10.9.0.0/25 metric 4294967295 proto 114
        + route unreachable 10.9.0.128/25 metric 4294967295 proto 114
        + route unreachable fd00:9::/65 metric 4294967295 proto 114
        + route unreachable fd00:9:0:0:8000::/65 metric 4294967295 proto 114"#]]
    .assert_eq(&ends.join("\n"));
}

#[test]
fn a_routed_network_with_fixed_sources_either_way() {
    let raw = RawNetwork {
        masquerade: vec!["198.51.100.7".into()],
        masquerade_in: vec!["yes".into()],
        ..raw("routed", &["10.9.0.0/24"])
    };
    network(
        &raw,
        &host(),
        &expect![[r#"
            ~ net/ipv4/ip_forward = 1
            + route unreachable 10.9.0.0/24 metric 4294967295 proto 114
            + element inet ropewalk direct4 { 10.9.0.0/24 . 10.9.0.0/24 }
            + element inet ropewalk snat4 { 10.9.0.0/24 : 198.51.100.7 }
            + element inet ropewalk masq_in4 { 10.9.0.0/24 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk gateways4 { 2048355298 . 169.254.1.1 }
        "#]],
    );
}

#[test]
fn a_bridged_sandbox() {
    let raw = raw("bridge", &["192.168.15.0/24", "fd00:15::/64"]);
    attach(
        &raw,
        &["192.168.15.2/24", "fd00:15::2/64"],
        &[],
        &host(),
        &expect![[r#"
            + element bridge ropewalk legs { "rw1" }
            + element bridge ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element bridge ropewalk own4 { "rw1" . 192.168.15.2 }
            + element bridge ropewalk own6 { "rw1" . 0xfd000015000000000000000000000002 }
            + element bridge ropewalk own6 { "rw1" . 0xfe80000000000000007200fffe000001 }
            + link rw1 veth, peer eth0 in netns:red, master rw-web, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ member rw1 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            ~ net/ipv6/conf/eth0/disable_ipv6 = 0 in netns:red
            + address 192.168.15.2/24 dev eth0 in netns:red
            + address fd00:15::2/64 dev eth0 nodad in netns:red
            + route default via 192.168.15.1 dev eth0 proto 114 in netns:red
            + route default via fd00:15::1 dev eth0 proto 114 in netns:red
        "#]],
    );
}

#[test]
fn a_bridged_sandbox_that_publishes_where_bridged_packets_pass_the_ip_hooks() {
    let host = HostFacts { bridge_netfilter: true, ..host() };
    let ports = ["8080:80", "192.0.2.1:53:53/udp", "9000-9001:90-91/sctp"];
    attach(
        &raw("bridge", &["192.168.15.0/24"]),
        &["192.168.15.2/24"],
        &ports,
        &host,
        &expect![[r#"
            + element bridge ropewalk legs { "rw1" }
            + element bridge ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element bridge ropewalk own4 { "rw1" . 192.168.15.2 }
            + link rw1 veth, peer eth0 in netns:red, master rw-web, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ member rw1 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            + address 192.168.15.2/24 dev eth0 in netns:red
            + route default via 192.168.15.1 dev eth0 proto 114 in netns:red
            ~ member rw1 hairpin off → on
            + element inet ropewalk publish4 { tcp . 8080 : 192.168.15.2 . 80 }
            + element inet ropewalk publish_at4 { 192.0.2.1 . udp . 53 : 192.168.15.2 . 53 }
            + element inet ropewalk publish4 { sctp . 9000 : 192.168.15.2 . 90 }
            + element inet ropewalk publish4 { sctp . 9001 : 192.168.15.2 . 91 }
        "#]],
    );
}

#[test]
fn a_routed_sandbox() {
    let raw = raw("routed", &["10.9.0.0/24", "fd00:9::/64"]);
    attach(
        &raw,
        &["10.9.0.1/24", "fd00:9::1/64"],
        &["8080:80"],
        &host(),
        &expect![[r#"
            + element inet ropewalk legs { "rw1" }
            + element inet ropewalk own4 { "rw1" . 10.9.0.1 }
            + element inet ropewalk own6 { "rw1" . 0xfd000009000000000000000000000001 }
            + element inet ropewalk own6 { "rw1" . 0xfe80000000000000007200fffe000001 }
            + element arp ropewalk legs { "rw1" }
            + element arp ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element arp ropewalk own4 { "rw1" . 10.9.0.1 }
            + link rw1 veth, peer eth0 in netns:red, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0, group 2048355298
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            ~ net/ipv6/conf/eth0/disable_ipv6 = 0 in netns:red
            ~ net/ipv6/conf/rw1/accept_ra = 0
            + address 10.9.0.1/32 dev eth0 in netns:red
            + address 169.254.1.1/32 dev rw1
            + route 169.254.1.1/32 dev eth0 proto 114 in netns:red
            + route 10.9.0.1/32 dev rw1 proto 114
            + route default via 169.254.1.1 dev eth0 proto 114 in netns:red
            + address fd00:9::1/128 dev eth0 nodad in netns:red
            + address fe80::1/128 dev rw1 nodad
            + route fe80::1/128 dev eth0 proto 114 in netns:red
            + route fd00:9::1/128 dev rw1 proto 114
            + route default via fe80::1 dev eth0 proto 114 in netns:red
            ~ net/ipv4/conf/rw1/route_localnet = 1
            + element inet ropewalk publish4 { tcp . 8080 : 10.9.0.1 . 80 }
            + element inet ropewalk publish6 { tcp . 8080 : fd00:9::1 . 80 }
        "#]],
    );
}

#[test]
fn a_flat_network_answers_at_once_for_what_hangs_on_its_parent() {
    network(
        &raw("flat", &["10.0.0.0/24", "fd00:aa::/64"]),
        &HostFacts { parent: Some("up0".parse().unwrap()), ..host() },
        &expect![[r#"
            ~ net/ipv4/ip_forward = 1
            ~ net/ipv6/conf/all/forwarding = 1
            ~ net/ipv4/neigh/up0/proxy_delay = 0
            ~ net/ipv6/neigh/up0/proxy_delay = 0
            ~ net/ipv6/conf/all/proxy_ndp = 1
            + element inet ropewalk direct4 { 10.0.0.0/24 . 10.0.0.0/24 }
            + element inet ropewalk direct6 { fd00:aa::/64 . fd00:aa::/64 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk gateways4 { 2048355298 . 169.254.1.1 }
            + element inet ropewalk gateways6 { 2048355298 . fe80::1 }
        "#]],
    );
}

#[test]
fn a_flat_sandbox_is_wired_as_a_routed_one_and_answered_for() {
    attach(
        &raw("flat", &["10.0.0.0/24", "fd00:aa::/64"]),
        &["10.0.0.50/24", "fd00:aa::50/64"],
        &[],
        &HostFacts { parent: Some("up0".parse().unwrap()), ..host() },
        &expect![[r#"
            + element inet ropewalk legs { "rw1" }
            + element inet ropewalk own4 { "rw1" . 10.0.0.50 }
            + element inet ropewalk own6 { "rw1" . 0xfd0000aa000000000000000000000050 }
            + element inet ropewalk own6 { "rw1" . 0xfe80000000000000007200fffe000001 }
            + element arp ropewalk legs { "rw1" }
            + element arp ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element arp ropewalk own4 { "rw1" . 10.0.0.50 }
            + link rw1 veth, peer eth0 in netns:red, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0, group 2048355298
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            ~ net/ipv6/conf/eth0/disable_ipv6 = 0 in netns:red
            ~ net/ipv6/conf/rw1/accept_ra = 0
            + address 10.0.0.50/32 dev eth0 in netns:red
            + address 169.254.1.1/32 dev rw1
            + route 169.254.1.1/32 dev eth0 proto 114 in netns:red
            + route 10.0.0.50/32 dev rw1 proto 114
            + route default via 169.254.1.1 dev eth0 proto 114 in netns:red
            + address fd00:aa::50/128 dev eth0 nodad in netns:red
            + address fe80::1/128 dev rw1 nodad
            + route fe80::1/128 dev eth0 proto 114 in netns:red
            + route fd00:aa::50/128 dev rw1 proto 114
            + route default via fe80::1 dev eth0 proto 114 in netns:red
            + neigh proxy 10.0.0.50 dev up0 protocol 114
            + neigh proxy fd00:aa::50 dev up0 protocol 114
        "#]],
    );
}

#[test]
fn rates_are_kept_on_the_hosts_side() {
    limited(
        &raw("bridge", &["192.168.15.0/24"]),
        &["192.168.15.2/24"],
        &[],
        &host(),
        [Some("10M"), Some("1G/64k")],
        &expect![[r#"
            + element bridge ropewalk legs { "rw1" }
            + element bridge ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element bridge ropewalk own4 { "rw1" . 192.168.15.2 }
            + link rw1 veth, peer eth0 in netns:red, master rw-web, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ member rw1 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            + address 192.168.15.2/24 dev eth0 in netns:red
            + route default via 192.168.15.1 dev eth0 proto 114 in netns:red
            + qdisc dev rw1 root tbf rate 1250000bps burst 13312 limit 75812
            + link ro1 ifb, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.out.ro1, alias red:eth0 out
            + qdisc dev ro1 root tbf rate 125000000bps burst 64512 limit 6314512
            + qdisc dev rw1 ingress
            + filter dev rw1 ingress pref 1 protocol all u32 match u32 0 0 action mirred egress redirect dev ro1
        "#]],
    );
}

#[test]
fn a_tunnel_leads_to_each_block_of_each_peer() {
    let raw = RawNetwork {
        vni: Some(42),
        peer: vec!["192.168.1.12=10.5.2.0/24,fd00:5:2::/64".into()],
        far: ["8080:80=10.5.2.7", "81:81=10.5.2.7", "53:53/udp=fd00:5:2::7"].map(Into::into).into(),
        ..raw("vxlan", &["10.5.1.0/24", "fd00:5:1::/64"])
    };
    let underlay = Some("192.168.1.11".parse().unwrap());
    let host = HostFacts { underlay, mtu: 1450, ..host() };
    network(
        &raw,
        &host,
        &expect![[r#"
            ~ net/ipv4/ip_forward = 1
            ~ net/ipv6/conf/all/forwarding = 1
            + link rw-web bridge, address 02:72:c4:8c:cc:4e, mtu 1450, up, altname ropewalk.network.web, group 2048355298
            ~ net/ipv6/conf/rw-web/accept_ra = 0
            ~ net/ipv6/conf/rw-web/accept_dad = 0
            ~ net/ipv4/conf/rw-web/route_localnet = 1
            + address 10.5.1.1/24 dev rw-web
            + address fd00:5:1::1/64 dev rw-web nodad
            + element inet ropewalk direct4 { 10.5.1.0/24 . 10.5.1.0/24 }
            + element inet ropewalk direct6 { fd00:5:1::/64 . fd00:5:1::/64 }
            + element inet ropewalk masq4 { 10.5.1.0/24 }
            + element inet ropewalk masq6 { fd00:5:1::/64 }
            + element inet ropewalk inside { 2048355298 }
            + element inet ropewalk joined { 2048355298 . 2048355298 }
            + element inet ropewalk closed { 2048355298 }
            + element inet ropewalk gateways4 { 2048355298 . 10.5.1.1 }
            + element inet ropewalk gateways6 { 2048355298 . fd00:5:1::1 }
            + link rwv-web vxlan id 42 dstport 4789 local 192.168.1.11 nolearning, address 02:72:f8:d6:c8:41, mtu 1450, up, altname ropewalk.tunnel.web, group 2048355298
            ~ net/ipv6/conf/rwv-web/accept_ra = 0
            + fdb 02:72:2c:14:c0:12 dev rwv-web self dst 192.168.1.12 permanent
            + neigh 10.5.2.0 lladdr 02:72:2c:14:c0:12 dev rwv-web nud permanent protocol 114
            + route 10.5.2.0/24 via 10.5.2.0 dev rwv-web onlink proto 114 scope 48 src 10.5.1.1
            + neigh fd00:5:2:: lladdr 02:72:2c:14:c0:12 dev rwv-web nud permanent protocol 114
            + route fd00:5:2::/64 via fd00:5:2:: dev rwv-web onlink proto 114 src fd00:5:1::1
            + element inet ropewalk direct4 { 10.5.1.0/24 . 10.5.2.0/24 }
            + element inet ropewalk direct6 { fd00:5:1::/64 . fd00:5:2::/64 }
            + element inet ropewalk direct4 { 10.5.2.0/24 . 10.5.1.0/24 }
            + element inet ropewalk direct6 { fd00:5:2::/64 . fd00:5:1::/64 }
            + element inet ropewalk far6 { fd00:5:2::7 : fd00:5:1::1 }
            + element inet ropewalk publish6 { udp . 53 : fd00:5:2::7 . 53 }
            + element inet ropewalk far4 { 10.5.2.7 : 10.5.1.1 }
            + element inet ropewalk publish4 { tcp . 81 : 10.5.2.7 . 81 }
            + element inet ropewalk publish4 { tcp . 8080 : 10.5.2.7 . 80 }
        "#]],
    );
}

#[test]
fn a_routed_network_leads_to_its_peers_directly_or_through_a_tunnel() {
    let raw = RawNetwork {
        peer: vec![
            "192.168.1.12,fd00:1::12=10.5.2.0/24,fd00:5:2::/64".into(),
            "192.168.1.13,mtu:1400=10.5.3.0/24,fd00:5:3::/64".into(),
            "192.168.9.14,mtu:1400=10.5.4.0/24".into(),
        ],
        far: vec!["8080:80=10.5.2.7".into(), "8081:80=10.5.4.7".into()],
        ..raw("routed", &["10.5.1.0/24", "fd00:5:1::/64"])
    };
    let near = [
        ("192.168.1.12", "192.168.1.11"),
        ("fd00:1::12", "fd00:1::11"),
        ("192.168.1.13", "192.168.1.11"),
    ];
    let near = near.map(|(ip, own)| {
        let (dev, own) = ("up0".parse().unwrap(), Some(own.parse().unwrap()));
        (ip.parse().unwrap(), Near { dev, own })
    });
    let underlay = Some("192.168.1.11".parse().unwrap());
    let host = HostFacts { underlay, near: near.into(), tunnel_mtu: 1450, ..host() };
    let all = changes(&crate::network(&raw.check().unwrap(), &host).unwrap());
    let ways = |line: &&str| {
        let others = ["rwv-web", " up0"].iter().any(|dev| line.contains(dev));
        others || line.contains("far4") || line.contains("10.5.2.") || line.contains("unreachable")
    };
    let ways: Vec<&str> = all.lines().filter(ways).collect();
    expect![[r#"
        + route unreachable 10.5.1.0/24 metric 4294967295 proto 114
        + route unreachable fd00:5:1::/64 metric 4294967295 proto 114
        + link rwv-web vxlan id 14355478 dstport 4789 local 192.168.1.11 nolearning, address 02:72:17:8a:be:57, mtu 1450, up, altname ropewalk.tunnel.web, group 2048355298
        ~ net/ipv6/conf/rwv-web/accept_ra = 0
        + address 10.5.1.0/32 dev rwv-web
        + address fd00:5:1::/128 dev rwv-web nodad
        + route 10.5.2.0/24 via 192.168.1.12 dev up0 proto 114 scope 75 src 192.168.1.11
        + route fd00:5:2::/64 via fd00:1::12 dev up0 proto 114 src fd00:1::11
        + route 10.5.3.0/24 via 192.168.1.13 dev up0 proto 114 scope 178 src 192.168.1.11 mtu 1400
        + fdb 02:72:7e:94:7a:a9 dev rwv-web self dst 192.168.1.13 permanent
        + neigh fd00:5:3:: lladdr 02:72:7e:94:7a:a9 dev rwv-web nud permanent protocol 114
        + route fd00:5:3::/64 via fd00:5:3:: dev rwv-web onlink proto 114 src fd00:5:1:: mtu 1350
        + fdb 02:72:49:cc:87:0f dev rwv-web self dst 192.168.9.14 permanent
        + neigh 10.5.4.0 lladdr 02:72:49:cc:87:0f dev rwv-web nud permanent protocol 114
        + route 10.5.4.0/24 via 10.5.4.0 dev rwv-web onlink proto 114 scope 51 src 10.5.1.0 mtu 1350
        + element inet ropewalk direct4 { 10.5.1.0/24 . 10.5.2.0/24 }
        + element inet ropewalk direct4 { 10.5.2.0/24 . 10.5.1.0/24 }
        + element inet ropewalk far4 { 10.5.2.7 : 192.168.1.11 }
        + element inet ropewalk publish4 { tcp . 8080 : 10.5.2.7 . 80 }
        + element inet ropewalk far4 { 10.5.4.7 : 10.5.1.0 }"#]].assert_eq(&ways.join("\n"));
    assert!(!all.contains("masq"), "{all}");
    // What is led to at once is part of it.
    let whole = crate::network(&raw.check().unwrap(), &host).unwrap();
    let lead = crate::lead(&raw.check().unwrap(), &host).unwrap();
    assert!(lead.steps().iter().all(|step| whole.steps().contains(step)));
    assert_eq!(lead.steps().len(), 9 + 10, "ways, and elements both ways");
}

#[test]
fn both_ends_know_the_hardware_address_of_a_tunnel_end() {
    let plan = |own: &str, subnet: &str, peer: &str| {
        let raw = RawNetwork { peer: vec![peer.into()], ..raw("vxlan", &[subnet]) };
        let host = HostFacts { underlay: Some(own.parse().unwrap()), ..host() };
        crate::network(&raw.check().unwrap(), &host).unwrap()
    };
    let one = plan("fd00::11", "10.5.1.0/24", "fd00::12=10.5.2.0/24");
    let two = plan("fd00::12", "10.5.2.0/24", "fd00::11=10.5.1.0/24");
    let bodies = |plan: &Plan| -> Vec<Body> {
        let changes = predict(plan, &mut Snapshot::default()).unwrap();
        changes.into_iter().filter_map(|change| change.new.map(|fact| fact.body)).collect()
    };
    let own = |plan: &Plan| {
        let links = bodies(plan).into_iter().filter_map(|b| b.as_link().cloned());
        links.filter(|link| link.name.as_str() == "rwv-web").find_map(|link| link.mac).unwrap()
    };
    let far = |plan: &Plan| {
        let far = |body: Body| if let Body::Fdb(fdb) = body { Some(fdb.key.mac) } else { None };
        bodies(plan).into_iter().find_map(far).unwrap()
    };
    assert_eq!((own(&one), own(&two)), (far(&two), far(&one)));
    assert_ne!(own(&one), own(&two));
}
