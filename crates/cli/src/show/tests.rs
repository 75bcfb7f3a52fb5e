//! What people see, on samples.

use expect_test::expect;
use ropewalk_engine::{
    Attached, Done, Finding, ForeignRow, NetworkView, OtherEnd, RouteHint, Row, SubnetView,
};

use super::{attachments, interfaces, networks, outcomes};

fn red() -> Row {
    Row {
        sandbox: "netns:red".into(),
        pod: None,
        container: None,
        network: "web".into(),
        interface: "eth0".into(),
        leg: Some("rw71c0de5a5a".into()),
        addresses: vec!["192.168.15.2/24".into(), "fd00:15::2/64".into()],
        gateway: vec!["192.168.15.1".into(), "fd00:15::1".into()],
        mac: Some("02:72:c0:a8:0f:02".into()),
        mtu: 1500,
        published: vec!["8080:80/tcp".into(), "53:53/udp".into()],
        rate_in: None,
        rate_out: None,
        allow_in: Vec::new(),
        allow_out: Vec::new(),
        lease: None,
        limits: None,
        state: "ready",
        age_s: 200,
        created: "2026-01-01T00:00:00Z".into(),
    }
}

fn gone() -> Row {
    Row {
        sandbox: "docker:a-rather-long-name".into(),
        pod: None,
        container: None,
        addresses: vec!["192.168.15.3/24".into()],
        gateway: Vec::new(),
        mac: None,
        published: Vec::new(),
        rate_in: Some("10M".into()),
        rate_out: Some("1M/64k".into()),
        allow_in: vec!["10.9.0.0/24 tcp:80".into(), "icmp".into()],
        allow_out: vec!["none".into()],
        lease: None,
        state: "gone",
        age_s: 90_000,
        ..red()
    }
}

fn web() -> NetworkView {
    NetworkView {
        name: "web".into(),
        mode: "bridge",
        reach: Some("open"),
        bridge: Some("rw-web".into()),
        parent: None,
        link_mode: None,
        confirm_within_s: None,
        subnets: vec![
            SubnetView {
                net: "192.168.15.0/24".into(),
                gateway: Some("192.168.15.1".into()),
                range: Some("192.168.15.100-192.168.15.199".into()),
            },
            SubnetView {
                net: "fd00:15::/64".into(),
                gateway: Some("fd00:15::1".into()),
                range: None,
            },
        ],
        masquerade: "yes".into(),
        masquerade_in: "no".into(),
        mtu: 1500,
        active: true,
        attachments: 2,
        let_through: vec![],
        closed: vec![],
        origin: "/etc/ropewalk/networks/web.toml".into(),
        tunnel: None,
        sandboxes: Vec::new(),
    }
}

fn lan() -> NetworkView {
    NetworkView {
        name: "lan".into(),
        mode: "routed",
        reach: None,
        bridge: None,
        subnets: vec![SubnetView { net: "10.9.0.0/24".into(), gateway: None, range: None }],
        masquerade: "203.0.113.7, fd00::7".into(),
        mtu: 0,
        active: false,
        attachments: 0,
        let_through: vec![],
        closed: vec![],
        ..web()
    }
}

