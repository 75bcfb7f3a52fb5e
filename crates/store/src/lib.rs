//! What ropewalk remembers: networks, attachments, leases, claimed ports and repairs, shared by all processes.
//!
//!     /run/ropewalk/  data.mdb  lock.mdb   the database (LMDB)
//!                     stamp                which boot and which network namespace it speaks of
//!                     lock                 byte 0: structure; one byte for each attachment
//!
//! Leases, claims and the index by network follow from the records in the transaction that writes
//! them, so they cannot disagree.  State is worth as much as the kernel state it describes: after
//! another boot it is dropped, and nothing is synced to disk.  Never here: the kernel, decisions.

mod claim;
mod dhcp;
mod error;
mod key;
mod lock;
mod read;
mod record;
mod stamp;
mod store;
mod write;

pub use dhcp::{Dhcp, DhcpLease, Due};
pub use error::StoreError;
pub use lock::Held;
pub use read::Reader;
pub use record::{
    AttachmentKey, AttachmentRecord, Cni, NetworkHead, NetworkRecord, Origin, Part, RepairRecord,
    State,
};
pub use stamp::Stamp;
pub use store::Store;
pub use write::Writer;
