//! A store full of hosts, and an agent that begins: cold, what it takes of memory, and warm.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ears::Ears;
use super::fill::single;
use super::stage::Stage;
use super::{Figure, percentile};
use crate::Fault;

/// How many hosts are in the store alone.
pub(super) const HOSTS: usize = 5000;
/// How many single addresses come one by one, and how long nothing happens between two.
const MORE: usize = 20;
const QUIET: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(120);

/// What those hosts have, each of them, and what is aimed at.
struct Load {
    mode: &'static str,
    blocks: usize,
    /// Single addresses outside its blocks.
    singles: usize,
    seconds: f64,
    megabytes: f64,
}

pub(super) fn hosts(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let load = Load { mode: "vxlan", blocks: 1, singles: 0, seconds: 1.0, megabytes: 15.0 };
    measure(binary, &load)
}

pub(super) fn near(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let load = Load { mode: "routed", blocks: 1, singles: 0, seconds: 0.5, megabytes: 15.0 };
    measure(binary, &load)
}

pub(super) fn routes(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let load = Load { mode: "routed", blocks: 20, singles: 0, seconds: 3.0, megabytes: 25.0 };
    measure(binary, &load)
}

pub(super) fn exceptions(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let load = Load { mode: "routed", blocks: 1, singles: 20, seconds: 3.0, megabytes: 25.0 };
    measure(binary, &load)
}

fn measure(binary: &Path, load: &Load) -> Result<Vec<Figure>, Fault> {
    let mut stage = Stage::set(binary, 1, load.mode)?;
    let mut figures = cold(&mut stage, load)?;
    // A revision that it has not followed before, and that changes nothing.
    let told = stage.store.hosts(0..1, 0)?;
    let ears = Ears::everything(1)?;
    let agent = stage.agent(1)?;
    let took = agent.follows(told)?;
    let cpu = agent.cpu()?;
    std::thread::sleep(Duration::from_secs(3));
    figures.extend([
        Figure::new("warm restart", took.as_secs_f64(), "s").aim(1.5),
        Figure::new("  CPU", cpu.as_secs_f64(), "s"),
        Figure::new("  memory at most", agent.memory()?.1, "MB"),
        Figure::new("  changes of the kernel", f64::from(u32::try_from(ears.count())?), "")
            .aim(0.0),
    ]);
    Ok(figures)
}

/// The agent begins with nothing, and is ended again.
fn cold(stage: &mut Stage, load: &Load) -> Result<Vec<Figure>, Fault> {
    stage.store.learn()?;
    stage.store.hosts(0..HOSTS, load.blocks)?;
    stage.store.singles(HOSTS, load.singles)?;
    let ears = Ears::routes(1..=1)?;
    let agent = stage.agent(1)?;
    match load.singles {
        0 => ears.ways(28, HOSTS * load.blocks, PATIENCE)?,
        each => ears.ways(32, HOSTS * each, PATIENCE)?,
    }
    let took = agent.age();
    agent.follows(stage.store.told()?)?;
    let cpu = agent.cpu()?;
    let ways = stage.net.sh("ip -n h1 route show proto 114 | wc -l");
    std::thread::sleep(Duration::from_secs(2));
    let (now, most) = agent.memory()?;
    let what = format!("cold, {} routes", ways.trim());
    let mut figures = vec![
        Figure::new(what, took.as_secs_f64(), "s").aim(load.seconds),
        Figure::new("  CPU", cpu.as_secs_f64(), "s"),
        Figure::new("memory", now, "MB").aim(load.megabytes),
        Figure::new("  at most", most, "MB"),
    ];
    if load.singles > 0 {
        figures.push(one_more(stage, HOSTS * load.singles)?);
    }
    agent.end()?;
    Ok(figures)
}

/// How soon one more address is in the kernel, where there are so many.
fn one_more(stage: &mut Stage, there: usize) -> Result<Figure, Fault> {
    let ears = Ears::routes(1..=1)?;
    let mut took = Vec::new();
    for n in 0..MORE {
        std::thread::sleep(QUIET);
        let (before, net) = (Instant::now(), single(there + n)?);
        stage.store.give(net, n)?;
        took.extend(ears.until(net, PATIENCE)?.iter().map(|at| *at - before));
    }
    let what = format!("one more, put to kernel, median of {MORE}");
    Ok(Figure::new(what, percentile(&mut took, 50), "ms").aim(5.0))
}
