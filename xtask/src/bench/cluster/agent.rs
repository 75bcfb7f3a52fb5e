//! An agent under observation: what it has used, and how far it says it is.
//!
//!     /proc/PID/{schedstat, status}     GET /metrics on its socket

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::stage::{Running, until};
use crate::Fault;

/// An agent.
pub(super) struct Agent {
    process: Running,
    state: PathBuf,
    begun: Instant,
}

impl Agent {
    pub(super) fn new(process: Running, state: PathBuf) -> Self {
        Self { process, state, begun: Instant::now() }
    }

    /// The time since its start.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Its time on processors.
    pub(super) fn cpu(&self) -> Result<Duration, Fault> {
        let text = std::fs::read_to_string(self.proc("schedstat"))?;
        let nanos = text.split_whitespace().next().ok_or("no time")?.parse()?;
        Ok(Duration::from_nanos(nanos))
    }

    /// What it has in memory now, and the most that it had, in MB.
    pub(super) fn memory(&self) -> Result<(f64, f64), Fault> {
        let text = std::fs::read_to_string(self.proc("status"))?;
        let of = |name: &str| -> Result<f64, Fault> {
            let line = text.lines().find(|line| line.starts_with(name)).ok_or("no such line")?;
            let kib: f64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
            Ok(kib / 1024.0)
        };
        Ok((of("VmRSS:")?, of("VmHWM:")?))
    }

    /// Waits until its kernel is as of that revision of the store; since its start.
    pub(super) fn follows(&self, revision: u64) -> Result<Duration, Fault> {
        let there = || Ok(self.figure("cluster_revision").is_some_and(|at| at >= revision as f64));
        until("the agent follows", Duration::from_millis(5), there)?;
        Ok(self.age())
    }

    /// One of its figures; none while it does not answer.
    pub(super) fn figure(&self, name: &str) -> Option<f64> {
        let mut stream = UnixStream::connect(self.state.join("agent.sock")).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.1\r\n\r\n").ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let name = format!("ropewalk_{name} ");
        text.lines().find_map(|line| line.strip_prefix(name.as_str()))?.parse().ok()
    }

    /// Ends it as a service manager would.
    pub(super) fn end(mut self) -> Result<(), Fault> {
        let pid = rustix::process::Pid::from_child(&self.process.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)?;
        self.process.0.wait()?;
        Ok(())
    }

    fn proc(&self, file: &str) -> PathBuf {
        format!("/proc/{}/{file}", self.process.0.id()).into()
    }
}
