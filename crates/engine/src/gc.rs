//! Garbage collection: what a crash left half done is finished or taken back, and what belonged to
//! sandboxes that are gone goes.
//!
//! The journal says what there may be, the marks say what is ours; nothing is guessed.

use ropewalk_kernel::failpoint;
use ropewalk_store::{AttachmentRecord, State};

use crate::fault::Fault;
use crate::view::Done;
use crate::{Engine, guard, host};

impl Engine {
    /// Cleans up. Returns what was done, which is nothing on a healthy host.
    ///
    /// # Errors
    /// The first thing that could not be removed; the rest has been.
    pub fn gc(&mut self) -> Result<Vec<Done>, Fault> {
        let _lock = self.store.exclusive()?;
        let (mut done, mut faults) = (Vec::new(), Vec::new());
        self.bury(|_| true, &mut done, &mut faults)?;
        match self.sweep() {
            Ok(swept) => done.extend(swept),
            Err(fault) => faults.push(fault),
        }
        faults.into_iter().next().map_or(Ok(done), Err)
    }

    /// Clears away what the journal says is over: verbs that were cut short, and of the `suspect`
    /// attachments those whose sandbox is gone. What only bears the mark is left. The caller holds
    /// the lock.
    pub(crate) fn bury(
        &mut self,
        suspect: impl Fn(&AttachmentRecord) -> bool,
        done: &mut Vec<Done>,
        faults: &mut Vec<Fault>,
    ) -> Result<(), Fault> {
        let over = |r: &AttachmentRecord| r.state != State::Ready || suspect(r);
        for record in self.store.attachments()?.into_iter().filter(over) {
            match self.collect(record) {
                Ok(what) => done.extend(what),
                Err(fault) => faults.push(fault),
            }
        }
        for record in self.store.repairs()?.into_iter().filter(|r| r.state != State::Ready) {
            let name = format!("repair {}", record.id);
            match self.revoke(record) {
                Ok(_) => {
                    done.push(Done::new("undone", name).detail("it was half made or half undone"))
                }
                Err(fault) => faults.push(fault),
            }
        }
        for record in self.store.networks()? {
            if (record.state != State::Ready || guard::overdue(&record))
                && self.store.attachments_on(&record.network.name)?.is_empty()
            {
                match self.unmake_network(&record) {
                    Ok(()) => done.push(
                        Done::new("removed", format!("network {}", record.network.name))
                            .detail("it was half made or half removed"),
                    ),
                    Err(fault) => faults.push(fault),
                }
            }
        }
        Ok(())
    }

    fn collect(&mut self, record: AttachmentRecord) -> Result<Option<Done>, Fault> {
        let name = format!("{}/{}", record.sandbox, record.ifname);
        let why = match record.state {
            State::Pending => "it was half made",
            State::Leaving => "it was half removed",
            State::Ready if self.is_gone(&record)? => "its sandbox is gone",
            State::Ready if settled(&record) => return Ok(None),
            State::Ready => {
                self.settled(record)?;
                return Ok(Some(Done::new("unpublished", name).detail("a port was in doubt")));
            }
        };
        self.leave(&record.key())?;
        Ok(Some(Done::new("detached", name).detail(why)))
    }

    /// True when the sandbox is no more: nothing of its name is it, and the leg, which lives as
    /// long as its other end, is gone too.
    pub(crate) fn is_gone(&mut self, record: &AttachmentRecord) -> Result<bool, Fault> {
        if self.alive(record) {
            return Ok(false);
        }
        let leg = ropewalk_facts::Id::Link(record.leg.clone()).at(ropewalk_facts::Ns::HOST);
        Ok(!self.kernel.read_keys(std::slice::from_ref(&leg))?.contains(&leg))
    }

    /// Removes what bears ropewalk's mark and belongs to nothing that the store knows of, as after
    /// the loss of the state folder.
    pub(crate) fn sweep(&mut self) -> Result<Vec<Done>, Fault> {
        failpoint::hit("sweep");
        let owned = self.owned()?;
        let found = self.read_host()?;
        let mut done = Vec::new();
        let strays = host::strays(&found, &owned);
        self.free_nics(&found, &strays)?;
        for removal in strays {
            done.push(
                Done::new("removed", ropewalk_plan::describe(&removal, &found))
                    .detail("nothing owns it"),
            );
            self.kernel.execute(std::slice::from_ref(&removal))?;
        }
        Ok(done)
    }

    /// The keys of everything that networks and attachments state.
    fn owned(&self) -> Result<std::collections::BTreeSet<ropewalk_facts::Key>, Fault> {
        let networks = self.store.networks()?;
        let attachments = self.store.attachments()?;
        let plans = networks.iter().map(|r| &r.plan).chain(attachments.iter().map(|r| &r.plan));
        Ok(plans.flat_map(|plan| plan.steps().iter().map(ropewalk_plan::Step::key)).collect())
    }
}

/// True when nothing of a record is in doubt.
fn settled(record: &AttachmentRecord) -> bool {
    let plain = record.doubtful.is_empty() && record.doubtful_publish.is_empty();
    plain && record.stray().next().is_none()
}
