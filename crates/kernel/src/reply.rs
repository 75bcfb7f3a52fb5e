//! Answers kept until all are there.

use ropewalk_wire::nl::{Message, Outcome};

use crate::errno::Errno;
use crate::error::{Doing, Error};

/// A message with its own bytes.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    kind: u16,
    flags: u16,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn of(message: &Message<'_>) -> Self {
        Self { kind: message.kind, flags: message.flags, body: message.body.to_vec() }
    }

    pub(crate) fn message(&self) -> Message<'_> {
        Message { kind: self.kind, flags: self.flags, seq: 0, pid: 0, body: &self.body }
    }
}

/// `Ok` also when the question was about something that is not there; to questions about routes
/// and forwarding entries the kernel says so in many ways.
pub(crate) fn answered(outcome: Outcome) -> Result<(), Error> {
    let nothing = matches!(
        outcome.errno,
        libc::EOPNOTSUPP | libc::ENETUNREACH | libc::EHOSTUNREACH | libc::EACCES | libc::EINVAL
    );
    if nothing || Errno(outcome.errno).absent() {
        return Ok(());
    }
    outcome.ok().map_err(|outcome| Error::refused(Doing::Read, outcome))
}
