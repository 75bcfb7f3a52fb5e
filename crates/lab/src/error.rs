//! What can go wrong with a lab.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use ropewalk_plan::Conflict;

use crate::flaw::FileError;
use crate::name::{BadName, Name, Place};
use crate::wiring::WiringError;

/// Why a lab was not made, entered or removed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The lab file has a mistake.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lab is up already.
    #[error("lab `{0}` is up already")]
    AlreadyUp(Name),
    /// There is no such lab.
    #[error("no lab `{0}` is up")]
    NotUp(Name),
    /// There is no such place in any lab that is up, or in this one.
    #[error("there is no host or container `{0}` in a lab that is up")]
    NoPlace(Place),
    /// Several labs have such a place.
    #[error("`{place}` is in several labs that are up: {}", names(labs))]
    Several {
        /// The place.
        place: Place,
        /// The labs.
        labs: Vec<Name>,
    },
    /// A name that cannot be one.
    #[error(transparent)]
    Name(BadName),
    /// Nothing to run was given.
    #[error("no command was given")]
    NoCommand,
    /// The system said no.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    System {
        /// What was tried.
        doing: Doing,
        /// On what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
    /// The lab cannot be described as a plan.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The plan contradicts itself.
    #[error(transparent)]
    Conflict(#[from] Conflict),
    /// The kernel refused a namespace of the lab.
    #[error(transparent)]
    Kernel(#[from] ropewalk_kernel::Error),
    /// The kernel refused a cable.
    #[error(transparent)]
    Failure(#[from] ropewalk_kernel::Failure),
}

/// What was tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "its text says it")]
pub enum Doing {
    Read,
    Write,
    Lock,
    Mount,
    Unmount,
    Remove,
    Split,
    Enter,
    Start,
    Stop,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Lock => "lock",
            Self::Mount => "mount",
            Self::Unmount => "unmount",
            Self::Remove => "remove",
            Self::Split => "make namespaces for",
            Self::Enter => "enter",
            Self::Start => "start",
            Self::Stop => "stop",
        })
    }
}

/// For `map_err`: refused while `doing` something to `path`.
pub(crate) fn system<E: Into<io::Error>>(
    doing: Doing,
    path: impl AsRef<Path>,
) -> impl FnOnce(E) -> Error {
    move |e| Error::System { doing, path: path.as_ref().to_owned(), source: e.into() }
}

fn names(labs: &[Name]) -> String {
    labs.iter().map(Name::as_str).collect::<Vec<_>>().join(", ")
}
