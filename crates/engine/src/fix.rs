//! Repairs of what anybody made: the fix of a verdict carried out over netlink, and journalled.
//!
//!     why ─▶ commands ─mend─▶ Changes ─▶ journal (pending) ─▶ kernel ─▶ journal (ready) ─▶ why again
//!
//! What belongs to ropewalk itself is put right as `repair` would.  What no facts can say has to be
//! run by hand; then nothing is changed.  Nothing is flushed.  Never here: what is wrong, undoing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ropewalk_facts::seen::{Device, Port, Scan};
use ropewalk_facts::{
    AddrKey, Body, Fact, Id, Key, Link, LinkKind, Ns, Route, RouteKey, RouteKind, Scope, Snapshot,
    proto, table,
};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, describe};
use ropewalk_store::{RepairRecord, State};
use ropewalk_walk::mend::{Line, Mend, mend};
use ropewalk_walk::{Question, Verdict, World, called, trip};
use serde::Serialize;

use crate::code::Code;
use crate::fault::Fault;
use crate::why::Predicted;
use crate::{Engine, live, now, why};

/// How often the question is asked again after a repair, until its answer is good: a link that
/// came up takes its time, and so does an address of IPv6.
const AGAIN: u32 = 30;
const PAUSE: Duration = Duration::from_millis(100);
/// What puts right what is ropewalk's own.
const REPAIR: &str = "ropewalk repair";

/// A repair: what is wrong, what puts it right, what was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Repaired {
    /// The form of this.
    pub version: u32,
    /// What was found.
    pub verdict: Verdict,
    /// ropewalk's own commands for it, where what is broken is ropewalk's own.
    pub verbs: Vec<String>,
    /// The commands, and which of them have to be run by hand.
    pub fix: Vec<Command>,
    /// What they change, a line each.
    pub changes: Vec<String>,
    /// The number of the repair, when it was carried out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub applied: Option<u32>,
    /// What is found after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Verdict>,
}

/// A command of a repair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// As a shell takes it.
    pub command: String,
    /// Why ropewalk does not carry it out by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by_hand: Option<&'static str>,
}

impl Repaired {
    /// True when it gets through, now.
    #[must_use]
    pub fn fine(&self) -> bool {
        self.after.as_ref().unwrap_or(&self.verdict).code == why::FINE
    }
}

/// What puts right what a file holds, printed only.
///
/// # Errors
/// As for [`crate::why_in`].
pub fn fix_in(scan: &Scan, question: &Question) -> Result<Repaired, Fault> {
    let verdict = why::why_in(scan, question)?;
    let mended = mend(scan, &verdict.fix);
    Ok(told(verdict, Vec::new(), &mended, &scan.facts))
}

impl Engine {
    /// Answers a question as [`crate::why()`] does. Where what is broken is ropewalk's own, its own
    /// verb comes first.
    ///
    /// # Errors
    /// As for [`crate::why()`].
    pub fn why(&mut self, question: &Question, live: bool) -> Result<Verdict, Fault> {
        let mut predicted = why::predicted(&mut self.kernel, question)?;
        if predicted.verdict.code != why::FINE {
            let Predicted { scan, question, verdict } = &predicted;
            let names = concerned(&World::new(scan), question, verdict);
            let near: Vec<&Ns> = scan.seen.keys().filter(|ns| names.contains(called(ns))).collect();
            let near: BTreeSet<u64> =
                near.into_iter().filter_map(|ns| self.kernel.cookie(ns).ok()).collect();
            // What cannot be read now is no reason to answer nothing.
            let own = self.own_gap(|cookie| near.contains(&cookie)).unwrap_or_default();
            if !own.is_empty() {
                predicted = predicted.whole(&mut self.kernel)?;
                let Predicted { scan, question, verdict } = &mut predicted;
                if heals(&self.as_found(&own, scan), scan, question, &mend(scan, &verdict.fix)) {
                    verdict.verbs = vec![REPAIR.to_owned()];
                }
            }
        }
        let Predicted { scan, question, mut verdict } = predicted;
        if live {
            live::prove(&self.kernel, &scan, &question, &mut verdict);
        }
        Ok(verdict)
    }

