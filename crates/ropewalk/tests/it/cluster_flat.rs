//! A flat network across hosts: addresses of the LAN, given out by the store, and a LAN host that knows
//! nothing of it.

use serde_json::Value;

use crate::cluster::{Cluster, Running, until};

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

/// What that host answers for on the LAN.
fn answered(cluster: &Cluster, host: &str) -> Vec<String> {
    let mut all = Vec::new();
    for family in ["-4", "-6"] {
        let said = cluster.ok(host, &format!("ip {family} neigh show proxy dev eth0"));
        all.extend(
            said.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned),
        );
    }
    all.sort();
    all
}

/// Whose hardware address the LAN sees behind `ip`.
fn owner(cluster: &Cluster, ip: &str) -> String {
    cluster.ok(PC, "ip neigh flush dev eth0");
    cluster.run(PC, &format!("ping -c1 -W2 {ip}"));
    let known = cluster.ok(PC, &format!("ip neigh show {ip}"));
    let mac = known.split_whitespace().skip_while(|word| *word != "lladdr").nth(1);
    mac.unwrap_or_default().to_owned()
}

#[test]
fn a_host_that_was_removed_while_away_answers_for_nothing_when_it_returns() {
    let mut cluster = cluster();
    let kept = "--range 192.168.1.128-192.168.1.191 --range fd00:1::1:0/120 --block 30";
    let subnets = "--subnet 192.168.1.0/24 --subnet fd00:1::/64";
    cluster.ok("h1", &format!("ropewalk cluster create office --mode flat {subnets} {kept}"));
    for host in MEMBERS {
        until("it has a part of the LAN", || !ranges(&cluster, host).is_empty());
    }
    let theirs = ["192.168.1.210", "fd00:1::210"];
    let by_number = theirs.map(|ip| format!("--ip {ip}")).join(" ");
    cluster.ok("h2", &format!("ropewalk attach netns:blue office {by_number}"));
    cluster.ok("h2", "ropewalk attach new:tv office");
    let tv = addresses(&cluster, "h2", "tv");
    assert_eq!(answered(&cluster, "h2").len(), 4);
    // It is lost, taken out, and another has what it had outside its blocks.
    cluster.agents[1].kill();
    cluster.ok("h2", "ip link set eth0 down");
    cluster.ok("h1", "ropewalk host rm h2");
    cluster.ok("h1", &format!("ropewalk attach new:heir office {by_number}"));
    // It returns, and its agent with it.
    cluster.ok("h2", "ip link set eth0 up");
    cluster.ok("h2", "ip address replace fd00:1::12/64 dev eth0 nodad");
    cluster.agents[1] = Running::on("h2", "ropewalk agent");
    until("it knows", || cluster.alarms("h2").iter().any(|alarm| alarm.contains("removed")));
    until("it answers for nothing", || answered(&cluster, "h2").is_empty());
    let [h1, h2] = MEMBERS.map(|host| cluster.ok(host, "cat /sys/class/net/eth0/address"));
    for ip in theirs {
        assert_eq!(owner(&cluster, ip), h1.trim(), "{ip}");
    }
    until("h1 hears no other answer", || cluster.ok("h1", "ropewalk check --json") == "[]\n");
    for ip in &tv {
        assert_eq!(owner(&cluster, ip), "", "{ip} is nobody's while its block rests");
    }
    // Its sandboxes are there, are said, and nothing brings their answers back.
    let states = |cluster: &Cluster| -> Vec<Value> {
        let rows = cluster.json("h2", "ps");
        rows.as_array().expect("rows").iter().map(|row| row["state"].clone()).collect()
    };
    assert_eq!(states(&cluster), ["fenced", "fenced"]);
    cluster.ok("h2/blue", &format!("ip -4 address show to {}", theirs[0]));
    let said = cluster.run("h2", "ropewalk repair");
    assert_eq!(answered(&cluster, "h2"), [""; 0], "{said:?}");
    let found = cluster.run("h2", "ropewalk check");
    assert!(found.out.contains("ropewalk detach netns:blue office"), "{found:?}");
    assert_eq!(cluster.run("h2/blue", "ping -c1 -W1 192.168.1.13").status, Some(1), "not by it");
    let refused = cluster.run("h2", "ropewalk attach new:more office");
    assert!(refused.err.contains("[pool-exhausted]"), "{refused:?}");
    // It joins again: what nobody had meanwhile is its own, of what another has nothing is.
    cluster.ok("h2", "ropewalk join etcd://192.168.1.11 --name h2");
    until("it answers for its own", || answered(&cluster, "h2").len() == 2);
    for ip in &tv {
        assert_eq!(owner(&cluster, ip), h2.trim(), "{ip}");
    }
    for ip in theirs {
        assert_eq!(owner(&cluster, ip), h1.trim(), "{ip}");
    }
    let said = cluster.alarms("h2");
    assert!(
        said.iter().any(|alarm| alarm.contains("ropewalk detach netns:blue office")),
        "{said:?}"
    );
    cluster.ok("h2", "ropewalk detach netns:blue office");
    until("nothing is amiss", || {
        cluster.alarms("h2").is_empty() && cluster.ok("h2", "ropewalk check --json") == "[]\n"
    });
    cluster.ok("h2", "ropewalk attach new:more office");
    cluster.ok(PC, &format!("ping -c1 -W5 {}", addresses(&cluster, "h2", "more")[0]));
}
