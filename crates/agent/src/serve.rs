//! The loop: wait for the kernel, the clock or a signal, then do what is due.
//!
//!     wait ─▶ hear events ─▶ pace ─▶ look ─▶ say
//!
//! One thread, but for the trial of tunnels, which waits for others in one of its own, so that news is
//! led to at once meanwhile. The engine is opened for each look and closed after it, so that no sandbox
//! is kept alive and no state is old; a verb at work is waited for by coming again, so that the
//! watchdog hears of us meanwhile.

use std::collections::BTreeSet;
use std::future::{Future as _, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use ropewalk_engine::{Doubts, Engine, Fault, Paths, Tended, Trial, Written};
use ropewalk_kernel::Watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;

use crate::desk::Desk;
use crate::failed;
use crate::hands::sooner;
use crate::links::Links;
use crate::notify::Notify;
use crate::pace::Pace;
use crate::said::Said;
use crate::task::{Done, TASKS, Task, Work};

/// After so long a verb that was at work is asked for again.
const AGAIN: Duration = Duration::from_millis(20);

/// The agent at work.
pub(crate) struct Agent<'a> {
    paths: &'a Paths,
    /// How often everything is looked at.
    every: Duration,
    desk: &'a Desk,
    tell: &'a mut dyn FnMut(&Said),
    fds: Vec<AsyncFd<OwnedFd>>,
    signals: Vec<Signal>,
    watch: Watch,
    links: Links,
    pace: Pace,
    tasks: Vec<Due>,
    /// Why the next look is due, and since when.
    reason: Option<(String, Instant)>,
    /// Legs of the sandboxes that it is to look into.
    legs: BTreeSet<String>,
    notify: Notify,
    alive_at: Instant,
    repaired: u64,
    refused: BTreeSet<String>,
    /// The number of the last look that was asked for.
    asked: u64,
}

/// When a task is due.
struct Due {
    /// None while it is at work and not wanted again.
    at: Option<Instant>,
    /// And once more then.
    again: Option<Instant>,
    task: &'static Task,
    /// Since when others are waited for, and which tunnels spoil what they carry.
    at_work: Option<(Instant, JoinHandle<Vec<Trial>>)>,
}

impl Due {
    /// Nothing is to be done before a later time.
    fn rests(&self, now: Instant) -> bool {
        self.at_work.is_none() && self.at.is_some_and(|at| at > now)
    }
}

enum Wake {
    Stop,
    Told,
    Time,
    /// Somebody wants a look.
    Asked,
    /// What the task of this number waited for since then has come.
    Back(usize, Instant, Vec<Trial>),
}

impl<'a> Agent<'a> {
    /// Listens from now on.
    pub(crate) fn new(
        paths: &'a Paths,
        every: Duration,
        desk: &'a Desk,
        tell: &'a mut dyn FnMut(&Said),
    ) -> Result<Self, Fault> {
        let watch = Watch::open()?;
        let mut fds = Vec::new();
        for fd in watch.fds() {
            fds.push(waited_for(fd.try_clone_to_owned().map_err(failed)?)?);
        }
        let kinds = [SignalKind::terminate(), SignalKind::interrupt()];
        let signals = kinds.into_iter().map(signal).collect::<Result<_, _>>().map_err(failed)?;
        let links = Links::new(watch.links()?);
        let now = Instant::now();
        let begin = |task| Due { at: Some(now), again: None, task, at_work: None };
        Ok(Self {
            paths,
            every,
            desk,
            tell,
            fds,
            signals,
            watch,
            links,
            pace: Pace::new(now),
            tasks: TASKS.iter().map(begin).collect(),
            reason: None,
            legs: BTreeSet::new(),
            notify: Notify::from_env(),
            alive_at: now,
            repaired: 0,
            refused: BTreeSet::new(),
            asked: 0,
        })
    }

    /// Works until it is told to stop.
    pub(crate) async fn serve(mut self) -> Result<(), Fault> {
        let mut ready = false;
        loop {
            self.work()?;
            self.answered();
            if !ready && self.rests() {
                ready = true;
                (self.tell)(&Said::Ready { pid: std::process::id() });
                self.notify.tell("READY=1\nSTATUS=everything is as it was made");
            }
            match self.wait().await {
                Wake::Stop => break,
                Wake::Told => self.hear()?,
                Wake::Time => {}
                Wake::Asked => self.look_now(),
                Wake::Back(n, began, spoilt) => self.tried(n, began, &spoilt),
            }
        }
        self.notify.tell("STOPPING=1");
        (self.tell)(&Said::Stopped);
        Ok(())
    }

