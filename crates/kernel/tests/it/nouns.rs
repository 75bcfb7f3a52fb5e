//! Each noun of rtnetlink made, changed and removed for real, and read back as it was stated.

use std::net::IpAddr;

use ropewalk_facts::{
    Addr, Body, Fdb, FdbKey, Id, LinkKind, MemberFlags, Neigh, NeighKey, NextHop, Ns, Route,
    RouteKey, RouteKind, Rule, RuleAction, Scope, Sysctl, SysctlPath, VxlanSpec, proto,
};

use crate::space::{Host, alter, blue, born, create, delete, implied, link, mac, name, red, veth};

const HOST: Ns = Ns::HOST;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn a_bridge() {
    let mut host = Host::new();
    let before = host.all();
    let mut br0 = link("br0", LinkKind::Bridge);
    br0.mac = mac(1);
    br0.mtu = Some(1400);
    br0.altnames.insert("ropewalk.network.web".into());
    br0.alias = Some("the web".into());
    host.run(&[create(&HOST, Body::Link(br0.clone()))]);
    assert_eq!(host.link(&HOST, "br0"), Some(br0.clone()));
    let mut down = br0.clone();
    down.up = false;
    down.mtu = Some(1300);
    down.mac = mac(9);
    down.altnames = ["ropewalk.other".to_owned()].into();
    down.alias = None;
    host.run(&[alter(&HOST, Body::Link(br0), Body::Link(down.clone()))]);
    assert_eq!(host.link(&HOST, "br0"), Some(down.clone()));
    host.run(&[delete(&HOST, Body::Link(down))]);
    assert_eq!(host.link(&HOST, "br0"), None);
    crate::space::same(&before, &host.all());
}

#[test]
fn a_vxlan_over_a_link() {
    let mut host = Host::new();
    host.pair();
    let spec = VxlanSpec {
        vni: 77,
        port: 4789,
        local: Some(ip("fd00::1")),
        dev: Some(name("leg")),
        learning: false,
    };
    let vx = link("vx", LinkKind::Vxlan(spec));
    host.run(&[create(&HOST, Body::Link(vx.clone()))]);
    assert_eq!(host.link(&HOST, "vx").unwrap().kind, vx.kind);
    let entry = |mac| {
        let key = FdbKey { dev: name("vx"), mac, own: true, dst: Some(ip("fd00::2")), vlan: None };
        Body::Fdb(Fdb { key, state: Neigh::PERMANENT, derived: false })
    };
    host.comes_and_goes(&HOST, entry(mac(7).unwrap()));
}

#[test]
fn a_pair_across_namespaces_in_one_request() {
    let mut host = Host::new();
    let mut leg = veth("leg", &red(), "eth0");
    leg.mac = mac(1);
    leg.mtu = Some(1400);
    leg.altnames.insert("ropewalk.red.eth0".into());
    let mut eth0 = veth("eth0", &HOST, "leg");
    eth0.mac = mac(2);
    eth0.mtu = Some(1300);
    eth0.altnames.insert("inside".into());
    host.run(&[
        create(&HOST, Body::Link(leg.clone())),
        implied(create(&red(), Body::Link(born(&eth0)))),
        alter(&red(), Body::Link(born(&eth0)), Body::Link(eth0.clone())),
    ]);
    assert_eq!(host.link(&HOST, "leg"), Some(leg.clone()));
    assert_eq!(host.link(&red(), "eth0"), Some(eth0.clone()));
    let all = host.all();
    for (ns, link) in [(HOST, &leg), (red(), &eth0)] {
        let key = Id::Link(link.name.clone()).at(ns);
        assert_eq!(all.fact(&key).unwrap().body.as_link(), Some(link));
    }
    host.run(&[implied(delete(&red(), Body::Link(eth0))), delete(&HOST, Body::Link(leg))]);
    assert_eq!((host.link(&HOST, "leg"), host.link(&red(), "eth0")), (None, None));
}

