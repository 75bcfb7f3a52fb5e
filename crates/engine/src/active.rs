//! A network that attachments can join: made on first use when only its definition is there, as
//! after a reboot, and restored when somebody took its bridge or its rules away.

use ropewalk_facts::Snapshot;
use ropewalk_spec::NetworkName;
use ropewalk_store::{NetworkHead, Origin, State};

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;
use crate::network::How;

impl Engine {
    /// The network `name`, made if need be. Takes the lock for that; the caller holds none.
    pub(crate) fn active(&mut self, name: &NetworkName) -> Result<NetworkHead, Fault> {
        if let Some(record) = self.store.network_head(name)?.filter(|r| r.state == State::Ready) {
            return match record.trial_until_ms {
                None => Ok(record),
                Some(_) => {
                    Err(Fault::new(Code::NetworkUnconfirmed, format!("network {name} is on trial"))
                        .or_try(format!("ropewalk confirm {name}")))
                }
            };
        }
        let _lock = self.store.exclusive()?;
        if let Some(record) = self.settled_network(name)? {
            return Ok(record.head());
        }
        match self.definitions.read(name)? {
            Some(network) => self
                .make_network(&self.whole(&network)?, Origin::Command, How::default())
                .map(|record| record.head()),
            None => Err(self.unknown(name)),
        }
    }

    /// Puts back what is missing of what the network's attachments share. The caller holds no lock.
    pub(crate) fn restore(&mut self, name: &NetworkName) -> Result<(), Fault> {
        let _lock = self.store.exclusive()?;
        let record = self.store.network(name)?.ok_or_else(|| self.unknown(name))?;
        let changes = self.draft(&record.plan, &mut Snapshot::default())?;
        self.kernel.apply(&changes)?;
        self.lead_anew(&record.network)
    }
}
