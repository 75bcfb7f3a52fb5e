//! The daemon of `dhcp` as a whole: leases of seconds, renewed by it and by the next one.
//!
//!     red eth0 ── br0 ── up0 ── lan: busybox udhcpd       CNI plugin ── dhcp.sock ── dhcp daemon
#![expect(clippy::disallowed_methods, reason = "waits for other processes")]

use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Whose;
use super::net::Node;

const SOCKET: &str = "/run/ropewalk/dhcp.sock";
const CONF: &str =
    r#""bridge": "br0", "ipam": {"type": "dhcp", "daemonSocketPath": "/run/ropewalk/dhcp.sock"}"#;

/// A process that ends with the test.
struct Running(Child);

impl Running {
    fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.spawn().expect("it runs"))
    }

    fn daemon() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ropewalk"));
        let daemon =
            Self::start(command.arg0("dhcp").args(["daemon", "-socketpath", SOCKET]).env_clear());
        until("the daemon listens", || {
            std::os::unix::net::UnixStream::connect(SOCKET).is_ok().then_some(())
        });
        daemon
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Waits, for a loaded machine's sake longer than it ever takes.
fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "not yet: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The one lease that the daemon keeps: its address, and since when it is lent.
fn lease() -> Option<(String, u64)> {
    let mut all = std::fs::read_dir(format!("{SOCKET}.leases")).ok()?.flatten();
    let path = all.find(|file| file.path().extension().is_some_and(|end| end == "lease"))?.path();
    let kept: Value = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    Some((kept["lease"]["net"].as_str()?.to_owned(), kept["lease"]["since_ms"].as_u64()?))
}

/// Waits for the lease to be renewed; it is the same address.
fn renewed(before: &(String, u64)) -> (String, u64) {
    let now = until("the lease is renewed", || lease().filter(|now| now.1 > before.1));
    assert_eq!(now.0, before.0);
    now
}

#[test]
fn a_lease_of_seconds_is_renewed_also_by_the_next_daemon_and_given_back() {
    let node = Node::new(Whose::Ours, &["red", "lan"]);
    node.host.net.sh("ln -s host-local /run/ropewalk/plugins/dhcp
        ip link add br0 type bridge && ip link set br0 up
        ip link add up0 type veth peer name eth0 netns lan && ip link set up0 master br0 up
        ip -n lan addr add 10.9.0.1/24 dev eth0 && ip -n lan link set eth0 up
        printf '%s\n' 'start 10.9.0.50' 'end 10.9.0.50' 'interface eth0' 'lease_file /dev/null' \
            'pidfile /dev/null' 'option subnet 255.255.255.0' 'option router 10.9.0.1' \
            'option lease 4' 'min_lease 1' >/run/ropewalk/udhcpd.conf");
    let server = ["netns", "exec", "lan", "busybox", "udhcpd", "-f", "/run/ropewalk/udhcpd.conf"];
    let _server = Running::start(Command::new("ip").args(server));
    let first = Running::daemon();
    let made = node.ok("bridge ADD red", CONF);
    assert_eq!(made["ips"][0]["address"], "10.9.0.50/24");
    let lent = lease().expect("a lease");
    let again = renewed(&lent);
    // Killed, as by a crash: the next one goes on.
    drop(first);
    let _second = Running::daemon();
    renewed(&again);
    node.host.net.sh("ip netns exec lan ping -qc1 -w8 10.9.0.50");
    node.ok("bridge DEL red", CONF);
    assert_eq!(lease(), None);
    // There is but this one: it is free again at once.
    node.host.net.sh("ip netns add blue");
    assert_eq!(node.ok("bridge ADD blue", CONF)["ips"][0]["address"], "10.9.0.50/24");
    node.ok("bridge DEL blue", CONF);
}