    /// Says what puts a question's answer right, and does it when `apply`.
    ///
    /// # Errors
    /// As for [`crate::why()`]; [`Code::ByHand`] and [`Code::NoRepair`] for what cannot be applied.
    pub fn fix(&mut self, question: &Question, apply: bool) -> Result<Repaired, Fault> {
        let lock = self.store.exclusive()?;
        if apply {
            // Who holds the lock knows that whoever left these is dead.
            let cut_short = |record: &RepairRecord| record.state != State::Ready;
            let all = self.store.repairs()?.into_iter().filter(cut_short);
            all.collect::<Vec<_>>().into_iter().try_for_each(|r| self.revoke(r).map(drop))?;
        }
        let predicted = why::predicted(&mut self.kernel, question)?;
        let Predicted { scan, question, verdict } = predicted.whole(&mut self.kernel)?;
        let question = &question;
        if verdict.code == why::FINE {
            return Ok(told(verdict, Vec::new(), &Mend::default(), &scan.facts));
        }
        let mut mended = mend(&scan, &verdict.fix);
        let own = self.own_gap(|_| true)?;
        let own = self.as_found(&own, &scan);
        let verbs = match heals(&own, &scan, question, &mended) {
            true => {
                mended.changes = own;
                // Neighbours are asked for anew, whoever repairs it.
                mended.forget.retain(|change| matches!(change.key.id, Id::Neigh(_)));
                vec![REPAIR.to_owned()]
            }
            false => Vec::new(),
        };
        let mut done = told(verdict, verbs, &mended, &scan.facts);
        if !apply {
            return Ok(done);
        }
        refused(&done)?;
        let id = self.carry_out(&done, &mended)?;
        drop(lock);
        done.applied = Some(id);
        done.after = Some(self.asked_again(question)?);
        Ok(done)
    }

    /// What of ropewalk's own networks and attachments is not as it was made, and would make it so.
    /// Of attachments those in namespaces whose cookie is `near`.
    fn own_gap(&mut self, near: impl Fn(u64) -> bool) -> Result<Vec<Change>, Fault> {
        let mut all = Vec::new();
        let ready = |state: State| state == State::Ready;
        for record in self.store.networks()?.iter().filter(|record| ready(record.state)) {
            all.extend(self.gap(&crate::beside::without_answer(&record.plan)?)?.changes);
            all.extend(self.gap_of_ways(record)?);
        }
        for record in self.store.attachments()?.iter().filter(|record| ready(record.state)) {
            if near(record.cookie) && self.alive(record) {
                all.extend(self.gap(&record.plan)?.changes);
            }
        }
        let mut seen = BTreeSet::new();
        all.retain(|change| seen.insert(change.key.clone()));
        Ok(all)
    }

    /// The same changes in the namespaces as they were found: a container's is called `docker:web` where
    /// it was attached, and by its first process where it is read.
    fn as_found(&self, own: &[Change], scan: &Scan) -> Vec<Change> {
        let cookie = |ns: &Ns| self.kernel.cookie(ns).ok();
        let known: BTreeMap<u64, &Ns> =
            scan.seen.keys().filter_map(|ns| Some((cookie(ns)?, ns))).collect();
        let found = |ns: &mut Ns| {
            if let Some(other) = cookie(ns).and_then(|cookie| known.get(&cookie)) {
                ns.clone_from(other);
            }
        };
        let mut all = own.to_vec();
        for change in &mut all {
            found(&mut change.key.ns);
            for fact in [&mut change.old, &mut change.new].into_iter().flatten() {
                found(&mut fact.ns);
                if let Body::Link(link) = &mut fact.body
                    && let LinkKind::Veth { peer: Some(peer) } = &mut link.kind
                {
                    found(&mut peer.ns);
                }
            }
        }
        all
    }

