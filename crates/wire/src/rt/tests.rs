//! Value → bytes → value, for every noun whose message is the same in both directions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use ropewalk_facts::{
    Addr, Fdb, FdbKey, IfName, IpvlanMode, LinkKind, Mac, MacvlanMode, MemberFlags, Neigh,
    NeighKey, NextHop, Ns, Peer, Route, RouteKey, Rule, RuleAction, Scope, VxlanSpec,
};

use super::*;

fn name(text: &str) -> IfName {
    IfName::new(text).unwrap()
}

fn links() -> Links {
    let mut links = Links::new(Ns::HOST);
    for (index, text) in (3..).zip(["eth0", "eth1", "br0"]) {
        links.insert(name(text), index);
    }
    links
}

fn message(kind: u16, body: &[u8]) -> Message<'_> {
    Message { kind, flags: 0, seq: 0, pid: 0, body }
}

/// What is read of the first request that makes `body`, after every prefix of it.
fn reread(body: &Body) -> Vec<Body> {
    let links = links();
    let all = create(body, Make::Exclusive, None, &links).unwrap();
    let first = &all[0];
    for end in 0..first.body.len() {
        let _ = decode(&message(first.kind, &first.body[..end]), &links);
    }
    decode(&message(first.kind, &first.body), &links).unwrap()
}

fn dev() -> impl Strategy<Value = IfName> + Clone {
    prop_oneof![Just(name("eth0")), Just(name("eth1"))]
}

fn mac() -> impl Strategy<Value = Mac> {
    any::<[u8; 6]>().prop_map(|mut b| {
        b[0] = b[0] & 0xfc | 2;
        Mac(b)
    })
}

fn ip_of(v6: bool) -> BoxedStrategy<IpAddr> {
    if v6 {
        any::<[u8; 16]>().prop_map(IpAddr::from).boxed()
    } else {
        any::<[u8; 4]>().prop_map(IpAddr::from).boxed()
    }
}

fn ip() -> impl Strategy<Value = IpAddr> {
    any::<bool>().prop_flat_map(ip_of)
}

fn net_of(v6: bool) -> impl Strategy<Value = IpNet> {
    let max = if v6 { 128 } else { 32 };
    (ip_of(v6), 0u8..=max).prop_map(|(ip, len)| IpNet::new(ip, len).unwrap())
}

fn net() -> impl Strategy<Value = IpNet> {
    any::<bool>().prop_flat_map(net_of)
}

fn addr() -> impl Strategy<Value = Addr> {
    (dev(), net(), any::<(u8, bool, bool)>()).prop_map(
        |(dev, net, (scope, nodad, noprefixroute))| {
            let nodad = nodad && matches!(net, IpNet::V6(_));
            Addr { scope: Scope(scope), nodad, noprefixroute, ..Addr::global(dev, net) }
        },
    )
}

fn hop(v6: bool) -> impl Strategy<Value = NextHop> {
    (prop::option::of(ip()), dev(), 1u16..=256, any::<bool>()).prop_map(
        move |(via, dev, weight, onlink)| {
            // RTA_VIA is IPv4's: an IPv6 route has no gateway of the other family.
            let via = via.filter(|via| !v6 || via.is_ipv6());
            NextHop { via, dev: Some(dev), weight, onlink }
        },
    )
}

