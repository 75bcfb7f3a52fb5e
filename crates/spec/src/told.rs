//! What a container runtime tells of an interface, in our words: nothing is leased or chosen here.
//!
//!     Told { wired: a member of cni0, addresses: 10.22.0.5/16, ways: default via 10.22.0.1 }
//!     Shared::Gateway { bridge: cni0, net: 10.22.0.1/16 }    what attachments of the network share
//!
//! What is shared is a list that grows: each attachment says what it needs of it.  Never here: JSON,
//! the kernel.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{IfName, IpvlanMode, Mac, MacvlanMode, MemberVlan, TapSpec};
use serde::{Deserialize, Serialize};

/// One thing that the attachments of a network share, on the host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Shared {
    /// Packets are forwarded, of IPv6 or of IPv4.
    Forwarding {
        /// Of which.
        v6: bool,
    },
    /// A bridge.
    Bridge {
        /// Its name.
        name: IfName,
    },
    /// A bridge takes what is for others, too.
    Promisc {
        /// The bridge.
        bridge: IfName,
    },
    /// A bridge tells VLANs apart.
    Filtering {
        /// The bridge.
        bridge: IfName,
    },
    /// A way from the host into one VLAN of a bridge: a pair, of which one end is a member.
    Entry {
        /// The bridge.
        bridge: IfName,
        /// The VLAN.
        vlan: u16,
        /// It is of the usual VLAN, too.
        usual: bool,
    },
    /// An address on the bridge, or on such a way.
    Gateway {
        /// The bridge.
        bridge: IfName,
        /// The address, with the length of its subnet.
        net: IpNet,
    },
    /// The constant rule set.
    Rules,
    /// Packets to published ports turn round within the subnet.
    Turning {
        /// The subnet.
        net: IpNet,
    },
    /// 127.0.0.1 of the host leads to published ports behind this link.
    Localnet {
        /// The link.
        dev: IfName,
    },
    /// Other bridges that are apart do not reach it, but for published ports.
    Apart {
        /// The bridge.
        bridge: IfName,
    },
    /// Chains of others that would drop what passes the bridge, or the legs, let it through.
    Passing,
}

/// One interface, with everything chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a thing that runtimes say")]
pub struct Told {
    /// What kind of interface, and where it leads.
    pub wired: Wired,
    /// Its hardware address; none is chosen by its addresses.
    pub mac: Option<Mac>,
    /// Its MTU; none is that of the network.
    pub mtu: Option<u32>,
    /// Its addresses.
    pub addresses: Vec<IpNet>,
    /// Routes beside those of its addresses.
    pub ways: Vec<Way>,
    /// What leaves its subnets takes the address of the link it leaves by.
    pub masquerade: bool,
    /// IPv6 addresses are looked for on the link before they are used.
    pub dad: bool,
    /// It is up.
    pub up: bool,
    /// The link that it stands on is in the container, not on the host.
    pub inside: bool,
}

/// What kind of interface it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wired {
    /// A pair whose host end is a member of a bridge.
    Member {
        /// The bridge.
        bridge: IfName,
        /// Frames may go back out where they came in.
        hairpin: bool,
        /// It does not reach other isolated members.
        isolated: bool,
        /// Frames with another source than its own hardware address are dropped.
        spoofcheck: bool,
        /// The VLANs that it is of; none is all that is usual.
        vlans: Option<BTreeSet<MemberVlan>>,
    },
    /// A pair, and a host route to each address.
    Pair {
        /// For each address the gateway, which stands on the host end.
        gateways: Vec<Option<IpAddr>>,
    },
    /// A macvlan on a link of the host.
    Macvlan {
        /// The link.
        master: IfName,
        /// Whom it reaches.
        mode: MacvlanMode,
        /// How many broadcasts of others wait for it; none is the kernel's choice.
        queue: Option<u32>,
    },
    /// An ipvlan on a link of the host.
    Ipvlan {
        /// The link.
        master: IfName,
        /// What they share.
        mode: IpvlanMode,
    },
    /// A VLAN of a link of the host.
    Vlan {
        /// The link.
        master: IfName,
        /// Its number.
        id: u16,
    },
    /// A link of the host itself.
    Device {
        /// Its name there.
        name: IfName,
    },
    /// An interface that leads nowhere.
    Dummy,
    /// A tap.
    Tap {
        /// Who may open it.
        spec: TapSpec,
        /// A bridge in the container that it is a member of.
        bridge: Option<IfName>,
    },
}

/// A route in the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whereto.
    pub to: IpNet,
    /// By way of; none is the link itself.
    pub via: Option<IpAddr>,
    /// The largest packet in bytes.
    pub mtu: Option<u32>,
    /// The largest TCP segment in bytes.
    pub advmss: Option<u32>,
    /// The metric; 0 is the kernel's own.
    pub metric: u32,
    /// The table; none is the main one.
    pub table: Option<u32>,
    /// How far the destination is (`rt_scope_t`).
    pub scope: Option<u8>,
}

impl Way {
    /// A route without attributes.
    #[must_use]
    pub fn new(to: IpNet, via: Option<IpAddr>) -> Self {
        Self { to, via, mtu: None, advmss: None, metric: 0, table: None, scope: None }
    }
}

impl Wired {
    /// True when it has a leg, its end on the host.
    #[must_use]
    pub fn has_leg(&self) -> bool {
        matches!(self, Self::Member { .. } | Self::Pair { .. })
    }

    /// The bridge that its leg is a member of.
    #[must_use]
    pub fn bridge(&self) -> Option<&IfName> {
        if let Self::Member { bridge, .. } = self { Some(bridge) } else { None }
    }

    /// The link of the host that it stands on, or is.
    #[must_use]
    pub fn below(&self) -> Option<&IfName> {
        match self {
            Self::Macvlan { master: name, .. }
            | Self::Ipvlan { master: name, .. }
            | Self::Vlan { master: name, .. }
            | Self::Device { name } => Some(name),
            Self::Member { .. } | Self::Pair { .. } | Self::Dummy | Self::Tap { .. } => None,
        }
    }

    /// True when it has the hardware address of that link.
    #[must_use]
    pub fn parents_mac(&self) -> bool {
        let passthru = matches!(self, Self::Macvlan { mode: MacvlanMode::Passthru, .. });
        let theirs = matches!(self, Self::Ipvlan { .. } | Self::Vlan { .. } | Self::Device { .. });
        passthru || theirs
    }
}
