//! Sandboxes: found, opened, and what must be known of one before it is wired.

use ropewalk_facts::{IfName, Ns};
use ropewalk_sandbox::Engines;
use ropewalk_spec::SandboxRef;
use ropewalk_store::AttachmentRecord;

use crate::Engine;
use crate::fault::Fault;

/// A sandbox that is open, or about to be made.
#[derive(Clone, Debug)]
pub(crate) struct Sandbox {
    /// Its name in plans.
    pub(crate) ns: Ns,
    /// The kernel's number for it; 0 when it is still to be made.
    pub(crate) cookie: u64,
    /// The name of the namespace to make.
    pub(crate) make: Option<String>,
}

impl Engine {
    /// Finds and opens a sandbox. `new:NAME` that is there already is opened like `netns:NAME`.
    pub(crate) fn open_sandbox(&mut self, which: &SandboxRef) -> Result<Sandbox, Fault> {
        let ns = which.ns();
        if let SandboxRef::New(name) = which
            && !ropewalk_kernel::netns::exists(name.as_str())
        {
            return Ok(Sandbox { ns, cookie: 0, make: Some(name.to_string()) });
        }
        let resolved = ropewalk_sandbox::resolve(which, &Engines::from_env())?;
        self.kernel.add(ns.clone(), resolved.fd)?;
        let cookie = self.kernel.cookie(&ns)?;
        Ok(Sandbox { ns, cookie, make: None })
    }

    /// True when the record's sandbox is still the one that was attached. It is opened then.
    pub(crate) fn alive(&mut self, record: &AttachmentRecord) -> bool {
        match self.open_sandbox(&record.sandbox) {
            Ok(found) if found.cookie == record.cookie => true,
            Ok(found) => {
                self.kernel.forget(&found.ns);
                false
            }
            Err(_) => false,
        }
    }
}

/// The names `eth0`, `eth1` … in order.
pub(crate) fn usual_names() -> impl Iterator<Item = IfName> {
    (0..).map_while(|n: u32| IfName::new(format!("eth{n}")).ok())
}
