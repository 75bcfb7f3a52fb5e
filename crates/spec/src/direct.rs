//! Direct modes: the sandbox has an interface whose traffic does not pass the host's own network
//! stack.
//!
//!     mode = "macvlan"      parent, link_mode = bridge, private, vepa or passthru; host_link
//!     mode = "ipvlan"       parent, link_mode = l2, l3 or l3s
//!     mode = "vlan"         parent, vlan
//!     mode = "host-device"  parent, which is the interface itself
//!     mode = "dummy"        leads nowhere
//!     mode = "tap"          owner, group, multi_queue
//!
//! No rule of the host sees these packets, so nothing is masqueraded or published.

use ropewalk_facts::{IfName, IpvlanMode, MacvlanMode, TapSpec};

use crate::error::{Form, Object, Problem, SpecError};
use crate::mode::{Gateway, Parent, ifname};
use crate::network::RawNetwork;
use crate::raw::At;

/// What interface a sandbox of such a network has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Direct {
    /// One on the parent's wire, with a hardware address of its own.
    Macvlan {
        /// The host's interface; else the link of its default route.
        parent: Option<IfName>,
        /// Whom it reaches.
        mode: MacvlanMode,
        /// The host has one too, so that it and its sandboxes reach each other.
        host_link: bool,
    },
    /// One behind the parent's hardware address.
    Ipvlan {
        /// The host's interface; else the link of its default route.
        parent: Option<IfName>,
        /// What they share.
        mode: IpvlanMode,
    },
    /// One VLAN of the parent.
    Vlan {
        /// The host's interface; else the link of its default route.
        parent: Option<IfName>,
        /// Its number, 1 to 4094.
        id: u16,
    },
    /// An interface of the host itself, which is given back.
    HostDevice {
        /// Its name on the host.
        parent: IfName,
    },
    /// One that swallows what is sent to it.
    Dummy,
    /// One whose other end a process in the sandbox holds.
    Tap(TapSpec),
}

