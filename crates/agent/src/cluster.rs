//! The agent's part in a cluster: it hears the store, claims blocks, and makes the networks.
//!
//!     hear ─▶ decide ─▶ memory ─▶ send        what this host owns
//!        └──▶ wishes ─▶ guard ─▶ create_network, remove_network        what it makes of it
//!
//! A network of the cluster is one like any other on this host, whose peers change: attaching to it
//! needs neither agent nor store, and the look at everything mends it.  Nothing is taken away because
//! the store is away.  Never here: what is decided (`cluster`), how a network is made (`engine`).

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use ropewalk_cluster::at::{At, OFTEN};
use ropewalk_cluster::keep::{Either, Txn};
use ropewalk_cluster::own::{Journal, Local, Standing, decide};
use ropewalk_cluster::{
    Guard, Held, Member, Memory, Passed, Place, Progress, Site, Unusable, View, Wish, told_again,
    wishes,
};
use ropewalk_engine::{Code, Engine, Fault, Paths};
use ropewalk_kernel::failpoint;
use ropewalk_spec::NetworkName;

use crate::desk::{self, Desk};
use crate::said::Said;

/// How often it is looked whether the host has joined, or left, and how long after a fault.
const PAUSE: Duration = Duration::from_secs(1);

/// Does the host's part in its cluster, if it is in one.
pub(crate) async fn stay(paths: &Paths, desk: &Desk, tell: &mut dyn FnMut(&Said)) -> Infallible {
    let mut said = BTreeSet::new();
    loop {
        let worked = match Site::read(&paths.config) {
            Ok(Some(site)) => match Stay::new(paths, &site, desk, tell) {
                Ok(stay) => stay.work().await,
                Err(unusable) => Err(unusable),
            },
            Ok(None) => Ok(()),
            Err(unusable) => Err(unusable),
        };
        let now: BTreeSet<String> =
            worked.err().map(|error| error.to_string()).into_iter().collect();
        for what in now.difference(&said) {
            tell(&Said::Cluster { what: what.clone() });
        }
        said = now;
        desk.note(None);
        desk.cluster_done.set(desk.asked());
        tokio::time::sleep(PAUSE).await;
    }
}

/// How often it is decided anew, although nothing was heard: what waits, waits for a time.
const ANEW: Duration = Duration::from_secs(10);

/// A host in its cluster.
struct Stay<'a> {
    paths: &'a Paths,
    site: &'a Site,
    desk: &'a Desk,
    tell: &'a mut dyn FnMut(&Said),
    member: Member<Either>,
    memory: Memory,
    written: Option<Memory>,
    /// Ways to other hosts, and whole networks.
    guards: [Guard; 2],
    /// What was said and still holds.
    said: BTreeSet<String>,
    /// When it was decided last.
    rounded: Instant,
    /// How far this host was when it told the others.
    told: At,
}

impl<'a> Stay<'a> {
    fn new(
        paths: &'a Paths,
        site: &'a Site,
        desk: &'a Desk,
        tell: &'a mut dyn FnMut(&Said),
    ) -> Result<Self, Unusable> {
        let member = Member::new(site.open(&paths.config)?);
        let memory = Memory::read(&paths.state, site)?;
        let (guards, said) = (<[Guard; 2]>::default(), BTreeSet::new());
        let (written, rounded, told) = (None, Instant::now(), At::default());
        Ok(Self { paths, site, desk, tell, member, memory, written, guards, said, rounded, told })
    }

    /// Works until the host leaves, or joins anew.
    async fn work(mut self) -> Result<(), Unusable> {
        while Site::read(&self.paths.config)?.as_ref() == Some(self.site) {
            let asked = self.desk.asked();
            if asked > self.desk.cluster_done.get() {
                self.member.anew();
            }
            // To find a member that answers may take longer than a pause: that is not given up.
            let heard = match self.member.watching() {
                true => tokio::time::timeout(PAUSE, self.member.hear()).await.ok(),
                false => Some(self.member.hear().await),
            };
            match heard {
                Some(Err(fault)) => {
                    self.memory.away = Some(fault.to_string());
                    self.say(BTreeSet::new());
                    self.keep()?;
                    self.desk.cluster_done.set(asked);
                    tokio::time::sleep(PAUSE).await;
                }
                Some(Ok(())) => {
                    self.memory.progress.heard = now();
                    self.round().await?;
                    self.memory.progress.took_ms = millis(self.rounded.elapsed());
                    self.desk.cluster_done.set(asked);
                }
                None if self.rounded.elapsed() >= self.patience() => self.round().await?,
                None => {}
            }
        }
        Ok(())
    }

