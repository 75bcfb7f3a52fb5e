//! What a runtime does not know any more goes: attachments, then the network.

use ropewalk_facts::IfName;
use ropewalk_spec::NetworkName;

use crate::Engine;
use crate::fault::Fault;

impl Engine {
    /// Detaches what is on the runtime's network `name` and not among `valid` (container and
    /// interface); what a crash has left goes too, the chains of iptables that reference plugins left
    /// for the runtime's `network`, and the network when nothing is on it.
    ///
    /// # Errors
    /// The first thing that could not be removed; the rest has been.
    pub fn gc_told(
        &mut self,
        name: &NetworkName,
        network: &str,
        valid: &[(String, IfName)],
    ) -> Result<(), Fault> {
        let _lock = self.store.exclusive()?;
        let living: Vec<&str> = valid.iter().map(|(container, _)| container.as_str()).collect();
        let mut first = self.dislodge_others(network, &living);
        let Some(network) = self.settled_network(name)? else { return first };
        for record in self.store.attachments_on(name)? {
            let wanted = record.origin.cni().is_none_or(|cni| {
                let is = |(container, ifname): &(String, IfName)| {
                    *container == cni.container && *ifname == record.ifname
                };
                valid.iter().any(is)
            });
            let ready = record.state == ropewalk_store::State::Ready;
            if !(wanted && ready) {
                let left = self.leave(&record.key());
                first = first.and(left);
            }
        }
        first?;
        // What another has left to it meanwhile stands in the store.
        let network = self.store.network(&network.network.name)?.unwrap_or(network);
        self.unshare(&network).map(|_| ())
    }
}
