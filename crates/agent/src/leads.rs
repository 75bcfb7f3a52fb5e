//! Ports that other hosts publish everywhere, and which of them can lead there from this host.
//!
//!     store ─▶ leads, the elder first ─▶ is the port free here? ─▶ the wish of the network · a word
//!
//! What leads somewhere goes on to; a port that something here has is left to it, and asked for again.
//! Never here: how a packet is led (`topology`).

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_cluster::public::{called, leads};
use ropewalk_cluster::{HostId, View, Wish};
use ropewalk_engine::{Engine, Fault, Paths};
use ropewalk_spec::NetworkName;

/// Adds to `wanted` what shall lead to other hosts. Returns what cannot, and why.
pub(crate) fn lead(
    paths: &Paths,
    view: &View,
    me: &HostId,
    made: &BTreeMap<NetworkName, Wish>,
    wanted: &mut BTreeMap<NetworkName, Wish>,
) -> Result<BTreeSet<String>, Fault> {
    let (leads, contests) = leads(view);
    let mut said: BTreeSet<String> = contests.iter().map(ToString::to_string).collect();
    for lead in leads.into_iter().filter(|lead| lead.spot.host != *me) {
        let network = &lead.spot.network;
        let Some(wish) = wanted.get_mut(network) else { continue };
        let there = made.get(network).is_some_and(|before| before.far.contains(&lead.far));
        let free = there || {
            let free = Engine::open(paths)?.far_free(&lead.far);
            if let Err(fault) = &free {
                let (name, port) = (called(view, &lead.spot, &lead.name), lead.far.port);
                let why = fault.cause.as_deref().unwrap_or(&fault.what);
                said.insert(format!(
                    "port {port} of {name} is published everywhere, but here {why}"
                ));
            }
            free.is_ok()
        };
        if free {
            wish.far.insert(lead.far);
        }
    }
    Ok(said)
}
