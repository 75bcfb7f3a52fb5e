//! Attach and detach where a DHCP server lends the address.
#![expect(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "the server is a process, and says nothing when it has heard"
)]

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ropewalk_testnet::Private;

use super::{Leaves, host, test_killed};
use crate::host::Host;

/// dnsmasq on the LAN, which ends with its test. Its files are where each test has a folder of its own.
struct Server(Child);

impl Server {
    fn start() -> Self {
        let child = Command::new("ip")
            .args(["netns", "exec", "lan", "dnsmasq", "--keep-in-foreground", "--port=0"])
            .args(["--conf-file=/dev/null", "--pid-file=", "--user=root", "--group=root"])
            .args(["--interface=eth0", "--bind-interfaces", "--no-ping"])
            .args(["--dhcp-authoritative", "--dhcp-sequential-ip", "--dhcp-option=3,10.0.0.2"])
            .args(["--dhcp-range=10.0.0.100,10.0.0.110,255.255.255.0,1h"])
            .args([
                "--dhcp-leasefile=/run/ropewalk/leases",
                "--log-facility=/run/ropewalk/dnsmasq.log",
            ])
            .stdin(Stdio::null())
            .spawn()
            .expect("dnsmasq");
        let server = Self(child);
        for _ in 0..150 {
            let log = std::fs::read_to_string("/run/ropewalk/dnsmasq.log").unwrap_or_default();
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
    std::fs::read_to_string("/run/ropewalk/leases").unwrap_or_default()
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
fn an_uplink_sandbox_has_an_address_of_the_lans_server_as_long_as_it_is_there() {
    let host = host();
    host.net.sh("ip -n lan addr add 10.0.0.2/24 dev eth0");
    let _server = Server::start();
    host.unharmed(|| {
        host.ok("network create lan --mode uplink --dhcp");
        host.ok("attach new:blue lan");
        let has = host.net.sh("ip -n blue -4 -o addr show dev eth0; ip -n blue route show default
            cat /run/ropewalk/dnsmasq.log");
        assert!(has.contains(" 10.0.0.100/24 ") && has.contains("default via 10.0.0.2 "), "{has}");
        host.net.sh("ip netns exec lan ping -qc1 -W2 10.0.0.100
            ip netns exec blue ping -qc1 -W2 10.0.0.2");
        let until = || host.row().lease.and_then(|lease| lease.until);
        let before = until();
        // A server that is slow on a busy machine is asked again.
        for minutes in [31, 40, 45] {
            if until() == before {
                host.renews(minutes * 60);
            }
        }
        assert!(until() > before, "renewed from within the sandbox");
        host.renews(2 * 3600);
        host.net.sh("ip -n blue -4 -o addr show dev eth0 | grep -q ' 10.0.0.100/24 '
            ip netns exec lan ping -qc1 -W2 10.0.0.100");
        host.is_healthy("lost, and lent again");
        host.ok("detach new:blue");
    });
}

#[test]
fn a_macvlan_attach_with_dhcp_that_is_killed_leaves_no_lease_behind() {
    survives("macvlan");
}

/// Which second the process of the test below takes it to be, from now.
const LATER: &str = "ROPEWALK_TEST_LATER";
/// Longer than an address is lent.
const OVER: u64 = 2 * 3600;

/// What the agent does with leases that have run out: run by the test below, in its namespaces, in a
/// process of its own.
#[test]
#[ignore = "it is killed"]
fn renewer() {
    let later = std::env::var(LATER).expect(LATER).parse().expect("seconds");
    Host { net: Private::inherited() }.renews(later);
}

/// Runs [`renewer`], killed at a step: the name of that; none if it came to its end.
fn renewal_killed(host: &Host, later: u64, step: usize) -> Option<String> {
    test_killed(host, "crash::dhcp::renewer", &format!("{LATER}={later}"), step)
}

#[test]
fn an_address_whose_change_is_killed_is_lent_anew_by_the_next_look() {
    let host = host();
    host.net.sh("ip -n lan addr add 10.0.0.2/24 dev eth0");
    let _server = Server::start();
    host.unharmed(|| {
        host.ok("network create lan --mode flat --dhcp");
        host.ok("attach new:blue lan --publish 8080:80");
        let whole = host.scene();
        let (mut later, mut steps) = (OVER, 0);
        while let Some(name) = renewal_killed(&host, later, steps + 1) {
            let when = format!("a lease that is over: killed before step {}, {name}", steps + 1);
            if steps % 2 == 0 {
                host.ok("gc");
            }
            host.renews(later + OVER);
            whole.same(&host.scene(), &when);
            host.is_healthy(&when);
            later += 2 * OVER;
            steps += 1;
        }
        assert!(steps > 20, "{steps} steps");
        whole.same(&host.scene(), "not killed any more");
        host.ok("detach new:blue");
    });
}
