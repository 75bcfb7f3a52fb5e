//! Neighbours: who owns an address on a link, who is answered for, and where a bridge sends a MAC.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::name::{IfName, Mac};
use crate::route::proto;

/// Which neighbour entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NeighKey {
    /// The link.
    pub dev: IfName,
    /// The neighbour's address.
    pub ip: IpAddr,
    /// A proxy entry: this host answers for the address on this link.
    pub proxy: bool,
}

/// A neighbour entry. Entries that the kernel learned are derived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Neigh {
    /// Which one.
    #[serde(flatten)]
    pub key: NeighKey,
    /// Its hardware address; none for a proxy entry or one not yet resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// State (`NUD_*`, include/uapi/linux/neighbour.h); 0x80 is permanent. 0 for a proxy entry.
    pub state: u16,
    /// Who made it, as for routes; 0 where it was not said.
    #[serde(default)]
    pub proto: u8,
    /// Learned by the kernel: read, never stated, never diffed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
}

impl Neigh {
    /// The state of an entry that never ages (`NUD_PERMANENT`).
    pub const PERMANENT: u16 = 0x80;

    /// This host answers for `ip` on `dev`, and bears ropewalk's mark for it.
    #[must_use]
    pub fn proxy(dev: IfName, ip: IpAddr) -> Self {
        let key = NeighKey { dev, ip, proxy: true };
        Self { key, mac: None, state: 0, proto: proto::ROPEWALK, derived: false }
    }
}

/// Which forwarding entry.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct FdbKey {
    /// The member of a bridge, or the VXLAN device itself.
    pub dev: IfName,
    /// The station. All zero on a VXLAN device: where unknown frames go.
    pub mac: Mac,
    /// In the device's own table (`self`), else in its bridge's (`master`).
    pub own: bool,
    /// VXLAN: the remote tunnel end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dst: Option<IpAddr>,
    /// VLAN that the entry is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
}

/// A forwarding entry: frames for a station leave by a member, or by a tunnel to a remote end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fdb {
    /// Which one.
    #[serde(flatten)]
    pub key: FdbKey,
    /// State (`NUD_*`): 0x80 permanent, 0x40 static (`NUD_NOARP`).
    pub state: u16,
    /// Learned, or made by the kernel for the device's own addresses: never stated, never diffed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub derived: bool,
}
