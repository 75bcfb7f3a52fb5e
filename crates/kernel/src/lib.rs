//! The kernel: namespaces, sockets, reading into facts, carrying out changes.
//!
//!     let mut kernel = Kernel::new()?;                      // the host: the namespace of this thread
//!     kernel.add(ns, netns::open_named("red")?)?;           // one more, by its file descriptor
//!     let found   = kernel.read_keys(&keys)?;               // targeted: nothing is dumped
//!     let found   = kernel.read_all(&ns)?;                  // the whole namespace
//!     let done    = kernel.apply(&changes)?;                // in order, in few sends; else rolled back
//!
//!     Kernel::{new() add(Ns, OwnedFd) forget(&Ns) open() cookie(&Ns) fd(&Ns) inside(&Ns, work)}
//!     Kernel::read_all(&mut self, &Ns) -> Result<Snapshot, Error>
//!     Kernel::read_keys(&mut self, &[Key]) -> Result<Snapshot, Error>
//!     Kernel::execute(&mut self, &[Change]) -> Result<(), Failure>      stops at the first refusal
//!     Kernel::apply(&mut self, &[Change]) -> Result<(), Failure>        … and takes back what was done
//!     Failure { at: usize, done: Vec<usize>, error: Error, stuck: Vec<Error> }
//!     Kernel::know_sets(&mut self, &Ns, impl IntoIterator<Item = nft::Set>)   saves asking for them
//!     Kernel::forget_udp(&mut self, &Ns, port, Option<IpAddr>) · carrier(&mut self, &Ns, &IfName) · settle(&mut self, &Ns, &[IfName]) · ping()
//!     listeners(proto, port) -> Result<Vec<Listener{addr, both, holder}>, Error> · port_free(addr, proto, port)
//!     Watch::{open() fds() drain()}: told of what changes · Kernel::{ears probe}, Drops::{open take}: packets heard, sent, lost
//!     Kernel::take_back(&mut self, &[Change]) -> Vec<Error>             undoes what is there of them
//!     netns::{create delete open_named open_path open_pid current names exists facts}
//!
//! The only crate that touches the kernel, and the only one with `unsafe`, all of it in `sys`.
//! Threads are never spawned: a namespace is entered by the calling thread and left again, or the
//! process aborts.  Never here: what ought to be (`plan`), bytes (`wire`), files of ours (`store`).

mod batch;
mod below;
mod drops;
mod ears;
mod echo;
mod enter;
mod errno;
mod error;
mod execute;
pub mod failpoint;
pub mod firewalld;
mod flows;
mod holder;
mod lan;
mod links;
mod listener;
pub mod netns;
mod port;
mod probe;
mod read;
mod reply;
mod restore;
mod run;
pub mod scan;
mod socket;
mod source;
mod space;
mod sys;
mod sysctl;
mod tap;
mod trial;
mod watch;
mod xt;

pub use drops::{Drops, Lost, functions};
pub use ears::{Ears, Overheard, Toward};
pub use echo::ping;
pub use enter::enter;
pub use errno::Errno;
pub use error::{Doing, Error};
pub use execute::Failure;
pub use holder::Holder;
pub use lan::Lan;
pub use listener::{Listener, listeners};
pub use port::port_free;
pub use probe::{Answered, Probe, Sending};
pub use restore::{Restore, Unwritten};
pub use socket::{Protocol, Socket};
pub use source::source_to;
pub use space::Kernel;
pub use sys::{give_back_memory, trim_memory};
pub use trial::{Refused, ask_hosts};
pub use watch::{Event, Watch};

/// What is told, in the words of each family.
pub mod events {
    pub use ropewalk_wire::{nft, rt};
}

/// True for a link that is a radio: sysfs has a folder for that in it. As sysfs shows the namespace
/// that it was mounted in, this speaks of the host's links only.
#[must_use]
pub fn wireless(dev: &ropewalk_facts::IfName) -> bool {
    let link = std::path::Path::new("/sys/class/net").join(dev.as_str());
    ["wireless", "phy80211"].iter().any(|name| link.join(name).exists())
}

/// True for root, without whom the kernel refuses almost everything that is done here.
#[must_use]
pub fn privileged() -> bool {
    rustix::process::geteuid().is_root()
}

/// The socket that a service manager opened for this process, the first time it is asked for:
/// `LISTEN_PID` and `LISTEN_FDS` say whether there is one.
#[must_use]
pub fn passed_socket() -> Option<std::os::fd::OwnedFd> {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u32>().ok();
    let ours = number("LISTEN_PID") == Some(std::process::id());
    if ours && number("LISTEN_FDS") >= Some(1) { sys::passed_socket() } else { None }
}
