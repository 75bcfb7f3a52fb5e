//! A runtime's container on a network of ropewalk's own: all of a chain in one attachment.
//!
//!     {"type": "ropewalk", "network": "lan"} ─▶ attach, as `ropewalk attach` does, and known by the
//!     runtime's names: DEL needs no more
//!
//! A network that the configuration itself defines is made with its first container, and goes with GC
//! when it has none.

use ropewalk_facts::IfName;
use ropewalk_spec::{Endpoint, Mode, Network};
use ropewalk_store::{Cni, Origin, State};

use crate::Engine;
use crate::fault::Fault;
use crate::network::How;
use crate::view::{self, Attached};

impl Engine {
    /// Attaches the container that a runtime calls `cni`; `network` is made before, unless it is
    /// there. Attached so already, nothing changes. Returns the network's bridge, too, if it has one.
    ///
    /// # Errors
    /// As for [`Engine::attach`]; [`crate::Code::NetworkExists`] for one that is otherwise.
    pub fn attach_called(
        &mut self,
        cni: &Cni,
        endpoint: &Endpoint,
        network: Option<&Network>,
    ) -> Result<(Attached, Option<String>), Fault> {
        if let Some(network) = network {
            self.define(cni, network)?;
        }
        let done = self.attach_from(endpoint, Origin::Cni(cni.clone()))?;
        let head = self.store.network_head(&endpoint.network)?;
        Ok((done, head.and_then(|head| view::bridge(&head.network))))
    }

    /// Makes a network that a runtime's configuration defines. Nothing is locked where it is there.
    fn define(&mut self, cni: &Cni, network: &Network) -> Result<(), Fault> {
        let there = self.store.network_head(&network.name)?;
        if there.is_some_and(|head| head.state == State::Ready && head.network == *network) {
            return Ok(());
        }
        let _lock = self.store.exclusive()?;
        let own = Cni { container: String::new(), pod: None, ..cni.clone() };
        let made = self.make_network(network, Origin::Cni(own), How::default());
        made.map(|_| ()).map_err(|fault| fault.doing(format!("create network {}", network.name)))
    }

    /// Detaches what the runtime's network `called` has and is not among `valid` (container and
    /// interface), on whatever network; then networks that its configuration defined, where nothing
    /// is on them.
    ///
    /// # Errors
    /// The first thing that could not be removed; the rest has been.
    pub fn gc_called(&mut self, called: &str, valid: &[(String, IfName)]) -> Result<(), Fault> {
        let _lock = self.store.exclusive()?;
        let mut first = Ok(());
        for record in self.store.attachments()? {
            let over = record.origin.cni().filter(|cni| cni.network == called).is_some_and(|cni| {
                let is = |(container, ifname): &(String, IfName)| {
                    *container == cni.container && *ifname == record.ifname
                };
                record.state != State::Ready || !valid.iter().any(is)
            });
            if over {
                let left = self.leave(&record.key());
                first = first.and(left);
            }
        }
        first?;
        for record in self.store.networks()? {
            let told = matches!(record.network.mode, Mode::Cni { .. });
            let its = !told && record.origin.cni().is_some_and(|cni| cni.network == called);
            if its && self.store.count_on(&record.network.name)? == 0 {
                self.unmake_network(&record)?;
            }
        }
        Ok(())
    }
}
