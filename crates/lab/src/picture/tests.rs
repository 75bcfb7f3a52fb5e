#![expect(clippy::unwrap_used, reason = "a test may stop at the first surprise")]

use expect_test::{Expect, expect};

use super::*;

fn draws(text: &str, networks: &[Network], picture: Expect) {
    let drawn = super::picture(&Lab::parse("lab.toml", text).unwrap(), networks);
    picture.assert_eq(&drawn);
    for line in drawn.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

const OFFICE: &str = r#"
name = "office"
lan.wan.subnet = ["203.0.113.0/24"]
lan.office.subnet = ["192.168.2.0/24", "fd00:2::/64"]
[host.outside]
nic.eth0 = { lan = "wan", ip = ["203.0.113.10"] }
[host.router]
nic.eth0 = { lan = "wan", ip = ["203.0.113.1"] }
nic.eth1 = { lan = "office", ip = ["192.168.2.1", "fd00:2::1"] }
forward = true
[host.h1]
nic.eth0 = { lan = "office", ip = ["192.168.2.10", "fd00:2::10"] }
container.red = {}
container.blue = {}
container.app = {}
[host.laptop]
nic.eth0 = { lan = "office", ip = ["192.168.2.20"] }
"#;

#[test]
fn a_router_stands_between_its_lans() {
    let member = |sandbox: &str, ip: &str, published: &[&str]| Member {
        sandbox: sandbox.into(),
        nic: "eth0".into(),
        addrs: vec![ip.parse().unwrap()],
        published: published.iter().map(ToString::to_string).collect(),
    };
    let network = Network {
        host: "h1".parse().unwrap(),
        name: "web".into(),
        mode: "bridge".into(),
        gateways: vec!["192.168.15.1".parse().unwrap()],
        members: vec![
            member("red", "192.168.15.2", &["8080:80/tcp"]),
            member("blue", "192.168.15.3", &[]),
        ],
    };
    draws(
        OFFICE,
        &[network],
        expect![[r#"
         wan 203.0.113.0/24
        ════╤════════════════════════════╤═════════════════════════════════════════════
            │                            │
         ┌──┴─ router · forwards ──┐  ┌──┴─ outside ──────┐
         │ eth0 203.0.113.1        │  │ eth0 203.0.113.10 │
         │ eth1 192.168.2.1        │  └───────────────────┘
         │      fd00:2::1          │
         └──┬──────────────────────┘
            │ office 192.168.2.0/24 fd00:2::/64
        ════╪═══════════════════════════════╤══════════════════════════════════════════
            │                               │
         ┌──┴─ h1 ────────────────────┐  ┌──┴─ laptop ───────┐
         │ eth0 192.168.2.10          │  │ eth0 192.168.2.20 │
         │      fd00:2::10            │  └───────────────────┘
         │ web: bridge 192.168.15.1   │
         │ ├─ red  eth0 192.168.15.2  │
         │ │            ⇠ 8080:80/tcp │
         │ └─ blue eth0 192.168.15.3  │
         │ app (no network)           │
         └────────────────────────────┘
    "#]],
    );
}

#[test]
fn many_hosts_take_several_rows() {
    let mut text = String::from("name = \"many\"\nlan.a.subnet = [\"10.0.0.0/24\"]\n");
    for i in 1..=5 {
        text += &format!("host.h{i}.nic.eth0 = {{ lan = \"a\", ip = [\"10.0.0.{i}\"] }}\n");
    }
    draws(
        &text,
        &[],
        expect![[r#"
         a 10.0.0.0/24
        ╔═══╤══════════════════╤══════════════════╤══════════════════╤═════════════════
        ║   │                  │                  │                  │
        ║┌──┴─ h1 ───────┐  ┌──┴─ h2 ───────┐  ┌──┴─ h3 ───────┐  ┌──┴─ h4 ───────┐
        ║│ eth0 10.0.0.1 │  │ eth0 10.0.0.2 │  │ eth0 10.0.0.3 │  │ eth0 10.0.0.4 │
        ║└───────────────┘  └───────────────┘  └───────────────┘  └───────────────┘
        ╚═══╤══════════════════════════════════════════════════════════════════════════
            │
         ┌──┴─ h5 ───────┐
         │ eth0 10.0.0.5 │
         └───────────────┘
    "#]],
    );
}

#[test]
fn cables_pass_by_what_is_between() {
    let text = r#"
name = "three"
lan.a.subnet = ["10.0.0.0/24"]
lan.b.subnet = ["10.1.0.0/24"]
lan.c.subnet = ["10.2.0.0/24"]
[host.core]
nic.eth0 = { lan = "a", ip = ["10.0.0.1"] }
nic.eth1 = { lan = "b", ip = ["10.1.0.1"] }
nic.eth2 = { lan = "c", ip = ["10.2.0.1"] }
[host.h1]
nic.eth0 = { lan = "b", ip = ["10.1.0.2"] }
[host.h2]
nic.eth0 = { lan = "c", ip = ["10.2.0.2"] }
[host.alone]
"#;
    draws(
        text,
        &[],
        expect![[r#"
         a 10.0.0.0/24
        ════╤══════════════════════════════════════════════════════════════════════════
            │
         ┌──┴─ core ─────┐
         │ eth0 10.0.0.1 │
         │ eth1 10.1.0.1 │
         │ eth2 10.2.0.1 │
         └──┬───┬────────┘
            │   │ b 10.1.0.0/24
        ════╧═══│════╤═════════════════════════════════════════════════════════════════
                │    │
                │ ┌──┴─ h1 ───────┐
                │ │ eth0 10.1.0.2 │
                │ └───────────────┘
                │ c 10.2.0.0/24
        ════╤═══╧══════════════════════════════════════════════════════════════════════
            │
         ┌──┴─ h2 ───────┐
         │ eth0 10.2.0.2 │
         └───────────────┘
         ┌──── alone ──┐
         └─────────────┘
    "#]],
    );
}

#[test]
fn the_examples_look_good() {
    draws(
        include_str!("../../../../examples/1-bridge.toml"),
        &[],
        expect![[r#"
         wan 203.0.113.0/24 2001:db8::/64
        ════╤══════════════════════╤═══════════════════════════════════════════════════
            │                      │
         ┌──┴─ outside ──────┐  ┌──┴─ h1 ───────────┐
         │ eth0 203.0.113.99 │  │ eth0 203.0.113.10 │
         │      2001:db8::99 │  │      2001:db8::10 │
         └───────────────────┘  │ red (no network)  │
                                │ blue (no network) │
                                └───────────────────┘
    "#]],
    );
    draws(
        include_str!("../../../../examples/2-pid.toml"),
        &[],
        expect![[r#"
         wan 203.0.113.0/24
        ════╤══════════════════════╤═══════════════════════════════════════════════════
            │                      │
         ┌──┴─ outside ──────┐  ┌──┴─ h1 ───────────┐
         │ eth0 203.0.113.99 │  │ eth0 203.0.113.10 │
         └───────────────────┘  │ br0 172.20.0.1    │
                                │ app (no network)  │
                                └───────────────────┘
    "#]],
    );
    draws(
        include_str!("../../../../examples/3-routed.toml"),
        &[],
        expect![[r#"
         office 192.168.2.0/24 fd00:2::/64
        ════╤══════════════════════╤══════════════════════╤════════════════════════════
            │                      │                      │
         ┌──┴─ laptop ───────┐  ┌──┴─ printer ──────┐  ┌──┴─ h1 ───────────┐
         │ eth0 192.168.2.20 │  │ eth0 192.168.2.30 │  │ eth0 192.168.2.10 │
         │      fd00:2::20   │  └───────────────────┘  │      fd00:2::10   │
         └───────────────────┘                         │ red (no network)  │
                                                       │ blue (no network) │
                                                       └───────────────────┘
    "#]],
    );
}
