//! A link that is moved to another namespace, and given back.

use expect_test::expect;
use ropewalk_facts::{Body, Link, LinkKind, Ns, Peer, Snapshot};
use ropewalk_plan::{Change, Plan, Step, apply, invert, predict, render, undo};

use crate::world::{addr, bridge, built, host, lines, link_key, name, plan, red, route, sysctl};

/// A network card, with an address and a route by it.
fn card() -> Snapshot {
    let mut snap = built([host(Body::Link(bridge("other")))]);
    let link = Link {
        mtu: Some(9000),
        altnames: ["enp3s0".to_owned()].into(),
        ..Link::up(name("nic0"), LinkKind::Other(String::new()))
    };
    for fact in [
        host(Body::Link(link)),
        host(sysctl("net/ipv4/conf/nic0/rp_filter", "2")),
        host(addr("nic0", "10.5.0.1/24")),
        host(Body::Route(route("10.6.0.0/24", "nic0", "10.5.0.9"))),
    ] {
        snap.insert(fact);
    }
    snap
}

fn lent() -> Plan {
    let from = Peer { ns: Ns::HOST, name: name("nic0") };
    let mut link = Link::up(name("eth0"), LinkKind::Moved { from });
    link.mtu = Some(1500);
    link.altnames.insert("ropewalk.red".into());
    plan([
        Step::Create(Body::Link(link).at(red())),
        Step::Create(addr("eth0", "10.9.0.2/24").at(red())),
    ])
}

fn moved() -> (Vec<Change>, Snapshot) {
    let mut snap = card();
    let changes = predict(&lent(), &mut snap).unwrap();
    (changes, snap)
}

#[test]
fn it_takes_its_addresses_and_routes_off_the_host() {
    let (changes, after) = moved();
    expect![[r#"
        - route 10.6.0.0/24 via 10.5.0.9 dev nic0 proto 114 (implied)
        - address 10.5.0.1/24 dev nic0 (implied)
        - net/ipv4/conf/nic0/rp_filter = 2 (implied)
        - link nic0 , mtu 9000, up, altname enp3s0 (implied)
        + link eth0 moved from nic0, mtu 1500, up, altname enp3s0, altname ropewalk.red in netns:red
        + address 10.9.0.2/24 dev eth0 in netns:red
    "#]]
    .assert_eq(&lines(&changes));
    assert!(!after.contains(&link_key(&Ns::HOST, "nic0")));
    expect![[r#"
        #!/bin/sh
        set -e
        ip link set dev nic0 name eth0 netns red
        ip -n red link set dev eth0 mtu 1500 up
        ip -n red link property add dev eth0 altname ropewalk.red
        ip -n red addr add 10.9.0.2/24 dev eth0
    "#]]
    .assert_eq(&render::render(&changes, &card()));
}

#[test]
fn it_comes_back_as_it_was() {
    let (changes, after) = moved();
    let back = invert(&changes);
    let mut now = after.clone();
    apply(&back, &mut now);
    assert_eq!(now, card());
    assert_eq!(lines(&undo(&changes, &after)), lines(&back));
    expect![[r#"
        #!/bin/sh
        set -e
        ip -n red link set dev eth0 name nic0 netns $$
        ip link set dev nic0 mtu 9000 up
        ip link property del dev nic0 altname ropewalk.red
        sysctl -qw net/ipv4/conf/nic0/rp_filter=2
        ip addr add 10.5.0.1/24 dev nic0
        ip route add 10.6.0.0/24 via 10.5.0.9 dev nic0 proto 114
    "#]]
    .assert_eq(&render::render(&back, &after));
}

#[test]
fn what_is_left_of_a_move_that_was_cut_short_is_undone() {
    let (changes, _) = moved();
    assert!(undo(&changes, &card()).is_empty(), "it was never moved");
    // Given back, and nothing more.
    let mut half = Snapshot::default();
    half.insert(host(Body::Link(Link {
        mtu: Some(1500),
        altnames: ["enp3s0".to_owned(), "ropewalk.red".to_owned()].into(),
        up: false,
        ..Link::up(name("nic0"), LinkKind::Other(String::new()))
    })));
    apply(&undo(&changes, &half), &mut half);
    let mut whole = card();
    whole.remove(&link_key(&Ns::HOST, "other"));
    assert_eq!(half, whole);
}

#[test]
fn one_that_is_no_more_does_not_come_back() {
    let (changes, _) = moved();
    assert!(undo(&changes, &Snapshot::default()).is_empty());
}
