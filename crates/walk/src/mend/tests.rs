//! Commands as changes, each in the words of `plan::describe`.
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use ropewalk_facts::nft::{Chain, ChainKey, Family, Rule, RuleKey, Table, TableKey};
use ropewalk_facts::{Id, IfName, Link, LinkKind, Neigh, NeighKey, Route, RouteKey, proto};
use ropewalk_plan::describe;

use super::*;

/// A namespace h with a bridge, a member, another link, a few routes and rules.
fn scan() -> Scan {
    let h = Ns::new("netns:h");
    let name = |name: &str| IfName::new(name).unwrap();
    let link = |dev: &str, kind| {
        let mtu = Some(1500);
        Link { up: false, mtu, ..Link::up(name(dev), kind) }
    };
    let table =
        |family| Body::Table(Table { key: TableKey::new(family, "filter"), dormant: false });
    let base = |hook| ropewalk_facts::nft::Base {
        kind: "filter".into(),
        hook,
        priority: 0,
        drop: true,
        devs: Vec::new(),
    };
    let forward = |family| {
        let key = TableKey::new(family, "filter").chain("FORWARD");
        Body::Chain(Chain { key, base: Some(base(2)) })
    };
    let rule = |tag: &str, at| {
        let key = RuleKey { chain: forward_of(Family::Ip), tag: tag.into() };
        Body::NftRule(Rule { key, exprs: Vec::new(), at: Some(at) })
    };
    let mut route = Route::unicast(
        RouteKey::main("198.51.100.0/24".parse().unwrap()),
        name("eth0"),
        Some("10.0.0.9".parse().unwrap()),
    );
    (route.mtu, route.proto) = (Some(900), proto::BOOT);
    let neigh = |ip: &str, derived| {
        let key = NeighKey { dev: name("eth0"), ip: ip.parse().unwrap(), proxy: false };
        let mac = Some("02:00:00:00:00:01".parse().unwrap());
        Body::Neigh(Neigh { key, mac, state: 0x80, proto: 0, derived })
    };
    let facts = [
        Body::Link(link("br0", LinkKind::Bridge)),
        Body::Link(link("eth0", LinkKind::Veth { peer: None })),
        Body::Link(link("v1.5", LinkKind::Veth { peer: None })),
        Body::Addr(ropewalk_facts::Addr::global(name("eth0"), "10.0.0.2/8".parse().unwrap())),
        Body::Route(route),
        neigh("10.0.0.7", false),
        neigh("10.0.0.8", true),
        table(Family::Ip),
        forward(Family::Ip),
        rule("#4", 0),
        rule("no web", 1),
        table(Family::Iptables),
        forward(Family::Iptables),
    ];
    let mut scan = Scan { version: 1, ..Scan::default() };
    scan.facts = facts.into_iter().map(|body| body.at(h.clone())).collect();
    let settings = scan.seen.entry(h).or_default();
    for (path, value) in [
        ("net/ipv4/ip_forward", "0"),
        ("net/ipv4/conf/eth0/forwarding", "0"),
        ("net/ipv4/conf/v1.5/rp_filter", "1"),
    ] {
        settings.settings.insert(path.into(), value.into());
    }
    scan
}

fn forward_of(family: Family) -> ChainKey {
    TableKey::new(family, "filter").chain("FORWARD")
}

fn read(commands: &[&str]) -> Mend {
    let all: Vec<String> = commands.iter().map(|c| format!("ip netns exec h {c}")).collect();
    mend(&scan(), &all)
}

/// What the commands change, a line each.
fn said(commands: &[&str]) -> String {
    let mended = read(commands);
    let hand = mended.lines.iter().filter_map(|line| line.by_hand);
    let hand = hand.map(|why| format!("by hand: {why}\n"));
    let context = scan().facts;
    let changes = mended.changes.iter().map(|c| describe(c, &context).replace(" in netns:h", ""));
    let forget = mended.forget.iter().map(|c| format!("forget {}", describe(c, &context)));
    hand.chain(changes.chain(forget).map(|line| line.replace(" in netns:h", "") + "\n")).collect()
}

