//! What another implementation (netlink-packet-route) reads in our requests.

use expect_test::{Expect, expect};
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::RouteNetlinkMessage;
use ropewalk_facts::{
    Addr, Body, Fdb, FdbKey, IfName, IpvlanMode, Link, LinkKind, MacvlanMode, MemberFlags,
    MemberVlan, Neigh, NeighKey, NextHop, Ns, Peer, Route, RouteKey, RouteKind, Rule, RuleAction,
    Scope, VxlanSpec,
};
use ropewalk_wire::nl::Request;
use ropewalk_wire::rt::{self, Far, Links, Make};

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

/// The message as the other implementation prints it, a part a line.
fn told(request: &Request) -> String {
    let mut bytes = Vec::new();
    // It does not know the message that sets properties of a link, which has the same parts.
    let kind = if request.kind == 108 { 16 } else { request.kind };
    Request { kind, ..request.clone() }.encode(1, 0, &mut bytes);
    let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&bytes).unwrap();
    let NetlinkPayload::InnerMessage(inner) = message.payload else {
        unreachable!("a message of rtnetlink")
    };
    format!("{inner:?}\n").replace(", attributes: [", ",\n  ").replace("), ", "),\n  ")
}

#[track_caller]
fn check(body: &Body, far: Option<&Far<'_>>, expected: &Expect) {
    let all = rt::create(body, Make::Exclusive, far, &links()).unwrap();
    expected.assert_eq(&all.iter().map(told).collect::<String>());
}

fn hop(via: Option<&str>, dev: &str) -> NextHop {
    let via = via.map(|v| v.parse().unwrap());
    NextHop { via, dev: Some(name(dev)), weight: 1, onlink: false }
}

fn route(dst: &str, hops: Vec<NextHop>) -> Route {
    let key = RouteKey::new(1000, dst.parse().unwrap(), 7);
    Route { hops, ..Route::unicast(key, name("eth0"), "10.0.0.1".parse().ok()) }
}

#[test]
fn a_link() {
    let link = Link {
        mac: "02:00:00:00:00:01".parse().ok(),
        mtu: Some(1450),
        master: Some(name("br0")),
        altnames: ["ropewalk.x".to_owned()].into(),
        ..Link::up(name("d0"), LinkKind::Dummy)
    };
    check(
        &Body::Link(link),
        None,
        &expect![[r#"
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
          change_mask: LinkFlags(Up) },
          IfName("d0"),
          Address([2, 0, 0, 0, 0, 1]),
          Mtu(1450),
          Controller(5),
          LinkInfo([Kind(Dummy)])] })
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(0x0),
          change_mask: LinkFlags(0x0) },
          IfName("d0"),
          PropList([AltIfName("ropewalk.x")])] })
    "#]],
    );
}

#[test]
fn a_veth() {
    let end = |n: &str, peer: &str| {
        let peer = Peer { ns: Ns::new("netns:red"), name: name(peer) };
        Link::up(name(n), LinkKind::Veth { peer: Some(peer) })
    };
    let there =
        Link { mtu: Some(1450), mac: "02:00:00:00:00:02".parse().ok(), ..end("eth0", "leg") };
    let far = Far { ns: Some(17), link: Some(&there), ..Far::default() };
    check(
        &Body::Link(end("leg", "eth0")),
        Some(&far),
        &expect![[r#"
            NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
              change_mask: LinkFlags(Up) },
              IfName("leg"),
              LinkInfo([Kind(Veth),
              Data(Veth(Peer(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(0x0),
              change_mask: LinkFlags(0x0) },
              IfName("eth0"),
              Address([2, 0, 0, 0, 0, 2]),
              Mtu(1450),
              NetNsFd(17)] })))])] })
        "#]],
    );
}