#[test]
fn an_attachment_is_told_in_one_line_and_one_for_each_port() {
    expect![[r"
        netns:red is on web: eth0 192.168.15.2/24 fd00:15::2/64, gateway 192.168.15.1 and fd00:15::1, leg rw71c0de5a5a
          8080:80/tcp is published
          53:53/udp is published
    "]]
    .assert_eq(&attachments::attached(&Attached { row: red(), changed: true }));
    let again = attachments::attached(&Attached { row: gone(), changed: false });
    assert!(again.starts_with("docker:a-rather-long-name is on web already: eth0 "), "{again}");
}

#[test]
fn a_detach_tells_what_is_gone() {
    expect![[r"
        netns:red is off web: eth0 192.168.15.2/24 fd00:15::2/64 is gone
    "]]
    .assert_eq(&attachments::detached(&[red()]));
    assert_eq!(attachments::detached(&[]), "nothing to detach\n");
}

#[test]
fn ports_are_told_one_by_one() {
    let ports = ["8080:80", "53:53/udp"].map(|text| text.parse().expect("a port"));
    expect![[r"
        8080:80/tcp leads to netns:red on web
        53:53/udp leads to netns:red on web
    "]]
    .assert_eq(&attachments::published(&red(), &ports));
    expect![[r"
        8080:80/tcp no longer leads to netns:red on web
        53:53/udp no longer leads to netns:red on web
    "]]
    .assert_eq(&attachments::unpublished(&red(), &ports));
}

#[test]
fn attachments_fit_eighty_columns_and_say_what_is_not_ready() {
    let text = attachments::attachments(&[red(), gone()]);
    expect![[r#"
        SANDBOX                    NETWORK  INTERFACE  LEG           ADDRESSES, MAC     PUBLISHED    RATES       ALLOWED                AGE
        netns:red                  web      eth0       rw71c0de5a5a  192.168.15.2/24    8080:80/tcp                                     3m
                                                                     fd00:15::2/64      53:53/udp
                                                                     02:72:c0:a8:0f:02
        docker:a-rather-long-name  web      eth0       rw71c0de5a5a  192.168.15.3/24                 in 10M      in 10.9.0.0/24 tcp:80  1d
                                                                                                     out 1M/64k  in icmp                gone
                                                                                                                 out none
    "#]]
    .assert_eq(&text);
    let usual = attachments::attachments(&[red()]);
    assert!(usual.lines().all(|line| line.len() <= 80), "{usual}");
}

#[test]
fn an_empty_list_says_what_to_do_next() {
    assert_eq!(
        attachments::attachments(&[]),
        "no attachments\nnext: ropewalk attach SANDBOX NETWORK\n"
    );
    assert_eq!(
        networks::networks(&[]),
        "no networks\nnext: ropewalk network create NAME --subnet PREFIX\n"
    );
}

#[test]
fn networks_are_listed_and_shown() {
    expect![[r"
        NETWORK  KIND           SUBNETS          MASQUERADE   MTU   ATTACHED  STATE
        web      bridge rw-web  192.168.15.0/24  yes          1500  2         active
                                fd00:15::/64
        lan      routed         10.9.0.0/24      203.0.113.7  -     0         defined
                                                 fd00::7
    "]]
    .assert_eq(&networks::networks(&[web(), lan()]));
    expect![[r"
        network web
          kind        bridge rw-web
          subnet      192.168.15.0/24 gateway 192.168.15.1 range 192.168.15.100-192.168.15.199
          subnet      fd00:15::/64 gateway fd00:15::1
          masquerade  yes out, no in
          mtu         1500
          state       active
          defined by  /etc/ropewalk/networks/web.toml

        SANDBOX    NETWORK  INTERFACE  LEG           ADDRESSES, MAC     PUBLISHED    AGE
        netns:red  web      eth0       rw71c0de5a5a  192.168.15.2/24    8080:80/tcp  3m
                                                     fd00:15::2/64      53:53/udp
                                                     02:72:c0:a8:0f:02
    "]]
    .assert_eq(&networks::network(&NetworkView { sandboxes: vec![red()], ..web() }));
    expect![[r"
        network lan
          kind        routed
          subnet      10.9.0.0/24
          masquerade  203.0.113.7, fd00::7 out, no in
          mtu         of the uplink
          state       defined
          defined by  /etc/ropewalk/networks/web.toml

        no sandbox is on it
        next: ropewalk attach SANDBOX lan
    "]]
    .assert_eq(&networks::network(&lan()));
}

#[test]
fn a_new_network_is_told_in_one_line() {
    expect![[r#"
        network web: bridge rw-web, masquerade yes, mtu 1500
          192.168.15.0/24 gateway 192.168.15.1 range 192.168.15.100-192.168.15.199
          fd00:15::/64 gateway fd00:15::1
        next: ropewalk attach SANDBOX web
    "#]]
    .assert_eq(&networks::created(&web()));
    let through = vec!["ip filter DOCKER-USER".to_owned()];
    let closed = vec!["chain inet mine forward drops it; try: …".to_owned()];
    let beside = networks::created(&NetworkView { let_through: through, closed, ..web() });
    expect![[r#"
        network web: bridge rw-web, masquerade yes, mtu 1500
          192.168.15.0/24 gateway 192.168.15.1 range 192.168.15.100-192.168.15.199
          fd00:15::/64 gateway fd00:15::1
          let through in ip filter DOCKER-USER, which would have dropped its traffic
          beware: chain inet mine forward drops it; try: …
        next: ropewalk attach SANDBOX web
    "#]]
    .assert_eq(&beside);
    let inside = NetworkView { reach: Some("internal"), ..web() };
    assert!(networks::created(&inside).starts_with("network web: bridge rw-web, internal, "));
}

#[test]
fn interfaces_of_others_stand_beside_ours_with_their_other_end() {
    let ours = ForeignRow {
        ns: "netns:red".into(),
        interface: "eth0".into(),
        kind: "veth".into(),
        peer: Some(OtherEnd { ns: "host".into(), interface: "rw71c0de5a5a".into() }),
        addresses: vec!["192.168.15.2/24".into()],
        mac: Some("02:72:c0:a8:0f:02".into()),
        mtu: Some(1500),
        master: None,
        up: true,
        owner: Some("ropewalk web".into()),
    };
    let theirs = ForeignRow {
        ns: "host".into(),
        interface: "docker0".into(),
        kind: "bridge".into(),
        peer: None,
        master: Some("br0".into()),
        mtu: None,
        up: false,
        owner: None,
        ..ours.clone()
    };
    expect![[r#"
        NAMESPACE  INTERFACE  KIND           JOINED TO             ADDRESSES, MAC     MTU   OWNER
        host       docker0    bridge (down)  bridge br0            192.168.15.2/24
                                                                   02:72:c0:a8:0f:02
        netns:red  eth0       veth           rw71c0de5a5a in host  192.168.15.2/24    1500  ropewalk web
                                                                   02:72:c0:a8:0f:02
    "#]]
    .assert_eq(&interfaces::interfaces(&[theirs, ours]));
}

#[test]
fn findings_say_how_it_shall_be_and_how_it_is() {
    let finding = |repaired| Finding {
        owner: "netns:red on web".into(),
        object: "address 192.168.15.2/24 dev eth0 in netns:red".into(),
        wanted: "present".into(),
        found: "absent".into(),
        repaired,
        change: None,
    };
    assert_eq!(outcomes::checked(&[]), "everything is as it was made\n");
    expect![[r"
        netns:red on web: address 192.168.15.2/24 dev eth0 in netns:red
          wanted  present
          found   absent
        1 difference found
        next: ropewalk repair
    "]]
    .assert_eq(&outcomes::checked(&[finding(false)]));
    expect![[r"
        netns:red on web: address 192.168.15.2/24 dev eth0 in netns:red (put right)
          wanted  present
          found   absent
        netns:red on web: address 192.168.15.2/24 dev eth0 in netns:red
          wanted  present
          found   absent
        1 difference put right, 1 left
        next: ropewalk gc
    "]]
    .assert_eq(&outcomes::repaired(&[finding(true), finding(false)]));
}

#[test]
fn what_was_done_stands_in_lines() {
    let done = |detail: &str| Done {
        verb: "attached",
        object: "netns:red".into(),
        detail: detail.to_owned(),
    };
    assert_eq!(
        outcomes::done(&[done("to web as eth0"), done("")]),
        "attached netns:red to web as eth0\nattached netns:red\n"
    );
    assert_eq!(outcomes::done(&[]), "nothing to do\n");
}

#[test]
fn routes_are_told_to_each_router_in_its_words() {
    let lines = [("linux", "ip route add 10.9.0.0/24 via 192.0.2.1"), ("cisco", "ip route …")];
    let hint = RouteHint {
        destination: "10.9.0.0/24".into(),
        via: vec!["192.0.2.1".into(), "192.0.2.2".into()],
        commands: lines.map(|(router, line)| (router, vec![line.to_owned()])).into(),
    };
    expect![[r"
        10.9.0.0/24 via 192.0.2.1 or 192.0.2.2
          cisco:    ip route …
          linux:    ip route add 10.9.0.0/24 via 192.0.2.1
    "]]
    .assert_eq(&outcomes::routes(&[hint]));
}

#[test]
fn a_purge_is_announced_with_what_it_takes() {
    assert_eq!(
        outcomes::at_stake(&[web(), lan()], &[red()]),
        "this takes away all that ropewalk made on this host: \
         2 networks (web, lan), 1 attachment (netns:red on web)"
    );
}
