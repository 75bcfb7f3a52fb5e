//! Lists: what is attached, and every interface of every namespace with its other end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ropewalk_facts::{Body, Fact, Id, IfName, LinkKind, Ns};
use ropewalk_kernel::netns;
use ropewalk_plan::Step;
use ropewalk_spec::{Mode, Network, NetworkName, names};
use ropewalk_store::{AttachmentRecord, NetworkRecord, State};
use ropewalk_topology::firewall;
use serde::Serialize;

use crate::bgp::Told;
use crate::fault::Fault;
use crate::routes::{RouteHint, hint};
use crate::view::{Limits, Row, moment};
use crate::{Engine, host};

/// An interface, whoever made it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeignRow {
    /// The namespace: `host`, or how a sandbox would be named.
    pub ns: String,
    /// The interface.
    pub interface: String,
    /// Its kind, as `ip link` says; empty for a plain device.
    pub kind: String,
    /// The bridge that it is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<String>,
    /// The other end of a veth pair.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<OtherEnd>,
    /// Its addresses.
    pub addresses: Vec<String>,
    /// Its hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// MTU in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// It is up.
    pub up: bool,
    /// Which network or attachment of ropewalk's it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// The other end of a veth pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OtherEnd {
    /// Its namespace.
    pub ns: String,
    /// Its name.
    pub interface: String,
}

impl Engine {
    /// Every attachment, by sandbox and interface.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`].
    pub fn ps(&mut self) -> Result<Vec<Row>, Fault> {
        let records = self.store.attachments()?;
        let mut rows = self.rows(&records);
        let limited = self.limited()?;
        for (row, record) in rows.iter_mut().zip(&records) {
            let limits = limited.contains(&record.network) && has_leg(record);
            row.limits = limits.then_some(Limits::ALL);
            if record.state == State::Ready && self.is_gone(record)? {
                row.state = "gone";
            }
        }
        Ok(rows)
    }

    /// The networks on whose sandboxes there are limits.
    fn limited(&self) -> Result<BTreeSet<NetworkName>, Fault> {
        let states = |record: &NetworkRecord| {
            let group = names::group(&record.network.name);
            let elements = firewall::inside(group, false);
            let guests = matches!(record.network.mode, Mode::Uplink { .. });
            guests || elements.iter().all(|body| record.plan.states(&body.id().at(Ns::HOST)))
        };
        let all = self.store.networks()?.into_iter().filter(states);
        Ok(all.map(|record| record.network.name).collect())
    }

    pub(crate) fn rows(&self, records: &[AttachmentRecord]) -> Vec<Row> {
        records.iter().map(|record| self.row(record)).collect()
    }

    pub(crate) fn row(&self, record: &AttachmentRecord) -> Row {
        let cni = record.origin.cni();
        Row {
            sandbox: record.sandbox.to_string(),
            pod: cni.and_then(|cni| cni.pod.clone()),
            container: cni.map(|cni| cni.container.clone()),
            network: record.network.to_string(),
            interface: record.ifname.to_string(),
            leg: has_leg(record).then(|| record.leg.to_string()),
            addresses: addresses(record),
            gateway: gateways(record),
            mac: record.mac.map(|mac| mac.to_string()),
            mtu: record.mtu,
            published: record.publish.iter().map(ToString::to_string).collect(),
            rate_in: record.rate_in.map(String::from),
            rate_out: record.rate_out.map(String::from),
            allow_in: record.allow_in.iter().map(ToString::to_string).collect(),
            allow_out: record.allow_out.iter().map(ToString::to_string).collect(),
            lease: crate::view::lease(record),
            limits: None,
            state: crate::view::state(record),
            age_s: crate::now().saturating_sub(record.created_ms) / 1000,
            created: moment(record.created_ms),
        }
    }

    /// Every interface of every namespace that can be found.
    ///
    /// # Errors
    /// When the host's own cannot be read; a namespace that goes away meanwhile is left out.
    pub fn ps_all(&mut self) -> Result<Vec<ForeignRow>, Fault> {
        self.open_all()?;
        let spaces: Vec<Ns> = self.kernel.open().cloned().collect();
        let mut all = self.kernel.read_links(&Ns::HOST)?;
        for ns in spaces.iter().filter(|ns| !ns.is_host()) {
            if let Ok(found) = self.kernel.read_links(ns) {
                all.merge(found);
            }
        }
        let owners = self.owners()?;
        let mut addresses = Addresses::new();
        for fact in all.iter() {
            if let Some(addr) = fact.body.as_addr() {
                let at = (&fact.ns, &addr.key.dev);
                addresses.entry(at).or_default().push(addr.key.net.to_string());
            }
        }
        let links = all.iter().filter_map(|fact| Some((&fact.ns, fact.body.as_link()?)));
        Ok(links.map(|(ns, link)| foreign(ns, link, &mut addresses, &owners)).collect())
    }

