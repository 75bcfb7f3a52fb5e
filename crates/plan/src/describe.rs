//! A change in one line, for people.
//!
//!     + link leg veth, master rw-web, mtu 1450, up
//!     ~ net/ipv4/ip_forward 0 → 1
//!     - route default via 10.9.0.1 dev eth0 proto 114 in netns:red (implied)
//!
//! Never here: which changes there are.

use ropewalk_facts::{Body, Fact, IfName, Link, LinkKind, MemberFlags, MemberVlan, Snapshot};

use crate::Change;
use crate::render::{is_nft, nft, xt};
use crate::words::{
    Words, addr, fdb, filter, kind, member_flags, member_vlan, neigh, on_off, qdisc, route, rule,
};

/// `change` in one line. `context` knows the sets that elements are of, found or made by other
/// changes.
#[must_use]
pub fn describe(change: &Change, context: &Snapshot) -> String {
    let (sign, text) = match (&change.old, &change.new) {
        (Some(old), Some(new)) => ('~', altered(change, old, new, context)),
        (None, Some(new)) if matches!(new.body, Body::Sysctl(_) | Body::Member(_)) => {
            ('~', fact_text(new, context))
        }
        (None, Some(new)) => ('+', fact_text(new, context)),
        (Some(old), None) => ('-', fact_text(old, context)),
        (None, None) => (' ', change.key.id.to_string()),
    };
    let place = match &change.key.ns {
        ns if ns.is_host() => String::new(),
        ns => format!(" in {ns}"),
    };
    let implied = if change.implied { " (implied)" } else { "" };
    format!("{sign} {text}{place}{implied}")
}

fn altered(change: &Change, old: &Fact, new: &Fact, context: &Snapshot) -> String {
    let differences = match (&old.body, &new.body) {
        (Body::Sysctl(was), Body::Sysctl(x)) if was == x => vec![format!("stays {}", x.value)],
        (Body::Sysctl(was), Body::Sysctl(x)) => vec![format!("{} → {}", was.value, x.value)],
        (Body::Link(was), Body::Link(x)) => link_differences(was, x),
        (Body::Member(was), Body::Member(x)) => member_differences(was, x),
        (_, _) if is_nft(&change.key.id) => return nft_text(new, context),
        (_, _) => return format!("{} → {}", fact_text(old, context), fact_text(new, context)),
    };
    format!("{} {}", change.key.id, differences.join(", "))
}

fn link_differences(was: &Link, x: &Link) -> Vec<String> {
    let master = |link: &Link| link.master.as_ref().map_or("none".into(), IfName::to_string);
    let up = |link: &Link| if link.up { "up" } else { "down" };
    let mut out = vec![];
    if was.mac != x.mac {
        out.push(format!("address {} → {}", or_auto(was.mac), or_auto(x.mac)));
    }
    if was.mtu != x.mtu {
        out.push(format!("mtu {} → {}", or_auto(was.mtu), or_auto(x.mtu)));
    }
    if was.master != x.master {
        out.push(format!("master {} → {}", master(was), master(x)));
    }
    if was.up != x.up {
        out.push(format!("{} → {}", up(was), up(x)));
    }
    if was.alias != x.alias {
        let alias = |link: &Link| link.alias.clone().unwrap_or_else(|| "none".into());
        out.push(format!("alias {} → {}", alias(was), alias(x)));
    }
    if was.group != x.group {
        out.push(format!("group {} → {}", was.group, x.group));
    }
    for (name, was, now) in [
        ("promisc", was.promisc, x.promisc),
        ("allmulticast", was.allmulti, x.allmulti),
        ("vlan_filtering", was.vlan_filtering, x.vlan_filtering),
    ] {
        let on = |value: Option<bool>| on_off(value == Some(true));
        out.extend((was != now).then(|| format!("{name} {} → {}", on(was), on(now))));
    }
    if was.txqlen != x.txqlen {
        let length = |link: &Link| link.txqlen.unwrap_or(link.kind.txqlen());
        out.push(format!("txqueuelen {} → {}", length(was), length(x)));
    }
    out.extend(was.altnames.difference(&x.altnames).map(|name| format!("-altname {name}")));
    out.extend(x.altnames.difference(&was.altnames).map(|name| format!("+altname {name}")));
    out
}

fn or_auto(value: Option<impl ToString>) -> String {
    value.map_or("auto".into(), |value| value.to_string())
}

