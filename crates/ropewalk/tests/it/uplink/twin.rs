//! The script that a dry run prints, run by a shell, against the verbs themselves: equal hosts.

use super::host;
use crate::host::Host;
use crate::scene::Scene;

const FILE: &str = "/run/ropewalk/lan.toml";

/// A NIC that is taken over, and a sandbox beside it.
const TEXT: &str = "[network.lan]
mode = 'uplink'
parent = 'eth1'
subnet = ['10.0.0.0/24', 'fd00:aa::/64']
gateway = 'fd00:aa::254'
range = ['10.0.0.100-10.0.0.110', 'fd00:aa::100-fd00:aa::1ff']
[[attach]]
sandbox = 'netns:red'
network = 'lan'
rate_in = '100M'
rate_out = '100M'
";

/// A host that is as the test wants it, and what `make` makes of it.
fn made(make: impl FnOnce(&Host)) -> Scene {
    let host = host();
    std::fs::write(FILE, TEXT).expect("a file");
    make(&host);
    host.scene().of_the_kernel()
}

#[test]
fn the_script_moves_the_nic_and_attaches_as_the_verbs_do() {
    let by_script = made(|host| {
        let script = host.ok(&format!("plan {FILE} --sh"));
        host.net.sh(&script);
    });
    let by_verb = made(|host| drop(host.ok(&format!("up {FILE}"))));
    by_verb.same(&by_script, "by the script");
}
