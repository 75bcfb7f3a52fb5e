//! Attaching as a runtime tells, once: asked again, the same is answered again.

use ropewalk_facts::{Id, IfName, Key, Link, Mac, Ns, RouteKey, Snapshot, table};
use ropewalk_kernel::failpoint;
use ropewalk_spec::names::{self, Seed};
use ropewalk_spec::{SandboxRef, Told, Way, Wired};
use ropewalk_store::{AttachmentRecord, NetworkHead, Origin, State, StoreError};
use ropewalk_topology::Wiring;

use super::{Whom, Wish};
use crate::attach::SECOND_METRIC;
use crate::code::Code;
use crate::fault::Fault;
use crate::sandbox::Sandbox;
use crate::view::Finding;
use crate::{Engine, from};

/// What was made, for the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// The hardware address in the container; none where it is the master's.
    pub mac: Option<Mac>,
    /// The host's end of the pair, where there is one.
    pub leg: Option<IfName>,
    /// The hardware address of the bridge, where there is one.
    pub bridge_mac: Option<Mac>,
    /// The MTU.
    pub mtu: u32,
}

impl Engine {
    /// What was answered for `whom`, if it is attached, and to the sandbox that is `sandbox` now.
    ///
    /// # Errors
    /// [`Code::SandboxUnknown`], [`Code::SandboxIsHost`].
    pub fn answered(&mut self, whom: &Whom, sandbox: &SandboxRef) -> Result<Option<String>, Fault> {
        let found = self.open_sandbox(sandbox)?;
        let record = self.store.called(&whom.cni, &whom.ifname)?;
        let same = record.filter(|r| r.state == State::Ready && r.cookie == found.cookie);
        Ok(same.filter(|record| record.ns == found.ns).and_then(|record| record.answer))
    }

    /// Attaches as `wish` says; `answer` puts what was made into the runtime's words. Attached
    /// already, the answer of then is given.
    ///
    /// # Errors
    /// Any code; nothing is changed then, but for what the network shares.
    pub fn attach_told(
        &mut self,
        wish: &Wish,
        answer: &dyn Fn(&Made) -> String,
    ) -> Result<String, Fault> {
        let Whom { cni, network, ifname } = &wish.whom;
        let doing = format!("attach {ifname} of container {} to {}", cni.container, cni.network);
        let again = match self.try_told(wish, answer) {
            Err(fault) if from::shared_is_gone(&fault) => {
                self.restore(&network.name)?;
                self.try_told(wish, answer)
            }
            other => other,
        };
        again.map_err(|fault| fault.doing(doing))
    }

    fn try_told(&mut self, wish: &Wish, answer: &dyn Fn(&Made) -> String) -> Result<String, Fault> {
        let Whom { cni, network, ifname } = &wish.whom;
        let head = self.share(cni, network, &wish.shared, wish.force_address)?;
        let _shared = self.store.shared()?;
        self.leave_earlier(wish)?;
        let _mine = self.store.sandbox_lock(&wish.sandbox.ns())?;
        let (sandbox, there) = self.open_cleared(&wish.sandbox)?;
        if let Some(record) = there.into_iter().find(|record| record.ifname == *ifname) {
            let same = record.origin.cni().is_some_and(|own| same(own, cni));
            return match record.answer.filter(|_| same) {
                Some(answer) => Ok(answer),
                None => Err(taken(&record.network, ifname, &wish.sandbox)),
            };
        }
        let (mut record, made) = self.draft_told(wish, &head, &sandbox)?;
        let answer = answer(&made);
        record.answer = Some(answer.clone());
        failpoint::hit("journal attachment");
        self.put_told(&record)?;
        if let Err(stop) = self.wire(&record, None) {
            if stop.clean {
                self.forget(&record)?;
            }
            return Err(self.with_holder(stop.fault, &record));
        }
        record.state = State::Ready;
        failpoint::hit("journal attachment ready");
        self.store.put_attachment(&record)?;
        Ok(answer)
    }

    /// A fault that an address is taken, with who has it on another network.
    fn with_holder(&self, fault: Fault, record: &AttachmentRecord) -> Fault {
        let all = self.store.attachments().unwrap_or_default();
        let has = |other: &&AttachmentRecord| {
            let address = other
                .addresses
                .iter()
                .any(|net| record.addresses.iter().any(|own| own.addr() == net.addr()));
            address && other.key() != record.key()
        };
        match all.iter().find(has).filter(|_| fault.code == Code::AddrTaken) {
            Some(other) => {
                let who = other.origin.cni().map_or_else(
                    || other.sandbox.to_string(),
                    |cni| format!("container {}", cni.pod.as_ref().unwrap_or(&cni.container)),
                );
                fault.cause(format!("{who} has it on network {}", other.network))
            }
            None => fault,
        }
    }

