//! Address plugins: which addresses a container gets. `host-local` and `static` as they are in
//! files; other plugins delegate to them.

pub(crate) mod fixed;
pub(crate) mod host_local;
mod leases;
mod range;
mod resolv;
mod wishes;
