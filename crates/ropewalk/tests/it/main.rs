//! The binary as people and scripts run it.
#![expect(clippy::expect_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

mod pages;
mod run;
mod usage;
