//! CNI: the protocol by which container runtimes call network plugins (specification 1.1.0).
//!
//!     environment ──▶ Call      the verb, the container, its namespace and interface
//!     standard input ─▶ Conf    the network's configuration, in the version that it names
//!     Outcome ──▶ standard output, in that version · Fault ──▶ {code, msg, details}
//!
//! The protocol is pure: what a runtime said, and how it is answered. A plugin (`net`, `ipam`) puts
//! that into the engine's words.  Never here: the kernel.

mod args;
mod blame;
mod call;
mod chain;
mod conf;
mod delegate;
mod fault;
mod from;
mod install;
mod ipam;
mod json;
mod net;
mod outcome;
mod plugin;
mod print;
mod version;

pub use args::Args;
pub use call::{Call, Command};
pub use conf::Conf;
pub use fault::{Code, Fault};
pub use install::{DIR, Installed, Unusable, install, uninstall};
pub use json::{Json, Object};
pub use outcome::{Dns, Interface, Ip, Outcome, Route};
pub use plugin::Plugin;
pub use print::{about, fault, outcome, versions};
pub use version::Version;
