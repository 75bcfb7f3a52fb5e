//! Check, repair and garbage collection.

use crate::Host;
use crate::host::{bridge, endpoint, same};

#[test]
fn a_flushed_rule_set_and_a_lost_route_are_found_and_put_back() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.engine().attach(&endpoint("new:red", "web", &["8080:80"])).unwrap();
    assert!(host.engine().check().unwrap().is_empty());
    let before = host.snapshot();
    host.sh("nft flush ruleset; nft delete table inet ropewalk 2>/dev/null || true
        ip -n red route del default; sysctl -qw net.ipv4.ip_forward=0");
    let found = host.engine().check().unwrap();
    assert!(found.iter().any(|f| f.wanted.contains("ip_forward")), "{found:?}");
    assert!(found.iter().any(|f| f.owner == "netns:red/eth0"), "{found:?}");
    assert!(host.engine().repair().unwrap().iter().all(|f| f.repaired));
    same(&before, &host.snapshot());
    assert!(host.engine().check().unwrap().is_empty());
}

#[test]
fn a_port_published_after_a_flush_brings_the_rule_set_back() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.sh("nft flush ruleset");
    host.engine().attach(&endpoint("new:red", "web", &["8080:80"])).unwrap();
    assert!(host.engine().check().unwrap().is_empty());
}

#[test]
fn what_a_vanished_sandbox_held_is_given_back() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    let before = host.snapshot();
    host.sh("ip netns add red");
    host.engine().attach(&endpoint("netns:red", "web", &["8080:80"])).unwrap();
    assert!(host.engine().gc().unwrap().is_empty());
    host.sh("ip netns del red");
    for _ in 0..50 {
        if host.engine().ps().unwrap()[0].state == "gone" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let done = host.engine().gc().unwrap();
    assert_eq!(done.len(), 1, "{done:?}");
    same(&before, &host.snapshot());
}

#[test]
fn a_rule_taken_from_the_middle_comes_back_in_its_place() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    let before = host.sh("nft list table inet ropewalk");
    host.sh(
        "h=$(nft -a list chain inet ropewalk postrouting | sed -n 's/.*\"direct4\" # handle //p')
        nft delete rule inet ropewalk postrouting handle $h",
    );
    let found = host.engine().check().unwrap();
    assert!(found.iter().any(|f| f.object.contains("direct4")), "{found:?}");
    host.engine().repair().unwrap();
    assert_eq!(before, host.sh("nft list table inet ropewalk"));
}

#[test]
fn a_rule_set_that_is_gone_is_a_finding_for_each_table() {
    let host = Host::new();
    host.create(&bridge("web", &["192.168.15.0/24"]));
    host.sh("nft flush ruleset");
    let found = host.engine().check().unwrap();
    let tables = ropewalk_topology::firewall::tables().count();
    assert_eq!(found.len(), tables, "{found:?}");
    assert_eq!(host.engine().repair().unwrap().len(), tables);
    assert!(host.engine().check().unwrap().is_empty());
}
