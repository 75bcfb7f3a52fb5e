//! Verbs of many parts: `up`, `down`, `purge`, and an attach that makes its network.

use std::fs;

use super::{DB, Leaves, host};

/// A file with two networks and a sandbox on both.
const FILE: &str = r#"
    [network.web]
    subnet = ["192.168.15.0/24", "fd00:15::/64"]
    [network.far]
    mode = "routed"
    subnet = "10.9.0.0/24"
    [[attach]]
    sandbox = "new:blue"
    network = "web"
    ip = ["192.168.15.9", "fd00:15::9"]
    publish = ["8080:80", "5300:53/udp"]
    [[attach]]
    sandbox = "new:blue"
    network = "far"
    ip = "10.9.0.9"
"#;

#[test]
fn an_up_that_is_killed_leaves_whole_networks_and_attachments_alone() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let (up, down) = ("up /run/ropewalk/all.toml", "down /run/ropewalk/all.toml");
        host.survives(Leaves::WholeParts, up, &[down]);
    });
}

#[test]
fn a_down_that_is_killed_leaves_whole_networks_and_attachments_alone() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let (up, down) = ("up /run/ropewalk/all.toml", "down /run/ropewalk/all.toml");
        host.ok(up);
        // Everything anew, as what comes back second is not as it was when it came first.
        host.survives(Leaves::WholeParts, down, &[down, up]);
    });
}

#[test]
fn a_purge_that_is_killed_is_finished_by_the_next() {
    let host = host();
    fs::write("/run/ropewalk/all.toml", FILE).expect("a file");
    host.unharmed(|| {
        let make = [
            "purge --yes",
            DB,
            "up /run/ropewalk/all.toml",
            "attach netns:red db --ip 192.168.16.9 --ip fd00:16::9",
        ];
        make[1..].iter().for_each(|line| drop(host.ok(line)));
        host.survives(Leaves::WholeParts, "purge --yes", &make);
    });
}

#[test]
fn an_attach_that_is_killed_while_it_makes_its_network_leaves_that_whole_or_not_at_all() {
    let host = host();
    let file = "[network.web]\nsubnet = [\"192.168.15.0/24\", \"fd00:15::/64\"]\n";
    fs::create_dir_all("/etc/ropewalk/networks").expect("a folder");
    fs::write("/etc/ropewalk/networks/web.toml", file).expect("a file");
    host.unharmed(|| {
        let line = "attach new:blue web --ip 192.168.15.9 --ip fd00:15::9 --publish 8080:80";
        // What was written by hand stays.
        host.survives(Leaves::WholeParts, line, &["detach new:blue", "network rm web"]);
    });
}
