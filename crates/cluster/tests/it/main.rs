//! Ownership under everything that can happen to hosts and their store.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod model;
mod scenes;
mod world;
