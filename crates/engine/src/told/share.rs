//! What the attachments of a runtime's network share: made with the first that needs it.
//!
//!     network cni.web: { bridge cni0, gateway 10.22.0.1/16, forwarding } ∪ { masquerade 10.22.0.0/16 }
//!
//! Several networks may share one bridge: each states it, and the last one takes it away.

use ropewalk_facts::{Addr, Id, Ns, Scope, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Plan, Step};
use ropewalk_spec::{Mode, Network, Shared};
use ropewalk_store::{Cni, NetworkHead, NetworkRecord, Origin, State};
use ropewalk_topology::{HostFacts, beside};

use crate::code::Code;
use crate::fault::Fault;
use crate::network::exists;
use crate::{Engine, beside as others, host};

impl Engine {
    /// The network with all of `wanted`. Takes the lock where something is missing; the caller
    /// holds none.
    pub(crate) fn share(
        &mut self,
        cni: &Cni,
        network: &Network,
        wanted: &[Shared],
        force_address: bool,
    ) -> Result<NetworkHead, Fault> {
        let head = self.store.network_head(&network.name)?;
        if let Some(head) = head.filter(|head| has_all(head, network, wanted)) {
            return Ok(head);
        }
        let _lock = self.store.exclusive()?;
        let old = self.settled_network(&network.name)?;
        if let Some(old) = old.as_ref().filter(|old| old.origin.cni().is_none()) {
            return Err(exists(&old.network));
        }
        let mut list = old.as_ref().map(|old| old.shared.clone()).unwrap_or_default();
        list.extend(wanted.iter().filter(|one| !list.contains(one)).cloned().collect::<Vec<_>>());
        let found = self.read_host()?;
        let yielding = yielding(&list, &found, force_address)?;
        unfit(network, &found).or_else(|| blind(&list, &found)).map_or(Ok(()), Err)?;
        let facts = host::facts(network, &found);
        let mut plan = ropewalk_topology::shared(&list, &facts)?;
        if passes(&list) {
            plan.extend(beside::answer(network, &beside::look(&found).openings, &facts)?)?;
        }
        for addr in yielding {
            self.give_way(&addr, network)?;
            plan.push(Step::Absent(Id::Addr(addr.key.clone()).at(Ns::HOST)))?;
        }
        let mut world = Snapshot::default();
        others::show_neighbours(&found, &mut world);
        let told = Growth { network, shared: list, plan, world };
        let record = match old {
            Some(old) => self.extend_shared(&old, told)?,
            None => self.make_shared(cni, told, facts)?,
        };
        Ok(record.head())
    }

    fn make_shared(
        &mut self,
        cni: &Cni,
        told: Growth<'_>,
        facts: HostFacts,
    ) -> Result<NetworkRecord, Fault> {
        let Growth { network, shared, plan, mut world } = told;
        let changes = self.draft(&plan, &mut world)?;
        let origin = Cni { container: String::new(), pod: None, ..cni.clone() };
        let mut record = NetworkRecord {
            network: network.clone(),
            origin: Origin::Cni(origin),
            uplink: facts.uplink,
            parent: None,
            mtu: facts.mtu,
            plan,
            changes,
            state: State::Pending,
            with_definition: false,
            trial_until_ms: None,
            shared,
            created_ms: crate::now(),
        };
        failpoint::hit("journal network");
        self.store.put_network(&record)?;
        if let Err(failure) = self.kernel.apply(&record.changes) {
            // What could not be undone stays in the journal.
            if failure.stuck.is_empty() {
                self.store.replace_network(&network.name, &[])?;
            }
            return Err(failure.into());
        }
        record.state = State::Ready;
        failpoint::hit("journal network ready");
        self.store.put_network(&record)?;
        Ok(record)
    }

    /// Adds to a network what `plan` states and it does not. In the journal first: whoever finds it
    /// there after a crash has only to repair.
    fn extend_shared(
        &mut self,
        old: &NetworkRecord,
        told: Growth<'_>,
    ) -> Result<NetworkRecord, Fault> {
        let Growth { network, shared, plan, mut world } = told;
        let new = Vec::from(plan).into_iter().filter(|step| !old.plan.steps().contains(step));
        let new = Plan::try_from(new.collect::<Vec<Step>>())?;
        let changes = self.draft(&new, &mut world)?;
        let mut record = NetworkRecord { network: network.clone(), shared, ..old.clone() };
        let kept = record.plan.steps().iter().filter(|step| !new.states(&step.key()));
        let kept: Vec<Step> = kept.cloned().collect();
        record.plan = Plan::try_from([kept, Vec::from(new)].concat())?;
        others::join(&mut record.changes, &changes);
        failpoint::hit("journal network shares");
        self.store.put_network(&record)?;
        if let Err(failure) = self.kernel.apply(&changes) {
            if failure.stuck.is_empty() {
                self.store.put_network(old)?;
            }
            return Err(failure.into());
        }
        Ok(record)
    }

