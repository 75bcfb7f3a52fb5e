//! What another plugin of a runtime's chain adds to an attachment, and takes away again.
//!
//!     journal (in doubt) ─▶ kernel ─▶ journal (a part of the attachment)
//!
//! Where the attachment itself was made by a plugin of somebody else's, a record is kept that holds
//! nothing but such parts.

use std::collections::BTreeSet;

use ipnet::IpNet;
use ropewalk_facts::{Body, Id, IfName, Key, Link, Mac, Snapshot};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Duplicate, Plan, Step};
use ropewalk_spec::{Foreign, Lodged, Publish, Rate, SandboxRef, Shared};
use ropewalk_store::{AttachmentRecord, NetworkHead, Origin, Part, State};
use ropewalk_topology::{HostFacts, Wiring};

use super::Whom;
use super::attach::same;
use super::share::has_all;
use crate::fault::Fault;
use crate::publish::wiring;
use crate::{Engine, from};

/// What a plan is made of.
type Draw<'a> = &'a dyn Fn(&Wiring<'_>, &HostFacts) -> Result<Plan, Duplicate>;

/// What a plugin adds.
pub struct Amendment<'a> {
    /// The plugin.
    pub name: &'static str,
    /// What is asked of it, in a text that tells other questions from it.
    pub asked: String,
    /// What it needs of what the network shares.
    pub shared: Vec<Shared>,
    /// Ports that lead to the attachment.
    pub publish: Vec<Publish>,
    /// Ports that lead to it by the rules of others: only claimed.
    pub claim: Vec<Publish>,
    /// What stands among the rules of others.
    pub lodged: Vec<Foreign>,
    /// How fast it may receive.
    pub rate_in: Option<Rate>,
    /// How fast it may send.
    pub rate_out: Option<Rate>,
    /// What of the interface in the container is to be otherwise.
    pub manner: Manner,
    /// Whatever else, as a plan.
    pub draw: Draw<'a>,
}

/// What of an interface can be otherwise than it was made; none stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Manner {
    /// Its hardware address.
    pub mac: Option<Mac>,
    /// Its MTU.
    pub mtu: Option<u32>,
    /// It takes what is for others, too.
    pub promisc: Option<bool>,
    /// It takes what is for any group.
    pub allmulti: Option<bool>,
    /// How many packets wait to be sent.
    pub txqlen: Option<u32>,
    /// The routing domain that it is in.
    pub master: Option<IfName>,
}

impl Manner {
    /// True when nothing is to be otherwise.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// `link` in this manner.
    pub(super) fn of(&self, link: Link) -> Link {
        Link {
            mac: self.mac.or(link.mac),
            mtu: self.mtu.or(link.mtu),
            promisc: self.promisc.or(link.promisc),
            allmulti: self.allmulti.or(link.allmulti),
            txqlen: self.txqlen.or(link.txqlen),
            master: self.master.clone().or(link.master),
            ..link
        }
    }
}

/// An attachment that somebody else made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bare {
    /// The container's namespace.
    pub sandbox: SandboxRef,
    /// The host's end, if there is one.
    pub leg: Option<IfName>,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Its hardware address.
    pub mac: Option<Mac>,
}

impl Engine {
    /// Adds what `amendment` says to the attachment of `whom`, once: what the same plugin has added
    /// before and is asked for otherwise goes first.
    ///
    /// # Errors
    /// [`crate::Code::PortTaken`], [`crate::Code::Kernel`]; nothing is changed then.
    pub fn amend(
        &mut self,
        whom: &Whom,
        bare: &Bare,
        amendment: &Amendment<'_>,
    ) -> Result<(), Fault> {
        let again = match self.try_amend(whom, bare, amendment) {
            Err(fault) if from::shared_is_gone(&fault) => {
                self.restore(&whom.network.name)?;
                self.try_amend(whom, bare, amendment)
            }
            other => other,
        };
        let doing = format!("{} for container {}", amendment.name, whom.cni.container);
        again.map_err(|fault| fault.doing(doing))
    }

