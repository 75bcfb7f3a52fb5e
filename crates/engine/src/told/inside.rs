//! What is done in a container's namespace without a record: it is no more than it was before, or
//! somebody else made it.

use ipnet::IpNet;
use ropewalk_facts::{Body, Id, IfName, Link, LinkKind, Snapshot};
use ropewalk_plan::{Plan, Step};
use ropewalk_spec::SandboxRef;

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;

impl Engine {
    /// Sees to it that loopback is up, or down. Returns its addresses.
    ///
    /// # Errors
    /// [`Code::SandboxUnknown`], [`Code::SandboxIsHost`], [`Code::Kernel`].
    pub fn loopback(&mut self, sandbox: &SandboxRef, up: bool) -> Result<Vec<IpNet>, Fault> {
        let sandbox = self.open_sandbox(sandbox)?;
        let Ok(lo) = IfName::new("lo") else { return Ok(Vec::new()) };
        let mut plan = Plan::new();
        let link = Link { up, ..Link::up(lo.clone(), LinkKind::Loopback) };
        plan.ensure(&sandbox.ns, Body::Link(link))?;
        let changes = self.draft(&plan, &mut Snapshot::default())?;
        self.kernel.apply(&changes)?;
        let found = self.kernel.read_links(&sandbox.ns)?;
        let addrs = found.of(&sandbox.ns).filter_map(|fact| fact.body.as_addr());
        Ok(addrs.filter(|addr| addr.key.dev == lo).map(|addr| addr.key.net).collect())
    }

    /// Refuses a loopback that is down.
    ///
    /// # Errors
    /// As for [`Engine::loopback`].
    pub fn check_loopback(&mut self, sandbox: &SandboxRef) -> Result<(), Fault> {
        let sandbox = self.open_sandbox(sandbox)?;
        let Ok(lo) = IfName::new("lo") else { return Ok(()) };
        let key = Id::Link(lo).at(sandbox.ns);
        let found = self.kernel.read_keys(std::slice::from_ref(&key))?;
        match found.fact(&key).and_then(|fact| fact.body.as_link()).is_some_and(|link| link.up) {
            true => Ok(()),
            false => Err(Fault::new(Code::Kernel, "lo is down").or_try("ip link set lo up")),
        }
    }

    /// Removes an interface that there is no record of; true when it was there. A namespace that is
    /// gone has none.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn drop_link(&mut self, sandbox: &SandboxRef, name: &IfName) -> Result<bool, Fault> {
        let Ok(sandbox) = self.open_sandbox(sandbox) else { return Ok(false) };
        let key = Id::Link(name.clone()).at(sandbox.ns);
        let found = self.kernel.read_keys(std::slice::from_ref(&key))?;
        if !found.contains(&key) {
            return Ok(false);
        }
        let plan = Plan::try_from(vec![Step::Absent(key)])?;
        let changes = self.draft(&plan, &mut found.clone())?;
        self.kernel.apply(&changes)?;
        Ok(true)
    }
}
