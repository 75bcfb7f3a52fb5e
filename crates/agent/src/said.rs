//! What the agent says: one line for each thing it did, as words or as JSON.
//!
//!     repaired network web: address 10.9.0.1/24 dev rw-web was missing (an address went; 12 ms)

use std::fmt;
use std::time::Duration;

use ropewalk_engine::{Done, Fault, Finding};
use serde::Serialize;

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Said {
    /// It listens, and everything has been looked at once.
    Ready {
        /// Its process id.
        pid: u32,
    },
    /// Something was not as it was made, and is again.
    Repaired {
        /// The network or attachment.
        owner: String,
        /// The object.
        object: String,
        /// How it is again.
        wanted: String,
        /// How it was found.
        found: String,
        /// What made the agent look.
        why: String,
        /// Milliseconds from hearing of it to having it right.
        ms: u64,
    },
    /// Something died, or was cut short, and is cleared away.
    Cleared {
        /// What was cleared away, and why.
        what: String,
    },
    /// Something could not be done. The same is said once, until it changes.
    Refused {
        /// The fault, as every command says it.
        fault: Fault,
    },
    /// Something about the cluster that a person should know.
    Cluster {
        /// In words.
        what: String,
    },
    /// Somebody keeps changing what was put right.
    Strife {
        /// Seconds until the next look.
        pause_s: u64,
    },
    /// It ends.
    Stopped,
}

impl Said {
    pub(crate) fn repaired(finding: &Finding, why: &str, took: Duration) -> Self {
        Self::Repaired {
            owner: finding.owner.clone(),
            object: finding.object.clone(),
            wanted: finding.wanted.clone(),
            found: finding.found.clone(),
            why: why.to_owned(),
            ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn cleared(done: &Done) -> Self {
        let text = format!("{} {}: {}", done.verb, done.object, done.detail);
        Self::Cleared { what: text.trim_end_matches([' ', ':']).to_owned() }
    }
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready { pid } => write!(f, "ready (pid {pid})"),
            Self::Repaired { owner, object, found, why, ms, .. } => {
                let was = if found == "missing" { "was missing" } else { "was changed" };
                write!(f, "repaired {owner}: {object} {was} ({why}; {ms} ms)")
            }
            Self::Cleared { what } => f.write_str(what),
            Self::Cluster { what } => write!(f, "cluster: {what}"),
            Self::Refused { fault } => write!(f, "{fault}"),
            Self::Strife { pause_s } => {
                write!(f, "somebody keeps changing the same: next look in {pause_s} s")
            }
            Self::Stopped => f.write_str("stopped"),
        }
    }
}
