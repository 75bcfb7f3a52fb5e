//! The kernel's answers: done, refused and why, or data.
//!
//!     NLMSG_ERROR  errno i32 (≤ 0), header of the request, [its body], [attributes]
//!     NLMSG_DONE   errno i32, [attributes]
//!
//! The attributes (`NLMSGERR_ATTR_*`) say in words what was wrong, and at which byte of the
//! request. With NLM_F_CAPPED the request's body is left out.

use super::attr::attrs;
use super::message::{HEADER, Message, aligned, u32_at};
use super::{flag, kind};

/// Attributes of an acknowledgement (`enum nlmsgerr_attrs`).
pub(crate) mod ack {
    pub(crate) const MSG: u16 = 1;
    pub(crate) const OFFS: u16 = 2;
    pub(crate) const MISS_TYPE: u16 = 5;
}

/// What a message is, seen from who waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// The request that bears this message's number has been carried out or refused.
    Ack(Outcome),
    /// The dump is over.
    Done(Outcome),
    /// An object.
    Data(Message<'a>),
    /// Nothing.
    Noop,
}

/// How a request ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// 0 when it was carried out, else the number of the error (`EEXIST` is 17).
    pub errno: i32,
    /// The kernel's own words. Where `errno` is 0, a warning.
    pub text: Option<String>,
    /// Where in the request, its header included, the offending attribute begins.
    pub offset: Option<u32>,
    /// The type of an attribute that is missing.
    pub missing: Option<u32>,
}

impl Outcome {
    /// `Ok` when the request was carried out.
    ///
    /// # Errors
    /// Itself, when it was not.
    pub fn ok(self) -> Result<(), Self> {
        if self.errno == 0 { Ok(()) } else { Err(self) }
    }

    /// `attributes` explain `errno`, which the kernel gives as a negative number.
    fn of(errno: u32, attributes: &[u8]) -> Self {
        let errno = errno.cast_signed().saturating_neg();
        let mut outcome = Self { errno, ..Self::default() };
        for attr in attrs(attributes) {
            match attr.kind {
                ack::MSG => outcome.text = attr.text().map(str::to_owned),
                ack::OFFS => outcome.offset = attr.u32(),
                ack::MISS_TYPE => outcome.missing = attr.u32(),
                _ => {}
            }
        }
        outcome
    }
}

/// `EBADMSG`: an answer too short to say how it ended is a failure, never a success.
const EBADMSG: i32 = 74;

impl<'a> Answer<'a> {
    pub(super) fn of(message: Message<'a>) -> Self {
        match message.kind {
            kind::NOOP => Self::Noop,
            kind::ERROR => Self::Ack(error(message)),
            kind::DONE => Self::Done(done(message)),
            _ => Self::Data(message),
        }
    }
}

fn broken() -> Outcome {
    Outcome { errno: EBADMSG, ..Outcome::default() }
}

fn error(message: Message<'_>) -> Outcome {
    let Some(errno) = u32_at(message.body, 0) else { return broken() };
    Outcome::of(errno, explanation(message).unwrap_or_default())
}

/// The attributes behind the request that an error carries.
fn explanation(message: Message<'_>) -> Option<&[u8]> {
    if message.flags & flag::ACK_TLVS == 0 {
        return None;
    }
    let request = message.body.get(4..)?;
    let announced = usize::try_from(u32_at(request, 0)?).ok()?;
    let capped = message.flags & flag::CAPPED != 0;
    request.get(if capped { HEADER } else { aligned(announced) }..)
}

fn done(message: Message<'_>) -> Outcome {
    // Some families end a dump with no number at all.
    let errno = if message.body.is_empty() { Some(0) } else { u32_at(message.body, 0) };
    let Some(errno) = errno else { return broken() };
    let tlvs = if message.flags & flag::ACK_TLVS == 0 { None } else { message.body.get(4..) };
    Outcome::of(errno, tlvs.unwrap_or_default())
}
