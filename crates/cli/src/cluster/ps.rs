//! `ropewalk cluster ps`: what all hosts have told of their attachments.
//!
//! Never here: who tells it (`agent`), how it looks (`show`).

use ropewalk_cluster::endpoint::{self, ENDPOINTS};
use ropewalk_cluster::keep::Store as _;
use ropewalk_cluster::{HostId, View, verbs};
use ropewalk_engine::Fault;

use super::{member, refused, wait};
use crate::show::cluster::EndpointRow;
use crate::table::ClusterPs;

/// The endpoints of all hosts, by network, host and name.
pub(super) fn ps(args: &ClusterPs) -> Result<Vec<EndpointRow>, Fault> {
    let (_, mut store) = member()?;
    let prefix = args.name.as_ref().map_or_else(|| ENDPOINTS.to_owned(), endpoint::of);
    let listed = wait(async {
        let view = verbs::view(&mut store).await?;
        Ok::<_, ropewalk_cluster::keep::Fault>((view, store.list(&prefix).await?))
    })?;
    let (view, listing) =
        listed.map_err(|fault| refused(fault.into()).doing("list the endpoints of the cluster"))?;
    let mut rows: Vec<EndpointRow> = endpoint::read(&listing)
        .into_iter()
        .map(|(network, host, endpoint)| EndpointRow {
            network,
            host: name(&view, &host),
            endpoint,
        })
        .collect();
    rows.sort_by(|a, b| {
        let by =
            |row: &EndpointRow| (row.network.clone(), row.host.clone(), row.endpoint.name.clone());
        by(a).cmp(&by(b))
    });
    Ok(rows)
}

/// What people call a host.
fn name(view: &View, id: &HostId) -> String {
    view.hosts.get(id).map_or_else(|| id.to_string(), |host| host.value.name.clone())
}
