//! What the agent does on its host for the cluster, each by an engine of its own: networks made, removed, looked for.
//!
//! Never here: when (`cluster`).

use std::collections::BTreeSet;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ropewalk_cluster::{Held, Memory, Site, Wish};
use ropewalk_engine::{Code, Engine, Fault, Fenced, Paths};
use ropewalk_spec::NetworkName;
use rustix::time::{ClockId, clock_gettime};

/// Milliseconds.
pub(crate) fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The host's part in the cluster, unless somebody has just taken it out.
pub(crate) fn held(site: &Site, paths: &Paths, faults: &mut BTreeSet<String>) -> Option<Held> {
    match site.hold(&paths.config, &paths.state) {
        Ok(held) => held,
        Err(unusable) => {
            faults.insert(unusable.to_string());
            None
        }
    }
}

/// What fits through the link by which the other hosts reach this one, if it is there.
pub(crate) fn uplink(paths: &Paths, memory: &Memory) -> Option<u32> {
    let ip = memory.journal.me.addresses.first()?;
    Engine::open(paths).ok()?.reached_at(*ip).ok()??.mtu
}

/// Makes a network, or gives it the peers that it shall have.
pub(crate) fn make(
    paths: &Paths,
    name: &NetworkName,
    wish: &Wish,
    before: Option<&Wish>,
) -> Result<(), Fault> {
    let network = wish.network(name).map_err(|error| {
        Fault::new(Code::BadInput, format!("network {name} of the cluster cannot be: {error}"))
    })?;
    let mut engine = Engine::open(paths)?;
    // Blocks come and go while it is there, unless none stays; of a LAN all that is made stays.
    let stays = |before: &Wish| before.own.iter().any(|block| wish.own.contains(block));
    if before.is_some_and(|before| !wish.of_lan() && !stays(before)) {
        match engine.remove_network(name) {
            Ok(_) => {}
            Err(fault) if fault.code == Code::NetworkUnknown => {}
            Err(fault) if fault.code == Code::NetworkInUse => {
                let what = "it has none of its former blocks here, and gets others once nothing is attached";
                return Err(Fault::new(fault.code, what).doing(format!("network {name}")));
            }
            Err(fault) => return Err(fault),
        }
    }
    engine.follow_network(&network)
}

/// Who the other hosts are of networks that were made stands beside their definitions.
pub(crate) fn remember_peers(paths: &Paths, memory: &mut Memory) {
    let Ok(engine) = Engine::open(paths) else { return };
    for (name, wish) in &mut memory.made {
        let Ok(Some(mut network)) = engine.made_network(name) else { continue };
        let peers = network.mode.ways_mut().map(|ways| std::mem::take(&mut ways.peers));
        wish.peers = Arc::new(peers.unwrap_or_default());
    }
}

/// Removes a network; one that is not there is removed.
pub(crate) fn unmake(paths: &Paths, name: &NetworkName) -> Result<(), Fault> {
    match Engine::open(paths)?.remove_network(name) {
        Ok(_) => Ok(()),
        Err(fault) if fault.code == Code::NetworkUnknown => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// How many sandboxes are on a network; on one that is not there is none.
pub(crate) fn crowd(paths: &Paths, name: &NetworkName) -> Result<usize, Fault> {
    Engine::open(paths)?.count_on(name)
}

/// Leases nothing of a network any more, and answers for nothing that is attached to it.
pub(crate) fn fence(paths: &Paths, name: &NetworkName) -> Result<Vec<Fenced>, Fault> {
    Engine::open(paths)?.fence(name)
}

/// Answers again for what is `ours`. Returns what is not.
pub(crate) fn lift(
    paths: &Paths,
    name: &NetworkName,
    ours: &dyn Fn(IpAddr) -> bool,
) -> Result<Vec<Fenced>, Fault> {
    Engine::open(paths)?.lift_fence(name, ours)
}

/// Whether there is a network of this name on the host.
pub(crate) fn there(paths: &Paths, name: &NetworkName) -> Result<bool, Fault> {
    match Engine::open(paths)?.rows_on(name) {
        Ok(_) => Ok(true),
        Err(fault) if fault.code == Code::NetworkUnknown => Ok(false),
        Err(fault) => Err(fault),
    }
}

/// How long this thread has computed; what it waited for on a busy machine is not counted.
pub(crate) fn computed() -> Duration {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(spent).unwrap_or_default()
}

/// Which boot of the host this is.
pub(crate) fn boot() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id");
    text.unwrap_or_default().trim().to_owned()
}

/// A time that is up to an eighth shorter, by chance: agents that were started together (machines
/// after a loss of power) shall not do together what each does now and then.
pub(crate) fn sooner(every: Duration) -> Duration {
    every - part_of(every / 8)
}

/// Some of a time, by chance.
pub(crate) fn part_of(whole: Duration) -> Duration {
    let chance = RandomState::new().hash_one(whole);
    whole / 1024 * u32::try_from(chance % 1024).unwrap_or_default()
}

/// What a fault of the engine says, as one line of many.
pub(crate) fn line(fault: &Fault) -> String {
    let mut parts = vec![match fault.doing.as_str() {
        "" => fault.what.clone(),
        doing => format!("{doing}: {}", fault.what),
    }];
    let words = fault.kernel.iter().chain(&fault.cause);
    parts.extend(words.map(|words| words.trim().replace('\n', " ")));
    format!("{} [{}]", parts.join("; "), fault.code)
}

/// What a fault says.
pub(crate) fn text(fault: impl ToString) -> String {
    fault.to_string()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agents_that_were_started_together_do_not_look_together() {
        let minute = Duration::from_secs(60);
        let times: BTreeSet<Duration> = (0..100).map(|_| sooner(minute)).collect();
        assert!(times.iter().all(|time| (minute * 7 / 8..=minute).contains(time)), "{times:?}");
        assert!(times.len() > 50, "{times:?}");
    }
}
