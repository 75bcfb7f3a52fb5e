//! An attacker's sandbox: what it tries must fail under protection, and work without.
//!
//!     evil ──┐
//!     blue ──┼── network web ── host ── lan        red is the victim
//!     red ───┘
//!
//! What counts is the effect on the victim or the host. The attacks are Python, as they need
//! frames that no well-behaved program sends.

use std::collections::BTreeSet;

use ropewalk_spec::{RawEndpoint, RawNetwork};
use serde_json::{Value, json};

use crate::Host;
use crate::host::{bridge, routed};

const FRAMES: &str = include_str!("frames.py");
const ADDRESSES: &str = include_str!("addresses.py");

/// How the attacker's network is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Bridge,
    Routed,
}

struct Scene {
    host: Host,
    facts: Value,
}

impl Scene {
    fn new(mode: Mode, lifted: bool) -> Self {
        let host = Host::new();
        crate::attach::outside(&host);
        // As on a host where nothing asks for it; the kernel then looks into no bridged frame.
        host.sh("for f in /proc/sys/net/bridge/bridge-nf-call-*tables; do echo 0 > $f; done");
        let subnets = ["192.168.15.0/24", "fd00:15::/64"];
        let network = match mode {
            Mode::Bridge => bridge("web", &subnets),
            Mode::Routed => routed("web", &subnets),
        };
        host.create(&RawNetwork { allow_spoofing: lifted, ..network });
        if lifted && mode == Mode::Bridge {
            host.sh("ip link set rw-web type bridge no_linklocal_learn 0");
        }
        let who = ["evil", "red", "blue"].map(|name| (name, person(&host, name)));
        let gateway = |mac: String, link: &str, v4: &str, v6: &str| {
            json!({ "gateway_mac": mac, "link": link, "gateway4": v4, "gateway6": v6,
                    "gateways": [v4, v6] })
        };
        let mut facts = match mode {
            Mode::Bridge => {
                gateway(mac_of(&host, "rw-web"), "rw-web", "192.168.15.1", "fd00:15::1")
            }
            Mode::Routed => {
                let leg = who[0].1["leg"].as_str().unwrap();
                gateway(mac_of(&host, leg), leg, "169.254.1.1", "fe80::1%eth0")
            }
        };
        for (name, facts_of) in who {
            facts[name] = facts_of;
        }
        facts["mode"] = json!(if mode == Mode::Bridge { "bridge" } else { "routed" });
        facts["patience"] = json!(if lifted { 4.0 } else { 0.3 });
        facts["free4"] = json!("192.168.15.77");
        facts["free6"] = json!("fd00:15::77");
        Self { host, facts }
    }

    /// The attacks that had an effect.
    fn run(&self, attacks: &str) -> BTreeSet<String> {
        let file = self.host.file("attack.py", &format!("{FRAMES}\n{attacks}"));
        let out = self.host.sh(&format!("python3 {file} '{}'", self.facts));
        out.lines().map(str::to_owned).collect()
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
fn person(host: &Host, name: &str) -> Value {
    let wish = RawEndpoint {
        sandbox: format!("new:{name}"),
        network: "web".into(),
        ..RawEndpoint::default()
    };
    let row = host.engine().attach(&wish.check().unwrap()).unwrap().row;
    let local = host.sh(&format!("ip -n {name} -6 -o addr show dev eth0 scope link"));
    let local = local.split_whitespace().nth(3).and_then(|net| net.split('/').next()).unwrap();
    let ips: Vec<String> =
        row.addresses.iter().map(|net| net.split('/').next().unwrap().to_owned()).collect();
    json!({ "mac": mac_in(host, name), "ip4": ips[0], "ip6": ips[1], "leg": row.leg, "local6": local })
}

fn mac_in(host: &Host, ns: &str) -> String {
    host.sh(&format!("ip netns exec {ns} cat /sys/class/net/eth0/address")).trim().to_owned()
}

fn mac_of(host: &Host, dev: &str) -> String {
    host.sh(&format!("cat /sys/class/net/{dev}/address")).trim().to_owned()
}

#[test]
fn nobody_on_a_bridge_pretends_to_be_another() {
    compare(Mode::Bridge, ADDRESSES, 30);
}

#[test]
fn nobody_without_a_bridge_pretends_to_be_another() {
    compare(Mode::Routed, ADDRESSES, 11);
}
