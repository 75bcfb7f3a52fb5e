//! Networks: made whole or not at all, and removed with what only they needed.
//!
//!     create: definition file, then journal, bridge, gateway, forwarding, rule set
//!     remove: what other networks need is handed over to them, the rest is undone

use std::collections::BTreeSet;
use std::time::Duration;

use ropewalk_facts::{Ns, Route, Snapshot};
use ropewalk_kernel::{Errno, Error, failpoint};
use ropewalk_plan::Change;
use ropewalk_spec::{Joins, Network, NetworkName, names};
use ropewalk_store::{NetworkRecord, Origin, State};

use crate::code::Code;
use crate::fault::Fault;
use crate::guard::{self, Guard};
use crate::hand_over::{Heir, hand_over};
use crate::view::NetworkView;
use crate::{Engine, beside, host, parent, tunnel, uplink};

impl Engine {
    /// Makes `network` and writes its definition. Made so already, nothing changes.
    ///
    /// # Errors
    /// [`Code::NetworkExists`], [`Code::SubnetOverlap`], [`Code::SubnetRouted`],
    /// [`Code::BridgeUnfit`], [`Code::Kernel`]; nothing is changed then.
    pub fn create_network(&mut self, network: &Network) -> Result<NetworkView, Fault> {
        self.create_network_on_trial(network, None)
    }

    /// As [`Engine::create_network`]; what could cut the host off is taken back unless it is
    /// confirmed within the time given.
    ///
    /// # Errors
    /// As for [`Engine::create_network`], [`Code::GatewaySilent`].
    pub fn create_network_on_trial(
        &mut self,
        network: &Network,
        trial: Option<Duration>,
    ) -> Result<NetworkView, Fault> {
        let lock = self.store.exclusive()?;
        self.settle_network(network, trial)?;
        let mut view = self.network(&network.name)?;
        view.closed = self.closed()?;
        drop(lock);
        // The peers that are there already tell.
        self.try_soon(network);
        Ok(view)
    }

    /// Makes a network, or gives it the other hosts that it shall have, and shows nothing of it.
    ///
    /// # Errors
    /// As for [`Engine::create_network`].
    pub fn follow_network(&mut self, network: &Network) -> Result<(), Fault> {
        let lock = self.store.exclusive()?;
        let made = self.settle_network(network, None)?;
        drop(lock);
        if !made {
            self.try_soon(network);
        }
        Ok(())
    }

    /// Makes a network and its definition. True when it was there before. The caller holds the lock.
    fn settle_network(
        &mut self,
        network: &Network,
        trial: Option<Duration>,
    ) -> Result<bool, Fault> {
        let doing = |fault: Fault| fault.doing(format!("create network {}", network.name));
        let made = self.settled_network(&network.name).map_err(doing)?.is_some();
        let defined = self.definitions.read(&network.name)?;
        let bare = network.bare();
        let other = defined.as_ref().filter(|old| **old != bare);
        if let Some(other) = other.filter(|old| !changes_into(old, &bare)) {
            return Err(doing(exists(other)));
        }
        let how = How { defines: defined.is_none(), trial };
        self.make_network(network, Origin::Command, how).map_err(doing)?;
        if other.is_some() || (made && defined.is_none()) {
            self.definitions.write(network).map_err(doing)?;
        }
        Ok(made)
    }

    /// Removes the network and the definition that was written for it.
    ///
    /// # Errors
    /// [`Code::NetworkUnknown`], [`Code::NetworkInUse`].
    pub fn remove_network(&mut self, name: &NetworkName) -> Result<NetworkView, Fault> {
        let doing = |fault: Fault| fault.doing(format!("remove network {name}"));
        let _lock = self.store.exclusive()?;
        let seen = self.network(name).map_err(doing)?;
        if let Some(row) = seen.sandboxes.first() {
            let n = seen.sandboxes.len();
            return Err(doing(
                Fault::new(Code::NetworkInUse, format!("{n} attached, {} first", row.sandbox))
                    .or_try(format!("ropewalk detach {} {name}", row.sandbox)),
            ));
        }
        if let Some(record) = self.store.network(name)? {
            let record = NetworkRecord { with_definition: true, ..record };
            self.unmake_network(&record).map_err(doing)?;
        }
        if let Some(kept) = self.definitions.remove(name).map_err(doing)? {
            return Err(doing(Fault::new(
                Code::Foreign,
                format!("{} was written by hand and defines it again", kept.display()),
            ))
            .or_try(format!("rm {}", kept.display())));
        }
        Ok(seen)
    }