#[test]
fn links_that_stand_on_one_of_the_same_namespace_or_of_another() {
    let lower = |ns| Some(Peer { ns, name: name("eth1") });
    let kinds = [
        LinkKind::Macvlan { lower: lower(Ns::HOST), mode: MacvlanMode::Passthru, queue: Some(77) },
        LinkKind::Ipvlan { lower: lower(Ns::HOST), mode: IpvlanMode::L3s },
        LinkKind::Vlan { lower: lower(Ns::HOST), id: 4094 },
    ];
    let told = kinds.map(|kind| {
        let body = Body::Link(Link::up(name("up0"), kind));
        let all = rt::create(&body, Make::Exclusive, None, &links()).unwrap();
        all.iter().map(told).collect::<String>()
    });
    expect![[r#"
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
          change_mask: LinkFlags(Up) },
          IfName("up0"),
          Link(4),
          LinkInfo([Kind(MacVlan),
          Data(MacVlan([Mode(Passthrough),
          BcQueueLen(77)]))])] })
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
          change_mask: LinkFlags(Up) },
          IfName("up0"),
          Link(4),
          LinkInfo([Kind(IpVlan),
          Data(IpVlan([Mode(L3S)]))])] })
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
          change_mask: LinkFlags(Up) },
          IfName("up0"),
          Link(4),
          LinkInfo([Kind(Vlan),
          Data(Vlan([Id(4094)]))])] })
    "#]].assert_eq(&told.concat());
    let kind = LinkKind::Macvlan {
        lower: lower(Ns::new("netns:far")),
        mode: MacvlanMode::Bridge,
        queue: None,
    };
    let link = Link { altnames: ["ropewalk.x".to_owned()].into(), ..Link::up(name("up0"), kind) };
    check(
        &Body::Link(link),
        Some(&Far { ns: Some(17), lower: Some(9), index: Some(70000), ..Far::default() }),
        &expect![[r#"
            NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 70000, link_layer_type: Netrom, flags: LinkFlags(Up),
              change_mask: LinkFlags(Up) },
              IfName("up0"),
              Link(9),
              NetNsFd(17),
              LinkInfo([Kind(MacVlan),
              Data(MacVlan([Mode(Bridge)]))])] })
            NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(0x0),
              change_mask: LinkFlags(0x0) },
              IfName("up0"),
              PropList([AltIfName("ropewalk.x")])] })
        "#]],
    );
}

#[test]
fn a_vxlan() {
    let spec = VxlanSpec {
        vni: 42,
        port: 4789,
        local: "192.0.2.1".parse().ok(),
        dev: Some(name("eth1")),
        learning: false,
    };
    check(
        &Body::Link(Link::up(name("vx0"), LinkKind::Vxlan(spec))),
        None,
        &expect![[r#"
        NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(Up),
          change_mask: LinkFlags(Up) },
          IfName("vx0"),
          LinkInfo([Kind(Vxlan),
          Data(Vxlan([Id(42),
          Port(4789),
          Learning(false),
          Local(192.0.2.1),
          Link(4)]))])] })
    "#]],
    );
}

#[test]
fn a_member() {
    let flags = MemberFlags {
        dev: name("eth0"),
        hairpin: Some(true),
        isolated: Some(true),
        learning: Some(false),
        flood: Some(false),
        neigh_suppress: Some(true),
        vlans: Some([MemberVlan { id: 100, pvid: true, untagged: true }].into()),
    };
    check(
        &Body::Member(flags),
        None,
        &expect![[r#"
            NewLink(LinkMessage { header: LinkHeader { interface_family: Unspec, index: 0, link_layer_type: Netrom, flags: LinkFlags(0x0),
              change_mask: LinkFlags(0x0) },
              IfName("eth0"),
              LinkInfo([PortKind(Bridge),
              PortData(BridgePort([HairpinMode(true),
              Isolated(true),
              Learning(false),
              UnicastFlood(false),
              NeighSupress(true)]))])] })
            DelLink(LinkMessage { header: LinkHeader { interface_family: Bridge, index: 3, link_layer_type: Netrom, flags: LinkFlags(0x0),
              change_mask: LinkFlags(0x0) },
              AfSpecBridge([VlanInfo(BridgeVlanInfo { flags: BridgeVlanInfoFlags(Pvid | Untagged),
              vid: 1 })])] })
            SetLink(LinkMessage { header: LinkHeader { interface_family: Bridge, index: 3, link_layer_type: Netrom, flags: LinkFlags(0x0),
              change_mask: LinkFlags(0x0) },
              AfSpecBridge([VlanInfo(BridgeVlanInfo { flags: BridgeVlanInfoFlags(Pvid | Untagged),
              vid: 100 })])] })
        "#]],
    );
}

