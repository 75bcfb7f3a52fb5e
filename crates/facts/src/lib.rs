//! The nouns: one fact says one thing about one kernel object, one key says which object.
//!
//!     Fact  = in namespace N, link eth0 is a veth, up, mtu 1450 …
//!     Key   = in namespace N, link eth0
//!     Snapshot = ordered map Key → Fact
//!
//! What is wanted and what is found are the same type. In a wanted fact an `Option` that is `None`
//! leaves the matter to the kernel; a found fact says everything the kernel said.
//! Never here: input or output, clocks, chance, other crates of ours.

mod addr;
mod cast;
mod fact;
mod key;
mod link;
mod lower;
mod name;
mod neigh;
pub mod nft;
mod route;
mod rule;
pub mod seen;
mod show;
mod snapshot;
mod sysctl;
mod traffic;

pub use addr::{Addr, AddrKey, Lifetime, Scope};
pub use fact::{Body, Fact};
pub use key::{Id, Key};
pub use link::{Link, LinkKind, MemberFlags, MemberVlan, Peer, VxlanSpec};
pub use lower::{IpvlanMode, Lower, MacvlanMode, TapSpec};
pub use name::{IfName, Mac, NameError, Ns};
pub use neigh::{Fdb, FdbKey, Neigh, NeighKey};
pub use route::{NextHop, Route, RouteKey, RouteKind, proto, table};
pub use rule::{Rule, RuleAction};
pub use snapshot::Snapshot;
pub use sysctl::{Sysctl, SysctlPath};
pub use traffic::{Filter, FilterKey, FilterKind, Qdisc, QdiscKey, QdiscKind, Side, Tbf};
