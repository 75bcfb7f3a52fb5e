//! Faults of the store, and of the way to it: no container may notice.

use serde_json::Value;

use crate::cluster::{ASK, Cluster, HOSTS, Running, agent, store, store_with, until};

pub(super) fn everything_dies(cluster: &mut Cluster) {
    cluster.agents.iter_mut().for_each(Running::kill);
    cluster.stores.clear();
    cluster.reach();
    // What is new is attached from the host's own block.
    cluster.ok("h1", "ropewalk attach new:more over");
    let rows = cluster.json("h1", "ps");
    let row =
        rows.as_array().and_then(|rows| rows.iter().find(|row| row["sandbox"] == "netns:more"));
    let more = row.and_then(|row| row["addresses"][0].as_str()).expect("an address");
    let more = more.split('/').next().expect("an address").to_owned();
    cluster.ok("h2/blue", &format!("ping -c1 -W5 {more}"));
    a_runtime_attaches(cluster);
    cluster.agents = HOSTS.iter().map(|host| agent(host)).collect();
    until("it says that the store is away", || cluster.store_is_away("h1"));
    cluster.reach();
    cluster.ok("h1", "ropewalk detach netns:more");
    cluster.begin_stores();
}

/// A container that a runtime attaches gets an address of the host's block, and gives it back.
fn a_runtime_attaches(cluster: &Cluster) {
    let conf = r#"{"cniVersion": "1.1.0", "name": "pods", "type": "ropewalk", "network": "over"}"#;
    let said = cluster.script(
        "h1",
        &format!(
            "ip netns add pod
            export CNI_CONTAINERID=c1 CNI_NETNS=/run/netns/pod CNI_IFNAME=eth0 CNI_PATH=/
            export CNI_ARGS='K8S_POD_NAMESPACE=shop;K8S_POD_NAME=web'
            echo '{conf}' | CNI_COMMAND=STATUS ropewalk
            echo '{conf}' | CNI_COMMAND=ADD ropewalk
            ip netns exec pod ping -qc1 -W5 {} >/dev/null
            echo '{conf}' | CNI_COMMAND=DEL ropewalk
            echo '{conf}' | CNI_COMMAND=ADD ropewalk >/dev/null
            echo '{gc}' | CNI_COMMAND=GC ropewalk
            ip netns del pod",
            cluster.address("h2"),
            gc = conf.replace('}', r#", "cni.dev/valid-attachments": []}"#)
        ),
    );
    let made: Value = serde_json::from_str(&said).expect("JSON");
    let address = made["ips"][0]["address"].as_str().expect("an address");
    let block = &cluster.json("h1", "network inspect over")["subnets"][0]["net"];
    let begins = |net: &str| net.rsplit_once('.').map(|(head, _)| head.to_owned());
    assert_eq!(begins(address), block.as_str().and_then(begins), "{made} {block}");
    let rows = cluster.json("h1", "ps");
    assert_eq!(rows.as_array().map(Vec::len), Some(2), "it is given back: {rows}");
}

pub(super) fn a_member_dies(cluster: &mut Cluster) {
    cluster.stores[0].kill();
    cluster.news("h2", &HOSTS);
    cluster.stores[0] = store(1);
}

pub(super) fn most_of_it_dies(cluster: &mut Cluster) {
    cluster.stores[0].kill();
    cluster.stores[1].kill();
    until("it says that the store is away", || cluster.store_is_away("h3"));
    cluster.ok("h3", "ropewalk attach new:more over");
    cluster.ok("h3", "ropewalk detach netns:more");
    cluster.stores[0] = store(1);
    cluster.stores[1] = store(2);
    until("the store is there", || !cluster.store_is_away("h1"));
}

/// Drops what matches, coming and going.
fn cut(port: u16) -> String {
    let rule = format!(
        "add rule inet cut o tcp dport {port} drop; add rule inet cut o tcp sport {port} drop"
    );
    format!(
        "nft 'add table inet cut; add chain inet cut o {{ type filter hook output priority 0; }}; {rule}'"
    )
}

pub(super) fn cut_in_silence(cluster: &mut Cluster) {
    cluster.script("h1", &cut(2379));
    cluster.ok("h2", "ropewalk cluster create late --subnet 10.67.0.0/16");
    until("the agent says so", || {
        cluster.ok("h1", "cat /run/ropewalk/cluster.json").contains(r#""away":""#)
    });
    cluster.ok("h1", "nft delete table inet cut");
    until("it hears", || cluster.ok("h1", "ropewalk network ls").contains("late"));
    cluster.ok("h2", "ropewalk cluster rm late");
    cluster.news("h2", &HOSTS);
}

pub(super) fn lossy(cluster: &mut Cluster) {
    let some = |side: &str| {
        format!(
            "nft 'add rule inet loss o tcp {side} 2379 numgen random mod 100 < 20 drop; \
             add rule inet loss i tcp {side} 2379 numgen random mod 100 < 20 drop'\n"
        )
    };
    let chain = |name: &str, hook: &str| {
        format!("nft 'add chain inet loss {name} {{ type filter hook {hook} priority 0; }}'\n")
    };
    let chains = chain("o", "output") + &chain("i", "input");
    cluster.script(
        "h2",
        &format!("nft add table inet loss\n{chains}{}{}", some("dport"), some("sport")),
    );
    cluster.news("h2", &HOSTS);
    cluster.news("h1", &HOSTS);
    cluster.ok("h2", "nft delete table inet loss");
}

pub(super) fn a_member_alone(cluster: &mut Cluster) {
    cluster.script("h1", &cut(2380));
    cluster.news("h2", &HOSTS);
    cluster.ok("h1", "nft delete table inet cut");
}

pub(super) fn compacted(cluster: &mut Cluster) {
    cluster.signal(&cluster.agents[0], "STOP");
    cluster.stores[0].kill();
    until("the others go on", || !cluster.store_is_away("h2"));
    cluster.ok("h2", "ropewalk cluster create late --subnet 10.67.0.0/16");
    cluster.script(
        "h2",
        &format!(
            "{ASK}{}",
            r#"
        at=$(ask /v3/kv/range '{"key":"AA=="}' | sed -n 's/.*"revision":"\([0-9]*\)".*/\1/p')
        ask /v3/kv/compaction "{\"revision\":\"$at\",\"physical\":true}" | grep -q ' 200 '"#
        ),
    );
    cluster.stores[0] = store(1);
    cluster.signal(&cluster.agents[0], "CONT");
    until("it hears", || cluster.ok("h1", "ropewalk network ls").contains("late"));
    cluster.ok("h2", "ropewalk cluster rm late");
    until("it hears that it goes", || !cluster.ok("h1", "ropewalk network ls").contains("late"));
}

pub(super) fn put_back(cluster: &mut Cluster) {
    cluster.stores.clear();
    for host in HOSTS {
        cluster.ok(host, "cp -a /run/etcd /run/backup");
    }
    cluster.begin_stores();
    cluster.ok("h2", "ropewalk cluster create late --subnet 10.67.0.0/16");
    for host in HOSTS {
        until("it hears", || cluster.ok(host, "ropewalk network ls").contains("late"));
    }
    cluster.stores.clear();
    for host in HOSTS {
        cluster.script(host, "rm -rf /run/etcd; mv /run/backup /run/etcd");
    }
    cluster.begin_stores();
    until("the store is told of it again", || {
        cluster.ok("h1", "ropewalk cluster status").contains("late")
    });
    cluster.settled();
    cluster.ok("h2", "ropewalk cluster rm late");
    for host in HOSTS {
        until("it goes", || !cluster.ok(host, "ropewalk network ls").contains("late"));
    }
}

pub(super) fn wiped(cluster: &mut Cluster) {
    let all = |cluster: &Cluster| HOSTS.map(|host| cluster.address(host));
    let before = all(cluster);
    cluster.stores.clear();
    for host in HOSTS {
        cluster.ok(host, "rm -rf /run/etcd");
    }
    cluster.begin_stores();
    assert!(cluster.alarms("h1").iter().any(|alarm| alarm.contains("forgotten")));
    assert_eq!(all(cluster), before);
}

pub(super) fn full(cluster: &mut Cluster) {
    cluster.stores.clear();
    cluster.stores = (1..4).map(|n| store_with(n, "--quota-backend-bytes 1")).collect();
    let create = || cluster.run("h2", "ropewalk cluster create late --subnet 10.67.0.0/16").err;
    until("the store is full", || create().contains("the store is full"));
    cluster.ok("h3", "ropewalk attach new:more over");
    cluster.ok("h3", "ropewalk detach netns:more");
    cluster.stores.clear();
    cluster.begin_stores();
    cluster.script("h2", &format!("{ASK}{}", r#"
        for id in $(ask /v3/maintenance/alarm '{}' | grep -o '"memberID":"[0-9]*"' | grep -o '[0-9]*'); do
            ask /v3/maintenance/alarm "{\"action\":\"DEACTIVATE\",\"memberID\":\"$id\",\"alarm\":\"NOSPACE\"}"
        done"#));
    cluster.news("h2", &HOSTS);
}
