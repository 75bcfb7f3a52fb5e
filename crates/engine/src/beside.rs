//! Living beside others: their rules are looked at when a network is made, checked or repaired,
//! and answered as part of the network's plan.
//!
//!     look at the host's rules ─▶ openings ─▶ steps of the network's plan, changes in its journal
//!                              └▶ closed: told to people, for nobody else can change that
//!
//! Others come and go after the network was made, so what is needed is worked out anew each time.

use ropewalk_facts::{Id, Ns, Snapshot, SysctlPath};
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::Mode;
use ropewalk_store::{NetworkRecord, State};
use ropewalk_topology::HostFacts;
use ropewalk_topology::beside::{self, Beside, Closed};

use crate::fault::Fault;
use crate::told::passes;
use crate::view::Finding;
use crate::{Engine, host};

impl Engine {
    /// What the rules of others do to ropewalk's traffic and nobody else can change, in words.
    pub(crate) fn closed(&mut self) -> Result<Vec<String>, Fault> {
        let found = self.kernel.read_rules(&Ns::HOST)?;
        let closed = beside::look(&found).closed;
        Ok(closed.iter().map(|c| format!("{} drops it; try: {}", place(c), c.way_out())).collect())
    }

    /// What is not as it shall be in the rules of others, put right if `repair`. What is new is in
    /// the journal before.
    pub(crate) fn look_beside(
        &mut self,
        record: &NetworkRecord,
        beside: &Beside,
        found: &Snapshot,
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        let facts = host::facts(&record.network, found);
        let answer = answer_for(record, beside, &facts)?;
        if record.state != State::Ready || answer.is_empty() {
            return Ok(Vec::new());
        }
        let gap = self.gap(&answer)?;
        let stated = answer.steps().iter().all(|step| record.plan.states(&step.key()));
        if repair && !(gap.changes.is_empty() && stated) {
            let mut record = record.clone();
            record.plan = without_answer(&record.plan)?;
            record.plan.extend(answer)?;
            join(&mut record.changes, &gap.changes);
            self.store.put_network(&record)?;
            self.kernel.apply(&gap.changes)?;
        }
        Ok(gap.told(&format!("network {}", record.network.name), repair))
    }

    /// What of `changes` is to be taken back. Forwarding that others count on by now stays.
    pub(crate) fn without_what_others_need(
        &mut self,
        changes: Vec<Change>,
    ) -> Result<Vec<Change>, Fault> {
        let concerned = changes.iter().any(is_forwarding);
        if !concerned || !beside::others_forward(&self.kernel.read_rules(&Ns::HOST)?) {
            return Ok(changes);
        }
        Ok(changes.into_iter().filter(|change| !is_forwarding(change)).collect())
    }
}

/// True for what turned forwarding on, and for what kept an uplink alive that it would have cut off
/// from its router.
fn is_forwarding(change: &Change) -> bool {
    let Id::Sysctl(path) = &change.key.id else { return false };
    *path == SysctlPath::ip_forward()
        || *path == SysctlPath::ip6_forward()
        || path.as_str().ends_with("/accept_ra")
}

/// What `record` needs of the openings; those of a runtime's networks that nobody asked for stay.
pub(crate) fn answer_for(
    record: &NetworkRecord,
    found: &Beside,
    facts: &HostFacts,
) -> Result<Plan, Fault> {
    if matches!(record.network.mode, Mode::Cni { .. }) && !passes(&record.shared) {
        return Ok(Plan::new());
    }
    Ok(beside::answer(&record.network, &found.openings, facts)?)
}

/// What of a network's plan is its own.
pub(crate) fn without_answer(plan: &Plan) -> Result<Plan, Fault> {
    let own = |step: &&Step| !beside::is_answer(&step.key());
    let steps: Vec<Step> = plan.steps().iter().filter(own).cloned().collect();
    Ok(Plan::try_from(steps)?)
}

/// Adds `more` to a journal: what was made before and is made again is one change.
pub(crate) fn join(changes: &mut Vec<Change>, more: &[Change]) {
    for change in more {
        match changes.iter_mut().find(|own| own.key == change.key) {
            Some(own) => own.new.clone_from(&change.new),
            None => changes.push(change.clone()),
        }
    }
}

/// Makes the rules known that stand around an answer, by which its place is told.
pub(crate) fn show_neighbours(found: &Snapshot, world: &mut Snapshot) {
    for fact in found.of(&Ns::HOST) {
        let around =
            fact.body.as_nft_rule().is_some_and(|rule| beside::is_iptables(&rule.key.chain.table));
        if around && !beside::is_answer(&fact.key()) && !world.contains(&fact.key()) {
            world.insert(fact.clone());
        }
    }
}

/// The chains of others from which a network's plan has its traffic let through.
pub(crate) fn answered(plan: &Plan) -> Vec<String> {
    let jump = |step: &Step| match step {
        Step::Ensure(fact) | Step::Create(fact) => beside::jump(&fact.body),
        Step::Absent(_) => None,
    };
    plan.steps().iter().filter_map(jump).collect()
}

/// A finding for each chain that drops ropewalk's traffic, and has no place for it.
pub(crate) fn closed(beside: &Beside) -> Vec<Finding> {
    let finding = |closed: &Closed| Finding {
        owner: "the rules of others".into(),
        object: place(closed),
        wanted: "ropewalk's links are let through".into(),
        found: format!("it drops; try: {}", closed.way_out()),
        repaired: false,
        change: None,
    };
    beside.closed.iter().map(finding).collect()
}

fn place(closed: &Closed) -> String {
    format!("chain {} {}", closed.table, closed.chain)
}