fn route() -> impl Strategy<Value = Route> {
    any::<bool>().prop_flat_map(|v6| {
        let numbers = any::<(u32, u32, u8, Option<u32>, Option<u32>)>();
        let objects = prop::option::weighted(0.1, any::<u32>());
        let hops = prop::collection::vec(hop(v6), 1..4);
        (net_of(v6), numbers, prop::option::of(ip_of(v6)), hops, 0usize..9, objects).prop_map(
            |(dst, (table, metric, scope, mtu, advmss), prefsrc, mut hops, kind, nhid)| {
                let kind = route::KINDS[if nhid.is_some() { 0 } else { kind }].1;
                // What an object says is not said by the route.
                if nhid.is_some() || !route::leads(kind) {
                    hops.clear();
                }
                if let [one] = hops.as_mut_slice() {
                    one.weight = 1;
                }
                let key = RouteKey { table, dst: dst.trunc(), metric };
                let proto = ropewalk_facts::proto::ROPEWALK;
                let scope = Scope(scope);
                Route { key, kind, hops, nhid, scope, proto, prefsrc, mtu, advmss, derived: false }
            },
        )
    })
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        (1u32..).prop_map(RuleAction::Lookup),
        Just(RuleAction::Blackhole),
        Just(RuleAction::Unreachable),
        Just(RuleAction::Prohibit),
    ];
    any::<bool>().prop_flat_map(move |v6| {
        let nets = (prop::option::of(net_of(v6)), prop::option::of(net_of(v6)));
        let devs = (prop::option::of(dev()), prop::option::of(dev()));
        let numbers = any::<(u32, Option<(u32, u32)>, bool, u8)>();
        let suppress = prop::option::of(0u32..=128);
        let flow = any::<(Option<u8>, Option<(u16, u16)>, Option<(u16, u16)>)>();
        (nets, devs, numbers, suppress, flow, action.clone()).prop_map(
            move |(
                (from, to),
                (iif, oif),
                (priority, mark, not, proto),
                suppress,
                flow,
                action,
            )| Rule {
                ipproto: flow.0,
                sport: flow.1,
                dport: flow.2,
                v6,
                priority,
                from: from.map(|n| n.trunc()),
                to: to.map(|n| n.trunc()),
                iif,
                oif,
                mark,
                not,
                suppress,
                action,
                proto,
            },
        )
    })
}

fn neigh() -> impl Strategy<Value = Neigh> {
    (dev(), ip(), prop::option::of(mac()), any::<(bool, u8)>()).prop_map(
        |(dev, ip, mac, (proxy, proto))| Neigh {
            key: NeighKey { dev, ip, proxy },
            mac,
            state: if proxy { 0 } else { Neigh::PERMANENT },
            proto,
            derived: false,
        },
    )
}

fn fdb() -> impl Strategy<Value = Fdb> {
    (dev(), mac(), prop::option::of(ip()), prop::option::of(1u16..4095), any::<bool>()).prop_map(
        |(dev, mac, dst, vlan, own)| Fdb {
            // What a device without destinations has of its own, the kernel made.
            key: FdbKey { dev, mac, own: own && dst.is_some(), dst, vlan },
            state: Neigh::PERMANENT,
            derived: false,
        },
    )
}

fn link() -> impl Strategy<Value = Link> {
    let spec = (0u32..1 << 24, any::<u16>(), prop::option::of(ip()), prop::option::of(dev()));
    let vxlan = (spec, any::<bool>()).prop_map(|((vni, port, local, dev), learning)| {
        LinkKind::Vxlan(VxlanSpec { vni, port, local, dev, learning })
    });
    let lower = || dev().prop_map(|name| Some(Peer { ns: Ns::HOST, name }));
    let mode = prop::sample::select(MacvlanMode::ALL);
    let macvlan = (lower(), mode, prop::option::of(0u32..1000))
        .prop_map(|(lower, mode, queue)| LinkKind::Macvlan { lower, mode, queue });
    let mode = prop::sample::select(IpvlanMode::ALL);
    let ipvlan = (lower(), mode).prop_map(|(lower, mode)| LinkKind::Ipvlan { lower, mode });
    let vlan = (lower(), 1u16..4095).prop_map(|(lower, id)| LinkKind::Vlan { lower, id });
    let vrf = any::<u32>().prop_map(|table| LinkKind::Vrf { table });
    let plain = prop::sample::select(vec![LinkKind::Bridge, LinkKind::Dummy, LinkKind::Ifb]);
    let kind = prop_oneof![plain, vxlan, macvlan, ipvlan, vlan, vrf];
    let rest = (prop::option::of(mac()), any::<Option<u32>>(), any::<(bool, bool)>());
    let switches = any::<(bool, bool, bool)>();
    let txqlen = prop::option::of(1001u32..);
    let manner = (switches, txqlen);
    (dev(), kind, rest, manner).prop_map(|(dev, kind, (mac, mtu, (up, member)), manner)| Link {
        mac,
        mtu,
        up,
        promisc: manner.0.0.then_some(true),
        allmulti: manner.0.1.then_some(true),
        vlan_filtering: (manner.0.2 && kind == LinkKind::Bridge).then_some(true),
        txqlen: manner.1,
        master: member.then(|| name("br0")),
        ..Link::up(dev, kind)
    })
}

