//! Addresses, routes, rules, neighbours and forwarding entries against the running kernel.

use std::collections::BTreeSet;

use ropewalk_facts::{
    Addr, AddrKey, Body, Fdb, FdbKey, Lifetime, Neigh, NeighKey, NextHop, Ns, Route, RouteKey,
    RouteKind, Rule, RuleAction, Scope,
};
use ropewalk_wire::Error;
use ropewalk_wire::rt::{self, Links, Make};

use crate::net::{Net, ip, name};

#[test]
fn addresses_are_found_as_they_were_made() {
    let net = Net::with_links();
    for text in ["10.9.0.1/24", "10.9.1.1/32", "10.9.2.1/31", "fd09::1/64", "fd09::2/128"] {
        let addr = Addr::global(name("a0"), text.parse().unwrap());
        net.round(&Body::Addr(addr.clone()));
        net.round(&Body::Addr(Addr { noprefixroute: true, ..addr }));
    }
    let key = AddrKey { dev: name("a0"), net: "169.254.1.1/16".parse().unwrap() };
    let addr =
        Addr { key, scope: Scope::LINK, ..Addr::global(name("a0"), "1.1.1.1/8".parse().unwrap()) };
    net.round(&Body::Addr(addr));
}

#[test]
fn an_address_keeps_its_peer_broadcast_metric_and_lifetime() {
    let net = Net::with_links();
    let addr = |text: &str| {
        let addr = Addr::global(name("a0"), text.parse().unwrap());
        Addr { metric: Some(77), ..addr }
    };
    net.round(&Body::Addr(Addr { broadcast: Some([10, 9, 0, 77].into()), ..addr("10.9.0.1/24") }));
    net.round(&Body::Addr(Addr { peer: Some(ip("10.3.0.1")), ..addr("10.9.0.1/32") }));
    net.round(&Body::Addr(Addr { peer: Some(ip("fd03::1")), ..addr("fd09::1/64") }));
    let outdated = Lifetime { valid: Lifetime::FOREVER, preferred: 0 };
    net.round(&Body::Addr(Addr { lifetime: Some(outdated), ..addr("fd09::2/64") }));
    for text in ["10.9.0.2/24", "fd09::3/64"] {
        let wish = Lifetime { valid: 4_000_000, preferred: 2_000_000 };
        let wish = Body::Addr(Addr { lifetime: Some(wish), ..addr(text) });
        net.create(&wish);
        let found = net.read(&wish).unwrap().as_addr().unwrap().lifetime.unwrap();
        assert!((3_999_000..=4_000_000).contains(&found.valid), "{found:?}");
        assert!((1_999_000..=2_000_000).contains(&found.preferred), "{found:?}");
        net.delete(&wish);
    }
}

#[test]
fn an_address_is_changed_to_what_is_wanted() {
    let net = Net::with_links();
    for text in ["10.9.0.1/24", "fd09::1/64"] {
        let old = Addr::global(name("a0"), text.parse().unwrap());
        let new = Body::Addr(Addr { noprefixroute: true, ..old.clone() });
        let old = Body::Addr(old);
        net.create(&old);
        net.change(&old, &new);
        assert_eq!(net.read(&new), Some(new.clone()));
        net.change(&new, &old);
        assert_eq!(net.read(&old), Some(old));
    }
}

#[test]
fn addresses_that_the_kernel_makes_are_derived() {
    let net = Net::with_links();
    net.sh("ip addr add fe80::5/64 dev a0 nodad; ip addr add 10.1.0.9/24 dev a0");
    let found = net.found();
    let addrs = found.iter().filter_map(Body::as_addr);
    let stated: BTreeSet<String> = addrs
        .clone()
        .filter(|a| !a.derived)
        .map(|a| format!("{} {}{}", a.key.dev, a.key.net, if a.secondary { " 2" } else { "" }))
        .collect();
    assert_eq!(
        Vec::from_iter(stated),
        [
            "a0 10.1.0.1/24",
            "a0 10.1.0.9/24 2",
            "a0 fd01::1/64",
            "a0 fe80::5/64",
            "b0 10.2.0.1/24",
            "b0 fd02::1/64",
        ]
    );
    assert!(addrs.filter(|a| a.derived).count() >= 6, "lo twice, link-local four times");
}

fn route(dst: &str, hops: Vec<NextHop>) -> Route {
    let key = RouteKey::main(dst.parse().unwrap());
    let first = Route::unicast(key, name("a0"), hops.first().and_then(|h| h.via));
    Route { hops, ..first }
}

