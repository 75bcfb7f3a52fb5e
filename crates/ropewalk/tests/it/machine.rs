//! What the kernel here may lack, in the virtual machine, in one boot: ipvlan, VLANs and dummies
//! killed at every step, a card that is hardware, a radio, and the CNI plugins that need such.
//!
//! The processor is emulated: each is done once, and only here, by `cargo xtask machine`.
#![expect(clippy::print_stdout, reason = "how far it has come, for whoever waits")]

use ropewalk_conformance::{Wish, link, run};
use ropewalk_testnet::{Private, vm};

use crate::crash::{self, killed_each};
use crate::host::Host;

#[test]
fn ipvlans_vlans_dummies_a_card_and_a_radio() {
    if !vm::inside() {
        let machine = vm::Machine {
            files: vec![env!("CARGO_BIN_EXE_ropewalk").into()],
            modules: vec!["mac80211_hwsim", "vrf"],
            programs: vec!["/usr/sbin/nft", "/usr/sbin/bridge", "/usr/sbin/tc"],
            patience: None,
        };
        return machine.run("machine::ipvlans_vlans_dummies_a_card_and_a_radio");
    }
    plugins_keep_the_contract();
    a_radio_is_no_wire();
    a_card_whose_sandbox_dies_comes_back();
    // All of this kind are made in the same steps: one of them stands for a network, another for what is on it.
    let network = "network create own --subnet 10.0.0.0/24 --subnet fd00:aa::/64 --mode";
    is_killed_everywhere("", &format!("{network} dummy"), "network rm own");
    let network = format!("{network} ipvlan --range 10.0.0.48/28 --range fd00:aa::30/124");
    let attach = "attach new:blue own --ip 10.0.0.50 --ip fd00:aa::32";
    is_killed_everywhere(&network, attach, "detach new:blue");
}

/// The checks of the conformance suite for which the kernel here lacks something.
fn plugins_keep_the_contract() {
    for dir in ["/etc/cni", "/var/lib/cni", "/plugins"] {
        std::fs::create_dir_all(dir).expect(dir);
    }
    link(env!("CARGO_BIN_EXE_ropewalk").as_ref(), "/plugins".as_ref()).expect("links");
    let wish = Wish { plugins: "/plugins".into(), rare: true, at_once: 2, ..Wish::default() };
    let report = run(&wish);
    println!("{}", report.table());
    assert_eq!(report.failing(), [""; 0], "{}", report.failures());
    // Nothing that it needs is missing here.
    assert!(report.passed() > 40, "{}", report.summary());
}

/// The machine itself, not a namespace of its own in it: that is where the kernel sends a card that has lost its
/// namespace, and where a radio is.
fn machine() -> Host {
    for dir in ["/run/netns", "/run/ropewalk", "/etc/ropewalk"] {
        std::fs::create_dir_all(dir).expect(dir);
    }
    Host { net: Private::inherited() }
}

fn a_radio_is_no_wire() {
    let host = machine();
    host.net.sh("ip link show wlan0; test -e /sys/class/net/wlan0/phy80211");
    for mode in ["uplink", "flat --subnet 10.0.0.0/24", "macvlan", "vlan --vlan 10"] {
        let line = format!("network create lan --mode {mode} --parent wlan0");
        host.refuses(&line, 1, &["wlan0 is wireless", "[parent-unfit]", "try:"]);
    }
    println!("a radio: refused");
}

/// The name that the card has on the host while something else has the one that it had in the sandbox.
const CARD: &str = "for i in $(seq 200); do
        for d in /sys/class/net/*; do
            if [ -e $d/device/vendor ]; then basename $d; exit; fi
        done
        sleep 0.1
    done; echo none";

fn a_card_whose_sandbox_dies_comes_back() {
    let host = machine();
    host.net.sh("ip link set eth0 down name nic0 mtu 1400; ip link set nic0 up alias uplink-2
        ip link property add dev nic0 altname enp3s0
        sysctl -qw net.ipv4.conf.nic0.rp_filter=2
        ip addr add 10.0.2.15/24 dev nic0; ip addr add fd00:2::15/64 dev nic0 nodad
        ip route add 10.6.0.0/24 via 10.0.2.2; ping -qc1 -w8 10.0.2.2");
    let clean = host.scene();
    host.ok("network create card --mode host-device --parent nic0 --subnet 10.0.2.0/24 \
             --gateway 10.0.2.2 --range 10.0.2.48/28");
    let before = host.scene();
    for (taken, name) in [("", "eth0"), ("ip link add eth0 type ifb", "dev")] {
        host.net.sh("ip netns add red");
        host.ok("attach netns:red card");
        host.net.sh("ip netns exec red ping -qc1 -w8 10.0.2.2; ! ip link show nic0");
        host.net.sh(&format!("{taken}\nip netns del red"));
        let found = host.net.sh(CARD);
        assert!(found.starts_with(name), "the kernel calls it {found}");
        host.ok("gc");
        if !taken.is_empty() {
            host.net.sh("ip link del eth0");
        }
        before.same(&host.scene(), &format!("it came back as {found}"));
        host.is_healthy(&found);
        host.net.sh("ping -qc1 -w8 10.0.2.2");
    }
    host.ok("network rm card");
    clean.same(&host.scene(), "the network is removed");
    println!("a card: given back by gc");
}

/// What `line` makes and `back` takes away, once `first` is done: each killed at every step, then `gc`.
fn is_killed_everywhere(first: &str, line: &str, back: &str) {
    let host = crash::host();
    let mut count = 0;
    host.unharmed(|| {
        if !first.is_empty() {
            host.ok(first);
        }
        let none = host.scene();
        host.ok(line);
        let all = host.scene();
        for (line, back, start, end) in [(back, line, &all, &none), (line, back, &none, &all)] {
            let steps = killed_each(line, |at| {
                host.ok("gc");
                let now = host.scene();
                if now == *end && !line.starts_with("attach") {
                    host.ok(back);
                }
                start.same(&host.scene(), &format!("{at}, then gc"));
                host.is_healthy(at);
            });
            assert!(steps.len() > 2, "{line}: {steps:?}");
            end.same(&host.scene(), &format!("{line}: not killed any more"));
            count += steps.len();
        }
        host.ok(back);
    });
    println!("{line}: killed {count} times");
}
