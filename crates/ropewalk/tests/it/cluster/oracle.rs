//! Whether a cluster is whole: what the kernel of every host holds is what the store says.
//!
//!     store:   h2 192.168.1.12 owns 10.5.7.0/24
//!     kernel:  10.5.7.0/24 via V dev rwv-over · V lladdr M · fdb M dst 192.168.1.12       and no more

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Stdio};
use std::time::Instant;

use serde_json::Value;

use super::{CONTAINERS, Cluster, DEADLINE, HOSTS, PAUSE, until};
use crate::run::command;

impl Cluster {
    /// Waits until every host has in its kernel what the store says, then looks at everything.
    pub(super) fn is_whole(&self, when: &str) {
        for host in HOSTS {
            let both = || (self.wanted(host), self.found(host));
            let same = |(wanted, found): &(Vec<String>, Vec<String>)| {
                wanted == found && wanted.len() == HOSTS.len() - 1
            };
            let begun = Instant::now();
            let mut now = both();
            while !same(&now) {
                assert!(begun.elapsed() < DEADLINE, "{when}: {host} is not as it should: {now:?}");
                std::thread::sleep(PAUSE);
                now = both();
            }
        }
        let all: Vec<String> = HOSTS.iter().flat_map(|host| self.addresses(host)).collect();
        let different: BTreeSet<&String> = all.iter().collect();
        assert_eq!(different.len(), all.len(), "{when}: an address twice in {all:?}");
        for host in HOSTS {
            until(&format!("{when}: nothing is amiss on {host}"), || {
                self.run(host, "ropewalk check --json").out == "[]\n"
            });
        }
        until(&format!("{when}: the store knows who is where"), || {
            let rows = self.run("h3", "ropewalk cluster ps --json").out;
            let rows: Value = serde_json::from_str(&rows).unwrap_or_default();
            let mut told: Vec<String> = array(&rows).iter().map(endpoint).collect();
            told.sort();
            told == self.endpoints()
        });
        self.reach();
    }

    /// What is attached, in the words of the hosts themselves: `h1 red 10.5.7.2 MAC`.
    fn endpoints(&self) -> Vec<String> {
        let of = |host: &str| -> Vec<String> {
            let rows = array(&self.json(host, "ps"));
            let rows = rows.iter().map(|row| {
                let sandbox = text(&row["sandbox"]).replace("netns:", "");
                let ip = text(&row["addresses"][0]);
                let ip = ip.split('/').next().unwrap_or_default();
                format!("{host} {sandbox} {ip} {}", text(&row["mac"]))
            });
            rows.collect()
        };
        let mut all: Vec<String> = HOSTS.iter().flat_map(|host| of(host)).collect();
        all.sort();
        all
    }

    /// Which block is behind which host, in the words of the store.
    fn wanted(&self, on: &str) -> Vec<String> {
        let status = self.json(on, "cluster status");
        let mut ways = Vec::new();
        for host in array(&status["hosts"]).iter().filter(|host| host["here"] == false) {
            for place in array(&host["blocks"]) {
                let place = text(&place);
                if let Some(block) = place.strip_prefix("over ") {
                    ways.push(format!("{block} {}", text(&host["addresses"][0])));
                }
            }
        }
        ways.sort();
        ways
    }

    /// The same, in the words of the kernel: from a route by its neighbour to the other end.
    fn found(&self, on: &str) -> Vec<String> {
        let json = |line: &str| -> Vec<Value> {
            let out = self.run(on, line).out;
            serde_json::from_str(&out).unwrap_or_default()
        };
        let pairs = |line: &str, key: &str, value: &str| -> BTreeMap<String, String> {
            json(line).iter().map(|row| (text(&row[key]), text(&row[value]))).collect()
        };
        let macs = pairs("ip -j neigh show dev rwv-over nud permanent", "dst", "lladdr");
        let ends = pairs("bridge -j fdb show dev rwv-over", "mac", "dst");
        let through = |route: &Value| {
            let end = macs.get(&text(&route["gateway"])).and_then(|mac| ends.get(mac));
            let block = text(&route["dst"]);
            format!("{block} {}", end.map_or("nowhere", String::as_str))
        };
        let routes = json("ip -j route show dev rwv-over proto 114");
        let routes = routes.iter().filter(|route| route["gateway"].is_string());
        let mut ways: Vec<String> = routes.map(through).collect();
        let more = macs.len().max(ends.len()).saturating_sub(ways.len());
        ways.extend((0..more).map(|_| "a way to nowhere".to_owned()));
        ways.sort();
        ways
    }