#[test]
fn a_pair_whose_ends_are_members_of_two_bridges() {
    let mut host = Host::new();
    let mut a = veth("a", &blue(), "b");
    a.master = Some(name("br0"));
    let mut b = veth("b", &red(), "a");
    b.master = Some(name("br1"));
    host.run(&[
        create(&red(), Body::Link(link("br0", LinkKind::Bridge))),
        create(&blue(), Body::Link(link("br1", LinkKind::Bridge))),
        create(&red(), Body::Link(a.clone())),
        implied(create(&blue(), Body::Link(born(&b)))),
        alter(&blue(), Body::Link(born(&b)), Body::Link(b.clone())),
    ]);
    assert_eq!(host.link(&red(), "a").unwrap().master, a.master);
    assert_eq!(host.link(&blue(), "b").unwrap().master, b.master);
}

#[test]
fn a_pair_within_one_namespace_with_its_addresses() {
    let mut host = Host::new();
    let net = |text: &str| Addr::global(name("w"), text.parse().unwrap());
    let w = veth("w", &red(), "v");
    host.run(&[
        create(&red(), Body::Link(veth("v", &red(), "w"))),
        implied(create(&red(), Body::Link(born(&w)))),
        alter(&red(), Body::Link(born(&w)), Body::Link(w)),
        create(&red(), Body::Addr(net("10.0.0.1/24"))),
        create(&red(), Body::Addr(net("fd00::1/64"))),
    ]);
    assert!(host.found(&Id::Addr(net("fd00::1/64").key).at(red())).is_some());
    assert_eq!(host.link(&red(), "w").unwrap().kind, veth("w", &red(), "v").kind);
}

#[test]
fn the_flags_of_a_member() {
    let mut host = Host::new();
    host.pair();
    let leg = host.link(&HOST, "leg").unwrap();
    let mut member = leg.clone();
    member.master = Some(name("br0"));
    let flags = MemberFlags {
        dev: name("leg"),
        hairpin: Some(true),
        isolated: Some(true),
        learning: Some(false),
        flood: Some(false),
        neigh_suppress: Some(true),
        vlans: None,
    };
    host.run(&[
        create(&HOST, Body::Link(link("br0", LinkKind::Bridge))),
        alter(&HOST, Body::Link(leg), Body::Link(member)),
        create(&HOST, Body::Member(flags.clone())),
    ]);
    let key = Id::Member(name("leg")).at(HOST);
    assert_eq!(host.found(&key), Some(Body::Member(flags.clone()).at(HOST)));
    let other = MemberFlags { hairpin: Some(false), flood: Some(true), ..flags.clone() };
    host.run(&[alter(&HOST, Body::Member(flags), Body::Member(other.clone()))]);
    assert_eq!(host.found(&key), Some(Body::Member(other).at(HOST)));
    let entry =
        FdbKey { dev: name("leg"), mac: mac(9).unwrap(), own: false, dst: None, vlan: None };
    host.comes_and_goes(&HOST, Body::Fdb(Fdb { key: entry, state: 0x40, derived: false }));
}

#[test]
fn settings_of_a_link_and_of_a_namespace() {
    let mut host = Host::new();
    host.pair();
    let forward = SysctlPath::ip_forward();
    let proxy = SysctlPath::conf4(&name("eth0"), "proxy_arp");
    let unread = SysctlPath::conf6(&name("eth0"), "dad_transmits");
    for path in [forward, proxy, unread] {
        let key = Id::Sysctl(path.clone()).at(red());
        let old = host.found(&key).unwrap().body;
        let new = Body::Sysctl(Sysctl { path, value: "0".into() });
        let other = Body::Sysctl(Sysctl { value: "1".into(), ..new.as_sysctl().unwrap().clone() });
        host.run(&[alter(&red(), old, other.clone())]);
        assert_eq!(host.found(&key), Some(other.clone().at(red())));
        host.run(&[alter(&red(), other, new.clone())]);
        assert_eq!(host.found(&key), Some(new.at(red())));
    }
    assert_eq!(host.net.sh("sysctl -n net.ipv4.ip_forward").trim(), "0");
}

