//! Links and members.

use ropewalk_facts::{Link, LinkKind, MemberFlags, MemberVlan, VxlanSpec};

/// What the alternative names of links that ropewalk made begin with.
const MARK: &str = "ropewalk.";

pub(super) fn holds(wish: &Link, found: &Link) -> bool {
    // One that was stated may say what others leave unsaid: that a switch is off.
    wish.name == found.name
        && kind_holds(&wish.kind, &found.kind)
        && merge(wish, found) == merge(found, found)
}

pub(super) fn kind_holds(wish: &LinkKind, found: &LinkKind) -> bool {
    match (wish, found) {
        (LinkKind::Veth { peer: Some(w) }, LinkKind::Veth { peer: Some(f) }) => w == f,
        (LinkKind::Veth { .. }, LinkKind::Veth { .. }) => true,
        (LinkKind::Moved { .. }, found) => *found != LinkKind::Loopback,
        (LinkKind::Vxlan(w), LinkKind::Vxlan(f)) => vxlan_holds(w, f),
        (wish, found) if wish.stacked() => {
            let unknown = wish.lower().is_none() || found.lower().is_none();
            let same_lower = unknown || wish.lower() == found.lower();
            same_lower && same_queue(wish, found) && without_lower(wish) == without_lower(found)
        }
        (wish, found) => wish == found,
    }
}

/// True unless a macvlan is to have another queue.
fn same_queue(wish: &LinkKind, found: &LinkKind) -> bool {
    match (wish, found) {
        (LinkKind::Macvlan { queue: Some(w), .. }, LinkKind::Macvlan { queue, .. }) => {
            *w == queue.unwrap_or(LinkKind::BROADCASTS)
        }
        _ => true,
    }
}

/// The same kind, its lower link and its queue left open.
fn without_lower(kind: &LinkKind) -> LinkKind {
    let mut kind = kind.clone();
    if let LinkKind::Macvlan { queue, .. } = &mut kind {
        *queue = None;
    }
    if let LinkKind::Macvlan { lower, .. }
    | LinkKind::Ipvlan { lower, .. }
    | LinkKind::Vlan { lower, .. } = &mut kind
    {
        *lower = None;
    }
    kind
}

fn vxlan_holds(wish: &VxlanSpec, found: &VxlanSpec) -> bool {
    wish.vni == found.vni
        && wish.port == found.port
        && wish.learning == found.learning
        && (wish.local.is_none() || wish.local == found.local)
        && (wish.dev.is_none() || wish.dev == found.dev)
}

pub(super) fn merge(wish: &Link, found: &Link) -> Link {
    let kind = if kind_holds(&wish.kind, &found.kind) { &found.kind } else { &wish.kind };
    Link {
        name: wish.name.clone(),
        kind: kind.clone(),
        mac: wish.mac.or(found.mac),
        mtu: wish.mtu.or(found.mtu),
        up: wish.up,
        master: wish.master.clone().or_else(|| found.master.clone()),
        altnames: found.altnames.union(&wish.altnames).cloned().collect(),
        alias: wish.alias.clone().or_else(|| found.alias.clone()),
        group: if wish.group == 0 { found.group } else { wish.group },
        promisc: switch(wish.promisc, found.promisc),
        allmulti: switch(wish.allmulti, found.allmulti),
        vlan_filtering: switch(wish.vlan_filtering, found.vlan_filtering),
        txqlen: wish.txqlen.or(found.txqlen).filter(|n| *n != kind.txqlen()),
    }
}

/// As it is found: on, or not said.
fn switch(wish: Option<bool>, found: Option<bool>) -> Option<bool> {
    wish.or(found).filter(|on| *on)
}

pub(super) fn member_merge(wish: &MemberFlags, found: &MemberFlags) -> MemberFlags {
    MemberFlags {
        dev: wish.dev.clone(),
        hairpin: wish.hairpin.or(found.hairpin),
        isolated: wish.isolated.or(found.isolated),
        learning: wish.learning.or(found.learning),
        flood: wish.flood.or(found.flood),
        neigh_suppress: wish.neigh_suppress.or(found.neigh_suppress),
        vlans: wish
            .vlans
            .clone()
            .or_else(|| found.vlans.clone())
            .filter(|all| *all != MemberVlan::usual()),
    }
}

/// The marks of ownership among the alternative names of a link.
pub(crate) fn marks(link: &Link) -> impl Iterator<Item = &String> {
    link.altnames.iter().filter(|name| name.starts_with(MARK))
}

/// A link with marks is ours by them. Before the mark is set (it takes a second request) the kind
/// has to do, with the other end of a pair and the hardware address where we chose one.
pub(super) fn ours(made: &Link, found: &Link) -> bool {
    let same = made.name == found.name && kind_holds(&made.kind, &found.kind);
    let mac = made.mac.is_none() || found.mac.is_none() || made.mac == found.mac;
    let marked = marks(made).next().is_some();
    match marks(found).next() {
        Some(_) if marked => same && marks(made).all(|mark| found.altnames.contains(mark)),
        Some(_) => false,
        None => same && mac,
    }
}
