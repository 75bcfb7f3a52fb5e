//! A flat network across hosts: addresses of the LAN, given out by the store, and a LAN host that knows
//! nothing of it.

use serde_json::Value;

use crate::cluster::{Cluster, until};

const LAB: &str = r#"
name = "office"
about = "two hosts and somebody else on a LAN"

[lan.a]
subnet = ["192.168.1.0/24", "fd00:1::/64"]

[host.h1]
nic.eth0 = { lan = "a", ip = ["192.168.1.11", "fd00:1::11"] }
container.red = {}

[host.h2]
nic.eth0 = { lan = "a", ip = ["192.168.1.12", "fd00:1::12"] }
container.blue = {}

[host.h3]
nic.eth0 = { lan = "a", ip = ["192.168.1.13", "fd00:1::13"] }
"#;

const MEMBERS: [&str; 2] = ["h1", "h2"];
/// The LAN host without an agent.
const PC: &str = "h3";

fn cluster() -> Cluster {
    let mut cluster = Cluster::lab(LAB);
    cluster.joined(&MEMBERS);
    cluster
}

/// The addresses of a sandbox, IPv4 first.
fn addresses(cluster: &Cluster, host: &str, sandbox: &str) -> Vec<String> {
    let rows = cluster.json(host, "ps");
    let is = |row: &&Value| row["sandbox"].as_str().is_some_and(|name| name.ends_with(sandbox));
    let row = rows.as_array().expect("rows").iter().find(is).expect("a row").clone();
    let all = row["addresses"].as_array().expect("addresses").clone();
    let plain = |net: &Value| net.as_str()?.split('/').next().map(str::to_owned);
    all.iter().filter_map(plain).collect()
}

/// What this host may give to its sandboxes of the LAN.
fn ranges(cluster: &Cluster, host: &str) -> String {
    let ran = cluster.run(host, "ropewalk network inspect office --json");
    let view: Value = serde_json::from_str(&ran.out).unwrap_or_default();
    view["subnets"][0]["range"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn a_flat_network_gives_out_addresses_of_the_lan_across_hosts() {
    let mut cluster = cluster();
    let create =
        "ropewalk cluster create office --mode flat --subnet 192.168.1.0/24 --subnet fd00:1::/64";
    let refused = cluster.run("h1", create);
    assert!(refused.err.contains("give --range"), "{refused:?}");
    let kept = "--range 192.168.1.128-192.168.1.191 --range fd00:1::1:0/120 --block 30";
    cluster.ok("h1", &format!("{create} {kept}"));
    for (host, container) in [("h1", "red"), ("h2", "blue")] {
        until("it has a part of the LAN", || !ranges(&cluster, host).is_empty());
        cluster.ok(host, &format!("ropewalk attach netns:{container} office"));
    }
    assert_ne!(ranges(&cluster, "h1"), ranges(&cluster, "h2"));
    let (red, blue) = (addresses(&cluster, "h1", "red"), addresses(&cluster, "h2", "blue"));
    let reach = |cluster: &Cluster, place: &str, to: &[String]| {
        assert_eq!(to.len(), 2, "{to:?}");
        to.iter().for_each(|ip| drop(cluster.ok(place, &format!("ping -c1 -W5 {ip}"))));
    };
    reach(&cluster, PC, &red);
    reach(&cluster, PC, &blue);
    reach(&cluster, "h1/red", &blue);
    // Four are in a block: before they are given out, the host has another.
    (0..4).for_each(|n| {
        until("there is room", || {
            cluster.run("h1", &format!("ropewalk attach new:more{n} office")).status == Some(0)
        });
    });
    assert!(ranges(&cluster, "h1").contains(", "), "{}", ranges(&cluster, "h1"));
    // It moves with its container, and the LAN is told.
    let (v4, v6) = (&red[0], &red[1]);
    cluster.ok("h1", "ropewalk detach netns:red office");
    cluster.ok("h2", &format!("ropewalk attach new:moved office --ip {v4} --ip {v6}"));
    let h2 = cluster.ok("h2", "cat /sys/class/net/eth0/address");
    for ip in &red {
        let known = cluster.ok(PC, &format!("ip neigh show {ip}"));
        assert!(known.contains(h2.trim()), "{known}");
    }
    reach(&cluster, PC, &red);
    // What the kernel forgets when a link goes is there again when it comes.
    cluster.ok("h2", "ip link set eth0 down");
    cluster.ok("h2", "ip link set eth0 up");
    until("it answers again", || cluster.run(PC, &format!("ping -c1 -W1 {v4}")).status == Some(0));
    cluster.ok("h2", "ip address replace fd00:1::12/64 dev eth0 nodad");
    // An address that is kept for nobody is somebody's already, of whom nobody told.
    let taken = cluster.run("h1", "ropewalk attach new:x office --ip 192.168.1.13");
    assert!(taken.err.contains("[addr-taken]"), "{taken:?}");
    for host in MEMBERS {
        assert_eq!(cluster.ok(host, "ropewalk check --json"), "[]\n", "{host}");
    }
    // Without store and agents everything is answered, and a host goes on with what is its own.
    cluster.stores.clear();
    cluster.agents.clear();
    cluster.ok(PC, "ip neigh flush dev eth0");
    reach(&cluster, PC, &red);
    reach(&cluster, PC, &blue);
    cluster.ok("h2", "ropewalk attach new:alone office");
    reach(&cluster, PC, &addresses(&cluster, "h2", "alone"));
    let refused = cluster.run("h2", "ropewalk attach new:far office --ip 192.168.1.77");
    assert!(refused.err.contains("[cluster-store]"), "{refused:?}");
}
