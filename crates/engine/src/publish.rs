//! Publish and unpublish: ports of the host that lead to a sandbox.
//!
//! A port on its way in or out is in doubt: it is in the journal, and whoever finds it there after
//! a crash takes it away.

use std::collections::BTreeSet;

use ropewalk_facts::{Key, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan, Step};
use ropewalk_spec::{Network, Publish, Reach, SandboxRef};
use ropewalk_store::{AttachmentRecord, NetworkHead, State};
use ropewalk_topology::{HostFacts, Wiring};

use crate::code::Code;
use crate::fault::Fault;
use crate::view::Row;
use crate::{Engine, from};

impl Engine {
    /// Publishes `ports` for `sandbox`. Those that are published already stay as they are.
    ///
    /// # Errors
    /// [`Code::NotAttached`], [`Code::PortTaken`], [`Code::Kernel`]; nothing is changed then.
    pub fn publish(&mut self, sandbox: &SandboxRef, ports: &[Publish]) -> Result<Row, Fault> {
        let doing = format!("publish {} for {sandbox}", from::list(ports));
        match self.try_publish(sandbox, ports) {
            Err(fault) if from::shared_is_gone(&fault) => {
                let (_, network) = self.published_on(sandbox)?;
                self.restore(&network.network.name)?;
                self.try_publish(sandbox, ports)
            }
            other => other,
        }
        .map_err(|fault| fault.doing(doing))
    }

    fn try_publish(&mut self, sandbox: &SandboxRef, ports: &[Publish]) -> Result<Row, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&sandbox.ns())?;
        let mut world = Snapshot::default();
        let Draft { mut record, new, plan, changes } =
            self.draft_publish(sandbox, ports, &mut world)?;
        if new.is_empty() {
            return Ok(self.row(&record));
        }
        record.doubtful = changes;
        record.doubtful_publish.clone_from(&new);
        failpoint::hit("journal publish");
        self.store.put_attachment(&record)?;
        let changes = std::mem::take(&mut record.doubtful);
        record.doubtful_publish.clear();
        if let Err(failure) = self.kernel.apply(&changes) {
            self.settle(&record)?;
            return Err(failure.into());
        }
        self.forget_udp(&new)?;
        record.publish.extend(new);
        record.plan.extend(plan)?;
        record.changes.extend(changes);
        failpoint::hit("journal published");
        self.store.put_attachment(&record)?;
        Ok(self.row(&record))
    }

    /// Decides what publishing `ports` takes; those that are published already take nothing.
    pub(crate) fn draft_publish(
        &mut self,
        sandbox: &SandboxRef,
        ports: &[Publish],
        world: &mut Snapshot,
    ) -> Result<Draft, Fault> {
        let (record, network) = self.published_on(sandbox)?;
        let new: Vec<Publish> =
            ports.iter().filter(|port| !record.publish.contains(port)).copied().collect();
        self.ports_free(&new)?;
        let host = self.publish_facts(!new.is_empty(), world)?;
        let all = ropewalk_topology::publish(&wiring(&record, &network), &new, &host)?;
        let steps: Vec<Step> = Vec::from(all);
        let steps = steps.into_iter().filter(|step| !record.plan.states(&step.key()));
        let plan = Plan::try_from(steps.collect::<Vec<_>>())?;
        let changes = self.draft(&plan, world)?;
        Ok(Draft { record, new, plan, changes })
    }

    /// Takes published `ports` of `sandbox` back.
    ///
    /// # Errors
    /// [`Code::NotAttached`], [`Code::NotPublished`], [`Code::Kernel`].
    pub fn unpublish(&mut self, sandbox: &SandboxRef, ports: &[Publish]) -> Result<Row, Fault> {
        let doing = format!("unpublish {} of {sandbox}", from::list(ports));
        self.try_unpublish(sandbox, ports).map_err(|fault| fault.doing(doing))
    }

    fn try_unpublish(&mut self, sandbox: &SandboxRef, ports: &[Publish]) -> Result<Row, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&sandbox.ns())?;
        let interrupted = self.in_doubt(sandbox)?;
        let (mut record, network) = self.published_on(sandbox)?;
        let ports: Vec<Publish> = ports
            .iter()
            .map(|port| as_published(&record, *port))
            .collect::<Vec<_>>()
            .iter()
            .filter(|port| record.publish.contains(port) || !interrupted.contains(port))
            .copied()
            .collect();
        if ports.is_empty() {
            return Ok(self.row(&record));
        }
        if let Some(other) = ports.iter().find(|port| !record.publish.contains(port)) {
            let published = from::list(&record.publish);
            return Err(Fault::new(Code::NotPublished, format!("{other} is not published"))
                .cause(format!("published: {published}"))
                .or_try("ropewalk ps"));
        }
        record.publish.retain(|port| !ports.contains(port));
        let host = HostFacts { bridge_netfilter: true, ..HostFacts::default() };
        let all = ropewalk_topology::publish(&wiring(&record, &network), &ports, &host)?;
        // What lets packets turn round goes with the last port.
        let last = record.publish.is_empty();
        let mine = all.steps().iter().filter(|step| last || matches!(step, Step::Create(_)));
        let goes: BTreeSet<Key> = mine.map(Step::key).collect();
        let (out, kept): (Vec<Change>, Vec<Change>) =
            record.changes.into_iter().partition(|change| goes.contains(&change.key));
        let steps: Vec<Step> = record
            .plan
            .steps()
            .iter()
            .filter(|step| !goes.contains(&step.key()))
            .cloned()
            .collect();
        record.plan = Plan::try_from(steps)?;
        record.changes = kept;
        record.doubtful = out;
        record.doubtful_publish = ports;
        failpoint::hit("journal unpublish");
        self.store.put_attachment(&record)?;
        let record = self.settled(record)?;
        Ok(self.row(&record))
    }

    /// The ports of `sandbox` that a run which was cut short has left in doubt.
    fn in_doubt(&self, sandbox: &SandboxRef) -> Result<Vec<Publish>, Fault> {
        let all = self.store.attachments_of(&sandbox.ns())?;
        Ok(all.into_iter().flat_map(|record| record.doubtful_publish).collect())
    }

    /// Takes away what is in doubt after a crash, or on its way out.
    pub(crate) fn settled(
        &mut self,
        mut record: AttachmentRecord,
    ) -> Result<AttachmentRecord, Fault> {
        if self.clear_doubts(&mut record)? {
            self.settle(&record)?;
        }
        Ok(record)
    }

    /// As [`Engine::settled`], for a record that is written next. True when there was a doubt.
    pub(crate) fn clear_doubts(&mut self, record: &mut AttachmentRecord) -> Result<bool, Fault> {
        let lodged = self.unstray(record)?;
        if record.doubtful.is_empty() && record.doubtful_publish.is_empty() && !lodged {
            return Ok(false);
        }
        let changes = std::mem::take(&mut record.doubtful);
        let ports = std::mem::take(&mut record.doubtful_publish);
        if changes.iter().any(|change| !change.key.ns.is_host()) {
            // What lies in the sandbox is taken back only where that is open.
            self.alive(record);
        }
        self.take_back(&changes)?;
        self.forget_udp(&ports)?;
        Ok(true)
    }

    /// Writes `record`, in which nothing is in doubt any more.
    fn settle(&mut self, record: &AttachmentRecord) -> Result<(), Fault> {
        failpoint::hit("journal unpublished");
        Ok(self.store.put_attachment(record)?)
    }

    /// The attachment that ports of `sandbox` are published on: the first on a network that has
    /// addresses, the one with the best default route before the others.
    pub(crate) fn published_on(
        &mut self,
        sandbox: &SandboxRef,
    ) -> Result<(AttachmentRecord, NetworkHead), Fault> {
        let mut all = self.store.attachments_of(&sandbox.ns())?;
        all.retain(|record| record.state == State::Ready && !record.addresses.is_empty());
        all.sort_by_key(|record| record.default_metric.unwrap_or(u32::MAX));
        for record in all {
            let network = self.store.network_head(&record.network)?;
            if let Some(network) = network.filter(|n| led_to(&n.network)) {
                return Ok((self.settled(record)?, network));
            }
        }
        Err(Fault::new(Code::NotAttached, format!("{sandbox} has no address on a network"))
            .or_try(format!("ropewalk attach {sandbox} NETWORK")))
    }
}