    /// Journals the changes and makes them; all or none.
    fn carry_out(&mut self, done: &Repaired, mended: &Mend) -> Result<u32, Fault> {
        let id = self.store.repairs()?.last().map_or(0, |last| last.id) + 1;
        let commands = match done.verbs.as_slice() {
            [] => done.fix.iter().map(|line| line.command.clone()).collect(),
            verbs => verbs.to_vec(),
        };
        let mut record = RepairRecord {
            id,
            sentence: done.verdict.sentence.clone(),
            commands,
            spaces: self.spaces_of(&mended.changes)?,
            changes: mended.changes.clone(),
            state: State::Pending,
            created_ms: now(),
        };
        failpoint::hit("journal repair");
        self.store.put_repair(&record)?;
        if let Err(failure) = self.kernel.apply(&record.changes) {
            // What could not be taken back stays written down, for `gc` and `undo`.
            if failure.stuck.is_empty() {
                self.store.remove_repair(id)?;
            }
            return Err(Fault::from(failure).doing("fix"));
        }
        for change in &mended.forget {
            // What was learned may have gone meanwhile.
            let outcome = self.kernel.execute(std::slice::from_ref(change));
            outcome.or_else(|failure| match failure.error.errno() {
                Some(errno) if errno.absent() => Ok(()),
                _ => Err(Fault::from(failure).doing("fix")),
            })?;
        }
        record.state = State::Ready;
        failpoint::hit("journal repair ready");
        self.store.put_repair(&record)?;
        Ok(id)
    }

    /// The namespaces that changes are made in, each with its cookie.
    fn spaces_of(&self, changes: &[Change]) -> Result<Vec<(Ns, u64)>, Fault> {
        let all: BTreeSet<&Ns> = changes.iter().map(|change| &change.key.ns).collect();
        let others = all.into_iter().filter(|ns| !ns.is_host());
        others.map(|ns| Ok((ns.clone(), self.kernel.cookie(ns)?))).collect()
    }

