//! Files: what is declared, and errors that point at line and column.

use expect_test::{Expect, expect};
use ropewalk_spec::Declaration;

use crate::network;

const WEB: &str = r#"
[network.web]
subnet = ["10.9.0.0/24", "fd00:9::/64"]

[[attach]]
sandbox = "new:red"
network = "web"
ip = "10.9.0.7"
publish = ["8080:80", "5353:53/udp"]

[[attach]]
sandbox = "pid:12"
network = "web"
name = "eth1"
"#;

#[test]
fn networks_and_attachments_are_declared() {
    let file = Declaration::parse("web.toml", WEB, &[]).unwrap();
    assert_eq!(file.networks[0].name.as_str(), "web");
    let sandboxes: Vec<_> = file.attachments.iter().map(|a| a.sandbox.to_string()).collect();
    assert_eq!(sandboxes, ["new:red", "pid:12"]);
    assert_eq!(file.attachments[0].publish.len(), 2);
    assert_eq!(Declaration::parse("f", "", &[]).unwrap(), Declaration::default());
}

#[test]
fn attachments_may_name_networks_that_exist() {
    let text = "[[attach]]\nsandbox = 'pid:1'\nnetwork = 'web'\nip = '10.9.0.7'";
    let web = network("subnet = '10.9.0.0/24'");
    assert!(Declaration::parse("f", text, &[web]).is_ok());
    assert!(Declaration::parse("f", text, &[]).is_err());
}

#[test]
fn a_network_of_the_file_replaces_the_one_that_exists() {
    let web = network("subnet = '10.9.0.0/24'");
    let same = "[network.web]\nsubnet = '10.9.0.0/23'";
    assert!(Declaration::parse("f", same, std::slice::from_ref(&web)).is_ok());
    let other = "[network.lan]\nsubnet = '10.9.0.0/23'";
    assert!(Declaration::parse("f", other, &[web]).is_err());
}

fn refused(text: &str, expect: Expect) {
    let error = Declaration::parse("web.toml", text, &[]).unwrap_err();
    let help = error.help().map(|help| format!("try: {help}\n")).unwrap_or_default();
    expect.assert_eq(&format!("{error}\n{}{help}", error.place.excerpt()));
}

