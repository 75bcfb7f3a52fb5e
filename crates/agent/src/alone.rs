//! One agent a host: a lock on a file of the state folder, which holds the agent's pid.
//!
//!     /run/ropewalk/agent.lock      812
//!
//! The kernel lets go of the lock when the process dies, however it does.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use ropewalk_engine::{Code, Fault};
use rustix::fs::{FlockOperation, flock};

/// The lock, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Alone(#[expect(dead_code, reason = "held, not read")] File);

/// Takes the lock of the host whose state is in `folder`.
///
/// # Errors
/// [`Code::AgentRunning`] with the pid of who has it.
pub(crate) fn lock(folder: &Path) -> Result<Alone, Fault> {
    let path = folder.join("agent.lock");
    let unusable = |error: std::io::Error| {
        Fault::new(Code::StateUnusable, format!("cannot use {}", path.display()))
            .kernel(error.to_string())
    };
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(unusable)?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Err(taken(&mut file)),
        Err(errno) => return Err(unusable(errno.into())),
    }
    file.set_len(0).map_err(unusable)?;
    writeln!(file, "{}", std::process::id()).map_err(unusable)?;
    Ok(Alone(file))
}

fn taken(file: &mut File) -> Fault {
    let mut text = String::new();
    // A holder that has only begun has not written its pid yet.
    let pid = file.read_to_string(&mut text).ok().and_then(|_| text.trim().parse::<u32>().ok());
    let fault = Fault::new(Code::AgentRunning, "an agent of this host is running already");
    match pid {
        Some(pid) => fault.cause(format!("it is process {pid}")).or_try(format!("kill {pid}")),
        None => fault.cause("it has only just begun"),
    }
}
