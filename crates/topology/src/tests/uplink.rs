//! A NIC taken over, and a sandbox beside it on the bridge.

use expect_test::expect;
use ropewalk_facts::{
    Addr, Body, IfName, Link, LinkKind, Neigh, NeighKey, Ns, Route, RouteKey, Snapshot, Sysctl,
    SysctlPath,
};
use ropewalk_plan::{describe, diff, invert, predict};

use super::{attach, host, raw};
use crate::{HostFacts, Nic};

/// A NIC with an address of each family, a route, a rule, a neighbour and a setting.
fn nic() -> Snapshot {
    let up0: IfName = "up0".parse().unwrap();
    let mut link = Link::up(up0.clone(), LinkKind::Other(String::new()));
    (link.mac, link.mtu) = (Some("02:00:00:00:00:01".parse().unwrap()), Some(1400));
    let addr = |net: &str| Body::Addr(Addr::global(up0.clone(), net.parse().unwrap()));
    let via =
        |key, via: &str| Body::Route(Route::unicast(key, up0.clone(), Some(via.parse().unwrap())));
    let setting = |path, value: &str| Body::Sysctl(Sysctl { path, value: value.into() });
    let default: IfName = "default".parse().unwrap();
    let mut all = vec![
        Body::Link(link),
        addr("10.0.0.1/24"),
        addr("fd00:aa::1/64"),
        via(RouteKey::default_v4(), "10.0.0.254"),
        via(RouteKey::default_v6(), "fd00:aa::254"),
    ];
    let key = NeighKey { dev: up0.clone(), ip: "10.0.0.77".parse().unwrap(), proxy: false };
    let mac = Some("02:00:00:00:00:77".parse().unwrap());
    all.push(Body::Neigh(Neigh { key, mac, state: Neigh::PERMANENT, proto: 0, derived: false }));
    for (leaf, own, new) in [("rp_filter", "2", "0"), ("forwarding", "1", "1")] {
        all.push(setting(SysctlPath::conf4(&up0, leaf), own));
        all.push(setting(SysctlPath::conf4(&default, leaf), new));
    }
    all.push(setting(SysctlPath::conf6(&up0, "disable_ipv6"), "0"));
    all.into_iter().map(|body| body.at(Ns::HOST)).collect()
}

fn taken_over(found: &Snapshot) -> HostFacts {
    let up0: IfName = "up0".parse().unwrap();
    HostFacts { nic: Nic::of(found, &up0), parent: Some(up0), ..host() }
}

