//! What is done in a container's namespace without a record: it is no more than it was before, or
//! somebody else made it.

use ipnet::IpNet;
use ropewalk_facts::{Body, Id, IfName, Link, LinkKind, Mac, Ns, RouteKey, Snapshot};
use ropewalk_plan::{Plan, Step};
use ropewalk_spec::SandboxRef;

use super::Manner;
use crate::code::Code;
use crate::fault::Fault;
use crate::{Engine, host};

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

    /// All that is in a container's namespace, and what that is called in plans.
    ///
    /// # Errors
    /// [`Code::SandboxUnknown`], [`Code::SandboxIsHost`], [`Code::Kernel`].
    pub fn look_inside(&mut self, sandbox: &SandboxRef) -> Result<(Ns, Snapshot), Fault> {
        let sandbox = self.open_sandbox(sandbox)?;
        let found = self.kernel.read_all(&sandbox.ns)?;
        Ok((sandbox.ns, found))
    }

    /// The link of the host's default route, IPv4's before IPv6's.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn default_link(&mut self) -> Result<Option<IfName>, Fault> {
        let keys =
            [RouteKey::default_v4(), RouteKey::default_v6()].map(|key| Id::Route(key).at(Ns::HOST));
        let found = self.kernel.read_keys(&keys)?;
        if let Some(name) = host::uplink(&found) {
            return Ok(Some(name));
        }
        // One with a metric is not found by the key of one without.
        Ok(host::uplink(&self.read_host()?))
    }

    /// True when the host has a link of this name.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn has_link(&mut self, name: &IfName) -> Result<bool, Fault> {
        let key = Id::Link(name.clone()).at(Ns::HOST);
        Ok(self.kernel.read_keys(std::slice::from_ref(&key))?.contains(&key))
    }

    /// The link of the host that has a hardware address.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn link_of(&mut self, mac: Mac) -> Result<Option<IfName>, Fault> {
        let found = self.kernel.read_links(&Ns::HOST)?;
        let mut links = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
        Ok(links.find(|link| link.mac == Some(mac)).map(|link| link.name.clone()))
    }

    /// An interface of a container as it is; none when it, or the namespace, is not there.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn link_inside(
        &mut self,
        sandbox: &SandboxRef,
        name: &IfName,
    ) -> Result<Option<Link>, Fault> {
        let Ok(sandbox) = self.open_sandbox(sandbox) else { return Ok(None) };
        let key = Id::Link(name.clone()).at(sandbox.ns);
        let found = self.kernel.read_keys(std::slice::from_ref(&key))?;
        Ok(found.fact(&key).and_then(|fact| fact.body.as_link()).cloned())
    }

    /// Makes an interface that there is no record of be otherwise, if it is there.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn alter_inside(
        &mut self,
        sandbox: &SandboxRef,
        name: &IfName,
        manner: &Manner,
    ) -> Result<(), Fault> {
        let Some(link) = self.link_inside(sandbox, name)? else { return Ok(()) };
        let sandbox = self.open_sandbox(sandbox)?;
        let mut plan = Plan::new();
        plan.ensure(&sandbox.ns, Body::Link(manner.of(link)))?;
        let changes = self.draft(&plan, &mut Snapshot::default())?;
        Ok(self.kernel.apply(&changes)?)
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
