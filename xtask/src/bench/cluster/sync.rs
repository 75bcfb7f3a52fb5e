//! A store full of hosts, and an agent that begins: cold, what it takes of memory, and warm.

use std::path::Path;
use std::time::Duration;

use super::Figure;
use super::ears::Ears;
use super::stage::Stage;
use crate::Fault;

/// How many hosts are in the store alone.
pub(super) const HOSTS: usize = 5000;

pub(super) fn hosts(binary: &Path) -> Result<Vec<Figure>, Fault> {
    cold(binary, "vxlan", 1, [1.0, 15.0])
}

pub(super) fn near(binary: &Path) -> Result<Vec<Figure>, Fault> {
    cold(binary, "routed", 1, [0.5, 15.0])
}

pub(super) fn routes(binary: &Path) -> Result<Vec<Figure>, Fault> {
    cold(binary, "routed", 20, [3.0, 25.0])
}

/// Those hosts with so many blocks each; aims for seconds and MB.
fn cold(binary: &Path, mode: &str, blocks: usize, aims: [f64; 2]) -> Result<Vec<Figure>, Fault> {
    let mut stage = Stage::set(binary, 1, mode)?;
    stage.store.learn()?;
    stage.store.hosts(0..HOSTS, blocks)?;
    let ears = Ears::routes(1..=1)?;
    let agent = stage.agent(1)?;
    ears.blocks(HOSTS * blocks, Duration::from_secs(120))?;
    let took = agent.follows(stage.store.revision()?)?;
    let cpu = agent.cpu()?;
    let ways = stage.net.sh("ip -n h1 route show proto 114 | wc -l");
    std::thread::sleep(Duration::from_secs(2));
    let (now, most) = agent.memory()?;
    let [seconds, megabytes] = aims;
    let mut figures = vec![
        Figure::new(format!("cold, {} routes", ways.trim()), took.as_secs_f64(), "s").aim(seconds),
        Figure::new("  CPU", cpu.as_secs_f64(), "s"),
        Figure::new("memory", now, "MB").aim(megabytes),
        Figure::new("  at most", most, "MB"),
    ];
    agent.end()?;
    let ears = Ears::everything(1)?;
    let agent = stage.agent(1)?;
    let revision = stage.store.revision()?;
    let took = agent.follows(revision)?;
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
