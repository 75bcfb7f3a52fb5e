//! What is seen of a link beside its fact.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::link::Peer;

/// A link as seen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its flags (`IFF_*`).
    pub flags: u32,
    /// A signal is there: the other end is up.
    pub carrier: bool,
    /// The link that it sits upon or is paired with (`IFLA_LINK`), where its namespace was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other: Option<Peer>,
    /// It has such a link, wherever that is.
    #[serde(default)]
    pub paired: bool,
    /// Kind, as in `ip link add type KIND`.
    #[serde(default)]
    pub kind: String,
    /// Mode of a macvlan (`MACVLAN_MODE_*`: 1 private, 2 vepa, 4 bridge, 8 passthru).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub macvlan: Option<u32>,
    /// Number of a VLAN device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<u16>,
    /// An XDP program is attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xdp: Option<Xdp>,
    /// Its queueing disciplines, `clsact` among them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub qdiscs: Vec<Qdisc>,
    /// Kinds of the filters of tc on its way in, such as `bpf`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tc_in: Vec<String>,
    /// As `tc_in`, on the way out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tc_out: Vec<String>,
    /// What the filters of tc do, where all of those of a way are understood.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// VXLAN: where frames for stations go that are not known (`remote`, `group`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote: Option<IpAddr>,
    /// Bridge: it looks at VLAN tags.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vlan_filtering: bool,
    /// As a member of a bridge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<Port>,
    /// The VLANs that it is in, of a bridge that looks at their tags, or as a member of one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<InVlan>,
}

/// That a bridge or a member of one is in a VLAN (`bridge vlan show`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InVlan {
    /// Its number.
    pub id: u16,
    /// Frames without a tag that come in are of this one.
    #[serde(default)]
    pub pvid: bool,
    /// Frames go out without a tag.
    #[serde(default)]
    pub untagged: bool,
}

/// A filter of tc that is a program of BPF, or what one of another kind (`u32`, `matchall`) asks for, as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filter {
    /// On the way out, else on the way in.
    pub out: bool,
    /// Type of the frames that it looks at (`ETH_P_*`), 3 for all.
    pub proto: u16,
    /// What it returns is what is done (`direct-action`).
    pub direct: bool,
    /// An action of its own follows, which is not known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub acts: bool,
    /// Its instructions: classic ones.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub code: Vec<Classic>,
    /// What it always returns, where it is of the newer kind and so simple.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<u32>,
    /// What it takes goes out of the link with this index instead (`mirred egress redirect`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
}

/// An instruction of classic BPF (`struct sock_filter`): code, jumps, number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Classic(pub u16, pub u8, pub u8, pub u32);

/// A program of XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Xdp {
    /// Its number.
    pub id: u32,
    /// It is run by the stack, not by the driver (`xdpgeneric`).
    #[serde(default)]
    pub generic: bool,
    /// What it returns for every packet (`XDP_*`: 0 aborted, 1 drop, 2 pass), where it is so simple
    /// that this can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<u32>,
}

/// What a bridge does with a member beside the flags that are facts.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the kernel's")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// State (`BR_STATE_*`: 0 disabled, 1 listening, 2 learning, 3 forwarding, 4 blocking).
    pub state: u8,
    /// Frames of stations that are not known here are dropped.
    pub locked: bool,
    /// Broadcasts are flooded here.
    pub broadcast: bool,
    /// Multicasts are flooded here.
    pub multicast: bool,
    /// Hairpin, isolation and flooding of unknown stations, once more, so that they need no fact.
    pub hairpin: bool,
    /// See [`crate::MemberFlags`].
    pub isolated: bool,
    /// See [`crate::MemberFlags`].
    pub flood: bool,
    /// See [`crate::MemberFlags`].
    pub learning: bool,
}

impl Port {
    /// As a new member of a bridge is, some moments after.
    pub const PLAIN: Self = Self {
        state: 3,
        locked: false,
        broadcast: true,
        multicast: true,
        hairpin: false,
        isolated: false,
        flood: true,
        learning: true,
    };
}

/// A queueing discipline and what it has counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Qdisc {
    /// Its kind.
    pub kind: String,
    /// Where it sits (`TC_H_ROOT` is 0xffffffff).
    pub parent: u32,
    /// Packets that went through.
    pub packets: u64,
    /// Packets that it dropped.
    pub drops: u32,
}
