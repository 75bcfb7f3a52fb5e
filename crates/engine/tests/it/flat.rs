//! Sandboxes with addresses of the host's own LAN.

use ropewalk_engine::Code;
use ropewalk_spec::{Endpoint, RawEndpoint, RawNetwork, SandboxRef};

use crate::Host;
use crate::attach::outside;
use crate::host::{said, same};

/// The host of [`outside`] without its other addresses, with a flat network on its LAN.
pub(crate) fn flat() -> RawNetwork {
    RawNetwork {
        name: "lan".into(),
        mode: Some("flat".into()),
        parent: Some("up0".into()),
        subnet: vec!["10.0.0.0/24".into(), "fd00:aa::/64".into()],
        ..RawNetwork::default()
    }
}

pub(crate) fn endpoint(sandbox: &str, ip: &[&str]) -> Endpoint {
    let ip = ip.iter().map(ToString::to_string).collect();
    let raw = RawEndpoint {
        sandbox: sandbox.into(),
        network: "lan".into(),
        ip,
        ..RawEndpoint::default()
    };
    raw.check().unwrap()
}

pub(crate) const BOTH: &[&str] = &["10.0.0.50", "fd00:aa::50"];

fn sandbox(text: &str) -> SandboxRef {
    text.parse().unwrap()
}

