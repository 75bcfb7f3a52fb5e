//! What the kernel does as a consequence: each was observed with ip(8) on 6.18.

use expect_test::expect;
use ropewalk_facts::{
    Body, Id, Link, LinkKind, MemberFlags, Ns, Route, RouteKind, Snapshot, VxlanSpec, nft,
};
use ropewalk_plan::{Plan, Step, diff, invert, predict, teardown, undo};

use crate::world::{
    addr, bridge, built, changes, fdb, flags, host, lines, lines_in, link_key, multipath, name,
    neigh, plan, red, route, secondary, sysctl, told, veth,
};

fn absent(ns: &Ns, dev: &str) -> Step {
    Step::Absent(link_key(ns, dev))
}

fn set_down(link: Link) -> Step {
    Step::Ensure(host(Body::Link(Link { up: false, ..link })))
}

/// A sandbox on a bridge: `rw-web` and the leg in the host, eth0 in `netns:red`.
fn attachment() -> Plan {
    let mut leg = veth(&Ns::HOST, "leg", &red(), "eth0");
    leg.master = Some(name("rw-web"));
    leg.altnames = ["ropewalk.red.web".to_string()].into();
    let mut eth0 = veth(&red(), "eth0", &Ns::HOST, "leg");
    eth0.mtu = Some(1450);
    let hairpin = MemberFlags { hairpin: Some(true), ..flags("leg") };
    plan([
        Step::Ensure(host(Body::Link(bridge("rw-web")))),
        Step::Ensure(host(addr("rw-web", "10.9.0.1/24"))),
        Step::Ensure(host(sysctl("net/ipv4/ip_forward", "1"))),
        Step::Create(host(Body::Link(leg))),
        Step::Create(Body::Link(eth0).at(red())),
        Step::Ensure(host(Body::Member(hairpin))),
        Step::Create(addr("eth0", "10.9.0.2/24").at(red())),
        Step::Create(Body::Route(route("0.0.0.0/0", "eth0", "10.9.0.1")).at(red())),
    ])
}

