//! dhcp: addresses from the server of the LAN, kept by a daemon.
//!
//!     c1 eth0 (bridge br0) ── up0 ── lan: dnsmasq          CNI plugin ── /run/cni/dhcp.sock ── dhcp daemon

use std::path::Path;

use serde_json::{Value, json};

use crate::Host;
use crate::check::{Check, Held, Miss, better, contract, has, same, that, wrong};
use crate::need::Need;
use crate::net::{Call, Net};

const NEEDS: &[Need] = &[Need::Dnsmasq];

pub(super) const CHECKS: &[Check] = &[
    contract(
        "address",
        "the container has the address, gateway and length that the server lends",
        address,
    )
    .needs(NEEDS),
    contract("routes", "request asks for options, and option 121 is routes", routes).needs(NEEDS),
    contract("priority", "priority is that of the routes", priority).needs(NEEDS).since("1.5.0"),
    contract("skip-default", "skipDefault asks for no option unless it is named", skip_default)
        .needs(NEEDS),
    contract("identifier", "the client's identifier is container/network/interface", identifier)
        .needs(NEEDS),
    contract("provide", "provide sends options with a value, or one of CNI_ARGS", provide)
        .needs(NEEDS),
    contract("socket", "daemonSocketPath is where the daemon is asked", socket).needs(NEEDS),
    contract("no-daemon", "without a daemon it is refused", no_daemon),
    contract("del", "DEL gives the address back to the server", del).needs(NEEDS),
    contract("check", "CHECK succeeds while the daemon has the lease", check).needs(NEEDS),
    better("restart", "the lease survives the daemon: the next one gives it back on DEL", restart)
        .needs(NEEDS),
];

/// The daemon and the server, ended when it is dropped.
struct Daemons<'a>(&'a Host);

impl<'a> Daemons<'a> {
    fn start(host: &'a Host, socket: &str, more: &str) -> Result<Self, Miss> {
        let daemons = Self(host);
        host.sh(&format!("ip netns add lan
            ip link add br0 type bridge && ip link set br0 up
            ip link add up0 type veth peer name eth0 netns lan
            ip link set up0 master br0 up
            ip -n lan addr add 10.9.0.1/24 dev eth0 && ip -n lan link set eth0 up && ip -n lan link set lo up
            ip netns exec lan dnsmasq --no-daemon --conf-file=/dev/null --port=0 --no-ping --log-dhcp \
                --dhcp-range=10.9.0.50,10.9.0.60,255.255.255.0,1h --dhcp-leasefile=/run/w/leases \
                --dhcp-option=3,10.9.0.1 {more} >/run/w/dnsmasq.log 2>&1 </dev/null &
            echo $! >/run/w/dnsmasq.pid"))?;
        daemons.daemon(socket)?;
        Ok(daemons)
    }

    fn daemon(&self, socket: &str) -> Held {
        let program = self.0.plugins.join("dhcp");
        let at = if socket.is_empty() { String::new() } else { format!("-socketpath {socket}") };
        let path = if socket.is_empty() { "/run/cni/dhcp.sock" } else { socket };
        self.0
            .sh(&format!(
                "{} daemon {at} -timeout 5s >/run/w/daemon.log 2>&1 </dev/null &
            echo $! >/run/w/daemon.pid
            for i in $(seq 200); do test -S {path} && exit 0; sleep 0.02; done
            cat /run/w/daemon.log; exit 1",
                program.display()
            ))
            .map(drop)
    }

    fn stop_daemon(&self) {
        self.0.does("p=$(cat /run/w/daemon.pid); kill -9 $p; while kill -0 $p 2>/dev/null; do sleep 0.02; done
            rm -f /run/cni/dhcp.sock");
    }

    fn log(&self) -> Result<String, Miss> {
        self.0.read("/run/w/dnsmasq.log")
    }

    /// What the server logs must come to hold this.
    fn logs(&self, part: &str) -> Held {
        for _ in 0..100 {
            if self.log()?.contains(part) {
                return Ok(());
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        wrong("the server's log", format!("with {part:?}"), self.log()?)
    }
}

impl Drop for Daemons<'_> {
    fn drop(&mut self) {
        self.0.does("kill $(cat /run/w/dnsmasq.pid); kill -9 $(cat /run/w/daemon.pid)");
    }
}

fn net(more: Value) -> Net {
    let mut ipam = json!({ "type": "dhcp" });
    if let (Value::Object(fields), Value::Object(more)) = (&mut ipam, more) {
        fields.extend(more);
    }
    Net::of(json!({ "type": "bridge", "bridge": "br0", "ipam": ipam }))
}

/// On the LAN itself: a bridge takes the link away before the address is given back.
fn direct() -> Net {
    Net::of(json!({ "type": "macvlan", "master": "up0", "ipam": { "type": "dhcp" } }))
}

fn leased(result: &Value) -> Result<String, Miss> {
    let address = crate::look::ip(result, 0)?;
    that(
        address.starts_with("10.9.0.5") || address == "10.9.0.60",
        "the address",
        "one of the server's",
        result,
    )?;
    Ok(address)
}

fn address(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "", "")?;
    let result = host.add(&net(json!({})), "c1")?;
    let address = leased(&result)?;
    same("the addresses", json!([format!("{address}/24")]), &json!(host.addresses("c1", "eth0")?))?;
    same("the gateway", "10.9.0.1", &result["ips"][0]["gateway"])
}

fn routes(host: &Host) -> Held {
    let option = "--dhcp-option=121,10.7.0.0/16,10.9.0.9,0.0.0.0/0,10.9.0.1";
    let _daemons = Daemons::start(host, "", option)?;
    host.add(&net(json!({ "request": [{ "option": "121" }] })), "c1")?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0")?;
    host.has_route("c1", "10.7.0.0/16 via 10.9.0.9 dev eth0")
}

fn priority(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "", "")?;
    host.add(&net(json!({ "priority": 77 })), "c1")?;
    host.has_route("c1", "default via 10.9.0.1 dev eth0 metric 77")
}

fn skip_default(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "", "")?;
    let request = json!([{ "option": "subnet-mask", "skipDefault": true }]);
    let result = host.add(&net(json!({ "request": request })), "c1")?;
    that(result["ips"][0]["gateway"].is_null(), "the result", "no gateway", &result)
}

/// As the server writes it down: bytes in hexadecimal.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn identifier(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "", "")?;
    host.add(&net(json!({})), "c1")?;
    has("the server's leases", &hex("box-c1/net/eth0"), &host.read("/run/w/leases")?)
}

