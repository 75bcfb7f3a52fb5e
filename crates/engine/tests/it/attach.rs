//! Attach and detach.

use ropewalk_engine::Code;
use ropewalk_spec::{RawNetwork, SandboxRef};

use crate::Host;
use crate::host::{bridge, endpoint, routed, said, same};

fn sandbox(text: &str) -> SandboxRef {
    text.parse().unwrap()
}

#[test]
fn two_sandboxes_on_a_bridge_without_an_address_reach_each_other() {
    let host = Host::new();
    host.sh("ip netns add red; ip netns add blue");
    host.create(&RawNetwork { l2: true, ..bridge("wire", &[]) });
    let before = host.snapshot();
    for name in ["netns:red", "netns:blue"] {
        assert!(host.attach(name, "wire").unwrap().changed);
    }
    host.sh("ip -n red addr add 10.1.0.1/24 dev eth0; ip -n blue addr add 10.1.0.2/24 dev eth0");
    host.sh("ip netns exec red ping -qc1 -W2 10.1.0.2");
    assert_eq!(host.sh("ip -br addr show dev rw-wire | awk '{print $3}'").trim(), "");
    for name in ["netns:red", "netns:blue"] {
        host.engine().detach(&sandbox(name), None).unwrap();
    }
    same(&before, &host.snapshot());
}

#[test]
fn what_a_sandbox_sends_first_is_not_lost_for_a_second() {
    let host = Host::new();
    host.sh("ip netns add red");
    host.create(&bridge("web", &["10.1.0.0/24"]));
    host.create(&routed("far", &["10.2.0.0/24"]));
    for round in 0..20 {
        for network in ["web", "far"] {
            let leg = host.attach("netns:red", network).unwrap().row.leg.unwrap();
            let bridge = (network == "web").then(|| "rw-web".to_owned());
            for link in bridge.into_iter().chain([leg]) {
                let state = std::fs::read_to_string(format!("/sys/class/net/{link}/operstate"));
                assert_eq!(state.unwrap().trim(), "up", "round {round}: {link} drops what it gets");
            }
            host.engine().detach(&sandbox("netns:red"), None).unwrap();
        }
    }
}

#[test]
fn a_bridged_sandbox_reaches_the_outside_in_both_families() {
    let host = Host::new();
    outside(&host);
    let clean = host.snapshot();
    host.create(&bridge("web", &["192.168.15.0/24", "fd00:15::/64"]));
    let before = host.snapshot();
    host.sh("ip netns add red");
    let row = host.attach("netns:red", "web").unwrap().row;
    assert_eq!(row.addresses, ["192.168.15.2/24", "fd00:15::2/64"]);
    host.sh("ip netns exec red ping -qc1 -W2 10.0.0.2");
    host.sh("ip netns exec red ping -qc1 -W2 fd00:aa::2");
    assert!(!host.attach("netns:red", "web").unwrap().changed);
    host.engine().detach(&sandbox("netns:red"), None).unwrap();
    host.sh("ip netns del red");
    same(&before, &host.snapshot());
    host.engine().remove_network(&"web".parse().unwrap()).unwrap();
    same(&clean, &host.snapshot());
}

#[test]
fn a_routed_sandbox_is_reached_by_a_route_and_answers_without_one() {
    let host = Host::new();
    outside(&host);
    let clean = host.snapshot();
    host.create(&routed("far", &["10.9.0.0/24", "fd00:9::/64"]));
    host.sh("ip netns add red; ip -n lan route add 10.9.0.0/24 via 10.0.0.1");
    host.sh("ip -n lan route add fd00:9::/64 via fd00:aa::1");
    let row = host.attach("netns:red", "far").unwrap().row;
    assert_eq!(row.gateway, ["169.254.1.1", "fe80::1"]);
    host.sh("ip netns exec lan ping -qc1 -W2 10.9.0.1");
    host.sh("ip netns exec lan ping -qc1 -W2 fd00:9::1");
    host.sh("ip -n red route del default; ip netns exec red ping -qc1 -W2 169.254.1.1");
    host.engine().detach(&sandbox("netns:red"), None).unwrap();
    host.sh("ip netns del red; ip -n lan route del 10.9.0.0/24; ip -n lan route del fd00:9::/64");
    host.engine().remove_network(&"far".parse().unwrap()).unwrap();
    same(&clean, &host.snapshot());
}

#[test]
fn a_sandbox_that_is_made_goes_with_its_last_attachment() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.create(&bridge("db", &["192.168.16.0/24"]));
    let before = host.snapshot();
    host.attach("new:red", "web").unwrap();
    assert_eq!(host.attach("netns:red", "db").unwrap().row.interface, "eth1");
    host.sh("ip netns exec red ping -qc1 -W2 192.168.15.1; ip -n red link show lo | grep -q UP");
    let red = sandbox("netns:red");
    host.engine().detach(&red, Some(&"web".parse().unwrap())).unwrap();
    host.sh("ip netns exec red ping -qc1 -W2 192.168.16.1; ip -n red link show lo | grep -q UP");
    host.engine().detach(&red, None).unwrap();
    assert!(!host.works("ip netns list | grep red"));
    same(&before, &host.snapshot());
}

