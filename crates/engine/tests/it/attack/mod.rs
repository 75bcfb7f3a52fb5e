//! An attacker's sandbox: what it tries must fail under protection, and work without.
//!
//!     evil ──┐
//!     blue ──┼── network web ── host ── lan        red is the victim
//!     red ───┘
//!
//! What counts is the effect on the victim or the host. The attacks are Python, as they need
//! frames that no well-behaved program sends.

mod lists;
mod paths;

use std::collections::BTreeSet;

use ropewalk_spec::{RawEndpoint, RawNetwork};
use serde_json::{Value, json};

use crate::Host;
use crate::host::{bridge, flat, routed};

const FRAMES: &str = include_str!("frames.py");
const ADDRESSES: &str = include_str!("addresses.py");

/// How the attacker's network is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bridge,
    Routed,
    Flat,
    /// Sandboxes give themselves their addresses.
    L2,
    /// Beside the host's stack; what is lifted is that the host has no link there.
    Macvlan,
}

struct Scene {
    host: Host,
    facts: Value,
}

impl Scene {
    fn new(mode: Mode, lifted: bool) -> Self {
        Self::with(mode, lifted, &RawNetwork::default())
    }

    /// With what `wish` says of the network beside its mode.
    fn with(mode: Mode, lifted: bool, wish: &RawNetwork) -> Self {
        let host = Host::new();
        crate::attach::outside(&host);
        // As on a host where nothing asks for it; the kernel then looks into no bridged frame.
        host.sh("for f in /proc/sys/net/bridge/bridge-nf-call-*tables; do echo 0 > $f; done");
        let subnets = ["192.168.15.0/24", "fd00:15::/64"];
        let network = match mode {
            Mode::Bridge => bridge("web", &subnets),
            Mode::Routed => routed("web", &subnets),
            Mode::Flat => flat("web"),
            Mode::Macvlan => macvlan("web", lifted),
            Mode::L2 => RawNetwork { l2: true, ..bridge("web", &[]) },
        };
        let reach = wish.reach.clone();
        let allow_spoofing = lifted && mode != Mode::Macvlan;
        let reach = if mode == Mode::Macvlan { Vec::new() } else { reach };
        host.create(&RawNetwork { allow_spoofing, reach, ..network });
        if lifted && matches!(mode, Mode::Bridge | Mode::L2) {
            host.sh("ip link set rw-web type bridge no_linklocal_learn 0");
        }
        let plain = || RawEndpoint { network: "web".into(), ..RawEndpoint::default() };
        let who = ["evil", "red", "blue"].map(|name| (name, person(&host, name, plain())));
        let gateway = |mac: String, link: &str, v4: &str, v6: &str| {
            json!({ "gateway_mac": mac, "link": link, "gateway4": v4, "gateway6": v6,
                    "gateways": [v4, v6] })
        };
        let mut facts = match mode {
            // There is none: it is a neighbour to those who look for it.
            Mode::L2 => {
                let of = |key| who[2].1[key].as_str().unwrap();
                gateway(of("mac").into(), "rw-web", of("ip4"), of("ip6"))
            }
            Mode::Macvlan => {
                let link = if lifted { "rw-web" } else { "up0" };
                gateway(mac_of(&host, link), link, "10.0.0.2", "fd00:aa::2")
            }
            Mode::Bridge => {
                gateway(mac_of(&host, "rw-web"), "rw-web", "192.168.15.1", "fd00:15::1")
            }
            Mode::Routed | Mode::Flat => {
                let leg = who[0].1["leg"].as_str().unwrap();
                gateway(mac_of(&host, leg), leg, "169.254.1.1", "fe80::1%eth0")
            }
        };
        for (name, facts_of) in who {
            facts[name] = facts_of;
        }
        facts["mode"] = json!(match mode {
            Mode::Bridge | Mode::L2 => "bridge",
            Mode::Routed => "routed",
            Mode::Flat => "flat",
            Mode::Macvlan => "macvlan",
        });
        facts["lifted"] = json!(lifted);
        facts["patience"] = json!(if lifted { 4.0 } else { 0.3 });
        let lan = matches!(mode, Mode::Flat | Mode::Macvlan);
        facts["free4"] = json!(if lan { "10.0.0.77" } else { "192.168.15.77" });
        facts["free6"] = json!(if lan { "fd00:aa::77" } else { "fd00:15::77" });
        Self { host, facts }
    }

    /// The attacks that had an effect.
    fn run(&self, attacks: &str) -> BTreeSet<String> {
        let file = self.host.file("attack.py", &format!("{FRAMES}\n{attacks}"));
        let out = self.host.sh(&format!("python3 {file} '{}'", self.facts));
        out.lines().map(str::to_owned).collect()
    }
}

/// Macvlans on the LAN, of the host as well where it has a link.
fn macvlan(name: &str, host_link: bool) -> RawNetwork {
    RawNetwork {
        mode: Some("macvlan".into()),
        parent: Some("up0".into()),
        gateway: vec!["10.0.0.2".into(), "fd00:aa::2".into()],
        range: vec!["10.0.0.48/28".into(), "fd00:aa::30/124".into()],
        host_link,
        ..bridge(name, &["10.0.0.0/24", "fd00:aa::/64"])
    }
}

