//! Why a sandbox was not found, and what to do about it.

use std::io;
use std::path::PathBuf;

use crate::engine::Engine;

/// Why a sandbox was not found.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No namespace has this name.
    #[error("there is no network namespace {name}")]
    NoNetns {
        /// The name under /run/netns.
        name: String,
    },
    /// The file cannot be opened.
    #[error("cannot open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The kernel's words.
        source: io::Error,
    },
    /// The file is there, and it is no network namespace.
    #[error("{} is not a network namespace", path.display())]
    NotNetns {
        /// The file.
        path: PathBuf,
    },
    /// No process has this number, or it has ended.
    #[error("there is no process {pid}")]
    NoProcess {
        /// Its number.
        pid: u32,
    },
    /// It is the namespace that ropewalk runs in, which would be wired to itself.
    #[error("{sandbox} is in the network namespace of the host itself")]
    Host {
        /// The sandbox as it was named.
        sandbox: String,
    },
    /// The namespace that ropewalk runs in cannot be told.
    #[error("cannot tell the host's own network namespace: {0}")]
    Own(io::Error),
    /// The environment names a socket of a sort that is not a local one.
    #[error("{variable} is {value}, and only a local socket (unix:///PATH) can be used")]
    Address {
        /// The variable of the environment.
        variable: &'static str,
        /// What it holds.
        value: String,
    },
    /// Nobody listens on the engine's socket.
    #[error("the {engine} engine does not answer on {}: {source}", socket.display())]
    Away {
        /// Which engine.
        engine: Engine,
        /// The socket that was tried.
        socket: PathBuf,
        /// The kernel's words.
        source: io::Error,
    },
    /// The engine took too long.
    #[error("the {engine} engine did not answer on {} within {seconds} s", socket.display())]
    Slow {
        /// Which engine.
        engine: Engine,
        /// The socket that was tried.
        socket: PathBuf,
        /// How long it was given.
        seconds: u64,
    },
    /// What answered does not speak HTTP.
    #[error("what answers as the {engine} engine does not speak HTTP: {source}")]
    Speech {
        /// Which engine.
        engine: Engine,
        /// What is wrong with it.
        source: hyper::Error,
    },
    /// The answer is longer than any that makes sense.
    #[error("the {engine} engine answered with more than {limit} bytes")]
    TooLong {
        /// Which engine.
        engine: Engine,
        /// The most bytes that are read.
        limit: usize,
    },
    /// The answer is not what the engine documents.
    #[error("the {engine} engine's answer about {name} cannot be read: {source}")]
    Answer {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
        /// Where it stops making sense.
        source: serde_json::Error,
    },
    /// The engine refused the question for a reason of its own.
    #[error("the {engine} engine refuses to tell of {name} (status {status}): {message}")]
    Refused {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
        /// The HTTP status.
        status: u16,
        /// The engine's words.
        message: String,
    },
    /// The engine has no such container.
    #[error("{engine} has no container {name}")]
    NoContainer {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
    },
    /// The beginning of an id is that of several containers.
    #[error("several containers of {engine} have an id that begins with {name}")]
    Several {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
    },
    /// The container is there and does not run.
    #[error("the {engine} container {name} is not running ({status})")]
    NotRunning {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
        /// The engine's word for its state.
        status: String,
    },
    /// The container has no network of its own.
    #[error("the {engine} container {name} shares the network of the host")]
    HostNetwork {
        /// Which engine.
        engine: Engine,
        /// The container that was asked for.
        name: String,
    },
}

impl Error {
    /// A container that ended while it was looked at.
    pub(crate) fn ended(engine: Engine, name: &str) -> Self {
        Self::NotRunning { engine, name: name.to_owned(), status: "ended just now".to_owned() }
    }

    /// True when the sandbox is surely not there, or not the one it was: what was made for it can go.
    ///
    /// False when nobody knows, as when its engine is not running: its containers may be.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        match self {
            Self::NoNetns { .. }
            | Self::NotNetns { .. }
            | Self::NoProcess { .. }
            | Self::NoContainer { .. }
            | Self::NotRunning { .. }
            | Self::HostNetwork { .. }
            | Self::Host { .. } => true,
            Self::Open { source, .. } => source.kind() == io::ErrorKind::NotFound,
            Self::Own(_)
            | Self::Address { .. }
            | Self::Away { .. }
            | Self::Slow { .. }
            | Self::Speech { .. }
            | Self::TooLong { .. }
            | Self::Answer { .. }
            | Self::Refused { .. }
            | Self::Several { .. } => false,
        }
    }

    /// What to do about it, where there is something to be done.
    #[must_use]
    pub fn remedy(&self) -> Option<String> {
        Some(match self {
            Self::NoNetns { name } => format!("name it new:{name} to have it made"),
            Self::Away { engine, .. } => engine.start().to_owned(),
            Self::Address { variable, .. } => {
                format!("unset {variable}, or name the sandbox pid:N")
            }
            Self::NoContainer { engine, .. } => format!("{engine} ps --all lists what there is"),
            Self::Several { .. } => "give more of the id, or the name".to_owned(),
            Self::NotRunning { engine, name, .. } => format!("{engine} start {name}"),
            Self::HostNetwork { engine, .. } => {
                format!("start it with a network of its own: {engine} run --network none")
            }
            Self::Host { .. } => "name a sandbox that has a network of its own".to_owned(),
            Self::Open { .. }
            | Self::NotNetns { .. }
            | Self::NoProcess { .. }
            | Self::Own(_)
            | Self::Slow { .. }
            | Self::Speech { .. }
            | Self::TooLong { .. }
            | Self::Answer { .. }
            | Self::Refused { .. } => return None,
        })
    }
}