fn member() -> impl Strategy<Value = MemberFlags> {
    let flags = any::<(Option<bool>, Option<bool>, Option<bool>, Option<bool>, Option<bool>)>();
    (dev(), flags).prop_map(|(dev, (hairpin, isolated, learning, flood, neigh_suppress))| {
        MemberFlags { hairpin, isolated, learning, flood, neigh_suppress, ..MemberFlags::of(dev) }
    })
}

proptest! {
    #[test]
    fn an_address_is_read_as_it_was_written(x in addr()) {
        prop_assert_eq!(reread(&Body::Addr(x.clone())), [Body::Addr(x)]);
    }

    #[test]
    fn a_route_is_read_as_it_was_written(x in route()) {
        prop_assert_eq!(reread(&Body::Route(x.clone())), [Body::Route(x)]);
    }

    #[test]
    fn a_rule_is_read_as_it_was_written(x in rule()) {
        prop_assert_eq!(reread(&Body::Rule(x.clone())), [Body::Rule(x)]);
    }

    #[test]
    fn a_neighbour_is_read_as_it_was_written(x in neigh()) {
        prop_assert_eq!(reread(&Body::Neigh(x.clone())), [Body::Neigh(x)]);
    }

    #[test]
    fn a_forwarding_entry_is_read_as_it_was_written(x in fdb()) {
        prop_assert_eq!(reread(&Body::Fdb(x.clone())), [Body::Fdb(x)]);
    }

    #[test]
    fn a_link_is_read_as_it_was_written(mut x in link()) {
        if x.kind == LinkKind::Bridge {
            // It is set by a request of its own.
            x.mtu = None;
        }
        prop_assert_eq!(reread(&Body::Link(x.clone())), [Body::Link(x)]);
    }

    #[test]
    fn members_flags_are_read_as_they_were_written(x in member()) {
        let said = [x.hairpin, x.isolated, x.learning, x.flood, x.neigh_suppress];
        if said.iter().any(Option::is_some) {
            prop_assert!(reread(&Body::Member(x.clone())).contains(&Body::Member(x)));
        } else {
            prop_assert_eq!(create(&Body::Member(x), Make::Shared, None, &links()), Ok(vec![]));
        }
    }

    #[test]
    fn random_bytes_do_not_panic(kind in 16u16..47, body in prop::collection::vec(any::<u8>(), 0..160)) {
        let _ = decode(&message(kind, &body), &links());
        links().learn(&message(kind, &body));
        let _ = nsid_of(&message(RTM_NEWNSID, &body));
    }

    #[test]
    fn a_changed_byte_does_not_panic(x in route(), at: prop::sample::Index, byte: u8) {
        let mut all = create(&Body::Route(x), Make::Shared, None, &links()).unwrap();
        let at = at.index(all[0].body.len());
        all[0].body[at] = byte;
        let _ = decode(&message(RTM_NEWROUTE, &all[0].body), &links());
    }
}

#[test]
fn a_bridge_is_given_its_mtu_when_it_is_there() {
    let bridge = Link { mtu: Some(1400), ..Link::up(name("br0"), LinkKind::Bridge) };
    let all = create(&Body::Link(bridge), Make::Exclusive, None, &links()).unwrap();
    let mtus: Vec<_> = all
        .iter()
        .map(|r| crate::nl::attrs(&r.body[16..]).first(IFLA_MTU).and_then(|a| a.u32()))
        .collect();
    assert_eq!(mtus, [None, Some(1400)]);
}

