//! The binary as people and scripts run it.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod agent;
mod bad_input;
mod capture;
mod chance;
mod cluster;
mod cluster_flat;
mod cluster_modes;
mod cni;
mod crash;
mod crowd;
mod docker;
mod fix;
mod flat;
mod host;
mod labs;
mod lists;
mod machine;
mod pages;
mod pairs;
mod rates;
mod readme;
mod run;
mod scene;
mod uplink;
mod usage;
mod verbs;
mod vxlan;
mod why;
mod why_engines;
