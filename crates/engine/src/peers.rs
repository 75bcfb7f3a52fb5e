//! Changing the peers of a tunnel while sandboxes are on its network.
//!
//!     what led to peers that are gone is undone ─▶ journal ─▶ what leads to new ones ─▶ definition
//!
//! A crash leaves a record that says what there shall be: the old peers or the new ones, and
//! `repair` makes it so.  The sandboxes are not touched.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::{Key, Ns, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::{Mode, Network};
use ropewalk_store::NetworkRecord;
use ropewalk_topology::beside;

use crate::fault::Fault;
use crate::network::share;
use crate::{Engine, host, parent, tunnel};

/// What becomes of a network whose peers change.
pub(crate) struct Renewal {
    /// The record as it shall be.
    pub(crate) record: NetworkRecord,
    /// What was changed for peers that are gone, to be undone.
    pub(crate) gone: Vec<Change>,
    /// What is changed for new ones.
    pub(crate) come: Vec<Change>,
}

impl Engine {
    /// Drafts `old` with the peers of `network`, which differs in nothing else.
    pub(crate) fn draft_peers(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
        world: &mut Snapshot,
    ) -> Result<Renewal, Fault> {
        let found = self.kernel.read_all(&Ns::HOST)?;
        if let Some(fault) = tunnel::objection(network, &found) {
            return Err(fault);
        }
        // Sandboxes are on the parent of a vxlan network; a routed one has none until it has peers.
        let parent = match network.mode {
            Mode::Routed(_) => parent::of(network, &found),
            Mode::Bridge { .. }
            | Mode::Flat { .. }
            | Mode::Uplink { .. }
            | Mode::Direct(_)
            | Mode::Vxlan(_)
            | Mode::Cni { .. } => old.parent.clone(),
        };
        let facts = host::facts_by(network, &found, parent.clone());
        let mut plan = ropewalk_topology::network(network, &facts)?;
        // What others' rules were answered with does not depend on peers.
        for step in old.plan.steps().iter().filter(|step| beside::is_answer(&step.key())) {
            plan.push(step.clone())?;
        }
        let kept: BTreeSet<Key> = plan.steps().iter().map(Step::key).collect();
        let (mut changes, gone): (Vec<_>, Vec<_>) =
            old.changes.iter().cloned().partition(|change| kept.contains(&change.key));
        // What the old peers have in common with the new ones is there, or is for `repair`.
        let before: BTreeMap<Key, &Step> = old.plan.steps().iter().map(|s| (s.key(), s)).collect();
        let new = plan.steps().iter().filter(|step| before.get(&step.key()) != Some(step)).cloned();
        let come = self.draft(&Plan::try_from(new.collect::<Vec<_>>())?, world)?;
        for change in come.iter().cloned() {
            // A block that goes over to another peer is one change from the beginning to its end.
            match changes.iter_mut().find(|made: &&mut Change| made.key == change.key) {
                Some(made) => made.new = change.new,
                None => changes.push(change),
            }
        }
        let network = network.clone();
        let record = NetworkRecord { network, parent, plan, changes, ..old.clone() };
        Ok(Renewal { record, gone, come })
    }

    /// Gives the network of `old` the peers of `network`. The caller holds the lock.
    pub(crate) fn change_peers(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
    ) -> Result<NetworkRecord, Fault> {
        let Renewal { record, gone, come } =
            self.draft_peers(old, network, &mut Snapshot::default())?;
        let mut others = self.store.networks()?;
        others.retain(|other| other.network.name != network.name);
        failpoint::hit("peers gone");
        let gone = share(gone, &mut others);
        self.take_back(&gone)?;
        failpoint::hit("journal peers");
        self.store.put_networks(others.iter().chain([&record]))?;
        if let Err(failure) = self.kernel.apply(&come) {
            self.store.put_network(old)?;
            let missing = self.draft(&old.plan, &mut Snapshot::default())?;
            self.kernel.apply(&missing)?;
            return Err(failure.into());
        }
        Ok(record)
    }
}
