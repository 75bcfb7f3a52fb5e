//! Docker's swarm beside it: how soon what is attached on one host is reached from the other.
//!
//!     dockerd of h1: POST /networks/over/connect ─▶ gossip ─▶ dockerd of h2: a forwarding entry ─▶ ping from there
//!     h1: ropewalk attach ─▶ ping from h2          nothing is told: the way to its block is there
//!
//! From the moment at which the daemon, or `ropewalk`, is called.  A ping is sent once it can be answered, so
//! that nobody waits for a second try.  Containers and namespaces are there before.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::Ipv4Addr;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ropewalk_testnet::Private;
use ropewalk_testnet::engines::Engine;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::ears::{Ears, space};
use super::stage::{NETWORK, Stage, host, ip, until};
use super::{Figure, percentile};
use crate::Fault;

const ROUNDS: usize = 30;
/// How long after a round nothing happens, before the next.
const QUIET: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn run(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let own = own(binary)?;
    let docker = docker()?;
    Ok([own, docker].into_iter().flatten().collect())
}

/// Two dockerds on a LAN.
fn docker() -> Result<Vec<Figure>, Fault> {
    let net = Private::enter();
    net.sh("ip link add lan type bridge; ip link set lan up; ip addr add 10.0.0.1/16 dev lan");
    let [one, other] = [1, 2].map(|n| {
        net.sh(&host(n));
        inside(n, || Engine::docker(&Private::inherited()))
    });
    let (one, other) = (one?, other?);
    let over = swarm(&one, &other);
    let pid = other.sh("docker inspect --format '{{.State.Pid}}' there");
    let from = format!("nsenter --net=/proc/{}/ns/net", pid.trim());
    let (mut called, mut known, mut reached) = (Vec::new(), Vec::new(), Vec::new());
    let end: Ipv4Addr = ip(1).parse()?;
    for round in 0..ROUNDS {
        std::thread::sleep(QUIET);
        let address = Ipv4Addr::new(10, 9, 0, u8::try_from(100 + round)?);
        let ears = Ears::neighbours(&over)?;
        let before = Instant::now();
        let config = format!(r#"{{"IPAMConfig":{{"IPv4Address":"{address}"}}}}"#);
        ask(&one, "connect", &format!(r#"{{"Container":"here","EndpointConfig":{config}}}"#))?;
        called.push(before.elapsed());
        known.push(ears.behind(end, PATIENCE)? - before);
        ping(&from, address)?;
        reached.push(before.elapsed());
        ask(&one, "disconnect", r#"{"Container":"here"}"#)?;
    }
    Ok(vec![
        Figure::new("swarm: the call, median of 30", percentile(&mut called, 50), "ms"),
        Figure::new("swarm: known to the other host, median", percentile(&mut known, 50), "ms"),
        Figure::new("swarm: the slowest", percentile(&mut known, 100), "ms"),
        Figure::new("swarm: answers a ping from there, median", percentile(&mut reached, 50), "ms"),
    ])
}

/// Has both be a swarm with a network, which a container is on at each end, and another to come.
/// Returns the namespace that the other end keeps for the network.
fn swarm(one: &Engine, other: &Engine) -> PathBuf {
    let token = one.sh(
        "docker swarm init --advertise-addr 10.0.1.1 --default-addr-pool 172.30.0.0/16 >/dev/null
        docker swarm join-token --quiet worker
        docker network create --driver overlay --attachable --subnet 10.9.0.0/24 over >/dev/null
        docker run --detach --name here $IMAGE sleep 100000 >/dev/null
        docker run --detach --name stays --network over $IMAGE sleep 100000 >/dev/null",
    );
    let token = token.trim();
    let space = other.sh(&format!(
        "docker swarm join --advertise-addr 10.0.1.2 --token {token} 10.0.1.1:2377 >/dev/null
        docker run --detach --name there --network over $IMAGE sleep 100000 >/dev/null
        id=$(docker network inspect --format '{{{{.Id}}}}' over | cut -c -10)
        echo /proc/$(cat $DIR/pid)/root$DIR/exec/netns/1-$id"
    ));
    space.trim().into()
}

/// Two hosts with an agent each.
fn own(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let mut stage = Stage::set(binary, 2, "vxlan")?;
    let agents = [stage.agent(1)?, stage.agent(2)?];
    until("both have blocks", QUIET / 10, || Ok(stage.store.learn()? >= 2))?;
    let told = stage.store.told()?;
    for agent in &agents {
        agent.follows(told)?;
    }
    stage.net.sh("ip netns add there");
    stage.ropewalk(2, &format!("attach netns:there {NETWORK}"))?;
    let (mut called, mut reached) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        stage.net.sh(&format!("ip netns add here{round}"));
        std::thread::sleep(QUIET);
        let before = Instant::now();
        let said = stage.ropewalk(1, &format!("attach netns:here{round} {NETWORK} --json"))?;
        called.push(before.elapsed());
        ping("ip netns exec there", address(&said)?)?;
        reached.push(before.elapsed());
    }
    Ok(vec![
        Figure::new("ropewalk: the call, median of 30", percentile(&mut called, 50), "ms"),
        Figure::new(
            "ropewalk: answers a ping from the other host",
            percentile(&mut reached, 50),
            "ms",
        ),
        Figure::new("ropewalk: the slowest", percentile(&mut reached, 100), "ms"),
    ])
}

/// The first address of what was attached.
fn address(said: &str) -> Result<Ipv4Addr, Fault> {
    let said: serde_json::Value = serde_json::from_str(said)?;
    let said = said.pointer("/addresses/0").and_then(serde_json::Value::as_str);
    let net = said.ok_or("no address")?;
    Ok(net.split('/').next().unwrap_or_default().parse()?)
}

fn ping(from: &str, to: Ipv4Addr) -> Result<(), Fault> {
    let line = format!("{from} ping -q -c 1 -W 5 {to}");
    let mut words = line.split(' ');
    let mut command = Command::new(words.next().unwrap_or_default());
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    match command.status()?.success() {
        true => Ok(()),
        false => Err(format!("no answer: {line}").into()),
    }
}

/// Has a container connected or disconnected, by the engine's own API.
fn ask(engine: &Engine, verb: &str, body: &str) -> Result<(), Fault> {
    let mut stream = UnixStream::connect(engine.socket())?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head =
        format!("POST /networks/over/{verb} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
    let kind = format!("Content-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{kind}{body}").as_bytes())?;
    let mut said = String::new();
    stream.read_to_string(&mut said)?;
    match said.starts_with("HTTP/1.1 200") {
        true => Ok(()),
        false => Err(format!("{verb}: {said}").into()),
    }
}

/// Does something in the namespace of a host. What it starts is there, too.
fn inside<T>(n: usize, work: impl FnOnce() -> T) -> Result<T, Fault> {
    let here = File::open("/proc/thread-self/ns/net")?;
    let there = File::open(space(n))?;
    move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))?;
    let done = work();
    move_into_link_name_space(here.as_fd(), Some(LinkNameSpaceType::Network))?;
    Ok(done)
}