    /// Takes an address of a bridge from the networks that state it.
    fn give_way(&mut self, addr: &Addr, network: &Network) -> Result<(), Fault> {
        let key = Id::Addr(addr.key.clone()).at(Ns::HOST);
        for mut record in self.store.networks()? {
            if record.network.name == network.name || !record.plan.states(&key) {
                continue;
            }
            let meant = |one: &Shared| {
                matches!(one, Shared::Gateway { bridge, net }
                    if *bridge == addr.key.dev && *net == addr.key.net)
            };
            record.shared.retain(|one| !meant(one));
            record.changes.retain(|change| change.key != key);
            let steps = Vec::from(std::mem::take(&mut record.plan)).into_iter();
            let rest: Vec<Step> = steps.filter(|step| step.key() != key).collect();
            record.plan = Plan::try_from(rest)?;
            self.store.put_network(&record)?;
        }
        Ok(())
    }

    /// Takes a runtime's network away when nothing is on it any more. The caller holds the lock.
    pub(crate) fn unshare(&mut self, record: &NetworkRecord) -> Result<bool, Fault> {
        let name = &record.network.name;
        if self.store.count_on(name)? > 0 || self.has_strangers(record)? {
            return Ok(false);
        }
        self.unmake_network(record)?;
        Ok(true)
    }

    /// True when somebody else's links are members of the network's bridge, which would go with it.
    fn has_strangers(&mut self, record: &NetworkRecord) -> Result<bool, Fault> {
        let Mode::Cni { bridge: Some(bridge) } = &record.network.mode else { return Ok(false) };
        let link = Id::Link(bridge.clone()).at(Ns::HOST);
        let stays = |other: &NetworkRecord| {
            other.network.name != record.network.name && other.plan.states(&link)
        };
        let made = record.changes.iter().any(|change| change.key == link && change.makes());
        if !made || self.store.networks()?.iter().any(stays) {
            return Ok(false);
        }
        let links = self.kernel.read_links(&Ns::HOST)?;
        let mut all = links.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
        Ok(all.any(|link| link.master.as_ref() == Some(bridge) && !host::ours(link)))
    }
}

/// True when the network is as it shall be, with all of `wanted`.
pub(super) fn has_all(head: &NetworkHead, network: &Network, wanted: &[Shared]) -> bool {
    let all = wanted.iter().all(|one| head.shared.contains(one));
    head.state == State::Ready && head.network == *network && all
}

/// A network as it shall be.
struct Growth<'a> {
    network: &'a Network,
    /// All that is shared.
    shared: Vec<Shared>,
    /// What states that.
    plan: Plan,
    /// What is known of the host.
    world: Snapshot,
}

/// True when somebody asked for the rules of others to be answered.
pub(crate) fn passes(list: &[Shared]) -> bool {
    list.contains(&Shared::Passing)
}

/// Says why the network's bridge cannot be, if it cannot.
fn unfit(network: &Network, found: &Snapshot) -> Option<Fault> {
    let name = host::bridge(network)?;
    let link = host::link(found, &name).filter(|link| !host::is_bridge(link))?;
    let what = format!("{} is there, but is no bridge", link.name);
    Some(Fault::new(Code::BridgeUnfit, what).or_try("give the network another bridge"))
}

/// Says which bridge cannot tell VLANs apart, if one that has to is somebody else's: what else is on
/// it might not survive that.
fn blind(list: &[Shared], found: &Snapshot) -> Option<Fault> {
    list.iter().find_map(|one| {
        let Shared::Filtering { bridge } = one else { return None };
        let link = host::link(found, bridge)?;
        if host::ours(link) || link.vlan_filtering.is_some() {
            return None;
        }
        let what = format!("{bridge} does not tell VLANs apart, and is not ropewalk's");
        let way_out = format!("ip link set {bridge} type bridge vlan_filtering 1");
        Some(Fault::new(Code::BridgeUnfit, what).or_try(way_out))
    })
}

/// The addresses that stand in the way of gateways, and have to go: a bridge has one of IPv4, and
/// of IPv6 those that do not overlap.
fn yielding(list: &[Shared], found: &Snapshot, force: bool) -> Result<Vec<Addr>, Fault> {
    let mut all: Vec<Addr> = Vec::new();
    for one in list {
        let Shared::Gateway { bridge, net } = one else { continue };
        let v4 = net.addr().is_ipv4();
        let addrs = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_addr());
        let on = addrs.filter(|addr| addr.key.dev == *bridge && addr.scope == Scope::GLOBAL);
        let in_the_way = |addr: &&Addr| {
            let of_family = addr.key.net.addr().is_ipv4() == v4;
            of_family
                && addr.key.net != *net
                && (v4 || host::overlap(addr.key.net.trunc(), net.trunc()))
        };
        for addr in on.filter(in_the_way) {
            if !force {
                let what = format!("{bridge} already has an IP address different from {net}");
                return Err(Fault::new(Code::BridgeUnfit, what)
                    .cause(format!("it has {}", addr.key.net))
                    .or_try("forceAddress replaces it"));
            }
            if !all.iter().any(|other| other.key == addr.key) {
                all.push(addr.clone());
            }
        }
    }
    Ok(all)
}
