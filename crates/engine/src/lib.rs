//! The engine: the verbs, and the only place that orders effects.
//!
//!     lease, claim, journal (pending) ─▶ kernel ─▶ journal (ready)        attach
//!     journal (leaving) ─▶ kernel ─▶ journal (gone)                       detach
//!
//! Whatever is changed was drafted first, by pure functions, as a list of changes; that list is in
//! the store before the kernel hears of it, so that a crash at any point leaves something that the
//! next run can finish or take back.  Never here: netlink, parsing, printing.

mod active;
mod all;
mod attach;
mod beside;
mod bgp;
mod capture;
mod check;
mod code;
mod connected;
mod declare;
mod definitions;
mod detach;
mod dhcp;
mod draft;
mod far;
mod fault;
mod fence;
mod fix;
mod from;
mod gc;
mod guard;
mod hand_over;
mod host;
mod journal;
mod known;
mod lan;
mod lead;
mod led;
mod list;
mod live;
mod lodge;
mod lost;
mod meant;
mod moved;
mod network;
mod parent;
mod paths;
mod peers;
mod pods;
mod publish;
mod purge;
mod read;
mod room;
mod routes;
mod sandbox;
mod spaces;
mod target;
mod tend;
mod told;
mod trial;
mod tunnel;
mod undo;
mod uplink;
mod view;
mod ways;
mod why;
mod wire;

use std::rc::Rc;

use ropewalk_facts::Ns;
use ropewalk_kernel::Kernel;
use ropewalk_store::{Stamp, Store};

pub use all::{Pair, why_all};
pub use bgp::{Session, Told};
pub use capture::{Captured, Until, capture};
pub use code::Code;
pub use declare::{Dry, Wanted};
pub use dhcp::{Renewal, Tenant};
pub use fault::{Fault, Words};
pub use fence::Fenced;
pub use fix::{Command, Repaired, fix_in};
pub use guard::{COMMAND as GUARD, guard};
pub use lan::Announced;
pub use lead::{Lead, Peers};
pub use list::{ForeignRow, OtherEnd};
pub use paths::Paths;
pub use pods::pod;
pub use routes::{RouteHint, hint};
pub use spaces::may_look;
pub use target::address_of;
pub use tend::{Doubts, Tended};
pub use told::{Amendment, Bare, Made, Manner, Whom, Wish};
pub use trial::Trial;
pub use undo::{Undoable, Undone};
pub use view::{
    Attached, Done, Finding, LeaseView, Limits, NetworkView, Row, SubnetView, TunnelView,
};
pub use ways::Reached;
pub use why::{snapshot, why, why_in};

use crate::definitions::Definitions;
use crate::journal::Journal;

/// One host: its kernel, its state and its definitions.
pub struct Engine {
    kernel: Kernel,
    store: Rc<Journal>,
    definitions: Definitions,
    /// This process is a guard itself, and needs none.
    guarding: bool,
    /// How far what is written down of the ways to other hosts is believed.
    written: Written,
}

/// How far what is written down of the ways to other hosts is believed by looks at them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Written {
    /// It is all there is.
    #[default]
    Whole,
    /// Ways may have been changed since ([`Lead`]): what is missing is put right, the rest is left alone.
    Older,
    /// They were, and it will be written down: all are left alone.
    Soon,
}

impl Engine {
    /// Opens the host that this process runs on.
    ///
    /// # Errors
    /// [`Code::NotPrivileged`] without root, [`Code::StateUnusable`], [`Code::StateForeign`].
    pub fn open(paths: &Paths) -> Result<Self, Fault> {
        need_root()?;
        let kernel = Kernel::new()?;
        let cookie = kernel.cookie(&Ns::HOST)?;
        let store = Store::open(&paths.state, &Stamp::of_this_boot(cookie)?)?;
        let store = Rc::new(Journal::new(store));
        Ok(Self {
            kernel,
            store,
            definitions: Definitions::new(&paths.config),
            guarding: false,
            written: Written::Whole,
        })
    }

    /// How far the looks of this engine believe what is written down of the ways to other hosts.
    pub fn believe(&mut self, written: Written) {
        self.written = written;
    }
}

/// Refuses who may not change networks.
///
/// # Errors
/// [`Code::NotPrivileged`].
pub fn need_root() -> Result<(), Fault> {
    match ropewalk_kernel::privileged() {
        true => Ok(()),
        false => Err(Fault::new(Code::NotPrivileged, "this needs root").or_try("sudo ropewalk …")),
    }
}

/// Milliseconds since 1970.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.ok().and_then(|d| u64::try_from(d.as_millis()).ok()).unwrap_or_default()
}