#[test]
fn what_is_not_toml() {
    refused(
        "[network.web]\nmode = bridge # of course\n",
        expect![[r#"
        web.toml:2:8: string values must be quoted, expected literal string
          |
        2 | mode = bridge # of course
          |        ^^^^^^
        try: put the text in quotes: mode = "bridge"
    "#]],
    );
    refused(
        "[network.web]\nsubnet = 10.9.0.0/24\n",
        expect![[r#"
            web.toml:2:14: invalid float, expected nothing
              |
            2 | subnet = 10.9.0.0/24
              |              ^^^^^^^
            try: put the text in quotes: subnet = "10.9.0.0/24"
        "#]],
    );
    refused(
        "[network.web\n",
        expect![[r#"
        web.toml:1:13: unclosed table, expected `]`
          |
        1 | [network.web
          |             ^
    "#]],
    );
    refused(
        "[network.web]\nmtu = 1400\nmtu = 1500\n",
        expect![[r#"
        web.toml:3:1: duplicate key
          |
        3 | mtu = 1500
          | ^^^
    "#]],
    );
}

#[test]
fn keys_and_values_of_the_wrong_kind() {
    refused(
        "[network.web]\nsubnets = '10.9.0.0/24'\n",
        expect![[r#"
            web.toml:2:1: unknown field `subnets`, expected one of `mode`, `bridge`, `parent`, `link_mode`, `host_link`, `vlan`, `owner`, `group`, `multi_queue`, `vni`, `port`, `peer`, `far`, `subnet`, `gateway`, `range`, `internal`, `l2`, `masquerade`, `masquerade_in`, `mtu`, `default_route`, `dhcp`, `dhcp_timeout`, `reach`, `allow_spoofing`, `own`, `without`, `pool`, `fenced`
              |
            2 | subnets = '10.9.0.0/24'
              | ^^^^^^^
        "#]],
    );
    refused(
        "[network.web]\nsubnet = 10\n",
        expect![[r#"
        web.toml:2:10: invalid type: integer `10`, expected a string or a list of strings
          |
        2 | subnet = 10
          |          ^^
    "#]],
    );
    refused(
        "[network.web]\nsubnet = ['10.9.0.0/24', 7]\n",
        expect![[r#"
        web.toml:2:26: invalid type: integer `7`, expected a string
          |
        2 | subnet = ['10.9.0.0/24', 7]
          |                          ^
    "#]],
    );
    refused(
        "[network.web]\nmtu = 'big'\n",
        expect![[r#"
            web.toml:2:7: invalid type: string "big", expected a whole number
              |
            2 | mtu = 'big'
              |       ^^^^^
        "#]],
    );
    refused(
        "[network.web]\nmtu = -1\n",
        expect![[r#"
            web.toml:2:7: invalid value: integer `-1`, expected a whole number
              |
            2 | mtu = -1
              |       ^^
        "#]],
    );
    refused(
        "[[attach]]\nsandbox = 'pid:1'\n",
        expect![[r#"
        web.toml:1:1: missing field `network`
          |
        1 | [[attach]]
          | ^^^^^^^^^^
    "#]],
    );
    refused(
        "[attach]\nsandbox = 'pid:1'\n",
        expect![[r#"
            web.toml:1:1: a table, expected a list of tables
              |
            1 | [attach]
              | ^^^^^^^^
        "#]],
    );
    refused(
        "networks = 1\n",
        expect![[r#"
        web.toml:1:1: unknown field `networks`, expected `network` or `attach`
          |
        1 | networks = 1
          | ^^^^^^^^
    "#]],
    );
}

#[test]
fn values_that_make_no_sense() {
    refused(
        "[network.web]\nsubnet = '10.9.0.1/24'\n",
        expect![[r#"
        web.toml:2:10: network web: subnet: 10.9.0.1/24 has host bits set
          |
        2 | subnet = '10.9.0.1/24'
          |          ^^^^^^^^^^^^^
        try: write 10.9.0.0/24
    "#]],
    );
    refused(
        "\n[network.web]\nmode = 'bridge'\n",
        expect![[r#"
        web.toml:2:10: network web: subnet: none is given
          |
        2 | [network.web]
          |          ^^^
        try: give one or more, such as 10.9.0.0/24
    "#]],
    );
    refused(
        "[network.web]\nname = 'web'\n",
        expect![[r#"
            web.toml:2:1: unknown field `name`, expected one of `mode`, `bridge`, `parent`, `link_mode`, `host_link`, `vlan`, `owner`, `group`, `multi_queue`, `vni`, `port`, `peer`, `far`, `subnet`, `gateway`, `range`, `internal`, `l2`, `masquerade`, `masquerade_in`, `mtu`, `default_route`, `dhcp`, `dhcp_timeout`, `reach`, `allow_spoofing`, `own`, `without`, `pool`, `fenced`
              |
            2 | name = 'web'
              | ^^^^
        "#]],
    );
    refused(
        "[network.'a b']\nsubnet = '10.9.0.0/24'\n",
        expect![[r#"
        web.toml:1:10: network a b: name: "a b" is not a usable name: it holds the character ' '
          |
        1 | [network.'a b']
          |          ^^^^^
        try: use a letter or digit, then letters, digits, '_', '.' and '-'
    "#]],
    );
    refused(
        "[network.a]\nsubnet = '10.9.0.0/16'\n[network.b]\nsubnet = ['10.8.0.0/24',\n  '10.9.8.0/24']\n",
        expect![[r#"
            web.toml:5:3: network b: subnet: 10.9.8.0/24 overlaps 10.9.0.0/16 of network a
              |
            5 |   '10.9.8.0/24']
              |   ^^^^^^^^^^^^^
            try: choose another subnet, such as one of 10.0.0.0/8 or fd00::/8
        "#]],
    );
}

#[test]
fn attachments_that_make_no_sense() {
    let with = |rest: &str| format!("[network.web]\nsubnet = '10.9.0.0/24'\n\n{rest}");
    refused(
        &with("[[attach]]\nsandbox = 'pid:1'\nnetwork = 'lan'\n"),
        expect![[r#"
        web.toml:6:11: attachment of pid:1 to lan: network: there is no network "lan"
          |
        6 | network = 'lan'
          |           ^^^^^
        try: declare it in the file, or create it before
    "#]],
    );
    refused(
        &with("[[attach]]\nsandbox = 'pid:1'\nnetwork = 'web'\nip = '10.8.0.7'\n"),
        expect![[r#"
            web.toml:7:6: attachment of pid:1 to web: ip: 10.8.0.7 is in no subnet of the network
              |
            7 | ip = '10.8.0.7'
              |      ^^^^^^^^^^
            try: choose from the network's subnets
        "#]],
    );
    refused(
        &with(
            "[[attach]]\nsandbox = 'pid:1'\nnetwork = 'web'\nname = 'eth0'
[[attach]]\nsandbox = 'pid:1'\nnetwork = 'web'\nname = 'eth0'\n",
        ),
        expect![[r#"
            web.toml:11:8: attachment of pid:1 to web: name: pid:1 has an interface eth0 already
               |
            11 | name = 'eth0'
               |        ^^^^^^
            try: choose another name
        "#]],
    );
    refused(
        &with(
            "[[attach]]\nsandbox = 'netns:a'\nnetwork = 'web'\npublish = '80'
[[attach]]\nsandbox = 'netns:b'\nnetwork = 'web'\n\tpublish = ['81', '80:8080']\n",
        ),
        expect![[r#"
            web.toml:11:19: attachment of netns:b to web: publish: 80:8080/tcp is published for netns:a already
               |
            11 | 	publish = ['81', '80:8080']
               | 	                 ^^^^^^^^^
            try: choose another port or address of the host
        "#]],
    );
}

mod bounds {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_damaged_file_is_refused_or_read_but_never_panics(
            at in 0..WEB.len(), len in 0..20_usize, with in "[\\[\\]=\"'a\n.ü]{0,3}",
        ) {
            let end = (at + len).min(WEB.len());
            let text = format!("{}{with}{}", &WEB[..at], &WEB[end..]);
            if let Err(error) = Declaration::parse("f", &text, &[]) {
                prop_assert!(error.place.line <= text.lines().count() + 1);
                prop_assert!(!error.place.excerpt().is_empty());
            }
        }
    }
}
