//! Plugins of a chain that add to what a plugin before them made.
//!
//!     prevResult ─▶ which interface, which addresses ─▶ Amendment ─▶ engine      prevResult goes on
//!
//! The plugin before may be somebody else's.  Never here: the kernel.

pub(crate) mod bandwidth;
pub(crate) mod firewall;
mod pattern;
pub(crate) mod portmap;
pub(crate) mod sbr;
pub(crate) mod tuning;
pub(crate) mod vrf;

use ropewalk_engine::{Amendment, Bare, Manner, Whom};
use ropewalk_facts::IfName;
use ropewalk_plan::Plan;

use crate::blame;
use crate::fault::{Code, Fault};
use crate::net::Task;
use crate::outcome::{Interface, Outcome};

/// What a chain has come to.
pub(crate) struct Link {
    pub(crate) whom: Whom,
    pub(crate) bare: Bare,
    /// The bridge, if there is one.
    pub(crate) bridge: Option<IfName>,
    pub(crate) outcome: Outcome,
}

impl Link {
    /// What the plugins before have made.
    pub(crate) fn of(task: &Task<'_>) -> Result<Self, Fault> {
        let alone = || Fault::new(Code::Config, "must be called as a chained plugin");
        let outcome = task.conf.previous.clone().ok_or_else(alone)?;
        let hosts: Vec<&Interface> =
            outcome.interfaces.iter().filter(|one| one.sandbox.is_empty()).collect();
        let name = |one: &&Interface| IfName::new(one.name.as_str()).ok();
        // A bridge comes before its member.
        let bridge = hosts.first().filter(|_| hosts.len() > 1).and_then(name);
        let inside = outcome
            .interfaces
            .iter()
            .position(|one| one.name == task.call.ifname && !one.sandbox.is_empty());
        let index = inside.and_then(|at| u32::try_from(at).ok());
        let own = outcome.ips.iter().filter(|ip| ip.interface.is_none() || ip.interface == index);
        let bare = Bare {
            sandbox: task.sandbox()?,
            leg: hosts.get(usize::from(bridge.is_some())).and_then(name),
            addresses: own.map(|ip| ip.address).collect(),
            mac: inside.and_then(|at| outcome.interfaces.get(at)?.mac.parse().ok()),
        };
        Ok(Self { whom: task.whom(bridge.as_ref())?, bare, bridge, outcome })
    }
}

/// An amendment that asks for nothing yet.
pub(crate) fn amendment(name: &'static str, asked: String) -> Amendment<'static> {
    Amendment {
        name,
        asked,
        shared: Vec::new(),
        publish: Vec::new(),
        claim: Vec::new(),
        lodged: Vec::new(),
        rate_in: None,
        rate_out: None,
        manner: Manner::default(),
        draw: &|_, _| Ok(Plan::new()),
    }
}

/// DEL of `plugin`. Where no record has its part, another's plugin may have made it.
pub(crate) fn del(task: &mut Task<'_>, plugin: &str) -> Result<(), Fault> {
    let whom = task.whom(None)?;
    match (task.engine.unamend(&whom, plugin)?, plugin) {
        (recorded, "vrf") => vrf::del(task, &whom, recorded),
        (recorded, "tuning") => tuning::del(task, &whom, recorded),
        (false, "portmap") => portmap::del_strange(task, &whom),
        (false, "firewall") => firewall::del_strange(task, &whom),
        (true | false, _) => Ok(()),
    }
}

/// GC of `plugin`.
pub(crate) fn gc(task: &mut Task<'_>, plugin: &str) -> Result<(), Fault> {
    let swept = task.sweep();
    let files = if plugin == "tuning" { tuning::gc(task) } else { Ok(()) };
    swept.and(files)
}

/// CHECK: where nothing was asked for, nothing was made.
pub(crate) fn check(task: &mut Task<'_>) -> Result<(), Fault> {
    crate::net::previous(task.conf)?;
    let whom = task.whom(None)?;
    blame::otherwise(&task.engine.check_told(&whom)?.unwrap_or_default())
}
