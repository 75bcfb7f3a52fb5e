//! The kernel layer against a real kernel, in private namespaces.
#![expect(clippy::unwrap_used, reason = "tests")]

mod netns;
mod port;
mod socket;
