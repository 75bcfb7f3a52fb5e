//! Labs: hosts, LANs, routers and containers as namespaces, from one TOML file.
//!
//!     file ──parse──▶ Lab ──wiring──▶ Plan (facts in named namespaces) ──▶ kernel
//!                      └────picture─▶ text
//!
//! Never here: the machine's own network namespace; a lab only makes new ones.

mod check;
mod demo;
mod docker;
mod doors;
mod error;
mod file;
mod flaw;
mod model;
mod name;
mod page;
pub mod picture;
mod pins;
mod play;
mod probe;
mod process;
mod scene;
mod show;
mod standing;
mod text;
pub mod wiring;

pub use demo::Demo;
pub use docker::clean_up;
pub use error::{Doing, Error};
pub use flaw::{FileError, Flaw};
pub use model::{Action, Bridge, Container, Expect, Host, Lab, Lan, Nic, Probe, Step};
pub use name::{BadName, Name, Place};
pub use page::serve;
pub use pins::{Kept, Root};
pub use play::{Event, play};
pub use probe::Answer;
pub use process::Started;
pub use standing::Standing;
pub use text::BadText;
