//! Check and repair: what is there against what was made, and the difference put right.

use std::collections::BTreeSet;

use ropewalk_facts::nft::TableKey;
use ropewalk_facts::{Fact, Id, IfName, Key, Ns, Snapshot};
use ropewalk_plan::{Change, Plan, diff};
use ropewalk_store::{AttachmentRecord, NetworkRecord, State};
use ropewalk_topology::{beside, firewall};

use crate::fault::Fault;
use crate::lost::without_lost;
use crate::view::Finding;
use crate::{Engine, connected, lost};

impl Engine {
    /// What is not as it was made.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`] when something cannot be read.
    pub fn check(&mut self) -> Result<Vec<Finding>, Fault> {
        let lock = self.store.exclusive()?;
        let mut all = self.look(false)?;
        drop(lock);
        all.extend(self.try_tunnels(false)?);
        Ok(all)
    }

    /// Puts right what is not as it was made. Sandboxes that are gone are for `gc`.
    ///
    /// # Errors
    /// The first thing that the kernel refused; what came before is right.
    pub fn repair(&mut self) -> Result<Vec<Finding>, Fault> {
        let lock = self.store.exclusive()?;
        let mut all = self.look(true)?;
        drop(lock);
        all.extend(self.try_tunnels(true)?);
        Ok(all)
    }

    fn look(&mut self, repair: bool) -> Result<Vec<Finding>, Fault> {
        let mut all = Vec::new();
        let networks = self.store.networks()?;
        if !networks.is_empty() {
            let found = self.read_host()?;
            let others = beside::look(&found);
            for record in &networks {
                all.extend(self.look_at_network(record, repair)?);
                all.extend(self.look_at_ways(record, &found, repair)?);
                all.extend(self.look_beside(record, &others, &found, repair)?);
            }
            all.extend(crate::beside::closed(&others));
        }
        let records = self.store.attachments()?;
        for record in &records {
            all.extend(self.look_at_attachment(record, repair)?);
        }
        if !repair {
            all.extend(self.disputed(&records)?);
            all.extend(crate::dhcp::lapsed(&records));
            all.extend(crate::fence::told(&records));
        }
        Ok(all)
    }

    pub(crate) fn look_at_network(
        &mut self,
        record: &NetworkRecord,
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        let owner = format!("network {}", record.network.name);
        if record.state != State::Ready {
            return Ok(vec![unfinished(owner)]);
        }
        self.compare(&owner, &crate::beside::without_answer(&record.plan)?, repair)
    }

    pub(crate) fn look_at_attachment(
        &mut self,
        record: &AttachmentRecord,
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        let owner = format!("{}/{}", record.sandbox, record.ifname);
        let in_doubt = !record.doubtful_publish.is_empty() || record.stray().next().is_some();
        if record.state != State::Ready || in_doubt {
            return Ok(vec![unfinished(owner)]);
        }
        if !self.alive(record) {
            let (wanted, found) = ("there".to_owned(), "gone; `ropewalk gc` clears it away".into());
            let object = record.sandbox.to_string();
            return Ok(vec![Finding {
                owner,
                object,
                wanted,
                found,
                repaired: false,
                change: None,
            }]);
        }
        let mut all = self.compare(&owner, &record.plan, repair)?;
        all.extend(self.look_at_lodged(&owner, &record.lodged, repair)?);
        Ok(all)
    }

    /// One finding for each statement of `plan` that does not hold; made to hold if `repair`.
    fn compare(&mut self, owner: &str, plan: &Plan, repair: bool) -> Result<Vec<Finding>, Fault> {
        let gap = self.gap(plan)?;
        if repair && !gap.changes.is_empty() {
            self.kernel.apply(&gap.changes)?;
            self.claim(gap.changes.iter().filter_map(|change| Some(&change.new.as_ref()?.body)));
        }
        Ok(gap.told(owner, repair))
    }

