//! The LAN that sandboxes have addresses of: asked before an address is used, told afterwards.
//!
//!     who has 10.0.0.50? ── 0 ms, 50 ms ──▶    the veth pair is made meanwhile
//!     ◀── nobody within 100 ms                 the host answers for it from now on
//!     10.0.0.50 is here ──▶                    so that caches and switches know
//!
//! RFC 5227 waits for five seconds and more, for networks whose ports sleep and for links that were
//! plugged in just now. This LAN has carried the host's traffic all along, and a host on it answers
//! within a millisecond; 100 is what a radio that saves power takes. Who answers later still is
//! found by `check`.  Never here: what a frame looks like (`wire`).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use ropewalk_facts::{Body, IfName, Mac, Ns};
use ropewalk_kernel::{Lan, failpoint};
use ropewalk_plan::Step;
use ropewalk_spec::{Mode, NetworkName, SandboxRef};
use ropewalk_store::{AttachmentRecord, NetworkHead, State};
use ropewalk_wire::lan::{self, Protocol, Said};
use serde::Serialize;

use crate::code::Code;
use crate::fault::Fault;
use crate::view::Finding;
use crate::{Engine, host};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_millis(100);
/// When it is asked once more: a frame may be lost.
const AGAIN: Duration = Duration::from_millis(50);

/// An address of which the LAN was told that it is here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Announced {
    /// The sandbox that has it.
    pub sandbox: String,
    /// The network that it has it on.
    pub network: String,
    /// The address.
    pub address: IpAddr,
    /// The host's interface on the LAN.
    pub parent: String,
    /// The hardware address that was told.
    pub mac: String,
}

/// Addresses that the LAN has been asked for.
pub(crate) struct Question {
    addresses: BTreeSet<IpAddr>,
    frames: Vec<Vec<u8>>,
    /// Who asks them to be used: no other.
    ours: Option<Mac>,
    asked: Instant,
}

impl Question {
    /// Asks the LAN who but `ours` has `addresses`, each from the host's address that `own` gives
    /// for it.
    pub(crate) fn ask(
        lan: &Lan,
        addresses: BTreeSet<IpAddr>,
        ours: Option<Mac>,
        own: impl Fn(IpAddr) -> Option<IpAddr>,
    ) -> Result<Self, Fault> {
        let frames: Vec<Vec<u8>> =
            addresses.iter().flat_map(|ip| lan::questions(lan.mac(), own(*ip), *ip)).collect();
        failpoint::hit("question to the LAN");
        frames.iter().try_for_each(|frame| lan.send(frame))?;
        Ok(Self { addresses, frames, ours, asked: Instant::now() })
    }

    /// Who answered, or wants an address at the same time; waits until the time is over, or every
    /// address has an owner.
    pub(crate) fn answers(self, lan: &Lan) -> Result<BTreeMap<IpAddr, Mac>, Fault> {
        let mut found = BTreeMap::new();
        self.listen(lan, self.asked + AGAIN, &mut found)?;
        if found.len() < self.addresses.len() {
            self.frames.iter().try_for_each(|frame| lan.send(frame))?;
        }
        self.listen(lan, self.asked + WAIT, &mut found)?;
        Ok(found)
    }

    fn listen(
        &self,
        lan: &Lan,
        until: Instant,
        found: &mut BTreeMap<IpAddr, Mac>,
    ) -> Result<(), Fault> {
        while found.len() < self.addresses.len() {
            let Some(frame) = lan.hear(until)? else { return Ok(()) };
            if let Some(Said::Has { ip, mac } | Said::Wants { ip, mac }) = lan::read(&frame)
                && self.addresses.contains(&ip)
                && mac != lan.mac()
                && Some(mac) != self.ours
            {
                found.entry(ip).or_insert(mac);
            }
        }
        Ok(())
    }
}

