//! Detach: an interface goes, and what was made for it alone.
//!
//!     journal (leaving) ─▶ the leg, which takes the rest with it, and the published ports ─▶ journal
//!
//! The sandbox may be gone already. What another attachment of the sandbox still needs is handed
//! over to it.

use ropewalk_facts::{Id, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan, Step, predict, teardown};
use ropewalk_spec::{NetworkName, SandboxRef};
use ropewalk_store::{AttachmentKey, AttachmentRecord, State};
use ropewalk_topology::firewall;

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;
use crate::hand_over::{Heir, hand_over};
use crate::moved;
use crate::view::Row;

impl Engine {
    /// Detaches `sandbox` from `network`, or from every network. Returns what it was.
    ///
    /// # Errors
    /// [`Code::NotAttached`], [`Code::Kernel`].
    pub fn detach(
        &mut self,
        sandbox: &SandboxRef,
        network: Option<&NetworkName>,
    ) -> Result<Vec<Row>, Fault> {
        let doing = match network {
            Some(name) => format!("detach {sandbox} from {name}"),
            None => format!("detach {sandbox}"),
        };
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&sandbox.ns())?;
        let mut all = self.store.attachments_of(&sandbox.ns())?;
        all.retain(|record| network.is_none_or(|name| record.network == *name));
        if all.is_empty() {
            return Err(Fault::new(Code::NotAttached, "it is not attached")
                .doing(doing)
                .or_try("ropewalk ps"));
        }
        let rows = self.rows(&all);
        // The last made goes first, as its changes build on those of the others.
        all.sort_by_key(|record| std::cmp::Reverse(record.created_ms));
        for record in &all {
            self.leave(&record.key()).map_err(|fault| fault.doing(doing.clone()))?;
        }
        Ok(rows)
    }

    /// Takes an attachment down, in whatever state it is. The caller holds the locks.
    pub(crate) fn leave(&mut self, key: &AttachmentKey) -> Result<(), Fault> {
        // What another has left to it meanwhile stands in the store.
        let mut heirs = self.store.attachments_of(&key.ns)?;
        let own = heirs.iter().position(|other| other.ifname == key.ifname);
        let Some(mut record) = own.map(|at| heirs.remove(at)) else { return Ok(()) };
        heirs.retain(|heir| heir.state == State::Ready);
        let moved = moved::in_changes(&record.changes).is_some();
        let whole = record.state == State::Ready && record.doubtful.is_empty() && !moved;
        // A sandbox of the same name is not the one that was attached.
        if self.kernel.cookie(&record.ns).is_ok_and(|cookie| cookie != record.cookie) {
            self.kernel.forget(&record.ns);
        }
        if record.state != State::Leaving {
            record.state = State::Leaving;
            failpoint::hit("journal attachment leaving");
            self.store.put_attachment(&record)?;
        }
        let mut changes = record.changes.clone();
        changes.extend(record.parts.iter().flat_map(|part| part.changes.iter().cloned()));
        changes.extend(record.doubtful.iter().cloned());
        let changes = inherit(&mut record, changes, &mut heirs);
        if !(whole && self.take_down(&record, &changes)) {
            self.reopen(&record);
            let changes = self.follow_moved(changes)?;
            self.take_back(&changes)?;
        }
        self.dislodge(record.lodged.iter().flat_map(|lodged| &lodged.all))?;
        self.forget_udp(&record.publish)?;
        self.forget_udp(&record.doubtful_publish)?;
        self.give_back(&record);
        failpoint::hit("journal attachment gone");
        Ok(self.store.replace_attachment(key, &heirs)?)
    }

    /// The short way for what is as it was made: the fewest removals, without a look. False when
    /// something was otherwise, so that the long way must be gone.
    fn take_down(&mut self, record: &AttachmentRecord, changes: &[Change]) -> bool {
        let mut assumed: Snapshot = changes.iter().filter_map(|c| c.new.clone()).collect();
        let kept = |step: &Step| {
            !matches!(step.key().id, Id::Netns(_)) && changes.iter().any(|c| c.key == step.key())
        };
        let steps: Vec<Step> = Vec::from(teardown(&record.plan)).into_iter().filter(kept).collect();
        let Ok(down) = Plan::try_from(steps) else { return false };
        let Ok(removals) = predict(&down, &mut assumed) else { return false };
        let removals = begin_with_elements(removals);
        if self.kernel.execute(&removals).is_err() {
            return false;
        }
        // What was changed and not made, loopback for one, and the namespace itself.
        let rest: Vec<Change> = changes
            .iter()
            .filter(|c| {
                assumed.contains(&c.key) && (!c.makes() || matches!(c.key.id, Id::Netns(_)))
            })
            .cloned()
            .collect();
        if rest.is_empty() {
            return true;
        }
        self.reopen(record);
        self.take_back(&rest).is_ok()
    }

    /// Opens the record's sandbox if it is still there. One that the record was about to make has no
    /// cookie yet; what stands in it on a link of the host has to go before its name does.
    fn reopen(&mut self, record: &AttachmentRecord) {
        let closed = self.kernel.cookie(&record.ns).is_err();
        if closed && !self.alive(record) && record.made_netns && record.cookie == 0 {
            // One that is not there has nothing to be undone in it.
            self.open_sandbox(&record.sandbox).ok();
        }
    }
}

/// The kernel waits for its readers when a link goes, and once more, by itself, after elements have
/// gone; when these go first, the one wait passes during the other. Elements that guard a link stay
/// until it has gone, and then nothing is gained by two transactions.
fn begin_with_elements(removals: Vec<Change>) -> Vec<Change> {
    let guards = |change: &Change| {
        if let Id::Element(key) = &change.key.id { !firewall::leads(key) } else { false }
    };
    if removals.iter().any(guards) {
        return removals;
    }
    let element = |change: &Change| matches!(change.key.id, Id::Element(_));
    let (mut all, rest): (Vec<Change>, Vec<Change>) = removals.into_iter().partition(element);
    all.extend(rest);
    all
}

/// Hands over to the sandbox's other attachments what they state too; the namespace, if this one
/// made it, as well. Returns what is left to undo.
fn inherit(
    record: &mut AttachmentRecord,
    changes: Vec<Change>,
    others: &mut [AttachmentRecord],
) -> Vec<Change> {
    let Some(first) = others.first_mut() else { return changes };
    let (netns, changes): (Vec<_>, Vec<_>) =
        changes.into_iter().partition(|change| matches!(change.key.id, Id::Netns(_)));
    if record.made_netns {
        first.made_netns = true;
        first.changes.splice(0..0, netns);
    }
    let mut heirs: Vec<Heir<'_>> = others
        .iter_mut()
        .map(|other| Heir { plan: &other.plan, changes: &mut other.changes })
        .collect();
    hand_over(changes, &mut heirs)
}
