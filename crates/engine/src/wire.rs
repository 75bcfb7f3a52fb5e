//! Carrying out what was drafted for an attachment.
//!
//! Where its addresses are of a LAN, that is asked first, and the host begins to answer for them
//! when nobody else did: the rest is made while the answer is waited for.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_facts::{Id, Link, Ns};
use ropewalk_kernel::{Lan, source_to};
use ropewalk_plan::{Change, Step};
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
        let Some(lan) = lan else {
            self.make(&record.changes, record)?;
            self.settle_links(record);
            return Ok(());
        };
        let addresses: BTreeSet<IpAddr> = record.addresses.iter().map(|net| net.addr()).collect();
        let clean = |fault| Stop { fault, clean: true };
        if let Some(ip) = addresses.iter().find(|ip| source_to(**ip) == Some(**ip)) {
            return Err(clean(own(*ip)));
        }
        let question = Question::ask(lan, addresses, record.mac, source_to).map_err(clean)?;
        let (answers, rest): (Vec<Change>, Vec<Change>) =
            record.changes.iter().cloned().partition(is_answer);
        self.make(&rest, record)?;
        self.settle_links(record);
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

    /// Has the links of an attachment carry packets: the sandbox's first one shall not be lost. That this does
    /// not succeed costs that packet, and is no fault.
    fn settle_links(&mut self, record: &AttachmentRecord) {
        let links = record.plan.steps().iter().filter_map(link);
        let (mut here, mut there) = (Vec::new(), Vec::new());
        for (ns, link) in links {
            if !link.up {
                return;
            }
            let names = if *ns == Ns::HOST { &mut here } else { &mut there };
            names.push(link.name.clone());
            names.extend(link.master.clone());
        }
        for (ns, names) in [(&record.ns, there), (&Ns::HOST, here)] {
            if !names.is_empty() {
                drop(self.kernel.settle(ns, &names));
            }
        }
    }
}

/// A link that is made, and where.
fn link(step: &Step) -> Option<(&Ns, &Link)> {
    match step {
        Step::Create(fact) => fact.body.as_link().map(|link| (&fact.ns, link)),
        Step::Ensure(_) | Step::Absent(_) => None,
    }
}

/// True for a change by which the host begins to answer for an address.
fn is_answer(change: &Change) -> bool {
    matches!(&change.key.id, Id::Neigh(key) if key.proxy)
}
