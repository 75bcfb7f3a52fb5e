//! Tending: what a process that stays does again and again, for `ropewalk agent`.
//!
//!     doubts   one look at the host, without a lock: whose state is not as it was made?
//!     tend     under the lock: what died is cleared away, the doubtful (or all) is put right
//!
//! What goes wrong with one owner does not keep the others from being put right.  Never here: when
//! to do it, and marks without an owner, which `gc` alone takes away.

use std::collections::BTreeSet;
use std::time::Duration;

use ropewalk_facts::{Key, Ns, Snapshot};
use ropewalk_plan::{Plan, diff};
use ropewalk_spec::NetworkName;
use ropewalk_store::{AttachmentKey, AttachmentRecord, State};
use ropewalk_topology::beside;

use crate::beside::{answer_for, without_answer};
use crate::fault::Fault;
use crate::view::{Done, Finding};
use crate::{Engine, connected, host};

/// Owners of something that did not look as it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Doubts {
    networks: BTreeSet<NetworkName>,
    attachments: BTreeSet<AttachmentKey>,
}

impl Doubts {
    /// True when everything looked well.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.networks.is_empty() && self.attachments.is_empty()
    }
}

/// What was done, and what could not be.
#[derive(Debug, Default)]
pub struct Tended {
    /// What was not as it was made, put right where `repaired` says so.
    pub findings: Vec<Finding>,
    /// What was cleared away.
    pub cleared: Vec<Done>,
    /// What the kernel refused.
    pub faults: Vec<Fault>,
    /// When there is more to do; none for as usual.
    pub again: Option<Duration>,
}

impl Engine {
    /// Compares the host, not the sandboxes, with what was made in it; the sandboxes behind `legs`
    /// are doubted unseen. Nothing is waited for: a verb that is at work may be doubted, and
    /// [`Engine::tend`] finds it well.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`] when the host cannot be read.
    pub fn doubts(&mut self, legs: &BTreeSet<String>) -> Result<Doubts, Fault> {
        let mut doubts = Doubts::default();
        let networks = self.store.networks()?;
        let attachments = self.store.attachments()?;
        if networks.is_empty() && attachments.is_empty() {
            return Ok(doubts);
        }
        let mut found = self.read_host()?;
        let others = beside::look(&found);
        for record in networks.iter().filter(|record| record.state == State::Ready) {
            let facts = host::facts(&record.network, &found);
            let answer = answer_for(record, &others, &facts)?;
            let mut plan = without_answer(&record.plan)?;
            plan.extend(answer)?;
            let ways = self.look_at_ways(record, &found, false);
            if !self.holds(&plan, &mut found)? || ways.is_ok_and(|ways| !ways.is_empty()) {
                doubts.networks.insert(record.network.name.clone());
            }
        }
        for record in attachments.iter().filter(|record| record.state == State::Ready) {
            let lodged = crate::lodge::holds(&record.lodged, &found);
            let seen = legs.contains(record.leg.as_str()) || !lodged;
            if seen || !self.holds(&record.plan, &mut found)? {
                doubts.attachments.insert(record.key());
            }
        }
        Ok(doubts)
    }

    /// True when the host's part of `plan` holds. What a dump leaves out is asked for by key.
    fn holds(&mut self, plan: &Plan, found: &mut Snapshot) -> Result<bool, Fault> {
        let host =
            |key: &Key| key.ns == Ns::HOST && !matches!(key.id, ropewalk_facts::Id::Netns(_));
        let steps = plan.steps().iter().filter(|step| host(&step.key())).cloned();
        let plan = Plan::try_from(steps.collect::<Vec<_>>())?;
        let off = diff(&plan, found);
        let absent = |key: &Key| !found.contains(key);
        let keys: Vec<Key> = off.steps().iter().map(|step| step.key()).filter(absent).collect();
        if !connected::missing(&plan, found).is_empty() {
            return Ok(false);
        }
        if keys.is_empty() {
            return Ok(off.steps().is_empty());
        }
        self.learn(&keys, found)?;
        Ok(diff(&plan, found).steps().is_empty())
    }

    /// Clears away what died, then puts right what belongs to `only`, or everything. None when
    /// another verb is at work: come again.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`]; what goes wrong with one owner is among the faults.
    pub fn tend(&mut self, only: Option<&Doubts>) -> Result<Option<Tended>, Fault> {
        let Some(_lock) = self.store.try_exclusive()? else { return Ok(None) };
        let mut tended = Tended::default();
        let doubted = |record: &AttachmentRecord| {
            only.is_none_or(|doubts| doubts.attachments.contains(&record.key()))
        };
        self.bury(doubted, &mut tended.cleared, &mut tended.faults)?;
        let found = self.read_host()?;
        let others = beside::look(&found);
        for record in self.store.networks()? {
            if only.is_none_or(|doubts| doubts.networks.contains(&record.network.name)) {
                let looked = self.look_at_network(&record, true);
                tended.take(format!("network {}", record.network.name), looked);
                let looked = self.look_at_ways(&record, &found, true);
                tended.take(format!("network {}", record.network.name), looked);
                let looked = self.look_beside(&record, &others, &found, true);
                tended.take(format!("network {}", record.network.name), looked);
            }
        }
        for record in self.store.attachments()? {
            if doubted(&record) {
                let looked = self.look_at_attachment(&record, true);
                tended.take(format!("{}/{}", record.sandbox, record.ifname), looked);
            }
        }
        Ok(Some(tended))
    }
}

impl Tended {
    pub(crate) fn keep(&mut self, done: Result<(), Fault>) {
        self.faults.extend(done.err());
    }

    fn take(&mut self, owner: String, looked: Result<Vec<Finding>, Fault>) {
        match looked {
            Ok(findings) => self.findings.extend(findings),
            Err(fault) => self.faults.push(fault.doing(format!("repair {owner}"))),
        }
    }
}
