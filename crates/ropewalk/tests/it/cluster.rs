//! Three hosts of a lab, an etcd and an agent on each: containers reach each other whatever goes.
#![expect(clippy::disallowed_methods, reason = "waits for other processes")]
#![expect(clippy::print_stderr, reason = "a test that fails shows what the agents said")]

mod alone;
mod faults;
mod matrix;
mod oracle;

use std::fs;
use std::io::Write as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::Host;
use crate::run::{Ran, command};

const LAB: &str = r#"
name = "cluster"
about = "three hosts, a container on each"

[lan.dc]
subnet = ["192.168.1.0/24"]

[host.h1]
nic.eth0 = { lan = "dc", ip = ["192.168.1.11"] }
container.red = {}

[host.h2]
nic.eth0 = { lan = "dc", ip = ["192.168.1.12"] }
container.blue = {}

[host.h3]
nic.eth0 = { lan = "dc", ip = ["192.168.1.13"] }
container.green = {}
"#;

const HOSTS: [&str; 3] = ["h1", "h2", "h3"];
const CONTAINERS: [(&str, &str); 3] = [("h1", "red"), ("h2", "blue"), ("h3", "green")];
/// How long to wait on a loaded machine.
const DEADLINE: Duration = Duration::from_secs(100);
/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// A process that goes with the test.
pub(crate) struct Running(Child);

impl Running {
    pub(crate) fn on(place: &str, line: &str) -> Self {
        let mut command = command(&format!("lab exec {place} -- {line}"), &[]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("the binary runs"))
    }

    pub(crate) fn kill(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The lab, its stores and its agents.
pub(crate) struct Cluster {
    pub(crate) agents: Vec<Running>,
    pub(crate) stores: Vec<Running>,
    pub(crate) host: Host,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for host in HOSTS {
                let said =
                    "cat /run/steps /run/agent.out; ropewalk cluster status; ropewalk network ls";
                let ran = self.run(host, &format!("sh -c \"{said}\""));
                let last: Vec<&str> = ran.out.lines().rev().take(25).collect();
                eprintln!("{host}:");
                last.iter().rev().for_each(|line| eprintln!("  {line}"));
            }
        }
        self.agents.clear();
        self.stores.clear();
        self.host.run("lab down");
    }
}

impl Cluster {
    /// The lab with its stores, every host a member.
    fn new() -> Self {
        let mut cluster = Self::laid();
        // The first one is nobody, and does not say so.
        cluster.begin("192.168.1.99,");
        cluster
    }

    /// The lab alone.
    fn laid() -> Self {
        Self::lab(LAB)
    }

    /// Stores begin, and every host becomes a member, by way of `first`, if that answers.
    fn begin(&mut self, first: &str) {
        self.stores = (1..4).map(store).collect();
        for n in 1..4 {
            let join = format!(
                "ropewalk join etcd://{first}192.168.1.1{n},192.168.1.1{} --name h{n}",
                n % 3 + 1
            );
            until("it joins", || self.run(&format!("h{n}"), &join).status == Some(0));
        }
        self.agents = HOSTS.iter().map(|host| agent(host)).collect();
    }

    /// A lab alone.
    pub(crate) fn lab(text: &str) -> Self {
        let host = Host::new();
        host.net.sh("mkdir -p /run/ropewalk-lab; mount -t tmpfs none /run/ropewalk-lab");
        fs::write("/run/ropewalk/lab.toml", text).expect("a file");
        host.ok("lab up /run/ropewalk/lab.toml");
        Self { agents: Vec::new(), stores: Vec::new(), host }
    }

    pub(crate) fn run(&self, place: &str, line: &str) -> Ran {
        self.host.run(&format!("lab exec {place} -- {line}"))
    }

    pub(crate) fn ok(&self, place: &str, line: &str) -> String {
        self.host.ok(&format!("lab exec {place} -- {line}"))
    }

