//! What can go wrong between facts and bytes.

use ropewalk_facts::IfName;
use ropewalk_facts::nft::{RuleKey, SetKey};

/// Why something cannot be written down or read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// An attribute would be longer than its 16-bit length can say.
    #[error("netlink attribute {kind} is longer than 65535 bytes")]
    Overlong {
        /// The attribute.
        kind: u16,
    },
    /// Bytes end before the message that they announce does, or announce less than its header.
    #[error("netlink message of {announced} bytes in {present}")]
    Cut {
        /// How long the message says it is.
        announced: usize,
        /// How many bytes there are.
        present: usize,
    },
    /// The interface has no index in the table of links.
    #[error("no index is known for interface {0}")]
    NoIndex(IfName),
    /// A message speaks of an interface that is not in the table of links: it came into being
    /// after the table was made.
    #[error("no name is known for interface index {0}")]
    NoName(u32),
    /// The message lacks what every message of its kind has.
    #[error("netlink message of type {kind} makes no sense")]
    Malformed {
        /// Its type.
        kind: u16,
    },
    /// A veth is to be made, but its other end is not known.
    #[error("veth {0} has no peer")]
    NoPeer(IfName),
    /// It cannot be made or changed so: the object would have to be removed and made anew.
    #[error("the kernel fixes this when it makes the object")]
    Fixed,
    /// The object is not one of this family of messages.
    #[error("not an object of this netlink family")]
    Foreign,
    /// The type of a key or value of an nft set is not known, or has no length of its own.
    #[error("the length of type {0} is not known")]
    UnknownType(String),
    /// Elements are written by the types of their set, which has not been made known.
    #[error("set {} is not known", .0.set)]
    NoSet(Box<SetKey>),
    /// A rule is changed and removed by its handle, which has not been read.
    #[error("no handle is known for rule {} of chain {}", .0.tag, .0.chain.chain)]
    NoHandle(Box<RuleKey>),
}