fn member_differences(was: &MemberFlags, x: &MemberFlags) -> Vec<String> {
    let show = |flag: Option<bool>| flag.map_or("auto", on_off);
    member_flags(was)
        .into_iter()
        .zip(member_flags(x))
        .filter(|((_, was), (_, x))| was != x)
        .map(|((name, was), (_, x))| format!("{name} {} → {}", show(was), show(x)))
        .chain((was.vlans != x.vlans).then(|| format!("{} → {}", vlans(was), vlans(x))))
        .collect()
}

fn vlans(x: &MemberFlags) -> String {
    let usual = MemberVlan::usual();
    let all = x.vlans.as_ref().unwrap_or(&usual).iter();
    let all: Vec<String> = all.map(|vlan| member_vlan(vlan).0.join(" ")).collect();
    all.join(", ")
}

/// What a fact says, without its namespace.
fn fact_text(fact: &Fact, context: &Snapshot) -> String {
    if fact.body.id().is_legacy() {
        return xt::text(&fact.body);
    }
    let say = |noun: &str, words: Words| format!("{noun} {}", words.0.join(" "));
    match &fact.body {
        Body::Netns(name) => format!("netns {name}"),
        Body::Link(x) => link_text(x, fact),
        Body::Member(x) => {
            let flags = member_flags(x).into_iter();
            let flags = flags.filter_map(|(name, on)| Some(format!("{name} {}", on_off(on?))));
            let flags = flags.chain(x.vlans.is_some().then(|| vlans(x)));
            format!("member {} {}", x.dev, flags.collect::<Vec<_>>().join(", "))
        }
        Body::Sysctl(x) => format!("{} = {}", x.path, x.value),
        Body::Addr(x) => say("address", addr(x)),
        Body::Route(x) => say("route", route(x)),
        Body::Rule(x) => say(if x.v6 { "rule -6" } else { "rule" }, rule(x)),
        Body::Neigh(x) => say("neigh", neigh(x)),
        Body::Fdb(x) => say("fdb", fdb(x)),
        Body::Qdisc(x) => say("qdisc", qdisc(x)),
        Body::Filter(x) => say("filter", filter(x)),
        Body::Table(_) | Body::Set(_) | Body::Chain(_) | Body::NftRule(_) | Body::Element(_) => {
            nft_text(fact, context)
        }
    }
}

fn link_text(x: &Link, fact: &Fact) -> String {
    let mut parts = vec![format!("link {} {}", x.name, kind(&x.kind).0.join(" "))];
    if let LinkKind::Veth { peer: Some(peer) } = &x.kind {
        let place = if peer.ns == fact.ns { String::new() } else { format!(" in {}", peer.ns) };
        parts.push(format!("peer {}{place}", peer.name));
    }
    if let Some(lower) = x.kind.lower() {
        let place = if lower.ns == fact.ns { String::new() } else { format!(" in {}", lower.ns) };
        parts.push(format!("on {}{place}", lower.name));
    }
    parts.extend(x.master.as_ref().map(|master| format!("master {master}")));
    parts.extend(x.mac.map(|mac| format!("address {mac}")));
    parts.extend(x.mtu.map(|mtu| format!("mtu {mtu}")));
    parts.push(if x.up { "up".into() } else { "down".into() });
    parts.extend(x.altnames.iter().map(|name| format!("altname {name}")));
    parts.extend(x.alias.iter().map(|text| format!("alias {text}")));
    parts.extend((x.group != 0).then(|| format!("group {}", x.group)));
    parts.extend(x.promisc.map(|on| format!("promisc {}", on_off(on))));
    parts.extend(x.allmulti.map(|on| format!("allmulticast {}", on_off(on))));
    parts.extend(x.vlan_filtering.map(|on| format!("vlan_filtering {}", on_off(on))));
    parts.extend(x.txqlen.map(|n| format!("txqueuelen {n}")));
    parts.join(", ")
}

/// The nft command that makes an object, without the verb.
fn nft_text(fact: &Fact, context: &Snapshot) -> String {
    let lines = nft::lines(&[&Change::made(fact.clone())], context);
    let text = lines.join("; ");
    let verbs = ["add ", "insert "];
    verbs.iter().find_map(|verb| text.strip_prefix(verb)).unwrap_or(&text).to_string()
}
