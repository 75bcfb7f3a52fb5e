//! Carrying out what was drafted for an attachment.
//!
//! Where its addresses are of a LAN, that is asked first, and the host begins to answer for them
//! when nobody else did: the rest is made while the answer is waited for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_facts::Id;
use ropewalk_kernel::{Lan, source_to};
use ropewalk_plan::Change;
use ropewalk_store::AttachmentRecord;

use crate::fault::Fault;
use crate::lan::{Question, own, taken};
use crate::{Engine, from};

/// Why an attachment did not come about.
pub(crate) struct Stop {
    pub(crate) fault: Fault,
    /// All that was done has been undone.
    pub(crate) clean: bool,
}

impl Engine {
    /// Makes the changes of `record`, or none of them.
    pub(crate) fn wire(
        &mut self,
        record: &AttachmentRecord,
        lan: Option<&Lan>,
    ) -> Result<(), Stop> {
        let Some(lan) = lan else { return self.make(&record.changes, record) };
        let addresses: BTreeSet<IpAddr> = record.addresses.iter().map(|net| net.addr()).collect();
        let clean = |fault| Stop { fault, clean: true };
        if let Some(ip) = addresses.iter().find(|ip| source_to(**ip) == Some(**ip)) {
            return Err(clean(own(*ip)));
        }
        let question = Question::ask(lan, addresses, record.mac, source_to).map_err(clean)?;
        let (answers, rest): (Vec<Change>, Vec<Change>) =
            record.changes.iter().cloned().partition(is_answer);
        self.make(&rest, record)?;
        let free = question.answers(lan).and_then(|found| match found.into_iter().next() {
            None => Ok(()),
            Some((ip, mac)) => Err(taken(ip, mac, lan.dev())),
        });
        let made = free.map_err(clean).and_then(|()| self.make(&answers, record));
        if let Err(stop) = made {
            let undone = self.take_back(&rest);
            return Err(Stop { clean: stop.clean && undone.is_ok(), ..stop });
        }
        self.claim(answers.iter().filter_map(|change| Some(&change.new.as_ref()?.body)));
        self.claim_inside(record);
        Ok(())
    }

    fn make(&mut self, changes: &[Change], record: &AttachmentRecord) -> Result<(), Stop> {
        self.kernel.apply(changes).map_err(|failure| {
            // What could not be undone stays in the journal.
            let clean = failure.stuck.is_empty();
            Stop { fault: from::refused(failure, record), clean }
        })
    }
}

/// True for a change by which the host begins to answer for an address.
fn is_answer(change: &Change) -> bool {
    matches!(&change.key.id, Id::Neigh(key) if key.proxy)
}
