//! Expressions: a name and attributes.
//!
//! Reading is exact or not at all: an expression with an attribute that its fact could not hold
//! becomes [`ropewalk_facts::nft::Expr::Opaque`], its attributes byte for byte.

mod read;
mod write;

pub(super) use read::read;
pub(super) use write::put;