#[test]
fn addresses() {
    let addr = |net: &str| Addr::global(name("eth0"), net.parse().unwrap());
    check(
        &Body::Addr(addr("10.0.0.2/24")),
        None,
        &expect![[r#"
        NewAddress(AddressMessage { header: AddressHeader { family: Inet, prefix_len: 24, flags: AddressHeaderFlags(0x0),
          scope: Universe, index: 3 },
          Local(10.0.0.2),
          Address(10.0.0.2)] })
    "#]],
    );
    let six = Addr { noprefixroute: true, ..addr("fd00::2/64") };
    check(
        &Body::Addr(six),
        None,
        &expect![[r#"
        NewAddress(AddressMessage { header: AddressHeader { family: Inet6, prefix_len: 64, flags: AddressHeaderFlags(0x0),
          scope: Universe, index: 3 },
          Local(fd00::2),
          Address(fd00::2),
          Flags(AddressFlags(Nodad | Noprefixroute))] })
    "#]],
    );
}

#[test]
fn routes() {
    let one = Route {
        mtu: Some(1400),
        advmss: Some(1360),
        prefsrc: "10.0.0.2".parse().ok(),
        ..route("10.9.0.0/16", vec![NextHop { onlink: true, ..hop(Some("10.0.0.1"), "eth0") }])
    };
    check(
        &Body::Route(one),
        None,
        &expect![[r#"
        NewRoute(RouteMessage { header: RouteHeader { address_family: Inet, destination_prefix_length: 16, source_prefix_length: 0, tos: 0, table: 0, protocol: Other(114),
          scope: Universe, kind: Unicast, flags: RouteFlags(Onlink) },
          Destination(Inet(10.9.0.0)),
          Table(1000),
          Priority(7),
          PrefSource(Inet(10.0.0.2)),
          Metrics([Mtu(1400),
          Advmss(1360)]),
          Oif(3),
          Gateway(Inet(10.0.0.1))] })
    "#]],
    );
    let three = NextHop { weight: 3, ..hop(Some("fd00::1"), "eth1") };
    let two = route("0.0.0.0/0", vec![hop(Some("10.0.0.1"), "eth0"), three]);
    check(
        &Body::Route(two),
        None,
        &expect![[r#"
        NewRoute(RouteMessage { header: RouteHeader { address_family: Inet, destination_prefix_length: 0, source_prefix_length: 0, tos: 0, table: 0, protocol: Other(114),
          scope: Universe, kind: Unicast, flags: RouteFlags(0x0) },
          Table(1000),
          Priority(7),
          MultiPath([RouteNextHop { flags: RouteNextHopFlags(0x0),
          hops: 0, interface_index: 3,
          Gateway(Inet(10.0.0.1))] }, RouteNextHop { flags: RouteNextHopFlags(0x0),
          hops: 2, interface_index: 4,
          Via(Inet6(fd00::1))] }])] })
    "#]],
    );
    let via = route("10.9.0.0/16", vec![hop(Some("fd00::1"), "eth0")]);
    check(
        &Body::Route(via),
        None,
        &expect![[r#"
        NewRoute(RouteMessage { header: RouteHeader { address_family: Inet, destination_prefix_length: 16, source_prefix_length: 0, tos: 0, table: 0, protocol: Other(114),
          scope: Universe, kind: Unicast, flags: RouteFlags(0x0) },
          Destination(Inet(10.9.0.0)),
          Table(1000),
          Priority(7),
          Oif(3),
          Via(Inet6(fd00::1))] })
    "#]],
    );
    let none =
        Route { kind: RouteKind::Blackhole, scope: Scope::GLOBAL, ..route("fd09::/48", vec![]) };
    check(
        &Body::Route(none),
        None,
        &expect![[r#"
        NewRoute(RouteMessage { header: RouteHeader { address_family: Inet6, destination_prefix_length: 48, source_prefix_length: 0, tos: 0, table: 0, protocol: Other(114),
          scope: Universe, kind: BlackHole, flags: RouteFlags(0x0) },
          Destination(Inet6(fd09::)),
          Table(1000),
          Priority(7)] })
    "#]],
    );
}

#[test]
fn a_rule() {
    let rule = Rule {
        v6: false,
        priority: 900,
        from: "10.0.0.0/8".parse().ok(),
        to: "192.0.2.0/24".parse().ok(),
        iif: Some(name("eth0")),
        oif: Some(name("eth1")),
        mark: Some((0x10, 0xf0)),
        not: true,
        ipproto: Some(17),
        sport: None,
        dport: Some((53, 53)),
        suppress: Some(0),
        action: RuleAction::Lookup(1000),
        proto: 114,
    };
    check(
        &Body::Rule(rule),
        None,
        &expect![[r#"
            NewRule(RuleMessage { header: RuleHeader { family: Inet, dst_len: 24, src_len: 8, tos: 0, table: 0, action: ToTable, flags: RuleFlags(Invert) },
              Destination(192.0.2.0),
              Source(10.0.0.0),
              Iifname("eth0"),
              Oifname("eth1"),
              FwMark(16),
              FwMask(240),
              SuppressPrefixLen(0),
              IpProtocol(Udp),
              DestinationPortRange(RulePortRange { start: 53, end: 53 }),
              Priority(900),
              Protocol(Other(114)),
              Table(1000)] })
        "#]],
    );
}

#[test]
fn neighbours() {
    let neigh = |proxy| Neigh {
        key: NeighKey { dev: name("eth0"), ip: "10.0.0.7".parse().unwrap(), proxy },
        mac: if proxy { None } else { "02:00:00:00:00:07".parse().ok() },
        state: if proxy { 0 } else { Neigh::PERMANENT },
        proto: 114,
        derived: false,
    };
    check(
        &Body::Neigh(neigh(false)),
        None,
        &expect![[r#"
        NewNeighbour(NeighbourMessage { header: NeighbourHeader { family: Inet, ifindex: 3, state: Permanent, flags: NeighbourFlags(0x0),
          kind: Unspec },
          Destination(Inet(10.0.0.7)),
          LinkLayerAddress([2, 0, 0, 0, 0, 7]),
          Protocol(Other(114))] })
    "#]],
    );
    check(
        &Body::Neigh(neigh(true)),
        None,
        &expect![[r#"
            NewNeighbour(NeighbourMessage { header: NeighbourHeader { family: Inet, ifindex: 3, state: Permanent, flags: NeighbourFlags(Proxy),
              kind: Unspec },
              Destination(Inet(10.0.0.7)),
              Protocol(Other(114))] })
        "#]],
    );
}

#[test]
fn a_forwarding_entry() {
    let key = FdbKey {
        dev: name("eth0"),
        mac: "02:00:00:00:00:07".parse().unwrap(),
        own: true,
        dst: "192.0.2.9".parse().ok(),
        vlan: Some(5),
    };
    check(
        &Body::Fdb(Fdb { key, state: 0x80, derived: false }),
        None,
        &expect![[r#"
            NewNeighbour(NeighbourMessage { header: NeighbourHeader { family: Bridge, ifindex: 3, state: Permanent, flags: NeighbourFlags(Own),
              kind: Unspec },
              LinkLayerAddress([2, 0, 0, 0, 0, 7]),
              Destination(Other([192, 0, 2, 9])),
              Vlan(5)] })
        "#]],
    );
}
