//! Two hosts on a LAN with sandboxes that have addresses of it.
//!
//!     lan 10.0.0.2 ──┐
//!     h1  10.0.0.11 ─┼─ sw        sandboxes: a, b, mover
//!     h2  10.0.0.12 ─┘

use crate::host::Host;

/// The LAN, with a host that knows nothing of sandboxes.
struct Lan(Host);

impl Lan {
    fn new() -> Self {
        let host = Host::new();
        host.net.sh("ip link add sw type bridge; ip link set sw up
            for h in lan h1 h2; do
                ip netns add $h
                ip link add sw-$h type veth peer name up0 netns $h
                ip link set sw-$h master sw up
                ip -n $h link set lo up; ip -n $h link set up0 up
            done
            for pair in lan=2 h1=11 h2=12; do
                ip -n ${pair%=*} addr add 10.0.0.${pair#*=}/24 dev up0
                ip -n ${pair%=*} addr add fd00:aa::${pair#*=}/64 dev up0 nodad
            done
            for s in a b mover again old; do ip netns add $s; done");
        let lan = Self(host);
        lan.is_forwarding();
        // A host that checks its own link-local address does not ask for others' meanwhile.
        lan.sh("for h in lan h1 h2; do for i in $(seq 100); do
                [ -z \"$(ip -n $h -6 addr show dev up0 tentative)\" ] && continue 2; sleep 0.05
            done; exit 1; done");
        for h in ["h1", "h2"] {
            lan.on(h, "network create lan --mode flat --parent up0 --subnet 10.0.0.0/24 --subnet fd00:aa::/64 --reach host");
        }
        lan
    }

    /// Waits for the switch: the kernel may take a second to notice that a port has a carrier.
    fn is_forwarding(&self) {
        self.sh("for i in $(seq 100); do
                [ $(bridge link | grep -c 'state forwarding') = 3 ] && exit 0; sleep 0.05
            done; bridge link; exit 1");
    }

    fn sh(&self, script: &str) -> String {
        self.0.net.sh(script)
    }

    fn line(h: &str, line: &str) -> String {
        let binary = env!("CARGO_BIN_EXE_ropewalk");
        format!(
            "ip netns exec {h} env ROPEWALK_STATE=/run/ropewalk/{h} ROPEWALK_CONFIG=/etc/ropewalk/{h} {binary} {line}"
        )
    }

    /// Runs ropewalk on a host; it must succeed.
    fn on(&self, h: &str, line: &str) -> String {
        self.sh(&Self::line(h, line))
    }

    /// Runs ropewalk on a host; it must be refused. Returns the message.
    fn refuses(&self, h: &str, line: &str) -> String {
        let (done, out) = self.0.net.try_sh(&Self::line(h, line));
        assert!(!done, "{h}: {line}\n{out}");
        out
    }

    /// The LAN reaches the sandbox that moves, by one packet within a second.
    fn sees_it(&self, when: &str) {
        for ip in ["10.0.0.60", "fd00:aa::60"] {
            let (done, out) = self.0.net.try_sh(&format!(
                "ip netns exec lan ping -qc1 -W1 {ip} && exit 0
                for h in lan h1 h2 mover old; do echo $h; ip -n $h neigh; ip -n $h -br link; done
                bridge link; bridge fdb show br sw; exit 1"
            ));
            assert!(done, "{when}: {ip}\n{out}");
        }
    }

    fn mac(&self, h: &str) -> String {
        self.sh(&format!("ip netns exec {h} ip -o link show up0 | sed 's/.*ether //; s/ .*//'"))
            .trim()
            .to_owned()
    }

    /// Milliseconds from a first packet, with nothing known of anybody, to its answer: the best of
    /// several, since others are at work on the machine.
    fn first_packet(&self, from: &str, to: &str) -> f64 {
        let script = format!(
            "for i in 1 2 3 4 5; do ip -n {from} neigh flush all
                ip netns exec {from} ping -c1 -W2 {to} | sed -n 's/.*time=\\([0-9.]*\\).*/\\1/p'
            done"
        );
        let all = self.sh(&script);
        all.split_whitespace().map(|ms| ms.parse().expect("a time")).fold(f64::MAX, f64::min)
    }
}

#[expect(clippy::print_stdout, reason = "figures for those who look")]
fn show(figures: &[f64]) {
    println!("first packet from the LAN, IPv4 and IPv6, in ms: {figures:?}");
}

const A: &str = "attach netns:a lan --ip 10.0.0.51 --ip fd00:aa::51";
const B: &str = "attach netns:b lan --ip 10.0.0.52 --ip fd00:aa::52";
const MOVER: &str = "attach netns:mover lan --ip 10.0.0.60 --ip fd00:aa::60";

#[test]
fn hosts_and_sandboxes_of_two_hosts_reach_each_other_and_the_lan() {
    let lan = Lan::new();
    lan.on("h1", A);
    lan.on("h2", B);
    let figures = ["10.0.0.51", "fd00:aa::51"].map(|to| lan.first_packet("lan", to));
    show(&figures);
    assert!(figures.iter().all(|ms| *ms < 5.0), "{figures:?}");
    for h in ["h1", "h2"] {
        let delays = "sysctl -n net.ipv4.neigh.up0.proxy_delay net.ipv6.neigh.up0.proxy_delay";
        assert_eq!(lan.sh(&format!("ip netns exec {h} {delays}")), "0\n0\n");
    }
    let places = [("lan", 2), ("h1", 11), ("h2", 12), ("a", 51), ("b", 52)];
    for (from, _) in places {
        for (to, n) in places.iter().filter(|(to, _)| *to != from) {
            lan.sh(&format!(
                "ip netns exec {from} ping -qc1 -W2 10.0.0.{n} || {{ echo {from} {to} v4; exit 1; }}
                ip netns exec {from} ping -qc1 -W2 fd00:aa::{n} || {{ echo {from} {to} v6; exit 1; }}"
            ));
        }
    }
    for (h, sandbox) in [("h1", "netns:a"), ("h2", "netns:b")] {
        lan.on(h, "check");
        lan.on(h, &format!("detach {sandbox}"));
        lan.on(h, "network rm lan");
    }
}

#[test]
fn a_sandbox_that_moves_is_followed_and_is_never_on_two_hosts() {
    let lan = Lan::new();
    lan.on("h1", MOVER);
    lan.sees_it("before");
    let refused = lan.refuses("h2", &MOVER.replace("mover", "again"));
    assert!(refused.contains(&lan.mac("h1")) && refused.contains("[addr-taken]"), "{refused}");
    assert_eq!(lan.on("h2", "ps --json").trim(), "[]");
    lan.on("h1", "detach netns:mover");
    lan.on("h2", MOVER);
    lan.sees_it("moved");
    let known = lan.sh("ip -n lan neigh show 10.0.0.60; ip -n lan neigh show fd00:aa::60");
    assert_eq!(known.matches(&lan.mac("h2")).count(), 2, "{known}");
}

#[test]
fn a_sandbox_that_is_taken_over_from_a_dead_host_is_seen_within_a_second() {
    let lan = Lan::new();
    lan.on("h1", &MOVER.replace("mover", "old"));
    lan.sees_it("before");
    lan.sh("ip link set sw-h1 down");
    lan.on("h2", MOVER);
    // What the LAN knew was of the dead host; one packet, answered within a second.
    lan.sees_it("taken over");
    // The dead one comes back, and is told of by check on either host.
    lan.sh("ip link set sw-h1 up");
    lan.is_forwarding();
    let found = lan.refuses("h2", "check");
    assert!(found.contains(&lan.mac("h1")) && found.contains("10.0.0.60"), "{found}");
}