fn hop(dev: &str, via: Option<&str>) -> NextHop {
    NextHop { via: via.map(ip), dev: Some(name(dev)), weight: 1, onlink: false }
}

#[test]
fn routes_are_found_as_they_were_made() {
    let net = Net::with_links();
    let round = |route: Route| net.round(&Body::Route(route));
    for (dst, gw, far) in
        [("10.50.0.0/16", "10.1.0.2", "10.99.0.1"), ("fd50::/48", "fd01::2", "fd99::1")]
    {
        let plain = route(dst, vec![hop("a0", Some(gw))]);
        round(plain.clone());
        round(Route { key: RouteKey { metric: 77, ..plain.key.clone() }, ..plain.clone() });
        round(Route { key: RouteKey { table: 1000, ..plain.key.clone() }, ..plain.clone() });
        round(Route { key: RouteKey { table: 100, ..plain.key.clone() }, ..plain.clone() });
        round(Route { mtu: Some(1400), advmss: Some(1300), ..plain.clone() });
        let onlink = NextHop { onlink: true, ..hop("b0", Some(far)) };
        round(Route { hops: vec![onlink], ..plain.clone() });
        round(route(dst, vec![hop("a0", None)]));
    }
    let from =
        |src, dst, gw| Route { prefsrc: Some(ip(src)), ..route(dst, vec![hop("a0", Some(gw))]) };
    round(from("10.2.0.1", "10.50.0.0/16", "10.1.0.2"));
    round(from("fd02::1", "fd50::/48", "fd01::2"));
    round(route("0.0.0.0/0", vec![hop("a0", Some("10.1.0.2"))]));
    round(route("::/0", vec![hop("a0", Some("fd01::2"))]));
    round(route("10.60.0.0/16", vec![hop("a0", Some("fd01::2"))]));
    round(route("10.9.9.9/32", vec![hop("b0", None)]));
}

#[test]
fn routes_of_several_ways_are_found_as_they_were_made() {
    let net = Net::with_links();
    let ways = |a, b| vec![NextHop { weight: 3, ..hop("a0", Some(a)) }, hop("b0", Some(b))];
    net.round(&Body::Route(route("10.70.0.0/16", ways("10.1.0.2", "10.2.0.2"))));
    net.round(&Body::Route(route("fd70::/48", ways("fd01::2", "fd02::2"))));
    net.round(&Body::Route(route("10.71.0.0/16", ways("fd01::2", "10.2.0.2"))));
}

#[test]
fn routes_that_lead_nowhere_are_found_as_they_were_made() {
    let net = Net::with_links();
    let kinds =
        [RouteKind::Blackhole, RouteKind::Unreachable, RouteKind::Prohibit, RouteKind::Throw];
    for kind in kinds {
        let nowhere = Route { kind, ..route("10.80.0.0/16", vec![]) };
        net.round(&Body::Route(Route { scope: Scope::GLOBAL, ..nowhere.clone() }));
        let key = RouteKey { table: 1000, ..nowhere.key.clone() };
        net.round(&Body::Route(Route { key, scope: Scope::GLOBAL, ..nowhere }));
    }
    let local = Route {
        kind: RouteKind::Local,
        scope: Scope::HOST,
        ..route("10.81.0.0/16", vec![hop("lo", None)])
    };
    let key = RouteKey { table: 255, ..local.key.clone() };
    net.round(&Body::Route(Route { key, ..local }));
}

#[test]
fn a_route_by_a_nexthop_object_goes_and_comes_back() {
    let net = Net::with_links();
    net.sh("ip nexthop add id 7 blackhole; ip nexthop add id 8 via 10.1.0.2 dev a0");
    net.sh("ip -6 nexthop add id 9 blackhole; ip nexthop add id 10 group 8");
    for (dst, nhid) in
        [("10.80.0.0/16", 7), ("10.81.0.0/16", 8), ("fd80::/48", 9), ("10.82.0.0/16", 10)]
    {
        net.sh(&format!("ip route add {dst} nhid {nhid}"));
        let is = |body: &Body| body.as_route().is_some_and(|r| r.key.dst.to_string() == dst);
        let found = || net.found().into_iter().find(is);
        let made = found().unwrap();
        assert_eq!(made.as_route().unwrap().nhid, Some(nhid));
        net.delete(&made);
        assert_eq!(found(), None);
        net.create(&made);
        assert_eq!(found(), Some(made));
    }
}

