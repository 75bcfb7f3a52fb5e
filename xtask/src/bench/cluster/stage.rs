//! Hosts and a store: namespaces on one bridge, three members of etcd beside it.
//!
//!     e1 10.0.0.1  e2 10.0.0.2  e3 10.0.0.3 ── lan ── h1 10.0.1.1, h2 10.0.1.2 …
//!
//! All of it is in the calling thread's own namespaces; what was started is killed with the stage.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ropewalk_testnet::Private;

use super::agent::Agent;
use super::fill::Store;
use crate::Fault;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(240);
/// The network of the benchmark.
pub(super) const NETWORK: &str = "over";

/// A process that goes with its owner.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _ended = self.0.wait();
    }
}

/// The hosts, and their store.
pub(super) struct Stage {
    pub(super) net: Private,
    pub(super) store: Store,
    members: Vec<Running>,
    folder: Folder,
    binary: PathBuf,
}

/// Where those of a stage keep what they know.
pub(super) struct Folder(pub(super) PathBuf);

impl Folder {
    pub(super) fn new(name: &str) -> Result<Self, Fault> {
        let folder = Self(format!("/dev/shm/rw-bench-{name}-{}", std::process::id()).into());
        std::fs::create_dir_all(&folder.0)?;
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = std::fs::remove_dir_all(&self.0);
    }
}

impl Stage {
    /// So many hosts, which are members, and a network of the cluster, of this mode.
    pub(super) fn set(binary: &Path, hosts: usize, mode: &str) -> Result<Self, Fault> {
        let net = Private::enter();
        let folder = Folder::new("etcd")?;
        net.sh("ip link add lan type bridge; ip link set lan up
            for n in 1 2 3; do ip addr add 10.0.0.$n/16 dev lan; done");
        let store = Store::new("etcd://10.0.0.1,10.0.0.2,10.0.0.3")?;
        let members = Vec::new();
        let mut stage = Self { net, store, members, folder, binary: binary.to_owned() };
        stage.begin_stores()?;
        for n in 1..=hosts {
            stage.net.sh(&host(n));
            stage.ropewalk(
                n,
                &format!("join etcd://10.0.0.1,10.0.0.2 --name h{n} --address {}", ip(n)),
            )?;
        }
        let pool = "--subnet 10.128.0.0/9 --block 28";
        stage.ropewalk(1, &format!("cluster create {NETWORK} --mode {mode} {pool}"))?;
        Ok(stage)
    }

    /// Starts the members, which go on with what they knew, and waits until they answer.
    pub(super) fn begin_stores(&mut self) -> Result<(), Fault> {
        self.members = (1..4).map(|n| self.member(n)).collect::<Result<_, _>>()?;
        let begun = Instant::now();
        while self.store.revision().is_err() {
            late(begun, "the store answers")?;
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    pub(super) fn end_stores(&mut self) {
        self.members.clear();
    }

    /// The agent of a host.
    pub(super) fn agent(&self, n: usize) -> Result<Agent, Fault> {
        let child = self.command(n, "agent --json").stdout(Stdio::null()).spawn()?;
        Ok(Agent::new(Running(child), state(n)))
    }

    /// Runs a command of ropewalk's on a host, and returns what it prints.
    pub(super) fn ropewalk(&self, n: usize, line: &str) -> Result<String, Fault> {
        let output = self.command(n, line).stdout(Stdio::piped()).output()?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => {
                Err(format!("h{n}: {line}: {}", String::from_utf8_lossy(&output.stderr)).into())
            }
        }
    }

    fn command(&self, n: usize, line: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &format!("h{n}")]).arg(&self.binary);
        command.args(line.split_whitespace()).env("ROPEWALK_STATE", state(n));
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        if line.starts_with("agent") {
            command.stderr(Stdio::null());
        }
        command
    }

    fn member(&self, n: u8) -> Result<Running, Fault> {
        let peer = |n: u8| format!("http://10.0.0.{n}:2380");
        let all: Vec<String> = (1..4).map(|n| format!("e{n}={}", peer(n))).collect();
        let client = format!("http://10.0.0.{n}:2379");
        let mut command = Command::new("etcd");
        command
            .args(["--name", &format!("e{n}"), "--data-dir"])
            .arg(self.folder.0.join(format!("e{n}")));
        command.args(["--listen-client-urls", &client, "--advertise-client-urls", &client]);
        command.args(["--listen-peer-urls", &peer(n), "--initial-advertise-peer-urls", &peer(n)]);
        command.args(["--initial-cluster", &all.join(","), "--log-level", "error"]);
        // Beside other work, a heartbeat comes late.
        command.args(["--heartbeat-interval", "250", "--election-timeout", "2500"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Running(command.spawn()?))
    }
}

/// The state folder of a host.
fn state(n: usize) -> PathBuf {
    PathBuf::from(format!("/run/ropewalk/h{n}"))
}

/// The address of a host with an agent.
pub(super) fn ip(n: usize) -> String {
    format!("10.0.1.{n}")
}

/// What makes a host, its address with it.
pub(super) fn host(n: usize) -> String {
    format!(
        "ip netns add h{n}; ip link add l{n} type veth peer name eth0 netns h{n}
        ip link set l{n} master lan up; ip -n h{n} link set lo up; ip -n h{n} link set eth0 up
        ip -n h{n} addr add {}/16 dev eth0; ip -n h{n} route add default via 10.0.0.1",
        ip(n)
    )
}

/// Waits until it is so, looking every so often.
pub(super) fn until(
    what: &str,
    every: Duration,
    mut so: impl FnMut() -> Result<bool, Fault>,
) -> Result<Duration, Fault> {
    let begun = Instant::now();
    while !so()? {
        late(begun, what)?;
        std::thread::sleep(every);
    }
    Ok(begun.elapsed())
}

fn late(begun: Instant, what: &str) -> Result<(), Fault> {
    match begun.elapsed() < PATIENCE {
        true => Ok(()),
        false => Err(format!("never in {} s: {what}", PATIENCE.as_secs()).into()),
    }
}
