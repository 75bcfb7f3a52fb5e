//! Plans: what shall be, what that changes, how it is undone, and what it looks like as commands.
//!
//!     Plan = steps ──predict(snapshot)──▶ Changes ──▶ executed by the kernel layer
//!                                          │   └────▶ rendered as ip, nft, sysctl commands
//!                                          └─invert─▶ Changes that undo them
//!
//! The same list of changes is the dry run, the journal and, reversed, the undo, so they cannot
//! disagree.  Never here: the kernel, clocks, chance.

mod change;
pub mod render;
mod step;

pub use change::Change;
pub use step::{Duplicate, Plan, Step};