#[test]
fn a_lan_host_and_a_sandbox_reach_each_other_and_the_host_is_as_before_afterwards() {
    let host = Host::new();
    outside(&host);
    let clean = host.snapshot();
    host.create(&flat());
    host.sh("ip netns add red");
    let before = host.snapshot();
    let row = host.engine().attach(&endpoint("netns:red", BOTH)).unwrap().row;
    assert_eq!(row.gateway, ["169.254.1.1", "fe80::1"]);
    host.sh(
        "ip netns exec lan ping -qc1 -W2 10.0.0.50; ip netns exec lan ping -qc1 -W2 fd00:aa::50
        ip netns exec red ping -qc1 -W2 10.0.0.2; ip netns exec red ping -qc1 -W2 fd00:aa::2
        ip netns exec red ping -qc1 -W2 169.254.1.1; ip netns exec red ping -qc1 -W2 fe80::1%eth0",
    );
    let proxies = host.sh("ip -4 neigh show proxy; ip -6 neigh show proxy");
    assert_eq!(proxies.lines().count(), 2, "{proxies}");
    assert_eq!(
        host.sh("sysctl -n net.ipv4.conf.up0.proxy_arp net.ipv4.neigh.up0.proxy_delay
        sysctl -n net.ipv6.neigh.up0.proxy_delay"),
        "0\n0\n0\n"
    );
    // The host has no address of the sandbox's, nowhere.
    assert!(!host.works("ip -o addr | grep -E '10.0.0.50|fd00:aa::50'"));
    host.engine().detach(&sandbox("netns:red"), None).unwrap();
    same(&before, &host.snapshot());
    host.engine().remove_network(&"lan".parse().unwrap()).unwrap();
    host.sh("ip netns del red");
    same(&clean, &host.snapshot());
    assert_ne!(host.sh("sysctl -n net.ipv4.neigh.up0.proxy_delay"), "0\n");
}

#[test]
fn a_neighbour_that_makes_sure_by_unicast_is_answered() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    host.engine().attach(&endpoint("new:red", BOTH)).unwrap();
    host.sh("ip netns exec lan ping -qc1 -W2 fd00:aa::50
        ip -n lan -6 neigh change fd00:aa::50 dev eth0 nud probe
        for i in $(seq 30); do
            ip -n lan -6 neigh show fd00:aa::50 | grep -q REACHABLE && exit 0
            sleep 0.1
        done
        ip -n lan -6 neigh show; exit 1");
}

#[test]
fn what_the_kernel_drops_with_its_uplink_is_found_and_brought_back() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    host.engine().attach(&endpoint("new:red", BOTH)).unwrap();
    assert_eq!(host.engine().check().unwrap(), []);
    host.sh("ip link set up0 down; ip link set up0 up
        ip addr add fd00:aa::1/64 dev up0 nodad
        ip route add default via 10.0.0.2");
    assert!(!host.works("ip netns exec lan ping -qc1 -W1 10.0.0.50"));
    let found = host.engine().check().unwrap();
    let text = format!("{found:?}");
    assert!(text.contains("proxy 10.0.0.50") && text.contains("proxy fd00:aa::50"), "{text}");
    assert!(host.engine().repair().unwrap().iter().all(|f| f.repaired));
    assert_eq!(host.engine().check().unwrap(), []);
    host.sh(
        "ip netns exec lan ping -qc1 -W2 10.0.0.50; ip netns exec lan ping -qc1 -W2 fd00:aa::50",
    );
}

#[test]
fn a_lan_without_a_range_is_not_walked_over() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    let before = host.snapshot();
    let (code, text) = said(host.engine().attach(&endpoint("new:red", &["10.0.0.50"])));
    assert_eq!(code, Code::BadInput, "{text}");
    assert!(text.contains("fd00:aa::/64") && text.contains("range"), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn a_parent_that_is_unfit_is_refused() {
    let host = Host::new();
    outside(&host);
    // sysfs shows a folder in a radio's; a tmpfs over the link's own shows it for this test alone.
    host.sh("ip link add slave type veth peer name x; ip link add br0 type bridge
        ip link set slave master br0 up; ip link add radio type veth peer name y
        ip link set radio up; mount -t tmpfs none $(readlink -f /sys/class/net/radio)
        mkdir /sys/class/net/radio/phy80211
        ip link add other type veth peer name z; ip link set other up; ip link set z up
        ip addr add 10.7.0.1/16 dev other; ip link add off type veth peer name u");
    let before = host.snapshot();
    let on = |parent: &str, subnet: &str| RawNetwork {
        parent: Some(parent.into()),
        subnet: vec![subnet.into()],
        ..flat()
    };
    for (raw, words) in [
        (on("nope", "10.0.0.0/24"), ["nope", "no interface"]),
        (on("off", "10.0.0.0/24"), ["off", "down"]),
        (on("slave", "10.0.0.0/24"), ["slave", "port of br0"]),
        (on("radio", "10.0.0.0/24"), ["radio", "wireless"]),
        (on("other", "10.0.0.0/24"), ["10.0.0.0/24", "not on other"]),
        (on("up0", "10.0.0.0/16"), ["10.0.0.0/16", "not on up0"]),
        (RawNetwork { mtu: Some(9000), ..flat() }, ["9000", "1500"]),
    ] {
        let (code, text) = said(host.engine().create_network(&raw.check().unwrap()));
        assert_eq!(code, Code::ParentUnfit, "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        same(&before, &host.snapshot());
    }
    host.sh("ip route del default; ip -6 route del default");
    let raw = RawNetwork { parent: None, ..flat() };
    let (code, text) = said(host.engine().create_network(&raw.check().unwrap()));
    assert_eq!((code, text.contains("--parent")), (Code::ParentUnfit, true), "{text}");
}

/// The hardware address of `dev` in the namespace `ns`.
fn mac(host: &Host, ns: &str, dev: &str) -> String {
    host.sh(&format!("{ns} cat /sys/class/net/{dev}/address")).trim().to_owned()
}

#[test]
fn an_address_that_a_host_of_the_lan_has_is_refused_with_its_hardware_address() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    let before = host.snapshot();
    let lan = mac(&host, "ip netns exec lan", "eth0");
    for ips in [["10.0.0.2", "fd00:aa::50"], ["10.0.0.50", "fd00:aa::2"]] {
        let (code, text) = said(host.engine().attach(&endpoint("new:red", &ips)));
        assert_eq!(code, Code::AddrTaken, "{text}");
        assert!(text.contains(&lan) && text.contains("up0"), "{text}");
        same(&before, &host.snapshot());
    }
    assert!(host.engine().ps().unwrap().is_empty());
    let (code, text) =
        said(host.engine().attach(&endpoint("new:red", &["10.0.0.1", "fd00:aa::50"])));
    assert_eq!((code, text.contains("of this host")), (Code::AddrTaken, true), "{text}");
    same(&before, &host.snapshot());
}

#[test]
fn an_address_that_a_host_of_the_lan_answers_for_is_refused_too() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    // As a second host with flat sandboxes would.
    host.sh("ip -n lan link add dummy type ifb; ip -n lan link set dummy up
        ip -n lan route add 10.0.0.60 dev dummy; ip -n lan route add fd00:aa::60 dev dummy
        ip netns exec lan sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
            net.ipv6.conf.all.proxy_ndp=1 \
            net.ipv4.neigh.eth0.proxy_delay=0 net.ipv6.neigh.eth0.proxy_delay=0
        ip -n lan neigh add proxy 10.0.0.60 dev eth0; ip -n lan neigh add proxy fd00:aa::60 dev eth0");
    let lan = mac(&host, "ip netns exec lan", "eth0");
    for ips in [["10.0.0.60", "fd00:aa::50"], ["10.0.0.50", "fd00:aa::60"]] {
        let (code, text) = said(host.engine().attach(&endpoint("new:red", &ips)));
        assert_eq!(code, Code::AddrTaken, "{text}");
        assert!(text.contains(&lan), "{text}");
    }
}

#[test]
fn a_range_goes_on_to_the_next_when_a_host_of_the_lan_has_an_address() {
    let host = Host::new();
    outside(&host);
    host.create(&RawNetwork {
        subnet: vec!["10.0.0.0/24".into()],
        range: vec!["10.0.0.1-10.0.0.9".into()],
        ..flat()
    });
    // 10.0.0.1 is the host, 10.0.0.2 the LAN's.
    let row = host.engine().attach(&endpoint("new:red", &[])).unwrap().row;
    assert_eq!(row.addresses, ["10.0.0.3/32"]);
}

#[test]
fn the_lan_learns_at_once_where_an_address_is() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    let up0 = mac(&host, "", "up0");
    // It knew another before.
    let spoil = "ip -n lan neigh replace 10.0.0.50 lladdr 02:00:00:00:00:77 dev eth0 nud reachable
        ip -n lan neigh replace fd00:aa::50 lladdr 02:00:00:00:00:77 dev eth0 nud reachable";
    let knows = format!(
        "for ip in 10.0.0.50 fd00:aa::50; do for i in $(seq 20); do
            ip -n lan neigh show $ip dev eth0 | grep -q {up0} && continue 2; sleep 0.05
        done; ip -n lan neigh; exit 1; done"
    );
    host.sh(spoil);
    host.engine().attach(&endpoint("new:red", BOTH)).unwrap();
    host.sh(&knows);
    host.sh(spoil);
    let told = host.engine().announce(None, None).unwrap();
    assert_eq!(told.len(), 2);
    assert_eq!((told[0].parent.as_str(), told[0].mac.as_str()), ("up0", up0.as_str()));
    host.sh(&knows);
    host.sh(spoil);
    assert_eq!(host.engine().announce_on(&"up0".parse().unwrap()).unwrap(), told);
    host.sh(&knows);
    assert_eq!(host.engine().announce_on(&"lo".parse().unwrap()).unwrap(), []);
    let (code, _) = said(host.engine().announce(Some(&sandbox("netns:lan")), None));
    assert_eq!(code, Code::NotAttached);
}

#[test]
fn an_address_that_somebody_takes_later_is_found() {
    let host = Host::new();
    outside(&host);
    host.create(&flat());
    host.engine().attach(&endpoint("new:red", BOTH)).unwrap();
    assert_eq!(host.engine().check().unwrap(), []);
    host.sh("ip -n lan addr add 10.0.0.50/24 dev eth0; ip -n lan addr add fd00:aa::50/64 dev eth0 nodad");
    let found = host.engine().check().unwrap();
    let lan = mac(&host, "ip netns exec lan", "eth0");
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(
        found.iter().all(|f| f.found.contains(&lan) && f.owner == "netns:red/eth0"),
        "{found:?}"
    );
}