    /// What could not be done is tried again sooner.
    fn patience(&self) -> Duration {
        if self.said.is_empty() { ANEW } else { PAUSE * 2 }
    }

    /// Decides and does what follows from what is known.
    async fn round(&mut self) -> Result<(), Unusable> {
        self.rounded = Instant::now();
        let Some(view) = self.member.view() else { return Ok(()) };
        let mut faults = BTreeSet::new();
        let uplink = uplink(self.paths, &self.memory);
        let draining = view.drains.contains_key(&self.memory.journal.host);
        let revision = view.revision;
        let local = match local(self.paths, view, draining, &self.memory) {
            Ok(local) => local,
            Err(fault) => {
                faults.insert(fault.to_string());
                self.say(faults);
                return Ok(());
            }
        };
        if let Some(mtu) = uplink {
            self.memory.journal.me.mtu = Some(mtu);
        }
        let mut decision = decide(view, &self.memory.journal, &local);
        if decision.journal.settling(local.now).is_some() && view.meta.is_some() {
            decision.txns.extend(told_again(view, &self.memory.made));
        }
        let mut wanted = wishes(view, &decision.journal, &self.memory.made);
        let mut gone: BTreeSet<NetworkName> =
            self.memory.made.keys().filter(|name| !view.nets.contains_key(name)).cloned().collect();
        if draining {
            // What is in use stays, with its ways.
            let empty = |name: &&NetworkName| self.empty(name);
            gone.extend(self.memory.made.keys().filter(empty).cloned());
            wanted.retain(|name, _| self.memory.made.contains_key(name) && !gone.contains(name));
        }
        self.memory.journal = decision.journal;
        self.memory.alarms = decision.alarms;
        self.memory.away = None;
        self.keep()?;
        self.send(&decision.txns).await;
        self.make(wanted, &gone, local.now, &mut faults);
        if faults.is_empty() {
            self.memory.progress.revision = revision;
        }
        self.say(faults);
        self.tell_the_others(local.now).await;
        self.keep()
    }

    /// Whether no sandbox is on a network.
    fn empty(&self, name: &NetworkName) -> bool {
        let view = Engine::open(self.paths).and_then(|engine| engine.network(name));
        view.is_ok_and(|view| view.sandboxes.is_empty())
    }

    /// Tells how far this host is, now and then, for those who ask.
    async fn tell_the_others(&mut self, now: u64) {
        let Progress { revision, took_ms, repaired, .. } = self.memory.progress;
        let alarms = self.memory.alarms.len() + self.memory.faults.len();
        let at = At { revision, at: now, took_ms, repaired, alarms };
        let same = At { at: self.told.at, took_ms: self.told.took_ms, ..at.clone() } == self.told;
        let lately = now.abs_diff(self.told.at) < OFTEN;
        if !same && !lately && self.memory.journal.standing == Standing::Member {
            self.send(&[at.told(&self.memory.journal.host)]).await;
            self.told = at;
        }
    }

    async fn send(&mut self, txns: &[Txn]) {
        for txn in txns {
            failpoint::hit("transaction of the cluster");
            if let Err(fault) = self.member.send(std::slice::from_ref(txn)).await {
                self.memory.away = Some(fault.to_string());
                return;
            }
        }
    }