impl Engine {
    /// The LAN that the addresses of `network` are of, if they are asked for there.
    pub(crate) fn lan_of(&self, network: &NetworkHead) -> Result<Option<Lan>, Fault> {
        let bridge = ropewalk_topology::bridge_name(&network.network, None);
        let parent = match network.network.mode {
            Mode::Flat { .. } => network.parent.as_ref(),
            // The NIC is a port, and hears nothing itself.
            Mode::Uplink { .. } => Some(&bridge),
            Mode::Direct(ref direct) => network.parent.as_ref().filter(|_| direct.beside_parent()),
            Mode::Bridge { .. } | Mode::Routed(_) | Mode::Vxlan(_) | Mode::Cni { .. } => None,
        };
        let protocols =
            [(Protocol::Arp, network.network.has_v4()), (Protocol::Ipv6, network.network.has_v6())];
        let wanted: Vec<Protocol> =
            protocols.into_iter().filter(|(_, has)| *has).map(|(protocol, _)| protocol).collect();
        let open = |parent: &IfName| self.kernel.lan(&Ns::HOST, parent, &wanted);
        let parent = parent.filter(|_| !wanted.is_empty());
        let lan = parent.map(open).transpose();
        if network.network.mode.direct().is_some() && lan.is_err() {
            // What is wrong with its parent is said where that is looked at.
            return Ok(None);
        }
        lan.map_err(|error| {
            let fault = Fault::from(error);
            fault.or_try(format!("ropewalk network inspect {}", network.network.name))
        })
    }

