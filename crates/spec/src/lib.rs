//! The words people use: networks, attachments, published ports, checked once where they enter.
//!
//!     command line ─┐                 check              ┌─▶ Network   (subnets, gateways, masquerade)
//!     TOML file ────┴─▶ RawNetwork, RawEndpoint ─────────┴─▶ Endpoint  (sandbox, addresses, ports)
//!
//! The raw form holds text as it was written; the valid form cannot hold nonsense, so nothing below
//! checks again.  Never here: the kernel, files, clocks, chance, which address is free.

mod allow;
mod combined;
mod direct;
mod endpoint;
mod error;
mod far;
mod file;
mod foreign;
mod joins;
mod masquerade;
mod mode;
mod name;
pub mod names;
mod network;
pub mod pool;
mod publish;
mod rate;
mod raw;
mod sandbox;
mod share;
mod span;
mod subnet;
mod subnets;
mod told;
mod vxlan;

pub use allow::{Allow, Carried};
pub use direct::Direct;
pub use endpoint::{Endpoint, RawEndpoint};
pub use error::{Form, Object, Problem, SpecError};
pub use far::Far;
pub use file::{Declaration, FileError, Flaw, to_toml};
pub use foreign::{Chains, Foreign, Line, Lodged, Own, Sign};
pub use joins::Joins;
pub use masquerade::Masquerade;
pub use mode::{Mode, Parent, Reach};
pub use name::{ContainerName, NetnsName, NetworkName};
pub use network::{Network, RawNetwork};
pub use publish::{PortRange, Proto, Publish, hosts_meet};
pub use rate::Rate;
pub use sandbox::SandboxRef;
pub use share::Share;
pub use span::Place;
pub use subnet::Subnet;
pub use told::{Shared, Told, Way, Wired};
pub use vxlan::{Peer, Vxlan};
