//! Addresses that are not this host's any more: nothing here answers for them, and what has them stays.
//!
//!     fence   plan with the address − plan without = what goes on the host: proxy neighbour, route,
//!             ports, and the elements by which its sandbox may speak with it
//!     lift    the same, made again; the LAN is asked first whether somebody has it meanwhile
//!
//! What is on its way out or in is in doubt in the journal: whoever finds it after a crash takes it away.
//! Nothing in the sandbox is touched.  Never here: whose an address is (`cluster`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_facts::{Key, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::NetworkName;
use ropewalk_store::{AttachmentKey, AttachmentRecord, State};

use crate::Engine;
use crate::dhcp::revise::{is_element, keys};
use crate::fault::Fault;
use crate::view::Finding;

/// Addresses of a sandbox that nothing here answers for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fenced {
    /// The sandbox.
    pub sandbox: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
}

impl Engine {
    /// Leases nothing of a network any more, has no router told of its blocks, and takes away what answers
    /// for the addresses that sandboxes here have on it. Returns whose these are; one that is not made has
    /// none.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`], [`crate::Code::Kernel`]: the first thing that could not be done;
    /// the rest has been.
    pub fn fence(&mut self, name: &NetworkName) -> Result<Vec<Fenced>, Fault> {
        let doing = |fault: Fault| fault.doing(format!("fence network {name}"));
        let mut first = self.lease_nothing(name).map_err(doing);
        for record in self.store.attachments_on(name)? {
            let fenced = self.fence_one(&record.key()).map_err(doing);
            first = first.and(fenced);
        }
        first?;
        self.fenced(name)
    }

    /// Answers again for those of the addresses that are `ours`. Returns what is left fenced. Blocks are
    /// leased and told of again where the network is followed without its fence.
    ///
    /// # Errors
    /// As for [`Engine::fence`]; [`crate::Code::AddrTaken`] when somebody of the LAN answers for one.
    pub fn lift_fence(
        &mut self,
        name: &NetworkName,
        ours: &dyn Fn(IpAddr) -> bool,
    ) -> Result<Vec<Fenced>, Fault> {
        let mut first = Ok(());
        for record in self.store.attachments_on(name)? {
            if record.fenced.iter().any(|ip| ours(*ip)) {
                let lifted = self.lift_one(&record.key(), ours);
                let doing = format!("answer again for {}", record.sandbox);
                first = first.and(lifted.map_err(|fault| fault.doing(doing)));
            }
        }
        first?;
        self.fenced(name)
    }

