//! What the kernel tells of what changes.

use ropewalk_kernel::{Event, Watch};
use ropewalk_testnet::Private;
use ropewalk_wire::{nft, rt};

/// What is told of `script`, by name.
fn told(net: &Private, watch: &mut Watch, script: &str) -> Vec<Event> {
    watch.drain().unwrap();
    net.sh(script);
    watch.drain().unwrap()
}

#[test]
fn what_goes_is_told() {
    let net = Private::enter();
    let mut watch = Watch::open().unwrap();
    net.sh("ip link add v0 type veth peer name v1; ip link set v0 up; ip link set v1 up");
    net.sh("ip addr add 10.9.0.1/24 dev v0; ip route add 10.8.0.0/24 dev v0 proto 114");
    let seen = told(&net, &mut watch, "ip route del 10.8.0.0/24");
    assert_eq!(seen, [Event::Rt(rt::Event::RouteGone)]);
    net.sh("ip route add 10.8.0.0/24 dev v0 proto 114");
    let seen = told(&net, &mut watch, "ip route replace 10.8.0.0/24 dev v1");
    assert_eq!(seen, [Event::Rt(rt::Event::RouteGone)]);
    let seen = told(&net, &mut watch, "ip addr del 10.9.0.1/24 dev v0");
    assert_eq!(seen, [Event::Rt(rt::Event::AddrGone)]);
    net.sh("ip neigh add 10.9.0.7 lladdr 02:00:00:00:00:07 dev v0 protocol 114; ip -6 rule add to fd00::/64 table 7");
    let seen = told(&net, &mut watch, "ip neigh del 10.9.0.7 dev v0");
    assert_eq!(seen, [Event::Rt(rt::Event::NeighGone)]);
    let seen = told(&net, &mut watch, "ip -6 rule del to fd00::/64 table 7");
    assert_eq!(seen, [Event::Rt(rt::Event::RuleGone)]);
    let seen = told(&net, &mut watch, "ip link set v0 down");
    let down = |e: &Event| matches!(e, Event::Rt(rt::Event::Link(s)) if s.name == "v0" && !s.up);
    assert!(seen.iter().any(down), "{seen:?}");
    let seen = told(&net, &mut watch, "ip link del v0");
    let gone = |e: &&Event| matches!(e, Event::Rt(rt::Event::LinkGone(_)));
    assert_eq!(seen.iter().filter(gone).count(), 2, "{seen:?}");
}

#[test]
fn what_goes_behind_a_link_is_told_with_the_number_that_the_link_names() {
    let net = Private::enter();
    net.sh("ip netns add red; ip link add v0 type veth peer name eth0 netns red
        ip link set v0 up; ip -n red link set eth0 up; ip -n red addr add 10.9.0.2/24 dev eth0
        ip -n red route add default via 10.9.0.1 proto 114");
    let mut watch = Watch::open().unwrap();
    let links = watch.links().unwrap();
    let number = links.iter().find(|link| link.name == "v0").unwrap().behind.unwrap();
    let seen = told(&net, &mut watch, "ip -n red route del default");
    assert_eq!(seen, [Event::Behind(number)]);
    let seen = told(&net, &mut watch, "ip -n red addr del 10.9.0.2/24 dev eth0");
    assert!(seen.contains(&Event::Behind(number)), "{seen:?}");
    net.sh(
        "ip netns add apart; ip -n apart link set lo up; ip -n apart addr add 10.1.0.1/24 dev lo",
    );
    let seen = told(&net, &mut watch, "ip -n apart addr del 10.1.0.1/24 dev lo");
    assert_eq!(seen, [], "no link leads there");
}

#[test]
fn a_rule_set_that_is_flushed_is_told_by_its_tables() {
    let net = Private::enter();
    let mut watch = Watch::open().unwrap();
    let script = "nft 'add table inet t; add set inet t s { type ipv4_addr; }'";
    let seen = told(&net, &mut watch, script);
    assert!(!seen.is_empty() && seen.iter().all(|e| matches!(e, Event::Nft(e) if !e.gone)));
    let seen = told(&net, &mut watch, "nft 'add element inet t s { 10.0.0.1 }'");
    let element = |e: &Event| matches!(e, Event::Nft(nft::Event { element: true, .. }));
    assert!(seen.len() == 1 && seen.iter().all(element), "{seen:?}");
    let seen = told(&net, &mut watch, "nft flush ruleset");
    let gone = |e: &Event| matches!(e, Event::Nft(e) if e.gone && e.table.table == "t");
    assert!(seen.iter().any(gone), "{seen:?}");
}

#[test]
fn more_than_the_sockets_hold_is_an_overflow() {
    let net = Private::enter();
    let mut watch = Watch::open().unwrap();
    net.sh("ip link add v0 type veth peer name v1; ip link set v0 up");
    let script = "for n in $(seq 20000); do
        echo route add 10.$((n/65536)).$((n/256%256)).$((n%256)) dev v0 proto 114; done | ip -b -";
    let seen = told(&net, &mut watch, script);
    assert!(seen.contains(&Event::Overflow), "{} events", seen.len());
    assert!(!told(&net, &mut watch, "ip route del 10.0.0.1").contains(&Event::Overflow));
}