#[test]
fn addresses_of_both_families() {
    let mut host = Host::new();
    host.pair();
    for text in ["192.168.15.2/24", "10.9.0.2/32", "fd00:15::2/64", "fd00:16::1/128"] {
        let addr = Addr::global(name("eth0"), text.parse().unwrap());
        host.comes_and_goes(&red(), Body::Addr(addr));
    }
    let mut addr = Addr::global(name("eth0"), "10.1.0.1/24".parse().unwrap());
    addr.scope = Scope::LINK;
    addr.noprefixroute = true;
    host.comes_and_goes(&red(), Body::Addr(addr));
}

#[test]
fn an_address_of_ours_can_be_used_at_once() {
    let mut host = Host::new();
    host.pair();
    let addr = Addr::global(name("eth0"), "fd00:15::2/64".parse().unwrap());
    host.run(&[create(&red(), Body::Addr(addr))]);
    let bound = host.kernel.inside(&red(), || std::net::UdpSocket::bind("[fd00:15::2]:0").is_ok());
    assert_eq!(bound, Ok(true));
}

/// Red with two addresses on eth0, and leg up.
fn routed() -> Host {
    let mut host = Host::new();
    host.pair();
    for text in ["192.168.15.2/24", "fd00:15::2/64"] {
        let addr = Addr::global(name("eth0"), text.parse().unwrap());
        host.run(&[create(&red(), Body::Addr(addr))]);
    }
    host
}

fn via(dst: &str, gateway: Option<&str>) -> Route {
    let key = RouteKey::main(dst.parse().unwrap());
    Route::unicast(key, name("eth0"), gateway.map(ip))
}

#[test]
fn routes_by_gateway_and_on_the_link() {
    let mut host = routed();
    for (dst, gateway) in [
        ("0.0.0.0/0", Some("192.168.15.1")),
        ("::/0", Some("fd00:15::1")),
        ("10.5.0.0/16", Some("192.168.15.1")),
        ("10.6.0.7/32", None),
        ("fd00:99::/64", None),
    ] {
        host.comes_and_goes(&red(), Body::Route(via(dst, gateway)));
    }
}

#[test]
fn routes_with_every_detail() {
    let mut host = routed();
    let mut onlink = via("0.0.0.0/0", Some("169.254.1.1"));
    onlink.hops[0].onlink = true;
    onlink.prefsrc = Some(ip("192.168.15.2"));
    onlink.mtu = Some(1400);
    onlink.advmss = Some(1360);
    host.comes_and_goes(&red(), Body::Route(onlink));
    let mut other = via("10.7.0.0/16", Some("192.168.15.1"));
    other.key = RouteKey::new(1000, "10.7.0.0/16".parse().unwrap(), 50);
    host.comes_and_goes(&red(), Body::Route(other));
    let mut v4_by_v6 = via("10.8.0.0/16", Some("fd00:15::1"));
    v4_by_v6.prefsrc = None;
    host.comes_and_goes(&red(), Body::Route(v4_by_v6));
    let mut several = via("10.9.0.0/16", None);
    let hop = |last: u8, weight| NextHop {
        via: Some(ip(&format!("192.168.15.{last}"))),
        dev: Some(name("eth0")),
        weight,
        onlink: false,
    };
    several.hops = vec![hop(3, 1), hop(4, 20)];
    several.scope = Scope::GLOBAL;
    host.comes_and_goes(&red(), Body::Route(several));
}

#[test]
fn routes_that_lead_nowhere() {
    let mut host = routed();
    let kinds =
        [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Throw];
    for kind in kinds {
        let mut route = via("10.66.0.0/16", None);
        route.kind = kind;
        route.hops.clear();
        route.scope = Scope::GLOBAL;
        host.comes_and_goes(&red(), Body::Route(route));
    }
}

#[test]
fn a_route_that_is_changed_in_place() {
    let mut host = routed();
    let (old, new) = (via("10.5.0.0/16", Some("192.168.15.1")), via("10.5.0.0/16", None));
    let key = Id::Route(old.key.clone()).at(red());
    host.run(&[create(&red(), Body::Route(old.clone()))]);
    host.run(&[alter(&red(), Body::Route(old), Body::Route(new.clone()))]);
    assert_eq!(host.found(&key), Some(Body::Route(new).at(red())));
}