    #[expect(clippy::disallowed_methods, reason = "what it waits for is in any namespace")]
    fn asked_again(&mut self, question: &Question) -> Result<Verdict, Fault> {
        let mut tries = AGAIN;
        loop {
            let Predicted { verdict, .. } = why::predicted(&mut self.kernel, question)?;
            tries -= 1;
            if verdict.code == why::FINE || tries == 0 {
                return Ok(verdict);
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// The names of the namespaces that an answer speaks of, and of the one that has the destination.
fn concerned(world: &World, question: &Question, verdict: &Verdict) -> BTreeSet<String> {
    let steps = verdict.path.iter().chain(&verdict.reply).map(|step| step.netns.as_str());
    let places = std::iter::once(verdict.place.as_str())
        .chain(verdict.then.iter().map(|then| then.place.as_str()))
        .filter_map(|place| place.split(':').next());
    let owners = world.owners(question.dst).map(|(ns, _)| called(ns));
    let from = question.from();
    let all = steps.chain(places).chain(owners).chain([called(&from)]);
    all.map(str::to_owned).collect()
}

/// True when what ropewalk would repair of its own is what the fix is about.
fn heals(own: &[Change], scan: &Scan, question: &Question, mended: &Mend) -> bool {
    if own.is_empty() {
        return false;
    }
    let keys: BTreeSet<&Key> = own.iter().map(|change| &change.key).collect();
    let asked: Vec<&Change> = mended.changes.iter().filter(|change| !change.implied).collect();
    if !asked.is_empty() && asked.iter().all(|change| keys.contains(&change.key)) {
        return true;
    }
    let mut other = scan.clone();
    ropewalk_plan::apply(own, &mut other.facts);
    for change in own.iter().filter(|change| change.old.is_none()) {
        if let Some(Body::Addr(addr)) = change.new.as_ref().map(|fact| &fact.body) {
            let routes = routes_of(&addr.key).map(|route| route.at(change.key.ns.clone()));
            routes.for_each(|route| drop(other.facts.insert(route)));
        }
    }
    for change in own {
        let link =
            |fact: &'_ Option<Fact>| fact.as_ref().and_then(|fact| fact.body.as_link().cloned());
        let (old, Some(new)) = (link(&change.old), link(&change.new)) else { continue };
        if old.is_none() {
            stand_in(&mut other, &change.key.ns, &new);
        }
        // Who comes to a bridge is a port of it.
        if let Some(seen) = other.seen.get_mut(&change.key.ns)
            && let Some(device) = seen.devices.get_mut(&new.name)
            && new.master.is_some()
            && old.is_none_or(|old| old.master != new.master)
        {
            device.port = Some(Port::PLAIN);
        }
    }
    for change in own {
        if let Some(Body::Sysctl(setting)) = change.new.as_ref().map(|fact| &fact.body)
            && let Some(seen) = other.seen.get_mut(&change.key.ns)
        {
            seen.settings.insert(setting.path.as_str().to_owned(), setting.value.clone());
        }
    }
    trip(&World::new(&other), question).passes()
}

/// The routes that the kernel makes for an address.
fn routes_of(AddrKey { dev, net }: &AddrKey) -> impl Iterator<Item = Body> {
    let here = RouteKey { table: table::LOCAL, ..RouteKey::main(net.addr().into()) };
    let mut local = Route::unicast(here, dev.clone(), None);
    (local.kind, local.scope) = (RouteKind::Local, Scope::HOST);
    let single = net.prefix_len() == net.max_prefix_len();
    let near = Route::unicast(RouteKey::main(net.trunc()), dev.clone(), None);
    let all = [Some(local), (!single).then_some(near)].into_iter().flatten();
    all.map(|route| Body::Route(Route { proto: proto::KERNEL, derived: true, ..route }))
}

/// What is seen of a link that is made anew, a bridge or a tunnel: it runs, with the settings of new links.
fn stand_in(scan: &mut Scan, ns: &Ns, link: &Link) {
    let tunnel = matches!(link.kind, LinkKind::Vxlan(_));
    if !tunnel && link.kind != LinkKind::Bridge {
        return;
    }
    let kind = if tunnel { "vxlan" } else { "bridge" };
    let Some(seen) = scan.seen.get_mut(ns) else { return };
    let settings = scan.facts.iter().filter(|fact| fact.ns == *ns).filter_map(|fact| {
        let Body::Sysctl(setting) = &fact.body else { return None };
        let (family, leaf) = setting.path.as_str().split_once("/conf/default/")?;
        Some((format!("{family}/conf/{}/{leaf}", link.name), setting.value.clone()))
    });
    seen.settings.extend(settings);
    let index = seen.devices.values().map(|device| device.index).max().unwrap_or_default() + 1;
    let device = Device { index, carrier: link.up, kind: kind.to_owned(), ..Device::default() };
    seen.devices.insert(link.name.clone(), device);
}

/// Refuses to apply what is not all of a repair.
fn refused(done: &Repaired) -> Result<(), Fault> {
    if !done.verbs.is_empty() {
        return Ok(());
    }
    let sentence = &done.verdict.sentence;
    if done.fix.is_empty() {
        let fault = Fault::new(Code::NoRepair, "no commands are known that repair it");
        return Err(fault.cause(sentence).doing("fix"));
    }
    let Some(why) = done.fix.iter().find_map(|line| line.by_hand) else { return Ok(()) };
    let fault = Fault::new(Code::ByHand, "part of the repair has to be run by hand").doing("fix");
    let fault = fault.cause(format!("{sentence}; {why}"));
    Err(done.fix.iter().fold(fault, |fault, line| fault.or_try(line.command.clone())))
}

fn told(verdict: Verdict, verbs: Vec<String>, mended: &Mend, context: &Snapshot) -> Repaired {
    let mut words = context.clone();
    words.merge(mended.changes.iter().filter_map(|change| change.new.clone()).collect());
    let asked = mended.changes.iter().chain(&mended.forget).filter(|change| !change.implied);
    let command = |line: &Line| Command { command: line.command.clone(), by_hand: line.by_hand };
    Repaired {
        version: 1,
        verdict,
        verbs,
        fix: mended.lines.iter().map(command).collect(),
        changes: asked.map(|change| describe(change, &words)).collect(),
        applied: None,
        after: None,
    }
}
