//! Links: made with what cannot change later, then set.

use ropewalk_facts::{Fact, IfName, Link, LinkKind, MemberFlags, MemberVlan, Ns, Peer, TapSpec};

use super::sh::{line, netns, quoted};
use crate::holds::marks;
use crate::words::{self, Words, kind, on_off};

/// The commands that make a link, with its other end when it is one of a pair.
pub(super) fn make(ns: &Ns, link: &Link, far: Option<&Fact>) -> Vec<String> {
    if let LinkKind::Tap(spec) = &link.kind {
        return tap(ns, link, spec);
    }
    if let LinkKind::Moved { from } = &link.kind {
        return moved(ns, link, from);
    }
    let bridge = link.kind == LinkKind::Bridge;
    // One that stands on a link of another namespace is made there, and born here.
    let lower = link.kind.lower();
    let from = lower.map_or(ns, |lower| &lower.ns);
    let words = Words::default()
        .say("add")
        .opt("link", lower.map(|lower| &lower.name))
        .say("name")
        .word(&link.name)
        .opt("index", index(ns, link))
        .opt("address", link.mac)
        // A bridge takes the least MTU of its members, unless one was set after it was made.
        .opt("mtu", link.mtu.filter(|_| !bridge));
    let mut add = line(from, "ip link", words);
    if from != ns {
        add.push_str(&format!(" netns {}", netns(ns)));
    }
    add.push_str(&format!(" type {}", quoted(kind(&link.kind))));
    if bridge {
        // What comes to the groups that no bridge forwards to passes no rule; it teaches nothing.
        add.push_str(" no_linklocal_learn 1");
    }
    if let LinkKind::Veth { peer: Some(peer) } = &link.kind {
        let far = far.and_then(|far| far.body.as_link());
        let words = Words::default()
            .say("name")
            .word(&peer.name)
            .opt("address", far.and_then(|far| far.mac))
            .opt("mtu", far.and_then(|far| far.mtu));
        add.push_str(&format!(" peer {}", quoted(words)));
        if peer.ns != *ns {
            add.push_str(&format!(" netns {}", netns(&peer.ns)));
        }
    }
    let born = Link {
        up: false,
        master: None,
        altnames: [].into(),
        alias: None,
        group: 0,
        mtu: link.mtu.filter(|_| !bridge),
        promisc: None,
        allmulti: None,
        vlan_filtering: None,
        txqlen: None,
        ..link.clone()
    };
    let mut lines = vec![add];
    lines.extend(alter(ns, &born, link));
    lines
}

/// The index of a link that has the name of its lower one in another namespace: kernels before 6.15
/// refuse a name that is taken where they are asked, unless they are told the index
/// (`__rtnl_newlink`, net/core/rtnetlink.c).
fn index(ns: &Ns, link: &Link) -> Option<u32> {
    let lower = link.kind.lower().filter(|lower| lower.ns != *ns);
    lower.filter(|lower| lower.name == link.name).map(|_| link.name.index())
}

/// A tap is made by another command, which takes neither address nor MTU.
fn tap(ns: &Ns, link: &Link, spec: &TapSpec) -> Vec<String> {
    let words = Words::default()
        .say("add dev")
        .word(&link.name)
        .say("mode tap")
        .opt("user", spec.owner)
        .opt("group", spec.group)
        .flag(spec.multi_queue, "multi_queue");
    let born = Link { mac: None, mtu: None, ..Link::up(link.name.clone(), link.kind.clone()) };
    let mut lines = vec![line(ns, "ip tuntap", words)];
    lines.extend(alter(ns, &Link { up: false, ..born }, link));
    lines
}

/// One that is there already comes from its namespace, under its new name, and down.
fn moved(ns: &Ns, link: &Link, from: &Peer) -> Vec<String> {
    let mut lines = vec![to(&from.ns, &from.name, ns, &link.name)];
    lines.extend(alter(ns, &arrived(link), link));
    lines
}

/// The command that gives it back.
pub(super) fn give_back(ns: &Ns, link: &Link, from: &Peer) -> String {
    to(ns, &link.name, &from.ns, &from.name)
}