    /// The network `name` if it is made. One whose making or removal was cut short is cleared away.
    /// The caller holds the lock.
    pub(crate) fn settled_network(
        &mut self,
        name: &NetworkName,
    ) -> Result<Option<NetworkRecord>, Fault> {
        let found = self.store.network(name)?;
        if let Some(half) = found.as_ref().filter(|record| record.state != State::Ready) {
            self.unmake_network(half)?;
            return Ok(None);
        }
        Ok(found)
    }

    /// Makes the kernel state that the attachments of `network` share, and its definition if
    /// wanted. The caller holds the lock.
    pub(crate) fn make_network(
        &mut self,
        network: &Network,
        origin: Origin,
        how: How,
    ) -> Result<NetworkRecord, Fault> {
        match self.settled_network(&network.name)? {
            Some(old) if network.led() && old.network == network.bare() => {
                return self.follow(&old, network);
            }
            Some(old) if uplink::same(&old.network, network) => return Ok(old),
            Some(old) if changes_into(&old.network, network) => {
                return self.change_peers(&old, network);
            }
            Some(old) => return Err(exists(&old.network)),
            None => {}
        }
        let mut world = Snapshot::default();
        let mut record = self.draft_network(network, origin, &mut world)?;
        record.with_definition = how.defines;
        let asked = uplink::takes_over(network) && how.trial.is_none();
        let gateways = if asked { self.gateways(&record)? } else { Vec::new() };
        failpoint::hit("journal network");
        self.store.put_network(&record)?;
        let guard = match self.guarded(&record) {
            Ok(guard) => guard,
            Err(fault) => {
                self.store.replace_network(&network.name, &[])?;
                return Err(fault);
            }
        };
        if let Err(failure) = self.kernel.apply(&record.changes) {
            // What could not be undone stays in the journal, for the guard if there is one.
            if failure.stuck.is_empty() {
                self.store.replace_network(&network.name, &[])?;
                guard.into_iter().for_each(Guard::done);
            }
            return Err(failure.into());
        }
        match self.finish_network(&mut record, network, how, &gateways) {
            Ok(()) if record.trial_until_ms.is_some() => guard.into_iter().for_each(Guard::trial),
            Ok(()) => guard.into_iter().for_each(Guard::done),
            Err(fault) => {
                self.unmake_guarded(&record)?;
                guard.into_iter().for_each(Guard::done);
                return Err(fault);
            }
        }
        Ok(record)
    }

