//! Plans: what shall be, what that changes, how it is undone, and what it looks like as commands.
//!
//!     Plan = steps ──predict(snapshot)──▶ Changes ──▶ executed by the kernel layer
//!                                          │   └────▶ rendered as ip, nft, sysctl commands
//!                                          └─invert─▶ Changes that undo them
//!
//! The same list of changes is the dry run, the journal and, reversed, the undo, so they cannot
//! disagree.  Never here: the kernel, clocks, chance.

mod apply;
mod change;
mod conflict;
mod describe;
mod diff;
mod holds;
mod invert;
#[cfg(test)]
mod laws;
mod lineage;
mod predict;
pub mod render;
mod step;
mod teardown;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod undo;
mod words;

pub use apply::apply;
pub use change::Change;
pub use conflict::Conflict;
pub use describe::describe;
pub use diff::diff;
pub use holds::{holds, merge};
pub use invert::invert;
pub use predict::predict;
pub use render::render;
pub use step::{Duplicate, Plan, Step};
pub use teardown::teardown;
pub use undo::undo;