    fn record_of(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, Fault> {
        let all = self.store.attachments_of(&key.ns)?;
        Ok(all.into_iter().find(|record| record.ifname == key.ifname))
    }

    fn fenced(&self, name: &NetworkName) -> Result<Vec<Fenced>, Fault> {
        let mut all = self.store.attachments_on(name)?;
        all.retain(|record| !record.fenced.is_empty());
        let one = |record: AttachmentRecord| Fenced {
            sandbox: record.sandbox.to_string(),
            addresses: record.fenced,
        };
        Ok(all.into_iter().map(one).collect())
    }

    /// Whoever is attaching is waited for. What is made may be written down only in part.
    fn lease_nothing(&mut self, name: &NetworkName) -> Result<(), Fault> {
        let Some(made) = self.made_network(name)? else { return Ok(()) };
        let mut network = made.clone();
        let Some(share) = &mut network.share else { return Ok(()) };
        share.without.clone_from(&share.own);
        share.fenced = true;
        let defined = self.definitions.read(name)?.is_none_or(|there| there == network.bare());
        if made == network && defined { Ok(()) } else { self.follow_network(&network) }
    }

    fn fence_one(&mut self, key: &AttachmentKey) -> Result<(), Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&key.ns)?;
        let Some(record) = self.record_of(key)? else { return Ok(()) };
        if record.state != State::Ready {
            return self.leave(key);
        }
        // One that was cut short may still answer.
        let mut record = self.settled(record)?;
        if record.fenced.len() == record.addresses.len() {
            return Ok(());
        }
        let network = self.head(&record)?;
        let whole = self.plan_of(&record, &network, false)?;
        record.fenced = record.addresses.iter().map(ipnet::IpNet::addr).collect();
        let rest = self.plan_of(&record, &network, false)?;
        let goes: BTreeSet<Key> =
            keys(&whole).filter(|key| key.ns.is_host() && !rest.states(key)).collect();
        let steps = record.plan.steps().iter().filter(|step| !goes.contains(&step.key()));
        record.plan = Plan::try_from(steps.cloned().collect::<Vec<Step>>())?;
        record.doubtful = taken_out(&mut record, &goes);
        failpoint::hit("journal fence");
        self.store.put_attachment(&record)?;
        self.forget_udp(&record.publish)?;
        self.settled(record).map(drop)
    }

    fn lift_one(
        &mut self,
        key: &AttachmentKey,
        ours: &dyn Fn(IpAddr) -> bool,
    ) -> Result<(), Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&key.ns)?;
        let Some(record) = self.record_of(key)? else { return Ok(()) };
        if record.state != State::Ready {
            return Ok(());
        }
        let mut now = self.settled(record)?;
        let network = self.head(&now)?;
        for ip in now.fenced.iter().filter(|ip| ours(**ip)) {
            self.is_free(&network, *ip)?;
        }
        let before = self.plan_of(&now, &network, false)?;
        // Where protection is lifted there are no elements of it.
        let lifted = keys(&before).any(|key| is_element(&key) && !now.plan.states(&key));
        let mut full = now.clone();
        full.fenced.retain(|ip| !ours(*ip));
        let after = self.plan_of(&full, &network, lifted)?;
        let comes = after.steps().iter().filter(|step| {
            let key = step.key();
            key.ns.is_host() && !before.states(&key) && !now.plan.states(&key)
        });
        let plan = Plan::try_from(comes.cloned().collect::<Vec<Step>>())?;
        let changes = self.draft(&plan, &mut Snapshot::default())?;
        now.doubtful.clone_from(&changes);
        failpoint::hit("journal fence lifted");
        self.store.put_attachment(&now)?;
        if let Err(failure) = self.kernel.apply(&changes) {
            now.doubtful.clear();
            if failure.stuck.is_empty() {
                self.store.put_attachment(&now)?;
            }
            return Err(failure.into());
        }
        self.claim(changes.iter().filter_map(|change| Some(&change.new.as_ref()?.body)));
        full.plan.extend(plan)?;
        give_back(&mut full, changes);
        failpoint::hit("journal fence gone");
        Ok(self.store.put_attachment(&full)?)
    }
}

/// What was changed for `keys`, by the attachment itself or by what plugins of a chain have added.
fn taken_out(record: &mut AttachmentRecord, keys: &BTreeSet<Key>) -> Vec<Change> {
    let parts = record.parts.iter_mut().map(|part| &mut part.changes);
    let mut out = Vec::new();
    for changes in std::iter::once(&mut record.changes).chain(parts) {
        let goes = |change: &mut Change| keys.contains(&change.key);
        out.extend(changes.extract_if(.., goes));
    }
    out
}

/// Each change to whom it was of.
fn give_back(record: &mut AttachmentRecord, changes: Vec<Change>) {
    for change in changes {
        let part = record.parts.iter_mut().find(|part| part.keys.contains(&change.key));
        part.map_or(&mut record.changes, |part| &mut part.changes).push(change);
    }
}

/// What `check` says of addresses that are not this host's.
pub(crate) fn told(records: &[AttachmentRecord]) -> Vec<Finding> {
    let of = |record: &AttachmentRecord| -> Vec<Finding> {
        let one = |ip: &IpAddr| Finding {
            owner: format!("{}/{}", record.sandbox, record.ifname),
            object: ip.to_string(),
            wanted: "this host's".into(),
            found: format!(
                "not its any more, and not answered for; `ropewalk cluster status` says why, \
                 `ropewalk detach {} {}` ends it, and attached again it gets another",
                record.sandbox, record.network
            ),
            repaired: false,
            change: None,
        };
        record.fenced.iter().map(one).collect()
    };
    records.iter().flat_map(of).collect()
}
