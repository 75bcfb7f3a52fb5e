//! Addresses that are not this host's any more, and are again.

use std::net::IpAddr;

use ropewalk_engine::{Code, Fenced};
use ropewalk_spec::{NetworkName, RawNetwork, SandboxRef};

use crate::Host;
use crate::attach::outside;
use crate::flat::{self, BOTH};
use crate::host::{bridge, endpoint, network, routed, said, same};

fn name(text: &str) -> NetworkName {
    text.parse().unwrap()
}

fn addresses(fenced: &[Fenced]) -> Vec<IpAddr> {
    fenced.iter().flat_map(|one| one.addresses.clone()).collect()
}

#[test]
fn nobody_answers_on_the_lan_for_what_is_not_this_hosts_until_it_is_again() {
    let host = Host::new();
    outside(&host);
    host.create(&flat::flat());
    host.sh("ip netns add red");
    let before = host.snapshot();
    host.engine().attach(&flat::endpoint("netns:red", BOTH)).unwrap();
    let whole = host.snapshot();
    let lan = name("lan");
    let proxies = || host.sh("ip -4 neigh show proxy; ip -6 neigh show proxy");
    let ping = |from: &str, many: &str, ip: &str| {
        host.works(&format!("ip netns exec {from} ping -q {many} {ip}"))
    };
    let reached = |from: &str, ip: &str| ping(from, "-c1 -W1", ip);
    // The sandbox has asked for its gateway in vain, and asks again with its first answer, which it loses.
    let reaches = |from: &str, ip: &str| ping(from, "-c6 -i0.5 -W1", ip);
    let all: Vec<IpAddr> = BOTH.iter().map(|ip| ip.parse().unwrap()).collect();
    for _ in 0..2 {
        assert_eq!(addresses(&host.engine().fence(&lan).unwrap()), all, "twice is once");
    }
    assert_eq!(proxies(), "");
    assert!(
        BOTH.iter().all(|ip| !reached("lan", ip) && !host.works(&format!("ping -qc1 -W1 {ip}")))
    );
    assert!(!reached("red", "10.0.0.2") && !reached("red", "fd00:aa::2"), "nor does it speak");
    let kept = host.sh("ip netns exec red ip -o address show dev eth0");
    assert!(BOTH.iter().all(|ip| kept.contains(ip)), "{kept}");
    // It is said, and nothing brings it back.
    let found = format!("{:?}", host.engine().check().unwrap());
    assert!(found.contains("detach netns:red lan"), "{found}");
    assert_eq!(host.engine().repair().unwrap(), []);
    assert_eq!(host.engine().rows_on(&lan).unwrap()[0].state, "fenced");
    assert_eq!(proxies(), "");
    // Somebody else has one of them meanwhile.
    host.sh("ip -n lan addr add 10.0.0.50/24 dev eth0");
    let (code, _) = said(host.engine().lift_fence(&lan, &|_| true));
    assert_eq!((code, proxies().as_str()), (Code::AddrTaken, ""));
    host.sh("ip -n lan addr del 10.0.0.50/24 dev eth0");
    let left = host.engine().lift_fence(&lan, &|ip| ip.is_ipv4()).unwrap();
    assert_eq!(addresses(&left), all[1..]);
    assert!(reaches("lan", BOTH[0]) && !reached("lan", BOTH[1]));
    assert_eq!(host.engine().lift_fence(&lan, &|_| true).unwrap(), []);
    assert!(reaches("lan", BOTH[1]) && reaches("red", "10.0.0.2"));
    same(&whole, &host.snapshot());
    assert_eq!(host.engine().check().unwrap(), []);
    // What is fenced goes like everything else.
    host.engine().fence(&lan).unwrap();
    host.engine().detach(&"netns:red".parse::<SandboxRef>().unwrap(), None).unwrap();
    same(&before, &host.snapshot());
}

#[test]
fn no_port_leads_to_what_is_not_this_hosts() {
    for raw in [routed("web", &["10.9.0.0/24"]), bridge("web", &["10.9.0.0/24"])] {
        let host = Host::new();
        outside(&host);
        host.create(&raw);
        host.sh("ip netns add red");
        let before = host.snapshot();
        let wish = endpoint("netns:red", "web", &["8080:80"]);
        let row = host.engine().attach(&wish).unwrap().row;
        let ip = row.addresses[0].split('/').next().unwrap().to_owned();
        let whole = host.snapshot();
        let reached = || host.works(&format!("ping -qc1 -W1 {ip}"));
        let published = || host.sh("nft list map inet ropewalk publish4").contains("elements");
        assert!(reached() && published());
        host.engine().fence(&name("web")).unwrap();
        assert!(!reached() && !published(), "{raw:?}");
        assert!(!host.works("ip netns exec red ping -qc1 -W1 10.0.0.2"));
        assert_eq!(host.engine().repair().unwrap(), []);
        // A port that is taken back meanwhile stays away.
        let sandbox: SandboxRef = "netns:red".parse().unwrap();
        host.engine().publish(&sandbox, &["9090:90".parse().unwrap()]).unwrap();
        host.engine().unpublish(&sandbox, &["9090:90".parse().unwrap()]).unwrap();
        assert_eq!(host.engine().lift_fence(&name("web"), &|_| true).unwrap(), []);
        assert!(reached() && published());
        same(&whole, &host.snapshot());
        host.engine().fence(&name("web")).unwrap();
        host.engine().detach(&sandbox, None).unwrap();
        same(&before, &host.snapshot());
    }
}

#[test]
fn no_router_is_told_of_a_block_that_is_not_this_hosts_until_it_is_again() {
    let host = Host::new();
    outside(&host);
    let nets = ["10.9.0.0/24", "fd00:9::/64"];
    let raw = RawNetwork { own: nets.map(str::to_owned).into(), ..routed("web", &nets) };
    host.create(&raw);
    host.sh("ip netns add red");
    host.engine().attach(&endpoint("netns:red", "web", &[])).unwrap();
    let (web, whole) = (name("web"), host.snapshot());
    // What a speaker asks the kernel for, and is told to ask for.
    let routes = || {
        [(4, nets[0]), (6, nets[1])].map(|(family, net)| {
            host.sh(&format!("ip -{family} route show exact {net} type unreachable proto 114"))
        })
    };
    let blocks = || host.engine().told_by_bgp(&web).unwrap().blocks.len();
    assert!(routes().iter().all(|route| !route.is_empty()) && blocks() == 2);
    for _ in 0..2 {
        host.engine().fence(&web).unwrap();
        assert_eq!((routes(), blocks()), (["".into(), "".into()], 0));
    }
    // What nobody has ends here all the same, in both halves, and nothing brings the route back.
    for ip in ["10.9.0.100", "10.9.0.200", "fd00:9::100", "fd00:9:0:0:9::"] {
        assert!(!host.works(&format!("ip route get {ip}")), "{ip} is led elsewhere");
    }
    assert!(host.works("ip route get 10.8.0.1"), "there is a way out");
    assert_eq!(host.engine().repair().unwrap(), []);
    assert_eq!(routes(), ["", ""]);
    host.engine().follow_network(&network(&raw)).unwrap();
    assert_eq!(host.engine().lift_fence(&web, &|_| true).unwrap(), []);
    same(&whole, &host.snapshot());
    assert_eq!(blocks(), 2);
}
