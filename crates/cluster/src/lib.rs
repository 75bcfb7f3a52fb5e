//! Many hosts: who owns which addresses, kept in a store that all of them share.
//!
//!     store ── list, watch ─▶ View ─┐
//!     this host's Journal ──────────┼─▶ own::decide ─▶ Journal, then transactions, and alarms
//!     what is wanted and in use ────┘
//!
//! A host owns whole blocks and leases from them by itself: no attachment waits for the store, or
//! notices that it is away.  Ownership never expires.  Decisions are functions of what is known;
//! each transaction says on what it relies, so late, lost and repeated ones do no harm.
//! Never here: the kernel, the attach path.

pub mod at;
mod block;
mod guard;
mod id;
pub mod keep;
mod key;
mod member;
pub mod own;
mod record;
mod site;
pub mod verbs;
mod view;
mod wish;

pub use block::{Place, Pool};
pub use guard::{Guard, Passed};
pub use id::HostId;
pub use key::{Key, PREFIX};
pub use member::Member;
pub use record::{Block, BlockState, Dispute, Drain, Exception, Gone, Host, Meta, Net, SCHEMA};
pub use site::{HERE, Held, Memory, Progress, Site, Unusable};
pub use view::{Kept, View};
pub use wish::{Wish, told_again, wishes};
