//! One cluster after another fault, each named after the issues of others that it answers.
//!
//!     a fault ─▶ the oracle: kernel = store, no address twice, everybody reaches everybody, nothing
//!                            of others is touched           … in the end: purge leaves nothing
//!
//! Pings every 10 ms between all containers count what is lost meanwhile. The suite takes those that
//! are quick; `cargo xtask cluster-matrix` takes all, or those whose names hold a word.
#![expect(clippy::print_stdout, reason = "the long form tells what it does")]

use std::time::Instant;

use super::faults::{FAULTS, lan};
use super::oracle::{Pings, Scene, Way};
use super::{CONTAINERS, Cluster, HOSTS, LAB};

/// What a fault may cost the containers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Costs {
    /// No ping.
    Nothing,
    /// Pings, until it is mended.
    Pings,
}

/// A fault, and how it is over.
pub(super) struct Fault {
    /// The issues it answers, and what happens.
    pub(super) name: &'static str,
    /// In the suite, too.
    pub(super) short: bool,
    pub(super) costs: Costs,
    pub(super) happen: fn(&mut Cluster),
}

#[test]
fn every_fault_leaves_a_cluster_that_is_whole() {
    let wanted = std::env::var("ROPEWALK_MATRIX").ok();
    let wanted = |fault: &&Fault| match wanted.as_deref() {
        None => fault.short,
        Some(word) => word == "all" || fault.name.contains(word),
    };
    let faults: Vec<&Fault> = FAULTS.iter().filter(wanted).collect();
    let of_the_lan: Vec<&Fault> = lan::FAULTS.iter().filter(wanted).collect();
    assert!(!faults.is_empty() || !of_the_lan.is_empty(), "no fault has such a name");
    let pc = if of_the_lan.is_empty() { "" } else { lan::PC };
    let mut cluster = Cluster::lab(&format!("{LAB}{pc}"));
    for host in HOSTS {
        cluster.script(host, CANARIES);
    }
    let before = Scene::of(&cluster);
    cluster.begin("");
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    cluster.made("over");
    for (host, container) in CONTAINERS {
        cluster.ok(host, &format!("ropewalk attach netns:{container} over"));
    }
    cluster.is_whole("in the beginning");
    for fault in faults {
        befall(&mut cluster, fault);
    }
    if !of_the_lan.is_empty() {
        lan::begin(&cluster);
    }
    for fault in of_the_lan {
        befall(&mut cluster, fault);
        lan::is_whole(&cluster, fault.name);
    }
    cluster.agents.clear();
    cluster.stores.clear();
    for host in HOSTS {
        cluster.ok(host, "ropewalk purge --yes");
        let status = cluster.run(host, "ropewalk cluster status");
        assert!(status.err.contains("[cluster-none]"), "{host}: {}", status.err);
    }
    before.same(&Scene::of(&cluster), "purged, with the store away");
}

/// Lets it happen, and looks at what is left.
fn befall(cluster: &mut Cluster, fault: &Fault) {
    let began = Instant::now();
    let mut ways = Way::all(cluster);
    ways.extend(lan::ways(cluster));
    let pings = Pings::begin(&ways);
    (fault.happen)(cluster);
    let mended = began.elapsed();
    cluster.is_whole(fault.name);
    let (sent, lost) = pings.end(cluster);
    println!("{:<64} {:>6.1} s   {lost} of {sent} lost", fault.name, mended.as_secs_f32());
    if fault.costs == Costs::Nothing {
        assert_eq!(lost, 0, "{}: pings are lost, of {sent}", fault.name);
    }
}

/// What others made.
const CANARIES: &str = "ip route add 10.77.0.0/24 via 192.168.1.99 proto static
ip route add blackhole 10.78.0.0/24 proto 78
ip rule add from 10.79.0.0/24 lookup 79
ip neigh add 192.168.1.99 lladdr 02:00:00:00:00:99 dev eth0 nud permanent
ip link add canary type vxlan id 79 dstport 4790
bridge fdb append 02:00:00:00:00:79 dev canary dst 192.168.1.99
nft 'add table inet canary; add chain inet canary input { type filter hook input priority 5; }'";
