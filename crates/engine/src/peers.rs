//! Changing the peers of a tunnel while sandboxes are on its network.
//!
//!     what led to peers that are gone is undone ─▶ journal ─▶ what leads to new ones ─▶ definition
//!
//! Blocks of the host's own come and go in the same way.  A crash leaves a record that says what there
//! shall be: the old peers or the new ones, and `repair` makes it so.  The sandboxes are not touched.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Fact, Key, Snapshot, proto};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::{Mode, Network};
use ropewalk_store::NetworkRecord;
use ropewalk_topology::{HostFacts, beside};

use crate::code::Code;
use crate::fault::Fault;
use crate::network::{apart, share, ways};
use crate::{Engine, far, host, lead, parent, tunnel};

/// What becomes of a network whose peers change.
pub(crate) struct Renewal {
    /// The record as it shall be.
    pub(crate) record: NetworkRecord,
    /// What was changed for peers that are gone, to be undone.
    pub(crate) gone: Vec<Change>,
    /// What is changed for new ones.
    pub(crate) come: Vec<Change>,
    /// The host as it is.
    pub(crate) facts: HostFacts,
}

impl Engine {
    /// Drafts `old` with the peers of `network`, which differs in nothing else.
    pub(crate) fn draft_peers(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
        world: &mut Snapshot,
    ) -> Result<Renewal, Fault> {
        let found = self.read_host()?;
        if let Some(fault) = tunnel::objection(network, &found) {
            return Err(fault);
        }
        self.room_for(old, network, &found)?;
        // Sandboxes are on the parent of a vxlan network; a routed one has none until it has peers.
        let parent = match network.mode {
            Mode::Routed(_) => parent::of(network, &found),
            Mode::Vxlan(_) if old.parent.is_none() => parent::of(network, &found),
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
        let new = Plan::try_from(new.collect::<Vec<_>>())?;
        let come = self.draft(&new, world)?;
        merge(&mut changes, &come, network, &new);
        let network = network.bare();
        let mtu = facts.mtu;
        let record = NetworkRecord { network, parent, mtu, plan, changes, ..old.clone() };
        Ok(Renewal { record, gone, come, facts })
    }

    /// Refuses blocks that the host has other ways to, or other networks; and that one goes in which
    /// a sandbox has an address.
    fn room_for(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
        found: &Snapshot,
    ) -> Result<(), Fault> {
        let name = &network.name;
        let less = old.network.share.iter().flat_map(|share| &share.own);
        let kept = |net: &IpNet| network.share.iter().any(|share| share.own.contains(net));
        let gone: Vec<&IpNet> = less.filter(|net| !kept(net)).collect();
        let rows = if gone.is_empty() { Vec::new() } else { self.store.attachments_on(name)? };
        for row in &rows {
            let lost = row.addresses.iter().map(IpNet::addr);
            let lost: Vec<IpAddr> = lost.filter(|ip| !network.owns(*ip)).collect();
            let inside = |net: &&&IpNet| lost.iter().any(|ip| net.contains(ip));
            if let Some(block) = gone.iter().find(inside) {
                let what = format!("{} has an address of {block}", row.sandbox);
                let again = format!("ropewalk detach {} {name}", row.sandbox);
                return Err(Fault::new(Code::NetworkInUse, what).or_try(again));
            }
        }
        if old.network.subnets == network.subnets {
            return Ok(());
        }
        for other in self.known_networks()?.iter().filter(|other| other.name != network.name) {
            apart(network, other)?;
        }
        let come = network.subnets.iter().filter(|subnet| !old.network.subnets.contains(subnet));
        for subnet in come {
            let bridge = host::bridge(network);
            if let Some(route) = host::routed(found, subnet.net, bridge.as_ref())
                .filter(|route| route.proto != proto::ROPEWALK)
            {
                let what = format!("the host already routes {} of {}", route.key.dst, subnet.net);
                let way = format!("it leads to {}", ways(route));
                return Err(Fault::new(Code::SubnetRouted, what).cause(way));
            }
        }
        Ok(())
    }

    /// Gives the network of `old` the peers of `network`. The caller holds the lock.
    pub(crate) fn change_peers(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
    ) -> Result<NetworkRecord, Fault> {
        let Renewal { record, gone, come, facts } =
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
        self.forget_udp(&far::changed(old, &record))?;
        self.lead_all(network, &facts)?;
        Ok(record)
    }
}

/// Takes what comes into what was changed. A block that goes over to another peer is one change from the
/// beginning to its end; what leads to peers and is there already, `lead` has made.
fn merge(changes: &mut Vec<Change>, come: &[Change], network: &Network, new: &Plan) {
    let mut places: BTreeMap<Key, usize> =
        changes.iter().enumerate().map(|(at, change)| (change.key.clone(), at)).collect();
    let made = new.steps().iter().filter_map(|step| match step {
        Step::Create(fact) | Step::Ensure(fact) => Some(fact),
        Step::Absent(_) => None,
    });
    let told: BTreeSet<&Key> = come.iter().map(|change| &change.key).collect();
    let there = |fact: &&Fact| lead::made(network, &fact.body) && !told.contains(&fact.key());
    let made = made.filter(there).cloned().map(Change::made);
    for change in come.iter().cloned().chain(made) {
        match places.get(&change.key).and_then(|at| changes.get_mut(*at)) {
            Some(before) => before.new = change.new,
            None => {
                places.insert(change.key.clone(), changes.len());
                let old = change.old.filter(|old| !lead::made(network, &old.body));
                changes.push(Change { old, ..change });
            }
        }
    }
}
