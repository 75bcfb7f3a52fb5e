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
pub mod endpoint;
mod guard;
mod id;
pub mod keep;
mod key;
pub mod live;
mod member;
pub mod own;
pub mod public;
mod record;
mod room;
mod site;
pub mod verbs;
mod view;
mod wish;

pub use block::{Place, Pool};
pub use endpoint::Endpoint;
pub use guard::{Guard, Passed};
pub use id::HostId;
pub use key::{Key, PREFIX};
pub use member::{ANEW, Fresh, Member};
pub use record::{
    Block, BlockState, Dispute, Drain, Exception, Gone, Host, Meta, Net, Public, SCHEMA,
};
pub use room::{Spares, wanted};
pub use site::{Defined, HERE, Held, Memory, Progress, Site, Unusable};
pub use view::{Kept, View};
pub use wish::{Again, Peers, Reached, Wish, reached, wishes};