    /// No task is due or at work.
    fn rests(&self) -> bool {
        let now = Instant::now();
        self.tasks.iter().all(|due| due.rests(now))
    }

    /// The next moment at which something is due.
    fn next(&self) -> Option<Instant> {
        let idle = self.tasks.iter().filter(|due| due.at_work.is_none());
        let tasks = idle.filter_map(|due| due.at);
        let alive = self.notify.watchdog.map(|every| self.alive_at + every);
        tasks.chain(self.pace.due()).chain(alive).min()
    }

    async fn wait(&mut self) -> Wake {
        let now = Instant::now();
        let until = self.next().unwrap_or(now + AGAIN);
        let mut clock = pin!(tokio::time::sleep_until(until.into()));
        let (fds, signals, desk, asked) = (&self.fds, &mut self.signals, self.desk, self.asked);
        let tasks = &mut self.tasks;
        poll_fn(|cx| {
            if signals.iter_mut().any(|signal| signal.poll_recv(cx).is_ready()) {
                return Poll::Ready(Wake::Stop);
            }
            if desk.asked() > asked {
                return Poll::Ready(Wake::Asked);
            }
            for fd in fds {
                if let Poll::Ready(Ok(mut guard)) = fd.poll_read_ready(cx) {
                    // It is read until it is empty.
                    guard.clear_ready();
                    return Poll::Ready(Wake::Told);
                }
            }
            for (n, due) in tasks.iter_mut().enumerate() {
                let Some((began, work)) = &mut due.at_work else { continue };
                if let Poll::Ready(spoilt) = Pin::new(work).poll(cx) {
                    let began = *began;
                    due.at_work = None;
                    return Poll::Ready(Wake::Back(n, began, spoilt.unwrap_or_default()));
                }
            }
            clock.as_mut().poll(cx).map(|()| Wake::Time)
        })
        .await
    }

    /// All that is done at times is due.
    fn look_now(&mut self) {
        self.asked = self.desk.asked();
        let now = Instant::now();
        self.tasks.iter_mut().for_each(|due| due.at = Some(now));
    }

    /// Says that the look which somebody wanted is over, once it is.
    fn answered(&self) {
        if self.desk.host_done.get() < self.asked && self.rests() {
            self.desk.host_done.set(self.asked);
        }
    }

    /// Takes in what the kernel tells.
    fn hear(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        self.desk.stir();
        for event in self.watch.drain()? {
            let Some(reason) = self.links.reason(event, now) else { continue };
            self.pace.told(now);
            if reason.link_up {
                for due in self.tasks.iter_mut().filter(|due| due.task.on_link_up) {
                    due.at = Some(now);
                    due.again = due.task.again.map(|again| now + again);
                }
            }
            self.legs.extend(reason.legs);
            self.reason.get_or_insert((reason.why, now));
        }
        Ok(())
    }

    /// Does what is due.
    fn work(&mut self) -> Result<(), Fault> {
        let now = Instant::now();
        if self.notify.watchdog.is_some_and(|every| self.alive_at + every <= now) {
            self.notify.tell("WATCHDOG=1");
            self.alive_at = now;
        }
        if self.pace.due().is_some_and(|due| due <= now) {
            self.look(now);
        }
        for n in 0..self.tasks.len() {
            let written = self.desk.written.get();
            let Some(due) = self.tasks.get_mut(n) else { continue };
            if due.at_work.is_some() || due.at.is_none_or(|at| at > now) {
                continue;
            }
            due.at = None;
            let began = Instant::now();
            match due.task.run {
                Work::Now(work) => {
                    let done = with_engine(self.paths, written, work);
                    self.done(n, began, done);
                }
                Work::Trial => match with_engine(self.paths, written, Engine::trials) {
                    Ok(trials) if trials.is_empty() => self.tried(n, began, &[]),
                    Ok(trials) => {
                        let ask = || trials.into_iter().filter(Trial::spoils).collect();
                        due.at_work = Some((began, tokio::task::spawn_blocking(ask)));
                    }
                    Err(fault) => self.done(n, began, Err(fault)),
                },
            }
        }
        Ok(())
    }