    /// Runs a script of bash.
    fn script(&self, place: &str, text: &str) -> String {
        let mut command = command(&format!("lab exec {place} -- bash -e"), &[]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
        let mut child = command.spawn().expect("the binary runs");
        let mut input = child.stdin.take().expect("a pipe");
        input.write_all(text.as_bytes()).expect("it reads");
        drop(input);
        let ended = child.wait_with_output().expect("it ends");
        let out = String::from_utf8_lossy(&ended.stdout).into_owned();
        assert!(ended.status.success(), "{place}: {text}\n{out}");
        out
    }

    pub(crate) fn json(&self, place: &str, line: &str) -> Value {
        serde_json::from_str(&self.ok(place, &format!("ropewalk {line} --json"))).expect("JSON")
    }

    /// The address of the container of that host.
    fn address(&self, host: &str) -> String {
        let rows = self.json(host, "ps");
        let address = rows[0]["addresses"][0].as_str().expect("an address");
        address.split('/').next().expect("an address").to_owned()
    }

    /// Waits until every host has made its part of the network, with a way to each of the others.
    fn made(&self, name: &str) {
        for host in HOSTS {
            until(&format!("{host} has {name}"), || {
                let ran = self.run(host, &format!("ropewalk network inspect {name} --json"));
                let view: Value = serde_json::from_str(&ran.out).unwrap_or_default();
                view["tunnel"]["peers"].as_array().is_some_and(|peers| peers.len() == 2)
            });
        }
    }

    /// Every container reaches every other.
    fn reach(&self) {
        for (on, from) in CONTAINERS {
            for (other, _) in CONTAINERS.iter().filter(|(other, _)| *other != on) {
                let address = self.address(other);
                self.ok(&format!("{on}/{from}"), &format!("ping -c1 -W5 {address}"));
            }
        }
    }

    /// How many blocks of others that host has a way to.
    fn ways(&self, host: &str) -> usize {
        self.ok(host, "ip route show proto 114")
            .lines()
            .filter(|line| line.contains("onlink"))
            .count()
    }

    pub(crate) fn alarms(&self, host: &str) -> Vec<String> {
        let status = self.json(host, "cluster status");
        let all = status["alarms"].as_array().expect("alarms").clone();
        all.iter().map(|alarm| alarm.as_str().unwrap_or_default().to_owned()).collect()
    }
}

/// An agent, which writes down what it says.
fn agent(host: &str) -> Running {
    Running::on(
        host,
        "sh -c \"exec ropewalk agent --json --metrics 127.0.0.1:9477 >>/run/agent.out 2>&1\"",
    )
}

/// A member of etcd.
fn store(n: u8) -> Running {
    store_with(n, "")
}

/// The same, with further flags.
fn store_with(n: u8, more: &str) -> Running {
    let peer = |n: u8| format!("http://192.168.1.1{n}:2380");
    let all: Vec<String> = (1..4).map(|n| format!("e{n}={}", peer(n))).collect();
    let client = format!("http://192.168.1.1{n}:2379");
    let urls = format!(
        "--listen-client-urls {client} --advertise-client-urls {client} \
         --listen-peer-urls {peer} --initial-advertise-peer-urls {peer}",
        peer = peer(n)
    );
    let line = format!(
        "etcd --name e{n} --data-dir /run/etcd {urls} --initial-cluster {} --log-level error \
         --heartbeat-interval 100 --election-timeout 1000 {more}",
        all.join(",")
    );
    Running::on(&format!("h{n}"), &line)
}

/// Waits for `done`.
pub(crate) fn until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !done() {
        assert!(begun.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(PAUSE);
    }
}

#[test]
fn a_host_leaves_another_is_removed_and_returns() {
    let cluster = Cluster::new();
    let refused = cluster.run("h1", "ropewalk join etcd://192.168.1.11");
    assert!(refused.err.contains("is a member already"), "{}", refused.err);
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    cluster.made("over");
    cluster.ok("h2", "ropewalk attach netns:blue over");
    let refused = cluster.run("h2", "ropewalk leave");
    assert!(refused.err.contains("ropewalk detach netns:blue over"), "{}", refused.err);

    // Drained, it owns nothing once nothing is attached there.
    cluster.ok("h1", "ropewalk host drain h2");
    let row = |name: &str| -> Value {
        let hosts = cluster.json("h1", "host ls");
        let all = hosts.as_array().cloned().unwrap_or_default();
        all.into_iter().find(|host| host["name"] == name).unwrap_or_default()
    };
    cluster.ok("h2", "ropewalk sync");
    assert_eq!(row("h2")["blocks"].as_array().map(Vec::len), Some(1), "blue is there");
    cluster.ok("h2", "ropewalk detach netns:blue");
    until("it is drained", || row("h2")["blocks"].as_array().is_some_and(Vec::is_empty));
    assert_eq!(cluster.ok("h2", "ropewalk network ls --json"), "[]\n");
    cluster.ok("h1", "ropewalk host drain h2 --back");
    cluster.made("over");
    cluster.ok("h2", "ropewalk attach netns:blue over");
    let figures = cluster.script(
        "h1",
        "exec 3<>/dev/tcp/127.0.0.1/9477; printf 'GET /metrics HTTP/1.1\\r\\n\\r\\n' >&3; cat <&3",
    );
    for figure in ["ropewalk_store_up 1", "ropewalk_cluster_hosts 3", "ropewalk_cluster_blocks 1"] {
        assert!(figures.contains(figure), "{figure}: {figures}");
    }

    cluster.ok("h3", "ropewalk leave");
    assert_eq!(cluster.ok("h3", "ropewalk network ls --json"), "[]\n");
    let refused = cluster.run("h3", "ropewalk cluster status");
    assert!(refused.err.contains("[cluster-none]"), "{}", refused.err);
    until("nothing leads to it", || cluster.ways("h1") == 1);

    cluster.ok("h1", "ropewalk host rm h2");
    until("it knows", || cluster.alarms("h2").iter().any(|alarm| alarm.contains("removed")));
    let hosts = cluster.json("h1", "host ls");
    assert_eq!(hosts.as_array().map(Vec::len), Some(1), "{hosts}");
    let refused = cluster.run("h2", "ropewalk join etcd://192.168.1.11 --name h2");
    assert!(refused.err.contains("[network-in-use]"), "{}", refused.err);
    cluster.ok("h2", "ropewalk detach netns:blue");
    cluster.ok("h2", "ropewalk join etcd://192.168.1.11 --name h2");
    until("it is back", || {
        let hosts = cluster.json("h1", "host ls");
        let owns = |host: &Value| host["blocks"].as_array().is_some_and(|all| all.len() == 1);
        hosts.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(owns))
    });
}

