//! Three hosts of a lab, an etcd and an agent on each: containers reach each other whatever goes.
#![expect(clippy::disallowed_methods, reason = "waits for other processes")]
#![expect(clippy::print_stderr, reason = "a test that fails shows what the agents said")]

mod alone;
mod faults;
mod matrix;
mod oracle;
mod tutorial;

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
/// Asks a member by its gateway for JSON.
const ASK: &str = r#"ask() {
    exec 3<>/dev/tcp/192.168.1.12/2379
    printf 'POST %s HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s' "$1" ${#2} "$2" >&3
    cat <&3; exec 3>&-
}
"#;
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

    /// A store of one member begins on h1, which is 192.168.1.11, and these become members with an agent.
    pub(crate) fn joined(&mut self, hosts: &[&str]) {
        let (client, peer) = ("http://192.168.1.11:2379", "http://192.168.1.11:2380");
        let line = format!(
            "etcd --name e1 --data-dir /run/etcd --listen-client-urls {client} \
             --advertise-client-urls {client} --listen-peer-urls {peer} \
             --initial-advertise-peer-urls {peer} --initial-cluster e1={peer} --log-level error"
        );
        self.stores.push(Running::on("h1", &line));
        for host in hosts {
            let join = format!("ropewalk join etcd://192.168.1.11 --name {host}");
            until("it joins", || self.run(host, &join).status == Some(0));
        }
        self.agents = hosts.iter().map(|host| Running::on(host, "ropewalk agent")).collect();
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
    pub(crate) fn script(&self, place: &str, text: &str) -> String {
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
        let container = CONTAINERS.iter().find(|(on, _)| *on == host).map(|(_, name)| *name);
        let container = format!("netns:{}", container.expect("a host of the lab"));
        let rows = self.json(host, "ps");
        let rows = rows.as_array().expect("rows");
        let row = rows.iter().find(|row| row["sandbox"] == *container).expect("its container");
        let address = row["addresses"][0].as_str().expect("an address");
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

    /// What the first host knows of a host.
    fn host_row(&self, name: &str) -> Value {
        let all = self.json("h1", "host ls").as_array().cloned().unwrap_or_default();
        all.into_iter().find(|host| host["name"] == name).unwrap_or_default()
    }

    /// Whether these words are in the memory of a host's agent: quicker than to ask the store.
    fn remembers(&self, host: &str, words: &str) -> bool {
        self.ok(host, "cat /run/ropewalk/cluster.json").contains(words)
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
    let mut cluster = Cluster::new();
    let refused = cluster.run("h1", "ropewalk join etcd://192.168.1.11");
    assert!(refused.err.contains("is a member already"), "{}", refused.err);
    cluster.ok("h1", "ropewalk cluster create over --subnet 10.5.0.0/16");
    cluster.made("over");
    cluster.ok("h2", "ropewalk attach netns:blue over --publish 8080:80");
    let refused = cluster.run("h2", "ropewalk leave");
    assert!(refused.err.contains("ropewalk detach netns:blue over"), "{}", refused.err);

    // The others are told of it; where somebody takes that away, it is told again.
    let of_blue = |cluster: &Cluster| cluster.json("h1", "cluster ps over")[0]["name"] == "blue";
    until("it is told", || of_blue(&cluster));
    let row = cluster.json("h1", "cluster ps over")[0].clone();
    let own = cluster.json("h2", "ps")[0].clone();
    assert_eq!(
        (&row["host"], &row["id"], &row["mac"], &row["published"]),
        (&"h2".into(), &own["sandbox"], &own["mac"], &own["published"]),
        "{row}"
    );
    let all = r#"{"key":"L3JvcGV3YWxrL2VwLw==","range_end":"L3JvcGV3YWxrL2VwMA=="}"#;
    cluster.script("h2", &format!("{ASK} ask /v3/kv/deleterange '{all}' | grep -q ' 200 '"));
    assert!(!of_blue(&cluster), "nobody has looked yet");
    cluster.ok("h2", "ropewalk sync");
    until("it is told again", || of_blue(&cluster));

    // A host of which nothing is heard is down, and the ways to it stay.
    let up = |cluster: &Cluster, name: &str| cluster.host_row(name)["up"] == true;
    until("all are up", || HOSTS.iter().all(|host| up(&cluster, host)));
    cluster.agents[2].kill();
    let revoke = r#"ask /v3/lease/leases '{}' | tr '{}' '\n\n' | sed -n 's/^"ID":"\([0-9]*\)"$/\1/p' >/run/leases
        while read id; do ask /v3/lease/revoke "{\"ID\":\"$id\"}"; done </run/leases"#;
    cluster.script("h2", &format!("{ASK} {revoke}"));
    assert!(!up(&cluster, "h3"), "{}", cluster.ok("h2", "cat /run/leases"));
    until("the others say that they are up", || up(&cluster, "h1") && up(&cluster, "h2"));
    assert!(!up(&cluster, "h3") && cluster.ways("h1") == 2);
    cluster.agents[2] = agent("h3");

    // Drained, it owns nothing once nothing is attached there.
    cluster.ok("h1", "ropewalk host drain h2");
    cluster.ok("h2", "ropewalk sync");
    assert_eq!(cluster.host_row("h2")["blocks"].as_array().map(Vec::len), Some(1), "blue is there");
    cluster.ok("h2", "ropewalk detach netns:blue");
    until("it is told that it is gone", || {
        cluster.ok("h1", "ropewalk cluster ps --json") == "[]\n"
    });
    until("it is drained", || {
        cluster.host_row("h2")["blocks"].as_array().is_some_and(Vec::is_empty)
    });
    assert_eq!(cluster.ok("h2", "ropewalk network ls --json"), "[]\n");
    cluster.ok("h1", "ropewalk host drain h2 --back");
    cluster.made("over");
    cluster.ok("h2", "ropewalk attach netns:blue over --publish 8080:80");
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
    // Nothing of it is reached any more, not even from the host itself, and no port leads there.
    let blue = cluster.address("h2");
    let reached = |from: &str| cluster.run(from, &format!("ping -c1 -W1 {blue}")).status == Some(0);
    let published = |cluster: &Cluster| {
        cluster.ok("h2", "nft list map inet ropewalk publish4").contains("elements")
    };
    until("blue is fenced", || cluster.json("h2", "ps")[0]["state"] == "fenced");
    assert!(!reached("h2") && !published(&cluster));
    let refused = cluster.run("h2", "ropewalk attach new:more over");
    assert!(refused.err.contains("[pool-exhausted]"), "{}", refused.err);
    assert!(refused.err.contains("was removed from the cluster"), "{}", refused.err);
    // Nobody had its block meanwhile.
    cluster.ok("h2", "ropewalk join etcd://192.168.1.11 --name h2");
    until("it is back", || {
        let hosts = cluster.json("h1", "host ls");
        let owns = |host: &Value| host["blocks"].as_array().is_some_and(|all| all.len() == 1);
        hosts.as_array().is_some_and(|all| all.len() == 2 && all.iter().all(owns))
    });
    until("blue is reached again", || reached("h1") && reached("h2") && published(&cluster));
    assert_eq!(cluster.address("h2"), blue);
    until("nothing is amiss", || cluster.ok("h2", "ropewalk check --json") == "[]\n");
    cluster.ok("h2", "ropewalk attach new:more over");
}

/// What answers at that port of a host, asked from somewhere.
fn answer(cluster: &Cluster, from: &str, at: &str) -> String {
    let ask = format!("timeout 2 bash -c \"exec 3<>/dev/tcp/{at}; cat <&3\"");
    cluster.run(from, &ask).out.trim().to_owned()
}

/// A port that is published on every host leads to the one sandbox from each of them.
fn published_everywhere(cluster: &Cluster) {
    let serve = "sh -c \"while :; do echo it is blue | nc -l -N 80; done\"";
    let _server = Running::on("h2/blue", serve);
    cluster.ok("h3", "ropewalk publish netns:green 9090:81");
    cluster.ok("h2", "ropewalk publish netns:blue 8080:80 9090:80 --everywhere");
    // From another host, from the host itself, from a sandbox of the network.
    for (from, at) in [
        ("h1", "192.168.1.13/8080"),
        ("h3", "192.168.1.13/8080"),
        ("h3/green", "192.168.1.13/8080"),
        ("h3", "192.168.1.11/8080"),
        ("h1", "192.168.1.12/8080"),
        ("h3", "192.168.1.11/9090"),
    ] {
        until(&format!("{from} is answered at {at}"), || answer(cluster, from, at) == "it is blue");
    }
    // What is published there already stays; it is said, and over when it goes.
    let said = |host: &str| cluster.remembers(host, "it is published for netns:green");
    until("h3 says that the port is taken", || said("h3"));
    cluster.ok("h3", "ropewalk unpublish netns:green 9090:81");
    until("it leads there", || answer(cluster, "h1", "192.168.1.13/9090") == "it is blue");
    until("h3 is content", || !said("h3"));
    // What leads away is nobody else's.
    let taken = cluster.run("h1", "ropewalk publish netns:red 8080:80");
    assert!(taken.err.contains("of network over, on another host"), "{}", taken.err);
    let taken = cluster.run("h1", "ropewalk publish netns:red 8080:80 --everywhere");
    assert!(taken.err.contains("it leads to blue on h2"), "{}", taken.err);
    cluster.ok("h2", "ropewalk unpublish netns:blue 8080:80 9090:80");
    for host in HOSTS {
        until(&format!("{host} leads nothing there any more"), || {
            !cluster.ok(host, "nft list map inet ropewalk publish4").contains("elements")
        });
    }
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
    published_everywhere(&cluster);
    // A network on the host's own ways is not made there; the others have it.
    let on_own =
        cluster.run("h1", "ropewalk cluster create clash --subnet 10.77.0.0/24 --block 26");
    assert!(on_own.err.contains("[subnet-routed]"), "{on_own:?}");
    cluster.ok("h2", "ropewalk cluster create clash --subnet 10.77.0.0/24 --block 26");
    let words = "the host already routes 10.77.0.0/24";
    let clash = || cluster.remembers("h1", words);
    until("h1 says why not", clash);
    assert!(cluster.ok("h1", "ropewalk cluster status").contains(words));
    until("h3 has it", || cluster.ok("h3", "ropewalk network ls").contains("clash"));
    cluster.ok("h2", "ropewalk cluster rm clash");
    until("h1 is content", || !clash());
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