#[test]
fn a_pool_that_is_exhausted_says_so_and_changes_nothing() {
    let host = Host::new();
    host.create(&bridge("tiny", &["192.168.15.0/30"]));
    host.attach("new:a", "tiny").unwrap();
    let before = host.snapshot();
    let (code, text) = said(host.attach("new:b", "tiny"));
    assert_eq!(code, Code::PoolExhausted, "{text}");
    assert!(text.contains("tiny") && text.contains("192.168.15.0/30"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn an_interface_that_exists_is_left_alone() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.sh("ip netns add red; ip -n red link add eth0 type ifb");
    let before = host.snapshot();
    let mut wish = endpoint("netns:red", "web", &[]);
    wish.ifname = Some("eth0".parse().unwrap());
    let (code, text) = said(host.engine().attach(&wish));
    assert_eq!(code, Code::IfnameTaken, "{text}");
    same(&before, &host.snapshot());
    assert_eq!(host.attach("netns:red", "web").unwrap().row.interface, "eth1");
}

#[test]
fn a_sandbox_made_anew_under_the_same_name_is_attached_anew() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.sh("ip netns add red");
    host.attach("netns:red", "web").unwrap();
    host.sh("ip netns del red; ip netns add red");
    assert!(host.attach("netns:red", "web").unwrap().changed);
    host.sh("ip netns exec red ping -qc1 -W2 192.168.15.1");
    assert_eq!(host.engine().ps().unwrap().len(), 1);
}

/// An uplink with a router behind it that knows nothing of networks here.
pub(crate) fn outside(host: &Host) {
    host.sh("ip netns add lan
        ip link add up0 type veth peer name eth0 netns lan
        ip link set up0 up; ip -n lan link set eth0 up; ip -n lan link set lo up
        ip addr add 10.0.0.1/24 dev up0; ip -n lan addr add 10.0.0.2/24 dev eth0
        ip addr add fd00:aa::1/64 dev up0 nodad; ip -n lan addr add fd00:aa::2/64 dev eth0 nodad
        ip route add default via 10.0.0.2; ip route add default via fd00:aa::2");
}

#[test]
fn the_mtu_is_the_uplinks_unless_it_is_given() {
    let host = Host::new();
    outside(&host);
    host.sh("ip link set up0 mtu 1400");
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.attach("new:red", "web").unwrap();
    assert_eq!(
        host.sh("ip -n red -j link show eth0 | grep -o '\"mtu\":[0-9]*'").trim(),
        "\"mtu\":1400"
    );
    let mut wish = endpoint("new:blue", "web", &[]);
    wish.mtu = Some(1300);
    assert_eq!(host.engine().attach(&wish).unwrap().row.mtu, 1300);
}

#[test]
fn an_ipv6_address_is_usable_at_once() {
    let host = Host::new();
    host.create(&bridge("web", &["fd00:15::/64"]));
    host.attach("new:red", "web").unwrap();
    assert!(!host.sh("ip -n red addr show dev eth0 scope global").contains("tentative"));
    host.sh("ip netns exec red ping -qc1 -W1 fd00:15::1");
}

#[test]
fn what_a_former_sandbox_of_the_name_was_given_is_not_taken_from_the_new_one() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.sh("ip netns add red");
    host.attach("netns:red", "web").unwrap();
    host.sh("ip netns del red; ip netns add red; ip -n red link set lo up");
    host.attach("netns:red", "web").unwrap();
    host.engine().detach(&sandbox("netns:red"), None).unwrap();
    host.sh("ip -n red link show lo | grep -q UP");
}

#[test]
fn a_file_puts_a_sandbox_that_it_makes_on_two_networks() {
    let host = Host::new();
    let file = host.paths().state.with_extension("toml");
    let text = "[network.a]\nsubnet = \"192.168.15.0/24\"\n[network.b]\nsubnet = \"10.9.0.0/24\"\n\
         mode = \"routed\"\n[[attach]]\nsandbox = \"new:red\"\nnetwork = \"a\"\n\
         [[attach]]\nsandbox = \"new:red\"\nnetwork = \"b\"\n";
    std::fs::write(&file, text).unwrap();
    let before = host.snapshot();
    let declared = host.engine().read(&file).unwrap();
    host.engine().up(&file, &declared).unwrap();
    assert_eq!(host.engine().check().unwrap(), []);
    host.engine().down(&declared).unwrap();
    same(&before, &host.snapshot());
    std::fs::remove_file(&file).unwrap();
}
