//! Who on a network reaches whom.

use ropewalk_engine::why_all;

use crate::Host;
use crate::host::bridge;

#[test]
fn every_pair_of_a_network_is_walked_and_what_keeps_two_apart_is_said() {
    let host = Host::new();
    host.sh("ip netns add red; ip netns add blue");
    host.create(&bridge("web", &["192.168.15.0/24"]));
    for name in ["netns:red", "netns:blue"] {
        assert!(host.attach(name, "web").unwrap().changed);
    }
    let said = || {
        let pairs = why_all(&mut host.engine(), &"web".parse().unwrap()).unwrap();
        let line = |p: &ropewalk_engine::Pair| format!("{} > {}: {}", p.from, p.to, p.code);
        pairs.iter().map(line).collect::<Vec<_>>()
    };
    assert_eq!(said(), ["netns:blue > netns:red: OK", "netns:red > netns:blue: OK"]);
    host.sh("for leg in $(ls /sys/class/net/rw-web/brif); do bridge link set dev $leg isolated on; done");
    let apart = ["netns:blue > netns:red: PORT_ISOLATED", "netns:red > netns:blue: PORT_ISOLATED"];
    assert_eq!(said(), apart);
}
