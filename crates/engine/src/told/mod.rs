//! What a container runtime tells: networks that grow with what their attachments need, and
//! attachments whose addresses come from outside.
//!
//!     share    what is not there yet of what a network's attachments share       (alone)
//!     attach   journal (pending) ─▶ kernel ─▶ journal (ready), with the answer    (shared)
//!     amend    what another plugin of the chain adds to the attachment
//!     detach   by what the runtime calls it, its namespace may be gone
//!
//! Never here: the protocol, which address.

mod amend;
mod attach;
mod domain;
mod gc;
mod inside;
mod own;
mod share;

use ropewalk_facts::{IfName, Mac};
use ropewalk_spec::{Network, SandboxRef, Shared, Told};
use ropewalk_store::Cni;

pub(crate) use share::passes;

pub use amend::{Amendment, Bare, Manner};
pub use attach::Made;

/// Which attachment of a runtime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Whom {
    /// What the runtime calls its network and its container.
    pub cni: Cni,
    /// The network in our words.
    pub network: Network,
    /// The interface.
    pub ifname: IfName,
}

/// An attachment as a runtime wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// Which.
    pub whom: Whom,
    /// The container's namespace.
    pub sandbox: SandboxRef,
    /// What it needs of what its network shares.
    pub shared: Vec<Shared>,
    /// Other addresses of the bridge give way to the gateways.
    pub force_address: bool,
    /// The interface and what is on it.
    pub told: Told,
}

impl Made {
    /// The hardware address of the leg.
    #[must_use]
    pub fn leg_mac(&self) -> Option<Mac> {
        self.mac.map(ropewalk_topology::leg_mac)
    }
}
