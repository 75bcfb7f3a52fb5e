//! Ports of this host that lead to sandboxes of others, beside those that lead to its own.
//!
//! They belong to a network's definition, as its peers do.  Never here: who says that there shall be one.

use ropewalk_spec::{Far, Network, NetworkName, Publish, SandboxRef};
use ropewalk_store::NetworkRecord;

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;

impl Engine {
    /// Refuses a port that leads to another host's sandbox.
    pub(crate) fn not_far(&self, publish: &[Publish]) -> Result<(), Fault> {
        for head in self.store.network_heads()? {
            for far in far(&head.network) {
                if let Some(port) = publish.iter().find(|port| port.conflicts(&far.publish())) {
                    return Err(leads_away(port, far, &head.network.name));
                }
            }
        }
        Ok(())
    }

    /// Whether ports of this host may lead to another host's sandbox: nothing here has them.
    ///
    /// # Errors
    /// [`Code::PortTaken`], and by whom.
    pub fn far_free(&self, far: &Far) -> Result<(), Fault> {
        let wish = far.publish();
        for record in self.store.attachments()? {
            if let Some(port) = record.publish.iter().find(|port| port.conflicts(&wish)) {
                let what = format!("port {} of this host is taken", wish.host_ports);
                return Err(Fault::new(Code::PortTaken, what)
                    .cause(format!("it is published for {}", record.sandbox))
                    .or_try(format!("ropewalk unpublish {} {port}", record.sandbox)));
            }
        }
        self.unheard(&[wish])
    }

    /// The network by which ports would be led to `sandbox`.
    ///
    /// # Errors
    /// [`Code::NotAttached`].
    pub fn published_by(&mut self, sandbox: &SandboxRef) -> Result<NetworkName, Fault> {
        self.published_on(sandbox).map(|(record, _)| record.network)
    }
}

fn far(network: &Network) -> &[Far] {
    network.mode.ways().map(|ways| ways.far.as_slice()).unwrap_or_default()
}

fn leads_away(port: &Publish, far: &Far, network: &NetworkName) -> Fault {
    let what = format!("port {} of the host is taken", port.host_ports);
    Fault::new(Code::PortTaken, what)
        .cause(format!("it leads to {} of network {network}, on another host", far.to))
        .or_try("ropewalk cluster ps    shows whose it is")
        .or_try("choose another host port")
}

/// The ports that only one of two networks leads away.
pub(crate) fn changed(old: &NetworkRecord, new: &NetworkRecord) -> Vec<Publish> {
    let only = |a: &NetworkRecord, b: &NetworkRecord| -> Vec<Publish> {
        let (a, b) = (far(&a.network), far(&b.network));
        a.iter().filter(|one| !b.contains(one)).map(Far::publish).collect()
    };
    [only(old, new), only(new, old)].concat()
}