    fn addresses(&self, host: &str) -> Vec<String> {
        let rows = self.json(host, "ps");
        array(&rows).iter().flat_map(|row| array(&row["addresses"])).map(|ip| text(&ip)).collect()
    }
}

/// What the store knows of an attachment.
fn endpoint(row: &Value) -> String {
    let [host, name, mac] = ["host", "name", "mac"].map(|key| text(&row[key]));
    format!("{host} {name} {} {mac}", text(&row["addresses"][0]))
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// What a host is like without its containers' part of it, a line for each object.
#[derive(PartialEq, Eq)]
pub(super) struct Scene(BTreeMap<&'static str, String>);

/// What is looked at. Counters and what the kernel does when it likes are left out.
const LOOK: &str = "ip -o link | sed -E 's/<[^>]*>//; s/state [A-Z]+//; s/qdisc [a-z]+//'
ip -o addr show scope global
for v in -4 -6; do ip $v route show table all | sed '/^multicast/d; /fe80/d; /ff00/d'; ip $v rule; done
ip neigh show nud permanent; ip neigh show proxy; bridge fdb | sed '/^33:33/d; /^01:00/d'
nft list ruleset
sysctl net.ipv4.ip_forward net.ipv6.conf.all.forwarding
find /etc/ropewalk -type f";

impl Scene {
    pub(super) fn of(cluster: &Cluster) -> Self {
        let one = |host| (host, cluster.script(host, LOOK));
        Self(HOSTS.iter().map(|host| one(*host)).collect())
    }

    /// Fails with the lines that only one of the two has.
    pub(super) fn same(&self, now: &Self, when: &str) {
        for (host, before) in &self.0 {
            let after = now.0.get(host).map(String::as_str).unwrap_or_default();
            crate::host::same(after, before, &format!("{host}: {when}"));
        }
    }
}

/// Who reaches whom.
pub(super) struct Way {
    /// Where in the lab.
    pub(super) place: String,
    /// What a command there is to be within.
    pub(super) within: &'static str,
    /// The address.
    pub(super) to: String,
}

impl Way {
    /// From every container to every other.
    pub(super) fn all(cluster: &Cluster) -> Vec<Self> {
        let mut all = Vec::new();
        for (on, from) in CONTAINERS {
            for (other, _) in CONTAINERS.iter().filter(|(other, _)| *other != on) {
                let (place, to) = (format!("{on}/{from}"), cluster.address(other));
                all.push(Self { place, within: "", to });
            }
        }
        all
    }
}

/// Along every way a ping, a hundred times a second.
pub(super) struct Pings(Vec<Child>);

impl Pings {
    pub(super) fn begin(ways: &[Way]) -> Self {
        let one = |Way { place, within, to }: &Way| {
            let line = format!("{within}ping -q -i 0.01 -W 5 {to}");
            let mut command = command(&format!("lab exec {place} -- {line}"), &[]);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
            command.spawn().expect("the binary runs")
        };
        Self(ways.iter().map(one).collect())
    }

    /// How many were sent, and how many were not answered. One may be on its way.
    pub(super) fn end(mut self, cluster: &Cluster) -> (u64, u64) {
        let mut sum = (0, 0);
        for child in std::mem::take(&mut self.0) {
            cluster.host.net.sh(&format!("kill -INT {}", child.id()));
            let output = child.wait_with_output().expect("it ends");
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let summary = said.lines().find(|line| line.contains(" transmitted"));
            let summary = summary.unwrap_or_else(|| panic!("no summary: {said}"));
            let numbers: Vec<u64> =
                summary.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            let [sent, received, ..] = numbers.as_slice() else { panic!("{summary}") };
            sum.0 += sent;
            sum.1 += (sent - received).saturating_sub(1);
        }
        sum
    }
}

impl Drop for Pings {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ended = child.kill();
            let _ended = child.wait();
        }
    }
}