fn to(ns: &Ns, name: &IfName, there: &Ns, new: &IfName) -> String {
    let words = Words::default().opt("set dev", Some(name)).opt("name", Some(new));
    format!("{} netns {}", line(ns, "ip link", words), netns(there))
}

/// A link as it comes to where it is moved.
fn arrived(link: &Link) -> Link {
    let mut altnames = link.altnames.clone();
    for mark in marks(link) {
        altnames.remove(mark);
    }
    Link { up: false, mtu: None, altnames, ..link.clone() }
}

/// The commands that make `was` be as `link`.
pub(super) fn alter(ns: &Ns, was: &Link, link: &Link) -> Vec<String> {
    let mut set = Words::default()
        .opt("address", link.mac.filter(|_| was.mac != link.mac))
        .opt("mtu", link.mtu.filter(|_| was.mtu != link.mtu));
    if was.master != link.master {
        set = match &link.master {
            Some(master) => set.opt("master", Some(master)),
            None => set.say("nomaster"),
        };
    }
    if was.up != link.up {
        set = set.say(if link.up { "up" } else { "down" });
    }
    if was.group != link.group {
        set = set.opt("group", Some(link.group));
    }
    set = set.then(switches(was, link));
    let mut lines = vec![];
    if was.alias != link.alias {
        set = set.say("alias").word(link.alias.as_deref().unwrap_or_default());
    }
    if !set.0.is_empty() {
        let words = Words::default().say("set dev").word(&link.name).then(set);
        lines.push(line(ns, "ip link", words));
    }
    if let Some(on) = other_switch(was.vlan_filtering, link.vlan_filtering) {
        let words = Words::default().say("set dev").word(&link.name).say("type bridge");
        let words = words.say("vlan_filtering").say(if on { "1" } else { "0" });
        lines.push(line(ns, "ip link", words));
    }
    let property = |verb: &str, altname: &String| {
        let words = Words::default().say(verb).opt("dev", Some(&link.name));
        line(ns, "ip link property", words.opt("altname", Some(altname)))
    };
    lines.extend(was.altnames.difference(&link.altnames).map(|name| property("del", name)));
    lines.extend(link.altnames.difference(&was.altnames).map(|name| property("add", name)));
    lines
}

/// What a link takes that is not for it, and how much waits at it, where that differs.
fn switches(was: &Link, link: &Link) -> Words {
    let txqlen = |link: &Link| link.txqlen.unwrap_or(link.kind.txqlen());
    Words::default()
        .opt("promisc", other_switch(was.promisc, link.promisc).map(on_off))
        .opt("allmulticast", other_switch(was.allmulti, link.allmulti).map(on_off))
        .opt("txqueuelen", Some(txqlen(link)).filter(|n| *n != txqlen(was)))
}

/// What a switch is to be, where it is not that.
fn other_switch(was: Option<bool>, wanted: Option<bool>) -> Option<bool> {
    let wanted = wanted == Some(true);
    (wanted != (was == Some(true))).then_some(wanted)
}

/// The commands that give a member the flags and VLANs that differ from what they were.
pub(super) fn member(ns: &Ns, x: &MemberFlags, was: Option<&MemberFlags>) -> Vec<String> {
    let mut lines = Vec::new();
    let flags = words::member(x, was);
    if !flags.0.is_empty() || x.vlans.is_none() {
        let words = Words::default().say("set dev").word(&x.dev).then(flags);
        lines.push(line(ns, "bridge link", words));
    }
    let Some(wanted) = &x.vlans else { return lines };
    let before = was.and_then(|was| was.vlans.clone()).unwrap_or_else(MemberVlan::usual);
    let on = |verb: &str| Words::default().say(verb).opt("dev", Some(&x.dev));
    for gone in before.iter().filter(|old| !wanted.iter().any(|new| new.id == old.id)) {
        lines.push(line(ns, "bridge vlan", on("del").opt("vid", Some(gone.id))));
    }
    for new in wanted.difference(&before) {
        lines.push(line(ns, "bridge vlan", on("add").then(words::member_vlan(new))));
    }
    lines
}
