//! The guard: a process of its own that takes a move back when nobody says in time that all is
//! well, whatever becomes of the process that moves.
//!
//!     ropewalk ──start──▶ guard        own session; has the journal's changes before the first one
//!              ◀─ready───
//!        moves           waits
//!              ──done──▶  ends
//!              ──trial─▶  waits for `confirm` until the limit, else takes back
//!        dies ╳ ────────▶ takes back at once, when the lock is free
//!
//! Who takes something back holds the structure lock, and looks first whether it is still there to
//! be taken back: so the guard, `gc` and the next command each find the work done or do it.
//! The guard is a second run of the same binary (`/proc/self/exe`), started before the first change.

use std::io::{Read as _, Write as _};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use ropewalk_spec::NetworkName;
use ropewalk_store::{NetworkRecord, State};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getppid, pidfd_open, pidfd_send_signal, setsid};

use crate::code::Code;
use crate::fault::Fault;
use crate::paths::Paths;
use crate::{Engine, uplink};

/// How long a move may take before the process that makes it is taken to hang.
const LIMIT: Duration = Duration::from_secs(30);
/// How often the guard of a trial looks whether it is over.
const LOOK: Duration = Duration::from_millis(200);
/// What the guard says when it is ready, and what it is told.
const READY: &[u8; 1] = b"r";
const DONE: u8 = b'd';
const TRIAL: u8 = b't';

/// The hidden command of the binary that is a guard.
pub const COMMAND: &str = "guard";

/// A guard that has been started. Dropped without a word it takes back.
#[derive(Debug)]
pub(crate) struct Guard(Child);

impl Guard {
    /// Starts one for the move in `record`, which is in the store.
    pub(crate) fn start(record: &NetworkRecord) -> Result<Self, Fault> {
        let refused = |error: std::io::Error| {
            Fault::new(Code::GuardFailed, "the guard of the move could not be started")
                .kernel(error.to_string())
        };
        let mut child = child(record).map_err(refused)?;
        let mut said = [0; 1];
        let heard = child.stdout.as_mut().map(|out| out.read_exact(&mut said));
        match heard {
            Some(Ok(())) if said == *READY => Ok(Self(child)),
            Some(Err(error)) => Err(refused(error)),
            _ => Err(refused(std::io::Error::other("it did not say that it is ready"))),
        }
    }

    /// All is well, or has been taken back.
    pub(crate) fn done(self) {
        self.tell(DONE);
    }

    /// Everything has moved, and waits for somebody to confirm it.
    pub(crate) fn trial(self) {
        self.tell(TRIAL);
    }

    fn tell(mut self, word: u8) {
        // A guard that is gone need not be told.
        let _told = self.0.stdin.as_mut().map(|pipe| pipe.write_all(&[word]));
        if word == DONE {
            drop(self.0.stdin.take());
            let _ended = self.0.wait();
        }
    }
}

#[expect(clippy::disallowed_types, reason = "the guard has to outlive the process that it guards")]
fn child(record: &NetworkRecord) -> std::io::Result<Child> {
    std::process::Command::new("/proc/self/exe")
        .args([COMMAND, record.network.name.as_str(), &record.created_ms.to_string()])
        .env_remove("ROPEWALK_FAILPOINT")
        .env_remove("ROPEWALK_FAILPOINT_LIST")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
}

/// What the guard has heard.
enum Heard {
    Done,
    Trial,
    Nothing,
    /// The other end is closed: the process has died.
    Death,
}

/// Is the guard of the move of the network `name` that was begun at `created_ms`, until it is over.
///
/// # Errors
/// What could not be taken back.
pub fn guard(paths: &Paths, name: &NetworkName, created_ms: u64) -> Result<(), Fault> {
    // Its own session: what ends the terminal's does not end it. It is no leader of a group yet.
    let _session = setsid();
    let parent = getppid().filter(|pid| *pid != Pid::INIT);
    let parent = parent.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    let mut engine = Engine::open(paths)?;
    engine.guarding = true;
    let ours = |record: &NetworkRecord| record.created_ms == created_ms;
    if !engine.store.network(name)?.as_ref().is_some_and(ours) {
        return Ok(());
    }
    let mut out = std::io::stdout();
    let _heard = out.write_all(READY).and_then(|()| out.flush());
    match listen(LIMIT) {
        Heard::Done => return Ok(()),
        Heard::Trial | Heard::Death => {}
        // It hangs, and holds the lock.
        Heard::Nothing => {
            let _dead = parent.map(|parent| pidfd_send_signal(parent, Signal::KILL));
        }
    }
    engine.watch(name, created_ms)
}

/// Waits for a word of the process that moves.
fn listen(limit: Duration) -> Heard {
    let begun = Instant::now();
    let stdin = std::io::stdin();
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let mut fds = [PollFd::new(&stdin, PollFlags::IN)];
        let left = Timespec::try_from(left).ok();
        match poll(&mut fds, left.as_ref()) {
            Ok(0) => return Heard::Nothing,
            Err(rustix::io::Errno::INTR) => {}
            Ok(_) | Err(_) => break,
        }
    }
    let mut word = [0; 1];
    match stdin.lock().read(&mut word) {
        Ok(1) if word == [DONE] => Heard::Done,
        Ok(1) if word == [TRIAL] => Heard::Trial,
        Ok(_) | Err(_) => Heard::Death,
    }
}

/// Milliseconds since the host was started, which no clock that is set changes.
pub(crate) fn boot_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let (s, ns) = (u64::try_from(time.tv_sec), u64::try_from(time.tv_nsec));
    s.unwrap_or(0).saturating_mul(1000).saturating_add(ns.unwrap_or(0) / 1_000_000)
}

/// True for a record on trial whose time is over.
pub(crate) fn overdue(record: &NetworkRecord) -> bool {
    record.trial_until_ms.is_some_and(|until| until <= boot_ms())
}

impl Engine {
    /// A guard for what is about to be done to `record`, if it takes over a NIC.
    pub(crate) fn guarded(&self, record: &NetworkRecord) -> Result<Option<Guard>, Fault> {
        let needed = uplink::takes_over(&record.network) && !self.guarding;
        needed.then(|| Guard::start(record)).transpose()
    }

    /// Takes the move back unless it is well, or on trial: then when its time is over.
    fn watch(&mut self, name: &NetworkName, created_ms: u64) -> Result<(), Fault> {
        loop {
            let lock = self.store.exclusive()?;
            let record = self.store.network(name)?;
            let Some(record) = record.filter(|record| record.created_ms == created_ms) else {
                return Ok(());
            };
            let on_trial = record.trial_until_ms.is_some() && !overdue(&record);
            match record.state {
                State::Ready if record.trial_until_ms.is_none() => return Ok(()),
                State::Ready if on_trial => {}
                State::Ready | State::Pending | State::Leaving => {
                    return self.unmake_network(&record);
                }
            }
            drop(lock);
            pause(LOOK);
        }
    }
}

/// Waits for a while.
fn pause(time: Duration) {
    let time = Timespec::try_from(time).ok();
    // Woken early it looks early.
    let _early = poll(&mut [], time.as_ref());
}