    /// Looks at what was told of, and puts it right.
    fn look(&mut self, began: Instant) {
        self.pace.begin();
        let (why, since) = self.reason.take().unwrap_or_else(|| ("an event".into(), began));
        let legs = std::mem::take(&mut self.legs);
        let written = self.desk.written.get();
        match with_engine(self.paths, written, |engine| mend(engine, &legs)) {
            Ok(Some(tended)) => self.say(&tended, &why, since, began),
            Ok(None) => {
                self.pace.told(began);
                self.legs.extend(legs);
                self.reason.get_or_insert((why, since));
            }
            Err(fault) => self.refuse(vec![fault]),
        }
    }

    /// These tunnels spoil what they carry.
    fn tried(&mut self, n: usize, began: Instant, spoilt: &[Trial]) {
        let mend = |engine: &mut Engine| {
            Ok(spoilt.iter().map(|trial| engine.spoilt(trial, true)).collect())
        };
        let findings = match spoilt {
            [] => Ok(Vec::new()),
            _ => with_engine(self.paths, Written::Whole, mend),
        };
        let done = findings.map(|findings| Some(Tended { findings, ..Tended::default() }));
        self.done(n, began, done);
    }

    /// A duty is done, or could not be: it is due again, a little sooner than asked for.
    fn done(&mut self, n: usize, began: Instant, done: Done) {
        ropewalk_kernel::trim_memory();
        let Some(task) = self.tasks.get(n).map(|due| due.task) else { return };
        let every = sooner(task.every.unwrap_or(self.every));
        let next = match done {
            Ok(Some(tended)) => {
                self.desk.looked();
                let cost = if task.waits { Instant::now() } else { began };
                self.say(&tended, task.name, began, cost);
                Some(tended.again.unwrap_or(every))
            }
            Ok(None) => None,
            Err(fault) => {
                self.refuse(vec![fault]);
                Some(every)
            }
        };
        // It may be wanted again by now.
        if let Some(due) = self.tasks.get_mut(n).filter(|due| due.at.is_none()) {
            let again = next.and_then(|_| due.again.take());
            due.at = Some(again.unwrap_or(Instant::now() + next.unwrap_or(AGAIN)));
        }
    }

    fn say(&mut self, tended: &Tended, why: &str, since: Instant, began: Instant) {
        let now = Instant::now();
        let mut touched: BTreeSet<String> = tended.faults.iter().map(|f| f.what.clone()).collect();
        for finding in tended.findings.iter().filter(|finding| finding.repaired) {
            (self.tell)(&Said::repaired(finding, why, now - since));
            touched.insert(format!("{} {}", finding.owner, finding.object));
            self.repaired += 1;
        }
        for done in &tended.cleared {
            (self.tell)(&Said::cleared(done));
        }
        self.refuse(tended.faults.clone());
        if let Some(pause) = self.pace.ended(began, now, touched) {
            (self.tell)(&Said::Strife { pause_s: pause.as_secs() });
        }
        if !tended.findings.is_empty() {
            self.notify.tell(&format!("STATUS={} things put right since the start", self.repaired));
        }
    }

    /// Says those faults that were not said at the last look.
    fn refuse(&mut self, faults: Vec<Fault>) {
        let before = std::mem::take(&mut self.refused);
        for fault in faults {
            let text = fault.to_string();
            if !before.contains(&text) {
                (self.tell)(&Said::Refused { fault });
            }
            self.refused.insert(text);
        }
    }
}

#[expect(deprecated, reason = "its heir is unsafe to call for the sake of what is no OwnedFd")]
fn waited_for(fd: OwnedFd) -> Result<AsyncFd<OwnedFd>, Fault> {
    AsyncFd::with_interest(fd, Interest::READABLE).map_err(failed)
}

/// Does something with an engine, which believes so much of what is written down of ways to other hosts.
fn with_engine<T>(
    paths: &Paths,
    written: Written,
    work: impl FnOnce(&mut Engine) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let mut engine = Engine::open(paths)?;
    engine.believe(written);
    work(&mut engine)
}

/// Puts right what a look at the host finds doubtful, and what is behind `legs`.
fn mend(engine: &mut Engine, legs: &BTreeSet<String>) -> Result<Option<Tended>, Fault> {
    let doubts: Doubts = engine.doubts(legs)?;
    if doubts.is_empty() {
        return Ok(Some(Tended::default()));
    }
    engine.tend(Some(&doubts))
}
