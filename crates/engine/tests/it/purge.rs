//! Purge: ours goes, the rest stays.

use crate::Host;
use crate::host::{bridge, endpoint, routed, same};

#[test]
fn purge_leaves_what_others_made_as_it_was() {
    let host = Host::new();
    // The kernel takes a second or two to be sure of a link-local address, and says so meanwhile.
    host.sh("sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.default.accept_dad=0");
    crate::attach::outside(&host);
    host.sh("until ip link show up0 | grep -q 'state UP'; do sleep 0.01; done");
    host.sh("nft add table inet mine; nft add chain inet mine c '{ type filter hook forward priority 0; }'
        nft add rule inet mine c ip saddr 1.2.3.4 drop
        iptables -t nat -A POSTROUTING -s 9.9.9.0/24 -j MASQUERADE
        ip link add foreign type bridge; ip route add 9.9.9.0/24 via 10.0.0.2
        ip netns add red
        while ip -6 addr show tentative | grep -q inet6; do sleep 0.05; done");
    let look = "nft list ruleset; ip -d link; ip addr; ip route show table all; sysctl -a 2>/dev/null | grep -E 'forward|route_localnet|accept_ra '";
    let steady = |text: String| {
        let changing = |line: &&str| !line.contains("valid_lft") && !line.contains("expires");
        text.lines().filter(changing).map(ToString::to_string).collect::<Vec<_>>()
    };
    let (before, text) = (host.snapshot(), steady(host.sh(look)));
    host.create(&bridge("web", &["192.168.15.0/24", "fd00:15::/64"]));
    host.create(&routed("far", &["10.9.0.0/24"]));
    host.engine().attach(&endpoint("netns:red", "web", &["8080:80/udp"])).unwrap();
    host.engine().attach(&endpoint("netns:red", "far", &[])).unwrap();
    host.engine().attach(&endpoint("new:blue", "far", &[])).unwrap();
    host.engine().purge().unwrap();
    same(&before, &host.snapshot());
    assert_eq!(text, steady(host.sh(look)));
    assert!(host.engine().networks().unwrap().is_empty());
}

#[test]
fn purge_without_its_state_still_finds_what_bears_the_mark() {
    let host = Host::new();
    let before = host.snapshot();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.create(&routed("far", &["10.9.0.0/24"]));
    host.sh("ip netns add red");
    host.engine().attach(&endpoint("netns:red", "web", &["8080:80"])).unwrap();
    host.engine().attach(&endpoint("netns:red", "far", &[])).unwrap();
    std::fs::remove_dir_all(host.paths().state).unwrap();
    host.engine().purge().unwrap();
    // Settings bear no mark; only the state knew what they were.
    host.sh("ip netns del red; sysctl -qw net.ipv4.ip_forward=0");
    same(&before, &host.snapshot());
}
