//! Plans as shell scripts.

use expect_test::expect;
use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, Fact, Fdb, FdbKey, Link, LinkKind, Mac, MemberFlags, MemberVlan, Neigh, NextHop,
    Ns, Route, RouteKey, RouteKind, Rule, RuleAction, Scope, Snapshot, VxlanSpec, nft, proto,
};
use ropewalk_plan::{Step, invert, predict, render};

use crate::world::{
    addr, bridge, built, changes, fdb, flags, host, lines, link_key, multipath, name, neigh, plan,
    red, route, sysctl, veth,
};

fn script(steps: impl IntoIterator<Item = Step>) -> String {
    let mut snap = Snapshot::default();
    render(&predict(&plan(steps), &mut snap).unwrap(), &Snapshot::default())
}

fn creates(facts: impl IntoIterator<Item = Fact>) -> String {
    script(facts.into_iter().map(Step::Create))
}

#[test]
fn an_attachment() {
    let mut leg = veth(&Ns::HOST, "leg", &red(), "eth0");
    leg.master = Some(name("rw-web"));
    leg.altnames = ["ropewalk.red.web".to_string()].into();
    let mut eth0 = veth(&red(), "eth0", &Ns::HOST, "leg");
    (eth0.mtu, eth0.mac) = (Some(1450), "02:00:00:00:00:02".parse().ok());
    let hairpin = MemberFlags { hairpin: Some(true), ..flags("leg") };
    expect![[r#"
        #!/bin/sh
        set -e
        ip netns add red
        ip link add name rw-web type bridge no_linklocal_learn 1
        ip link set dev rw-web mtu 1450 up
        ip addr add 10.9.0.1/24 dev rw-web
        ip addr add fd09::1/64 dev rw-web nodad
        sysctl -qw net/ipv4/ip_forward=1
        sysctl -qw 'net/ipv4/ip_local_port_range=10000 60000'
        ip link add name leg type veth peer name eth0 address 02:00:00:00:00:02 mtu 1450 netns red
        ip link set dev leg master rw-web up
        ip link property add dev leg altname ropewalk.red.web
        ip -n red link set dev eth0 up
        bridge link set dev leg hairpin on
        ip -n red addr add 10.9.0.2/24 dev eth0
        ip -n red route add default via 10.9.0.1 dev eth0 proto 114
        ip -n red -6 route add default via fd09::1 dev eth0 proto 114
        ip netns exec red sysctl -qw net/ipv6/conf/eth0/accept_ra=0
    "#]]
    .assert_eq(&script([
        Step::Create(host(Body::Netns("red".into()))),
        Step::Create(host(Body::Link(Link { mtu: Some(1450), ..bridge("rw-web") }))),
        Step::Create(host(addr("rw-web", "10.9.0.1/24"))),
        Step::Create(host(addr("rw-web", "fd09::1/64"))),
        Step::Ensure(host(sysctl("net/ipv4/ip_forward", "1"))),
        Step::Ensure(host(sysctl("net/ipv4/ip_local_port_range", "10000 60000"))),
        Step::Create(host(Body::Link(leg))),
        Step::Create(Body::Link(eth0).at(red())),
        Step::Ensure(host(Body::Member(hairpin))),
        Step::Create(addr("eth0", "10.9.0.2/24").at(red())),
        Step::Create(Body::Route(route("0.0.0.0/0", "eth0", "10.9.0.1")).at(red())),
        Step::Create(Body::Route(route("::/0", "eth0", "fd09::1")).at(red())),
        Step::Ensure(sysctl("net/ipv6/conf/eth0/accept_ra", "0").at(red())),
    ]));
}

#[test]
fn what_a_link_takes_and_the_vlans_of_a_member() {
    let vlan = |id, own| MemberVlan { id, pvid: own, untagged: own };
    let mut leg = veth(&Ns::HOST, "leg", &Ns::HOST, "eth0");
    leg.master = Some(name("br0"));
    (leg.promisc, leg.allmulti, leg.txqlen) = (Some(true), Some(false), Some(7));
    let member = MemberFlags { vlans: Some([vlan(9, true)].into()), ..flags("leg") };
    let of = |flags: &MemberFlags| Step::Ensure(host(Body::Member(flags.clone())));
    let bridge = Link { vlan_filtering: Some(true), ..bridge("br0") };
    let steps =
        [Step::Create(host(Body::Link(bridge))), Step::Create(host(Body::Link(leg))), of(&member)];
    let mut snap = Snapshot::default();
    let made = predict(&plan(steps), &mut snap).unwrap();
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name br0 type bridge no_linklocal_learn 1
        ip link set dev br0 up
        ip link set dev br0 type bridge vlan_filtering 1
        ip link add name leg type veth peer name eth0
        ip link set dev leg master br0 up promisc on txqueuelen 7
        bridge vlan del dev leg vid 1
        bridge vlan add dev leg vid 9 pvid untagged
    "#]]
    .assert_eq(&render(&made, &Snapshot::default()));
    let other = MemberFlags { vlans: Some([vlan(9, false), vlan(1, true)].into()), ..member };
    expect![[r#"
        ~ member leg vid 9 pvid untagged → vid 1 pvid untagged, vid 9
    "#]]
    .assert_eq(&lines(&changes(of(&other), &snap)));
    // What is usual is found as nothing said, and off is how a switch is.
    let usual = MemberFlags { vlans: Some(MemberVlan::usual()), ..flags("leg") };
    predict(&plan([of(&usual)]), &mut snap).unwrap();
    assert_eq!(changes(of(&usual), &snap), []);
    let found = snap.fact(&usual_key()).and_then(|fact| fact.body.as_member().cloned());
    assert_eq!(found.unwrap().vlans, None);
}

fn usual_key() -> ropewalk_facts::Key {
    ropewalk_facts::Id::Member(name("leg")).at(Ns::HOST)
}

#[test]
fn namespaces_are_entered_by_name_process_and_path() {
    let pair = |text: &str| {
        let ns = Ns::new(text);
        host(Body::Link(veth(&Ns::HOST, &format!("leg{}", text.len()), &ns, "eth0")))
    };
    let from_inside = Body::Link(veth(&red(), "in", &Ns::HOST, "out")).at(red());
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name leg7 type veth peer name eth0 netns 812
        ip link set dev leg7 up
        ip link add name leg12 type veth peer name eth0 netns '/run/my ns/x'
        ip link set dev leg12 up
        ip link add name leg10 type veth peer name eth0 netns "$(docker inspect -f '{{.State.Pid}}' web)"
        ip link set dev leg10 up
        ip -n red link add name in type veth peer name out netns $$
        ip -n red link set dev in up
        nsenter -t 812 -n ip addr add 10.9.0.2/24 dev eth0
        nsenter '--net=/run/my ns/x' sysctl -qw net/ipv4/conf/eth0.5/proxy_arp=1
        nsenter -t "$(docker inspect -f '{{.State.Pid}}' web)" -n bridge fdb replace 02:00:00:00:00:01 dev vx self permanent
    "#]]
    .assert_eq(&creates([
        pair("pid:812"),
        pair("/run/my ns/x"),
        pair("docker:web"),
        from_inside,
        addr("eth0", "10.9.0.2/24").at(Ns::new("pid:812")),
        sysctl("net/ipv4/conf/eth0.5/proxy_arp", "1").at(Ns::new("/run/my ns/x")),
        fdb("vx", 1, true).at(Ns::new("docker:web")),
    ]));
}

#[test]
fn names_that_the_shell_would_read_otherwise_are_quoted() {
    let mut odd = bridge("$(id);x");
    odd.altnames = ["it's".to_string()].into();
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name '$(id);x' type bridge no_linklocal_learn 1
        ip link set dev '$(id);x' up
        ip link property add dev '$(id);x' altname 'it'\''s'
        ip addr add 10.1.0.1/24 dev '$(id);x'
    "#]]
    .assert_eq(&creates([host(Body::Link(odd)), host(addr("$(id);x", "10.1.0.1/24"))]));
}

#[test]
fn routes() {
    let net = |net: &str| net.parse::<IpNet>().unwrap();
    let aside = RouteKey::new(100, net("10.1.0.0/16"), 50);
    let onlink =
        NextHop { via: "10.255.0.1".parse().ok(), dev: Some(name("a")), weight: 1, onlink: true };
    let nowhere = |dst: &str, kind| Route { kind, hops: vec![], ..route(dst, "a", "") };
    let global = |route: Route| Route { scope: Scope::GLOBAL, ..route };
    let full = Route {
        prefsrc: "10.1.0.1".parse().ok(),
        mtu: Some(1400),
        advmss: Some(1300),
        proto: proto::STATIC,
        hops: vec![onlink],
        ..global(route("10.2.0.0/16", "a", ""))
    };
    let local =
        Route { kind: RouteKind::Local, scope: Scope::HOST, ..route("10.4.0.0/24", "lo", "") };
    let via6 = Route { scope: Scope::GLOBAL, ..route("10.5.0.0/24", "a", "fe80::1") };
    expect![[r#"
        #!/bin/sh
        set -e
        ip route add 10.1.0.0/16 metric 50 table 100 dev a proto 114
        ip route add 10.2.0.0/16 via 10.255.0.1 dev a onlink proto static src 10.1.0.1 mtu 1400 advmss 1300
        ip route add 10.3.0.1/32 dev a proto 114 scope global
        ip route add blackhole 10.3.0.0/24 proto 114
        ip route add local 10.4.0.0/24 table 254 dev lo proto 114
        ip route add 10.5.0.0/24 via inet6 fe80::1 dev a proto 114
        ip -6 route add fd06::/64 proto 114 nexthop via fe80::1 dev a nexthop via fe80::2 dev b
        ip -6 route add unreachable fd07::/64 proto 114
        ip route add 10.8.0.0/24 nhid 7 proto 114
    "#]]
    .assert_eq(&creates(
        [
            Body::Route(Route::unicast(aside, name("a"), None)),
            Body::Route(full),
            Body::Route(global(route("10.3.0.1/32", "a", ""))),
            Body::Route(global(nowhere("10.3.0.0/24", RouteKind::Blackhole))),
            Body::Route(local),
            Body::Route(via6),
            multipath("fd06::/64", &[("a", "fe80::1"), ("b", "fe80::2")]),
            Body::Route(nowhere("fd07::/64", RouteKind::Unreachable)),
            Body::Route(Route {
                nhid: Some(7),
                ..global(nowhere("10.8.0.0/24", RouteKind::Blackhole))
            }),
        ]
        .map(host),
    ));
}

#[test]
fn rules_neighbours_and_forwarding_entries() {
    let rule = Rule {
        v6: false,
        priority: 1000,
        from: "10.5.0.0/16".parse().ok(),
        to: None,
        iif: Some(name("a")),
        oif: None,
        mark: Some((0x10, 0xff)),
        ipproto: Some(6),
        sport: None,
        dport: Some((80, 90)),
        not: true,
        suppress: Some(0),
        action: RuleAction::Lookup(100),
        proto: proto::ROPEWALK,
    };
    let refusing = Rule {
        v6: true,
        from: None,
        mark: Some((1, u32::MAX)),
        not: false,
        suppress: None,
        ipproto: None,
        sport: None,
        dport: None,
        action: RuleAction::Prohibit,
        ..rule.clone()
    };
    let spec = VxlanSpec {
        vni: 7,
        port: 4789,
        local: "192.0.2.1".parse().ok(),
        dev: Some(name("up0")),
        learning: false,
    };
    let dst = "192.0.2.2".parse().ok();
    let flood = FdbKey { dev: name("vx"), mac: Mac([0; 6]), own: true, dst, vlan: None };
    let flood = Fdb { key: flood, state: Neigh::PERMANENT, derived: false };
    expect![[r#"
        #!/bin/sh
        set -e
        ip rule add not from 10.5.0.0/16 iif a fwmark 0x10/0xff ipproto 6 dport 80-90 pref 1000 lookup 100 suppress_prefixlength 0 protocol 114
        ip -6 rule add from all iif a fwmark 0x1 pref 1000 prohibit protocol 114
        ip neigh replace 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud permanent
        ip neigh replace proxy fd00::8 dev a
        ip link add name vx type vxlan id 7 dstport 4789 local 192.0.2.1 dev up0 nolearning
        ip link set dev vx up
        bridge fdb append 00:00:00:00:00:00 dev vx self dst 192.0.2.2 permanent
        bridge fdb replace 02:00:00:00:00:05 dev leg master permanent
    "#]]
    .assert_eq(&creates(
        [
            Body::Rule(rule),
            Body::Rule(refusing),
            neigh("a", "10.1.0.9", Some("02:00:00:00:00:09")),
            neigh("a", "fd00::8", None),
            Body::Link(Link::up(name("vx"), LinkKind::Vxlan(spec))),
            Body::Fdb(flood),
            fdb("leg", 5, false),
        ]
        .map(host),
    ));
}

#[test]
fn removals_and_alterations() {
    let leg = veth(&Ns::HOST, "leg", &red(), "eth0");
    let before = built([
        host(Body::Link(bridge("br0"))),
        host(Body::Link(Link { master: Some(name("br0")), mtu: Some(1450), ..leg })),
        host(addr("br0", "10.1.0.1/24")),
        host(addr("br0", "fd01::1/64")),
        host(Body::Route(route("10.7.0.0/24", "br0", ""))),
        host(Body::Route(route("::/0", "br0", "fd01::9"))),
        host(neigh("br0", "10.1.0.8", None)),
        host(fdb("leg", 5, false)),
    ]);
    let mut moved = Body::Addr(Addr::global(name("br0"), "fd01::1/64".parse().unwrap()));
    if let Body::Addr(addr) = &mut moved {
        addr.noprefixroute = true;
    }
    let other_way = Body::Route(route("10.7.0.0/24", "br0", "10.1.0.9"));
    let altered = Link { mtu: Some(1400), up: false, ..veth(&Ns::HOST, "leg", &red(), "eth0") };
    let steps = plan([
        Step::Absent(host(neigh("br0", "10.1.0.8", None)).key()),
        Step::Absent(host(fdb("leg", 5, false)).key()),
        Step::Absent(host(Body::Route(route("::/0", "br0", "fd01::9"))).key()),
        Step::Ensure(host(other_way)),
        Step::Ensure(host(moved)),
        Step::Ensure(host(Body::Link(altered))),
        Step::Absent(link_key(&Ns::HOST, "br0")),
    ]);
    let mut after = before.clone();
    let changes = predict(&steps, &mut after).unwrap();
    expect![[r#"
        #!/bin/sh
        set -e
        ip neigh del proxy 10.1.0.8 dev br0
        bridge fdb del 02:00:00:00:00:05 dev leg master
        ip -6 route del default
        ip route replace 10.7.0.0/24 via 10.1.0.9 dev br0 proto 114
        ip addr replace fd01::1/64 dev br0 nodad noprefixroute
        ip link set dev leg mtu 1400 down
        ip link del dev br0
    "#]]
    .assert_eq(&render(&changes, &before));
    expect![[r#"
        #!/bin/sh
        set -e
        ip link add name br0 type bridge no_linklocal_learn 1
        ip link set dev br0 up
        ip link set dev leg master br0
        ip addr add fd01::1/64 dev br0 nodad noprefixroute
        ip addr add 10.1.0.1/24 dev br0
        ip route add 10.7.0.0/24 via 10.1.0.9 dev br0 proto 114
        ip link set dev leg mtu 1450 up
        ip addr replace fd01::1/64 dev br0 nodad
        ip route replace 10.7.0.0/24 dev br0 proto 114
        ip -6 route add default via fd01::9 dev br0 proto 114
        bridge fdb replace 02:00:00:00:00:05 dev leg master permanent
        ip neigh replace proxy 10.1.0.8 dev br0
    "#]]
    .assert_eq(&render(&invert(&changes), &after));
}

#[test]
fn the_nft_commands_of_one_namespace_are_one_transaction() {
    let table = nft::TableKey::new(nft::Family::Inet, "ropewalk");
    let table = |ns: Ns| Body::Table(nft::Table { key: table.clone(), dormant: false }).at(ns);
    let text = creates([table(Ns::HOST), table(red()), host(addr("a", "10.1.0.1/24"))]);
    let frame: Vec<&str> = text.lines().filter(|line| !line.contains("table")).collect();
    assert_eq!(
        frame,
        [
            "#!/bin/sh",
            "set -e",
            "nft -f - <<'EOF'",
            "EOF",
            "ip netns exec red nft -f - <<'EOF'",
            "EOF",
            "ip addr add 10.1.0.1/24 dev a",
        ]
    );
}
