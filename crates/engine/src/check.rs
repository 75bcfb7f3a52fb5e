//! Check and repair: what is there against what was made, and the difference put right.

use std::collections::BTreeSet;

use ropewalk_facts::{Fact, Id, Key, Ns, Snapshot};
use ropewalk_plan::{Change, Plan, diff};
use ropewalk_store::{AttachmentRecord, NetworkRecord, State};
use ropewalk_topology::firewall;

use crate::Engine;
use crate::fault::Fault;
use crate::view::Finding;

impl Engine {
    /// What is not as it was made.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`] when something cannot be read.
    pub fn check(&mut self) -> Result<Vec<Finding>, Fault> {
        let _lock = self.store.exclusive()?;
        self.look(false)
    }

    /// Puts right what is not as it was made. Sandboxes that are gone are for `gc`.
    ///
    /// # Errors
    /// The first thing that the kernel refused; what came before is right.
    pub fn repair(&mut self) -> Result<Vec<Finding>, Fault> {
        let _lock = self.store.exclusive()?;
        self.look(true)
    }

    fn look(&mut self, repair: bool) -> Result<Vec<Finding>, Fault> {
        let mut all = Vec::new();
        for record in self.store.networks()? {
            all.extend(self.look_at_network(&record, repair)?);
        }
        for record in self.store.attachments()? {
            all.extend(self.look_at_attachment(&record, repair)?);
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
        self.compare(&owner, &record.plan, repair)
    }

    pub(crate) fn look_at_attachment(
        &mut self,
        record: &AttachmentRecord,
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        let owner = format!("{}/{}", record.sandbox, record.ifname);
        if record.state != State::Ready || !record.doubtful_publish.is_empty() {
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
        self.compare(&owner, &record.plan, repair)
    }

    /// One finding for each statement of `plan` that does not hold; made to hold if `repair`.
    fn compare(&mut self, owner: &str, plan: &Plan, repair: bool) -> Result<Vec<Finding>, Fault> {
        let keys: Vec<Key> = plan.steps().iter().map(ropewalk_plan::Step::key).collect();
        let mut found = Snapshot::default();
        self.learn(&keys, &mut found)?;
        // The name of a namespace may have been taken away while a process keeps it alive.
        let steps: Vec<_> = Vec::from(diff(plan, &found))
            .into_iter()
            .filter(|step: &ropewalk_plan::Step| !matches!(step.key().id, Id::Netns(_)))
            .collect();
        let missing = Plan::try_from(steps)?;
        let before = found.clone();
        let changes = ropewalk_plan::predict(&missing, &mut found)?;
        if repair && !changes.is_empty() {
            self.kernel.apply(&changes)?;
        }
        let tables: BTreeSet<Id> =
            changes.iter().filter_map(|c| whole_table(&c.key.id, c)).collect();
        // Names for what is said: the sets that elements are of, as they shall be.
        let mut words =
            firewall::facts().into_iter().map(|body| body.at(Ns::HOST)).collect::<Snapshot>();
        words.merge(before.clone());
        let told = |change: &&Change| {
            missing.states(&change.key)
                && !table_of(&change.key.id).is_some_and(|id| tables.contains(&id))
        };
        let told = changes.iter().filter(told);
        Ok(told.map(|c| finding(owner, c, &before, &words, repair)).collect())
    }
}

/// The table, if the change makes it whole.
fn whole_table(id: &Id, change: &Change) -> Option<Id> {
    (matches!(id, Id::Table(_)) && change.makes()).then(|| id.clone())
}

/// The table that something is part of: with the whole table gone, nobody needs to be told of it.
fn table_of(id: &Id) -> Option<Id> {
    let key = if let Id::Set(key) = id {
        &key.table
    } else if let Id::Chain(key) = id {
        &key.table
    } else if let Id::NftRule(key) = id {
        &key.chain.table
    } else if let Id::Element(key) = id {
        &key.set.table
    } else {
        return None;
    };
    Some(Id::Table(key.clone()))
}

fn finding(
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
