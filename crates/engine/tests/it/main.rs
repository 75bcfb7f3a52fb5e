//! The verbs against a real kernel, in private namespaces.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "tests drive programs, and wait for the kernel"
)]

mod all;
mod attach;
mod attack;
mod beside;
mod cases;
mod dhcp;
mod direct;
mod fence;
mod flat;
mod host;
mod networks;
mod publish;
mod purge;
mod repair;
mod twin;

use host::Host;