    /// Makes the networks as they shall be.
    fn make(
        &mut self,
        mut wanted: BTreeMap<NetworkName, Wish>,
        gone: &BTreeSet<NetworkName>,
        now: u64,
        faults: &mut BTreeSet<String>,
    ) {
        if self.memory.journal.standing != Standing::Member {
            return;
        }
        let held_back = self.holds_back(&wanted, gone, now);
        for (name, wish) in &mut wanted {
            if let Some(before) = self.memory.made.get(name) {
                if held_back {
                    *wish = wish.clone().and_before(before);
                }
                if before == wish && !self.memory.begun.contains(name) {
                    continue;
                }
            }
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            if let Err(fault) = self.made(name, wish) {
                faults.insert(fault);
            }
        }
        for name in gone.iter().filter(|_| !held_back) {
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            match unmake(self.paths, name) {
                Ok(()) => {
                    self.memory.made.remove(name);
                    self.memory.begun.remove(name);
                }
                Err(fault) => drop(faults.insert(fault.to_string())),
            }
        }
    }

    /// Makes one network. That it is begun is written down first, so that whoever leaves meanwhile, or
    /// comes after a crash, knows of it; one of that name that somebody else made is not claimed so.
    fn made(&mut self, name: &NetworkName, wish: &Wish) -> Result<(), String> {
        let before = self.memory.made.get(name).cloned();
        if before.is_none() && !there(self.paths, name).map_err(text)? {
            self.memory.begun.insert(name.clone());
            self.memory.made.insert(name.clone(), wish.clone());
            failpoint::hit("network of the cluster");
            self.memory.write(&self.paths.state).map_err(text)?;
        }
        let done = make(self.paths, name, wish, before.as_ref());
        if done.is_ok() {
            self.memory.made.insert(name.clone(), wish.clone());
            self.memory.begun.remove(name);
        } else if self.memory.begun.contains(name) && matches!(there(self.paths, name), Ok(false)) {
            self.memory.made.remove(name);
            self.memory.begun.remove(name);
        }
        done.map_err(text)
    }

    /// Whether what is no longer known stays for now.
    fn holds_back(
        &mut self,
        wanted: &BTreeMap<NetworkName, Wish>,
        gone: &BTreeSet<NetworkName>,
        now: u64,
    ) -> bool {
        let known = |all: &BTreeMap<NetworkName, Wish>| -> BTreeSet<Place> {
            let place = |(network, wish): (&NetworkName, &Wish)| {
                let network = network.clone();
                let places =
                    wish.blocks().map(move |block| Place { network: network.clone(), block });
                places.collect::<Vec<_>>()
            };
            all.iter().flat_map(place).collect()
        };
        let [ways, networks] = &mut self.guards;
        let ways = ways.pass(&known(&self.memory.made), &known(wanted), now);
        let made: BTreeSet<NetworkName> = self.memory.made.keys().cloned().collect();
        let left = made.difference(gone).cloned().collect();
        let networks = networks.pass(&made, &left, now);
        let forgotten = self.memory.journal.settling(now).is_some();
        forgotten || [ways, networks] != [Passed::All; 2]
    }

    /// Says what was not said and does not hold any more or holds now.
    fn say(&mut self, faults: BTreeSet<String>) {
        self.memory.faults.clone_from(&faults);
        let alarms = self.memory.alarms.iter().map(ToString::to_string);
        let now: BTreeSet<String> = alarms.chain(faults).chain(self.memory.away.clone()).collect();
        for what in now.difference(&self.said) {
            (self.tell)(&Said::Cluster { what: what.clone() });
        }
        self.said = now;
    }

    fn figures(&self) -> desk::Cluster {
        let Memory { journal, made, begun, alarms, faults, away, progress } = &self.memory;
        desk::Cluster {
            store: away.is_none() && self.member.view().is_some(),
            member: journal.standing == Standing::Member,
            revision: progress.revision,
            heard: progress.heard,
            took: Duration::from_millis(progress.took_ms).as_secs_f64(),
            hosts: self.member.view().map_or(0, |view| view.hosts.len()),
            networks: made.len() - begun.len(),
            blocks: journal.held.len(),
            alarms: alarms.len() + faults.len(),
        }
    }

