//! Address plugins: which addresses a container gets. `host-local` and `static` as they are in
//! files, `dhcp` by a daemon; other plugins delegate to them.

pub(crate) mod dhcp;
pub(crate) mod fixed;
pub(crate) mod host_local;
mod leases;
mod range;
mod resolv;
pub(crate) mod wishes;
