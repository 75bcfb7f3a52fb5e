//! The agent's part in a cluster: it hears the store, claims blocks, and makes the networks.
//!
//!     hear ─▶ decide ─▶ memory ─▶ send        what this host owns
//!        └──▶ wishes ─▶ guard ─▶ create_network, remove_network        what it makes of it
//!
//! A network of the cluster is one like any other on this host, whose peers change: attaching to it
//! needs neither agent nor store, and the look at everything mends it.  Nothing is taken away because
//! the store is away; of a host that was removed nothing answers any more (`fence`).
//! Never here: what is decided (`cluster`), how a network is made (`engine`).

mod fence;
mod making;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use ropewalk_cluster::at::{At, OFTEN};
use ropewalk_cluster::keep::{Either, Txn};
use ropewalk_cluster::live::{self, Echo, Live};
use ropewalk_cluster::own::{Alarm, Standing, decide};
use ropewalk_cluster::{
    ANEW, Again, Defined, Guard, Member, Memory, Progress, Site, Spares, Unusable, wishes,
};
use ropewalk_engine::{Engine, Paths, Written};
use ropewalk_kernel::failpoint;
use ropewalk_spec::NetworkName;

use crate::desk::{self, Desk};
use crate::endpoints::{self, Endpoints};
use crate::hands::{boot, computed, millis, now, part_of, remember_peers, sooner, uplink};
use crate::leads::lead;
use crate::said::Said;
use crate::share::Share;
use crate::swift::Swift;

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
            Ok(None) => {
                desk.written.set(Written::Whole);
                Ok(())
            }
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

/// How often it is decided again, although nothing was heard: what waits, waits for a time.
const AGAIN: Duration = Duration::from_secs(10);

/// How long a round waits that has nothing left to do but to write down, for what comes meanwhile; and by how
/// much longer, for each host that does the same now: they do not all do it at once.
const SOON: Duration = Duration::from_millis(100);
const SPREAD: Duration = Duration::from_millis(10);
/// A round is followed by so many times what it computed of rest, and by so much at the most: what changes
/// meanwhile is looked at together.
const REST: u32 = 15;
const LONGEST: Duration = Duration::from_secs(2);

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
    /// The networks of the cluster that are defined here, as it is written down.
    defined: Defined,
    /// What was said and still holds.
    said: BTreeSet<String>,
    /// When it was decided last, and how many sandboxes there were.
    rounded: Instant,
    crowd: usize,
    /// Blocks that are to spare.
    spares: Spares,
    /// When the next round is due, if one is, and when it may begin.
    due: Option<Instant>,
    rest_until: Instant,
    /// What does the simple things before a round, and whether networks have changed since it knew them.
    swift: Swift,
    changed: bool,
    /// How far this host was when it told the others.
    told: At,
    endpoints: Endpoints,
    /// How often the kernel had told of something when endpoints were told; none when not all were.
    stirred: Option<u64>,
    /// What the store is being told again.
    again: Again,
    /// Something here may be fenced.
    fences: bool,
    /// That this host is up, what it hears of that, and when it said so last.
    live: Live,
    echo: Echo,
    alive: Option<Instant>,
}

impl<'a> Stay<'a> {
    fn new(
        paths: &'a Paths,
        site: &'a Site,
        desk: &'a Desk,
        tell: &'a mut dyn FnMut(&Said),
    ) -> Result<Self, Unusable> {
        let member = Member::new(site.open(&paths.config)?, sooner(ANEW));
        let mut memory = Memory::read(&paths.state, site)?;
        remember_peers(paths, &mut memory);
        let begun = Instant::now();
        Ok(Self {
            paths,
            site,
            desk,
            tell,
            member,
            memory,
            written: None,
            defined: Site::defined(&paths.config)?,
            guards: <[Guard; 2]>::default(),
            said: BTreeSet::new(),
            rounded: begun,
            crowd: 0,
            spares: Spares::default(),
            due: None,
            rest_until: begun,
            swift: Swift::default(),
            changed: true,
            told: At::default(),
            endpoints: Endpoints::default(),
            stirred: None,
            again: Again::default(),
            fences: true,
            live: Live { since: now(), boot: boot() },
            echo: Echo::default(),
            alive: None,
        })
    }

