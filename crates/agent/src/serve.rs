//! The loop: wait for the kernel, the clock or a signal, then do what is due.
//!
//!     wait ─▶ hear events ─▶ pace ─▶ look ─▶ say
//!
//! One thread. The engine is opened for each look and closed after it, so that no sandbox is kept
//! alive and no state is old; a verb at work is waited for by coming again, so that the watchdog
//! hears of us meanwhile.

use std::collections::BTreeSet;
use std::future::{Future as _, poll_fn};
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::task::Poll;
use std::time::{Duration, Instant};

use ropewalk_engine::{Doubts, Engine, Fault, Paths, Tended};
use ropewalk_kernel::Watch;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::desk::Desk;
use crate::failed;
use crate::links::Links;
use crate::notify::Notify;
use crate::pace::Pace;
use crate::said::Said;
use crate::task::{TASKS, Task};

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
    at: Instant,
    /// And once more then.
    again: Option<Instant>,
    task: &'static Task,
}

enum Wake {
    Stop,
    Told,
    Time,
    /// Somebody wants a look.
    Asked,
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
            tasks: TASKS.iter().map(|task| Due { at: now, again: None, task }).collect(),
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
            if !ready && self.tasks.iter().all(|due| due.at > Instant::now()) {
                ready = true;
                (self.tell)(&Said::Ready { pid: std::process::id() });
                self.notify.tell("READY=1\nSTATUS=everything is as it was made");
            }
            match self.wait().await {
                Wake::Stop => break,
                Wake::Told => self.hear()?,
                Wake::Time => {}
                Wake::Asked => self.look_now(),
            }
        }
        self.notify.tell("STOPPING=1");
        (self.tell)(&Said::Stopped);
        Ok(())
    }

    /// The next moment at which something is due.
    fn next(&self) -> Option<Instant> {
        let tasks = self.tasks.iter().map(|due| due.at);
        let alive = self.notify.watchdog.map(|every| self.alive_at + every);
        tasks.chain(self.pace.due()).chain(alive).min()
    }

    async fn wait(&mut self) -> Wake {
        let now = Instant::now();
        let until = self.next().unwrap_or(now + AGAIN);
        let mut clock = pin!(tokio::time::sleep_until(until.into()));
        let (fds, signals, desk, asked) = (&self.fds, &mut self.signals, self.desk, self.asked);
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
            clock.as_mut().poll(cx).map(|()| Wake::Time)
        })
        .await
    }

    /// All that is done at times is due.
    fn look_now(&mut self) {
        self.asked = self.desk.asked();
        let now = Instant::now();
        self.tasks.iter_mut().for_each(|due| due.at = now);
    }

    /// Says that the look which somebody wanted is over, once it is.
    fn answered(&self) {
        let now = Instant::now();
        if self.desk.host_done.get() < self.asked && self.tasks.iter().all(|due| due.at > now) {
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
                    due.at = now;
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
            let Some(task) = self.tasks.get(n).filter(|due| due.at <= now).map(|due| due.task)
            else {
                continue;
            };
            let next = self.duty(task);
            if let Some(due) = self.tasks.get_mut(n) {
                let again = next.and_then(|_| due.again.take());
                due.at = again.unwrap_or(Instant::now() + next.unwrap_or(AGAIN));
            }
        }
        Ok(())
    }

    /// Looks at what was told of, and puts it right.
    fn look(&mut self, began: Instant) {
        self.pace.begin();
        let (why, since) = self.reason.take().unwrap_or_else(|| ("an event".into(), began));
        let legs = std::mem::take(&mut self.legs);
        match self.engine(|engine| mend(engine, &legs)) {
            Ok(Some(tended)) => self.say(&tended, &why, since, began),
            Ok(None) => {
                self.pace.told(began);
                self.legs.extend(legs);
                self.reason.get_or_insert((why, since));
            }
            Err(fault) => self.refuse(vec![fault]),
        }
    }

    /// Does a duty. Returns after how long it is due again; none when it could not be done, because
    /// another verb is at work.
    fn duty(&mut self, task: &Task) -> Option<Duration> {
        let began = Instant::now();
        let every = task.every.unwrap_or(self.every);
        match self.engine(task.run) {
            Ok(Some(tended)) => {
                self.desk.looked();
                let cost = if task.waits { Instant::now() } else { began };
                self.say(&tended, task.name, began, cost);
                return Some(tended.again.unwrap_or(every));
            }
            Ok(None) => return None,
            Err(fault) => self.refuse(vec![fault]),
        }
        Some(every)
    }

    fn engine<T>(&self, work: impl FnOnce(&mut Engine) -> Result<T, Fault>) -> Result<T, Fault> {
        let mut engine = Engine::open(self.paths)?;
        if self.desk.ways_ahead.get() {
            engine.leave_ways();
        }
        work(&mut engine)
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

/// Puts right what a look at the host finds doubtful, and what is behind `legs`.
fn mend(engine: &mut Engine, legs: &BTreeSet<String>) -> Result<Option<Tended>, Fault> {
    let doubts: Doubts = engine.doubts(legs)?;
    if doubts.is_empty() {
        return Ok(Some(Tended::default()));
    }
    engine.tend(Some(&doubts))
}
