//! Sandboxes: from how people name one to its network namespace, as an open file.
//!
//!     netns:red     open /run/netns/red
//!     pid:812       open /proc/812/ns/net
//!     docker:web    docker inspect --format '{{.State.Pid}}' web, then as pid
//!     podman:web    podman inspect --format '{{.State.Pid}}' web, then as pid
//!
//! Engines are asked over their sockets, no command of theirs is run.
//! Never here: making a namespace, entering one, changing anything; the namespace that ropewalk
//! itself is in is never handed out.

mod container;
mod engine;
mod error;
mod http;
mod netns;

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;

use ropewalk_spec::SandboxRef;

pub use engine::{Engine, Engines};
pub use error::Error;

/// A sandbox that was found.
#[derive(Debug)]
pub struct Resolved {
    /// Its network namespace.
    pub fd: OwnedFd,
    /// How it was asked for.
    pub label: String,
    /// A process in it, where the sandbox is named by one or by its container.
    pub pid: Option<u32>,
}

/// Finds a sandbox. `new:NAME` is found like `netns:NAME`: who wants it made makes it first.
///
/// # Errors
/// When there is no such sandbox, its engine does not answer, or it is the host's own namespace.
pub fn resolve(sandbox: &SandboxRef, engines: &Engines) -> Result<Resolved, Error> {
    let (fd, pid) = match sandbox {
        SandboxRef::Netns(name) | SandboxRef::New(name) => (netns::named(name.as_str())?, None),
        SandboxRef::Path(path) => (netns::at(path)?, None),
        SandboxRef::Pid(pid) => (netns::of_process(*pid)?, Some(*pid)),
        SandboxRef::Docker(name) => container(Engine::Docker, name.as_str(), engines)?,
        SandboxRef::Podman(name) => container(Engine::Podman, name.as_str(), engines)?,
    };
    let label = sandbox.to_string();
    let file = File::from(fd);
    if is_own(&file).map_err(Error::Own)? {
        return Err(Error::Host { sandbox: label });
    }
    Ok(Resolved { fd: file.into(), label, pid })
}

/// The names of all containers of an engine, by their ids.
///
/// # Errors
/// When the engine does not answer, or not as expected.
pub fn names(engine: Engine, engines: &Engines) -> Result<BTreeMap<String, String>, Error> {
    let socket = engines.socket(engine)?;
    http::with(engine, &socket, async |client| container::names(client, engine).await)
}

/// Asks the engine for the container's process, opens its namespace, and asks once more: a process
/// that has another number by then, or none, is not the one that was opened.
fn container(
    engine: Engine,
    name: &str,
    engines: &Engines,
) -> Result<(OwnedFd, Option<u32>), Error> {
    let socket = engines.socket(engine)?;
    let open = |pid| match netns::of_process(pid) {
        Err(Error::NoProcess { .. }) => Err(Error::ended(engine, name)),
        other => other,
    };
    http::with(engine, &socket, async |client| {
        let pid = container::pid(client, engine, name).await?;
        let fd = open(pid)?;
        match container::pid(client, engine, name).await? {
            again if again == pid => Ok((fd, Some(pid))),
            _restarted => Err(Error::ended(engine, name)),
        }
    })
}

/// Whether a namespace is the one this thread is in.
fn is_own(namespace: &File) -> std::io::Result<bool> {
    let own = std::fs::metadata("/proc/thread-self/ns/net")?;
    let found = namespace.metadata()?;
    Ok((own.dev(), own.ino()) == (found.dev(), found.ino()))
}