#[test]
fn routes_are_changed_in_place() {
    let net = Net::with_links();
    for (dst, one, two) in
        [("10.50.0.0/16", "10.1.0.2", "10.2.0.2"), ("fd50::/48", "fd01::2", "fd02::2")]
    {
        let old = Body::Route(route(dst, vec![hop("a0", Some(one))]));
        let new = Body::Route(route(dst, vec![hop("a0", Some(one)), hop("b0", Some(two))]));
        let none = Body::Route(Route {
            kind: RouteKind::Blackhole,
            scope: Scope::GLOBAL,
            ..route(dst, vec![])
        });
        net.create(&old);
        for (from, to) in
            [(&old, &new), (&new, &none), (&none, &old), (&old, &none), (&none, &new), (&new, &old)]
        {
            net.change(from, to);
            let found: Vec<Body> = net.found().into_iter().filter(|b| b.id() == to.id()).collect();
            assert_eq!(found, std::slice::from_ref(to));
        }
    }
}

#[test]
fn only_the_route_of_the_stated_maker_is_removed() {
    let net = Net::with_links();
    net.sh("ip route add 10.50.0.0/16 via 10.1.0.2 metric 5 proto static");
    let ours = Body::Route(route("10.50.0.0/16", vec![hop("a0", Some("10.1.0.2"))]));
    let all = rt::delete(&ours, &net.links()).unwrap();
    let (outcome, _) = net.rt.ask(all.first().unwrap());
    assert_eq!(outcome.errno, libc::ESRCH);
    assert!(net.sh("ip route show 10.50.0.0/16").contains("metric 5"));
}

#[test]
fn routes_that_the_kernel_makes_are_derived() {
    let net = Net::with_links();
    net.sh("ip route add local 10.99.0.0/16 dev lo");
    let found = net.found();
    let stated: Vec<_> = found.iter().filter_map(Body::as_route).filter(|r| !r.derived).collect();
    assert_eq!(stated.len(), 1, "{stated:#?}");
    assert!(found.iter().filter_map(Body::as_route).filter(|r| r.derived).count() > 10);
}

#[test]
fn rules_are_found_as_they_were_made() {
    let net = Net::with_links();
    let bare = |v6| Rule {
        v6,
        priority: 900,
        from: None,
        to: None,
        iif: None,
        oif: None,
        mark: None,
        not: false,
        suppress: None,
        ipproto: None,
        sport: None,
        dport: None,
        action: RuleAction::Lookup(254),
        proto: 114,
    };
    for (v6, a, b) in [(false, "10.1.0.0/16", "10.2.0.3/32"), (true, "fd01::/48", "fd02::3/128")] {
        let (a, b) = (a.parse().ok(), b.parse().ok());
        for rule in [
            bare(v6),
            Rule { from: a, to: b, ..bare(v6) },
            Rule { iif: Some(name("a0")), oif: Some(name("lo")), ..bare(v6) },
            Rule { mark: Some((0x10, 0xf0)), not: true, ..bare(v6) },
            Rule { mark: Some((0x10, u32::MAX)), action: RuleAction::Lookup(1000), ..bare(v6) },
            Rule { suppress: Some(0), ..bare(v6) },
            Rule { action: RuleAction::Blackhole, ..bare(v6) },
            Rule { action: RuleAction::Unreachable, from: a, ..bare(v6) },
            Rule { action: RuleAction::Prohibit, from: a, ..bare(v6) },
        ] {
            net.round(&Body::Rule(rule));
        }
    }
    let kernels = net.found().iter().filter_map(Body::as_rule).count();
    assert_eq!(kernels, 5, "three of IPv4, two of IPv6");
}

#[test]
fn neighbours_are_found_as_they_were_made() {
    let net = Net::with_links();
    for (at, proxied) in [("10.1.0.7", "10.9.0.7"), ("fd01::7", "fd09::7")] {
        let mac = "02:00:00:00:00:07".parse().ok();
        let neigh = Neigh {
            key: NeighKey { dev: name("a0"), ip: ip(at), proxy: false },
            mac,
            state: Neigh::PERMANENT,
            proto: 114,
            derived: false,
        };
        net.round(&Body::Neigh(neigh.clone()));
        net.round(&Body::Neigh(Neigh { proto: 0, ..neigh.clone() }));
        let key = NeighKey { dev: name("a0"), ip: ip(proxied), proxy: true };
        let proxy = Neigh { key, mac: None, state: 0, ..neigh.clone() };
        net.round(&Body::Neigh(proxy.clone()));
        net.round(&Body::Neigh(Neigh { proto: 0, ..proxy }));
        let old = Body::Neigh(neigh.clone());
        let new = Body::Neigh(Neigh { mac: "02:00:00:00:00:08".parse().ok(), ..neigh });
        net.create(&old);
        net.change(&old, &new);
        assert_eq!(net.read(&new), Some(new));
    }
}

