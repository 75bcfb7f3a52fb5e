//! A host that is a cluster of one, and then a member of a larger one: nothing is renumbered.

use serde_json::Value;

use super::{Cluster, agent, store, until};

#[test]
fn a_cluster_of_one_grows_without_a_new_address() {
    let mut cluster = Cluster::laid();
    // Where nobody is to be reached yet, the way out is what a tunnel would go by.
    cluster.ok("h1", "ip route add default via 192.168.1.99");
    cluster.ok("h1", "ropewalk join here --name h1");
    cluster.agents.push(agent("h1"));
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    let there =
        |cluster: &Cluster, host: &str| cluster.ok(host, "ropewalk network ls").contains("over");
    until("it is there", || there(&cluster, "h1"));
    cluster.ok("h1", "ropewalk attach netns:red over");
    let address = cluster.address("h1");
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
    assert!(cluster.alarms("h1").is_empty(), "{:?}", cluster.alarms("h1"));
}
