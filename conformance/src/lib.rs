//! A conformance suite for CNI plugins: black-box, for any directory of them.
//!
//!     conformance --cni /opt/cni/bin [--plugin bridge] [--json report.json]
//!
//! Each check is a function on a host of its own (network and mount namespaces, empty /run, /var/lib/cni and
//! /etc/cni): it calls plugins as runtimes do, looks at the kernel and at results, and says what must hold.
//! `contract` is what the reference plugins do and runtimes rely on, `better` what ropewalk promises beyond.
//! Never here: anything of ropewalk's inside; the machine's own network.

#![expect(
    clippy::indexing_slicing,
    reason = "of a JSON value by name, which is null where there is none"
)]

mod call;
mod check;
mod checks;
mod host;
mod look;
mod main_line;
mod need;
mod net;
mod report;
mod run;
mod talk;

pub use check::{Check, Group, Held, Level, Miss};
pub use checks::GROUPS;
pub use host::Host;
pub use main_line::{USAGE, main};
pub use report::Report;
pub use run::{Verdict, Wish, link, run};
