//! Numbers by which one namespace knows others (`ip netns list-id`).
//!
//!     struct rtgenmsg { family u8 }, padded to four bytes

use super::consts::*;
use crate::Error;
use crate::nl::{Message, Request, Writer, attrs};

/// Asks by what number the namespace behind the file descriptor is known here.
///
/// # Errors
/// None in practice: the message is short.
pub fn nsid_get(fd: i32) -> Result<Request, Error> {
    let mut w = Writer::with(&[AF_UNSPEC]);
    w.i32(NETNSA_FD, fd);
    Ok(Request { kind: RTM_GETNSID, flags: 0, body: w.finish()? })
}

/// The number in the answer to [`nsid_get`]; `None` where there is none yet.
#[must_use]
pub fn nsid_of(message: &Message<'_>) -> Option<i32> {
    if message.kind != RTM_NEWNSID {
        return None;
    }
    let number = attrs(message.body.get(4..)?).first(NETNSA_NSID)?.i32()?;
    (number >= 0).then_some(number)
}
