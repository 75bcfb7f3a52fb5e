//! Modes: how the sandboxes of a network are connected, and which options belong to which way.
//!
//!     mode = "bridge"   bridge, internal, l2
//!     mode = "routed"   parent, vni, port, peer
//!     mode = "flat"     parent, dhcp, dhcp_timeout
//!     mode = "uplink"   parent, dhcp, dhcp_timeout
//!     mode = "vxlan"    parent, vni, port, peer
//!     and those of [`Direct`]; `cni`, which is for records alone
//!
//! An option that a mode has no use for is refused.  Never here: subnets, addresses.

use std::net::IpAddr;

use ropewalk_facts::IfName;

use crate::direct::Direct;
use crate::error::{Form, Object, Problem, SpecError};
use crate::network::RawNetwork;
use crate::raw::At;
use crate::vxlan::Vxlan;

/// How the sandboxes of a network are connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// As members of a bridge.
    Bridge {
        /// A bridge that is there already; else the network makes its own.
        bridge: Option<IfName>,
        /// How far its sandboxes reach.
        reach: Reach,
    },
    /// By a host route to each, without a bridge; other hosts' blocks by those hosts, through
    /// tunnels where they are not on a link of this one.
    Routed(Vxlan),
    /// As [`Mode::Routed`], with addresses of a LAN that the host is on: it answers there for them.
    Flat {
        /// The host's interface on that LAN; else the link of its default route.
        parent: Option<IfName>,
    },
    /// As members of a bridge that a NIC of the host is a member of, too: peers of the host on its
    /// LAN.
    Uplink {
        /// The NIC; else the link of the host's default route.
        parent: Option<IfName>,
    },
    /// By an interface that does not pass the host's own network stack.
    Direct(Direct),
    /// As [`Mode::Bridge`], each host with a block of its own, and tunnels between them.
    Vxlan(Vxlan),
    /// As a container runtime told, attachment by attachment ([`crate::Told`]).
    Cni {
        /// The bridge, if there is one.
        bridge: Option<IfName>,
    },
}

/// How far the sandboxes of a bridge reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    /// To each other, the host, and what the host reaches.
    Open,
    /// To each other and the host: no way out.
    Internal,
    /// To each other: no gateway, no address on the bridge.
    L2,
}

/// The interface of the host that a network hangs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent<'a> {
    /// The link of the default route.
    Uplink,
    /// The one that leads to this address, else that of the default route.
    Toward(IpAddr),
    /// The one of this name.
    Named(&'a IfName),
}

/// Where the gateway of a mode's sandboxes is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gateway {
    /// The host's address in each subnet, or that of the LAN's router; the first one unless it is
    /// given.
    Subnet,
    /// One for all, outside of the subnets: on the host's end of each pair.
    Legs,
    /// In a subnet, where it is given.
    Given,
    /// There is none.
    None,
}

/// What is said about a mode.
struct Word {
    word: &'static str,
    /// For people: how its sandboxes are connected.
    meaning: &'static str,
    /// The options that only some modes have, and this one has.
    options: &'static [&'static str],
}

const MODES: [Word; 12] = [
    Word {
        word: "bridge",
        meaning: "As members of a bridge",
        options: &["bridge", "internal", "l2"],
    },
    Word {
        word: "routed",
        meaning: "By a host route to each, without a bridge",
        options: &["parent", "vni", "port", "peer", "far"],
    },
    Word {
        word: "flat",
        meaning: "With addresses of the host's own LAN",
        options: &["parent", "dhcp", "dhcp_timeout"],
    },
    Word {
        word: "uplink",
        meaning: "As members of a bridge that takes over a NIC of the host",
        options: &["parent", "dhcp", "dhcp_timeout"],
    },
    Word {
        word: "macvlan",
        meaning: "With a hardware address of their own on an interface's wire",
        options: &["parent", "link_mode", "host_link", "dhcp", "dhcp_timeout"],
    },
    Word {
        word: "ipvlan",
        meaning: "Behind the hardware address of an interface",
        options: &["parent", "link_mode"],
    },
    Word { word: "vlan", meaning: "By one VLAN of an interface", options: &["parent", "vlan"] },
    Word {
        word: "host-device",
        meaning: "By an interface of the host itself",
        options: &["parent"],
    },
    Word { word: "dummy", meaning: "By an interface that leads nowhere", options: &[] },
    Word {
        word: "tap",
        meaning: "By an interface whose other end a process holds, such as a virtual machine",
        options: &["owner", "group", "multi_queue"],
    },
    Word {
        word: "vxlan",
        meaning: "As members of a bridge, with tunnels to other hosts",
        options: &["parent", "vni", "port", "peer", "far"],
    },
    Word { word: CNI, meaning: "As a container runtime told", options: &["bridge"] },
];

