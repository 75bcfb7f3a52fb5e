//! Declarations: networks and attachments of a file, made so, taken down, or only planned.
//!
//! `up` is planned before it begins, so that what cannot be done is said before anything is done;
//! what the kernel refuses in the middle is taken back.

use std::path::Path;

use ropewalk_facts::{Body, Id, Ns, Snapshot};
use ropewalk_plan::{Change, invert};
use ropewalk_spec::{Declaration, Endpoint, Network, Publish, SandboxRef};
use ropewalk_store::{NetworkRecord, Origin, State};
use ropewalk_topology::firewall;

use crate::code::Code;
use crate::fault::Fault;
use crate::meant::attached;
use crate::network::How;
use crate::view::Done;
use crate::{Engine, uplink};

/// What a dry run is about.
#[derive(Clone, Copy, Debug)]
pub enum Wanted<'a> {
    /// Everything in a file.
    Up(&'a Declaration),
    /// A network.
    CreateNetwork(&'a Network),
    /// An attachment.
    Attach(&'a Endpoint),
    /// Ports of an attached sandbox.
    Publish(&'a SandboxRef, &'a [Publish]),
}

/// What would be changed, and what was found before.
#[derive(Clone, Debug, Default)]
pub struct Dry {
    /// The changes, in order, with what they belong to.
    pub changes: Vec<(String, Vec<Change>)>,
    /// What was read of the host and the sandboxes, as it was.
    pub found: Snapshot,
}

impl Engine {
    /// What would be changed now, by the same code that would change it.
    ///
    /// # Errors
    /// Those of the verb itself.
    pub fn plan(&mut self, wanted: &Wanted<'_>) -> Result<Dry, Fault> {
        let _lock = self.store.exclusive()?;
        self.dry(wanted)
    }

    fn dry(&mut self, wanted: &Wanted<'_>) -> Result<Dry, Fault> {
        let one;
        let (networks, endpoints): (&[Network], &[Endpoint]) = match wanted {
            Wanted::Up(declaration) => (&declaration.networks, &declaration.attachments),
            Wanted::CreateNetwork(network) => {
                one = [(*network).clone()];
                (&one, &[])
            }
            Wanted::Attach(endpoint) => (&[], std::slice::from_ref(*endpoint)),
            Wanted::Publish(sandbox, ports) => return self.dry_publish(sandbox, ports),
        };
        let mut world = Snapshot::default();
        let mut changes = Vec::new();
        let mut drafts: Vec<NetworkRecord> = Vec::new();
        for network in networks {
            drafts.extend(self.dry_network(network, &mut world, &mut changes)?);
        }
        self.dry_attachments(endpoints, drafts, &mut world, &mut changes)?;
        let all: Vec<Change> = changes.iter().flat_map(|(_, c)| c.iter().cloned()).collect();
        ropewalk_plan::apply(&invert(&all), &mut world);
        name_sets(&all, &mut world);
        Ok(Dry { changes, found: world })
    }

    fn dry_publish(&mut self, sandbox: &SandboxRef, ports: &[Publish]) -> Result<Dry, Fault> {
        let doing = format!("publish {} for {sandbox}", crate::from::list(ports));
        let mut found = Snapshot::default();
        let draft = self.draft_publish(sandbox, ports, &mut found);
        let draft = draft.map_err(|fault| fault.doing(doing))?;
        let owner =
            format!("{}/{} on {}", draft.record.sandbox, draft.record.ifname, draft.record.network);
        ropewalk_plan::apply(&invert(&draft.changes), &mut found);
        name_sets(&draft.changes, &mut found);
        Ok(Dry { changes: vec![(owner, draft.changes)], found })
    }

    fn dry_network(
        &mut self,
        network: &Network,
        world: &mut Snapshot,
        changes: &mut Vec<(String, Vec<Change>)>,
    ) -> Result<Option<NetworkRecord>, Fault> {
        let doing = |fault: Fault| fault.doing(format!("create network {}", network.name));
        if let Some(old) = self.store.network(&network.name)?.filter(|r| r.state == State::Ready) {
            return if uplink::same(&old.network, network) {
                Ok(None)
            } else if old.network.differs_in_peers_only(network) {
                let renewal = self.draft_peers(&old, network, world).map_err(doing)?;
                let mut all = invert(&renewal.gone);
                ropewalk_plan::apply(&all, world);
                all.extend(renewal.come);
                changes.push((format!("network {}", network.name), all));
                Ok(None)
            } else {
                Err(doing(crate::network::exists(&old.network)))
            };
        }
        let draft = self.draft_network(network, Origin::Command, world).map_err(doing)?;
        changes.push((format!("network {}", network.name), draft.changes.clone()));
        Ok(Some(draft))
    }

    fn dry_attachments(
        &mut self,
        endpoints: &[Endpoint],
        mut drafts: Vec<NetworkRecord>,
        world: &mut Snapshot,
        changes: &mut Vec<(String, Vec<Change>)>,
    ) -> Result<(), Fault> {
        for endpoint in endpoints {
            let known = drafts.iter().any(|draft| draft.network.name == endpoint.network);
            if !known && self.store.network(&endpoint.network)?.is_none() {
                let network = self.definitions.read(&endpoint.network)?;
                let network = network.ok_or_else(|| self.unknown(&endpoint.network))?;
                drafts.extend(self.dry_network(&network, world, changes)?);
            }
        }
        // Leases are taken in a transaction that is dropped.
        let store = self.store.clone();
        let mut tx = store.write()?;
        for draft in &drafts {
            tx.put_network(draft)?;
        }
        for endpoint in endpoints {
            let doing = format!("attach {} to {}", endpoint.sandbox, endpoint.network);
            let draft = self.dry_attachment(endpoint, &drafts, &mut tx, world);
            if let Some(record) = draft.map_err(|fault| fault.doing(doing))? {
                let owner = format!("{}/{} on {}", record.sandbox, record.ifname, record.network);
                changes.push((owner, record.changes));
            }
        }
        Ok(())
    }

    fn dry_attachment(
        &mut self,
        endpoint: &Endpoint,
        drafts: &[NetworkRecord],
        tx: &mut ropewalk_store::Writer<'_>,
        world: &mut Snapshot,
    ) -> Result<Option<ropewalk_store::AttachmentRecord>, Fault> {
        let draft = drafts.iter().find(|draft| draft.network.name == endpoint.network);
        let network = match draft {
            Some(draft) => draft.head(),
            None => {
                let made = self.store.network_head(&endpoint.network)?;
                made.ok_or_else(|| self.unknown(&endpoint.network))?
            }
        };
        endpoint.fits(&network.network)?;
        let mut sandbox = self.open_sandbox(&endpoint.sandbox)?;
        let drafted = |name: &String| world.contains(&Id::Netns(name.clone()).at(Ns::HOST));
        sandbox.make = sandbox.make.filter(|name| !drafted(name));
        let mut there = self.store.attachments_of(&sandbox.ns)?;
        there.retain(|record| record.state == State::Ready && record.cookie == sandbox.cookie);
        if attached(endpoint, there)?.is_some() {
            return Ok(None);
        }
        self.ports_free(&endpoint.publish)?;
        let record = self.draft_attachment(tx, &network, endpoint, &sandbox, world)?;
        tx.put(&record)?;
        Ok(Some(record))
    }

    /// Makes everything in `declaration`, which was read from `file`. What is there stays.
    ///
    /// # Errors
    /// Those of networks and attachments; nothing is changed then.
    pub fn up(&mut self, file: &Path, declaration: &Declaration) -> Result<Vec<Done>, Fault> {
        self.settle_declared(declaration)?;
        self.plan(&Wanted::Up(declaration))?;
        let origin = Origin::File(file.to_owned());
        let mut done = Made::default();
        match self.make_all(declaration, &origin, &mut done) {
            Ok(()) => Ok(done.done),
            Err(fault) => {
                self.unmake_all(&done);
                Err(fault)
            }
        }
    }

    /// Clears away what a run that was cut short has left of what is declared.
    fn settle_declared(&mut self, declaration: &Declaration) -> Result<(), Fault> {
        let _lock = self.store.exclusive()?;
        for endpoint in &declaration.attachments {
            self.clear(&endpoint.sandbox.ns(), |record| record.state != State::Ready)?;
        }
        for network in &declaration.networks {
            self.settled_network(&network.name)?;
        }
        Ok(())
    }

    fn make_all(
        &mut self,
        declaration: &Declaration,
        origin: &Origin,
        made: &mut Made,
    ) -> Result<(), Fault> {
        for network in &declaration.networks {
            let doing = |fault: Fault| fault.doing(format!("create network {}", network.name));
            let _lock = self.store.exclusive()?;
            let ready = self.store.network(&network.name)?.is_some_and(|r| r.state == State::Ready);
            self.make_network(network, origin.clone(), How::default()).map_err(doing)?;
            if !ready {
                made.networks.push(network.clone());
                made.done.push(Done::new("created", format!("network {}", network.name)));
            }
        }
        for endpoint in &declaration.attachments {
            let attached = self.attach_from(endpoint, origin.clone())?;
            if attached.changed {
                made.endpoints.push(endpoint.clone());
                let row = attached.row;
                let detail = format!("as {} {}", row.interface, row.addresses.join(" "));
                let object = format!("{} to {}", row.sandbox, row.network);
                made.done.push(Done::new("attached", object).detail(detail.trim_end()));
            }
        }
        Ok(())
    }

    /// Takes back what this run has made.
    fn unmake_all(&mut self, made: &Made) {
        for endpoint in made.endpoints.iter().rev() {
            // The fault that led here is the one to tell; gc finds what is left.
            let _ = self.detach(&endpoint.sandbox, Some(&endpoint.network));
        }
        for network in made.networks.iter().rev() {
            let _ = self.down_network(network);
        }
    }

    /// Takes everything in `declaration` down. What is not there is passed over.
    ///
    /// # Errors
    /// [`Code::NetworkInUse`] when others are attached to one of its networks; they and their
    /// network stay.
    pub fn down(&mut self, declaration: &Declaration) -> Result<Vec<Done>, Fault> {
        let mut done = Vec::new();
        for endpoint in declaration.attachments.iter().rev() {
            match self.detach(&endpoint.sandbox, Some(&endpoint.network)) {
                Ok(rows) => done.extend(rows.into_iter().map(|row| {
                    Done::new("detached", format!("{} from {}", row.sandbox, row.network))
                })),
                Err(fault) if fault.code == Code::NotAttached => {}
                Err(fault) => return Err(fault),
            }
        }
        for network in declaration.networks.iter().rev() {
            done.extend(self.down_network(network)?);
        }
        Ok(done)
    }

    fn down_network(&mut self, network: &Network) -> Result<Option<Done>, Fault> {
        let _lock = self.store.exclusive()?;
        let Some(record) = self.store.network(&network.name)? else { return Ok(None) };
        let doing = |fault: Fault| fault.doing(format!("remove network {}", network.name));
        if let Some(other) = self.store.attachments_on(&network.name)?.first() {
            return Err(doing(
                Fault::new(Code::NetworkInUse, format!("{} is attached to it", other.sandbox))
                    .or_try(format!("ropewalk detach {} {}", other.sandbox, network.name)),
            ));
        }
        self.unmake_network(&record).map_err(doing)?;
        Ok(Some(Done::new("removed", format!("network {}", network.name))))
    }
}

/// Makes the sets known that `changes` put elements into, and do not make: what an element says, its
/// set knows. A draft asks the kernel for none of them, as ours are the same on every host.
fn name_sets(changes: &[Change], found: &mut Snapshot) {
    for change in changes {
        let Id::Element(element) = &change.key.id else { continue };
        let key = Id::Set(element.set.clone()).at(change.key.ns.clone());
        let made = changes.iter().any(|other| other.key == key);
        if let Some(set) = firewall::set(&element.set).filter(|_| !made && !found.contains(&key)) {
            found.insert(Body::Set(set).at(key.ns));
        }
    }
}

/// What a run of `up` has made so far.
#[derive(Default)]
struct Made {
    networks: Vec<Network>,
    endpoints: Vec<Endpoint>,
    done: Vec<Done>,
}
