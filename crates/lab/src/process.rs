//! The processes that run in a lab as long as it is up.
//!
//!     sh ── read ── exec COMMAND       it waits on its standard input until its pid is on record
//!
//! A process is known by its pid and the time it was started, so that none is killed that came
//! after it. Where nothing keeps a record, the process ends with the one that started it, however
//! that ends: its standard input closes.  Never here: namespaces.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
#[expect(clippy::disallowed_types, reason = "running commands in it is what a lab is for")]
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::doors::BIN;
use crate::error::{Doing, Error, system};

/// How long one that was killed is waited for: it may have much to give back.
const DEATH: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

/// A process and when it was started, in the kernel's ticks since it booted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// Its pid.
    pub pid: u32,
    /// When it was started.
    pub at: u64,
}

/// A process that has been started and waits to go on.
#[derive(Debug)]
pub(crate) struct Waiting(Child, Life);

/// How long a process lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Life {
    /// Until it is stopped; its pid must be on record before it goes on.
    Long,
    /// No longer than the process that started it.
    Short,
}

/// A command line as a host's shell runs it, with its own ropewalk and its own state.
#[expect(clippy::disallowed_types, reason = "running commands in it is what a lab is for")]
pub(crate) fn shell(line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", line]);
    own_environment(&mut command);
    command
}

/// Sets the PATH of a host, and drops what would lead to the state of the machine's ropewalk.
#[expect(clippy::disallowed_types, reason = "running commands in it is what a lab is for")]
pub(crate) fn own_environment(command: &mut Command) {
    let path = std::env::var("PATH").unwrap_or_else(|_| "/usr/sbin:/usr/bin:/sbin:/bin".into());
    command.env("PATH", format!("{BIN}:{path}"));
    let ours = |name: &str| name.starts_with("ROPEWALK_");
    let vars = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    vars.filter(|name| ours(name)).for_each(|name| {
        command.env_remove(name);
    });
}

/// Starts `line` in the namespaces of the calling thread. What it prints is added to `log`.
pub(crate) fn start(line: &str, life: Life, log: &Path) -> io::Result<Waiting> {
    let script = match life {
        Life::Long => format!("read go && exec {line} </dev/null"),
        Life::Short => format!("read go && {{ {line} </dev/null & read end; kill $!; }}"),
    };
    let log = fs::File::options().create(true).append(true).open(log)?;
    let mut command = shell(&script);
    command.stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
    // A signal from the terminal is for the one who started the lab, who then ends it in order.
    command.process_group(0).current_dir("/");
    Ok(Waiting(command.spawn()?, life))
}

impl Waiting {
    /// What to record before it goes on.
    pub(crate) fn started(&self) -> io::Result<Started> {
        let pid = self.0.id();
        let at = start_time(pid).ok_or(io::ErrorKind::NotFound)?;
        Ok(Started { pid, at })
    }

    /// Lets it go on.
    pub(crate) fn go(mut self) -> io::Result<Going> {
        match &mut self.0.stdin {
            Some(pipe) => pipe.write_all(b"go\n")?,
            None => return Err(io::ErrorKind::BrokenPipe.into()),
        }
        Ok(Going(self.0, self.1))
    }
}

/// A process that runs; one of [`Life::Short`] has ended when this is dropped.
#[derive(Debug)]
pub(crate) struct Going(Child, Life);

impl Going {
    /// Its pid.
    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        if self.1 == Life::Short {
            drop(self.0.stdin.take());
            // One that cannot be waited for is not ours any more.
            let _ended = self.0.wait();
        }
    }
}

impl Started {
    /// True when it still runs.
    #[must_use]
    pub fn runs(&self) -> bool {
        start_time(self.pid) == Some(self.at)
    }

    /// Kills it, if it still runs, and waits until it has ended.
    pub(crate) fn kill(&self) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(Ok(pidfd)) = pid.map(|pid| pidfd_open(pid, PidfdFlags::empty())) else {
            return Ok(());
        };
        // From here on the pidfd means one process, whichever it is.
        if !self.runs() {
            return Ok(());
        }
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Ok(()) => {
                let mut ended = [PollFd::new(&pidfd, PollFlags::IN)];
                Ok(poll(&mut ended, Some(&DEATH)).map(|_| ())?)
            }
            Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(e) => Err(e.into()),
        }
    }
}

/// When a process was started: field 22 of /proc/PID/stat (proc_pid_stat(5)). None for one that
/// is gone or a zombie.
fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, a name in brackets, may hold anything, brackets too.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    (state != "Z" && state != "X").then(|| fields.nth(18)?.parse().ok()).flatten()
}

/// Replaces this process by `command`, in the namespaces of the calling thread. Returns only if
/// that is refused.
#[expect(clippy::disallowed_types, reason = "running commands in it is what a lab is for")]
pub(crate) fn become_command(command: &[String], folder: Option<PathBuf>) -> Error {
    let Some((name, arguments)) = command.split_first() else { return Error::NoCommand };
    let mut command = Command::new(name);
    command.args(arguments);
    own_environment(&mut command);
    // A folder that is not there any more, below /run say, is left for the root.
    command.current_dir(folder.filter(|f| f.is_dir()).unwrap_or("/".into()));
    system(Doing::Start, name)(command.exec())
}
