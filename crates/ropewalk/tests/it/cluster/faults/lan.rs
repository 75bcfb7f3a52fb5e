//! Faults of a flat network: addresses of the LAN, for which another machine there asks, the pc.
//!
//!     pc ── LAN ── h1: tv   h2: tv   h3: tv          each host answers for its own
//!
//! In the long form alone; the suite has `cluster_flat`.

use serde_json::Value;

use crate::cluster::matrix::{Costs, Fault};
use crate::cluster::oracle::Way;
use crate::cluster::{Cluster, HOSTS, Running, agent, store, until};

/// Another machine of the LAN.
pub(in crate::cluster) const PC: &str = r#"
[host.pc]
nic.eth0 = { lan = "dc", ip = ["192.168.1.50"] }
"#;

/// All, on a cluster that has this network, too.
pub(in crate::cluster) const FAULTS: &[Fault] = &[
    Fault {
        name: "metallb 368, 652: agents and stores are dead, the LAN is answered",
        short: false,
        costs: Costs::Nothing,
        happen: unattended,
    },
    Fault {
        name: "metallb 584: the uplink of addresses of the LAN goes and comes",
        short: false,
        costs: Costs::Pings,
        happen: flap,
    },
    Fault {
        name: "metallb 1147, 767: a host is lost, another has its address",
        short: false,
        costs: Costs::Pings,
        happen: taken_over,
    },
];

/// The network, and a sandbox of each host on it.
pub(in crate::cluster) fn begin(cluster: &Cluster) {
    let range = "--range 192.168.1.128-192.168.1.191";
    cluster.ok(
        "h1",
        &format!("ropewalk cluster create office --mode flat --subnet 192.168.1.0/24 {range}"),
    );
    for host in HOSTS {
        attached(cluster, host, "");
    }
}

fn attached(cluster: &Cluster, host: &str, more: &str) {
    until("it has a part of the LAN", || {
        cluster.run(host, &format!("ropewalk attach new:tv office{more}")).status == Some(0)
    });
}

/// The address of that host's sandbox, if it has one.
fn address(cluster: &Cluster, host: &str) -> Option<String> {
    let rows = cluster.json(host, "ps");
    let is = |row: &&Value| row["sandbox"] == "netns:tv";
    let net = rows.as_array()?.iter().find(is)?["addresses"][0].as_str()?.to_owned();
    net.split('/').next().map(str::to_owned)
}

/// From the pc to each; none where there is no such network.
pub(in crate::cluster) fn ways(cluster: &Cluster) -> Vec<Way> {
    let from_pc = |to| Way { place: "pc".to_owned(), within: "", to };
    HOSTS.iter().filter_map(|host| address(cluster, host)).map(from_pc).collect()
}

/// The same, and from each to the others.
fn all_ways(cluster: &Cluster) -> Vec<Way> {
    let mut all = ways(cluster);
    for to in all.iter().map(|way| way.to.clone()).collect::<Vec<_>>() {
        for place in HOSTS.iter().map(ToString::to_string) {
            all.push(Way { place, within: "ip netns exec tv ", to: to.clone() });
        }
    }
    all
}

/// Every address is answered for, by the one host that has it.
pub(in crate::cluster) fn is_whole(cluster: &Cluster, when: &str) {
    for host in HOSTS {
        let Some(own) = address(cluster, host) else { continue };
        let proxies = || cluster.ok(host, "ip neigh show proxy");
        until(&format!("{when}: {host} answers for {own} alone"), || {
            let all = proxies();
            all.lines().count() == 1 && all.contains(&format!("{own} dev eth0"))
        });
    }
    for Way { place, within, to } in all_ways(cluster) {
        until(&format!("{when}: {place} reaches {to}"), || {
            cluster.run(&place, &format!("{within}ping -c1 -W1 {to}")).status == Some(0)
        });
    }
}

fn unattended(cluster: &mut Cluster) {
    cluster.agents.iter_mut().for_each(Running::kill);
    cluster.stores.clear();
    cluster.ok("pc", "ip neigh flush dev eth0");
    is_whole(cluster, "with agents and stores dead");
    // A host goes on with what is its own.
    cluster.ok("h1", "ropewalk attach new:more office");
    cluster.ok("h1", "ropewalk detach netns:more");
    cluster.agents = HOSTS.iter().map(|host| agent(host)).collect();
    cluster.begin_stores();
}

fn flap(cluster: &mut Cluster) {
    super::hosts::flap(cluster);
    is_whole(cluster, "after a flap");
}

fn taken_over(cluster: &mut Cluster) {
    // An address outside the blocks, which rest when their host is removed.
    let ip = "192.168.1.210";
    cluster.ok("h3", "ropewalk detach netns:tv");
    attached(cluster, "h3", &format!(" --ip {ip}"));
    let ping = || cluster.run("pc", &format!("ping -c1 -W1 {ip}")).status == Some(0);
    until("it is answered", ping);
    cluster.agents[2].kill();
    cluster.stores[2].kill();
    cluster.ok("h3", "ip link set eth0 down");
    until("the others go on", || !cluster.store_is_away("h1") && !cluster.store_is_away("h2"));
    cluster.ok("h1", "ropewalk host rm h3");
    cluster.ok("h2", "ropewalk detach netns:tv");
    attached(cluster, "h2", &format!(" --ip {ip}"));
    // The pc knew the host that is lost.
    let ping = || cluster.run("pc", &format!("ping -c1 -W1 {ip}")).status == Some(0);
    until("it is answered by another host", ping);
    cluster.script(
        "h3",
        "ip link set eth0 up
        ip route add 10.77.0.0/24 via 192.168.1.99 proto static
        ip neigh add 192.168.1.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent",
    );
    cluster.stores[2] = store(3);
    cluster.agents[2] = agent("h3");
    until("it knows", || cluster.alarms("h3").iter().any(|alarm| alarm.contains("removed")));
    cluster.ok("h3", "ropewalk detach netns:tv");
    cluster.ok("h3", "ropewalk detach netns:green");
    cluster.ok("h3", "ropewalk join etcd://192.168.1.13,192.168.1.11 --name h3");
    cluster.made("over");
    cluster.ok("h3", "ropewalk attach netns:green over");
    attached(cluster, "h3", "");
}
