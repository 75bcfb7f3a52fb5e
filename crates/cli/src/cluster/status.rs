//! `ropewalk cluster status`, `host ls`: what the store says, what the agent here remembers, how far all are.
//!
//! With the store away the memory alone is shown.  Never here: how it looks (`show`).

use std::collections::BTreeMap;

use ropewalk_cluster::at::{AT, At};
use ropewalk_cluster::keep::Store as _;
use ropewalk_cluster::live::{LIVE, Live};
use ropewalk_cluster::{Host, HostId, Kept, Memory, Pool, Site, View, verbs};
use ropewalk_engine::{Fault, Paths};

use super::{member, now, unusable, wait};
use crate::show::cluster::{Far, HostRow, NetRow, Status};

/// How many records that cannot be read are named.
const MANY: usize = 3;
/// Clocks that are so many seconds apart are worth a word.
const APART: u64 = 30;

/// The cluster, as this host sees it.
pub(super) fn status() -> Result<Status, Fault> {
    let paths = Paths::from_env();
    let (site, mut store) = member()?;
    let memory = Memory::read(&paths.state, &site).map_err(unusable)?;
    let listed = wait(async {
        let view = verbs::view(&mut store).await?;
        let far = At::all(&store.list(AT).await?);
        let up = Live::all(&store.list(LIVE).await?);
        Ok::<_, ropewalk_cluster::keep::Fault>((view, far, up))
    })?;
    let away = listed.as_ref().err().map(ToString::to_string);
    let (view, far, up) = listed.unwrap_or_default();
    let mut hosts = hosts(&view, &far, &site);
    for host in hosts.iter_mut().filter(|_| !site.alone()) {
        host.up = Some(up.contains_key(&host.id));
    }
    let ahead = hosts.iter().filter(|host| !host.here);
    let ahead = ahead.filter_map(|host| Some((host, host.ahead_s?)));
    let ahead = ahead.map(|(host, s)| format!("the clock of host {} is {s} s ahead", host.name));
    let odd = view.unreadable.iter().take(MANY).map(|key| format!("{key} cannot be read"));
    let more = view.unreadable.len().saturating_sub(MANY);
    let more = (more > 0).then(|| format!("{more} further records cannot be read"));
    let alarms = memory.alarms.iter().map(ToString::to_string);
    Ok(Status {
        cluster: site.cluster.clone(),
        store: site.store.clone(),
        host: site.name.clone(),
        standing: memory.journal.standing,
        away: away.or(memory.away),
        alarms: alarms.chain(memory.faults).chain(ahead).chain(odd).chain(more).collect(),
        progress: memory.progress,
        now: now(),
        networks: networks(&view),
        hosts,
    })
}

fn hosts(view: &View, far: &BTreeMap<HostId, At>, site: &Site) -> Vec<HostRow> {
    let newest = newest(view);
    let row = |(id, host): (&HostId, &Kept<Host>)| {
        let blocks: Vec<String> =
            owned(view).filter(|(_, h)| *h == id).map(|(place, _)| place.to_string()).collect();
        let at = far.get(id);
        HostRow {
            name: host.value.name.clone(),
            id: id.clone(),
            here: *id == site.id,
            addresses: host.value.addresses.clone(),
            draining: view.drains.contains_key(id),
            up: None,
            far: at.map(|at| Far {
                at: at.at,
                caught_up: at.revision >= newest,
                repaired: at.repaired,
                alarms: at.alarms,
                took_ms: at.took_ms,
            }),
            ahead_s: at.map(|at| at.at.saturating_sub(now())).filter(|ahead| *ahead > APART),
            blocks,
        }
    };
    let mut rows: Vec<HostRow> = view.hosts.iter().map(row).collect();
    rows.sort_by(|a, b| a.name.cmp(&b.name));
    rows
}

/// The last revision that wrote something which hosts have to make something of.
fn newest(view: &View) -> u64 {
    let nets = view.nets.values().map(|kept| kept.modified);
    let hosts = view.hosts.values().map(|kept| kept.modified);
    let blocks = view.blocks.values().map(|kept| kept.modified);
    nets.chain(hosts).chain(blocks).max().unwrap_or_default()
}

fn networks(view: &View) -> Vec<NetRow> {
    let row = |name: &ropewalk_spec::NetworkName, pool: &Pool| NetRow {
        name: name.clone(),
        pool: pool.net,
        block: pool.len,
        blocks: pool.count(),
        owned: owned(view)
            .filter(|(place, _)| place.network == *name && pool.net.contains(&place.block))
            .count(),
    };
    let pools = view.nets.iter().flat_map(|(name, net)| {
        net.value.pools.iter().map(move |pool| row(name, pool)).collect::<Vec<_>>()
    });
    pools.collect()
}

fn owned(view: &View) -> impl Iterator<Item = (&ropewalk_cluster::Place, &HostId)> {
    let own = |block: &ropewalk_cluster::Block| block.state == ropewalk_cluster::BlockState::Own;
    let blocks = view.blocks.iter().filter(move |(_, block)| own(&block.value));
    blocks.map(|(place, block)| (place, &block.value.h))
}
