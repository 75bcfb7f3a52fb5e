//! Interfaces without an end on the host, and settings, beside Debian's plugins.

use serde_json::json as value;

use super::net::{Node, plain};
use super::{Whose, json};
use crate::host::same;

const IPAM: &str = r#""ipam": {"type": "host-local", "subnet": "10.22.0.0/24", "gateway": "10.22.0.254",
    "routes": [{"dst": "0.0.0.0/0"}]}"#;

/// What is asked of which plugin, on a host with the links up0 and up1.
const ASKED: &[(&str, &str)] = &[
    ("macvlan", r#""master": "up0", "mtu": 1400, "#),
    ("macvlan", r#""mode": "private", "runtimeConfig": {"mac": "02:00:00:00:00:07"}, "#),
    ("host-device", r#""device": "up1", "#),
    ("tap", r#""owner": 1000, "group": 1000, "multiQueue": true, "#),
];

fn node(whose: Whose) -> Node {
    let node = Node::new(whose, &["red"]);
    node.host.net.sh("for n in up0 up1; do ip link add $n type ifb; ip link set $n up; done
        ip addr add 10.22.0.9/24 dev up0; ip route add default via 10.22.0.254");
    node
}

#[test]
fn interfaces_are_those_of_debians_plugins() {
    for (plugin, conf) in ASKED {
        // Debian's first release with `tap` is later than the one that is packaged.
        let both =
            if *plugin == "tap" { vec![Whose::Ours] } else { vec![Whose::Ours, Whose::Debians] };
        let conf = format!("{conf}{IPAM}");
        let mut said = both.into_iter().map(|whose| {
            let node = node(whose);
            let before = node.host.trace();
            let answer = node.ok(&format!("{plugin} ADD red"), &conf);
            let seen = node.seen("red");
            let kind = node.host.net.sh("ip netns exec red ip -d link show dev eth0 | grep -oE \
                'macvlan mode [a-z]+|tun type tap|multi_queue on|user 1000|ifb|mtu [0-9]+' | sort");
            if whose == Whose::Ours {
                let more = format!(r#"{conf}, "prevResult": {answer}"#);
                node.ok(&format!("{plugin} CHECK red"), &more);
            }
            node.ok(&format!("{plugin} DEL red"), &conf);
            if whose == Whose::Ours {
                node.ok(&format!("{plugin} DEL red"), &conf);
                same(&node.host.trace(), &before, plugin);
            }
            (plain(answer), seen, kind)
        });
        let ours = said.next().expect("ours");
        assert_eq!(ours, said.next().unwrap_or_else(|| ours.clone()), "{plugin}");
    }
}

#[test]
fn a_master_that_is_not_there_or_too_small_is_named() {
    let node = node(Whose::Ours);
    let before = node.host.trace();
    for (call, conf, code, words) in [
        ("macvlan ADD red", r#""master": "up9", "#, 999, "there is no interface up9"),
        ("macvlan ADD red", r#""master": "up0", "mtu": 9000, "#, 7, "invalid MTU 9000"),
        ("macvlan ADD red", r#""mode": "x", "#, 7, "unknown mode"),
        ("vlan ADD red", r#""vlanId": 5, "#, 7, "master"),
        ("host-device ADD red", "", 7, "specify either"),
        ("host-device ADD red", r#""hwaddr": "02:00:00:00:00:99", "#, 7, "02:00:00:00:00:99"),
    ] {
        let ran = node.run(call, &format!("{conf}{IPAM}"));
        assert_eq!((ran.status, &json(&ran)["code"]), (Some(1), &value!(code)), "{ran:?}");
        assert!(ran.out.contains(words), "{words}: {ran:?}");
        same(&node.host.trace(), &before, conf);
        assert_eq!(node.host.net.sh("find /run/ropewalk/cni -name '10*' 2>/dev/null || true"), "");
    }
}

#[test]
fn settings_are_those_of_debians_plugin_and_come_back() {
    let [ours, debians] = [Whose::Ours, Whose::Debians].map(|whose| {
        let node = node(whose);
        let conf = format!(r#""master": "up0", {IPAM}"#);
        let made = node.ok("macvlan ADD red", &conf);
        let show = || node.host.net.sh("ip netns exec red sysctl net.ipv4.conf.eth0.arp_filter \
            net.core.somaxconn; ip -n red -o link show dev eth0 | grep -oE 'mtu [0-9]+'");
        let before = show();
        let tuning = r#""sysctl": {"net.ipv4.conf.IFNAME.arp_filter": "1", "net.core.somaxconn": "500"},
            "mtu": 1300, "mac": "02:00:00:00:00:08""#;
        let answer = node.ok("tuning ADD red", &format!(r#"{tuning}, "prevResult": {made}"#));
        assert_eq!(answer["interfaces"][0]["mac"], "02:00:00:00:00:08");
        let mac = node.host.net.sh("ip -n red -o link show dev eth0 | grep -c 02:00:00:00:00:08");
        let after = show();
        let more = format!(r#"{tuning}, "prevResult": {answer}"#);
        if whose == Whose::Ours {
            node.ok("tuning CHECK red", &more);
        }
        node.ok("tuning DEL red", &more);
        if whose == Whose::Ours {
            assert_eq!(show(), before);
        }
        node.ok("macvlan DEL red", &conf);
        (after, mac)
    });
    assert_eq!(ours, debians);
    let node = node(Whose::Ours);
    for bad in [r#"{"kernel.hostname": "x"}"#, r#"{"net.ipv4.ip_forward": 1}"#] {
        let ran = node.run("tuning ADD red", &format!(r#""sysctl": {bad}, "prevResult": {{}}"#));
        assert_eq!(json(&ran)["code"], 7, "{ran:?}");
    }
}

#[test]
fn the_binary_becomes_the_plugins_of_a_folder_and_gives_them_back() {
    let node = node(Whose::Ours);
    let dir = "/run/ropewalk/bin";
    node.host.net.sh(&format!(
        "mkdir {dir}; echo theirs >{dir}/bridge; echo other >{dir}/other; \
        ln -s other {dir}/ptp; chmod 755 {dir}/bridge"
    ));
    let list = || node.host.net.sh(&format!("cd {dir}; ls -A; cat bridge ptp; stat -c %a bridge"));
    let before = list();
    for _ in 0..2 {
        node.host.ok(&format!("install cni --dir {dir}"));
    }
    let leads =
        node.host.net.sh(&format!("cd {dir}; readlink bridge ptp portmap; ls .ropewalk-saved"));
    assert_eq!(leads, "ropewalk\nropewalk\nropewalk\nbridge\nptp\n");
    let about = node.host.net.sh(&format!("{dir}/firewall </dev/null 2>&1"));
    assert!(about.starts_with("CNI firewall plugin v1."), "{about}");
    node.host.ok(&format!("uninstall cni --dir {dir}"));
    assert_eq!(list(), before);
}