    /// Detaches what is called so in another namespace, as one that died without being detached.
    fn leave_earlier(&mut self, wish: &Wish) -> Result<(), Fault> {
        let earlier = self.store.key_called(&wish.whom.cni, &wish.whom.ifname)?;
        let Some(key) = earlier.filter(|key| key.ns != wish.sandbox.ns()) else {
            return Ok(());
        };
        let _its = self.store.sandbox_lock(&key.ns)?;
        self.leave(&key)
    }

    /// Writes the record. Who holds an address of it, and is no more, gives it back.
    pub(super) fn put_told(&mut self, record: &AttachmentRecord) -> Result<(), Fault> {
        let first = self.store.put_attachment(record);
        let Err(StoreError::Taken { holder, .. } | StoreError::PortTaken { holder, .. }) = &first
        else {
            return Ok(first?);
        };
        let held = self.store.attachments_of(&holder.ns)?;
        let Some(other) = held.into_iter().find(|other| other.key() == **holder) else {
            return Ok(self.store.put_attachment(record)?);
        };
        if !self.is_gone(&other)? {
            let fault = first.map_err(Fault::from);
            let Some(cni) = other.origin.cni() else { return fault };
            let name = cni.pod.as_ref().unwrap_or(&cni.container);
            return fault.map_err(|fault| fault.cause(format!("container {name} has it")));
        }
        self.leave(&other.key())?;
        Ok(self.store.put_attachment(record)?)
    }

    fn draft_told(
        &mut self,
        wish: &Wish,
        head: &NetworkHead,
        sandbox: &Sandbox,
    ) -> Result<(AttachmentRecord, Made), Fault> {
        let Whom { cni, network, ifname } = &wish.whom;
        let mut told = wish.told.clone();
        let below = told.wired.bridge().or(told.wired.below());
        let home = if told.inside { sandbox.ns.clone() } else { Ns::HOST };
        let below = below.map(|name| Id::Link(name.clone()).at(home));
        let mut world = Snapshot::default();
        self.learn(&needed(&told.ways, &sandbox.ns, below.as_ref()), &mut world)?;
        behind_others(&mut told.ways, &sandbox.ns, &world);
        if matches!(told.wired, Wired::Device { .. }) {
            // What it had on the host comes back with it.
            self.learn_all(&mut world)?;
        }
        let lower = below.and_then(|key| world.fact(&key)?.body.as_link().cloned());
        let leg = names::container_leg(&cni.network, &cni.container, ifname);
        let seed = told.addresses.first().map_or(Seed::Text(leg.as_str()), |n| Seed::Ip(n.addr()));
        stands(&told, lower.as_ref())?;
        let chosen = told.mac.unwrap_or_else(|| names::mac(&network.name, seed));
        let mac = (!told.wired.parents_mac()).then_some(chosen);
        let theirs = told.wired.below().and(lower.as_ref());
        let mtu = told.mtu.or(theirs.and_then(|link| link.mtu)).unwrap_or(head.mtu);
        let label = cni.pod.as_ref().unwrap_or(&cni.container);
        let wiring = Wiring {
            network,
            ns: sandbox.ns.clone(),
            make_ns: None,
            parent: None,
            ifname: ifname.clone(),
            altname: names::leg_altname(&format!("cni:{}", cni.container), ifname),
            alias: names::leg_alias(label, ifname),
            leg: leg.clone(),
            mac,
            mtu,
            addresses: told.addresses.clone(),
            default_metric: None,
            allow_spoofing: true,
            publish: &[],
            rate_in: None,
            rate_out: None,
            allow_in: &[],
            allow_out: &[],
        };
        let plan = ropewalk_topology::told(&wiring, &told)?;
        let changes = self.draft(&plan, &mut world)?;
        let made = Made {
            mac: mac.or(theirs.and_then(|link| link.mac)),
            leg: told.wired.has_leg().then(|| leg.clone()),
            bridge_mac: lower.and_then(|link| link.mac),
            mtu,
        };
        let record = AttachmentRecord {
            sandbox: wish.sandbox.clone(),
            ns: sandbox.ns.clone(),
            cookie: sandbox.cookie,
            ifname: ifname.clone(),
            network: network.name.clone(),
            leg,
            addresses: told.addresses,
            mac,
            mtu,
            publish: Vec::new(),
            rate_in: None,
            rate_out: None,
            allow_in: Vec::new(),
            allow_out: Vec::new(),
            default_metric: default_metric(&told.ways),
            plan,
            changes,
            dhcp: None,
            doubtful: Vec::new(),
            doubtful_publish: Vec::new(),
            fenced: Vec::new(),
            lodged: Vec::new(),
            parts: Vec::new(),
            answer: None,
            state: State::Pending,
            made_netns: false,
            origin: Origin::Cni(cni.clone()),
            created_ms: crate::now(),
        };
        Ok((record, made))
    }