/// The names of the attacks: those that work when all is lifted.
fn compare(mode: Mode, attacks: &str, number: usize) {
    let none = BTreeSet::new();
    assert_eq!(Scene::new(mode, false).run(attacks), none, "under protection");
    let lifted = Scene::new(mode, true).run(attacks);
    assert_eq!(lifted.len(), number, "without: {lifted:#?}");
}

/// Attaches a sandbox, and says by which addresses it goes.
fn person(host: &Host, name: &str, wish: RawEndpoint) -> Value {
    let wish = RawEndpoint { sandbox: format!("new:{name}"), ..wish };
    let row = host.engine().attach(&wish.check().unwrap()).unwrap().row;
    let addresses = match row.addresses.as_slice() {
        [] => by_hand(host, name),
        given => given.to_vec(),
    };
    let local = host.sh(&format!("ip -n {name} -6 -o addr show dev eth0 scope link"));
    let local = local.split_whitespace().nth(3).and_then(|net| net.split('/').next()).unwrap();
    let ips: Vec<String> =
        addresses.iter().map(|net| net.split('/').next().unwrap().to_owned()).collect();
    json!({ "mac": mac_in(host, name), "ip4": ips[0], "ip6": ips[1], "leg": row.leg, "local6": local })
}

/// Addresses that a sandbox gives itself.
fn by_hand(host: &Host, name: &str) -> Vec<String> {
    let n = name.as_bytes()[0];
    let all = [format!("192.168.15.{n}/24"), format!("fd00:15::{n}/64")];
    for net in &all {
        host.sh(&format!("ip -n {name} addr add {net} dev eth0"));
    }
    host.sh(&format!("while ip -n {name} addr show tentative | grep -q inet6; do sleep .05; done"));
    all.into()
}

fn mac_in(host: &Host, ns: &str) -> String {
    host.sh(&format!("ip netns exec {ns} cat /sys/class/net/eth0/address")).trim().to_owned()
}

fn mac_of(host: &Host, dev: &str) -> String {
    host.sh(&format!("cat /sys/class/net/{dev}/address")).trim().to_owned()
}

#[test]
fn nobody_on_a_bridge_pretends_to_be_another() {
    compare(Mode::Bridge, ADDRESSES, 31);
}

/// What nobody may send, whatever his addresses are.
const AS_NOBODY: [&str; 17] = [
    "source MAC of the victim",
    "source MAC of the victim to a group of bridges",
    "rogue RA",
    "rogue RA in fragments",
    "IPv6 that hides its transport header",
    "rogue DHCP offer",
    "rogue DHCP offer in fragments",
    "rogue DHCPv6 reply",
    "VLAN tag",
    "double VLAN tags",
    "priority tag",
    "LLDP",
    "EAPOL",
    "PAUSE",
    "STP",
    "FDB flood",
    "STP root takeover",
];

#[test]
fn who_gives_himself_addresses_is_no_router_nor_server() {
    let tried = |lifted| {
        let mut scene = Scene::new(Mode::L2, lifted);
        scene.facts["only"] = json!(AS_NOBODY);
        scene.run(ADDRESSES)
    };
    assert_eq!(tried(false), BTreeSet::new(), "under protection");
    let all = AS_NOBODY.map(str::to_owned).into();
    assert_eq!(tried(true), all, "without");
}

#[test]
fn nobody_without_a_bridge_pretends_to_be_another() {
    compare(Mode::Routed, ADDRESSES, 11);
}

#[test]
fn nobody_with_an_address_of_the_lan_pretends_to_be_another() {
    compare(Mode::Flat, ADDRESSES, 11);
}

/// What no filter of the host sees, and so nothing stops: docs/reference/protection.md says so.
const ON_A_MACVLAN: [&str; 23] = [
    "EAPOL",
    "IPv4 source in fragments",
    "IPv4 source of a free address",
    "IPv4 source of a neighbour",
    "IPv4 source of an outside address",
    "IPv6 source of a free address",
    "IPv6 source of a neighbour",
    "IPv6 source of an outside address",
    "IPv6 that hides its transport header",
    "LLDP",
    "PAUSE",
    "VLAN tag",
    "arp poisoning in a priority tag",
    "arp poisoning of the victim for its gateway",
    "double VLAN tags",
    "gratuitous arp for the victims address",
    "priority tag",
    "rogue DHCP offer",
    "rogue DHCP offer in fragments",
    "rogue DHCPv6 reply",
    "rogue RA",
    "rogue RA in fragments",
    "unsolicited NA for the gateway",
];

#[test]
fn a_macvlan_is_a_machine_of_the_lan() {
    let mut scene = Scene::new(Mode::Macvlan, false);
    scene.facts["gateway_mac"] = json!(mac_in(&scene.host, "lan"));
    scene.facts["patience"] = json!(2.0);
    assert_eq!(scene.run(ADDRESSES), ON_A_MACVLAN.map(str::to_owned).into());
}
