//! Labs: hosts, LANs, routers and containers as namespaces, from one TOML file.
//!
//!     file ──parse──▶ Lab ──wiring──▶ Plan (facts in named namespaces) ──▶ kernel
//!                      └────picture─▶ text
//!
//! Never here: the machine's own network namespace; a lab only makes new ones.

mod check;
mod error;
mod file;
mod model;
mod name;
pub mod picture;
mod text;
pub mod wiring;

pub use error::{FileError, Flaw};
pub use model::{Action, Container, Expect, Host, Lab, Lan, Nic, Probe, Step};
pub use name::{BadName, Name, Place};
pub use text::BadText;