fn provide(host: &Host) -> Held {
    let daemons = Daemons::start(host, "", "")?;
    let provide = json!([{ "option": "host-name", "fromArg": "K8S_POD_NAME" },
        { "option": "60", "value": "a-class" }]);
    let call = Call::new("ADD", "c1").with("ARGS", "IgnoreUnknown=1;K8S_POD_NAME=web");
    host.add_as(&net(json!({ "provide": provide })), &call)?;
    daemons.logs("client provides name: web")?;
    daemons.logs("vendor class: a-class")
}

fn socket(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "/run/w/own.sock", "")?;
    let result = host.add(&net(json!({ "daemonSocketPath": "/run/w/own.sock" })), "c1")?;
    leased(&result).map(drop)
}

fn no_daemon(host: &Host) -> Held {
    host.try_add(&net(json!({})), &Call::new("ADD", "c1"))?.refused(&[])?;
    that(!Path::new("/run/cni/dhcp.sock").exists(), "the socket", "none", "there is one")
}

fn del(host: &Host) -> Held {
    let daemons = Daemons::start(host, "", "")?;
    host.sh("ip link set up0 nomaster")?;
    let net = direct();
    let result = host.add(&net, "c1")?;
    let address = leased(&result)?;
    host.del(&net, "c1", &result)?;
    daemons.logs(&format!("DHCPRELEASE(eth0) {address}"))
}

fn check(host: &Host) -> Held {
    let _daemons = Daemons::start(host, "", "")?;
    host.sh("ip link set up0 nomaster")?;
    let net = direct();
    let result = host.add(&net, "c1")?;
    host.check(&net, "c1", &result)?.quiet()
}

fn restart(host: &Host) -> Held {
    let daemons = Daemons::start(host, "", "")?;
    host.sh("ip link set up0 nomaster")?;
    let net = direct();
    let result = host.add(&net, "c1")?;
    let address = leased(&result)?;
    daemons.stop_daemon();
    daemons.daemon("")?;
    host.del(&net, "c1", &result)?;
    daemons.logs(&format!("DHCPRELEASE(eth0) {address}"))
}
