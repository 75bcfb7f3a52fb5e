//! Purge: everything that ropewalk ever made on this host goes, and nothing else.

use crate::Engine;
use crate::fault::Fault;
use crate::view::Done;

impl Engine {
    /// Detaches everything, removes every network and the definitions that were written for them,
    /// and sweeps up what only bears the mark.
    ///
    /// # Errors
    /// The first thing that could not be removed; the rest has been.
    pub fn purge(&mut self) -> Result<Vec<Done>, Fault> {
        let _lock = self.store.exclusive()?;
        let mut done = Vec::new();
        let mut first: Option<Fault> = None;
        for record in self.store.repairs()?.into_iter().rev() {
            let name = format!("repair {}", record.id);
            match self.revoke(record) {
                Ok(_) => done.push(Done::new("undone", name)),
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        let mut attachments = self.store.attachments()?;
        attachments.sort_by_key(|record| std::cmp::Reverse(record.created_ms));
        for record in attachments {
            let name = format!("{}/{}", record.sandbox, record.ifname);
            match self.leave(&record.key()) {
                Ok(()) => done.push(Done::new("detached", name)),
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        let mut networks = self.store.networks()?;
        networks.sort_by_key(|record| std::cmp::Reverse(record.created_ms));
        for record in networks {
            // What one network inherited from another stands in the store, not in this list.
            let Some(record) = self.store.network(&record.network.name)? else { continue };
            match self.unmake_network(&record) {
                Ok(()) => {
                    done.push(Done::new("removed", format!("network {}", record.network.name)))
                }
                Err(fault) => first = first.or(Some(fault)),
            }
        }
        done.extend(self.sweep()?);
        for name in self.definitions.names()? {
            match self.definitions.remove(&name)? {
                None => done.push(Done::new("removed", format!("definition {name}"))),
                Some(kept) => done.push(
                    Done::new("kept", kept.display().to_string()).detail("it was written by hand"),
                ),
            }
        }
        first.map_or(Ok(done), Err)
    }
}