    /// What of `plan` does not hold.
    pub(crate) fn gap(&mut self, plan: &Plan) -> Result<Gap, Fault> {
        let mut keys: Vec<Key> = plan.steps().iter().map(ropewalk_plan::Step::key).collect();
        keys.extend(connected::keys(plan));
        let mut found = Snapshot::default();
        self.learn(&keys, &mut found)?;
        // The name of a namespace may have been taken away while a process keeps it alive.
        let steps: Vec<_> = Vec::from(diff(plan, &found))
            .into_iter()
            .filter(|step: &ropewalk_plan::Step| !matches!(step.key().id, Id::Netns(_)))
            .collect();
        let (steps, lost) = without_lost(steps, &found);
        let missing = Plan::try_from(steps)?;
        let before = found.clone();
        let mut changes = ropewalk_plan::predict(&missing, &mut found)?;
        changes.extend(connected::missing(plan, &before).into_iter().map(Change::made));
        Ok(Gap { missing, before, changes, lost })
    }
}

/// What of a plan does not hold.
pub(crate) struct Gap {
    /// The statements that do not.
    missing: Plan,
    /// What was found.
    before: Snapshot,
    /// What makes them hold.
    pub(crate) changes: Vec<Change>,
    /// Interfaces that nothing can bring back.
    lost: Vec<IfName>,
}

impl Gap {
    /// The findings, a missing table or chain of others as one.
    pub(crate) fn told(&self, owner: &str, repaired: bool) -> Vec<Finding> {
        let whole: BTreeSet<Id> = self.changes.iter().filter_map(|c| whole(&c.key.id, c)).collect();
        // Names for what is said: the sets that elements are of, as they shall be.
        let mut words =
            firewall::facts().into_iter().map(|body| body.at(Ns::HOST)).collect::<Snapshot>();
        words.merge(self.before.clone());
        let told = |change: &&Change| {
            let part = parents_of(&change.key.id).iter().any(|id| whole.contains(id));
            let connected = change.new.as_ref().is_some_and(connected::is_one);
            (self.missing.states(&change.key) || connected) && !part
        };
        let told = self.changes.iter().filter(told);
        let told = told.map(|c| finding(owner, c, &self.before, &words, repaired));
        self.lost.iter().map(|name| lost::gone(owner, name)).chain(told).collect()
    }
}

/// The table or chain, if the change makes it whole.
fn whole(id: &Id, change: &Change) -> Option<Id> {
    (matches!(id, Id::Table(_) | Id::Chain(_)) && change.makes()).then(|| id.clone())
}

/// The table and chain that something is part of: where that is made whole, nobody needs to be
/// told of the parts.
fn parents_of(id: &Id) -> Vec<Id> {
    let table = |key: &TableKey| Id::Table(key.clone());
    if let Id::Set(key) = id {
        vec![table(&key.table)]
    } else if let Id::Chain(key) = id {
        vec![table(&key.table)]
    } else if let Id::NftRule(key) = id {
        vec![table(&key.chain.table), Id::Chain(key.chain.clone())]
    } else if let Id::Element(key) = id {
        vec![table(&key.set.table)]
    } else {
        Vec::new()
    }
}

pub(crate) fn finding(
    owner: &str,
    change: &Change,
    before: &Snapshot,
    words: &Snapshot,
    repaired: bool,
) -> Finding {
    let say = |fact: &Fact| {
        let line = ropewalk_plan::describe(&Change::made(fact.clone()), words);
        line.trim_start_matches(['+', '~', ' ']).to_owned()
    };
    let or = |fact: Option<&Fact>, word: &str| fact.map_or_else(|| word.to_owned(), say);
    Finding {
        owner: owner.to_owned(),
        object: change.key.to_string(),
        wanted: or(change.new.as_ref(), "nothing"),
        found: or(before.fact(&change.key), "missing"),
        repaired,
        change: Some(change.clone()),
    }
}

fn unfinished(owner: String) -> Finding {
    Finding {
        object: owner.clone(),
        owner,
        wanted: "ready".into(),
        found: "half done; `ropewalk gc` clears it away".into(),
        repaired: false,
        change: None,
    }
}