    /// Works until the host leaves, or joins anew.
    async fn work(mut self) -> Result<(), Unusable> {
        // What it was told before it ended, it may not have done.
        let mut faults = BTreeSet::new();
        self.fence(&mut faults);
        self.memory.faults.extend(faults);
        while Site::read(&self.paths.config)?.as_ref() == Some(self.site) {
            let asked = self.desk.asked();
            if asked > self.desk.cluster_done.get() {
                self.member.anew();
            }
            // To find a member that answers may take longer than a pause: that is not given up.
            let heard = match self.member.watching() {
                true => tokio::time::timeout(self.pause(), self.member.hear()).await.ok(),
                false => Some(self.member.hear().await),
            };
            match heard {
                Some(Err(fault)) => {
                    if fault.of_access() {
                        // Files with other certificates or another password may be there by now.
                        self.member.ask_by(self.site.open(&self.paths.config)?);
                    }
                    self.memory.away = Some(fault.to_string());
                    // What is left to write down is seen when the store is listed again.
                    self.due = None;
                    if self.desk.written.get() == Written::Soon {
                        self.desk.written.set(Written::Older);
                    }
                    self.say(BTreeSet::new());
                    self.keep()?;
                    self.desk.cluster_done.set(asked);
                    tokio::time::sleep(PAUSE).await;
                }
                Some(Ok(())) => self.heard(),
                None if self.rounded.elapsed() >= self.patience() => self.due = Some(self.rounded),
                None if self.stirred != Some(self.desk.stirred()) => {
                    if self.due.is_none() && self.crowd() != self.crowd {
                        self.due = Some(self.rounded);
                    }
                    self.tell_endpoints().await;
                }
                None => {}
            }
            let begun = Instant::now();
            let wanted = asked > self.desk.cluster_done.get();
            if self.due.is_some_and(|due| wanted || due.max(self.rest_until) <= begun) {
                self.due = None;
                let before = computed();
                self.round().await?;
                ropewalk_kernel::trim_memory();
                let cost = computed().saturating_sub(before);
                self.rest_until = Instant::now() + (cost * REST).min(LONGEST);
                self.desk.cluster_done.set(asked);
            }
            self.say_alive().await;
        }
        Ok(())
    }

    /// How long it is listened, until something else is due.
    fn pause(&self) -> Duration {
        let due = self.due.map(|due| due.max(self.rest_until));
        due.map_or(PAUSE, |due| due.saturating_duration_since(Instant::now()).min(PAUSE))
    }

    /// Does at once what is simple of what was heard; the rest is for a round.
    fn heard(&mut self) {
        self.memory.progress.heard = now();
        let (began, fresh) = (Instant::now(), self.member.fresh());
        let Some(view) = self.member.view() else { return };
        if !fresh.blocks.is_empty() || !fresh.singles.is_empty() {
            self.desk.written.set(Written::Soon);
        }
        let member = self.memory.journal.standing == Standing::Member;
        let led = member && self.swift.lead(view, &self.memory, &fresh);
        let whole = led && !fresh.more;
        if whole {
            self.memory.progress.took_ms = millis(began.elapsed());
        }
        let hosts = u32::try_from(view.hosts.len()).unwrap_or(u32::MAX);
        let rest = part_of(SPREAD.saturating_mul(hosts).min(LONGEST));
        let due = if whole { began + SOON + rest } else { began };
        self.due = Some(self.due.map_or(due, |before| before.min(due)));
    }

    /// What could not be done is tried again sooner.
    fn patience(&self) -> Duration {
        if self.said.is_empty() { AGAIN } else { PAUSE * 2 }
    }

    /// How many sandboxes are on the cluster's networks: one more may need another block.
    fn crowd(&self) -> usize {
        let Ok(engine) = Engine::open(self.paths) else { return 0 };
        let made = self.memory.made.keys();
        made.filter_map(|network| engine.count_on(network).ok()).sum()
    }

