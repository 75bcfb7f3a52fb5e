//! `ropewalk join etcd://…` on a host that was a cluster of one: it takes its networks and blocks along.
//!
//!     here ── nets, blocks ─▶ etcd        nothing is renumbered, nothing is made anew
//!
//! Cut short, it is done by asking again: nothing is the other cluster's before the last step.
//! Never here: what the store refuses, and why (`cluster`).

use ropewalk_cluster::{Memory, Site, verbs};
use ropewalk_engine::{Code, Fault, Paths};

use super::{now, refused, unusable, wait};
use crate::answer::Answer;
use crate::show;

/// Makes the host of `before`, which is alone, a member of the cluster of `site`.
pub(super) fn grow(
    paths: &Paths,
    before: &Site,
    mut site: Site,
    json: bool,
) -> Result<Answer, Fault> {
    let held = before.hold(&paths.config, &paths.state).map_err(unusable)?;
    let _held = held.ok_or_else(|| Fault::new(Code::ClusterRefused, "this host is leaving"))?;
    let mut from = before.open(&paths.config).map_err(unusable)?;
    let mut store = site.open(&paths.config).map_err(unusable)?;
    site.id = before.id.clone();
    site.token = before.token.clone();
    let joined = wait(async {
        let own = verbs::view(&mut from).await?;
        site.cluster = verbs::cluster(&mut store, &before.cluster).await?;
        verbs::fits(&own, &verbs::view(&mut store).await?, &site.id)?;
        let journal = verbs::join(&mut store, site.journal(), now()).await?;
        verbs::bring(&mut store, &own, &site.id).await?;
        Ok(journal)
    });
    let joined = joined?.map_err(refused)?;
    site.generation = joined.me.generation;
    let mut memory = Memory::read(&paths.state, before).map_err(unusable)?;
    let (held, given) = (memory.journal.held, memory.journal.given);
    memory.journal = ropewalk_cluster::own::Journal { held, given, ..joined };
    memory.write(&paths.state).map_err(unusable)?;
    site.write(&paths.config).map_err(unusable)?;
    Site::forget_store(&paths.config).map_err(unusable)?;
    let runs = super::unmade::agent_runs(paths);
    Answer::of(json, &site, |site| show::cluster::joined(site, None, runs))
}