#[test]
fn an_attachment_from_nothing() {
    let mut snap: Snapshot = [host(sysctl("net/ipv4/ip_forward", "0"))].into_iter().collect();
    let made = predict(&attachment(), &mut snap).unwrap();
    expect![[r#"
        + link rw-web bridge, up
        + address 10.9.0.1/24 dev rw-web
        ~ net/ipv4/ip_forward 0 → 1
        + link leg veth, peer eth0 in netns:red, master rw-web, up, altname ropewalk.red.web
        + link eth0 veth, peer leg in host, mtu 1450, down in netns:red (implied)
        ~ member leg hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
        ~ link eth0 down → up in netns:red
        ~ member leg hairpin off → on
        + address 10.9.0.2/24 dev eth0 in netns:red
        + route default via 10.9.0.1 dev eth0 proto 114 in netns:red
    "#]]
    .assert_eq(&lines(&made));
    expect![[r#"
        - route default via 10.9.0.1 dev eth0 proto 114 in netns:red (implied)
        - address 10.9.0.2/24 dev eth0 in netns:red (implied)
        - member leg hairpin on, isolated off, learning on, flood on, neigh_suppress off (implied)
        - link eth0 veth, peer leg in host, mtu 1450, up in netns:red (implied)
        - link leg veth, peer eth0 in netns:red, master rw-web, up, altname ropewalk.red.web
        ~ net/ipv4/ip_forward 1 → 0
        - address 10.9.0.1/24 dev rw-web (implied)
        - link rw-web bridge, up
    "#]]
    .assert_eq(&lines(&invert(&made)));
}

#[test]
fn a_teardown_asks_for_the_leg_alone() {
    let down = teardown(&attachment());
    assert_eq!(down.steps(), [absent(&Ns::HOST, "leg")]);
}

#[test]
fn a_link_that_goes_takes_its_other_end_and_all_that_names_them() {
    let mut snap = built([
        host(Body::Link(veth(&Ns::HOST, "leg", &red(), "eth0"))),
        host(sysctl("net/ipv4/conf/leg/proxy_arp", "1")),
        host(addr("leg", "10.1.0.1/24")),
        host(Body::Route(route("10.7.0.0/24", "leg", ""))),
        host(neigh("leg", "10.1.0.9", None)),
        addr("eth0", "fd00::2/64").at(red()),
        Body::Route(route("::/0", "eth0", "fd00::1")).at(red()),
    ]);
    // What the kernel derived goes without a word.
    let prefix = Route { derived: true, ..route("10.1.0.0/24", "leg", "") };
    snap.insert(host(Body::Route(prefix)));
    expect![[r#"
        - neigh proxy 10.1.0.9 dev leg (implied)
        - route 10.7.0.0/24 dev leg proto 114 (implied)
        - address 10.1.0.1/24 dev leg (implied)
        - net/ipv4/conf/leg/proxy_arp = 1 (implied)
        - route default via fd00::1 dev eth0 proto 114 in netns:red (implied)
        - address fd00::2/64 dev eth0 nodad in netns:red (implied)
        - link eth0 veth, peer leg in host, down in netns:red (implied)
        - link leg veth, peer eth0 in netns:red, up
    "#]]
    .assert_eq(&told(absent(&Ns::HOST, "leg"), &snap));
    predict(&plan([absent(&red(), "eth0")]), &mut snap).unwrap();
    assert!(snap.is_empty(), "{snap:?}");
}

#[test]
fn a_route_of_the_kernels_goes_when_it_is_asked_for_and_is_made_again() {
    let mut snap = built([host(addr("leg", "10.1.0.1/24"))]);
    let prefix = Route { derived: true, ..route("10.1.0.0/24", "leg", "") };
    let fact = host(Body::Route(prefix));
    snap.insert(fact.clone());
    let plan = plan([Step::Absent(fact.key())]);
    let changes = predict(&plan, &mut snap).unwrap();
    expect!["- route 10.1.0.0/24 dev leg proto 114"].assert_eq(lines(&changes).trim());
    assert!(!snap.contains(&fact.key()) && diff(&plan, &snap).is_empty());
    expect!["+ route 10.1.0.0/24 dev leg proto 114"].assert_eq(lines(&invert(&changes)).trim());
}

#[test]
fn a_bridge_that_goes_sets_its_members_free() {
    let member = Link { master: Some(name("br0")), ..Link::up(name("d0"), LinkKind::Ifb) };
    let snap = built([
        host(Body::Link(bridge("br0"))),
        host(Body::Link(member)),
        host(fdb("d0", 1, false)),
        host(fdb("d0", 2, true)),
    ]);
    expect![[r#"
        - fdb 02:00:00:00:00:01 dev d0 master permanent (implied)
        - member d0 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
        ~ link d0 master br0 → none (implied)
        - link br0 bridge, up
    "#]]
    .assert_eq(&told(absent(&Ns::HOST, "br0"), &snap));
    expect![[r#"
        + link br0 bridge, up
        ~ link d0 master none → br0
        ~ member d0 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
        + fdb 02:00:00:00:00:01 dev d0 master permanent
    "#]]
    .assert_eq(&lines(&invert(&changes(absent(&Ns::HOST, "br0"), &snap))));
}

#[test]
fn a_member_that_moves_gets_fresh_flags() {
    let leg = veth(&Ns::HOST, "leg", &Ns::HOST, "end");
    let snap = built([
        host(Body::Link(bridge("br0"))),
        host(Body::Link(bridge("br1"))),
        host(Body::Link(Link { master: Some(name("br0")), ..leg.clone() })),
        host(Body::Member(MemberFlags { isolated: Some(true), ..flags("leg") })),
    ]);
    let moved = Link { master: Some(name("br1")), ..leg };
    expect![[r#"
        - member leg hairpin off, isolated on, learning on, flood on, neigh_suppress off (implied)
        ~ link leg master br0 → br1
        ~ member leg hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
    "#]]
    .assert_eq(&told(Step::Ensure(host(Body::Link(moved))), &snap));
}

#[test]
fn a_tunnel_goes_with_the_link_under_it() {
    let under = Some(name("up0"));
    let spec = VxlanSpec { vni: 5, port: 4789, local: None, dev: under, learning: false };
    let snap = built([
        host(Body::Link(veth(&Ns::HOST, "up0", &Ns::HOST, "up1"))),
        host(Body::Link(Link::up(name("vx0"), LinkKind::Vxlan(spec)))),
        host(addr("vx0", "10.4.0.1/24")),
    ]);
    expect![[r#"
        - address 10.4.0.1/24 dev vx0 (implied)
        - link vx0 vxlan id 5 dstport 4789 dev up0 nolearning, up (implied)
        - link up1 veth, peer up0, down (implied)
        - link up0 veth, peer up1, up
    "#]]
    .assert_eq(&told(absent(&Ns::HOST, "up0"), &snap));
}

/// Two links that are up, an address of each family on each.
fn two_links() -> Vec<ropewalk_facts::Fact> {
    vec![
        host(Body::Link(bridge("a"))),
        host(Body::Link(bridge("b"))),
        host(addr("a", "10.1.0.1/24")),
        host(addr("b", "10.2.0.1/24")),
        host(addr("a", "fd01::1/64")),
        host(addr("b", "fd02::1/64")),
    ]
}

#[test]
fn a_link_that_goes_down_keeps_its_ipv4_addresses() {
    let local = Route { kind: RouteKind::Local, ..route("10.8.0.0/24", "a", "") };
    let snap = built(two_links().into_iter().chain([
        host(Body::Route(route("10.7.0.0/24", "a", "10.1.0.9"))),
        host(Body::Route(local)),
        host(multipath("10.6.0.0/24", &[("a", "10.1.0.9"), ("b", "10.2.0.9")])),
        host(Body::Route(route("fd07::/64", "a", "fd01::9"))),
        host(neigh("a", "10.1.0.9", Some("02:00:00:00:00:09"))),
    ]));
    expect![[r#"
        - neigh 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud permanent (implied)
        - route 10.7.0.0/24 via 10.1.0.9 dev a proto 114 (implied)
        - route fd07::/64 via fd01::9 dev a proto 114 (implied)
        - address fd01::1/64 dev a nodad (implied)
        ~ link a up → down
    "#]]
    .assert_eq(&told(set_down(bridge("a")), &snap));
    expect![[r#"
        ~ link a down → up
        + address fd01::1/64 dev a nodad
        + route fd07::/64 via fd01::9 dev a proto 114
        + route 10.7.0.0/24 via 10.1.0.9 dev a proto 114
        + neigh 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud permanent
    "#]]
    .assert_eq(&lines(&invert(&changes(set_down(bridge("a")), &snap))));
}

#[test]
fn a_route_with_two_ways_goes_when_both_are_down() {
    let two = multipath("10.6.0.0/24", &[("a", "10.1.0.9"), ("b", "10.2.0.9")]);
    let mut snap = built(two_links().into_iter().chain([host(two)]));
    predict(&plan([set_down(bridge("b"))]), &mut snap).unwrap();
    expect![[r#"
        - route 10.6.0.0/24 proto 114 nexthop via 10.1.0.9 dev a nexthop via 10.2.0.9 dev b (implied)
        - address fd01::1/64 dev a nodad (implied)
        ~ link a up → down
    "#]]
    .assert_eq(&told(set_down(bridge("a")), &snap));
}

#[test]
fn a_link_that_goes_takes_the_ipv4_route_and_one_way_of_the_ipv6_route() {
    let snap = built(two_links().into_iter().chain([
        host(multipath("10.6.0.0/24", &[("a", "10.1.0.9"), ("b", "10.2.0.9")])),
        host(multipath("fd06::/64", &[("a", "fd01::9"), ("b", "fd02::9")])),
    ]));
    expect![[r#"
        ~ route fd06::/64 proto 114 nexthop via fd01::9 dev a nexthop via fd02::9 dev b → route fd06::/64 via fd02::9 dev b proto 114 (implied)
        - route 10.6.0.0/24 proto 114 nexthop via 10.1.0.9 dev a nexthop via 10.2.0.9 dev b (implied)
        - address 10.1.0.1/24 dev a (implied)
        - address fd01::1/64 dev a nodad (implied)
        - link a bridge, up
    "#]]
    .assert_eq(&told(absent(&Ns::HOST, "a"), &snap));
}

#[test]
fn ipv6_addresses_stay_on_a_link_that_is_told_to_keep_them() {
    let keep = host(sysctl("net/ipv6/conf/a/keep_addr_on_down", "1"));
    let snap = built(two_links().into_iter().chain([keep]));
    expect![[r#"
        ~ link a up → down
    "#]]
    .assert_eq(&told(set_down(bridge("a")), &snap));
}

#[test]
fn a_small_mtu_is_the_end_of_ipv6() {
    let more = [
        host(sysctl("net/ipv6/conf/a/proxy_ndp", "1")),
        host(sysctl("net/ipv4/conf/a/proxy_arp", "1")),
        host(sysctl("net/ipv6/conf/a/keep_addr_on_down", "1")),
    ];
    let snap = built(two_links().into_iter().chain(more));
    let small = Link { mtu: Some(1000), ..bridge("a") };
    expect![[r#"
        - address fd01::1/64 dev a nodad (implied)
        - net/ipv6/conf/a/keep_addr_on_down = 1 (implied)
        - net/ipv6/conf/a/proxy_ndp = 1 (implied)
        ~ link a mtu auto → 1000
    "#]]
    .assert_eq(&told(Step::Ensure(host(Body::Link(small))), &snap));
}

#[test]
fn a_primary_address_takes_the_secondary_ones_along() {
    let snap = built([
        host(Body::Link(bridge("a"))),
        host(addr("a", "10.1.0.1/24")),
        host(addr("a", "10.1.0.2/24")),
        host(addr("a", "10.1.0.3/25")),
    ]);
    let found = snap.fact(&host(secondary("a", "10.1.0.2/24")).key());
    assert_eq!(found, Some(&host(secondary("a", "10.1.0.2/24"))));
    let gone = Step::Absent(host(addr("a", "10.1.0.1/24")).key());
    expect![[r#"
        - address 10.1.0.2/24 dev a (implied)
        - address 10.1.0.1/24 dev a
    "#]]
    .assert_eq(&told(gone.clone(), &snap));

    let mut promoting = snap;
    promoting.insert(host(sysctl("net/ipv4/conf/all/promote_secondaries", "1")));
    predict(&plan([gone]), &mut promoting).unwrap();
    let found = promoting.fact(&host(addr("a", "10.1.0.2/24")).key());
    assert_eq!(found, Some(&host(addr("a", "10.1.0.2/24"))));
}

#[test]
fn the_last_ipv4_address_takes_all_ipv4_routes_along() {
    let elsewhere = Route { prefsrc: "10.1.0.1".parse().ok(), ..route("10.5.0.0/24", "b", "") };
    let mut aside = elsewhere.clone();
    aside.key.table = 100;
    let snap = built(two_links().into_iter().chain([
        host(Body::Route(route("10.7.0.0/24", "a", ""))),
        host(neigh("a", "10.1.0.9", None)),
        host(Body::Route(elsewhere)),
        host(Body::Route(aside)),
    ]));
    expect![[r#"
        - neigh proxy 10.1.0.9 dev a (implied)
        - route 10.7.0.0/24 dev a proto 114 (implied)
        - route 10.5.0.0/24 dev b proto 114 src 10.1.0.1 (implied)
        - address 10.1.0.1/24 dev a
    "#]]
    .assert_eq(&told(Step::Absent(host(addr("a", "10.1.0.1/24")).key()), &snap));
}

#[test]
fn an_ipv6_route_outlives_its_preferred_source() {
    let preferring = Route { prefsrc: "fd01::1".parse().ok(), ..route("fd05::/64", "b", "") };
    let snap = built(two_links().into_iter().chain([host(Body::Route(preferring))]));
    expect![[r#"
        ~ route fd05::/64 dev b proto 114 src fd01::1 → route fd05::/64 dev b proto 114 (implied)
        - address fd01::1/64 dev a nodad
    "#]]
    .assert_eq(&told(Step::Absent(host(addr("a", "fd01::1/64")).key()), &snap));
}

#[test]
fn a_new_hardware_address_makes_neighbours_strangers() {
    let mac = "02:00:00:00:00:09";
    let snap = built(
        two_links()
            .into_iter()
            .chain([host(neigh("a", "10.1.0.9", Some(mac)))])
            .chain([host(neigh("a", "10.1.0.8", None))]),
    );
    let other = Link { mac: "02:00:00:00:00:77".parse().ok(), ..bridge("a") };
    expect![[r#"
        - neigh 10.1.0.9 lladdr 02:00:00:00:00:09 dev a nud permanent (implied)
        ~ link a address auto → 02:00:00:00:00:77
    "#]]
    .assert_eq(&told(Step::Ensure(host(Body::Link(other))), &snap));
}

#[test]
fn forwarding_for_all_is_forwarding_for_each() {
    let snap: Snapshot = [
        host(sysctl("net/ipv4/ip_forward", "0")),
        host(sysctl("net/ipv4/conf/all/forwarding", "0")),
        host(sysctl("net/ipv4/conf/eth0.5/forwarding", "0")),
        host(sysctl("net/ipv4/conf/up/forwarding", "1")),
        host(sysctl("net/ipv6/conf/eth0.5/forwarding", "0")),
    ]
    .into_iter()
    .collect();
    expect![[r#"
        ~ net/ipv4/conf/all/forwarding 0 → 1 (implied)
        ~ net/ipv4/conf/eth0.5/forwarding 0 → 1 (implied)
        ~ net/ipv4/conf/up/forwarding stays 1 (implied)
        ~ net/ipv4/ip_forward 0 → 1
    "#]]
    .assert_eq(&told(Step::Ensure(host(sysctl("net/ipv4/ip_forward", "1"))), &snap));
}

#[test]
fn ipv6_switched_off_takes_its_addresses() {
    let snap = built(two_links());
    expect![[r#"
        - address fd01::1/64 dev a nodad (implied)
        ~ net/ipv6/conf/a/disable_ipv6 = 1
    "#]]
    .assert_eq(&told(Step::Ensure(host(sysctl("net/ipv6/conf/a/disable_ipv6", "1"))), &snap));
}

#[test]
fn a_namespace_that_goes_takes_all_that_is_in_it() {
    let red_netns = host(Body::Netns("red".into()));
    let mut snap = built([
        red_netns.clone(),
        host(Body::Link(veth(&Ns::HOST, "leg", &red(), "eth0"))),
        Body::Link(Link::up(name("lo"), LinkKind::Loopback)).at(red()),
        addr("eth0", "10.9.0.2/24").at(red()),
        sysctl("net/ipv4/ip_forward", "1").at(red()),
    ]);
    let gone = Step::Absent(red_netns.key());
    expect![[r#"
        - address 10.9.0.2/24 dev eth0 in netns:red (implied)
        - link leg veth, peer eth0 in netns:red, up (implied)
        - link eth0 veth, peer leg in host, down in netns:red (implied)
        - net/ipv4/ip_forward = 1 in netns:red (implied)
        - link lo loopback, up in netns:red (implied)
        - netns red
    "#]]
    .assert_eq(&told(gone.clone(), &snap));
    expect![[r#"
        + netns red
        + link lo loopback, down in netns:red (implied)
        ~ link lo down → up in netns:red
        ~ net/ipv4/ip_forward = 1 in netns:red
        + link eth0 veth, peer leg in host, down in netns:red
        + link leg veth, peer eth0 in netns:red, down (implied)
        ~ link leg down → up
        + address 10.9.0.2/24 dev eth0 in netns:red
    "#]]
    .assert_eq(&lines(&invert(&changes(gone.clone(), &snap))));
    predict(&plan([gone]), &mut snap).unwrap();
    assert!(snap.is_empty(), "{snap:?}");
}

#[test]
fn an_element_that_jumps_to_a_chain_goes_before_the_chain() {
    let table = nft::TableKey::new(nft::Family::Inet, "t");
    let map = nft::Set {
        key: table.set("m"),
        key_types: vec!["ipv4_addr".into()],
        value_types: vec!["verdict".into()],
        flags: nft::SetFlags::default(),
        timeout_ms: 0,
    };
    let jump = nft::Verdict { code: nft::VerdictCode::Jump, chain: Some("c".into()) };
    let key = nft::Bytes(vec![10, 0, 0, 1]);
    let element = nft::Element {
        key: nft::ElementKey { set: map.key.clone(), key, end: None },
        value: Some(nft::Value::Verdict(jump)),
        derived: false,
    };
    let rest = [
        Body::Set(map),
        Body::Chain(nft::Chain { key: table.chain("c"), base: None }),
        Body::Element(element),
    ];
    let inside = plan(rest.clone().map(|body| Step::Create(host(body))));
    let mut snap = Snapshot::default();
    let asked = invert(&predict(&inside, &mut snap).unwrap());
    expect![[r#"
        - element inet t m { 10.0.0.1 : jump c }
        - chain inet t c
        - map inet t m { type ipv4_addr : verdict; }
    "#]]
    .assert_eq(&lines_in(&asked, &snap));

    let whole = [Body::Table(nft::Table { key: table, dormant: false })].into_iter().chain(rest);
    let whole = plan(whole.map(|body| Step::Create(host(body))));
    let asked = invert(&predict(&whole, &mut Snapshot::default()).unwrap());
    expect![[r#"
        - element inet t m { 10.0.0.1 : jump c } (implied)
        - chain inet t c (implied)
        - map inet t m { type ipv4_addr : verdict; } (implied)
        - table inet t
    "#]]
    .assert_eq(&lines_in(&asked, &snap));
    assert_eq!(teardown(&inside).steps().len(), 3);
    assert_eq!(teardown(&whole).steps().len(), 1);
}

#[test]
fn what_others_changed_meanwhile_is_not_undone() {
    let mut snap: Snapshot = [host(sysctl("net/ipv4/ip_forward", "0"))].into_iter().collect();
    let mut made = predict(&attachment(), &mut snap).unwrap();
    let mut leg = veth(&Ns::HOST, "leg", &Ns::HOST, "other");
    leg.altnames = ["ropewalk.blue.web".to_string()].into();
    snap.remove(&link_key(&red(), "eth0"));
    snap.insert(host(Body::Link(leg)));
    snap.insert(host(sysctl("net/ipv4/ip_forward", "2")));
    expect![[r#"
        - route default via 10.9.0.1 dev eth0 proto 114 in netns:red
        - address 10.9.0.2/24 dev eth0 in netns:red
        - address 10.9.0.1/24 dev rw-web (implied)
        - link rw-web bridge, up
    "#]]
    .assert_eq(&lines(&undo(&made, &snap)));
    made.retain(|change| change.key.id != Id::Link(name("rw-web")));
    let left = undo(&made, &Snapshot::default());
    assert_eq!(left, vec![]);
}

#[test]
fn a_link_that_comes_to_a_routing_domain_loses_what_one_does_that_goes_down() {
    let vrf = Link::up(name("red"), LinkKind::Vrf { table: 7 });
    let eth0 = Link::up(name("eth0"), LinkKind::Ifb);
    let at = |table: u32| {
        let mut route = route("0.0.0.0/0", "eth0", "10.9.0.1");
        route.key.table = table;
        host(Body::Route(route))
    };
    let before = built([
        host(Body::Link(eth0.clone())),
        host(addr("eth0", "10.9.0.2/24")),
        host(addr("eth0", "fd09::2/64")),
        at(254),
        host(Body::Link(vrf.clone())),
    ]);
    let moved = Link { master: Some(vrf.name.clone()), ..eth0 };
    let mut snap = before.clone();
    let made = predict(
        &plan([
            Step::Ensure(host(Body::Link(moved))),
            Step::Ensure(host(addr("eth0", "fd09::2/64"))),
            Step::Absent(at(254).key()),
            Step::Ensure(at(7)),
        ]),
        &mut snap,
    )
    .unwrap();
    expect![[r#"
        - route default via 10.9.0.1 dev eth0 proto 114 (implied)
        - address fd09::2/64 dev eth0 nodad (implied)
        ~ link eth0 master none → red
        + address fd09::2/64 dev eth0 nodad
        + route default table 7 via 10.9.0.1 dev eth0 proto 114
    "#]]
    .assert_eq(&lines(&made));
    expect![[r#"
        - route default table 7 via 10.9.0.1 dev eth0 proto 114
        - address fd09::2/64 dev eth0 nodad
        ~ link eth0 master red → none
        + address fd09::2/64 dev eth0 nodad
        + route default via 10.9.0.1 dev eth0 proto 114
    "#]]
    .assert_eq(&lines(&invert(&made)));
    assert_eq!(lines(&undo(&made, &snap)), lines(&invert(&made)));
    let mut back = snap.clone();
    ropewalk_plan::apply(&undo(&made, &snap), &mut back);
    assert_eq!(back, before);
    // Without its domain it is free, and loses the same.
    expect![[r#"
        - route default table 7 via 10.9.0.1 dev eth0 proto 114 (implied)
        - address fd09::2/64 dev eth0 nodad (implied)
        ~ link eth0 master red → none (implied)
        - link red vrf table 7, up
    "#]]
    .assert_eq(&told(absent(&Ns::HOST, "red"), &snap));
}
