//! Telling systemd how it goes: one datagram to the socket that NOTIFY_SOCKET names.
//!
//!     READY=1 · WATCHDOG=1 · STATUS=… · STOPPING=1        sd_notify(3)
//!
//! Started by anything else, nothing is told.  Never here: what goes how.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Where to tell, and how often it wants to hear.
#[derive(Debug)]
pub(crate) struct Notify {
    to: Option<(UnixDatagram, SocketAddr)>,
    /// Half of the time after which systemd takes the agent for stuck.
    pub(crate) watchdog: Option<Duration>,
}

impl Notify {
    /// As the environment says.
    pub(crate) fn from_env() -> Self {
        let var = |name| std::env::var_os(name);
        let socket = var("NOTIFY_SOCKET");
        let for_us = var("WATCHDOG_PID").is_none_or(|pid| pid == *std::process::id().to_string());
        let usec = var("WATCHDOG_USEC").filter(|_| for_us);
        let usec = usec.and_then(|text| text.to_str()?.parse::<u64>().ok()).filter(|n| *n > 0);
        Self {
            to: socket.and_then(|path| open(&path)),
            watchdog: usec.map(|usec| Duration::from_micros(usec / 2)),
        }
    }

    /// Tells it. Who does not listen misses it: the agent goes on.
    pub(crate) fn tell(&self, lines: &str) {
        if let Some((socket, to)) = &self.to {
            let _missed = socket.send_to_addr(lines.as_bytes(), to);
        }
    }
}

/// An `@` in front stands for the abstract namespace.
fn open(path: &OsStr) -> Option<(UnixDatagram, SocketAddr)> {
    let to = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        _ => SocketAddr::from_pathname(path),
    };
    let socket = UnixDatagram::unbound().ok()?;
    socket.set_nonblocking(true).ok()?;
    Some((socket, to.ok()?))
}