    /// Decides and does what follows from what is known.
    async fn round(&mut self) -> Result<(), Unusable> {
        (self.rounded, self.crowd) = (Instant::now(), self.crowd());
        let Some(view) = self.member.view() else { return Ok(()) };
        let mut faults = BTreeSet::new();
        let uplink = uplink(self.paths, &self.memory);
        let draining = view.drains.contains_key(&self.memory.journal.host);
        let revision = view.revision;
        let look = Share::look(self.paths, view, draining, &self.memory, &mut self.spares, now());
        let Share { local, let_go } = match look {
            Ok(share) => share,
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
        let telling = decision.journal.settling(local.now).is_some() && view.meta.is_some();
        decision.txns.extend(self.again.told(view, &self.memory.made, telling));
        if self.echo.twin() {
            // Neither of two hosts that are one may change what both have.
            decision.txns.clear();
            let name = self.site.name.clone();
            decision.alarms.insert(Alarm::Duplicate { name });
        }
        let mut wanted = wishes(view, &decision.journal, &self.memory.made, &let_go);
        let me = &self.memory.journal.host;
        let unled = lead(self.paths, view, me, &self.memory.made, &mut wanted);
        let mut gone: BTreeSet<NetworkName> =
            self.memory.made.keys().filter(|name| !view.nets.contains_key(name)).cloned().collect();
        // What was defined before a reboot, and is not known any more, goes as well.
        let left = self.defined.networks.iter().filter(|name| !view.nets.contains_key(*name));
        let believed = view.meta.is_some() && revision >= self.defined.revision;
        gone.extend(left.filter(|_| believed).cloned());
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
        self.fence(&mut faults);
        self.make(wanted, &gone, local.now, &mut faults);
        self.lift_fences(local.now, &mut faults);
        if std::mem::take(&mut self.changed) {
            self.swift.learn(self.paths, &self.memory);
        }
        self.desk.written.set(Written::Whole);
        if faults.is_empty() {
            self.memory.progress.revision = revision;
        }
        match unled {
            Ok(unled) => faults.extend(unled),
            Err(fault) => drop(faults.insert(fault.to_string())),
        }
        self.say(faults);
        if self.memory.journal.settling(local.now).is_some() {
            self.endpoints.doubt();
        }
        self.tell_endpoints().await;
        self.tell_the_others(local.now).await;
        self.keep()
    }

    /// Tells what is attached here. That the store is away, the next to hear from it says.
    async fn tell_endpoints(&mut self) {
        if self.memory.journal.standing != Standing::Member || self.echo.twin() {
            return;
        }
        let stirred = self.desk.stirred();
        let me = &self.memory.journal.host;
        let Ok(wanted) = endpoints::wanted(self.paths, me, self.memory.made.keys()) else { return };
        let nets = self.member.view().into_iter().flat_map(|view| view.nets.keys());
        let networks: BTreeSet<_> = self.memory.made.keys().chain(nets).cloned().collect();
        let networks = networks.into_iter().collect();
        let told = self.endpoints.tell(&mut self.member, me, &wanted, networks).await;
        self.stirred = (told.is_ok() && !wanted.unsettled).then_some(stirred);
    }

    /// Says that this host is up, now and then.
    async fn say_alive(&mut self) {
        let lately = self.alive.is_some_and(|at| at.elapsed().as_secs() < live::EVERY);
        let member = self.memory.journal.standing == Standing::Member;
        if lately || !member || !self.member.watching() {
            return;
        }
        let key = live::key(&self.memory.journal.host);
        if self.alive.is_some()
            && let Ok(found) = self.member.found(&key).await
        {
            let before = self.echo.twin();
            self.echo.hear(&mut self.live, found.as_deref());
            if self.echo.twin() != before {
                self.due = Some(self.rounded);
            }
        }
        if self.member.alive(&key, &self.live.value()).await.is_ok() {
            self.alive = Some(Instant::now());
        }
    }

    /// Whether no sandbox is on a network.
    fn empty(&self, name: &NetworkName) -> bool {
        let rows = Engine::open(self.paths).and_then(|engine| engine.rows_on(name));
        rows.is_ok_and(|rows| rows.is_empty())
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