    /// Opens every namespace that has a name, belongs to an attachment or holds a process.
    fn open_all(&mut self) -> Result<(), Fault> {
        let mut seen = BTreeSet::from([self.kernel.cookie(&Ns::HOST)?]);
        for record in self.store.attachments()? {
            if self.alive(&record) {
                seen.insert(record.cookie);
            }
        }
        let named = netns::names()?
            .into_iter()
            .map(|name| (Ns::new(format!("netns:{name}")), PathBuf::from(netns::DIR).join(name)));
        let docker =
            files("/run/docker/netns").map(|path| (Ns::new(path.display().to_string()), path));
        let process = files("/proc").filter_map(|path| {
            let pid: u32 = path.file_name()?.to_str()?.parse().ok()?;
            Some((Ns::new(format!("pid:{pid}")), path.join("ns/net")))
        });
        let attached: BTreeSet<Ns> = self.kernel.open().cloned().collect();
        for (ns, path) in named.chain(docker).chain(process) {
            if attached.contains(&ns) {
                continue;
            }
            let Ok(fd) = netns::open_path(&path) else { continue };
            if self.kernel.add(ns.clone(), fd).is_ok() && !seen.insert(self.kernel.cookie(&ns)?) {
                self.kernel.forget(&ns);
            }
        }
        Ok(())
    }

    fn owners(&self) -> Result<BTreeMap<(Ns, IfName), String>, Fault> {
        let mut owners = BTreeMap::new();
        for record in self.store.attachments()? {
            let owner = format!("{} on {}", record.sandbox, record.network);
            for step in record.plan.steps() {
                if let Step::Create(Fact { ns, body: Body::Link(link) }) = step {
                    owners.insert((ns.clone(), link.name.clone()), owner.clone());
                }
            }
        }
        for record in self.store.networks()? {
            if let Some(bridge) = host::shared_link(&record.network) {
                owners.insert((Ns::HOST, bridge), format!("network {}", record.network.name));
            }
        }
        Ok(owners)
    }

    /// What other routers need to know to reach the network through this host.
    ///
    /// # Errors
    /// [`crate::Code::NetworkUnknown`].
    pub fn routes(&mut self, name: &NetworkName) -> Result<Vec<RouteHint>, Fault> {
        let network = self.whole(&self.made_or_defined(name)?)?;
        let here = self.told_by_bgp(name)?;
        let mut hints: Vec<_> = here.blocks.iter().map(|net| hint(*net, &here.host)).collect();
        // The other hosts of a routed network are reached in the same way.
        let Mode::Routed(ways) = &network.mode else { return Ok(hints) };
        for (ip, peer) in &ways.peers {
            let via: Vec<_> = std::iter::once(*ip).chain(peer.also).collect();
            hints.extend(peer.blocks.iter().map(|block| hint(*block, &via)));
        }
        Ok(hints)
    }

    /// What this host tells routers of its part of a network.
    ///
    /// # Errors
    /// [`crate::Code::NetworkUnknown`].
    pub fn told_by_bgp(&mut self, name: &NetworkName) -> Result<Told, Fault> {
        let network = self.made_or_defined(name)?;
        let found = self.read_host()?;
        let host = host::known_by(&found).iter().map(|net| net.addr()).collect();
        let ours = network.subnets.iter().filter(|_| !network.fenced());
        let blocks = ours.map(|subnet| subnet.net).collect();
        let routed = matches!(network.mode, Mode::Routed(_));
        Ok(Told { network: network.name, blocks, routed, host })
    }

    fn made_or_defined(&self, name: &NetworkName) -> Result<Network, Fault> {
        let network = match self.store.network(name)? {
            Some(record) => Some(record.network),
            None => self.definitions.read(name)?,
        };
        network.ok_or_else(|| self.unknown(name))
    }
}

/// The paths in a folder, none if it is not there.
fn files(dir: &str) -> impl Iterator<Item = PathBuf> + use<> {
    std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The addresses as they stand on the interface: a routed one is alone on its prefix.
fn addresses(record: &AttachmentRecord) -> Vec<String> {
    let own = |step: &Step| {
        let Step::Create(fact) = step else { return None };
        let addr = fact.body.as_addr().filter(|addr| addr.key.dev == record.ifname)?;
        (fact.ns == record.ns).then(|| addr.key.net.to_string())
    };
    record.plan.steps().iter().filter_map(own).collect()
}

/// True unless the sandbox's interface has no other end on the host.
fn has_leg(record: &AttachmentRecord) -> bool {
    record.plan.states(&Id::Link(record.leg.clone()).at(Ns::HOST))
}

/// The gateways of the default routes that the attachment made.
fn gateways(record: &AttachmentRecord) -> Vec<String> {
    let via = |step: &Step| {
        let Step::Create(fact) = step else { return None };
        let route = fact.body.as_route().filter(|route| route.key.dst.prefix_len() == 0)?;
        route.hops.first()?.via
    };
    record.plan.steps().iter().filter_map(via).map(|ip| ip.to_string()).collect()
}

/// The addresses on each interface of each namespace.
type Addresses<'a> = BTreeMap<(&'a Ns, &'a IfName), Vec<String>>;

fn foreign<'a>(
    ns: &'a Ns,
    link: &'a ropewalk_facts::Link,
    addresses: &mut Addresses<'a>,
    owners: &BTreeMap<(Ns, IfName), String>,
) -> ForeignRow {
    let peer = if let LinkKind::Veth { peer: Some(peer) } = &link.kind {
        Some(OtherEnd { ns: peer.ns.to_string(), interface: peer.name.to_string() })
    } else {
        None
    };
    ForeignRow {
        ns: ns.to_string(),
        interface: link.name.to_string(),
        kind: link.kind.name().to_owned(),
        master: link.master.as_ref().map(ToString::to_string),
        peer,
        addresses: addresses.remove(&(ns, &link.name)).unwrap_or_default(),
        mac: link.mac.map(|mac| mac.to_string()),
        mtu: link.mtu,
        up: link.up,
        owner: owners.get(&(ns.clone(), link.name.clone())).cloned(),
    }
}
