//! Attach and detach where a DHCP server lends the address.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::{Leaves, host};

/// dnsmasq on the LAN, which ends with its test.
struct Server(Child);

impl Server {
    fn start() -> Self {
        let child = Command::new("ip")
            .args(["netns", "exec", "lan", "dnsmasq", "--keep-in-foreground", "--port=0"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root"])
            .args(["--interface=eth0", "--bind-interfaces", "--no-ping"])
            .args(["--dhcp-authoritative", "--dhcp-sequential-ip", "--dhcp-option=3,10.0.0.2"])
            .args(["--dhcp-range=10.0.0.100,10.0.0.110,255.255.255.0,1h"])
            .args(["--dhcp-leasefile=/run/leases", "--log-facility=/run/dnsmasq.log"])
            .stdin(Stdio::null())
            .spawn()
            .expect("dnsmasq");
        let server = Self(child);
        for _ in 0..150 {
            let log = std::fs::read_to_string("/run/dnsmasq.log").unwrap_or_default();
            if log.contains("sockets bound") {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What the server has lent.
fn lent() -> String {
    std::fs::read_to_string("/run/leases").unwrap_or_default()
}

fn survives(mode: &str) {
    let host = host();
    host.net.sh("ip -n lan addr add 10.0.0.2/24 dev eth0");
    let _server = Server::start();
    host.unharmed(|| {
        host.ok(&format!("network create lan --mode {mode} --dhcp"));
        let attach = "attach new:blue lan";
        host.survives(Leaves::Nothing, attach, &["detach new:blue"]);
        host.ok(attach);
        assert!(lent().contains("10.0.0.100"), "{}", lent());
        host.survives(Leaves::NothingOrAll, "detach new:blue", &[attach]);
    });
    // What was killed before it was written down was taken up again and given back.
    for _ in 0..100 {
        if lent().is_empty() {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(lent(), "");
}

#[test]
fn a_flat_attach_with_dhcp_that_is_killed_leaves_no_lease_behind() {
    survives("flat");
}

#[test]
fn a_macvlan_attach_with_dhcp_that_is_killed_leaves_no_lease_behind() {
    survives("macvlan");
}