    /// What is left to do once the kernel is as it shall be.
    fn finish_network(
        &mut self,
        record: &mut NetworkRecord,
        network: &Network,
        how: How,
        gateways: &[uplink::Gateway],
    ) -> Result<(), Fault> {
        if let Some(bridge) = host::bridge(network) {
            self.still_there(gateways, &bridge)?;
        }
        if how.defines {
            self.definitions.write(network)?;
        }
        if network.led() {
            let found = self.read_host()?;
            let facts = host::facts_by(network, &found, parent::of(network, &found));
            self.lead_all(network, &facts)?;
        }
        let trial = how.trial.filter(|_| uplink::takes_over(network));
        let until = |time: Duration| {
            guard::boot_ms().saturating_add(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
        };
        record.trial_until_ms = trial.map(until);
        record.state = State::Ready;
        // What is taken back at the end of a trial is not to come again by its definition.
        record.with_definition = how.defines && trial.is_some();
        failpoint::hit("journal network ready");
        Ok(self.store.put_network(record)?)
    }

    /// Says that the network `name` may stay as it is.
    ///
    /// # Errors
    /// [`Code::NetworkUnknown`], [`Code::NotOnTrial`].
    pub fn confirm_network(&mut self, name: &NetworkName) -> Result<NetworkView, Fault> {
        let _lock = self.store.exclusive()?;
        let record = self.store.network(name)?.ok_or_else(|| self.unknown(name))?;
        let waits = record.state == State::Ready && record.trial_until_ms.is_some();
        if !waits || guard::overdue(&record) {
            let what = format!("network {name} does not wait to be confirmed");
            let fault = Fault::new(Code::NotOnTrial, what).doing(format!("confirm {name}"));
            return Err(fault.or_try("ropewalk network ls"));
        }
        let record = NetworkRecord { trial_until_ms: None, with_definition: false, ..record };
        self.store.put_network(&record)?;
        self.network(name)
    }

    /// Everything about a network but making it.
    pub(crate) fn draft_network(
        &mut self,
        network: &Network,
        origin: Origin,
        world: &mut Snapshot,
    ) -> Result<NetworkRecord, Fault> {
        let mut found = self.read_host()?;
        self.object(network, &found)?;
        let mut facts = host::facts(network, &found);
        if let Some(name) = facts.parent.as_ref().filter(|_| uplink::takes_over(network)) {
            facts.nic = self.nic(name, &mut found, world)?;
        }
        let mut plan = ropewalk_topology::network(network, &facts)?;
        let others = ropewalk_topology::beside::look(&found);
        plan.extend(ropewalk_topology::beside::answer(network, &others.openings, &facts)?)?;
        beside::show_neighbours(&found, world);
        host::show_forwarding(&found, world);
        let changes = self.draft(&plan, world)?;
        let plan = ropewalk_topology::uplink::lasting(plan);
        Ok(NetworkRecord {
            network: uplink::with_gateways(network, &found).bare(),
            origin,
            uplink: facts.uplink,
            parent: facts.parent,
            mtu: facts.mtu,
            plan,
            changes,
            state: State::Pending,
            with_definition: false,
            trial_until_ms: None,
            shared: Vec::new(),
            created_ms: crate::now(),
        })
    }

    /// Says why `network` cannot be, if it cannot.
    fn object(&mut self, network: &Network, found: &Snapshot) -> Result<(), Fault> {
        for other in self.known_networks()?.iter().filter(|other| other.name != network.name) {
            apart(network, other)?;
        }
        let bridge = host::bridge(network);
        let link = bridge.as_ref().and_then(|name| host::link(found, name));
        if let Some(link) = link.filter(|link| !host::is_bridge(link)) {
            let what = format!("{} is there, but is no bridge", link.name);
            return Err(Fault::new(Code::BridgeUnfit, what).or_try("name another with --bridge"));
        }
        if let Some(link) =
            link.filter(|link| !host::ours(link) && network.joins != Joins::default())
        {
            let what = format!("--reach, but {} was there before", link.name);
            let why = "what a bridge that is not ropewalk's reaches, the host's own rules say";
            return Err(Fault::new(Code::BridgeUnfit, what)
                .cause(why)
                .or_try("leave out --reach, or --bridge"));
        }
        if let Some(fault) = tunnel::objection(network, found) {
            return Err(fault);
        }
        if network.mode.direct().is_some() && network.mode.parent().is_none() {
            // The host has no part in it.
            return Ok(());
        }
        if network.mode.parent().is_some() && tunnel::of(network).is_none() {
            if let Some(fault) = parent::objection(network, found, ropewalk_kernel::wireless) {
                return Err(fault);
            }
            self.parent_shared(network, found)?;
            let parent = parent::of(network, found).filter(|_| uplink::takes_over(network));
            return parent.map_or(Ok(()), |name| self.connected(&name));
        }
        for subnet in &network.subnets {
            if let Some(route) = host::routed(found, subnet.net, bridge.as_ref()) {
                let what = format!("the host already routes {} of {}", route.key.dst, subnet.net);
                let way = format!("it leads to {}", ways(route));
                return Err(Fault::new(Code::SubnetRouted, what)
                    .cause(way)
                    .or_try("choose another --subnet"));
            }
        }
        Ok(())
    }

    /// Takes back what only this network needed, and forgets it. The caller holds the lock.
    pub(crate) fn unmake_network(&mut self, record: &NetworkRecord) -> Result<(), Fault> {
        // The host is no worse off without a guard: what has begun has to be finished.
        let guard = self.guarded(record).ok().flatten();
        let unmade = self.unmake_guarded(record);
        guard.into_iter().for_each(Guard::done);
        unmade
    }

    fn unmake_guarded(&mut self, record: &NetworkRecord) -> Result<(), Fault> {
        let name = &record.network.name;
        let mut leaving = record.clone();
        if record.state == State::Ready {
            leaving.changes = self.moved_since(record)?;
        }
        let record = &NetworkRecord { changes: leaving.changes.clone(), ..record.clone() };
        leaving.state = State::Leaving;
        failpoint::hit("journal network leaving");
        self.store.put_network(&leaving)?;
        self.unlead(&record.network)?;
        let mut others: Vec<NetworkRecord> = self
            .store
            .networks()?
            .into_iter()
            .filter(|other| other.network.name != *name)
            .collect();
        let changes = share(record.changes.clone(), &mut others);
        let changes = self.without_what_others_need(changes)?;
        self.take_back(&changes)?;
        if record.with_definition {
            self.definitions.remove(name)?;
        }
        failpoint::hit("journal network gone");
        self.store.replace_network(name, &others)?;
        Ok(())
    }

    /// Undoes what is left of `changes`, whatever part of them was carried out. What lies in a
    /// sandbox that is gone is gone with it.
    pub(crate) fn take_back(&mut self, changes: &[Change]) -> Result<(), Fault> {
        let open: BTreeSet<&Ns> = self.kernel.open().collect();
        let reachable = changes.iter().filter(|change| open.contains(&change.key.ns)).cloned();
        let stuck = self.kernel.take_back(&reachable.collect::<Vec<_>>());
        let gone = |error: &Error| {
            error.errno().is_some_and(Errno::absent) || matches!(error, Error::NoLink { .. })
        };
        stuck.into_iter().find(|error| !gone(error)).map_or(Ok(()), |error| Err(error.into()))
    }

    /// The networks that are made, and those that are only defined.
    pub(crate) fn known_networks(&mut self) -> Result<Vec<Network>, Fault> {
        let mut all: Vec<Network> =
            self.store.networks()?.into_iter().map(|record| record.network).collect();
        for name in self.definitions.names()? {
            if !all.iter().any(|network| network.name == name) {
                // A file that cannot be read is its own network's fault, not this one's.
                all.extend(self.definitions.read(&name).ok().flatten());
            }
        }
        Ok(all)
    }
}

/// Refuses what the host could not tell apart from `other`.
pub(crate) fn apart(network: &Network, other: &Network) -> Result<(), Fault> {
    if let Some((ours, theirs)) = network.overlap(other) {
        let what = format!("{ours} overlaps {theirs} of network {}", other.name);
        return Err(Fault::new(Code::SubnetOverlap, what).or_try("choose another --subnet"));
    }
    if names::group(&network.name) == names::group(&other.name) {
        let what = format!("the group of its links is that of network {}", other.name);
        return Err(Fault::new(Code::NetworkExists, what).or_try("choose another name"));
    }
    Ok(())
}

/// True for what may change while sandboxes are on a network.
fn changes_into(old: &Network, network: &Network) -> bool {
    old.differs_in_peers_only(network) || old.grows_into(network)
}

/// How a network is made.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct How {
    /// Its definition is written.
    pub(crate) defines: bool,
    /// What could cut the host off has to be confirmed within this time; else gateways are asked.
    pub(crate) trial: Option<Duration>,
}

/// The links that a route leads to.
pub(crate) fn ways(route: &Route) -> String {
    let devs: Vec<String> =
        route.hops.iter().filter_map(|hop| hop.dev.as_ref()).map(ToString::to_string).collect();
    devs.join(", ")
}

/// Hands what other networks state too over to them. Returns what is left to undo.
pub(crate) fn share(changes: Vec<Change>, others: &mut [NetworkRecord]) -> Vec<Change> {
    let mut heirs: Vec<Heir<'_>> = others
        .iter_mut()
        .map(|other| Heir { plan: &other.plan, changes: &mut other.changes })
        .collect();
    hand_over(changes, &mut heirs)
}

pub(crate) fn exists(old: &Network) -> Fault {
    let what = format!("there is a network {} with other settings", old.name);
    let subnets: Vec<String> = old.subnets.iter().map(|s| s.net.to_string()).collect();
    Fault::new(Code::NetworkExists, what)
        .cause(format!("subnets: {}", subnets.join(", ")))
        .or_try(format!("ropewalk network inspect {}", old.name))
        .or_try(format!("ropewalk network rm {}", old.name))
}
