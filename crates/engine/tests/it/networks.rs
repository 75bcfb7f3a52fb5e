//! Networks: what is refused, and what is handed over.

use ropewalk_engine::Code;
use ropewalk_spec::RawNetwork;

use crate::Host;
use crate::host::{bridge, network, said, same};

#[test]
fn forwarding_goes_back_with_the_last_network_that_needs_it() {
    let host = Host::new();
    let before = host.snapshot();
    host.create(&bridge("a", &["192.168.15.0/24"]));
    host.create(&bridge("b", &["192.168.16.0/24"]));
    host.engine().remove_network(&"a".parse().unwrap()).unwrap();
    assert_eq!(host.sh("sysctl -n net.ipv4.ip_forward").trim(), "1");
    assert!(host.works("nft list table inet ropewalk"));
    host.engine().remove_network(&"b".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn an_interface_that_forwarded_by_itself_does_so_again() {
    let host = Host::new();
    host.sh(
        "ip link add p0 type ifb; ip link set p0 up; ip link add p1 type ifb; ip link set p1 up
        sysctl -qw net.ipv4.conf.p0.forwarding=1 net.ipv6.conf.p0.forwarding=1",
    );
    let before = host.snapshot();
    let two = ["a", "b"].map(|name| name.parse().unwrap());
    for [first, last] in [[&two[0], &two[1]], [&two[1], &two[0]]] {
        host.create(&bridge("a", &["192.168.15.0/24", "fd00:15::/64"]));
        host.create(&bridge("b", &["192.168.16.0/24", "fd00:16::/64"]));
        host.engine().remove_network(first).unwrap();
        host.engine().remove_network(last).unwrap();
        same(&before, &host.snapshot());
    }
}

#[test]
fn overlapping_subnets_are_refused_by_name() {
    let host = Host::new();
    host.create(&bridge("a", &["192.168.0.0/16"]));
    let before = host.snapshot();
    let wish = network(&bridge("b", &["192.168.16.0/24"]));
    let (code, text) = said(host.engine().create_network(&wish));
    assert_eq!(code, Code::SubnetOverlap, "{text}");
    assert!(text.contains("network a"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_subnet_that_the_host_routes_already_is_refused() {
    let host = Host::new();
    crate::attach::outside(&host);
    let before = host.snapshot();
    let wish = network(&bridge("b", &["10.0.0.0/8"]));
    let (code, text) = said(host.engine().create_network(&wish));
    assert_eq!(code, Code::SubnetRouted, "{text}");
    assert!(text.contains("10.0.0.0/24") && text.contains("up0"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_network_of_the_same_name_with_other_settings_is_refused() {
    let host = Host::new();
    host.create(&bridge("a", &["192.168.15.0/24"]));
    host.create(&bridge("a", &["192.168.15.0/24"]));
    let wish = network(&bridge("a", &["192.168.99.0/24"]));
    assert_eq!(said(host.engine().create_network(&wish)).0, Code::NetworkExists);
}

#[test]
fn a_network_in_use_is_not_removed() {
    let host = Host::new();
    host.create(&bridge("a", &["192.168.15.0/24"]));
    host.attach("new:red", "a").unwrap();
    let (code, text) = said(host.engine().remove_network(&"a".parse().unwrap()));
    assert_eq!(code, Code::NetworkInUse, "{text}");
    assert!(text.contains("ropewalk detach netns:red a"), "{text}");
}

#[test]
fn a_bridge_that_was_there_is_used_and_stays_as_it_was() {
    let host = Host::new();
    host.sh(
        "ip link add mine address 02:00:00:00:00:09 type bridge; ip addr add 172.17.0.1/16 dev mine; ip link set mine up",
    );
    let before = host.snapshot();
    let mut raw = bridge("docker", &["172.17.0.0/16"]);
    raw.bridge = Some("mine".into());
    raw.range = vec!["172.17.200.1-172.17.200.9".into()];
    host.create(&raw);
    let row = host.attach("new:red", "docker").unwrap().row;
    assert_eq!(row.addresses, ["172.17.200.1/16"]);
    host.sh("ip netns exec red ping -qc1 -W2 172.17.0.1");
    host.engine().detach(&"netns:red".parse().unwrap(), None).unwrap();
    host.engine().remove_network(&"docker".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn what_is_no_bridge_is_refused_as_one() {
    let host = Host::new();
    host.sh("ip link add mine type ifb");
    let mut raw = bridge("docker", &["172.17.0.0/16"]);
    raw.bridge = Some("mine".into());
    assert_eq!(said(host.engine().create_network(&network(&raw))).0, Code::BridgeUnfit);
}

#[test]
fn a_network_that_goes_leaves_router_advertisements_to_the_others() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.sh("sysctl -qw net.ipv6.conf.up0.accept_ra=1");
    let before = host.snapshot();
    host.create(&bridge("a", &["fd00:15::/64"]));
    host.create(&bridge("b", &["fd00:16::/64"]));
    host.engine().remove_network(&"a".parse().unwrap()).unwrap();
    assert_eq!(host.sh("sysctl -n net.ipv6.conf.up0.accept_ra").trim(), "2");
    host.engine().remove_network(&"b".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn a_definition_written_by_hand_is_not_written_over() {
    let host = Host::new();
    let file = host.paths().config.join("networks/a.toml");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let text = "# Ours.\n[network.a]\nsubnet = \"192.168.15.0/24\"\n";
    std::fs::write(&file, text).unwrap();
    host.create(&bridge("a", &["192.168.15.0/24"]));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

/// A tunnel over `up0`, which has 10.0.0.1/24.
fn over(peers: &[&str]) -> RawNetwork {
    let peer = peers.iter().map(ToString::to_string).collect();
    let (mode, vni) = (Some("vxlan".into()), Some(42));
    RawNetwork { mode, vni, peer, ..bridge("over", &["10.5.1.0/24"]) }
}

#[test]
fn a_tunnels_peers_change_under_a_sandbox() {
    let host = Host::new();
    crate::attach::outside(&host);
    let (two, three) = ("10.0.0.12=10.5.2.0/24", "10.0.0.13=10.5.3.0/24");
    host.create(&over(&[two]));
    host.attach("new:red", "over").unwrap();
    let first = host.snapshot();
    host.create(&over(&[two, three]));
    let both = host.sh("ip route; bridge fdb show dev rwv-over");
    assert!(both.contains("10.5.3.0/24 via 10.5.3.0 dev rwv-over"), "{both}");
    assert!(both.contains("dst 10.0.0.13 self permanent"), "{both}");
    let mtu = host.sh("ip link show rw-over; ip -n red link show eth0; ip link show rwv-over");
    assert_eq!(mtu.matches("mtu 1450").count(), 3, "{mtu}");
    assert!(host.engine().check().unwrap().is_empty());
    host.create(&over(&[two]));
    same(&first, &host.snapshot());
    host.create(&over(&[]));
    host.create(&over(&[two]));
    same(&first, &host.snapshot());
    let (code, text) = said(
        host.engine().create_network(&network(&RawNetwork { port: Some(8472), ..over(&[two]) })),
    );
    assert_eq!(code, Code::NetworkExists, "{text}");
}

#[test]
fn a_tunnel_that_cannot_be_is_refused() {
    let host = Host::new();
    crate::attach::outside(&host);
    host.sh("ip route add 10.5.9.0/24 via 10.0.0.2");
    let before = host.snapshot();
    let refused = |raw: RawNetwork| said(host.engine().create_network(&network(&raw)));
    let (code, text) = refused(over(&["10.0.0.1=10.5.2.0/24"]));
    assert_eq!(code, Code::BadInput, "{text}");
    assert!(text.contains("10.0.0.1 is this host's own address"), "{text}");
    let (code, text) = refused(over(&["10.0.0.12=10.5.0.0/24", "10.0.0.13=10.5.9.0/25"]));
    assert_eq!(code, Code::SubnetRouted, "{text}");
    let parent = |name: &str| Some(name.to_owned());
    for (raw, words) in [
        (RawNetwork { parent: parent("nic9"), ..over(&[]) }, "there is no interface nic9"),
        (RawNetwork { parent: parent("lo"), ..over(&[]) }, "lo has no IPv4 address"),
        (RawNetwork { mtu: Some(1451), ..over(&[]) }, "--mtu 1450"),
    ] {
        let (code, text) = refused(raw);
        assert_eq!(code, Code::ParentUnfit, "{text}");
        assert!(text.contains(words), "{words} in {text}");
    }
    same(&before, &host.snapshot());
    host.create(&over(&[]));
    let again = RawNetwork { name: "more".into(), ..over(&[]) };
    let (_, text) = refused(RawNetwork { subnet: vec!["10.6.1.0/24".into()], ..again });
    assert!(text.contains("rwv-over has the number 42 on port 4789"), "{text}");
}

#[test]
fn a_peer_that_is_not_on_a_link_any_more_is_reached_through_a_tunnel() {
    let host = Host::new();
    crate::attach::outside(&host);
    let before = host.snapshot();
    let wish = RawNetwork {
        peer: vec!["10.0.0.7=10.9.2.0/24".into()],
        ..crate::host::routed("web", &["10.9.1.0/24"])
    };
    host.create(&RawNetwork { peer: Vec::new(), ..wish.clone() });
    host.create(&wish);
    let way = || host.sh("ip route show 10.9.2.0/24 | sed 's/ scope [0-9]*//'");
    assert!(way().contains("via 10.0.0.7 dev up0 proto 114 src 10.0.0.1"), "{}", way());
    let review = || host.engine().review_ways().unwrap().unwrap();
    assert!(review().findings.is_empty(), "all is as it was");
    host.sh("ip route add 10.0.0.7 via 10.0.0.2");
    let tended = review();
    assert!(tended.findings.iter().all(|finding| finding.repaired), "{tended:?}");
    assert!(way().contains("via 10.9.2.0 dev rwv-web proto 114 src 10.9.1.0 onlink"), "{}", way());
    assert!(review().findings.is_empty(), "it is as it shall be");
    // While the uplink is away nobody knows better.
    host.sh("ip link set up0 down");
    assert!(review().findings.is_empty());
    host.sh("ip link set up0 up; ip addr add fd00:aa::1/64 dev up0 nodad
        ip route add default via 10.0.0.2; ip route add default via fd00:aa::2");
    let tended = review();
    assert_eq!((tended.findings.len(), tended.faults.len()), (1, 0), "{tended:?}");
    assert!(way().contains("via 10.0.0.7 dev up0 proto 114"), "{}", way());
    host.engine().remove_network(&"web".parse().unwrap()).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn a_way_by_a_tunnel_is_put_back_although_the_uplink_has_changed() {
    let host = Host::new();
    crate::attach::outside(&host);
    let text = |text: &str| vec![text.to_owned()];
    let raw = RawNetwork {
        name: "over".into(),
        mode: Some("vxlan".into()),
        vni: Some(42),
        subnet: text("10.5.1.0/24"),
        own: text("10.5.1.0/24"),
        pool: text("10.5.0.0/16"),
        ..RawNetwork::default()
    };
    let blocks = vec!["10.5.2.0/24".parse().unwrap()];
    let peer = ropewalk_spec::Peer { blocks, ..ropewalk_spec::Peer::default() };
    let wish = network(&raw).with_peers([([10, 0, 0, 7].into(), peer)].into()).unwrap();
    host.engine().follow_network(&wish).unwrap();
    let way = || host.sh("ip route show 10.5.2.0/24");
    assert!(way().contains("via 10.5.2.0 dev rwv-over"), "{}", way());
    host.sh("ip link set up0 mtu 1400; ip route del 10.5.2.0/24");
    assert_eq!(host.engine().check().unwrap().len(), 1, "it is seen");
    assert_eq!(host.engine().repair().unwrap().len(), 1, "and put right");
    assert!(way().contains("via 10.5.2.0 dev rwv-over"), "{}", way());
    assert_eq!(host.engine().repair().unwrap(), []);
}

#[test]
fn blocks_come_and_go_while_sandboxes_are_there() {
    let host = Host::new();
    let before = host.snapshot();
    for mode in ["routed", "vxlan"] {
        crate::attach::outside(&host);
        let begun = host.snapshot();
        let one = RawNetwork {
            mode: Some(mode.into()),
            own: vec!["10.9.1.0/29".into(), "fd00:9::/64".into()],
            ..bridge("web", &["10.9.1.0/29", "fd00:9::/64"])
        };
        host.create(&one);
        let room = if mode == "routed" { 6 } else { 5 };
        for n in 0..room {
            host.attach(&format!("new:a{n}"), "web").unwrap();
        }
        let (code, text) = said(host.attach("new:b", "web"));
        assert_eq!(code, Code::PoolExhausted, "{text}");
        assert!(text.contains("10.9.1.0/29") && text.contains("asks the cluster"), "{text}");
        let wider = ["10.9.1.0/29", "10.9.7.0/29", "fd00:9::/64"].map(str::to_owned).to_vec();
        let wider = RawNetwork { own: wider.clone(), subnet: wider, ..one.clone() };
        // One in dispute is there, and nothing is leased from it.
        let disputed = RawNetwork { without: vec!["10.9.7.0/29".into()], ..wider.clone() };
        host.create(&disputed);
        let (code, _) = said(host.attach("new:b", "web"));
        assert_eq!(code, Code::PoolExhausted);
        host.create(&wider);
        let row = host.attach("new:b", "web").unwrap().row;
        let inside = |net: &String, of: &str| net.starts_with(of);
        assert!(row.addresses.iter().any(|net| inside(net, "10.9.7.")), "{row:?}");
        assert_eq!(row.addresses.len(), 2, "one of each family: {row:?}");
        let ip = row.addresses.iter().find(|net| inside(net, "10.9.7.")).unwrap();
        let ip = ip.split('/').next().unwrap();
        assert!(host.works(&format!("ip netns exec a0 ping -c1 -W5 {ip}")), "{mode}");
        // It goes when nobody has an address of it, and not before; the others stay as they are.
        let (code, text) = said(host.engine().create_network(&network(&one)));
        assert_eq!((code, text.contains("10.9.7.0/29")), (Code::NetworkInUse, true), "{text}");
        host.engine().detach(&"netns:b".parse().unwrap(), None).unwrap();
        host.create(&one);
        let routes = host.sh("ip route show");
        assert!(routes.contains("10.9.1.") && !routes.contains("10.9.7."), "{routes}");
        let (code, _) = said(host.attach("new:b", "web"));
        assert_eq!(code, Code::PoolExhausted);
        assert!(host.engine().check().unwrap().is_empty());
        let all = (0..room).map(|n| format!("netns:a{n}"));
        for name in all {
            host.engine().detach(&name.parse().unwrap(), None).unwrap();
        }
        host.engine().remove_network(&"web".parse().unwrap()).unwrap();
        same(&begun, &host.snapshot());
        host.sh("ip link del up0; ip netns del lan");
    }
    same(&before, &host.snapshot());
}
