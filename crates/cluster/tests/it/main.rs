//! Ownership under everything that can happen to hosts and their store, and the stores themselves.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::disallowed_types,
    clippy::print_stderr,
    reason = "tests fail by panicking, and start processes"
)]

mod crowd;
mod etcd;
mod keeping;
mod model;
mod scenes;
mod world;