#[test]
fn all_that_hangs_on_a_nic_moves_to_a_bridge_that_looks_like_it() {
    let mut found = nic();
    let base: Vec<_> = crate::firewall::facts().iter().map(Body::id).collect();
    let network = raw("uplink", &["10.0.0.0/24", "fd00:aa::/64"]).check().unwrap();
    let plan = crate::network(&network, &taken_over(&found)).unwrap();
    let changes = predict(&plan, &mut found).unwrap();
    let shown = changes.iter().filter(|change| !base.contains(&change.key.id));
    let shown: String = shown.map(|change| format!("{}\n", describe(change, &found))).collect();
    expect![[r#"
        + link rw-web bridge, address 02:00:00:00:00:01, mtu 1400, up, altname ropewalk.network.web, group 2048355298
        ~ net/ipv4/conf/rw-web/rp_filter = 2
        ~ net/ipv6/conf/rw-web/disable_ipv6 = 0
        ~ net/ipv6/conf/rw-web/accept_dad = 0
        + address 10.0.0.1/24 dev rw-web
        + address fd00:aa::1/64 dev rw-web nodad
        ~ link up0 master none → rw-web
        ~ member up0 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
        ~ route default via 10.0.0.254 dev up0 proto 114 → route default via 10.0.0.254 dev rw-web proto 114
        ~ route default via fd00:aa::254 dev up0 proto 114 → route default via fd00:aa::254 dev rw-web proto 114
        + neigh 10.0.0.77 lladdr 02:00:00:00:00:77 dev rw-web nud permanent
        - neigh 10.0.0.77 lladdr 02:00:00:00:00:77 dev up0 nud permanent
        - address fd00:aa::1/64 dev up0 nodad
        - address 10.0.0.1/24 dev up0
        ~ net/ipv6/conf/up0/disable_ipv6 0 → 1
    "#]].assert_eq(&shown);
}

#[test]
fn what_was_moved_is_moved_back_in_the_other_order() {
    let before = nic();
    let network = raw("uplink", &["10.0.0.0/24"]).check().unwrap();
    let plan = crate::network(&network, &taken_over(&before)).unwrap();
    let mut after = before.clone();
    let changes = predict(&plan, &mut after).unwrap();
    assert!(diff(&plan, &after).steps().is_empty());
    let bridge: IfName = "rw-web".parse().unwrap();
    let now = crate::uplink::up_to_date(&changes, &after, &bridge, &"up0".parse().unwrap());
    for change in invert(&now) {
        match change.new {
            Some(fact) => drop(after.insert(fact)),
            None => drop(after.remove(&change.key)),
        }
    }
    let differ = |a: &Snapshot, b: &Snapshot| {
        let all = a.iter().filter(|fact| b.fact(&fact.key()) != Some(fact));
        all.map(|fact| format!("{fact:?}\n")).collect::<String>()
    };
    assert_eq!(differ(&before, &after) + &differ(&after, &before), "");
}

#[test]
fn a_sandbox_on_the_lan_is_held_to_its_addresses_and_led_by_the_lans_router() {
    let mut raw = raw("uplink", &["10.0.0.0/24", "fd00:aa::/64"]);
    raw.gateway = vec!["10.0.0.254".into(), "fd00:aa::254".into()];
    attach(
        &raw,
        &["10.0.0.50/24", "fd00:aa::50/64"],
        &[],
        &host(),
        &expect![[r#"
            + element bridge ropewalk legs { "rw1" }
            + element bridge ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element bridge ropewalk own4 { "rw1" . 10.0.0.50 }
            + element bridge ropewalk own6 { "rw1" . 0xfd0000aa000000000000000000000050 }
            + element bridge ropewalk own6 { "rw1" . 0xfe80000000000000007200fffe000001 }
            + element bridge ropewalk guests { "rw1" }
            + element inet ropewalk guests { "rw-web" . 02:72:00:00:00:01 }
            + link rw1 veth, peer eth0 in netns:red, master rw-web, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ member rw1 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
            ~ net/ipv6/conf/eth0/disable_ipv6 = 0 in netns:red
            + address 10.0.0.50/24 dev eth0 in netns:red
            + address fd00:aa::50/64 dev eth0 nodad in netns:red
            + route default via 10.0.0.254 dev eth0 proto 114 in netns:red
            + route default via fd00:aa::254 dev eth0 proto 114 in netns:red
        "#]],
    );
}

#[test]
fn a_sandbox_that_the_lan_gives_addresses_is_held_to_its_hardware_address() {
    attach(
        &raw("uplink", &[]),
        &[],
        &[],
        &host(),
        &expect![[r#"
            + element bridge ropewalk wires { "rw1" }
            + element bridge ropewalk macs { "rw1" . 02:72:00:00:00:01 }
            + element bridge ropewalk guests { "rw1" }
            + element inet ropewalk guests { "rw-web" . 02:72:00:00:00:01 }
            + link rw1 veth, peer eth0 in netns:red, master rw-web, address fe:72:00:00:00:01, mtu 1500, up, altname ropewalk.netns-red.eth0, alias red:eth0
            + link eth0 veth, peer rw1 in host, address 02:72:00:00:00:01, mtu 1500, down in netns:red (implied)
            ~ member rw1 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)
            ~ link eth0 down → up in netns:red
            ~ link lo down → up in netns:red
        "#]],
    );
}
