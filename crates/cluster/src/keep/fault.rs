//! Why a store did not do what it was asked to.
//!
//! Never here: what to do about it (after any of them: list again, then decide anew).

/// A store that failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// No member answers, or those that do have no leader. Whether a transaction was done is open.
    #[error("the store is away: {member}: {why}")]
    Away {
        /// The member that was asked last.
        member: String,
        /// In the words of whoever knows.
        why: String,
    },
    /// It does not let this host do that: credentials, certificates, rights.
    #[error("the store refuses: {member}: {why}")]
    Refused {
        /// The member that was asked last.
        member: String,
        /// In its words.
        why: String,
    },
    /// What changed since the revision that was asked for is forgotten.
    #[error("the store has forgotten what changed before revision {oldest}")]
    Compacted {
        /// The oldest revision that it knows.
        oldest: u64,
    },
    /// It is at an earlier revision than it was: it was put back to what it had been.
    #[error("the store is at revision {revision} and was at {seen}: it was put back or wiped")]
    Behind {
        /// Where it is.
        revision: u64,
        /// Where it was.
        seen: u64,
    },
    /// It takes nothing more until its operator makes room.
    #[error("the store is full: {why}")]
    Full {
        /// In its words.
        why: String,
    },
    /// A certificate or a key cannot be used.
    #[error("cannot use the certificates: {why}")]
    Certificates {
        /// In the words of whoever read them.
        why: String,
    },
    /// An answer made no sense.
    #[error("the store answers {what}")]
    Odd {
        /// What was odd.
        what: &'static str,
    },
    /// The file of the host's own store failed.
    #[error("the store of this host: {why}")]
    Database {
        /// In its words.
        why: String,
    },
}

impl Fault {
    /// Whether it is about who asks: a password, or certificates.
    #[must_use]
    pub fn of_access(&self) -> bool {
        matches!(self, Self::Refused { .. } | Self::Certificates { .. })
    }
}
