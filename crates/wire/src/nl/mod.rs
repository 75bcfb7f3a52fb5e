//! Netlink itself: requests, messages, attributes and the kernel's answers, of whatever family.
//!
//!     struct nlmsghdr { len u32, type u16, flags u16, seq u32, pid u32 }  body, padded to 4 bytes
//!     struct nlattr   { len u16, type u16 }                               data, padded to 4 bytes
//!
//! Numbers are in the byte order of the host unless a family says otherwise
//! (include/uapi/linux/netlink.h).  Never here: what a family's messages mean.

mod answer;
mod attr;
mod message;
#[cfg(test)]
mod tests;

pub use answer::{Answer, Outcome};
pub use attr::{Attr, Attrs, Open, Writer, attrs};
pub use message::{Message, Messages, Request, messages};
pub(crate) use message::{u16_at, u32_at};

/// Types of messages that every family has (`NLMSG_*`).
pub mod kind {
    /// Nothing.
    pub const NOOP: u16 = 1;
    /// An error, or with errno 0 an acknowledgement.
    pub const ERROR: u16 = 2;
    /// The end of a dump.
    pub const DONE: u16 = 3;
}

/// Flags of messages (`NLM_F_*`).
pub mod flag {
    /// It asks for something.
    pub const REQUEST: u16 = 1;
    /// It is one of several parts, the last of which is [`super::kind::DONE`].
    pub const MULTI: u16 = 2;
    /// An acknowledgement is wanted even when all goes well.
    pub const ACK: u16 = 4;
    /// The object that results is wanted as a message too.
    pub const ECHO: u16 = 8;
    /// The objects changed while they were dumped: the dump is not to be trusted.
    pub const DUMP_INTR: u16 = 0x10;
    /// Get: all objects.
    pub const DUMP: u16 = 0x300;
    /// New: an object that exists is replaced.
    pub const REPLACE: u16 = 0x100;
    /// New: an object that exists is an error.
    pub const EXCL: u16 = 0x200;
    /// New: an object that does not exist is made.
    pub const CREATE: u16 = 0x400;
    /// New: added at the end of a list.
    pub const APPEND: u16 = 0x800;
    /// Acknowledgement: the request it carries was cut to its header.
    pub const CAPPED: u16 = 0x100;
    /// Acknowledgement: attributes follow the request.
    pub const ACK_TLVS: u16 = 0x200;
}
