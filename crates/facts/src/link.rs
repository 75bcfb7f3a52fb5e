//! Links: devices of a namespace, what kind they are, and how a bridge treats its members.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::lower::{IpvlanMode, Lower, MacvlanMode, TapSpec};
use crate::name::{IfName, Mac, Ns};

/// A network device. As a wish, `None` leaves the value to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Its name in its namespace.
    pub name: IfName,
    /// What it is, with the settings that only that kind has.
    pub kind: LinkKind,
    /// Hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<Mac>,
    /// Maximum transmission unit in bytes, without the Ethernet header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
    /// Administratively up (`IFF_UP`).
    pub up: bool,
    /// The bridge that it is a member of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master: Option<IfName>,
    /// Alternative names (`ip link property`). As a wish: these must be among those found.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub altnames: BTreeSet<String>,
    /// A text for people (`ip link set alias`), which `ip link` shows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The group of links that it is in (`ip link set group`), which rules ask for. As a wish, 0
    /// leaves it as it is; a new link is in group 0.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub group: u32,
    /// It takes what is for others, too (`ip link set promisc on`). Found, none is off; so it is
    /// for the two below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promisc: Option<bool>,
    /// It takes what is for any group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allmulti: Option<bool>,
    /// Of a bridge: its members are of VLANs, see [`MemberFlags::vlans`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan_filtering: Option<bool>,
    /// How many packets wait to be sent at most. Found, none is [`LinkKind::txqlen`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub txqlen: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(group: &u32) -> bool {
    *group == 0
}

impl Link {
    /// A link of `kind` that is up, everything else left to the kernel.
    #[must_use]
    pub fn up(name: IfName, kind: LinkKind) -> Self {
        let altnames = BTreeSet::new();
        let (mac, mtu, master, alias) = (None, None, None, None);
        let (promisc, allmulti, vlan_filtering, txqlen) = (None, None, None, None);
        Self {
            name,
            kind,
            mac,
            mtu,
            up: true,
            master,
            altnames,
            alias,
            group: 0,
            promisc,
            allmulti,
            vlan_filtering,
            txqlen,
        }
    }
}

/// What a link is (`IFLA_INFO_KIND`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LinkKind {
    /// One end of a pair. As a wish the peer must be given, and exactly one end of a pair carries
    /// the wish to create it; found, the peer is `None` where its namespace was not read.
    Veth {
        /// The other end.
        peer: Option<Peer>,
    },
    /// A bridge.
    Bridge,
    /// A device that swallows what is sent to it.
    Dummy,
    /// An intermediate functional block; stands in for `Dummy` on kernels without one.
    Ifb,
    /// A VXLAN tunnel end point.
    Vxlan(VxlanSpec),
    /// A link with a hardware address of its own on another link's wire.
    Macvlan {
        /// The other link.
        lower: Lower,
        /// Whom it reaches.
        mode: MacvlanMode,
        /// How many broadcasts of others wait for it at most. Found, none is
        /// [`LinkKind::BROADCASTS`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        queue: Option<u32>,
    },
    /// A link with addresses of its own behind another link's hardware address.
    Ipvlan {
        /// The other link.
        lower: Lower,
        /// What they share.
        mode: IpvlanMode,
    },
    /// One VLAN of what passes over another link (IEEE 802.1Q).
    Vlan {
        /// The other link.
        lower: Lower,
        /// Its number, 1 to 4094.
        id: u16,
    },
    /// A routing domain: links that have it for their master are routed by its table.
    Vrf {
        /// The table.
        table: u32,
    },
    /// A tap, which a process holds the other end of.
    Tap(TapSpec),
    /// A link of another namespace, which is moved here and given back in the end. As a wish; found,
    /// it is of the kind that it is.
    Moved {
        /// Where it belongs, and its name there.
        from: Peer,
    },
    /// The loopback device, which every namespace has.
    Loopback,
    /// Any other kind, by its kernel name; `""` is a device with none, such as a network card.
    /// Never created by a plan.
    Other(String),
}

impl LinkKind {
    /// How many broadcasts wait for a macvlan, where nobody says otherwise
    /// (`MACVLAN_DEFAULT_BC_QUEUE_LEN`, drivers/net/macvlan.c).
    pub const BROADCASTS: u32 = 1000;

    /// How many packets wait to be sent, where nobody says otherwise (`DEFAULT_TX_QUEUE_LEN`,
    /// include/net/pkt_sched.h; `TX_Q_LIMIT`, drivers/net/ifb.c).
    #[must_use]
    pub fn txqlen(&self) -> u32 {
        if *self == Self::Ifb { 32 } else { 1000 }
    }

    /// The kernel's name of the kind, as in `ip -d link`; empty for a plain device.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Veth { .. } => "veth",
            Self::Bridge => "bridge",
            Self::Dummy => "dummy",
            Self::Ifb => "ifb",
            Self::Vxlan(_) => "vxlan",
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
            Self::Vrf { .. } => "vrf",
            Self::Tap(_) => "tun",
            Self::Moved { .. } => "moved",
            Self::Loopback => "loopback",
            Self::Other(kind) => kind,
        }
    }
}

/// The other end of a veth pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The namespace it lives in.
    pub ns: Ns,
    /// Its name there.
    pub name: IfName,
}

/// Settings of a VXLAN device, fixed when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VxlanSpec {
    /// Network identifier, 0 to 2^24-1.
    pub vni: u32,
    /// UDP destination port.
    pub port: u16,
    /// Source address of the outer packets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub local: Option<IpAddr>,
    /// Device that the outer packets leave by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<IfName>,
    /// Whether it learns addresses from what it receives.
    pub learning: bool,
}

/// How a bridge treats one member (`IFLA_BRPORT_*`). It exists as long as the link has a master:
/// a plan sets flags, it cannot remove the fact. `None` leaves a flag as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFlags {
    /// The member.
    pub dev: IfName,
    /// Frames may go back out where they came in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hairpin: Option<bool>,
    /// Isolated members do not reach each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolated: Option<bool>,
    /// Source addresses are learned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<bool>,
    /// Unknown unicast is flooded here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flood: Option<bool>,
    /// The bridge answers ARP and NS for what it knows (`neigh_suppress`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neigh_suppress: Option<bool>,
    /// The VLANs that it is of, all of them, where its bridge tells VLANs apart
    /// ([`Link::vlan_filtering`]). Found, none is [`MemberVlan::usual`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlans: Option<BTreeSet<MemberVlan>>,
}

impl MemberFlags {
    /// Of `dev`, and nothing said.
    #[must_use]
    pub fn of(dev: IfName) -> Self {
        let (hairpin, isolated, learning, flood, neigh_suppress) = (None, None, None, None, None);
        Self { dev, hairpin, isolated, learning, flood, neigh_suppress, vlans: None }
    }
}

/// A VLAN of a member of a bridge (`bridge vlan`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberVlan {
    /// Its number, 1 to 4094.
    pub id: u16,
    /// What comes without a tag is of it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pvid: bool,
    /// What goes out of it has no tag.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
}

impl MemberVlan {
    /// What a new member is of.
    #[must_use]
    pub fn usual() -> BTreeSet<Self> {
        [Self { id: 1, pvid: true, untagged: true }].into()
    }
}