/// The mode of networks that runtimes bring: it is written in records, people have no use for it.
const CNI: &str = "cni";

impl Mode {
    /// The words that name the modes, each with what it means.
    pub fn words() -> impl Iterator<Item = (&'static str, &'static str)> {
        MODES.iter().filter(|mode| mode.word != CNI).map(|mode| (mode.word, mode.meaning))
    }

    /// The word that names this one.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Bridge { .. } => "bridge",
            Self::Routed(_) => "routed",
            Self::Flat { .. } => "flat",
            Self::Direct(direct) => direct.word(),
            Self::Vxlan(_) => "vxlan",
            Self::Uplink { .. } => "uplink",
            Self::Cni { .. } => CNI,
        }
    }

    /// How far its sandboxes reach; those that have no bridge reach everything.
    #[must_use]
    pub fn reach(&self) -> Reach {
        match self {
            Self::Bridge { reach, .. } => *reach,
            Self::Routed(_)
            | Self::Flat { .. }
            | Self::Uplink { .. }
            | Self::Direct(_)
            | Self::Vxlan(_)
            | Self::Cni { .. } => Reach::Open,
        }
    }

    pub(crate) fn gateway(&self) -> Gateway {
        match self {
            Self::Bridge { reach: Reach::L2, .. } | Self::Cni { .. } => Gateway::None,
            Self::Bridge { .. } | Self::Vxlan(_) => Gateway::Subnet,
            Self::Routed(_) | Self::Flat { .. } => Gateway::Legs,
            Self::Uplink { .. } => Gateway::Given,
            Self::Direct(direct) => direct.gateway(),
        }
    }

    /// True when its sandboxes' way to everywhere is the host, be they on a LAN or not.
    pub(crate) fn host_leads(&self) -> bool {
        self.gateway() == Gateway::Legs
    }

    /// The interface of the host that it hangs on; none for one that needs none.
    #[must_use]
    pub fn parent(&self) -> Option<Parent<'_>> {
        match self {
            Self::Bridge { .. } | Self::Cni { .. } => None,
            Self::Routed(ways) if ways.peers.is_empty() => None,
            Self::Flat { parent } | Self::Uplink { parent } => {
                Some(parent.as_ref().map_or(Parent::Uplink, Parent::Named))
            }
            Self::Direct(direct) => direct.parent(),
            Self::Routed(tunnel) | Self::Vxlan(tunnel) => {
                Some(match (&tunnel.parent, tunnel.peers.keys().next()) {
                    (Some(name), _) => Parent::Named(name),
                    (None, Some(peer)) => Parent::Toward(*peer),
                    (None, None) => Parent::Uplink,
                })
            }
        }
    }

    /// Its ways to other hosts, if it can have any.
    #[must_use]
    pub fn ways(&self) -> Option<&Vxlan> {
        if let Self::Routed(ways) | Self::Vxlan(ways) = self { Some(ways) } else { None }
    }

    /// Its ways to other hosts, to be changed.
    pub fn ways_mut(&mut self) -> Option<&mut Vxlan> {
        if let Self::Routed(ways) | Self::Vxlan(ways) = self { Some(ways) } else { None }
    }

    /// True when its subnets are those of a LAN that others are on too: addresses are taken from a
    /// range that is kept for them, or asked for one by one.
    #[must_use]
    pub fn on_lan(&self) -> bool {
        match self {
            Self::Bridge { .. } | Self::Routed(_) | Self::Vxlan(_) | Self::Cni { .. } => false,
            Self::Flat { .. } | Self::Uplink { .. } => true,
            Self::Direct(direct) => direct.on_lan(),
        }
    }

    /// What interface its sandboxes have, where that is beside the host's network stack.
    #[must_use]
    pub fn direct(&self) -> Option<&Direct> {
        match self {
            Self::Direct(direct) => Some(direct),
            Self::Bridge { .. }
            | Self::Routed(_)
            | Self::Flat { .. }
            | Self::Uplink { .. }
            | Self::Vxlan(_)
            | Self::Cni { .. } => None,
        }
    }

    /// True when it cannot be without a subnet.
    pub(crate) fn needs_subnet(&self) -> bool {
        match self {
            Self::Bridge { reach, .. } => *reach != Reach::L2,
            Self::Routed(_) | Self::Flat { .. } | Self::Vxlan(_) => true,
            Self::Uplink { .. } | Self::Direct(_) | Self::Cni { .. } => false,
        }
    }

    /// True when its sandboxes get a default route unless told otherwise.
    pub(crate) fn leads_out(&self) -> bool {
        self.reach() == Reach::Open && self.direct().is_none_or(Direct::leads_out)
    }

    /// True when what leaves and enters passes through the host's own routing, where addresses can
    /// be changed and ports led elsewhere.
    #[must_use]
    pub fn through_host(&self) -> bool {
        !matches!(self, Self::Uplink { .. } | Self::Direct(_))
    }

    /// True when each of its sandboxes has an interface of its own on the host, its leg.
    #[must_use]
    pub fn has_legs(&self) -> bool {
        match self {
            Self::Bridge { .. }
            | Self::Routed(_)
            | Self::Flat { .. }
            | Self::Uplink { .. }
            | Self::Vxlan(_)
            | Self::Cni { .. } => true,
            Self::Direct(_) => false,
        }
    }

    /// True when its sandboxes leave by the uplink's address unless told otherwise.
    pub(crate) fn masquerades(&self) -> bool {
        matches!(self, Self::Bridge { reach: Reach::Open, .. } | Self::Vxlan(_))
    }

    /// Reads the mode of `raw` and the options that belong to it.
    pub(crate) fn read(raw: &RawNetwork, object: &Object) -> Result<Self, SpecError> {
        let at = |field| At::field(object, field);
        let text = raw.mode.as_deref().unwrap_or("bridge");
        let Some(Word { word, options, .. }) = MODES.iter().find(|mode| mode.word == text) else {
            return at("mode").fail(Problem::unreadable(text, Form::Mode));
        };
        let odd = given(raw).into_iter().find(|option| !options.contains(option));
        if let Some(option) = odd {
            return at(option).fail(Problem::ConflictMode { mode: word });
        }
        if let Some(direct) = Direct::read(word, raw, object)? {
            return Ok(Self::Direct(direct));
        }
        match *word {
            "routed" => {
                let parent = ifname(raw.parent.as_ref(), at("parent"))?;
                Vxlan::read(raw, parent, object).map(Self::Routed)
            }
            "flat" => Ok(Self::Flat { parent: ifname(raw.parent.as_ref(), at("parent"))? }),
            "vxlan" => {
                let parent = ifname(raw.parent.as_ref(), at("parent"))?;
                Vxlan::read(raw, parent, object).map(Self::Vxlan)
            }
            "uplink" => Ok(Self::Uplink { parent: ifname(raw.parent.as_ref(), at("parent"))? }),
            CNI => Ok(Self::Cni { bridge: ifname(raw.bridge.as_ref(), at("bridge"))? }),
            _ => Ok(Self::Bridge {
                bridge: ifname(raw.bridge.as_ref(), at("bridge"))?,
                reach: reach(raw, object)?,
            }),
        }
    }

    /// Writes the mode back as options.
    pub(crate) fn write(self, raw: &mut RawNetwork) {
        raw.mode = Some(self.word().to_owned());
        match self {
            Self::Bridge { bridge, reach } => {
                raw.bridge = bridge.map(String::from);
                raw.internal = reach == Reach::Internal;
                raw.l2 = reach == Reach::L2;
            }
            Self::Routed(ways) => ways.write_chosen(raw),
            Self::Flat { parent } | Self::Uplink { parent } => {
                raw.parent = parent.map(String::from);
            }
            Self::Direct(direct) => direct.write(raw),
            Self::Vxlan(tunnel) => tunnel.write(raw),
            Self::Cni { bridge } => raw.bridge = bridge.map(String::from),
        }
    }
}

