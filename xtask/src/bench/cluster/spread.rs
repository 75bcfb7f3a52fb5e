//! How soon a block that is put into the store is in kernels: of one host, and of a hundred.

use std::path::Path;
use std::time::{Duration, Instant};

use super::ears::Ears;
use super::stage::{Stage, until};
use super::{Figure, percentile};
use crate::Fault;

const HOSTS: usize = 100;
/// How long after a change nothing happens, before the next.
const QUIET: Duration = Duration::from_millis(1500);

/// One host, among others that are in the store alone.
pub(super) fn put(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let mut took = measure(binary, 1, 100)?.0;
    Ok(vec![
        Figure::new("put to kernel, median of 100", percentile(&mut took, 50), "ms").aim(5.0),
        Figure::new("put to kernel, 99 of 100", percentile(&mut took, 98), "ms"),
    ])
}

/// All of a hundred.
pub(super) fn all(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let (mut last, mut each, begun) = measure(binary, HOSTS, 60)?;
    Ok(vec![
        Figure::new("100 hosts that begin at once know each other", begun.as_secs_f64(), "s"),
        Figure::new("to the last of 100, median of 60", percentile(&mut last, 50), "ms").aim(50.0),
        Figure::new("to the last of 100, 99 %", percentile(&mut last, 99), "ms").aim(250.0),
        Figure::new("to any one of them, median", percentile(&mut each, 50), "ms"),
    ])
}

type Times = (Vec<Duration>, Vec<Duration>, Duration);

fn measure(binary: &Path, hosts: usize, rounds: usize) -> Result<Times, Fault> {
    let mut stage = Stage::set(binary, hosts, "vxlan")?;
    let began = Instant::now();
    let agents = (1..=hosts).map(|n| stage.agent(n)).collect::<Result<Vec<_>, _>>()?;
    until("all have blocks", QUIET / 10, || Ok(stage.store.learn()? >= hosts))?;
    let told = stage.store.told()?;
    for agent in &agents {
        agent.follows(told)?;
    }
    let begun = began.elapsed();
    std::thread::sleep(QUIET);
    let ears = Ears::routes(1..=hosts)?;
    let (mut last, mut each) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let before = Instant::now();
        let (net, revision) = stage.store.host(round, 1)?;
        let there = ears.until(net, Duration::from_secs(60))?;
        let took = there.iter().map(|at| *at - before);
        last.extend(took.clone().max());
        each.extend(took);
        for agent in &agents {
            agent.follows(revision)?;
        }
        std::thread::sleep(QUIET);
    }
    Ok((last, each, begun))
}
