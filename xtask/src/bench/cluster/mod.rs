//! `cargo xtask bench cluster [--with BINARY] [ROW…]`: how soon, and for how much, hosts of a cluster follow
//! their store.
//!
//!     etcd ×3 ── lan ── h1 … h100: a namespace and an agent each         thousands more in the store alone
//!
//! Each row has namespaces of its own, which go with it.  Whole processes; CPU is that of the agent.
//! See docs/reference/bench.md.

mod agent;
mod bird;
mod ears;
mod fill;
mod fleet;
mod spread;
mod stage;
mod steady;
mod swarm;
mod sync;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Fault;

const USAGE: &str = "usage: cargo xtask bench cluster [--with BINARY] [ROW…]; rows:";

/// A row of the table: a scene that gives some figures.
struct Row {
    name: &'static str,
    about: &'static str,
    run: fn(&Path) -> Result<Vec<Figure>, Fault>,
}

const ROWS: &[Row] = &[
    Row { name: "put", about: "from the store to one kernel", run: spread::put },
    Row { name: "spread", about: "from the store to all of 100 kernels", run: spread::all },
    Row { name: "hosts", about: "5,000 hosts, by tunnel: cold, memory", run: sync::hosts },
    Row { name: "near", about: "5,000 hosts on the LAN: cold, memory", run: sync::near },
    Row { name: "routes", about: "100,000 routes: cold, memory, warm restart", run: sync::routes },
    Row {
        name: "exceptions",
        about: "100,000 addresses outside their hosts' blocks: cold, memory, warm restart",
        run: sync::exceptions,
    },
    Row { name: "churn", about: "2,000 changes a second", run: steady::churn },
    Row { name: "idle", about: "nothing happens for two minutes", run: steady::idle },
    Row { name: "flap", about: "the uplink goes and comes", run: steady::flap },
    Row { name: "away", about: "the store is away", run: steady::away },
    Row { name: "fleet", about: "5,000 watchers of one key", run: fleet::run },
    Row {
        name: "bird",
        about: "BIRD beside it, by BGP: from one kernel to others",
        run: bird::run,
    },
    Row {
        name: "swarm",
        about: "Docker's swarm beside it: from an address on one host to its way on the other",
        run: swarm::run,
    },
];

/// What was found, and what is aimed at.
struct Figure {
    what: String,
    found: f64,
    unit: &'static str,
    aim: Option<f64>,
}

impl Figure {
    fn new(what: impl Into<String>, found: f64, unit: &'static str) -> Self {
        Self { what: what.into(), found, unit, aim: None }
    }

    /// At most that.
    fn aim(self, aim: f64) -> Self {
        Self { aim: Some(aim), ..self }
    }

    fn print(&self) {
        let Self { what, found, unit, aim } = self;
        let found = format!("{found:.1} {unit}");
        match aim {
            None => println!("  {what:<52} {found:>14}"),
            Some(most) => {
                let met = if self.found <= *most { "met" } else { "MISSED" };
                println!("  {what:<52} {found:>14}   aim {most} {unit}: {met}");
            }
        }
    }
}

/// Measures, and prints the figures. An aim that is missed is no failure.
///
/// # Errors
/// When something could not be built or run.
pub(super) fn run(words: &[&str]) -> Result<(), Fault> {
    let (binary, rows) = wish(words)?;
    let binary = match binary {
        Some(path) => path,
        None => super::build()?.join("ropewalk"),
    };
    let load = std::fs::read_to_string("/proc/loadavg")?;
    println!("load of the machine as it begins: {}", load.trim());
    for row in rows {
        println!("{}: {}", row.name, row.about);
        // What the thread enters goes when it ends.
        let binary = binary.clone();
        let work = std::thread::spawn(move || (row.run)(&binary).map_err(|e| e.to_string()));
        match work.join() {
            Ok(Ok(figures)) => figures.iter().for_each(Figure::print),
            Ok(Err(why)) => println!("  could not be measured: {why}"),
            Err(_) => println!("  could not be measured"),
        }
    }
    Ok(())
}

fn wish(words: &[&str]) -> Result<(Option<PathBuf>, Vec<&'static Row>), Fault> {
    let (binary, names) = match words {
        ["--with", path, names @ ..] => (Some(std::fs::canonicalize(path)?), names),
        names => (None, names),
    };
    let row = |name: &&str| {
        ROWS.iter().find(|row| row.name == *name).ok_or_else(|| {
            let names: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
            format!("{USAGE} {}", names.join(" "))
        })
    };
    let rows = match names {
        [] => ROWS.iter().collect(),
        names => names.iter().map(row).collect::<Result<_, _>>()?,
    };
    Ok((binary, rows))
}

/// The one of which so many of a hundred are not longer.
fn percentile(all: &mut [Duration], of: usize) -> f64 {
    all.sort_unstable();
    let last = all.len().saturating_sub(1);
    let at = (all.len() * of / 100).min(last);
    all.get(at).map_or(f64::NAN, |took| took.as_secs_f64() * 1000.0)
}
