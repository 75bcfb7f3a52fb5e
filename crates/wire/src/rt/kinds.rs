//! What the kernel says of links that stand on others, and of taps.
//!
//!     macvlan mode bridge · ipvlan mode l2 · vlan id 10 · tun type tap user 1000
//!
//! Never here: how they are made ([`super::link`]).

use ropewalk_facts::{IpvlanMode, LinkKind, Lower, MacvlanMode, TapSpec};

use super::consts::*;
use crate::nl::Attrs;

/// `IFF_TAP` of linux/if_tun.h.
const TAP: u8 = 2;

/// The kind `name` with its settings; `None` for settings that facts do not hold.
pub(super) fn read(name: &str, list: &Attrs<'_>, lower: Lower) -> Option<LinkKind> {
    let attr = |kind| list.clone().first(kind);
    let id = |kind| attr(kind).and_then(|a| a.u32());
    Some(match name {
        "macvlan" => {
            let mode = MacvlanMode::from_number(id(IFLA_MACVLAN_MODE)?)?;
            let queue = id(IFLA_MACVLAN_BC_QUEUE_LEN).filter(|n| *n != LinkKind::BROADCASTS);
            LinkKind::Macvlan { lower, mode, queue }
        }
        "ipvlan" => {
            let mode = IpvlanMode::from_number(attr(IFLA_IPVLAN_MODE)?.u16()?)?;
            LinkKind::Ipvlan { lower, mode }
        }
        "vrf" => LinkKind::Vrf { table: id(IFLA_VRF_TABLE)? },
        "vlan" => LinkKind::Vlan { lower, id: attr(IFLA_VLAN_ID)?.u16()? },
        "tun" if attr(IFLA_TUN_TYPE)?.u8()? == TAP => LinkKind::Tap(TapSpec {
            owner: id(IFLA_TUN_OWNER),
            group: id(IFLA_TUN_GROUP),
            multi_queue: attr(IFLA_TUN_MULTI_QUEUE)?.u8()? != 0,
        }),
        _ => return None,
    })
}