#[test]
fn a_route_behind_a_longer_prefix_is_found() {
    let mut host = routed();
    let long = via("10.5.128.0/24", None);
    host.run(&[create(&red(), Body::Route(long))]);
    host.comes_and_goes(&red(), Body::Route(via("10.5.0.0/16", None)));
}

#[test]
fn policy_rules() {
    let mut host = routed();
    let plain = Rule {
        v6: false,
        priority: 100,
        from: Some("10.5.0.0/16".parse().unwrap()),
        to: None,
        iif: Some(name("eth0")),
        oif: None,
        mark: Some((0x10, 0xff)),
        not: true,
        suppress: None,
        ipproto: None,
        sport: None,
        dport: None,
        action: RuleAction::Lookup(1000),
        proto: proto::ROPEWALK,
    };
    host.comes_and_goes(&red(), Body::Rule(plain.clone()));
    let v6 = Rule {
        v6: true,
        from: None,
        to: Some("fd00:99::/64".parse().unwrap()),
        iif: None,
        oif: Some(name("lo")),
        mark: None,
        not: false,
        suppress: Some(0),
        action: RuleAction::Lookup(254),
        ..plain.clone()
    };
    host.comes_and_goes(&red(), Body::Rule(v6));
    let action = RuleAction::Prohibit;
    host.comes_and_goes(&red(), Body::Rule(Rule { action, not: false, mark: None, ..plain }));
}

#[test]
fn neighbours() {
    let mut host = routed();
    for text in ["192.168.15.9", "fd00:15::9"] {
        let key = NeighKey { dev: name("eth0"), ip: ip(text), proxy: false };
        let neigh = Neigh {
            key,
            mac: mac(9),
            state: Neigh::PERMANENT,
            proto: proto::ROPEWALK,
            derived: false,
        };
        host.comes_and_goes(&red(), Body::Neigh(neigh));
    }
}

#[test]
fn proxies() {
    let mut host = routed();
    for text in ["192.168.15.77", "fd00:15::77"] {
        let key = NeighKey { dev: name("eth0"), ip: ip(text), proxy: true };
        let proxy =
            Body::Neigh(Neigh { key, mac: None, state: 0, proto: proto::ROPEWALK, derived: false });
        let before = host.all().stated();
        host.run(&[create(&red(), proxy.clone())]);
        let fact = proxy.clone().at(red());
        assert_eq!(host.found(&fact.key()), Some(fact.clone()));
        host.run(&[delete(&red(), proxy)]);
        crate::space::same(&before, &host.all().stated());
    }
}

#[test]
fn a_named_namespace_with_what_is_in_it() {
    let mut host = Host::new();
    let before = host.all();
    let green = Ns::new("netns:green");
    let leg = veth("leg", &green, "eth0");
    let eth0 = veth("eth0", &HOST, "leg");
    let addr = Addr::global(name("eth0"), "10.0.0.2/24".parse().unwrap());
    let make = [
        create(&HOST, Body::Netns("green".into())),
        create(&HOST, Body::Link(leg.clone())),
        implied(create(&green, Body::Link(born(&eth0)))),
        create(&green, Body::Addr(addr.clone())),
    ];
    host.run(&make);
    assert!(host.found(&Id::Netns("green".into()).at(HOST)).is_some());
    assert!(host.found(&Id::Addr(addr.key.clone()).at(green.clone())).is_some());
    // The other end goes at once, though namespaces vanish some time after their names.
    host.run(&[
        implied(delete(&green, Body::Addr(addr))),
        implied(delete(&HOST, Body::Link(leg))),
        implied(delete(&green, Body::Link(eth0))),
        delete(&HOST, Body::Netns("green".into())),
    ]);
    assert_eq!(host.found(&Id::Netns("green".into()).at(HOST)), None);
    crate::space::same(&before, &host.all());
}
