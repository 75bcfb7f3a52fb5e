//! An attachment whose address goes, and gets another: nothing else of it is touched.
//!
//!     plan with the address − plan without = what goes: address, routes, elements, proxy neighbour
//!
//! In the journal first, as what is in doubt: whoever finds it after a crash takes it away, and the
//! attachment is one without an address, for which the agent asks.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Id, Key, Snapshot};
use ropewalk_kernel::{failpoint, source_to};
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_store::{AttachmentRecord, Dhcp, DhcpLease, NetworkHead};
use ropewalk_topology::Wiring;

use super::renew::Told;
use super::{hand_in, told};
use crate::Engine;
use crate::fault::Fault;
use crate::lan::{Question, own, taken};
use crate::publish::wiring;
use crate::view::Finding;

impl Engine {
    /// Takes away what was lent. None when somebody else was faster.
    pub(super) fn without_lease(
        &mut self,
        record: &AttachmentRecord,
    ) -> Result<Option<AttachmentRecord>, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&record.ns)?;
        let Some(now) = self.unchanged(record)? else { return Ok(None) };
        let mut now = self.settled(now)?;
        let Some(net) = now.dhcp.as_ref().and_then(Dhcp::net) else { return Ok(Some(now)) };
        let network = self.head(&now)?;
        let mut bare = now.clone();
        bare.addresses.retain(|other| other.addr() != net.addr());
        let rest = self.plan_of(&bare, &network, false)?;
        let whole = self.plan_of(&now, &network, false)?;
        let goes: BTreeSet<Key> = keys(&whole).filter(|key| !rest.states(key)).collect();
        let (out, kept): (Vec<Change>, Vec<Change>) =
            now.changes.into_iter().partition(|change| goes.contains(&change.key));
        let steps = now.plan.steps().iter().filter(|step| !goes.contains(&step.key()));
        now.plan = Plan::try_from(steps.cloned().collect::<Vec<Step>>())?;
        now.changes = kept;
        now.doubtful = out;
        now.addresses = bare.addresses;
        now.dhcp = now.dhcp.map(|dhcp| Dhcp { lease: None, tried_ms: 0, ..dhcp });
        failpoint::hit("journal address gone");
        self.store.put_attachment(&now)?;
        self.settled(now).map(Some)
    }

    /// Gives an attachment that has none the address that was lent to it. Returns what is to be
    /// said of it.
    pub(super) fn with_lease(
        &mut self,
        record: &AttachmentRecord,
        lease: DhcpLease,
        now_ms: u64,
    ) -> Result<Option<Finding>, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&record.ns)?;
        let Some(mut now) = self.unchanged(record)? else { return Ok(None) };
        let mut network = self.head(&now)?;
        let lease = DhcpLease { since_ms: now_ms, ..lease };
        network.network = super::of_lease(&network.network, &lease);
        self.alive(&now);
        let done = self.add_lease(&mut now, &network, &lease);
        if let (Err(fault), Some(dhcp)) = (&done, &now.dhcp) {
            let lan = self.lan_that_hears(&now, Told::All)?;
            hand_in(&lan, dhcp, &lease, fault.code == crate::Code::AddrTaken);
        }
        done.map(|()| {
            let finding = told(&now, &lease, "there was none");
            Some(Finding { wanted: format!("lent by {}", lease.server), repaired: true, ..finding })
        })
    }

    fn add_lease(
        &mut self,
        now: &mut AttachmentRecord,
        network: &NetworkHead,
        lease: &DhcpLease,
    ) -> Result<(), Fault> {
        let ip = IpAddr::from(lease.net.addr());
        self.is_free(network, ip)?;
        let before = self.plan_of(now, network, false)?;
        // Where protection is lifted there are no elements of it.
        let lifted = keys(&before).any(|key| is_element(&key) && !now.plan.states(&key));
        let mut full = now.clone();
        full.addresses.insert(0, IpNet::V4(lease.net));
        let after = self.plan_of(&full, network, lifted)?;
        let comes = after.steps().iter().filter(|step| !before.states(&step.key()));
        let plan = Plan::try_from(comes.cloned().collect::<Vec<Step>>())?;
        let changes = self.draft(&plan, &mut Snapshot::default())?;
        now.doubtful.clone_from(&changes);
        failpoint::hit("journal address");
        self.store.put_attachment(now)?;
        if let Err(failure) = self.kernel.apply(&changes) {
            now.doubtful.clear();
            if failure.stuck.is_empty() {
                self.store.put_attachment(now)?;
            }
            return Err(failure.into());
        }
        self.claim(changes.iter().filter_map(|change| Some(&change.new.as_ref()?.body)));
        full.plan.extend(plan)?;
        full.changes.extend(changes);
        full.dhcp = now.dhcp.take().map(|d| Dhcp { lease: Some(lease.clone()), tried_ms: 0, ..d });
        failpoint::hit("journal address ready");
        self.store.put_attachment(&full)?;
        *now = full;
        self.claim_inside(now);
        Ok(())
    }

    /// Asks the LAN whether anybody has `ip`.
    pub(crate) fn is_free(&mut self, network: &NetworkHead, ip: IpAddr) -> Result<(), Fault> {
        if source_to(ip) == Some(ip) {
            return Err(own(ip));
        }
        let Some(lan) = self.lan_of(network)? else { return Ok(()) };
        let found = Question::ask(&lan, [ip].into(), None, source_to)?.answers(&lan)?;
        found.into_iter().next().map_or(Ok(()), |(ip, mac)| Err(taken(ip, mac, lan.dev())))
    }

    /// The network of `record`.
    pub(crate) fn head(&self, record: &AttachmentRecord) -> Result<NetworkHead, Fault> {
        let network = self.store.network_head(&record.network)?;
        network.ok_or_else(|| self.unknown(&record.network))
    }

    /// The plan of `record` as far as it depends on its addresses.
    pub(crate) fn plan_of(
        &mut self,
        record: &AttachmentRecord,
        network: &NetworkHead,
        allow_spoofing: bool,
    ) -> Result<Plan, Fault> {
        let mut network = network.clone();
        if let Some(lease) = record.dhcp.as_ref().and_then(|dhcp| dhcp.lease.as_ref()) {
            network.network = super::of_lease(&network.network, lease);
        }
        let host = self.publish_facts(!record.publish.is_empty(), &mut Snapshot::default())?;
        let wiring = Wiring { allow_spoofing, ..wiring(record, &network) };
        Ok(ropewalk_topology::attach(&wiring, &host)?)
    }
}

pub(crate) fn keys(plan: &Plan) -> impl Iterator<Item = Key> {
    plan.steps().iter().map(Step::key)
}

pub(crate) fn is_element(key: &Key) -> bool {
    matches!(key.id, Id::Element(_))
}