/// The options of `raw` that only some modes have.
fn given(raw: &RawNetwork) -> Vec<&'static str> {
    let all = [
        ("bridge", raw.bridge.is_some()),
        ("internal", raw.internal),
        ("l2", raw.l2),
        ("parent", raw.parent.is_some()),
        ("dhcp", raw.dhcp),
        ("dhcp_timeout", raw.dhcp_timeout.is_some()),
        ("link_mode", raw.link_mode.is_some()),
        ("host_link", raw.host_link),
        ("vlan", raw.vlan.is_some()),
        ("owner", raw.owner.is_some()),
        ("group", raw.group.is_some()),
        ("multi_queue", raw.multi_queue),
        ("vni", raw.vni.is_some()),
        ("port", raw.port.is_some()),
        ("peer", !raw.peer.is_empty()),
        ("far", !raw.far.is_empty()),
    ];
    all.into_iter().filter(|(_, given)| *given).map(|(option, _)| option).collect()
}

pub(crate) fn ifname(text: Option<&String>, at: At<'_>) -> Result<Option<IfName>, SpecError> {
    let read = |text: &String| {
        IfName::new(text.as_str()).map_err(|why| at.error(Problem::name(text, why)))
    };
    text.map(read).transpose()
}

fn reach(raw: &RawNetwork, object: &Object) -> Result<Reach, SpecError> {
    match (raw.internal, raw.l2) {
        (true, true) => At::field(object, "l2").fail(Problem::Conflict { with: "internal" }),
        (true, false) => Ok(Reach::Internal),
        (false, true) => Ok(Reach::L2),
        (false, false) => Ok(Reach::Open),
    }
}
