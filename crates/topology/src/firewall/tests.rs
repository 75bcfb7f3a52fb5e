#![expect(clippy::unwrap_used, clippy::panic, clippy::wildcard_enum_match_arm, reason = "tests")]

use std::collections::BTreeSet;
use std::net::IpAddr;

use expect_test::expect;
use ropewalk_facts::Snapshot;
use ropewalk_plan::Change;

use super::*;

fn key_of(body: Body) -> (String, String, Option<String>) {
    let Body::Element(e) = body else { panic!("{body:?}") };
    (e.key.set.set, e.key.key.to_string(), e.key.end.map(|end| end.to_string()))
}

fn value_of(body: Body) -> String {
    let Body::Element(e) = body else { panic!("{body:?}") };
    let Some(ropewalk_facts::nft::Value::Data(data)) = e.value else { panic!("{:?}", e.value) };
    data.to_string()
}

#[test]
fn every_fact_has_a_key_of_its_own_and_needs_only_what_came_before() {
    let plan = base().unwrap();
    assert_eq!(plan.steps().len(), facts().len());
    let (mut chains, mut sets) = (BTreeSet::new(), BTreeSet::new());
    for body in facts() {
        match &body {
            Body::Chain(c) => {
                chains.insert(c.key.chain.clone());
            }
            Body::Set(s) => {
                sets.insert(s.key.set.clone());
            }
            Body::NftRule(r) => {
                assert!(chains.contains(&r.key.chain.chain), "{:?}", r.key);
                for expr in &r.exprs {
                    use ropewalk_facts::nft::{Expr, Verdict};
                    if let Expr::Lookup { set, .. } = expr {
                        assert!(sets.contains(set), "{set}");
                    }
                    if let Expr::Verdict(Verdict { chain: Some(chain), .. }) = expr {
                        assert!(chains.contains(chain), "{chain}");
                    }
                }
            }
            _ => assert!(matches!(body, Body::Table(_)), "{body:?}"),
        }
    }
}

