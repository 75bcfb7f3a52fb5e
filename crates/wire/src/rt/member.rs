//! How a bridge treats a member.
//!
//!     ip link set dev NAME type bridge_slave hairpin on isolated on …
//!
//! A link message addressed by name carries them in IFLA_LINKINFO; the bridge family's own message
//! (`bridge link set`) needs the index. VLANs are in the latter alone (`bridge vlan add dev NAME vid 10 pvid untagged`).

use ropewalk_facts::{IfName, MemberFlags, MemberVlan};

use super::consts::*;
use super::{Links, link};
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
pub(super) fn set(
    old: Option<&MemberFlags>,
    new: &MemberFlags,
    links: &Links,
) -> Result<Vec<Request>, Error> {
    let mut all = Vec::from_iter(set_flags(old, new)?);
    // Without a word of VLANs it has those that it was born with.
    let usual = MemberVlan::usual();
    let has = old.and_then(|old| old.vlans.as_ref()).unwrap_or(&usual);
    let leaves = old.is_some_and(|old| old.vlans.is_some());
    let Some(wanted) = new.vlans.as_ref().or(leaves.then_some(&usual)) else { return Ok(all) };
    let gone = has.iter().filter(|old| !wanted.iter().any(|new| new.id == old.id));
    all.extend(vlans(RTM_DELLINK, &new.dev, gone, links)?);
    all.extend(vlans(RTM_SETLINK, &new.dev, wanted.difference(has), links)?);
    Ok(all)
}

/// A message of the bridge family, about one member's VLANs.
fn vlans<'a>(
    kind: u16,
    dev: &IfName,
    list: impl Iterator<Item = &'a MemberVlan>,
    links: &Links,
) -> Result<Option<Request>, Error> {
    let mut list = list.peekable();
    if list.peek().is_none() {
        return Ok(None);
    }
    let mut w = link::bridge_port(links.need(dev)?);
    w.nest(IFLA_AF_SPEC, |w| {
        for vlan in list {
            let flag = |on: bool, flag: u16| if on { flag } else { 0 };
            let flags = flag(vlan.pvid, BRIDGE_VLAN_INFO_PVID)
                | flag(vlan.untagged, BRIDGE_VLAN_INFO_UNTAGGED);
            let [a, b] = flags.to_ne_bytes();
            let [c, d] = vlan.id.to_ne_bytes();
            w.bytes(IFLA_BRIDGE_VLAN_INFO, &[a, b, c, d]);
        }
    });
    Ok(Some(Request { kind, flags: 0, body: w.finish()? }))
}

fn set_flags(old: Option<&MemberFlags>, new: &MemberFlags) -> Result<Option<Request>, Error> {
    let old = old.map(table).unwrap_or_default();
    let differs = |(kind, value): &(u16, Option<bool>)| !old.contains(&(*kind, *value));
    let wanted = table(new).into_iter().filter(differs);
    let wanted: Vec<_> = wanted.filter_map(|(k, v)| v.map(|v| (k, v))).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let mut w = link::named(&new.dev);
    w.nest(IFLA_LINKINFO, |w| {
        w.text(IFLA_INFO_SLAVE_KIND, "bridge");
        w.nest(IFLA_INFO_SLAVE_DATA, |w: &mut Writer| {
            wanted.iter().for_each(|(kind, value)| w.u8(*kind, u8::from(*value)));
        });
    });
    Ok(Some(Request { kind: RTM_NEWLINK, flags: 0, body: w.finish()? }))
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
        // They are asked for apart.
        vlans: None,
    })
}
