//! A fleet: five thousand connections with a watch each, and one key that is written.
//!
//!     put ─▶ etcd ×3 ─▶ 5,000 watches, by the client that agents have       the last one hears it

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ropewalk_cluster::PREFIX;
use ropewalk_cluster::keep::etcd::{Access, Etcd};
use ropewalk_cluster::keep::{Store as _, Watch as _};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::{LocalSet, spawn_local};

use super::fill::runtime;
use super::stage::Stage;
use super::{Figure, percentile};
use crate::Fault;

const WATCHERS: usize = 5000;
const ROUNDS: usize = 15;
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) fn run(binary: &Path) -> Result<Vec<Figure>, Fault> {
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most })?;
    let mut stage = Stage::set(binary, 1, "vxlan")?;
    let (heard, hears) = mpsc::channel();
    let revision = stage.store.revision()?;
    let fleet = std::thread::Builder::new().name("fleet".into());
    // Ends with the process: the last row, or the next one's.
    let _fleet = fleet.spawn(move || watchers(revision, &heard))?;
    let began = Instant::now();
    for _ in 0..WATCHERS {
        hears.recv_timeout(PATIENCE)?;
    }
    let begun = began.elapsed();
    let mut last = Vec::new();
    for round in 0..ROUNDS {
        std::thread::sleep(Duration::from_secs(1));
        let before = Instant::now();
        stage.store.host(round, 1)?;
        let mut at = before;
        for _ in 0..WATCHERS {
            at = hears.recv_timeout(PATIENCE)?;
        }
        last.push(at - before);
    }
    Ok(vec![
        Figure::new("5,000 watchers are there after", begun.as_secs_f64(), "s"),
        Figure::new("put to the last of 5,000, median", percentile(&mut last, 50), "ms").aim(500.0),
        Figure::new("the slowest", percentile(&mut last, 99), "ms"),
    ])
}

/// Each says when it is there, and when it hears something.
fn watchers(revision: u64, heard: &mpsc::Sender<Instant>) {
    let Ok(runtime) = runtime() else { return };
    LocalSet::new().block_on(&runtime, async {
        let mut all = Vec::new();
        for n in 0..WATCHERS {
            let heard = heard.clone();
            all.push(spawn_local(async move {
                let member = n % 3 + 1;
                let Ok(address) = format!("etcd://10.0.0.{member}").parse() else { return };
                let mut etcd = Etcd::new(Access::plain(address));
                let Ok(mut watch) = etcd.watch(PREFIX, revision + 1).await else { return };
                let mut told = heard.send(Instant::now());
                while told.is_ok() && watch.next().await.is_ok() {
                    told = heard.send(Instant::now());
                }
            }));
            if n % 50 == 49 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        for one in all {
            let _ended = one.await;
        }
    });
}
