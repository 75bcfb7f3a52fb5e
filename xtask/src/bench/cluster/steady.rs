//! An agent at work: many changes, none, an uplink that flaps, a store that is away.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::Figure;
use super::agent::Agent;
use super::stage::{NETWORK, Running, Stage, until};
use super::sync::HOSTS;
use crate::Fault;

/// How many changes a second, for how many seconds, and how many a transaction.
const RATE: u32 = 2000;
const SECONDS: u32 = 10;
const TOGETHER: usize = 20;

fn full(binary: &Path, mode: &str, hosts: usize) -> Result<(Stage, Agent), Fault> {
    let mut stage = Stage::set(binary, 1, mode)?;
    stage.store.learn()?;
    let revision = stage.store.hosts(0..hosts, 1)?;
    let agent = stage.agent(1)?;
    agent.follows(revision)?;
    std::thread::sleep(Duration::from_secs(3));
    Ok((stage, agent))
}

/// Blocks move from host to host.
pub(super) fn churn(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let (mut stage, agent) = full(binary, "routed", HOSTS)?;
    let mut blocks = Vec::new();
    for n in 0..500 {
        blocks.push(stage.store.host(n, 1)?.0);
    }
    agent.follows(stage.store.told()?)?;
    std::thread::sleep(Duration::from_secs(2));
    let (before, began) = (agent.cpu()?, Instant::now());
    let total = RATE * SECONDS;
    let (mut sent, mut revision) = (0, 0);
    while sent < total {
        let some = (0..TOGETHER).map(|k| {
            let at = usize::try_from(sent).unwrap_or_default() + k;
            let net = blocks.get(at % blocks.len()).copied().unwrap_or_default();
            (net, (at / blocks.len() + at) % HOSTS)
        });
        revision = stage.store.give_all(&some.collect::<Vec<_>>())?;
        sent += u32::try_from(TOGETHER)?;
        let due = Duration::from_secs(1) * sent / RATE;
        std::thread::sleep(due.saturating_sub(began.elapsed()));
    }
    let (took, cpu) = (began.elapsed(), agent.cpu()? - before);
    let ended = Instant::now();
    agent.follows(revision)?;
    let share = 100.0 * cpu.as_secs_f64() / took.as_secs_f64();
    Ok(vec![
        Figure::new("changes a second", f64::from(total) / took.as_secs_f64(), "/s"),
        Figure::new("CPU, of a core", share, "%").aim(15.0),
        Figure::new("the last is there after", ended.elapsed().as_secs_f64(), "s"),
        Figure::new("memory", agent.memory()?.0, "MB"),
    ])
}

/// Nothing happens; a look at everything each minute does.
pub(super) fn idle(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let (_stage, agent) = full(binary, "routed", HOSTS)?;
    std::thread::sleep(Duration::from_secs(10));
    let (before, began) = (agent.cpu()?, Instant::now());
    std::thread::sleep(Duration::from_secs(120));
    let share = 100.0 * (agent.cpu()? - before).as_secs_f64() / began.elapsed().as_secs_f64();
    Ok(vec![
        Figure::new("CPU at 5,000 hosts, of a core", share, "%").aim(0.2),
        Figure::new("memory", agent.memory()?.0, "MB").aim(15.0),
    ])
}

/// The kernel takes all routes along, and says nothing.
pub(super) fn flap(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let mut figures = Vec::new();
    for hosts in [100, HOSTS] {
        let (stage, agent) = full(binary, "routed", hosts)?;
        let count = || stage.net.sh("ip -n h1 route show proto 114 | wc -l");
        let before = count();
        stage.net.sh("ip -n h1 link set eth0 down; ip -n h1 link set eth0 up
            ip -n h1 route add default via 10.0.0.1");
        let took =
            until("the routes are back", Duration::from_millis(20), || Ok(count() == before))?;
        let what = format!("{hosts} routes are back after");
        figures.push(Figure::new(what, took.as_secs_f64(), "s").aim(1.0));
        agent.end()?;
        drop(stage);
    }
    Ok(figures)
}

/// Two sandboxes ping each other while the store is away, and a third one comes.
pub(super) fn away(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let mut stage = Stage::set(binary, 2, "vxlan")?;
    let agents = [stage.agent(1)?, stage.agent(2)?];
    until("both have blocks", Duration::from_millis(50), || Ok(stage.store.learn()? >= 2))?;
    let told = stage.store.told()?;
    for agent in &agents {
        agent.follows(told)?;
    }
    // A name that a host's own mounts have alone cannot be entered from here.
    stage.net.sh("ip netns add c1; ip netns add c2; ip netns add more");
    for n in 1..3 {
        stage.ropewalk(n, &format!("attach netns:c{n} {NETWORK}"))?;
    }
    let to = stage.net.sh("ip -n c2 -4 -o addr show dev eth0 | awk '{print $4}' | cut -d/ -f1");
    let ping = std::process::Command::new("ip")
        .args(["netns", "exec", "c1", "ping", "-q", "-i", "0.01", "-W", "5", to.trim()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut ping = Running(ping);
    std::thread::sleep(Duration::from_secs(2));
    stage.end_stores();
    std::thread::sleep(Duration::from_secs(15));
    let began = Instant::now();
    stage.ropewalk(1, &format!("attach netns:more {NETWORK}"))?;
    let attach = began.elapsed();
    stage.ropewalk(1, &format!("detach netns:more {NETWORK}"))?;
    std::thread::sleep(Duration::from_secs(15));
    stage.begin_stores()?;
    let began = Instant::now();
    let revision = stage.store.host(0, 1)?.1;
    for agent in &agents {
        agent.follows(revision)?;
    }
    let caught = began.elapsed();
    let pid = rustix::process::Pid::from_child(&ping.0);
    rustix::process::kill_process(pid, rustix::process::Signal::INT)?;
    let mut said = String::new();
    if let Some(mut out) = ping.0.stdout.take() {
        std::io::Read::read_to_string(&mut out, &mut said)?;
    }
    let line = said.lines().find(|line| line.contains("transmitted")).ok_or("no summary")?;
    let numbers: Vec<u32> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [sent, answered, ..] = numbers.as_slice() else { return Err(line.into()) };
    // One may be on its way.
    let lost = (sent - answered).saturating_sub(1);
    Ok(vec![
        Figure::new(format!("pings lost, of {sent}"), f64::from(lost), "").aim(0.0),
        Figure::new("attach with the store away", attach.as_secs_f64() * 1000.0, "ms"),
        Figure::new("caught up, once it is back, after", caught.as_secs_f64(), "s").aim(5.0),
    ])
}