    fn try_amend(
        &mut self,
        whom: &Whom,
        bare: &Bare,
        amendment: &Amendment<'_>,
    ) -> Result<(), Fault> {
        let head = self.share_as_made(whom, &amendment.shared)?;
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&bare.sandbox.ns())?;
        let mut record = self.amended(whom, bare, &head)?;
        if let Some(at) = record.parts.iter().position(|part| part.name == amendment.name) {
            if record.parts.get(at).is_some_and(|part| part.asked == amendment.asked) {
                return Ok(());
            }
            record = self.without_part(record, at)?;
            self.store.put_attachment(&record)?;
        }
        let (part, plan) = self.draft_part(&record, &head, amendment)?;
        if !amendment.lodged.is_empty() {
            let (part, all) = (amendment.name.into(), amendment.lodged.clone());
            record.lodged.push(Lodged { part, all });
        }
        // What changes nothing, since the network has it all, cannot be half done.
        if !(part.changes.is_empty() && part.publish.is_empty() && amendment.lodged.is_empty()) {
            record.doubtful.clone_from(&part.changes);
            record.doubtful_publish.clone_from(&part.publish);
            failpoint::hit("journal part");
            self.put_told(&record)?;
        }
        if let Err(fault) = self.lodge(&amendment.lodged) {
            let rest = self.settled(record)?;
            self.settle_part(&rest)?;
            return Err(fault);
        }
        record.doubtful.clear();
        record.doubtful_publish.clear();
        if let Err(failure) = self.kernel.apply(&part.changes) {
            if failure.stuck.is_empty() {
                self.unstray(&mut record)?;
                self.settle_part(&record)?;
            }
            return Err(failure.into());
        }
        self.forget_udp(&part.publish)?;
        record.publish.extend(&part.publish);
        record.rate_in = amendment.rate_in.or(record.rate_in);
        record.rate_out = amendment.rate_out.or(record.rate_out);
        record.plan = plan;
        record.parts.push(part);
        failpoint::hit("journal part ready");
        self.put_told(&record)
    }

    /// The network with `shared` beside what it has; a plugin of a chain does not know the rest.
    fn share_as_made(&mut self, whom: &Whom, shared: &[Shared]) -> Result<NetworkHead, Fault> {
        let made = self.store.network_head(&whom.network.name)?;
        let network = made.as_ref().map_or(&whom.network, |head| &head.network).clone();
        match made.filter(|head| has_all(head, &network, shared)) {
            Some(head) => Ok(head),
            None => self.share(&whom.cni, &network, shared, false),
        }
    }

    /// The record that is amended: that of the attachment, or a bare one.
    fn amended(
        &mut self,
        whom: &Whom,
        bare: &Bare,
        head: &NetworkHead,
    ) -> Result<AttachmentRecord, Fault> {
        let (sandbox, there) = self.open_cleared(&bare.sandbox)?;
        let mine = |record: &AttachmentRecord| {
            let called = record.origin.cni().is_some_and(|cni| same(cni, &whom.cni));
            called && record.ifname == whom.ifname
        };
        if let Some(record) = there.into_iter().find(mine) {
            return self.settled(record);
        }
        let leg = bare.leg.clone().unwrap_or_else(|| whom.ifname.clone());
        Ok(AttachmentRecord {
            sandbox: bare.sandbox.clone(),
            ns: sandbox.ns,
            cookie: sandbox.cookie,
            ifname: whom.ifname.clone(),
            network: head.network.name.clone(),
            leg,
            addresses: bare.addresses.clone(),
            mac: bare.mac,
            mtu: head.mtu,
            publish: Vec::new(),
            rate_in: None,
            rate_out: None,
            allow_in: Vec::new(),
            allow_out: Vec::new(),
            default_metric: None,
            plan: Plan::new(),
            changes: Vec::new(),
            dhcp: None,
            doubtful: Vec::new(),
            doubtful_publish: Vec::new(),
            fenced: Vec::new(),
            lodged: Vec::new(),
            parts: Vec::new(),
            answer: None,
            state: State::Ready,
            made_netns: false,
            origin: Origin::Cni(whom.cni.clone()),
            created_ms: crate::now(),
        })
    }

    /// What `amendment` adds to `record`, and the plan that has it.
    fn draft_part(
        &mut self,
        record: &AttachmentRecord,
        head: &NetworkHead,
        amendment: &Amendment<'_>,
    ) -> Result<(Part, Plan), Fault> {
        let ports = [&amendment.publish[..], &amendment.claim].concat();
        self.ports_free(&ports)?;
        let mut world = Snapshot::default();
        let host = self.publish_facts(!amendment.publish.is_empty(), &mut world)?;
        let mut wiring = wiring(record, head);
        (wiring.rate_in, wiring.rate_out) = (amendment.rate_in, amendment.rate_out);
        let altered = self.altered(record, amendment, &mut world)?;
        let moves = amendment.manner.master.is_some();
        let mut drawn = Plan::new();
        // It loses routes and addresses by that, which are stated then.
        if let Some(link) = altered.clone().filter(|_| moves) {
            drawn.ensure(&record.ns, Body::Link(link))?;
        }
        drawn.extend(ropewalk_topology::publish(&wiring, &amendment.publish, &host)?)?;
        drawn.extend(ropewalk_topology::rates(&wiring)?)?;
        drawn.extend((amendment.draw)(&wiring, &host)?)?;
        if let Some(link) = altered.filter(|_| !moves) {
            drawn.ensure(&record.ns, Body::Link(link))?;
        }
        let held = |step: &Step| record.plan.steps().contains(step);
        let new: Vec<Step> = Vec::from(drawn).into_iter().filter(|step| !held(step)).collect();
        let keys: Vec<Key> = new.iter().map(Step::key).collect();
        let changes = self.draft(&Plan::try_from(new.clone())?, &mut world)?;
        let own = record.plan.steps().iter();
        let before: Vec<Step> = own.filter(|step| keys.contains(&step.key())).cloned().collect();
        let part = Part {
            name: amendment.name.into(),
            asked: amendment.asked.clone(),
            keys,
            before,
            changes,
            publish: ports,
        };
        Ok((part, with(&record.plan, new)?))
    }

    /// The interface in the container as it shall be, if anything about it is asked for.
    fn altered(
        &mut self,
        record: &AttachmentRecord,
        amendment: &Amendment<'_>,
        world: &mut Snapshot,
    ) -> Result<Option<Link>, Fault> {
        if amendment.manner.is_empty() {
            return Ok(None);
        }
        let key = Id::Link(record.ifname.clone()).at(record.ns.clone());
        self.learn(std::slice::from_ref(&key), world)?;
        let found = world.fact(&key).and_then(|fact| fact.body.as_link());
        let stated = record.plan.steps().iter().find_map(|step| match step {
            Step::Create(fact) | Step::Ensure(fact) if fact.key() == key => fact.body.as_link(),
            Step::Create(_) | Step::Ensure(_) | Step::Absent(_) => None,
        });
        let Some(found) = found else {
            let what = format!("there is no {} in {}", record.ifname, record.sandbox);
            return Err(Fault::new(crate::Code::Kernel, what));
        };
        let bare = Link { up: found.up, ..Link::up(found.name.clone(), found.kind.clone()) };
        Ok(Some(amendment.manner.of(stated.cloned().unwrap_or(bare))))
    }

    /// Takes what `plugin` has added from the attachment of `whom`, if there is such; true when
    /// there was.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`].
    pub fn unamend(&mut self, whom: &Whom, plugin: &str) -> Result<bool, Fault> {
        let Some(key) = self.store.key_called(&whom.cni, &whom.ifname)? else { return Ok(false) };
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&key.ns)?;
        let Some(record) = self.store.called(&whom.cni, &whom.ifname)? else { return Ok(false) };
        let at = record.parts.iter().position(|part| part.name == plugin);
        let doing = format!("{plugin} for container {}", whom.cni.container);
        // Without a part, one may be in doubt that a killed run was about to add.
        let done = match at {
            Some(at) => self.without_part(record, at),
            None => self.settled(record),
        };
        let rest = done.map_err(|fault| fault.doing(doing))?;
        self.settle_part(&rest)?;
        Ok(at.is_some())
    }

    /// The record without a part, which is taken down. The caller writes it.
    fn without_part(
        &mut self,
        mut record: AttachmentRecord,
        at: usize,
    ) -> Result<AttachmentRecord, Fault> {
        let part = record.parts.remove(at);
        let keys: BTreeSet<&Key> = part.keys.iter().collect();
        let earlier = |key: &Key| part.before.iter().find(|step| step.key() == *key).cloned();
        let steps =
            record.plan.steps().iter().filter_map(|step| match keys.contains(&step.key()) {
                true => earlier(&step.key()),
                false => Some(step.clone()),
            });
        record.plan = Plan::try_from(steps.collect::<Vec<Step>>())?;
        record.publish.retain(|port| !part.publish.contains(port));
        if part.name == RATES {
            (record.rate_in, record.rate_out) = (None, None);
        }
        let lodged = record.stray().next().is_some();
        if part.changes.is_empty() && part.publish.is_empty() && !lodged {
            return Ok(record);
        }
        record.doubtful.clone_from(&part.changes);
        record.doubtful_publish.clone_from(&part.publish);
        failpoint::hit("journal part leaving");
        self.store.put_attachment(&record)?;
        self.clear_doubts(&mut record)?;
        Ok(record)
    }

    /// Writes a record from which something went. A bare one goes with its last part.
    fn settle_part(&mut self, record: &AttachmentRecord) -> Result<(), Fault> {
        let bare = record.plan.is_empty() && record.parts.is_empty() && record.answer.is_none();
        match bare && record.state == State::Ready {
            true => {
                failpoint::hit("journal attachment gone");
                Ok(self.store.replace_attachment(&record.key(), &[])?)
            }
            false => Ok(self.store.put_attachment(record)?),
        }
    }
}

/// `plan` with `new`, which takes the place of what it says of the same. What the attachment makes it
/// still makes, in another shape.
fn with(plan: &Plan, mut new: Vec<Step>) -> Result<Plan, Fault> {
    let mut all = Vec::new();
    for step in plan.steps() {
        let at = new.iter().position(|other| other.key() == step.key());
        all.push(match (at.map(|at| new.remove(at)), step) {
            (Some(Step::Ensure(fact)), Step::Create(_)) => Step::Create(fact),
            (Some(other), _) => other,
            (None, step) => step.clone(),
        });
    }
    all.extend(new);
    Ok(Plan::try_from(all)?)
}

/// The plugin whose part are the rates.
const RATES: &str = "bandwidth";
