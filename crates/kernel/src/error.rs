//! What can go wrong between a change and the kernel.

use std::fmt;
use std::path::PathBuf;

use ropewalk_facts::{IfName, Key, Ns};
use ropewalk_wire::nl::Outcome;

use crate::errno::Errno;

/// Why something was not read or not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The kernel said no.
    #[error("cannot {doing}{}: {errno}{}", of(key.as_deref()), words(extack.as_deref()))]
    Refused {
        /// What was tried.
        doing: Doing,
        /// On which object, where it was one.
        key: Option<Box<Key>>,
        /// The reason, as a number.
        errno: Errno,
        /// The reason, in the kernel's own words (extended acknowledgement).
        extack: Option<String>,
    },
    /// The nft table that an object belongs to is not there.
    #[error("the nft table of {0:?} is not there")]
    NoTable(Box<Key>),
    /// The file is there, but is no network namespace.
    #[error("{0} is not a network namespace")]
    NotNetns(PathBuf),
    /// The namespace has not been added.
    #[error("namespace {0} is not open")]
    UnknownNs(Ns),
    /// There is no link of this name.
    #[error("there is no link {name} in namespace {ns}")]
    NoLink {
        /// Where it was looked for.
        ns: Ns,
        /// Its name.
        name: IfName,
    },
    /// The change is none that the kernel knows a request for.
    #[error("{0:?} cannot be changed so")]
    Impossible(Box<Key>),
    /// A fact that cannot be written down, or an answer that cannot be read.
    #[error(transparent)]
    Wire(#[from] ropewalk_wire::Error),
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "its text says it")]
pub enum Doing {
    OpenSocket,
    Send,
    Receive,
    Enter,
    OpenNetns,
    OpenTun,
    CreateNetns,
    DeleteNetns,
    Create,
    Change,
    Delete,
    Read,
    Probe,
    OpenLan,
    SendLan,
    HearLan,
    Listen,
    SendProbe,
    Trace,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenSocket => "open a netlink socket",
            Self::Send => "send over netlink",
            Self::Receive => "receive over netlink",
            Self::Enter => "enter the namespace",
            Self::OpenNetns => "open the namespace",
            Self::OpenTun => "open /dev/net/tun, which makes taps",
            Self::CreateNetns => "create the namespace",
            Self::DeleteNetns => "delete the namespace",
            Self::Create => "create",
            Self::Change => "change",
            Self::Delete => "delete",
            Self::Read => "read",
            Self::Probe => "probe the port",
            Self::OpenLan => "open the LAN behind",
            Self::SendLan => "send to the LAN",
            Self::HearLan => "hear the LAN",
            Self::Listen => "listen to packets",
            Self::SendProbe => "send a probe",
            Self::Trace => "trace drops by BPF",
        })
    }
}

fn of(key: Option<&Key>) -> String {
    key.map(|key| format!(" {key:?}")).unwrap_or_default()
}

fn words(extack: Option<&str>) -> String {
    extack.map(|text| format!(" ({text})")).unwrap_or_default()
}

impl Error {
    /// The kernel's number, where it gave one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            Self::NoTable(_) => Some(Errno::NOENT),
            Self::NotNetns(_)
            | Self::UnknownNs(_)
            | Self::NoLink { .. }
            | Self::Impossible(_)
            | Self::Wire(_) => None,
        }
    }

    /// The object that it is about, where it is one.
    #[must_use]
    pub fn key(&self) -> Option<&Key> {
        match self {
            Self::Refused { key, .. } => key.as_deref(),
            Self::NoTable(key) | Self::Impossible(key) => Some(key),
            Self::NotNetns(_) | Self::UnknownNs(_) | Self::NoLink { .. } | Self::Wire(_) => None,
        }
    }

    /// Refused without further words.
    pub(crate) fn sys(doing: Doing, errno: impl Into<Errno>) -> Self {
        Self::Refused { doing, key: None, errno: errno.into(), extack: None }
    }

    /// Refused in the kernel's own words.
    pub(crate) fn refused(doing: Doing, outcome: Outcome) -> Self {
        let Outcome { errno, text: extack, .. } = outcome;
        Self::Refused { doing, key: None, errno: Errno(errno), extack }
    }

    /// The same, said of `key`.
    pub(crate) fn about(self, key: &Key) -> Self {
        if let Self::Refused { doing, key: None, errno, extack } = self {
            return Self::Refused { doing, key: Some(Box::new(key.clone())), errno, extack };
        }
        self
    }
}

/// For `map_err`: refused while `doing`.
pub(crate) fn sys(doing: Doing) -> impl Fn(rustix::io::Errno) -> Error {
    move |errno| Error::sys(doing, errno)
}

/// For `map_err` on files: refused while `doing`.
pub(crate) fn file(doing: Doing) -> impl Fn(std::io::Error) -> Error {
    move |e| Error::sys(doing, &e)
}
