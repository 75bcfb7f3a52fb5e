//! A NIC of the host taken over by a bridge: moved and moved back, watched by a guard.
//!
//!     lan: eth0 10.0.0.254, the gateway ── eth1, the host's NIC, with all that can hang on one

mod attack;
mod beside;
mod guard;
mod input;
mod lab;
mod mended;
mod moved;
mod stream;
mod twin;

use std::fs;
use std::time::{Duration, Instant};

use crate::host::Host;
use crate::scene::Scene;

/// Takes the NIC over.
const LAN: &str = "network create lan --mode uplink --parent eth1 --subnet 10.0.0.0/24 \
                   --range 10.0.0.100-10.0.0.110 --subnet fd00:aa::/64 --gateway fd00:aa::254 \
                   --range fd00:aa::100-fd00:aa::1ff";

/// What a wait may take on a loaded machine.
const LONG: Duration = Duration::from_secs(30);

/// A host with a NIC on a LAN, on which hangs what can, and a sandbox.
fn host() -> Host {
    let host = small();
    host.net.sh("ip addr add 10.0.0.9/24 dev eth1
        ip addr add 10.5.0.1 peer 10.5.0.2/32 dev eth1
        ip addr add 10.6.0.1/24 metric 600 dev eth1
        ip addr add 192.0.2.1/24 dev eth1 noprefixroute
        ip addr add fd00:bb::1/64 dev eth1; ip addr add fe80::77/64 dev eth1
        ip route add 192.0.2.0/24 dev eth1 proto kernel scope link src 192.0.2.1 metric 100
        ip route del default
        ip route add default via 10.0.0.254 dev eth1 metric 50 proto dhcp src 10.0.0.9
        ip route add 172.21.0.0/16 dev eth1 scope link
        ip route add 172.20.0.0/16 via 10.0.0.253 dev eth1 table 77
        while ip -6 addr show tentative | grep -q inet6; do sleep 0.05; done
        ip -6 route add fd00:cc::/64 via fe80::1 dev eth1 src fd00:aa::1
        ip rule add iif eth1 lookup 77 pref 100; ip -6 rule add oif eth1 lookup 78 pref 101
        ip neigh add 10.0.0.77 lladdr 02:00:00:00:00:77 dev eth1 nud permanent
        ip -6 neigh add proxy fd00:aa::7 dev eth1
        sysctl -qw net.ipv4.conf.eth1.rp_filter=2");
    host
}

/// A host with a NIC on a LAN, with an address of each family, and a sandbox.
fn small() -> Host {
    let host = Host::new();
    host.net.sh("ip netns add lan; ip netns add red
        ip link add eth1 address 02:00:00:00:00:01 type veth \\
            peer name eth0 address 02:00:00:00:00:fe netns lan
        ip link set eth1 up; ip -n lan link set eth0 up; ip -n lan link set lo up
        ip -n lan addr add 10.0.0.254/24 dev eth0
        ip -n lan addr add fd00:aa::254/64 dev eth0 nodad
        ip addr add 10.0.0.1/24 brd + dev eth1; ip addr add fd00:aa::1/64 dev eth1
        ip route add default via 10.0.0.254
        ip -6 route add default via fd00:aa::254 dev eth1 proto static
        while ip -6 addr show tentative | grep -q inet6; do sleep 0.05; done");
    host
}

impl Host {
    /// Waits until the host is as in `wanted` and no guard is left.
    fn becomes(&self, wanted: &Scene, when: &str) {
        let begun = Instant::now();
        while !guards().is_empty() {
            assert!(begun.elapsed() < LONG, "{when}: the guard does not end");
            std::thread::park_timeout(Duration::from_millis(10));
        }
        wanted.same(&self.scene(), when);
    }
}

/// The guards that run in this network namespace.
fn guards() -> Vec<i32> {
    let here = fs::read_link("/proc/thread-self/ns/net").expect("a namespace");
    let all = fs::read_dir("/proc").expect("/proc").flatten();
    let pids = all.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let there = fs::read_link(format!("/proc/{pid}/ns/net")).ok();
        line.starts_with(b"/proc/self/exe\0guard\0") && there.as_ref() == Some(&here)
    })
    .collect()
}