/// A port as it is published: on every host, when it is so and nobody said.
fn as_published(record: &AttachmentRecord, port: Publish) -> Publish {
    let wider = port.on_every_host().filter(|wider| record.publish.contains(wider));
    wider.unwrap_or(port)
}

/// True for a network to whose sandboxes the host can lead ports.
fn led_to(network: &Network) -> bool {
    network.mode.reach() != Reach::L2 && network.mode.through_host()
}

/// Ports about to be published.
pub(crate) struct Draft {
    /// The attachment that they lead to.
    pub(crate) record: AttachmentRecord,
    /// Those that are not published yet.
    new: Vec<Publish>,
    /// What they add to its plan.
    plan: Plan,
    /// What that changes.
    pub(crate) changes: Vec<Change>,
}

/// An attachment as it was wired, with the addresses that are this host's to answer for.
pub(crate) fn wiring<'a>(record: &'a AttachmentRecord, network: &'a NetworkHead) -> Wiring<'a> {
    Wiring {
        network: &network.network,
        ns: record.ns.clone(),
        make_ns: None,
        parent: network.parent.clone(),
        ifname: record.ifname.clone(),
        leg: record.leg.clone(),
        altname: String::new(),
        alias: String::new(),
        mac: record.mac,
        mtu: record.mtu,
        addresses: record
            .addresses
            .iter()
            .filter(|net| !record.fenced.contains(&net.addr()))
            .copied()
            .collect(),
        default_metric: record.default_metric,
        allow_spoofing: false,
        publish: &record.publish,
        allow_in: &record.allow_in,
        allow_out: &record.allow_out,
        rate_in: None,
        rate_out: None,
    }
}