    /// Tells the LAN, as far as it can be told, that the addresses which the host answers for are
    /// here. What cannot be told now is told when the link comes up.
    pub(crate) fn claim<'a>(&self, bodies: impl Iterator<Item = &'a Body>) -> Vec<(IpAddr, Mac)> {
        let mut by_dev: BTreeMap<&IfName, Vec<IpAddr>> = BTreeMap::new();
        for key in bodies.filter_map(|body| Some(&body.as_neigh()?.key)).filter(|key| key.proxy) {
            by_dev.entry(&key.dev).or_default().push(key.ip);
        }
        let mut told = Vec::new();
        for (dev, ips) in by_dev {
            let both = [Protocol::Arp, Protocol::Ipv6];
            let Ok(lan) = self.kernel.lan(&Ns::HOST, dev, &both) else { continue };
            failpoint::hit("claim on the LAN");
            told.extend(ips.into_iter().filter(|ip| tell(&lan, *ip)).map(|ip| (ip, lan.mac())));
        }
        told
    }

    /// Tells the LAN from within a sandbox where its borrowed address is: its last borrower may have
    /// been another.
    pub(crate) fn claim_inside(&self, record: &AttachmentRecord) {
        let lease = record.dhcp.as_ref().and_then(|dhcp| dhcp.net());
        let proxied = answered(record).next().is_some();
        if let Some(net) = lease.filter(|_| !proxied)
            && let Ok(lan) = self.kernel.lan(&record.ns, &record.ifname, &[Protocol::Arp])
        {
            tell(&lan, net.addr());
        }
    }

    /// Tells the LANs of flat networks where the addresses of `sandbox`, or of all, are.
    ///
    /// # Errors
    /// [`Code::NotAttached`] when a sandbox is named that is not on `network`, or on none;
    /// [`Code::NetworkUnknown`].
    pub fn announce(
        &mut self,
        sandbox: Option<&SandboxRef>,
        network: Option<&NetworkName>,
    ) -> Result<Vec<Announced>, Fault> {
        let _shared = self.store.shared()?;
        let mut records = match sandbox {
            Some(sandbox) => self.store.attachments_of(&sandbox.ns())?,
            None => self.store.attachments()?,
        };
        records.retain(|record| network.is_none_or(|name| record.network == *name));
        if let Some(sandbox) = sandbox.filter(|_| records.is_empty()) {
            let fault = Fault::new(Code::NotAttached, format!("{sandbox} is not attached"));
            return Err(fault.doing("announce").or_try("ropewalk ps"));
        }
        Ok(records.iter().flat_map(|record| self.announced(record, None)).collect())
    }

    /// The same for everything on the LAN behind `parent`: to be called when that link comes up.
    ///
    /// # Errors
    /// [`Code::StateUnusable`].
    pub fn announce_on(&mut self, parent: &IfName) -> Result<Vec<Announced>, Fault> {
        let _shared = self.store.shared()?;
        let records = self.store.attachments()?;
        Ok(records.iter().flat_map(|record| self.announced(record, Some(parent))).collect())
    }

    /// Addresses that another host of the LAN answers for too. Nothing here can put that right.
    pub(crate) fn disputed(&mut self, records: &[AttachmentRecord]) -> Result<Vec<Finding>, Fault> {
        let mut by_dev: BTreeMap<&IfName, BTreeMap<IpAddr, &AttachmentRecord>> = BTreeMap::new();
        for record in records.iter().filter(|record| record.state == State::Ready) {
            for (dev, body) in answered(record) {
                let ip = body.as_neigh().map(|neigh| (neigh.key.ip, record));
                by_dev.entry(dev).or_default().extend(ip);
            }
        }
        let mut all = Vec::new();
        if by_dev.is_empty() {
            return Ok(all);
        }
        let found = self.kernel.read_links(&Ns::HOST)?;
        for (dev, owners) in by_dev {
            let both = [Protocol::Arp, Protocol::Ipv6];
            // A link that is down or gone has been found already.
            let Ok(lan) = self.kernel.lan(&Ns::HOST, dev, &both) else { continue };
            // The way to each leads over its leg, whose address nobody on the LAN would answer.
            let own = host::addresses(&found, dev);
            let own = |ip: IpAddr| {
                own.iter().map(|net| net.addr()).find(|own| own.is_ipv4() == ip.is_ipv4())
            };
            let asked = Question::ask(&lan, owners.keys().copied().collect(), None, own);
            let Ok(answers) = asked.and_then(|question| question.answers(&lan)) else { continue };
            all.extend(answers.into_iter().filter_map(|(ip, mac)| {
                let record = owners.get(&ip)?;
                Some(Finding {
                    owner: format!("{}/{}", record.sandbox, record.ifname),
                    object: format!("{ip} on {dev}"),
                    wanted: format!("no answer but this host's, {}", lan.mac()),
                    found: format!("{mac} answers too"),
                    repaired: false,
                    change: None,
                })
            }));
        }
        Ok(all)
    }

    fn announced(&self, record: &AttachmentRecord, on: Option<&IfName>) -> Vec<Announced> {
        let mut all = Vec::new();
        if record.state != State::Ready {
            return all;
        }
        for (dev, body) in answered(record).filter(|(dev, _)| on.is_none_or(|on| on == *dev)) {
            all.extend(self.claim(std::iter::once(body)).into_iter().map(|(address, mac)| {
                Announced {
                    sandbox: record.sandbox.to_string(),
                    network: record.network.to_string(),
                    address,
                    parent: dev.to_string(),
                    mac: mac.to_string(),
                }
            }));
        }
        all
    }
}

fn tell(lan: &Lan, ip: IpAddr) -> bool {
    lan::claims(lan.mac(), ip).iter().all(|frame| lan.send(frame).is_ok())
}

/// What the host answers for on behalf of an attachment, with the link that it does so on.
fn answered(record: &AttachmentRecord) -> impl Iterator<Item = (&IfName, &Body)> {
    record.plan.steps().iter().filter_map(|step| match step {
        Step::Create(fact) | Step::Ensure(fact) => {
            let neigh = fact.body.as_neigh().filter(|neigh| neigh.key.proxy)?;
            Some((&neigh.key.dev, &fact.body))
        }
        Step::Absent(_) => None,
    })
}

/// The fault that an address is somebody else's already.
pub(crate) fn taken(ip: IpAddr, mac: Mac, parent: &IfName) -> Fault {
    Fault::new(Code::AddrTaken, format!("{ip} is in use on the LAN"))
        .cause(format!("{mac} answers for it on {parent}"))
        .or_try("choose another --ip, or switch that host off")
}

/// The fault that an address is the host's own.
pub(crate) fn own(ip: IpAddr) -> Fault {
    Fault::new(Code::AddrTaken, format!("{ip} is an address of this host"))
        .or_try("choose another --ip")
}
