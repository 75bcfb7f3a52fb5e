//! The faults: what happens, and until when it is waited before the cluster is looked at.
//!
//! Each is named after issues of others whose networks did not get over it.

mod hosts;
pub(super) mod lan;
mod stores;

use serde_json::Value;

use super::matrix::{Costs, Fault};
use super::{Cluster, HOSTS, Running, store, until};

/// All, in an order in which each begins with a cluster that is whole.
pub(super) const FAULTS: &[Fault] = &[
    Fault {
        name: "flannel 904, 1240: every agent and every store dies",
        short: true,
        costs: Costs::Nothing,
        happen: stores::everything_dies,
    },
    Fault {
        name: "calico 8071, 2873: agents begin anew, and write nothing",
        short: true,
        costs: Costs::Nothing,
        happen: hosts::agents_begin_anew,
    },
    Fault {
        name: "flannel 1070, 1434: routes and rules are flushed, forwarding goes",
        short: true,
        costs: Costs::Pings,
        happen: hosts::flushed,
    },
    Fault {
        name: "flannel 1795, calico 7281: the tunnel is deleted",
        short: true,
        costs: Costs::Pings,
        happen: |cluster| drop(cluster.ok("h1", "ip link del rwv-over")),
    },
    Fault {
        name: "flannel 1759, 877: the uplink goes and comes",
        short: true,
        costs: Costs::Pings,
        happen: hosts::flap,
    },
    Fault {
        name: "flannel 813: a member of the store dies",
        short: false,
        costs: Costs::Nothing,
        happen: stores::a_member_dies,
    },
    Fault {
        name: "flannel 805, 1129: most of the store dies",
        short: false,
        costs: Costs::Nothing,
        happen: stores::most_of_it_dies,
    },
    Fault {
        name: "flannel 2470: the way to the store is cut in silence",
        short: false,
        costs: Costs::Nothing,
        happen: stores::cut_in_silence,
    },
    Fault {
        name: "calico 4109: a member is cut from the others",
        short: false,
        costs: Costs::Nothing,
        happen: stores::a_member_alone,
    },
    Fault {
        name: "calico 1632: what was missed is compacted",
        short: true,
        costs: Costs::Nothing,
        happen: stores::compacted,
    },
    Fault {
        name: "etcd 14303: the store is put back",
        short: false,
        costs: Costs::Nothing,
        happen: stores::put_back,
    },
    Fault {
        name: "etcd 16028: the store comes back empty",
        short: true,
        costs: Costs::Nothing,
        happen: stores::wiped,
    },
    Fault {
        name: "flannel 1289: another host has the same id",
        short: false,
        costs: Costs::Nothing,
        happen: hosts::same_id,
    },
    Fault {
        name: "cilium 9422: a host is lost, removed, and returns",
        short: false,
        costs: Costs::Pings,
        happen: hosts::returns,
    },
    Fault {
        name: "moby 35807: a fifth of all packets is lost",
        short: false,
        costs: Costs::Pings,
        happen: hosts::lossy,
    },
    Fault {
        name: "flannel 520: the way to the store loses a fifth",
        short: false,
        costs: Costs::Nothing,
        happen: stores::lossy,
    },
    Fault {
        name: "cilium 42596: the store is full",
        short: false,
        costs: Costs::Nothing,
        happen: stores::full,
    },
    Fault {
        name: "calico 5218: the agent is killed at every step",
        short: false,
        costs: Costs::Nothing,
        happen: hosts::killed_at_every_step,
    },
];

impl Cluster {
    fn store_is_away(&self, host: &str) -> bool {
        self.status(host)["away"].is_string()
    }

    /// As the host sees the cluster; null while it does not.
    fn status(&self, host: &str) -> Value {
        let ran = self.run(host, "ropewalk cluster status --json");
        serde_json::from_str(&ran.out).unwrap_or_default()
    }

    /// Whether every host is a member, with a block of its own.
    fn all_own(&self) -> bool {
        let hosts = self.status("h1")["hosts"].as_array().cloned().unwrap_or_default();
        let owns = |host: &Value| host["blocks"].as_array().is_some_and(|all| !all.is_empty());
        hosts.len() == HOSTS.len() && hosts.iter().all(owns)
    }

    fn begin_stores(&mut self) {
        self.stores = (1..4).map(store).collect();
        until("the store is there", || !self.store_is_away("h1") && self.all_own());
    }

    fn signal(&self, process: &Running, signal: &str) {
        self.host.net.sh(&format!("kill -{signal} {}", process.0.id()));
    }

    /// Waits until every host believes the store again.
    fn settled(&self) {
        let forgotten =
            |host: &str| self.alarms(host).iter().any(|alarm| alarm.contains("forgotten"));
        for host in HOSTS {
            until(&format!("{host} believes the store"), || !forgotten(host));
        }
    }

    /// A network that comes and goes proves that these hosts hear the store, and can write to it.
    fn news(&self, by: &str, on: &[&str]) {
        self.settled();
        self.ok(by, "ropewalk cluster create news --subnet 10.66.0.0/16");
        let there = |host: &str| self.ok(host, "ropewalk network ls").contains("news");
        for host in on {
            until(&format!("{host} hears of it"), || there(host));
        }
        self.ok(by, "ropewalk cluster rm news");
        for host in on {
            until(&format!("{host} hears that it goes"), || !there(host));
        }
    }
}