#[test]
fn neighbours_that_the_kernel_learns_are_derived() {
    let net = Net::with_links();
    net.sh("ip neigh add 10.1.0.8 dev a0 lladdr 02:00:00:00:00:08 nud reachable");
    let found = net.found();
    assert!(found.iter().filter_map(Body::as_neigh).all(|n| n.derived), "{found:#?}");
    assert!(found.iter().any(|b| b.as_neigh().is_some()));
}

#[test]
fn forwarding_entries_are_found_as_they_were_made() {
    let net = Net::with_links();
    net.sh("ip link add br0 type bridge; ip link set br0 up; ip link set a0 master br0");
    net.sh("ip link add vx0 type vxlan id 7 dstport 4789 local 10.2.0.1; ip link set vx0 up");
    let fdb = |dev: &str, mac: &str, own, dst: Option<&str>, state| {
        let key =
            FdbKey { dev: name(dev), mac: mac.parse().unwrap(), own, dst: dst.map(ip), vlan: None };
        Body::Fdb(Fdb { key, state, derived: false })
    };
    net.round(&fdb("a0", "02:00:00:00:00:09", false, None, 0x40));
    net.round(&fdb("a0", "02:00:00:00:00:09", false, None, 0x80));
    let flood = |dst| fdb("vx0", "00:00:00:00:00:00", true, Some(dst), 0x80);
    net.round(&flood("10.2.0.5"));
    net.create(&flood("10.2.0.5"));
    net.round(&flood("10.2.0.6"));
    assert!(net.found().contains(&flood("10.2.0.5")));
    let one = fdb("vx0", "02:00:00:00:00:0a", true, Some("10.2.0.7"), 0x80);
    net.create(&one);
    assert_eq!(net.read(&one).as_ref(), Some(&one));
    net.delete(&one);
    net.delete(&flood("10.2.0.5"));
    let stated: Vec<_> =
        net.found().into_iter().filter(|b| b.as_fdb().is_some_and(|f| !f.derived)).collect();
    assert_eq!(stated, [], "the rest is the kernel's");
}

#[test]
fn a_refusal_bears_the_kernels_words() {
    let net = Net::with_links();
    let body = Body::Route(route("10.50.0.0/16", vec![hop("a0", Some("10.77.0.2"))]));
    let all = rt::create(&body, Make::Exclusive, None, &net.links()).unwrap();
    let (outcome, _) = net.rt.ask(all.first().unwrap());
    assert_eq!(outcome.errno, libc::ENETUNREACH);
    assert_eq!(outcome.text.as_deref(), Some("Nexthop has invalid gateway"));
}

#[test]
fn the_kernel_tells_which_entry_decides() {
    let net = Net::with_links();
    net.sh("ip route add 10.50.0.0/16 via 10.1.0.2 metric 5 proto static");
    let kept = net.rt.must(&[rt::route_get(ip("10.50.3.4"), true).unwrap()]);
    let found = rt::decode(&kept.first().unwrap().message(), &net.links()).unwrap();
    let found = found.first().and_then(Body::as_route).unwrap();
    assert_eq!((found.key.dst.to_string().as_str(), found.key.metric), ("10.50.0.0/16", 5));
    let kept = net.rt.must(&[rt::route_get(ip("10.50.3.4"), false).unwrap()]);
    let message = kept.first().unwrap().message();
    let taken = rt::route_taken(&message, &net.links()).unwrap().unwrap();
    assert_eq!(taken.hops, [hop("a0", Some("10.1.0.2"))]);
    assert_eq!(taken.prefsrc, Some(ip("10.1.0.1")));
    assert_eq!(rt::decode(&message, &net.links()), Ok(vec![]), "no entry of a table");
}

#[test]
fn a_link_that_the_table_does_not_know_is_an_error() {
    let net = Net::with_links();
    let kept = net.rt.must(&rt::dumps().unwrap());
    let links = Links::new(Ns::HOST);
    let errors = kept.iter().filter_map(|k| rt::decode(&k.message(), &links).err());
    assert!(errors.into_iter().all(|e| matches!(e, Error::NoName(_))));
    let addr = Body::Addr(Addr::global(name("zz"), "10.0.0.1/8".parse().unwrap()));
    assert_eq!(rt::create(&addr, Make::Exclusive, None, &links), Err(Error::NoIndex(name("zz"))));
}