#[test]
fn every_element_has_a_set() {
    let (v4, v6) = ("10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap());
    let (ip4, ip6): (IpAddr, IpAddr) = ([10, 1, 0, 9].into(), "fd00::9".parse().unwrap());
    let dev = ropewalk_facts::IfName::new("rw-web").unwrap();
    let mut all = direct(&[v4, v6]);
    assert_eq!(all.len(), 2);
    all.extend([masquerade(v4), masquerade_in(v6), internal(&dev), bridged(&dev)]);
    all.extend([snat(v4, ip4), snat_in(v6, ip6)].into_iter().flatten());
    for (at, to) in [(None, ip4), (Some(ip4), ip4), (None, ip6), (Some(ip6), ip6)] {
        all.push(publish(6, at, 8080, (to, 80).into()).unwrap());
    }
    assert_eq!(all.len(), 12);
    for body in all {
        let Body::Element(e) = body else { panic!("{body:?}") };
        let set = set(&e.key.set).unwrap();
        assert_eq!(e.value.is_some(), !set.value_types.is_empty(), "{:?}", e.key);
        assert_eq!(e.key.end.is_some(), set.flags.interval, "{:?}", e.key);
    }
    assert_eq!(snat(v4, ip6), None);
    assert_eq!(publish(6, Some(ip4), 1, (ip6, 1).into()), None);
}

#[test]
fn fields_lie_as_the_kernel_wants_them() {
    let to = ([192, 168, 15, 2], 80).into();
    let any = publish(6, None, 8080, to).unwrap();
    assert_eq!(key_of(any.clone()), ("publish4".into(), "060000001f900000".into(), None));
    assert_eq!(value_of(any), "c0a80f0200500000");
    let at = publish(17, Some([127, 0, 0, 1].into()), 53, to).unwrap();
    assert_eq!(key_of(at).1, "7f0000011100000000350000");

    let net = "10.1.2.3/30".parse().unwrap();
    let (set, first, last) = key_of(masquerade(net));
    assert_eq!(
        (set.as_str(), first.as_str(), last.as_deref()),
        ("masq4", "0a010200", Some("0a010203"))
    );
    let host = "10.1.2.3/32".parse().unwrap();
    assert_eq!(key_of(masquerade(host)).2, None);
    let pairs = direct(&[net, host]);
    assert_eq!(pairs.len(), 4);
    let (_, first, last) = pairs.into_iter().map(key_of).nth(1).unwrap();
    assert_eq!((first.as_str(), last.as_deref()), ("0a0102000a010203", Some("0a0102030a010203")));
    let dev = ropewalk_facts::IfName::new("br0").unwrap();
    assert_eq!(key_of(internal(&dev)).1, "62723000000000000000000000000000");
}

#[test]
fn the_rules_in_the_language_of_nft() {
    let changes: Vec<Change> = facts()
        .into_iter()
        .map(|body| body.at(Ns::HOST))
        .map(|fact| Change { key: fact.key(), old: None, new: Some(fact), implied: false })
        .collect();
    let changes: Vec<&Change> = changes.iter().collect();
    let lines = ropewalk_plan::render::nft::lines(&changes, &Snapshot::default());
    let short = |line: &String| line.replace("inet ropewalk ", "");
    let text: Vec<String> = lines.iter().map(short).collect();
    expect![[r#"
        add table inet ropewalk
        add set legs { type ifname; }
        add set own4 { type ifname . ipv4_addr; }
        add set own6 { typeof iifname . @th,64,128; }
        add set internal { type ifname; }
        add set bridged { type ifname . ifname; }
        add set inside { type devgroup; }
        add set closed { type devgroup; }
        add set joined { type devgroup . devgroup; }
        add set hosted { type devgroup; }
        add set guests { type ifname . ether_addr; }
        add set held_out4 { type ipv4_addr; }
        add set held_in4 { type ipv4_addr; }
        add set allow_out4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
        add set allow_in4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
        add set gateways4 { type devgroup . ipv4_addr; }
        add set hops4 { type ipv4_addr . ipv4_addr; flags dynamic; size 65535; timeout 60s; }
        add set pace4 { type ipv4_addr; flags dynamic; size 65535; timeout 60s; }
        add set connections4 { type ipv4_addr; flags dynamic; size 65535; }
        add set direct4 { type ipv4_addr . ipv4_addr; flags interval; }
        add set masq4 { type ipv4_addr; flags interval; }
        add map snat4 { type ipv4_addr : ipv4_addr; flags interval; }
        add set masq_in4 { type ipv4_addr; flags interval; }
        add map snat_in4 { type ipv4_addr : ipv4_addr; flags interval; }
        add map far4 { type ipv4_addr : ipv4_addr; }
        add map publish4 { type inet_proto . inet_service : ipv4_addr . inet_service; }
        add map publish_at4 { type ipv4_addr . inet_proto . inet_service : ipv4_addr . inet_service; }
        add set held_out6 { type ipv6_addr; }
        add set held_in6 { type ipv6_addr; }
        add set allow_out6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags interval; }
        add set allow_in6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags interval; }
        add set gateways6 { type devgroup . ipv6_addr; }
        add set hops6 { type ipv6_addr . ipv6_addr; flags dynamic; size 65535; timeout 60s; }
        add set pace6 { type ipv6_addr; flags dynamic; size 65535; timeout 60s; }
        add set connections6 { type ipv6_addr; flags dynamic; size 65535; }
        add set direct6 { type ipv6_addr . ipv6_addr; flags interval; }
        add set masq6 { type ipv6_addr; flags interval; }
        add map snat6 { type ipv6_addr : ipv6_addr; flags interval; }
        add set masq_in6 { type ipv6_addr; flags interval; }
        add map snat_in6 { type ipv6_addr : ipv6_addr; flags interval; }
        add map far6 { type ipv6_addr : ipv6_addr; }
        add map publish6 { type inet_proto . inet_service : ipv6_addr . inet_service; }
        add map publish_at6 { type ipv6_addr . inet_proto . inet_service : ipv6_addr . inet_service; }
        add chain raw { type filter hook prerouting priority -300; policy accept; }
        add chain prerouting { type nat hook prerouting priority -100; policy accept; }
        add chain output { type nat hook output priority -100; policy accept; }
        add chain publish
        add chain postrouting { type nat hook postrouting priority 100; policy accept; }
        add chain forward { type filter hook forward priority 0; policy accept; }
        add chain internal
        add chain enter
        add chain limits
        add chain count
        add chain input { type filter hook input priority 0; policy accept; }
        add chain visit
        add chain guard
        add chain v4
        add chain v6
        add chain neighbour
        add chain leave { type filter hook prerouting priority -150; policy accept; }
        add chain reach { type filter hook postrouting priority 150; policy accept; }
        add chain out4
        add chain out6
        add chain in4
        add chain in6
        add rule raw iif != "lo" ip daddr 127.0.0.0/8 iifgroup != @hosted drop comment "loopback-guard"
        add rule raw iifname @legs goto guard comment "protected"
        add rule prerouting fib daddr type local jump publish comment "from-outside"
        add rule output fib daddr type local jump publish comment "from-host"
        add rule publish dnat ip to ip daddr . meta l4proto . th dport map @publish_at4 comment "at4"
        add rule publish dnat ip6 to ip6 daddr . meta l4proto . th dport map @publish_at6 comment "at6"
        add rule publish meta nfproto ipv4 dnat ip to meta l4proto . th dport map @publish4 comment "any4"
        add rule publish meta nfproto ipv6 dnat ip6 to meta l4proto . th dport map @publish6 comment "any6"
        add rule postrouting ip daddr >= 224.0.0.0 return comment "multicast4"
        add rule postrouting ip6 daddr >= fe80:: return comment "multicast6"
        add rule postrouting ct status dnat snat ip to ip daddr map @far4 comment "far4"
        add rule postrouting ct status dnat snat ip6 to ip6 daddr map @far6 comment "far6"
        add rule postrouting ct status dnat ip saddr . ip daddr @direct4 masquerade comment "hairpin4"
        add rule postrouting ct status dnat ip6 saddr . ip6 daddr @direct6 masquerade comment "hairpin6"
        add rule postrouting ip saddr . ip daddr @direct4 return comment "direct4"
        add rule postrouting ip6 saddr . ip6 daddr @direct6 return comment "direct6"
        add rule postrouting ct status dnat ip saddr 127.0.0.0/8 masquerade comment "loopback4"
        add rule postrouting ct status dnat ip6 saddr ::1 masquerade comment "loopback6"
        add rule postrouting snat ip to ip saddr map @snat4 comment "snat4"
        add rule postrouting snat ip6 to ip6 saddr map @snat6 comment "snat6"
        add rule postrouting ip saddr @masq4 masquerade comment "masq4"
        add rule postrouting ip6 saddr @masq6 masquerade comment "masq6"
        add rule postrouting snat ip to ip daddr map @snat_in4 comment "snat_in4"
        add rule postrouting snat ip6 to ip6 daddr map @snat_in6 comment "snat_in6"
        add rule postrouting ip daddr @masq_in4 masquerade comment "masq_in4"
        add rule postrouting ip6 daddr @masq_in6 masquerade comment "masq_in6"
        add rule forward ct state established,related accept comment "known"
        add rule forward iifgroup @inside jump limits comment "limits"
        add rule forward iifname . ether saddr @guests jump limits comment "guest-limits"
        add rule forward iifname @internal jump internal comment "from-internal"
        add rule forward oifname @internal jump internal comment "to-internal"
        add rule forward oifgroup @inside jump enter comment "enter"
        add rule internal iifname . oifname @bridged accept comment "bridged"
        add rule internal iifgroup . oifgroup @joined accept comment "joined"
        add rule internal drop comment "closed"
        add rule enter iifgroup . oifgroup @joined accept comment "joined"
        add rule enter ct status dnat accept comment "published"
        add rule enter iifgroup @inside drop comment "between"
        add rule enter iifname . ether saddr @guests drop comment "guest-between"
        add rule enter oifgroup @closed drop comment "closed"
        add rule limits ip6 saddr :: return comment "nobody6"
        add rule limits ip saddr . rt ip nexthop @hops4 goto count comment "met4"
        add rule limits ip6 saddr . rt ip6 nexthop @hops6 goto count comment "met6"
        add rule limits add @pace4 { ip saddr limit rate over 32/second burst 128 packets } drop comment "pace4"
        add rule limits add @pace6 { ip6 saddr limit rate over 32/second burst 128 packets } drop comment "pace6"
        add rule limits add @hops4 { ip saddr . rt ip nexthop } comment "meet4"
        add rule limits add @hops6 { ip6 saddr . rt ip6 nexthop } comment "meet6"
        add rule limits goto count comment "count"
        add rule count add @connections4 { ip saddr ct count over 8192 } drop comment "connections4"
        add rule count add @connections6 { ip6 saddr ct count over 8192 } drop comment "connections6"
        add rule input iifgroup @inside jump visit comment "visit"
        add rule input meta priority 7277:1 jump visit comment "guest"
        add rule visit ct state established,related accept comment "known"
        add rule visit icmpv6 type nd-neighbor-solicit accept comment "solicit"
        add rule visit icmpv6 type nd-neighbor-advert accept comment "advert"
        add rule visit jump count comment "count"
        add rule visit iifgroup @hosted accept comment "hosted"
        add rule visit icmp type echo-request iifgroup . ip daddr @gateways4 accept comment "ping4"
        add rule visit icmpv6 type echo-request iifgroup . ip6 daddr @gateways6 accept comment "ping6"
        add rule visit icmp type echo-request meta priority 7277:1 fib daddr . iif type local accept comment "guest-ping4"
        add rule visit icmpv6 type echo-request meta priority 7277:1 fib daddr . iif type local accept comment "guest-ping6"
        add rule visit meta nfproto ipv4 udp dport 33434 iifgroup . ip daddr @gateways4 accept comment "trial4"
        add rule visit meta nfproto ipv6 udp dport 33434 iifgroup . ip6 daddr @gateways6 accept comment "trial6"
        add rule visit drop comment "host"
        add rule guard meta nfproto ipv4 goto v4 comment "ipv4"
        add rule guard meta nfproto ipv6 goto v6 comment "ipv6"
        add rule v4 ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept comment "dhcp-client"
        add rule v4 iifname . ip saddr != @own4 drop comment "own4"
        add rule v4 udp sport 67 udp dport 68 drop comment "dhcp-server"
        add rule v4 icmp type redirect drop comment "redirect"
        add rule v6 meta l4proto ipv6-icmp jump neighbour comment "icmp"
        add rule v6 iifname . @nh,64,128 != @own6 drop comment "own6"
        add rule v6 udp sport 547 udp dport 546 drop comment "dhcp-server"
        add rule v6 meta l4proto != 255 return comment "whole"
        add rule v6 drop comment "hidden"
        add rule neighbour icmpv6 type nd-router-advert drop comment "router"
        add rule neighbour icmpv6 type nd-redirect drop comment "redirect"
        add rule neighbour icmpv6 type nd-neighbor-advert iifname . @th,64,128 @own6 return comment "own-target"
        add rule neighbour icmpv6 type nd-neighbor-advert drop comment "target"
        add rule neighbour ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . @th,64,128 @own6 accept comment "detect"
        add rule neighbour ip6 saddr :: icmpv6 type mld2-listener-report accept comment "listen"
        add rule neighbour ip6 saddr :: icmpv6 type mld-listener-report accept comment "listen1"
        add rule neighbour ip6 saddr :: icmpv6 type mld-listener-done accept comment "listen1-done"
        add rule leave ip saddr @held_out4 goto out4 comment "allow-out4"
        add rule leave ip6 saddr @held_out6 goto out6 comment "allow-out6"
        add rule reach ip daddr @held_in4 goto in4 comment "allow-in4"
        add rule reach ip6 daddr @held_in6 goto in6 comment "allow-in6"
        add rule out4 ct state established,related return comment "known"
        add rule out4 icmp type 0-4 return comment "icmp"
        add rule out4 icmp type 11-12 return comment "icmp-errors"
        add rule out4 ip saddr . ip daddr . meta l4proto . th dport @allow_out4 return comment "allowed"
        add rule out4 drop comment "allow-out"
        add rule out6 ct state established,related return comment "known"
        add rule out6 icmpv6 type 1-4 return comment "icmp-errors"
        add rule out6 icmpv6 type 129-137 return comment "icmp"
        add rule out6 icmpv6 type mld2-listener-report return comment "groups"
        add rule out6 ip6 saddr . ip6 daddr . meta l4proto . th dport @allow_out6 return comment "allowed"
        add rule out6 drop comment "allow-out"
        add rule in4 ct state established,related return comment "known"
        add rule in4 icmp type 0-4 return comment "icmp"
        add rule in4 icmp type 11-12 return comment "icmp-errors"
        add rule in4 ip daddr . ip saddr . meta l4proto . th dport @allow_in4 return comment "allowed"
        add rule in4 drop comment "allow-in"
        add rule in6 ct state established,related return comment "known"
        add rule in6 icmpv6 type 1-4 return comment "icmp-errors"
        add rule in6 icmpv6 type 129-137 return comment "icmp"
        add rule in6 icmpv6 type mld2-listener-report return comment "groups"
        add rule in6 ip6 daddr . ip6 saddr . meta l4proto . th dport @allow_in6 return comment "allowed"
        add rule in6 drop comment "allow-in"
        add table bridge ropewalk
        add set bridge ropewalk legs { type ifname; }
        add set bridge ropewalk wires { type ifname; }
        add set bridge ropewalk guests { type ifname; }
        add set bridge ropewalk macs { type ifname . ether_addr; }
        add set bridge ropewalk own4 { type ifname . ipv4_addr; }
        add set bridge ropewalk own6 { typeof iifname . @th,64,128; }
        add set bridge ropewalk held { type ifname; }
        add set bridge ropewalk held_out { type ifname; }
        add set bridge ropewalk held_in { type ifname; }
        add set bridge ropewalk allow_out4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
        add set bridge ropewalk allow_in4 { type ipv4_addr . ipv4_addr . inet_proto . inet_service; flags interval; }
        add set bridge ropewalk heard4 { type ipv4_addr . ipv4_addr . inet_service . inet_service; flags dynamic; size 65535; timeout 60s; }
        add set bridge ropewalk pace4 { type ipv4_addr; flags dynamic; size 65535; timeout 60s; }
        add set bridge ropewalk allow_out6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags interval; }
        add set bridge ropewalk allow_in6 { type ipv6_addr . ipv6_addr . inet_proto . inet_service; flags interval; }
        add set bridge ropewalk heard6 { type ipv6_addr . ipv6_addr . inet_service . inet_service; flags dynamic; size 65535; timeout 60s; }
        add set bridge ropewalk pace6 { type ipv6_addr; flags dynamic; size 65535; timeout 60s; }
        add chain bridge ropewalk prerouting { type filter hook prerouting priority -300; policy accept; }
        add chain bridge ropewalk input { type filter hook input priority -300; policy accept; }
        add chain bridge ropewalk guard
        add chain bridge ropewalk wire
        add chain bridge ropewalk wire4
        add chain bridge ropewalk wire6
        add chain bridge ropewalk wire_arp
        add chain bridge ropewalk arp4
        add chain bridge ropewalk v4
        add chain bridge ropewalk v6
        add chain bridge ropewalk neighbour
        add chain bridge ropewalk forward { type filter hook forward priority -300; policy accept; }
        add chain bridge ropewalk held
        add chain bridge ropewalk leave
        add chain bridge ropewalk out4
        add chain bridge ropewalk out6
        add chain bridge ropewalk reach
        add chain bridge ropewalk in4
        add chain bridge ropewalk in6
        add rule bridge ropewalk prerouting iifname @legs goto guard comment "protected"
        add rule bridge ropewalk prerouting iifname @wires goto wire comment "wires"
        add rule bridge ropewalk input ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname @legs drop comment "groups"
        add rule bridge ropewalk input ether daddr & ff:ff:ff:ff:ff:f0 == 01:80:c2:00:00:00 iifname @wires drop comment "groups-wires"
        add rule bridge ropewalk input iifname @guests meta priority set 7277:1 comment "guests"
        add rule bridge ropewalk guard iifname . ether saddr != @macs drop comment "own-mac"
        add rule bridge ropewalk guard ether type ip goto v4 comment "ipv4"
        add rule bridge ropewalk guard ether type ip6 goto v6 comment "ipv6"
        add rule bridge ropewalk guard ether type arp goto arp4 comment "arp"
        add rule bridge ropewalk guard drop comment "other"
        add rule bridge ropewalk wire iifname . ether saddr != @macs drop comment "own-mac"
        add rule bridge ropewalk wire ether type ip goto wire4 comment "ipv4"
        add rule bridge ropewalk wire ether type ip6 goto wire6 comment "ipv6"
        add rule bridge ropewalk wire ether type arp goto wire_arp comment "arp"
        add rule bridge ropewalk wire drop comment "other"
        add rule bridge ropewalk wire4 udp sport 67 udp dport 68 drop comment "dhcp-server"
        add rule bridge ropewalk wire4 icmp type redirect drop comment "redirect"
        add rule bridge ropewalk wire6 icmpv6 type nd-router-advert drop comment "router"
        add rule bridge ropewalk wire6 icmpv6 type nd-redirect drop comment "redirect"
        add rule bridge ropewalk wire6 udp sport 547 udp dport 546 drop comment "dhcp-server"
        add rule bridge ropewalk wire6 meta l4proto != 255 return comment "whole"
        add rule bridge ropewalk wire6 drop comment "hidden"
        add rule bridge ropewalk wire_arp @nh,0,48 != 4429186564 drop comment "shape"
        add rule bridge ropewalk wire_arp iifname . arp saddr ether != @macs drop comment "sender-mac"
        add rule bridge ropewalk arp4 @nh,0,48 != 4429186564 drop comment "shape"
        add rule bridge ropewalk arp4 iifname . arp saddr ether != @macs drop comment "sender-mac"
        add rule bridge ropewalk arp4 arp saddr ip 0.0.0.0 accept comment "probe"
        add rule bridge ropewalk arp4 iifname . arp saddr ip != @own4 drop comment "sender-ip"
        add rule bridge ropewalk v4 ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept comment "dhcp-client"
        add rule bridge ropewalk v4 iifname . ip saddr != @own4 drop comment "own4"
        add rule bridge ropewalk v4 udp sport 67 udp dport 68 drop comment "dhcp-server"
        add rule bridge ropewalk v4 icmp type redirect drop comment "redirect"
        add rule bridge ropewalk v6 meta l4proto ipv6-icmp jump neighbour comment "icmp"
        add rule bridge ropewalk v6 iifname . @nh,64,128 != @own6 drop comment "own6"
        add rule bridge ropewalk v6 udp sport 547 udp dport 546 drop comment "dhcp-server"
        add rule bridge ropewalk v6 meta l4proto != 255 return comment "whole"
        add rule bridge ropewalk v6 drop comment "hidden"
        add rule bridge ropewalk neighbour icmpv6 type nd-router-advert drop comment "router"
        add rule bridge ropewalk neighbour icmpv6 type nd-redirect drop comment "redirect"
        add rule bridge ropewalk neighbour icmpv6 type nd-neighbor-advert iifname . @th,64,128 @own6 return comment "own-target"
        add rule bridge ropewalk neighbour icmpv6 type nd-neighbor-advert drop comment "target"
        add rule bridge ropewalk neighbour ip6 saddr :: icmpv6 type nd-neighbor-solicit iifname . @th,64,128 @own6 accept comment "detect"
        add rule bridge ropewalk neighbour ip6 saddr :: icmpv6 type mld2-listener-report accept comment "listen"
        add rule bridge ropewalk neighbour ip6 saddr :: icmpv6 type mld-listener-report accept comment "listen1"
        add rule bridge ropewalk neighbour ip6 saddr :: icmpv6 type mld-listener-done accept comment "listen1-done"
        add rule bridge ropewalk forward iifname @held goto held comment "from-held"
        add rule bridge ropewalk forward oifname @held goto held comment "to-held"
        add rule bridge ropewalk held ether type arp accept comment "arp"
        add rule bridge ropewalk held iifname @held_out jump leave comment "out"
        add rule bridge ropewalk held oifname @held_in jump reach comment "in"
        add rule bridge ropewalk held ip saddr . ip daddr . udp sport . udp dport @heard4 return comment "heard4"
        add rule bridge ropewalk held meta l4proto udp add @pace4 { ip saddr limit rate over 32/second burst 128 packets } return comment "heard-pace4"
        add rule bridge ropewalk held add @heard4 { ip saddr . ip daddr . udp sport . udp dport } comment "hear4"
        add rule bridge ropewalk held ip6 saddr . ip6 daddr . udp sport . udp dport @heard6 return comment "heard6"
        add rule bridge ropewalk held meta l4proto udp add @pace6 { ip6 saddr limit rate over 32/second burst 128 packets } return comment "heard-pace6"
        add rule bridge ropewalk held add @heard6 { ip6 saddr . ip6 daddr . udp sport . udp dport } comment "hear6"
        add rule bridge ropewalk leave ether type ip goto out4 comment "ipv4"
        add rule bridge ropewalk leave ether type ip6 goto out6 comment "ipv6"
        add rule bridge ropewalk leave drop comment "allow-out"
        add rule bridge ropewalk out4 ip frag-off & 8191 != 0 return comment "part"
        add rule bridge ropewalk out4 icmp type 0-4 return comment "icmp"
        add rule bridge ropewalk out4 icmp type 11-12 return comment "icmp-errors"
        add rule bridge ropewalk out4 meta protocol ip tcp flags & (syn | ack) != syn return comment "answer-tcp"
        add rule bridge ropewalk out4 ip daddr . ip saddr . udp dport . udp sport @heard4 return comment "answer-udp"
        add rule bridge ropewalk out4 ip saddr . ip daddr . meta l4proto . th dport @allow_out4 return comment "allowed"
        add rule bridge ropewalk out4 drop comment "allow-out"
        add rule bridge ropewalk out6 ip6 nexthdr 44 @nh,336,16 & 65528 != 0 return comment "part"
        add rule bridge ropewalk out6 icmpv6 type 1-4 return comment "icmp-errors"
        add rule bridge ropewalk out6 icmpv6 type 129-137 return comment "icmp"
        add rule bridge ropewalk out6 icmpv6 type mld2-listener-report return comment "groups"
        add rule bridge ropewalk out6 meta protocol ip6 tcp flags & (syn | ack) != syn return comment "answer-tcp"
        add rule bridge ropewalk out6 ip6 daddr . ip6 saddr . udp dport . udp sport @heard6 return comment "answer-udp"
        add rule bridge ropewalk out6 ip6 saddr . ip6 daddr . meta l4proto . th dport @allow_out6 return comment "allowed"
        add rule bridge ropewalk out6 drop comment "allow-out"
        add rule bridge ropewalk reach ether type ip goto in4 comment "ipv4"
        add rule bridge ropewalk reach ether type ip6 goto in6 comment "ipv6"
        add rule bridge ropewalk reach drop comment "allow-in"
        add rule bridge ropewalk in4 ip frag-off & 8191 != 0 return comment "part"
        add rule bridge ropewalk in4 icmp type 0-4 return comment "icmp"
        add rule bridge ropewalk in4 icmp type 11-12 return comment "icmp-errors"
        add rule bridge ropewalk in4 meta protocol ip tcp flags & (syn | ack) != syn return comment "answer-tcp"
        add rule bridge ropewalk in4 ip daddr . ip saddr . udp dport . udp sport @heard4 return comment "answer-udp"
        add rule bridge ropewalk in4 ip daddr . ip saddr . meta l4proto . th dport @allow_in4 return comment "allowed"
        add rule bridge ropewalk in4 drop comment "allow-in"
        add rule bridge ropewalk in6 ip6 nexthdr 44 @nh,336,16 & 65528 != 0 return comment "part"
        add rule bridge ropewalk in6 icmpv6 type 1-4 return comment "icmp-errors"
        add rule bridge ropewalk in6 icmpv6 type 129-137 return comment "icmp"
        add rule bridge ropewalk in6 icmpv6 type mld2-listener-report return comment "groups"
        add rule bridge ropewalk in6 meta protocol ip6 tcp flags & (syn | ack) != syn return comment "answer-tcp"
        add rule bridge ropewalk in6 ip6 daddr . ip6 saddr . udp dport . udp sport @heard6 return comment "answer-udp"
        add rule bridge ropewalk in6 ip6 daddr . ip6 saddr . meta l4proto . th dport @allow_in6 return comment "allowed"
        add rule bridge ropewalk in6 drop comment "allow-in"
        add table arp ropewalk
        add set arp ropewalk legs { type ifname; }
        add set arp ropewalk macs { type ifname . ether_addr; }
        add set arp ropewalk own4 { type ifname . ipv4_addr; }
        add chain arp ropewalk input { type filter hook input priority 0; policy accept; }
        add chain arp ropewalk guard
        add rule arp ropewalk input iifname @legs goto guard comment "protected"
        add rule arp ropewalk guard @nh,0,48 != 4429186564 drop comment "shape"
        add rule arp ropewalk guard iifname . arp saddr ether != @macs drop comment "sender-mac"
        add rule arp ropewalk guard arp saddr ip 0.0.0.0 accept comment "probe"
        add rule arp ropewalk guard iifname . arp saddr ip != @own4 drop comment "sender-ip""#]].assert_eq(&text.join("\n"));
}

#[test]
fn what_guards_a_link_is_told_from_what_leads_packets() {
    let leads = |body: Body| match body {
        Body::Element(e) => super::leads(&e.key),
        other => panic!("{other:?}"),
    };
    let to = "10.0.0.2:80".parse().unwrap();
    assert!(leads(masquerade("fd00::/64".parse().unwrap())));
    assert!(leads(publish(6, None, 8080, to).unwrap()));
    assert!(leads(publish(6, Some("192.0.2.1".parse().unwrap()), 8080, to).unwrap()));
    let leg = ropewalk_facts::IfName::new("veth0").unwrap();
    let own = wire_leg(&leg, "02:00:00:00:00:01".parse().unwrap());
    assert!(!own.into_iter().any(leads));
    assert!(!leads(internal(&leg)));
}
