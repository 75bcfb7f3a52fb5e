//! What can go wrong between facts and bytes.

use ropewalk_facts::IfName;

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
}
