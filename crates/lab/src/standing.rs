//! A lab that stands: its namespaces are there and held open.
//!
//!     build ─▶ hosts and LANs ─▶ containers ─▶ cables ─▶ processes
//!
//! Nothing but this process holds it, so it vanishes with it, even in the middle; keeping it is a
//! step of its own (`pins`).  Never here: which files a lab is kept by.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use ropewalk_facts::{Ns, Snapshot};
use ropewalk_kernel::{Kernel, failpoint};
use ropewalk_plan::predict;

use crate::doors::{Doors, OWN};
use crate::error::{Doing, Error, system};
use crate::model::{Container, Host, Lab};
use crate::name::{Name, Place};
use crate::process::{self, Going, Life, Started};
use crate::wiring;

/// A lab that is held by this process.
#[derive(Debug)]
pub struct Standing {
    lab: Lab,
    /// Hosts and LANs, by what plans call them.
    doors: BTreeMap<Ns, Doors>,
    /// Containers.
    nets: BTreeMap<Place, OwnedFd>,
    going: BTreeMap<Place, Going>,
}

impl Standing {
    /// Makes `lab`, which goes with the value that is returned, however this process ends. In its
    /// hosts `ropewalk` is the command of that name.
    ///
    /// # Errors
    /// The first refusal; nothing is left behind.
    pub fn stand(lab: Lab, ropewalk: &Path) -> Result<Self, Error> {
        let mut standing = Self::build(lab, |ns| Doors::make(ns.as_str(), ropewalk))?;
        standing.start(Life::Short, |_, _| Ok(()))?;
        Ok(standing)
    }

    /// Makes all of `lab` but its processes; `make` makes each host and LAN.
    pub(crate) fn build(
        lab: Lab,
        make: impl Fn(&Ns) -> Result<Doors, Error>,
    ) -> Result<Self, Error> {
        let hosts = lab.hosts.iter().map(|h| wiring::host(&h.name));
        let lans = lab.lans.iter().map(|l| wiring::lan(&l.name));
        let made = hosts.chain(lans).map(|ns| Ok((ns.clone(), make(&ns)?)));
        let doors = made.collect::<Result<BTreeMap<Ns, Doors>, Error>>()?;
        let mut nets = BTreeMap::new();
        for (host, c) in containers(&lab) {
            let made = door(&doors, &host.name)?.container(c.named.then_some(&c.name))?;
            nets.insert(Place::container(&host.name, &c.name), made);
        }
        let standing = Self { lab, doors, nets, going: BTreeMap::new() };
        standing.connect()?;
        Ok(standing)
    }

    /// Lays the cables.
    fn connect(&self) -> Result<(), Error> {
        let mut kernel = Kernel::new()?;
        let spaces = self.doors.iter().map(|(ns, doors)| (ns.clone(), doors.net()));
        let inner = |(place, net)| (Ns::new(Place::to_string(place)), net);
        for (ns, net) in spaces.chain(self.nets.iter().map(inner)) {
            let net = net.try_clone().map_err(system(Doing::Enter, ns.as_str()))?;
            kernel.add(ns, net)?;
        }
        let changes = predict(&wiring::wiring(&self.lab)?, &mut Snapshot::default())?;
        Ok(kernel.execute(&changes)?)
    }

    /// Starts the processes of the lab; each goes on once `record` has noted it.
    pub(crate) fn start(
        &mut self,
        life: Life,
        record: impl Fn(&Place, Started) -> Result<(), Error>,
    ) -> Result<(), Error> {
        for (place, line) in processes(&self.lab) {
            let name = place.container.as_ref().unwrap_or(&place.host);
            let log = format!("{OWN}/{name}.log");
            let refused = || system::<io::Error>(Doing::Start, &line);
            failpoint::hit("lab start");
            let waiting = self.inside(&place, || process::start(&line, life, log.as_ref()))?;
            let waiting = waiting.map_err(refused())?;
            let started = waiting.started().map_err(refused())?;
            record(&place, started)?;
            let note = || std::fs::write(format!("/run/{name}.pid"), format!("{}\n", started.pid));
            self.inside(&Place::host(&place.host), note)?.map_err(refused())?;
            failpoint::hit("lab go");
            self.going.insert(place, waiting.go().map_err(refused())?);
        }
        Ok(())
    }

    /// The lab.
    #[must_use]
    pub fn lab(&self) -> &Lab {
        &self.lab
    }

    /// Runs `work` on a thread at `place`: in its namespaces, with its files.
    ///
    /// # Errors
    /// When there is no such place, or it cannot be entered.
    pub fn inside<T: Send>(
        &self,
        place: &Place,
        work: impl FnOnce() -> T + Send,
    ) -> Result<T, Error> {
        let doors = door(&self.doors, &place.host)?;
        let net = place.container.as_ref().map(|_| self.net(place)).transpose()?;
        doors.inside(net, work).map_err(system(Doing::Enter, place.to_string()))
    }

    /// The processes of the lab: where, and their pids.
    pub(crate) fn pids(&self) -> impl Iterator<Item = (&Place, u32)> {
        self.going.iter().map(|(place, going)| (place, going.pid()))
    }

    /// The network namespace of a host or container.
    pub(crate) fn net(&self, place: &Place) -> Result<&OwnedFd, Error> {
        match &place.container {
            None => Ok(door(&self.doors, &place.host)?.net()),
            Some(_) => self.nets.get(place).ok_or_else(|| Error::NoPlace(place.clone())),
        }
    }
}

fn door<'a>(doors: &'a BTreeMap<Ns, Doors>, host: &Name) -> Result<&'a Doors, Error> {
    doors.get(&wiring::host(host)).ok_or_else(|| Error::NoPlace(Place::host(host)))
}

/// All containers of a lab, with their hosts.
pub(crate) fn containers(lab: &Lab) -> impl Iterator<Item = (&Host, &Container)> {
    lab.hosts.iter().flat_map(|h| h.containers.iter().map(move |c| (h, c)))
}

/// All processes of a lab: where they run, and the command.
fn processes(lab: &Lab) -> Vec<(Place, String)> {
    let on_hosts = lab.hosts.iter().map(|h| (Place::host(&h.name), &h.process));
    let inside = containers(lab).map(|(h, c)| (Place::container(&h.name, &c.name), &c.process));
    on_hosts.chain(inside).filter_map(|(at, line)| Some((at, line.clone()?))).collect()
}
