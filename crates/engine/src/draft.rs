//! Drafting: what a plan would change, given only what it must know.
//!
//! What a plan creates is taken to be absent; the kernel objects if it is not. What it ensures is
//! asked for by key, nothing is dumped. A dry run keeps one `world` for all its drafts, so that
//! each sees what those before it would have done.

use std::collections::BTreeSet;

use ropewalk_facts::{Id, IfName, Key, Ns, Snapshot};
use ropewalk_plan::{Change, Plan, Step, predict};

use crate::Engine;
use crate::fault::Fault;

impl Engine {
    /// What `plan` changes. `world` is what is known already; what is read is added to it, and
    /// then what is changed.
    pub(crate) fn draft(
        &mut self,
        plan: &Plan,
        world: &mut Snapshot,
    ) -> Result<Vec<Change>, Fault> {
        self.learn(&unknown(plan, world), world)?;
        Ok(predict(plan, world)?)
    }

    /// Reads what is not in `world` yet.
    pub(crate) fn learn(&mut self, keys: &[Key], world: &mut Snapshot) -> Result<(), Fault> {
        let open: BTreeSet<&Ns> = self.kernel.open().collect();
        let new = |key: &&Key| !world.contains(key) && open.contains(&key.ns);
        let keys: Vec<Key> = keys.iter().filter(new).cloned().collect();
        if !keys.is_empty() {
            world.merge(self.kernel.read_keys(&keys)?);
        }
        Ok(())
    }
}

/// The keys that `plan` ensures and `world` does not know, but for those of links that the plan
/// itself creates.
fn unknown(plan: &Plan, world: &Snapshot) -> Vec<Key> {
    let created: BTreeSet<(&Ns, &IfName)> = plan
        .steps()
        .iter()
        .filter_map(|step| match step {
            Step::Create(fact) => Some((&fact.ns, &fact.body.as_link()?.name)),
            Step::Ensure(_) | Step::Absent(_) => None,
        })
        .collect();
    let of_new_link = |key: &Key| {
        let dev = if let Id::Member(dev) = &key.id { Some(dev.clone()) } else { None };
        let path = if let Id::Sysctl(path) = &key.id { path.dev() } else { None };
        dev.or(path).is_some_and(|dev| created.contains(&(&key.ns, &dev)))
    };
    plan.steps()
        .iter()
        .filter(|step| !matches!(step, Step::Create(_)))
        .map(Step::key)
        .filter(|key| !world.contains(key) && !of_new_link(key))
        .collect()
}
