//! Networks: defaults, what is refused, and that a network writes itself back.

use expect_test::expect;
use proptest::prelude::*;
use ropewalk_spec::{Masquerade, Mode, Network, RawNetwork, Reach, pool, to_toml};

use crate::{network, options};

#[test]
fn a_subnet_is_all_it_takes() {
    let web = network(r#"subnet = "192.168.15.0/24""#);
    assert_eq!(web.mode, Mode::Bridge { bridge: None, reach: Reach::Open });
    assert_eq!(web.subnets[0].gateway, Some([192, 168, 15, 1].into()));
    assert_eq!((web.masquerade, web.masquerade_in), (Masquerade::Yes, Masquerade::No));
    assert!(web.default_route);
}

#[test]
fn defaults_follow_the_mode() {
    let inner = network("internal = true\nsubnet = ['10.9.0.0/24', 'fd00:9::/64']");
    assert_eq!(inner.masquerade, Masquerade::No);
    assert_eq!(inner.subnets[1].gateway, Some("fd00:9::1".parse().unwrap()));
    assert!(!inner.default_route);

    let l2 = network("l2 = true\nsubnet = '10.9.0.0/24'");
    assert_eq!(l2.subnets[0].gateway, None);
    assert!(network("l2 = true").subnets.is_empty());

    let routed = network("mode = 'routed'\nsubnet = ['10.9.0.0/24', 'fd00:9::/64']");
    assert_eq!(routed.masquerade, Masquerade::No);
    assert_eq!(routed.subnets[0].gateway, Some([169, 254, 1, 1].into()));
    assert_eq!(routed.subnets[1].gateway, Some("fe80::1".parse().unwrap()));
    assert!(routed.default_route);
}

#[test]
fn gateways_and_ranges_find_their_subnet() {
    let web = network(
        "subnet = ['10.9.0.0/24', 'fd00:9::/64']
         gateway = ['fd00:9::ff', '10.9.0.254']
         range = ['fd00:9::100-fd00:9::1ff', '10.9.0.128/25']",
    );
    assert_eq!(web.subnets[0].gateway, Some([10, 9, 0, 254].into()));
    assert_eq!(web.subnets[0].range, Some(([10, 9, 0, 128].into(), [10, 9, 0, 255].into())));
    assert_eq!(web.subnets[1].gateway, Some("fd00:9::ff".parse().unwrap()));
    assert_eq!(web.subnets[1].range.unwrap().1, "fd00:9::1ff".parse::<std::net::IpAddr>().unwrap());
}

#[test]
fn a_shared_gateway_outside_serves_the_subnets_without_their_own() {
    let net = network(
        "mode = 'routed'
         subnet = ['10.1.0.0/24', '10.2.0.0/24', 'fd00::/64']
         gateway = ['10.9.9.9', '10.2.0.1']",
    );
    let gateways: Vec<_> = net.subnets.iter().map(|s| s.gateway.unwrap().to_string()).collect();
    assert_eq!(gateways, ["10.9.9.9", "10.2.0.1", "fe80::1"]);
    assert_eq!(reread(&net), net);
}

#[test]
fn what_cannot_be_is_refused_with_what_to_do() {
    let refusals: String = [
        "",
        "subnet = '10.9.0.1/24'",
        "subnet = '10.9.0.0'",
        "subnet = '10.9.0.0/33'",
        "subnet = '10.9.0.0/+24'",
        "subnet = 'fd00::1/64'",
        "subnet = '10.9.0.0/32'",
        "subnet = '127.0.0.0/16'",
        "subnet = '0.0.0.0/0'",
        "subnet = 'fe80::/64'",
        "subnet = ['10.9.0.0/24', '10.9.0.0/16']",
        "subnet = '10.9.0.0/24'\ngateway = '10.8.0.1'",
        "subnet = '10.9.0.0/24'\ngateway = '10.9.0.0'",
        "subnet = '10.9.0.0/24'\ngateway = '10.9.0.255'",
        "subnet = '10.9.0.0/24'\ngateway = ['10.9.0.1', '10.9.0.2']",
        "subnet = '10.9.0.0/24'\ngateway = 'here'",
        "subnet = '10.9.0.0/24'\nrange = '10.9.0.9-10.9.0.8'",
        "subnet = '10.9.0.0/24'\nrange = '10.9.0.9-10.9.1.8'",
        "subnet = '10.9.0.0/24'\nrange = '10.9.0.1-10.9.0.1'",
        "subnet = '10.9.0.0/24'\nrange = '10.9.0.9-fd00::1'",
        "subnet = '10.9.0.0/24'\nrange = 'all'",
        "subnet = '10.9.0.0/24'\nmode = 'vlan'",
        "subnet = '10.9.0.0/24'\nmode = 'routed'\nbridge = 'br0'",
        "subnet = '10.9.0.0/24'\nmode = 'routed'\ninternal = true",
        "subnet = '10.9.0.0/24'\nmode = 'routed'\ngateway = 'fe80::1'",
        "subnet = '10.9.0.0/24'\nmode = 'routed'\ngateway = ['10.1.0.1', '10.1.0.2']",
        "subnet = '10.9.0.0/24'\nbridge = 'a/b'",
        "subnet = '10.9.0.0/24'\ninternal = true\nl2 = true",
        "subnet = '10.9.0.0/24'\ninternal = true\nmasquerade = 'yes'",
        "subnet = '10.9.0.0/24'\ninternal = true\ndefault_route = true",
        "subnet = '10.9.0.0/24'\nl2 = true\ngateway = '10.9.0.1'",
        "subnet = '10.9.0.0/24'\nl2 = true\nmasquerade_in = 'yes'",
        "subnet = '10.9.0.0/24'\nmasquerade = 'fd00::1'",
        "subnet = '10.9.0.0/24'\nmasquerade = 'perhaps'",
        "subnet = '10.9.0.0/24'\nmtu = 67",
        "subnet = 'fd00::/64'\nmtu = 1279",
        "subnet = '10.9.0.0/24'\nmtu = 65536",
    ]
    .iter()
    .map(|text| {
        let error = options(text).check().unwrap_err();
        let help = error.problem.help().map(|help| format!(" (try: {help})")).unwrap_or_default();
        format!("{}[{}]: {}{help}\n", error.field, error.index, error.problem)
    })
    .collect();
    expect![[r#"
        subnet[0]: none is given (try: give one or more, such as 10.9.0.0/24)
        subnet[0]: 10.9.0.1/24 has host bits set (try: write 10.9.0.0/24)
        subnet[0]: "10.9.0.0" is not a subnet (try: write 10.9.0.0/24 or fd00:9::/64)
        subnet[0]: "10.9.0.0/33" is not a subnet (try: write 10.9.0.0/24 or fd00:9::/64)
        subnet[0]: "10.9.0.0/+24" is not a subnet (try: write 10.9.0.0/24 or fd00:9::/64)
        subnet[0]: fd00::1/64 has host bits set (try: write fd00::/64)
        subnet[0]: 10.9.0.0/32 has no room for a gateway and a sandbox (try: choose a shorter prefix)
        subnet[0]: 127.0.0.0/16 holds addresses that no sandbox can carry (127.0.0.0/8) (try: choose another subnet, such as one of 10.0.0.0/8 or fd00::/8)
        subnet[0]: 0.0.0.0/0 holds addresses that no sandbox can carry (0.0.0.0/8) (try: choose another subnet, such as one of 10.0.0.0/8 or fd00::/8)
        subnet[0]: fe80::/64 holds addresses that no sandbox can carry (fe80::/10) (try: choose another subnet, such as one of 10.0.0.0/8 or fd00::/8)
        subnet[1]: 10.9.0.0/16 overlaps 10.9.0.0/24 of network web (try: choose another subnet, such as one of 10.0.0.0/8 or fd00::/8)
        gateway[0]: 10.8.0.1 is in no subnet of the network (try: choose from the network's subnets)
        gateway[0]: 10.9.0.0 names the subnet 10.9.0.0/24 itself (try: choose another address of the subnet)
        gateway[0]: 10.9.0.255 is the broadcast address of 10.9.0.0/24 (try: choose another address of the subnet)
        gateway[1]: 10.9.0.0/24 already has one
        gateway[0]: "here" is not an address (try: write 10.9.0.7 or fd00:9::7)
        range[0]: the range ends before it begins (try: write the lower address first)
        range[0]: the range lies in no subnet of the network (try: choose from the network's subnets)
        range[0]: the range holds no address for a sandbox
        range[0]: "10.9.0.9-fd00::1" is not a range of addresses (try: write 10.9.0.100-10.9.0.199)
        range[0]: "all" is not a range of addresses (try: write 10.9.0.100-10.9.0.199)
        vlan[0]: none is given (try: give its number, 1 to 4094)
        bridge[0]: it has no meaning together with mode routed
        internal[0]: it has no meaning together with mode routed
        gateway[0]: no subnet of the network is of the family of fe80::1
        gateway[1]: 10.9.0.0/24 already has one
        bridge[0]: "a/b" is not a usable name: it holds the character '/' (try: use a letter or digit, then letters, digits, '_', '.' and '-')
        l2[0]: it has no meaning together with internal
        masquerade[0]: it has no meaning together with internal
        default_route[0]: it has no meaning together with internal
        gateway[0]: it has no meaning together with l2
        masquerade_in[0]: it has no meaning together with l2
        masquerade[0]: no subnet of the network is of the family of fd00::1
        masquerade[0]: "perhaps" is not a way to masquerade (try: write no, yes, or an address of this host)
        mtu[0]: 67 is not an MTU: 68 to 65535 are
        mtu[0]: 1279 is not an MTU: 1280 to 65535 are
        mtu[0]: 65536 is not an MTU: 68 to 65535 are
    "#]].assert_eq(&refusals);
}

#[test]
fn a_network_has_a_plain_name() {
    let raw = RawNetwork { name: "a b".to_owned(), ..options("subnet = '10.9.0.0/24'") };
    let error = raw.check().unwrap_err();
    assert_eq!(
        error.to_string(),
        "network a b: name: \"a b\" is not a usable name: it holds the character ' '"
    );
}

#[test]
fn a_definition_is_a_file_that_people_can_read() {
    let web = network("subnet = ['10.9.0.0/24', 'fd00:9::/64']\nmasquerade = '192.0.2.1'");
    expect![[r#"
        [network.web]
        mode = "bridge"
        subnet = ["10.9.0.0/24", "fd00:9::/64"]
        gateway = ["10.9.0.1", "fd00:9::1"]
        masquerade = "192.0.2.1"
        masquerade_in = "no"
        default_route = true
    "#]]
    .assert_eq(&to_toml(&web));
}

fn reread(network: &Network) -> Network {
    let text = to_toml(network);
    let file = ropewalk_spec::Declaration::parse("f", &text, &[]).unwrap();
    file.networks.into_iter().next().unwrap()
}

fn any_options() -> impl Strategy<Value = RawNetwork> {
    let v4 = (0..200_u8, 8..31_u8).prop_map(|(n, len)| format!("10.{n}.0.0/{len}"));
    let v6 = (0..200_u8, 48..127_u8).prop_map(|(n, len)| format!("fd00:{n}::/{len}"));
    let ip = prop_oneof![
        (0..200_u8, 0..9_u8).prop_map(|(n, h)| format!("10.{n}.0.{h}")),
        (0..200_u8, 0..9_u8).prop_map(|(n, h)| format!("fd00:{n}::{h}")),
        Just("169.254.1.1".to_owned()),
    ];
    let masquerade = prop_oneof![Just("no".to_owned()), Just("yes".to_owned()), ip.clone()];
    let texts = (
        prop::collection::vec(prop_oneof![v4, v6], 0..4),
        prop::collection::vec(ip, 0..3),
        prop::collection::vec(masquerade.clone(), 0..2),
        prop::collection::vec(masquerade, 0..2),
    );
    let flags = (any::<[bool; 3]>(), any::<Option<bool>>(), prop::option::of(60..70_000_u32));
    (texts, flags).prop_map(|(texts, ([routed, internal, l2], default_route, mtu))| RawNetwork {
        name: "web".to_owned(),
        mode: routed.then(|| "routed".to_owned()),
        subnet: texts.0,
        gateway: texts.1,
        masquerade: texts.2,
        masquerade_in: texts.3,
        internal: internal && l2,
        l2: l2 && !internal,
        mtu,
        default_route,
        ..RawNetwork::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn what_is_accepted_reads_back_equal(raw in any_options()) {
        if let Ok(network) = raw.check() {
            prop_assert_eq!(&reread(&network), &network);
            let json = serde_json::to_string(&network).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Network>(&json).unwrap(), &network);
        }
    }
}

#[test]
fn what_a_network_reaches_is_the_host_or_another_network() {
    let web = network("subnet = '10.9.0.0/24'\nreach = ['db', 'host']");
    assert!(web.joins.host);
    assert_eq!(web.joins.networks.iter().map(|n| n.as_str()).collect::<Vec<_>>(), ["db"]);
    assert_eq!(reread(&web), web);
    let refused = |reach: &str| {
        let mut raw = options("subnet = '10.9.0.0/24'");
        raw.name = "web".into();
        raw.reach = vec!["host".into(), reach.into()];
        raw.check().unwrap_err().to_string()
    };
    expect!["network web: reach: the sandboxes of web reach each other already"]
        .assert_eq(&refused("web"));
    expect![[r#"network web: reach: "a/b" is not a usable name: it holds the character '/'"#]]
        .assert_eq(&refused("a/b"));
}

#[test]
fn direct_modes_read_back_as_they_were_written() {
    let lan = |mode: &str| RawNetwork {
        name: "lan".into(),
        mode: Some(mode.into()),
        subnet: vec!["10.0.0.0/24".into()],
        range: vec!["10.0.0.48/28".into()],
        ..RawNetwork::default()
    };
    let parent = || Some("eth1".to_owned());
    let all = [
        RawNetwork { host_link: true, ..lan("macvlan") },
        RawNetwork { link_mode: Some("vepa".into()), parent: parent(), ..lan("macvlan") },
        RawNetwork { link_mode: Some("l3s".into()), ..lan("ipvlan") },
        RawNetwork { vlan: Some(4094), ..lan("vlan") },
        RawNetwork { parent: parent(), ..lan("host-device") },
        lan("dummy"),
        RawNetwork { owner: Some(0), group: Some(1), multi_queue: true, ..lan("tap") },
    ];
    for raw in all {
        let network = raw.check().unwrap();
        let again = RawNetwork::from(network.clone());
        assert_eq!(again.check().unwrap(), network);
        assert_eq!((again.vlan, again.owner), (raw.vlan, raw.owner));
        let empty = RawNetwork { subnet: vec![], range: vec![], host_link: false, ..raw };
        assert!(empty.check().is_ok(), "an interface without addresses");
    }
    let shared = RawNetwork { host_link: true, ..lan("macvlan") }.check().unwrap();
    let subnet = shared.subnets.first().unwrap();
    assert_eq!(subnet.host, "10.0.0.48".parse().ok());
    assert!(subnet.check("10.0.0.48".parse().unwrap()).is_err());
    assert_eq!(pool::next(subnet, None, |_| false), "10.0.0.49".parse().ok());
    assert_eq!(pool::size(subnet), 15);
}

#[test]
fn options_that_direct_modes_have_no_use_for_are_refused() {
    let refused = |raw: RawNetwork| {
        let subnet = vec!["10.0.0.0/24".into()];
        RawNetwork { name: "lan".into(), subnet, ..raw }.check().unwrap_err().to_string()
    };
    let mode = |mode: &str| RawNetwork { mode: Some(mode.into()), ..RawNetwork::default() };
    let texts = [
        refused(RawNetwork { vlan: Some(4095), ..mode("vlan") }),
        refused(RawNetwork { vlan: Some(0), ..mode("vlan") }),
        refused(mode("vlan")),
        refused(RawNetwork { link_mode: Some("l2".into()), ..mode("macvlan") }),
        refused(RawNetwork { link_mode: Some("bridge".into()), ..mode("ipvlan") }),
        refused(RawNetwork { link_mode: Some("bridge".into()), ..mode("bridge") }),
        refused(RawNetwork { host_link: true, link_mode: Some("vepa".into()), ..mode("macvlan") }),
        refused(RawNetwork { host_link: true, ..mode("macvlan") }),
        refused(mode("host-device")),
        refused(RawNetwork { masquerade: vec!["yes".into()], ..mode("macvlan") }),
        refused(RawNetwork { default_route: Some(true), ..mode("dummy") }),
        refused(RawNetwork { gateway: vec!["10.0.0.1".into()], ..mode("dummy") }),
    ];
    expect![[r#"
        network lan: vlan: 4095 is not the number of a VLAN: 1 to 4094 are
        network lan: vlan: 0 is not the number of a VLAN: 1 to 4094 are
        network lan: vlan: none is given
        network lan: link_mode: "l2" is not a mode of macvlans
        network lan: link_mode: "bridge" is not a mode of ipvlans
        network lan: link_mode: it has no meaning together with mode bridge
        network lan: host_link: it has no meaning together with another link_mode than bridge
        network lan: range: 10.0.0.0/24 has no range for the host to take an address from
        network lan: parent: none is given
        network lan: masquerade: it has no meaning together with mode macvlan
        network lan: default_route: it has no meaning together with mode dummy
        network lan: gateway: it has no meaning together with mode dummy
    "#]]
    .assert_eq(&texts.map(|text| text + "\n").concat());
}

#[test]
fn a_network_whose_addresses_a_server_lends_has_no_subnet_of_ipv4() {
    let lan = network("mode = 'flat'\ndhcp = true\ndhcp_timeout = 5");
    assert!(lan.subnets.is_empty() && lan.has_v4() && !lan.has_v6());
    assert_eq!((reread(&lan), lan.dhcp_timeout), (lan.clone(), Some(5)));
    let both = network("mode = 'macvlan'\nparent = 'up0'\ndhcp = true\nsubnet = 'fd00::/64'");
    assert!(both.has_v4() && both.has_v6());
    let net = "10.0.0.9/24".parse().unwrap();
    let router = "10.0.0.1".parse().ok();
    let gateway = |network: &Network| network.lent(net, router, &[]).subnets[0].gateway;
    assert_eq!(gateway(&lan), "169.254.1.1".parse().ok());
    assert_eq!(gateway(&both), "10.0.0.1".parse().ok());
    let refusals = [
        ("dhcp = true", "dhcp"),
        ("mode = 'routed'\ndhcp = true", "dhcp"),
        ("mode = 'flat'\ndhcp = true\nsubnet = '10.0.0.0/24'", "subnet"),
        ("mode = 'flat'\ndhcp = true\nrange = '10.0.0.1-10.0.0.9'", "range"),
        ("mode = 'flat'\ndhcp = true\ngateway = '10.0.0.1'", "gateway"),
        ("mode = 'flat'\ndhcp = true\nmasquerade = 'yes'", "masquerade"),
        ("mode = 'flat'\ndhcp = true\ndhcp_timeout = 0", "dhcp_timeout"),
        ("mode = 'flat'\ndhcp = true\ndhcp_timeout = 301", "dhcp_timeout"),
        ("mode = 'flat'\nsubnet = '10.0.0.0/24'\ndhcp_timeout = 9", "dhcp_timeout"),
        ("mode = 'macvlan'\nparent = 'up0'\ndhcp = true\nhost_link = true", "host_link"),
    ];
    for (text, field) in refusals {
        assert_eq!(options(text).check().unwrap_err().field, field, "{text}");
    }
}
