//! Requests on their way out, messages on their way in.

use super::Answer;
use super::flag;
use crate::Error;

/// Length of `struct nlmsghdr`.
pub(super) const HEADER: usize = 16;

/// `n` rounded up to a multiple of four.
pub(super) fn aligned(n: usize) -> usize {
    n.saturating_add(3) & !3
}

/// One message to the kernel, without what only the socket knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// What is asked: `RTM_NEWLINK`, or the family's number and the message's for netfilter.
    pub kind: u16,
    /// [`flag`]s; [`flag::REQUEST`] goes without saying.
    pub flags: u16,
    /// The family's header and the attributes.
    pub body: Vec<u8>,
}

impl Request {
    /// Appends the message to `out` with its header, padded to four bytes. [`flag::ACK`] and the
    /// like are sent as they stand in `flags`.
    pub fn encode(&self, seq: u32, portid: u32, out: &mut Vec<u8>) {
        let len = HEADER + self.body.len();
        out.reserve(aligned(len));
        out.extend(u32::try_from(len).unwrap_or(u32::MAX).to_ne_bytes());
        out.extend(self.kind.to_ne_bytes());
        out.extend((self.flags | flag::REQUEST).to_ne_bytes());
        out.extend(seq.to_ne_bytes());
        out.extend(portid.to_ne_bytes());
        out.extend(&self.body);
        out.resize(out.len() + aligned(len) - len, 0);
    }
}

/// One message from the kernel; `body` lies within the bounds that its header announces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// What it is.
    pub kind: u16,
    /// [`flag`]s.
    pub flags: u16,
    /// The number of the request that it answers; 0 for a notification.
    pub seq: u32,
    /// The port that it is meant for, or that caused a notification.
    pub pid: u32,
    /// What follows the header.
    pub body: &'a [u8],
}

impl<'a> Message<'a> {
    /// True when the dump that it belongs to was disturbed and must be repeated.
    #[must_use]
    pub fn interrupted(&self) -> bool {
        self.flags & flag::DUMP_INTR != 0
    }

    /// Whether it ends something or carries something.
    #[must_use]
    pub fn answer(&self) -> Answer<'a> {
        Answer::of(*self)
    }
}

/// The messages of one datagram. A message that is cut off is an error, and the last item.
#[must_use]
pub fn messages(datagram: &[u8]) -> Messages<'_> {
    Messages { rest: datagram }
}

/// Iterator of [`messages`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let found = split(self.rest);
        self.rest = found.as_ref().map_or(&[], |(_, rest)| *rest);
        Some(found.map(|(message, _)| message))
    }
}

/// The first message, and what follows it.
fn split(bytes: &[u8]) -> Result<(Message<'_>, &[u8]), Error> {
    let announced = u32_at(bytes, 0).and_then(|n| usize::try_from(n).ok()).unwrap_or(HEADER);
    let cut = Error::Cut { announced, present: bytes.len() };
    let found = || {
        let message = Message {
            kind: u16_at(bytes, 4)?,
            flags: u16_at(bytes, 6)?,
            seq: u32_at(bytes, 8)?,
            pid: u32_at(bytes, 12)?,
            body: bytes.get(HEADER..announced)?,
        };
        Some((message, bytes.get(aligned(announced)..).unwrap_or_default()))
    };
    found().ok_or(cut)
}

/// The number at `at`, where there are bytes enough.
pub(crate) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

/// The number at `at`, where there are bytes enough.
pub(crate) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}