    fn keep(&mut self) -> Result<(), Unusable> {
        self.memory.progress.repaired = self.desk.repaired();
        self.desk.note(Some(self.figures()));
        let changed = self.written.as_ref() != Some(&self.memory);
        if changed && let Some(_held) = self.site.hold(&self.paths.config, &self.paths.state)? {
            failpoint::hit("memory of the cluster");
            self.memory.write(&self.paths.state)?;
            self.written = Some(self.memory.clone());
        }
        Ok(())
    }
}

/// Milliseconds.
fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// The host's part in the cluster, unless somebody has just taken it out.
fn held(site: &Site, paths: &Paths, faults: &mut BTreeSet<String>) -> Option<Held> {
    match site.hold(&paths.config, &paths.state) {
        Ok(held) => held,
        Err(unusable) => {
            faults.insert(unusable.to_string());
            None
        }
    }
}

/// What the host has and wants: a block of every pool of every network.
fn local(paths: &Paths, view: &View, draining: bool, memory: &Memory) -> Result<Local, Fault> {
    let mut local = Local { now: now(), ..Local::default() };
    for (name, net) in view.nets.iter().filter(|_| !draining) {
        let pools = net.value.pools.iter().map(|pool| ((name.clone(), pool.net), 1));
        local.wants.extend(pools);
    }
    for (name, wish) in &memory.made {
        local.wants.extend(wish.net.pools.iter().map(|pool| ((name.clone(), pool.net), 1)));
    }
    let in_use = used(paths, &memory.made, &memory.journal)?;
    local.used = in_use;
    Ok(local)
}

/// What fits through the link by which the other hosts reach this one, if it is there.
fn uplink(paths: &Paths, memory: &Memory) -> Option<u32> {
    let ip = memory.journal.me.addresses.first()?;
    Engine::open(paths).ok()?.reached_at(*ip).ok()??.mtu
}

/// A block is in use while its network is made: sandboxes lease from it without asking.
fn used(
    paths: &Paths,
    made: &BTreeMap<NetworkName, Wish>,
    journal: &Journal,
) -> Result<BTreeMap<Place, usize>, Fault> {
    let engine = Engine::open(paths)?;
    let mut used = BTreeMap::new();
    for (network, wish) in made {
        let count = match engine.network(network) {
            Ok(view) => view.sandboxes.len().max(1),
            Err(fault) if fault.code == Code::NetworkUnknown => 0,
            Err(fault) => return Err(fault),
        };
        for block in &wish.own {
            let place = Place { network: network.clone(), block: *block };
            if journal.held.contains_key(&place) {
                used.insert(place, count);
            }
        }
    }
    Ok(used)
}

/// Makes a network, or gives it the peers that it shall have.
fn make(
    paths: &Paths,
    name: &NetworkName,
    wish: &Wish,
    before: Option<&Wish>,
) -> Result<(), Fault> {
    let network = wish.raw(name).check().map_err(|error| {
        Fault::new(Code::BadInput, format!("network {name} of the cluster cannot be: {error}"))
    })?;
    let mut engine = Engine::open(paths)?;
    if before.is_some_and(|before| before.own != wish.own) {
        match engine.remove_network(name) {
            Ok(_) => {}
            Err(fault) if fault.code == Code::NetworkUnknown => {}
            Err(fault) => return Err(fault),
        }
    }
    engine.create_network(&network).map(drop)
}

fn unmake(paths: &Paths, name: &NetworkName) -> Result<(), Fault> {
    match Engine::open(paths)?.remove_network(name) {
        Ok(_) => Ok(()),
        Err(fault) if fault.code == Code::NetworkUnknown => Ok(()),
        Err(fault) => Err(fault),
    }
}

/// Whether there is a network of this name on the host.
fn there(paths: &Paths, name: &NetworkName) -> Result<bool, Fault> {
    match Engine::open(paths)?.network(name) {
        Ok(_) => Ok(true),
        Err(fault) if fault.code == Code::NetworkUnknown => Ok(false),
        Err(fault) => Err(fault),
    }
}

fn text(fault: impl ToString) -> String {
    fault.to_string()
}

/// Seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|since| since.as_secs()).unwrap_or_default()
}
