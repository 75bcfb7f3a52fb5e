//! A host that is a cluster of one, and then a member of a larger one: nothing is renumbered.

use serde_json::Value;

use super::{Cluster, agent, store, until};

#[test]
fn a_cluster_of_one_grows_without_a_new_address() {
    let mut cluster = Cluster::laid();
    // Where nobody is to be reached yet, the way out is what a tunnel would go by.
    cluster.ok("h1", "ip route add default via 192.168.1.99");
    cluster.script(
        "h1",
        "mkdir -p /run/ropewalk; mount -t tmpfs -o size=16m,mode=755 none /run/ropewalk",
    );
    cluster.ok("h1", "ropewalk join here --name h1");
    cluster.agents.push(agent("h1"));
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    let overlaps = cluster.run("h1", "ropewalk cluster create web --subnet 10.5.4.0/22");
    assert!(overlaps.err.contains("overlaps 10.5.0.0/16 of network over"), "{}", overlaps.err);
    let there =
        |cluster: &Cluster, host: &str| cluster.ok(host, "ropewalk network ls").contains("over");
    until("it is there", || there(&cluster, "h1"));
    cluster.ok("h1", "ropewalk attach netns:red over");
    let address = cluster.address("h1");
    // With its disk full it says so, and goes on where it was when there is room again.
    cluster.run("h1", "sh -c \"head -c 16M /dev/zero >/run/ropewalk/full\"");
    cluster.ok("h1", "ropewalk cluster create late --subnet 10.7.0.0/16");
    until("it says so", || cluster.ok("h1", "cat /run/agent.out").contains("No space left"));
    cluster.ok("h1", "rm /run/ropewalk/full");
    until("it goes on", || cluster.ok("h1", "ropewalk network ls").contains("late"));
    cluster.ok("h1", "ropewalk cluster rm late");
    assert_eq!(cluster.address("h1"), address);
    // An agent that begins anew finds it as it was.
    cluster.agents.clear();
    cluster.agents.push(agent("h1"));
    cluster.ok("h1", "ropewalk cluster create more --subnet 10.6.0.0/16");
    until("it hears of it", || cluster.ok("h1", "ropewalk network ls").contains("more"));
    cluster.ok("h1", "ropewalk cluster rm more");

    // Another cluster in which the network's name is taken has it not.
    cluster.stores = (1..4).map(store).collect();
    let at = "etcd://192.168.1.11,192.168.1.12";
    until("h2 joins", || {
        cluster.run("h2", &format!("ropewalk join {at} --name h2")).status == Some(0)
    });
    cluster.agents.push(agent("h2"));
    cluster.ok("h2", "ropewalk cluster create over --subnet 10.9.0.0/16");
    let refused = cluster.run("h1", &format!("ropewalk join {at} --name h1"));
    assert!(refused.err.contains("another network is called over"), "{}", refused.err);
    cluster.ok("h2", "ropewalk cluster rm over");
    until("it is gone", || !there(&cluster, "h2"));
    cluster.ok("h1", &format!("ropewalk join {at} --name h1"));
    until("h2 has it, too", || {
        let ran = cluster.run("h2", "ropewalk network inspect over --json");
        let view: Value = serde_json::from_str(&ran.out).unwrap_or_default();
        view["tunnel"]["peers"].as_array().is_some_and(|peers| peers.len() == 1)
    });
    cluster.ok("h2", "ropewalk attach netns:blue over");
    until("they reach each other", || {
        cluster.run("h2/blue", &format!("ping -c1 -W1 {address}")).status == Some(0)
    });
    assert_eq!(cluster.address("h1"), address);
    plain_networks_are_taken_along(&mut cluster, at);
}

/// A bridge that a host had for itself becomes the cluster's: all that is on it stays as it is.
fn plain_networks_are_taken_along(cluster: &mut Cluster, at: &str) {
    cluster.ok("h3", "ropewalk network create web --subnet 10.8.3.0/24");
    cluster.ok("h3", "ropewalk network create closed --subnet 10.9.3.0/24 --internal");
    cluster.ok("h3", "ropewalk attach netns:green web");
    let address = cluster.address("h3");
    for (network, words) in [
        ("web", "--network web=10.8.0.0/16"),
        ("web=10.7.0.0/16", "10.8.3.0/24 of this host is to be one block"),
        ("closed=10.9.0.0/16", "cannot be that of many hosts"),
        ("none", "there is no network none"),
    ] {
        let ran = cluster.run("h3", &format!("ropewalk join {at} --name h3 --network {network}"));
        assert!(ran.err.contains(words), "{network}: {}", ran.err);
    }
    cluster.ok("h3", &format!("ropewalk join {at} --name h3 --network web=10.8.0.0/16"));
    cluster.agents.push(agent("h3"));
    until("h2 reaches it", || {
        cluster.run("h2", &format!("ping -c1 -W1 {address}")).status == Some(0)
    });
    assert_eq!(cluster.address("h3"), address);
    assert_eq!(cluster.ok("h3", "ropewalk check --json"), "[]\n");
    for host in ["h1", "h3"] {
        assert!(cluster.alarms(host).is_empty(), "{host}: {:?}", cluster.alarms(host));
    }
    // A reboot forgets what was made, and the definitions of what is no longer the cluster's go.
    until("h3 has over, too", || cluster.ok("h3", "ls /etc/ropewalk/networks").contains("over"));
    cluster.agents.pop();
    // From the next line on, what is attached on h1 and h2 keeps a network that should go.
    assert!(cluster.alarms("h1").is_empty(), "{:?}", cluster.alarms("h1"));
    cluster.ok("h2", "ropewalk cluster rm over");
    cluster.script(
        "h3",
        "for link in rw-over rwv-over rw-web rwv-web rw-closed; do ip link del $link || true; done
        for family in inet bridge arp; do nft delete table $family ropewalk || true; done
        ip netns exec green ip link del eth0
        rm -rf /run/ropewalk/*",
    );
    cluster.agents.push(agent("h3"));
    until("over is gone, web is not", || {
        let all = cluster.ok("h3", "ls /etc/ropewalk/networks");
        !all.contains("over") && all.contains("web")
    });
}