#[test]
fn what_does_not_differ_is_not_sent() {
    let old = Link { mtu: Some(1500), ..Link::up(name("eth0"), LinkKind::Bridge) };
    let ends =
        |new: &Link| change(&Body::Link(old.clone()), &Body::Link(new.clone()), &links()).unwrap();
    assert_eq!(ends(&old), []);
    assert_eq!(ends(&Link { mtu: None, ..old.clone() }), [], "left to the kernel");
    assert_eq!(ends(&Link { altnames: ["x".to_owned()].into(), ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { up: false, ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { alias: Some("x".into()), ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { group: 7, ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { promisc: Some(true), ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { promisc: Some(false), ..old.clone() }), [], "off as it was");
    assert_eq!(ends(&Link { vlan_filtering: Some(true), ..old.clone() }).len(), 1);
    assert_eq!(ends(&Link { txqlen: Some(5), ..old.clone() }).len(), 1);
    let kind = Link { kind: LinkKind::Ifb, ..old.clone() };
    assert_eq!(change(&Body::Link(old), &Body::Link(kind), &links()), Err(Error::Fixed));
}

#[test]
fn a_veth_without_its_other_end_is_not_made() {
    let link = |peer| Body::Link(Link::up(name("eth0"), LinkKind::Veth { peer }));
    let refused = create(&link(None), Make::Exclusive, None, &links());
    assert_eq!(refused, Err(Error::NoPeer(name("eth0"))));
    let peer = Peer { ns: Ns::new("netns:red"), name: name("x") };
    assert!(create(&link(Some(peer)), Make::Exclusive, None, &links()).is_ok());
}

#[test]
fn a_link_whose_name_facts_cannot_hold_is_passed_over() {
    let mut links = Links::new(Ns::HOST);
    let mut w = crate::nl::Writer::with(&[0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    w.bytes(IFLA_IFNAME, b"\xffodd\0");
    let body = w.finish().unwrap();
    let link = message(RTM_NEWLINK, &body);
    links.learn(&link);
    assert_eq!(decode(&link, &links), Ok(vec![]));
    links.insert(name("odd"), 9);
    let addr = Body::Addr(Addr::global(name("odd"), "10.0.0.1/8".parse().unwrap()));
    let all = create(&addr, Make::Exclusive, None, &links).unwrap();
    links.learn(&link);
    assert_eq!(decode(&message(RTM_NEWADDR, &all[0].body), &links), Ok(vec![]));
    links.forget(9);
    let unknown = decode(&message(RTM_NEWADDR, &all[0].body), &links);
    assert_eq!(unknown, Err(Error::NoName(9)));
}

#[test]
fn a_link_that_is_renamed_is_known_by_its_new_name_only() {
    let mut links = links();
    links.insert(name("new"), 3);
    assert_eq!((links.index(&name("new")), links.name(3)), (Some(3), Some(&name("new"))));
    assert_eq!(links.index(&name("eth0")), None);
    links.insert(name("new"), 3);
    assert_eq!(links.index(&name("new")), Some(3), "said twice");
    links.insert(name("new"), 7);
    assert_eq!((links.index(&name("new")), links.name(3)), (Some(7), None));
}

#[test]
fn the_address_asked_for_lies_in_the_middle_of_the_prefix() {
    for (dst, wanted) in [
        ("0.0.0.0/0", "128.0.0.0"),
        ("10.0.0.0/24", "10.0.0.128"),
        ("10.0.0.0/30", "10.0.0.2"),
        ("10.0.0.0/31", "10.0.0.0"),
        ("10.0.0.1/32", "10.0.0.1"),
        ("::/0", "8000::"),
        ("fd00::/64", "fd00::8000:0:0:0"),
        ("fd00::1/128", "fd00::1"),
    ] {
        let key = RouteKey::main(dst.parse().unwrap());
        assert_eq!(route::probe(&key), wanted.parse::<IpAddr>().unwrap(), "{dst}");
    }
}

#[test]
fn what_is_no_object_of_rtnetlink_is_refused() {
    let netns = Body::Netns("red".into());
    assert_eq!(create(&netns, Make::Exclusive, None, &links()), Err(Error::Foreign));
    assert_eq!(delete(&netns, &links()), Err(Error::Foreign));
    assert_eq!(read(&netns.id(), &links()), Err(Error::Foreign));
}