impl Direct {
    /// The word that names the mode.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Macvlan { .. } => "macvlan",
            Self::Ipvlan { .. } => "ipvlan",
            Self::Vlan { .. } => "vlan",
            Self::HostDevice { .. } => "host-device",
            Self::Dummy => "dummy",
            Self::Tap(_) => "tap",
        }
    }

    /// More about the mode, in the words of ip(8).
    #[must_use]
    pub fn link_mode(&self) -> Option<String> {
        match self {
            Self::Macvlan { mode, host_link, .. } => {
                let host = if *host_link { ", host link" } else { "" };
                Some(format!("{}{host}", mode.word()))
            }
            Self::Ipvlan { mode, .. } => Some(mode.word().to_owned()),
            Self::Vlan { id, .. } => Some(format!("id {id}")),
            Self::HostDevice { .. } | Self::Dummy | Self::Tap(_) => None,
        }
    }

    /// The interface of the host that it hangs on; none for one that needs none.
    #[must_use]
    pub fn parent(&self) -> Option<Parent<'_>> {
        match self {
            Self::Macvlan { parent, .. }
            | Self::Ipvlan { parent, .. }
            | Self::Vlan { parent, .. } => {
                Some(parent.as_ref().map_or(Parent::Uplink, Parent::Named))
            }
            Self::HostDevice { parent } => Some(Parent::Named(parent)),
            Self::Dummy | Self::Tap(_) => None,
        }
    }

    /// True when one sandbox at a time can be on the network.
    #[must_use]
    pub fn single(&self) -> bool {
        matches!(
            self,
            Self::Macvlan { mode: MacvlanMode::Passthru, .. }
                | Self::Vlan { .. }
                | Self::HostDevice { .. }
        )
    }

    /// True when its interfaces have the parent's hardware address, and cannot have another.
    #[must_use]
    pub fn parents_mac(&self) -> bool {
        matches!(
            self,
            Self::Macvlan { mode: MacvlanMode::Passthru, .. }
                | Self::Ipvlan { .. }
                | Self::HostDevice { .. }
        )
    }

    /// True when the host has an interface and an address on the network, too.
    #[must_use]
    pub fn host_link(&self) -> bool {
        matches!(self, Self::Macvlan { host_link: true, .. })
    }

    /// True when its interfaces are on the parent's own wire, beside it: what the parent hears on its
    /// LAN, they could.
    #[must_use]
    pub fn beside_parent(&self) -> bool {
        matches!(self, Self::Macvlan { .. } | Self::Ipvlan { mode: IpvlanMode::L2, .. })
    }

    pub(crate) fn gateway(&self) -> Gateway {
        match self {
            Self::Macvlan { .. }
            | Self::Ipvlan { mode: IpvlanMode::L2, .. }
            | Self::Vlan { .. }
            | Self::HostDevice { .. } => Gateway::Subnet,
            Self::Ipvlan { .. } | Self::Dummy => Gateway::None,
            Self::Tap(_) => Gateway::Given,
        }
    }

    /// True when others beside its sandboxes have addresses of its subnets.
    pub(crate) fn on_lan(&self) -> bool {
        self.gateway() == Gateway::Subnet
    }

    /// True when its sandboxes get a default route unless told otherwise.
    pub(crate) fn leads_out(&self) -> bool {
        !matches!(self, Self::Dummy)
    }

    /// Reads the direct mode `word` of `raw` and its options; `None` for another mode.
    pub(crate) fn read(
        word: &str,
        raw: &RawNetwork,
        object: &Object,
    ) -> Result<Option<Self>, SpecError> {
        let at = |field| At::field(object, field);
        let parent = || ifname(raw.parent.as_ref(), at("parent"));
        Ok(Some(match word {
            "macvlan" => {
                let form = Form::MacvlanMode;
                let mode = link_mode(raw, at("link_mode"), MacvlanMode::from_word, form)?;
                let mode = mode.unwrap_or(MacvlanMode::Bridge);
                if raw.host_link && mode != MacvlanMode::Bridge {
                    let with = "another link_mode than bridge";
                    return at("host_link").fail(Problem::Conflict { with });
                }
                Self::Macvlan { parent: parent()?, mode, host_link: raw.host_link }
            }
            "ipvlan" => {
                let form = Form::IpvlanMode;
                let mode = link_mode(raw, at("link_mode"), IpvlanMode::from_word, form)?;
                Self::Ipvlan { parent: parent()?, mode: mode.unwrap_or(IpvlanMode::L2) }
            }
            "vlan" => Self::Vlan { parent: parent()?, id: vlan_id(raw.vlan, at("vlan"))? },
            "host-device" => match parent()? {
                Some(parent) => Self::HostDevice { parent },
                None => return at("parent").fail(Problem::NoInterface),
            },
            "dummy" => Self::Dummy,
            "tap" => Self::Tap(TapSpec {
                owner: raw.owner,
                group: raw.group,
                multi_queue: raw.multi_queue,
            }),
            _ => return Ok(None),
        }))
    }

    /// Writes the mode back as options.
    pub(crate) fn write(self, raw: &mut RawNetwork) {
        match self {
            Self::Macvlan { parent, mode, host_link } => {
                raw.parent = parent.map(String::from);
                raw.link_mode = Some(mode.word().to_owned());
                raw.host_link = host_link;
            }
            Self::Ipvlan { parent, mode } => {
                raw.parent = parent.map(String::from);
                raw.link_mode = Some(mode.word().to_owned());
            }
            Self::Vlan { parent, id } => {
                raw.parent = parent.map(String::from);
                raw.vlan = Some(id.into());
            }
            Self::HostDevice { parent } => raw.parent = Some(parent.into()),
            Self::Dummy => {}
            Self::Tap(TapSpec { owner, group, multi_queue }) => {
                (raw.owner, raw.group, raw.multi_queue) = (owner, group, multi_queue);
            }
        }
    }
}

fn link_mode<T>(
    raw: &RawNetwork,
    at: At<'_>,
    read: fn(&str) -> Option<T>,
    form: Form,
) -> Result<Option<T>, SpecError> {
    let Some(text) = raw.link_mode.as_deref() else { return Ok(None) };
    at.ok(read(text).map(Some).ok_or_else(|| Problem::unreadable(text, form)))
}

/// Of 0 to 4095, 0 is for frames of no VLAN and 4095 is reserved (IEEE 802.1Q).
fn vlan_id(value: Option<u32>, at: At<'_>) -> Result<u16, SpecError> {
    let Some(value) = value else { return at.fail(Problem::NoVlan) };
    let id = u16::try_from(value).ok().filter(|id| (1..=4094).contains(id));
    at.ok(id.ok_or(Problem::VlanId { value }))
}
