//! `ropewalk purge --yes` on a host of a cluster: it goes from there, too, with or without the store.
//!
//!     the agent keeps away ─▶ purge ─▶ the store is told, for a moment
//!
//! A store that is away is none of a purge's business: what it still says of the host, another host takes
//! out.  Never here: what a host without a cluster is purged of (`engine`).

use std::time::Duration;

use ropewalk_cluster::keep::etcd::Etcd;
use ropewalk_cluster::{Defined, Memory, Site, verbs};
use ropewalk_engine::{Done, Engine, Fault, Paths};

use super::{now, unusable, wait};
use crate::answer::Answer;
use crate::show;

/// How long the store may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes everything away that ropewalk ever made on this host.
pub(crate) fn purge(mut engine: Engine, json: bool) -> Result<Answer, Fault> {
    let paths = Paths::from_env();
    // A file that cannot be understood goes as well.
    let site = Site::read(&paths.config);
    Site::forget(&paths.config, &paths.state).map_err(unusable)?;
    let mut done = match engine.purge() {
        Ok(done) => done,
        Err(fault) => {
            // What is left is still the cluster's.
            if let Ok(Some(site)) = &site {
                site.write(&paths.config).map_err(unusable)?;
            }
            return Err(fault);
        }
    };
    Memory::forget(&paths.state).map_err(unusable)?;
    Site::forget_store(&paths.config).map_err(unusable)?;
    Site::define(&paths.config, &Defined::default()).map_err(unusable)?;
    if let Ok(Some(site)) = site.as_ref().map(|site| site.as_ref().filter(|site| !site.alone())) {
        done.push(gone(site));
    }
    Answer::of(json, &done, |done| show::done(done))
}

/// Tells the store that the host is no member any more.
fn gone(site: &Site) -> Done {
    let object = format!("host {} of the cluster at {}", site.name, site.store);
    let told = || -> Result<(), String> {
        let mut store = Etcd::new(site.access().map_err(|error| error.to_string())?);
        let told = wait(async {
            tokio::time::timeout(PATIENCE, verbs::remove(&mut store, &site.id, now())).await
        });
        match told.map_err(|fault| fault.to_string())? {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer for {} s", PATIENCE.as_secs())),
        }
    };
    match told() {
        Ok(()) => Done { verb: "removed", object, detail: String::new() },
        Err(why) => {
            let detail = format!("{why}; on another host: ropewalk host rm {}", site.name);
            Done { verb: "kept", object, detail }
        }
    }
}
