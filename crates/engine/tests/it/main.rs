//! The verbs against a real kernel, in private namespaces.
#![expect(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod attach;
mod host;
mod networks;
mod publish;
mod purge;
mod repair;

use host::Host;
