//! Conflicts: what stands in the way of a plan.

use ropewalk_facts::{Key, LinkKind};

/// Why a plan cannot be carried out on what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Conflict {
    /// The plan makes an object that somebody else made before.
    #[error("{0} is already there")]
    AlreadyThere(Box<Key>),
    /// A link of this name is of another kind, or a pair's end leads elsewhere.
    #[error("{key} is of kind {found:?}, not {wanted:?}")]
    OtherKind {
        /// The link.
        key: Box<Key>,
        /// What the plan says it is.
        wanted: Box<LinkKind>,
        /// What it is.
        found: Box<LinkKind>,
    },
    /// The object is there, but differs in something that is settled when it is made.
    #[error("{key} is there with another {what}, which cannot be changed")]
    Fixed {
        /// The object.
        key: Box<Key>,
        /// What differs.
        what: &'static str,
    },
    /// A link has to be made that no plan can make: a network card, or a veth whose other end
    /// is not said.
    #[error("{0} is not there and cannot be made")]
    CannotMake(Box<Key>),
    /// An object shall go that cannot be removed.
    #[error("{0} cannot be removed")]
    CannotRemove(Box<Key>),
}
