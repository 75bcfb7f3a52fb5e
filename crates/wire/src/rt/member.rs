//! How a bridge treats a member.
//!
//!     ip link set dev NAME type bridge_slave hairpin on isolated on …
//!
//! A link message addressed by name carries them in IFLA_LINKINFO; the bridge family's own message
//! (`bridge link set`) would need the index.

use ropewalk_facts::{IfName, MemberFlags};

use super::consts::*;
use super::link;
use crate::Error;
use crate::nl::{Attr, Request, Writer};

/// Attribute by attribute, whether it is wanted.
fn table(flags: &MemberFlags) -> [(u16, Option<bool>); 5] {
    [
        (IFLA_BRPORT_MODE, flags.hairpin),
        (IFLA_BRPORT_ISOLATED, flags.isolated),
        (IFLA_BRPORT_LEARNING, flags.learning),
        (IFLA_BRPORT_UNICAST_FLOOD, flags.flood),
        (IFLA_BRPORT_NEIGH_SUPPRESS, flags.neigh_suppress),
    ]
}

/// Sets the flags that `new` states and `old` does not have already.
pub(super) fn set(old: Option<&MemberFlags>, new: &MemberFlags) -> Result<Vec<Request>, Error> {
    let old = old.map(table).unwrap_or_default();
    let differs = |(kind, value): &(u16, Option<bool>)| !old.contains(&(*kind, *value));
    let wanted = table(new).into_iter().filter(differs);
    let wanted: Vec<_> = wanted.filter_map(|(k, v)| v.map(|v| (k, v))).collect();
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    let mut w = link::named(&new.dev, None);
    w.nest(IFLA_LINKINFO, |w| {
        w.text(IFLA_INFO_SLAVE_KIND, "bridge");
        w.nest(IFLA_INFO_SLAVE_DATA, |w: &mut Writer| {
            wanted.iter().for_each(|(kind, value)| w.u8(*kind, u8::from(*value)));
        });
    });
    Ok(vec![Request { kind: RTM_NEWLINK, flags: 0, body: w.finish()? }])
}

/// The flags in the `IFLA_LINKINFO` of `dev`, where that is a member of a bridge.
pub(super) fn flags(dev: &IfName, info: Attr<'_>) -> Option<MemberFlags> {
    let kind = info.attrs().first(IFLA_INFO_SLAVE_KIND)?.text()?;
    if kind != "bridge" {
        return None;
    }
    let data = info.attrs().first(IFLA_INFO_SLAVE_DATA)?.attrs();
    let on = |kind| data.clone().first(kind).and_then(|a| a.u8()).map(|v| v != 0);
    Some(MemberFlags {
        dev: dev.clone(),
        hairpin: on(IFLA_BRPORT_MODE),
        isolated: on(IFLA_BRPORT_ISOLATED),
        learning: on(IFLA_BRPORT_LEARNING),
        flood: on(IFLA_BRPORT_UNICAST_FLOOD),
        neigh_suppress: on(IFLA_BRPORT_NEIGH_SUPPRESS),
    })
}