#[test]
fn commands_are_read_as_what_they_change() {
    let all: &[&[&str]] = &[
        &["sysctl -w net.ipv4.ip_forward=1"],
        &["sysctl -w net.ipv4.conf.v1.5.rp_filter=0"],
        &["ip link set eth0 up", "ip link set eth0 mtu 1400"],
        &["ip link set v1.5 master br0 up"],
        &["ip link add mv link eth0 type macvlan mode bridge", "ip link set mv up"],
        &["ip neigh flush to 10.0.0.8 dev eth0 ; true", "sleep 0.3"],
        &["ip addr del 10.0.0.2/8 dev eth0", "ip addr add 10.0.0.2/24 dev eth0"],
        &["ip route replace 198.51.100.0/24 via 10.0.0.9 dev eth0"],
        &["ip route add default via 10.0.0.1 dev eth0"],
        &["ip route del 198.51.100.0/24"],
        &["ip neigh del 10.0.0.7 dev eth0"],
        &["ip neigh flush to 10.0.0.8 dev eth0"],
        &["ip route flush cache"],
        &["iptables -t filter -I FORWARD -s 10.0.0.2 -d 10.1.0.0/16 -p tcp --dport 80 -j ACCEPT"],
        &["iptables -t nat -A POSTROUTING -s 10.0.0.0/8 ! -o br0 -j MASQUERADE"],
        &[
            "iptables -t nat -I PREROUTING -d 10.9.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:81",
        ],
        &["iptables-legacy -t filter -I FORWARD -s 10.0.0.2 -d 10.1.0.1 -j ACCEPT"],
        &["nft insert rule ip filter FORWARD ip saddr 10.0.0.2 ip daddr 10.1.0.1 accept"],
        &["nft delete rule ip filter FORWARD handle 4"],
        &["nft 'chain ip filter FORWARD { policy accept; }'"],
        &[
            "sh -c 'nft delete rule ip filter FORWARD handle $(nft -a list chain ip filter FORWARD | sed -n \"/no web/s/.*handle //p\" | head -1)'",
        ],
    ];
    let text: String = all.iter().map(|c| format!("{}\n{}\n", c.join("\n"), said(c))).collect();
    expect_test::expect![[r#"
        sysctl -w net.ipv4.ip_forward=1
        ~ net/ipv4/conf/eth0/forwarding 0 → 1 (implied)
        ~ net/ipv4/ip_forward 0 → 1

        sysctl -w net.ipv4.conf.v1.5.rp_filter=0
        ~ net/ipv4/conf/v1.5/rp_filter 1 → 0

        ip link set eth0 up
        ip link set eth0 mtu 1400
        ~ link eth0 mtu 1500 → 1400, down → up

        ip link set v1.5 master br0 up
        ~ link v1.5 master none → br0, down → up
        ~ member v1.5 hairpin off, isolated off, learning on, flood on, neigh_suppress off (implied)

        ip link add mv link eth0 type macvlan mode bridge
        ip link set mv up
        + link mv macvlan mode bridge, on eth0, up

        ip neigh flush to 10.0.0.8 dev eth0 ; true
        sleep 0.3
        forget - neigh 10.0.0.8 lladdr 02:00:00:00:00:01 dev eth0 nud permanent

        ip addr del 10.0.0.2/8 dev eth0
        ip addr add 10.0.0.2/24 dev eth0
        - neigh 10.0.0.7 lladdr 02:00:00:00:00:01 dev eth0 nud permanent (implied)
        - route 198.51.100.0/24 via 10.0.0.9 dev eth0 proto boot mtu 900 (implied)
        - address 10.0.0.2/8 dev eth0
        + address 10.0.0.2/24 dev eth0

        ip route replace 198.51.100.0/24 via 10.0.0.9 dev eth0
        ~ route 198.51.100.0/24 via 10.0.0.9 dev eth0 proto boot mtu 900 → route 198.51.100.0/24 via 10.0.0.9 dev eth0 proto boot

        ip route add default via 10.0.0.1 dev eth0
        + route default via 10.0.0.1 dev eth0 proto boot

        ip route del 198.51.100.0/24
        - route 198.51.100.0/24 via 10.0.0.9 dev eth0 proto boot mtu 900

        ip neigh del 10.0.0.7 dev eth0
        - neigh 10.0.0.7 lladdr 02:00:00:00:00:01 dev eth0 nud permanent

        ip neigh flush to 10.0.0.8 dev eth0
        forget - neigh 10.0.0.8 lladdr 02:00:00:00:00:01 dev eth0 nud permanent

        ip route flush cache
        forget ~ net/ipv4/route/flush = 1

        iptables -t filter -I FORWARD -s 10.0.0.2 -d 10.1.0.0/16 -p tcp --dport 80 -j ACCEPT
        + rule ip filter FORWARD index 0 ip saddr 10.0.0.2 ip daddr 10.1.0.0/16 tcp dport 80 counter accept comment "ropewalk fix 1"

        iptables -t nat -A POSTROUTING -s 10.0.0.0/8 ! -o br0 -j MASQUERADE
        + table ip nat
        + chain ip nat POSTROUTING { type nat hook postrouting priority 100; policy accept; }
        + # no words for: add rule ip nat POSTROUTING ip saddr 10.0.0.0/8 oifname != "br0" counter /* MASQUERADE */ comment "ropewalk fix 1"

        iptables -t nat -I PREROUTING -d 10.9.0.1 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:81
        + table ip nat
        + chain ip nat PREROUTING { type nat hook prerouting priority -100; policy accept; }
        + # no words for: add rule ip nat PREROUTING ip daddr 10.9.0.1 tcp dport 80 counter /* DNAT */ comment "ropewalk fix 1"

        iptables-legacy -t filter -I FORWARD -s 10.0.0.2 -d 10.1.0.1 -j ACCEPT
        + iptables-legacy -w -I FORWARD 1 -s 10.0.0.2/32 -d 10.1.0.1/32 -m comment --comment ropewalk fix 1 -j ACCEPT

        nft insert rule ip filter FORWARD ip saddr 10.0.0.2 ip daddr 10.1.0.1 accept
        + rule ip filter FORWARD index 0 ip saddr 10.0.0.2 ip daddr 10.1.0.1 counter accept comment "ropewalk fix 1"

        nft delete rule ip filter FORWARD handle 4
        - rule ip filter FORWARD index 0 

        nft 'chain ip filter FORWARD { policy accept; }'
        ~ chain ip filter FORWARD { type filter hook forward priority 0; policy accept; }

        sh -c 'nft delete rule ip filter FORWARD handle $(nft -a list chain ip filter FORWARD | sed -n "/no web/s/.*handle //p" | head -1)'
        - rule ip filter FORWARD  comment "no web"

    "#]].assert_eq(&text);
}

#[test]
fn what_has_no_words_is_left_to_a_person_and_then_nothing_is_changed() {
    for (command, why) in [
        ("ip link set eth0 arp on", "NOARP"),
        ("conntrack -F", "not brought back"),
        ("conntrack -D -p udp --orig-src 10.0.0.2", "not brought back"),
        ("ip route flush table main", "never flushes"),
        ("nft flush ruleset", "no word"),
        ("iptables -F", "no word"),
        ("iptables-legacy -t filter -D FORWARD 1", "not put back"),
        ("socat TCP4-LISTEN:80 -", "services"),
        ("ip link add x type veth peer name y", "not made"),
        ("sysctl -w net.ipv4.nothing=1", "not found"),
        ("ip link set none up", "no such link"),
        ("nft delete rule ip filter FORWARD handle 77", "no such rule"),
        ("ip link set eth0 up; reboot", "more than one"),
        ("ip link set eth0 mtu many", "no word"),
        ("", "no word"),
    ] {
        let mended = read(&["sysctl -w net.ipv4.ip_forward=1", command]);
        let said = mended.lines.last().and_then(|line| line.by_hand);
        assert!(said.is_some_and(|said| said.contains(why)), "{command}: {said:?}");
        assert!(!mended.whole() && mended.changes.is_empty(), "{command}");
    }
    let elsewhere = mend(&scan(), &["ip netns exec x ip link set eth0 up".to_owned()]);
    assert_eq!(
        elsewhere.lines.first().and_then(|line| line.by_hand),
        Some("its namespace was not looked into")
    );
}

#[test]
fn what_is_changed_is_undone() {
    let before = known(&scan());
    for commands in [
        &["ip link set eth0 up", "ip link set eth0 mtu 1400", "ip link set eth0 master br0"][..],
        &["ip addr del 10.0.0.2/8 dev eth0", "ip addr add 10.0.0.2/24 dev eth0"],
        &["ip route replace 198.51.100.0/24 via 10.0.0.9 dev eth0"],
        &["iptables -I FORWARD -s 10.0.0.2 -j ACCEPT", "iptables -I FORWARD -d 10.0.0.2 -j ACCEPT"],
        &["nft delete rule ip filter FORWARD handle 4"],
        &["sysctl -w net.ipv4.ip_forward=1"],
    ] {
        let changes = read(commands).changes;
        assert!(!changes.is_empty(), "{commands:?}");
        let mut found = before.clone();
        ropewalk_plan::apply(&changes, &mut found);
        assert_ne!(found, before, "{commands:?}");
        let back = ropewalk_plan::undo(&changes, &found);
        ropewalk_plan::apply(&back, &mut found);
        let member = Id::Member(IfName::new("eth0").unwrap()).at(Ns::new("netns:h"));
        found.remove(&member);
        assert_eq!(found, before, "{commands:?}");
    }
}