    /// Detaches what is called so. True when there was something; its namespace may be gone.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn detach_told(&mut self, whom: &Whom) -> Result<bool, Fault> {
        let Some(key) = self.store.key_called(&whom.cni, &whom.ifname)? else { return Ok(false) };
        let doing = format!("detach {} of container {}", whom.ifname, whom.cni.container);
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&key.ns)?;
        self.leave(&key).map_err(|fault| fault.doing(doing))?;
        Ok(true)
    }

    /// What is not as it was made, of an attachment and of what its network shares. None when
    /// nothing is called so.
    ///
    /// # Errors
    /// [`Code::Kernel`].
    pub fn check_told(&mut self, whom: &Whom) -> Result<Option<Vec<Finding>>, Fault> {
        let _shared = self.store.shared()?;
        let Some(record) = self.store.called(&whom.cni, &whom.ifname)? else { return Ok(None) };
        let _mine = self.store.sandbox_lock(&record.ns)?;
        let mut all = self.look_at_attachment(&record, false)?;
        if let Some(network) = self.store.network(&record.network)? {
            all.extend(self.look_at_network(&network, false)?);
        }
        Ok(Some(all))
    }
}

/// Refuses a link below that is not there, or has less room.
fn stands(told: &Told, lower: Option<&Link>) -> Result<(), Fault> {
    let Some(name) = told.wired.below() else { return Ok(()) };
    let Some(lower) = lower else {
        return Err(Fault::new(Code::ParentUnfit, format!("there is no interface {name}"))
            .or_try("ip -br link    lists those that there are"));
    };
    match told.mtu.zip(lower.mtu) {
        Some((mtu, most)) if mtu > most => {
            let what = format!("invalid MTU {mtu}, must be [0, master MTU({most})]");
            Err(Fault::new(Code::BadInput, what))
        }
        Some(_) | None => Ok(()),
    }
}

pub(super) fn same(one: &ropewalk_store::Cni, two: &ropewalk_store::Cni) -> bool {
    one.network == two.network && one.container == two.container
}

fn taken(network: &ropewalk_spec::NetworkName, ifname: &IfName, sandbox: &SandboxRef) -> Fault {
    Fault::new(Code::IfnameTaken, format!("{ifname} exists in {sandbox}"))
        .cause(format!("it is on network {network}"))
        .or_try("another CNI_IFNAME, or DEL of that one first")
}

/// What has to be known: loopback, the routes that may be there already, the link below.
fn needed(ways: &[Way], ns: &Ns, lower: Option<&Key>) -> Vec<Key> {
    let mut keys: Vec<Key> = lower.cloned().into_iter().collect();
    keys.extend(IfName::new("lo").ok().map(|lo| Id::Link(lo).at(ns.clone())));
    // A table that nobody has used yet cannot be asked.
    let main = ways.iter().filter(|way| way.table.is_none());
    keys.extend(main.map(|way| key(way).at(ns.clone())));
    keys.dedup();
    keys
}

fn key(way: &Way) -> Id {
    Id::Route(RouteKey::new(way.table.unwrap_or(table::MAIN), way.to, way.metric))
}

/// Another network of the sandbox may lead the same way: it keeps being the first.
fn behind_others(ways: &mut [Way], ns: &Ns, world: &Snapshot) {
    let mut metric = SECOND_METRIC;
    for way in ways.iter_mut().filter(|way| world.contains(&key(way).at(ns.clone()))) {
        metric = metric.saturating_add(1);
        way.metric = metric;
    }
}

/// The metric of the default routes among `ways`.
fn default_metric(ways: &[Way]) -> Option<u32> {
    ways.iter().find(|way| way.to.prefix_len() == 0).map(|way| way.metric)
}
