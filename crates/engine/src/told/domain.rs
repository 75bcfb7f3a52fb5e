//! Routing domains (VRFs) in a container: made for the first interface that is to be in one, gone
//! with the last.
//!
//!     ip link add red type vrf table 1      the first table that no other domain has
//!
//! They are in no journal: one that a killed run left is taken for the next, and goes with the
//! namespace at the latest.

use ropewalk_facts::{Body, IfName, Link, LinkKind, Ns, Snapshot};
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::SandboxRef;

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;

impl Engine {
    /// Sees to it that there is a routing domain `name` in a container, by `table` if that is said.
    /// Its link is returned.
    ///
    /// # Errors
    /// [`Code::IfnameTaken`] when something else is called so, or it has another table.
    pub fn domain(
        &mut self,
        sandbox: &SandboxRef,
        name: &IfName,
        table: Option<u32>,
    ) -> Result<Link, Fault> {
        let _mine = self.store.sandbox_lock(&sandbox.ns())?;
        let sandbox = self.open_sandbox(sandbox)?;
        let found = self.kernel.read_links(&sandbox.ns)?;
        let there = links(&found, &sandbox.ns).find(|link| link.name == *name);
        match there.map(|link| &link.kind) {
            Some(LinkKind::Vrf { table: own }) if table.is_none_or(|table| table == *own) => {}
            Some(LinkKind::Vrf { table: own }) => {
                let what = format!("VRF {name} is there already, with the table {own}");
                return Err(
                    Fault::new(Code::IfnameTaken, what).or_try("that table, or another name")
                );
            }
            Some(_) => {
                let what = format!("{name} is there, but is no VRF");
                return Err(Fault::new(Code::IfnameTaken, what).or_try("another name"));
            }
            None => {}
        }
        let table = match there.map(|link| &link.kind) {
            Some(LinkKind::Vrf { table }) => *table,
            Some(_) | None => table.unwrap_or_else(|| free(&found, &sandbox.ns)),
        };
        let mut plan = Plan::new();
        let link = Link::up(name.clone(), LinkKind::Vrf { table });
        plan.ensure(&sandbox.ns, Body::Link(link.clone()))?;
        let changes = self.draft(&plan, &mut Snapshot::default())?;
        self.kernel.apply(&changes)?;
        Ok(link)
    }

    /// Takes an interface that there is no record of out of a routing domain.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn leave_domain(
        &mut self,
        sandbox: &SandboxRef,
        dev: &IfName,
        name: &IfName,
    ) -> Result<(), Fault> {
        let Ok(sandbox) = self.open_sandbox(sandbox) else { return Ok(()) };
        let found = self.kernel.read_links(&sandbox.ns)?;
        let is = |link: &&Link| link.name == *dev && link.master.as_ref() == Some(name);
        let Some(link) = links(&found, &sandbox.ns).find(is).cloned() else { return Ok(()) };
        let free = Body::Link(Link { master: None, ..link.clone() }).at(sandbox.ns.clone());
        let old = Some(Body::Link(link).at(sandbox.ns));
        let change = Change { key: free.key(), old, new: Some(free), implied: false };
        Ok(self.kernel.apply(&[change])?)
    }

    /// Removes a routing domain of a container that nothing is in.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn drop_domain(&mut self, sandbox: &SandboxRef, name: &IfName) -> Result<(), Fault> {
        let _mine = self.store.sandbox_lock(&sandbox.ns())?;
        let Ok(sandbox) = self.open_sandbox(sandbox) else { return Ok(()) };
        let mut found = self.kernel.read_links(&sandbox.ns)?;
        let is = |link: &&Link| link.name == *name && matches!(link.kind, LinkKind::Vrf { .. });
        let Some(link) = links(&found, &sandbox.ns).find(is).cloned() else { return Ok(()) };
        if links(&found, &sandbox.ns).any(|link| link.master.as_ref() == Some(name)) {
            return Ok(());
        }
        let key = Body::Link(link).id().at(sandbox.ns.clone());
        let changes = self.draft(&Plan::try_from(vec![Step::Absent(key)])?, &mut found)?;
        Ok(self.kernel.apply(&changes)?)
    }
}

fn links<'a>(found: &'a Snapshot, ns: &Ns) -> impl Iterator<Item = &'a Link> {
    found.of(ns).filter_map(|fact| fact.body.as_link())
}

/// The first table that no domain has.
fn free(found: &Snapshot, ns: &Ns) -> u32 {
    let has = |table: u32| links(found, ns).any(|link| link.kind == LinkKind::Vrf { table });
    (1..u32::MAX).find(|table| !has(*table)).unwrap_or(u32::MAX)
}