#[test]
fn what_is_broken_is_whole_again_and_networks_come_and_go() {
    let cluster = Cluster::new();
    cluster.ok("h1", "ip route add 10.77.0.0/24 via 192.168.1.13 proto static");
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    let twice = cluster.run("h2", "ropewalk cluster create over --subnet 10.5.0.0/16");
    assert!(twice.err.contains("[cluster-refused]"), "{}", twice.err);
    cluster.made("over");
    for (host, container) in CONTAINERS {
        cluster.ok(host, &format!("ropewalk attach netns:{container} over"));
    }
    cluster.reach();
    // Two blocks for three hosts: one of them says that there is none, the others have theirs.
    cluster.ok("h2", "ropewalk cluster create few --subnet 10.6.0.0/24 --block 25");
    let without =
        || HOSTS.map(|host| cluster.alarms(host).iter().any(|alarm| alarm.contains("10.6.0.0/24")));
    until("one has no block", || without().iter().filter(|one| **one).count() == 1);
    // The tunnel goes; the uplink goes and comes back (flannel 1070, calico 1158).
    cluster.ok("h1", "ip link del rwv-over");
    until("the tunnel is back", || cluster.ways("h1") >= 2);
    let address = cluster.address("h3");
    let reached =
        |from: &str| cluster.run(from, &format!("ping -c1 -W1 {address}")).status == Some(0);
    until("h1 reaches h3", || reached("h1/red"));
    cluster.ok("h2", "ip link set eth0 down");
    cluster.ok("h2", "ip link set eth0 up");
    until("h2 reaches h3", || reached("h2/blue"));
    cluster.reach();
    assert!(cluster.ok("h1", "ip route show 10.77.0.0/24").contains("192.168.1.13"));

    let networks = |host: &str| {
        let all = cluster.json(host, "network ls");
        let all = all.as_array().cloned().unwrap_or_default();
        all.iter()
            .map(|net| net["name"].as_str().unwrap_or_default().to_owned())
            .collect::<Vec<_>>()
    };
    cluster.ok("h3", "ropewalk cluster rm few");
    for host in HOSTS {
        until("it is gone where nothing is on it", || networks(host) == ["over"]);
    }
    cluster.ok("h3", "ropewalk cluster rm over");
    cluster.ok("h1", "ropewalk detach netns:red");
    until("it is gone where nothing is on it any more", || networks("h1").is_empty());
    cluster.ok("h2/blue", &format!("ping -c1 -W5 {address}"));
    cluster.ok("h2", "ropewalk detach netns:blue");
    cluster.ok("h3", "ropewalk detach netns:green");
    until("all blocks are given back", || {
        let hosts = cluster.json("h1", "host ls");
        let none = |host: &Value| host["blocks"].as_array().is_some_and(Vec::is_empty);
        hosts.as_array().is_some_and(|all| all.len() == 3 && all.iter().all(none))
    });
    for host in HOSTS {
        assert_eq!(cluster.ok(host, "ropewalk check --json"), "[]\n", "{host}");
    }
}
