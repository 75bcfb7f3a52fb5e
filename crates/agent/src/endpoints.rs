//! What a host tells the others of its attachments on networks of the cluster.
//!
//!     networks that were made ── engine ─▶ endpoints ── what differs ─▶ store
//!
//! The store is asked what it has whenever it may be another, or have forgotten something; else what it
//! was told is known.  Never here: what a record looks like (`cluster`).

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_cluster::endpoint::{self, Endpoint, Spot};
use ropewalk_cluster::keep::{Compare, Either, Fault as StoreFault, Outcome};
use ropewalk_cluster::{HostId, Key, Member, Public, SCHEMA, public};
use ropewalk_engine::{Code, Engine, Fault, Paths, Row};
use ropewalk_spec::{NetworkName, Publish};

/// Records under their keys.
type Records = BTreeMap<String, Vec<u8>>;

/// What the store was told.
#[derive(Debug, Default)]
pub(crate) struct Endpoints {
    /// And as of how many lists of it; none when it is to be asked.
    known: Option<(u64, Records)>,
}

/// What is to be told.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) all: BTreeMap<Spot, Endpoint>,
    /// Ports that shall lead here on all hosts.
    pub(crate) publics: Vec<(Spot, Public)>,
    /// Something is being attached or detached right now.
    pub(crate) unsettled: bool,
}

impl Endpoints {
    /// The store may have forgotten something.
    pub(crate) fn doubt(&mut self) {
        self.known = None;
    }

    /// Makes the store say of the host `me` what `wanted` says; of these networks it may know something.
    pub(crate) async fn tell(
        &mut self,
        member: &mut Member<Either>,
        me: &HostId,
        wanted: &Wanted,
        networks: Vec<NetworkName>,
    ) -> Result<(), StoreFault> {
        let Some(compare) = may_write(member, me) else { return Ok(()) };
        let lists = member.lists();
        let known = match self.known.take().filter(|(at, _)| *at == lists) {
            Some((_, known)) => known,
            None => listed(member, me, networks).await?,
        };
        let written = endpoint::written(&wanted.all);
        let publics = member.view().map(|view| public::told(view, me, &wanted.publics, &compare));
        let told = endpoint::told(&written, &known, &[compare]);
        for txn in told.into_iter().chain(publics.into_iter().flatten()) {
            if let Outcome::Refused(_) = member.try_send(&txn).await? {
                return Ok(());
            }
        }
        self.known = Some((lists, written));
        Ok(())
    }
}

/// What a record of the host's relies on: that it is a member of a store that this version writes.
fn may_write(member: &Member<Either>, me: &HostId) -> Option<Compare> {
    let view = member.view()?;
    let known = view.meta.as_ref().is_some_and(|meta| meta.value.schema <= SCHEMA);
    let host = view.hosts.get(me).filter(|_| known)?;
    Some(Compare::Modified(Key::Host(me.clone()).to_string(), host.modified))
}

/// What the store has of the host.
async fn listed(
    member: &mut Member<Either>,
    me: &HostId,
    networks: Vec<NetworkName>,
) -> Result<Records, StoreFault> {
    let mut all = Records::new();
    for network in networks {
        let listing = member.beside(&endpoint::own(&network, me)).await?;
        all.extend(listing.items.into_iter().map(|item| (item.key, item.value)));
    }
    Ok(all)
}

/// The attachments of the host `me` on `networks`.
pub(crate) fn wanted<'a>(
    paths: &Paths,
    me: &HostId,
    networks: impl Iterator<Item = &'a NetworkName>,
) -> Result<Wanted, Fault> {
    let engine = Engine::open(paths)?;
    let mut wanted = Wanted::default();
    for network in networks {
        let rows = match engine.rows_on(network) {
            Ok(rows) => rows,
            Err(fault) if fault.code == Code::NetworkUnknown => continue,
            Err(fault) => return Err(fault),
        };
        for row in rows {
            wanted.unsettled |= !matches!(row.state, "ready" | "fenced");
            let endpoint = endpoint(&row);
            if row.state == "ready" {
                wanted.publics.extend(publics(network, me, &row, &endpoint));
            }
            if let Some(ip) = endpoint.addresses.first().filter(|_| row.state == "ready") {
                let spot = Spot { network: network.clone(), host: me.clone(), ip: *ip };
                wanted.all.insert(spot, endpoint);
            }
        }
    }
    Ok(wanted)
}

fn endpoint(row: &Row) -> Endpoint {
    let ip = |text: &String| text.parse::<IpNet>().ok().map(|net| net.addr());
    let mut addresses: Vec<IpAddr> = row.addresses.iter().filter_map(ip).collect();
    addresses.sort_by_key(IpAddr::is_ipv6);
    let (name, aliases) = names(&row.sandbox, row.container.as_deref(), row.pod.as_deref());
    Endpoint {
        id: row.sandbox.clone(),
        name,
        aliases,
        interface: row.interface.clone(),
        addresses,
        mac: row.mac.clone(),
        published: row.published.clone(),
    }
}

/// The ports that shall lead to an attachment on all hosts, for an address of each family.
fn publics(
    network: &NetworkName,
    me: &HostId,
    row: &Row,
    endpoint: &Endpoint,
) -> Vec<(Spot, Public)> {
    let ports: Vec<Publish> = row.published.iter().filter_map(|text| text.parse().ok()).collect();
    let ports: Vec<Publish> = ports.into_iter().filter(|port| port.everywhere).collect();
    if ports.is_empty() {
        return Vec::new();
    }
    let first = |v4: bool| endpoint.addresses.iter().copied().find(|ip| ip.is_ipv4() == v4);
    let public = |ip| {
        let spot = Spot { network: network.clone(), host: me.clone(), ip };
        let (name, since) = (endpoint.name.clone(), row.created.clone());
        (spot, Public { name, ports: ports.clone(), since })
    };
    [first(true), first(false)].into_iter().flatten().map(public).collect()
}

/// What a sandbox is called, and what else.
fn names(sandbox: &str, container: Option<&str>, pod: Option<&str>) -> (String, Vec<String>) {
    let short = |text: &'_ str| text.rsplit(['/', ':']).next().unwrap_or_default().to_owned();
    let mut all: Vec<String> = Vec::new();
    all.extend(pod.map(short));
    all.extend(pod.map(str::to_owned));
    all.extend(container.map(str::to_owned));
    let name = all.first().cloned().unwrap_or_else(|| short(sandbox));
    all.retain(|other| *other != name);
    (name, all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sandbox_has_the_names_that_people_and_runtimes_gave_it() {
        for (sandbox, container, pod, name, aliases) in [
            ("docker:web", None, None, "web", vec![]),
            ("/run/netns/red", None, None, "red", vec![]),
            ("/run/netns/cni-1", Some("c1"), None, "c1", vec![]),
            ("/run/netns/cni-1", Some("c1"), Some("shop/web"), "web", vec!["shop/web", "c1"]),
        ] {
            let aliases = aliases.into_iter().map(str::to_owned).collect::<Vec<_>>();
            assert_eq!(names(sandbox, container, pod), (name.to_owned(), aliases), "{sandbox}");
        }
    }
}
