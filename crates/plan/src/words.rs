//! Objects in the words of ip(8) and bridge(8): the arguments that `render` quotes and `describe`
//! shows.
//!
//!     default via 10.9.0.1 dev eth0 proto 114
//!
//! Never here: quoting, namespaces, which command.

use std::fmt::Display;
use std::net::IpAddr;

use ropewalk_facts::{
    Addr, Fdb, FdbKey, Lifetime, LinkKind, Mac, MemberFlags, MemberVlan, Neigh, NextHop, Route,
    RouteKey, RouteKind, Rule, Scope, VxlanSpec, proto, table,
};

use crate::lineage::leads_nowhere;

mod traffic;
pub(crate) use traffic::{filter, filter_key, qdisc, qdisc_key};

/// Words of a command, built one after the other.
#[derive(Default)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl Words {
    /// Adds words that stand for themselves.
    pub(crate) fn say(mut self, words: &str) -> Self {
        self.0.extend(words.split_whitespace().map(String::from));
        self
    }

    /// Adds one word.
    pub(crate) fn word(mut self, word: impl Display) -> Self {
        self.0.push(word.to_string());
        self
    }

    /// Adds `name VALUE`, when there is a value.
    pub(crate) fn opt(self, name: &str, value: Option<impl Display>) -> Self {
        match value {
            Some(value) => self.say(name).word(value),
            None => self,
        }
    }

    /// Adds words when `on`.
    pub(crate) fn flag(self, on: bool, words: &str) -> Self {
        if on { self.say(words) } else { self }
    }

    /// Adds more words.
    pub(crate) fn then(mut self, more: Self) -> Self {
        self.0.extend(more.0);
        self
    }
}

/// `on` or `off`.
pub(crate) fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// The kind of a link, and its settings.
pub(crate) fn kind(kind: &LinkKind) -> Words {
    let words = Words::default().say(kind.name());
    match kind {
        LinkKind::Vxlan(spec) => vxlan(spec),
        LinkKind::Macvlan { mode, queue, .. } => {
            words.say("mode").say(mode.word()).opt("bcqueuelen", queue.as_ref())
        }
        LinkKind::Ipvlan { mode, .. } => words.say("mode").say(mode.word()),
        LinkKind::Vlan { id, .. } => words.opt("id", Some(id)),
        LinkKind::Vrf { table } => words.opt("table", Some(table)),
        LinkKind::Tap(_) => Words::default().say("tap"),
        LinkKind::Moved { from } => words.say("from").word(&from.name),
        LinkKind::Veth { .. }
        | LinkKind::Bridge
        | LinkKind::Dummy
        | LinkKind::Ifb
        | LinkKind::Loopback
        | LinkKind::Other(_) => words,
    }
}

fn vxlan(spec: &VxlanSpec) -> Words {
    Words::default()
        .say("vxlan")
        .opt("id", Some(spec.vni))
        .opt("dstport", Some(spec.port))
        .opt("local", spec.local)
        .opt("dev", spec.dev.as_ref())
        .say(if spec.learning { "learning" } else { "nolearning" })
}

/// The flags of a member that `flags` states and that differ from `was`.
pub(crate) fn member(flags: &MemberFlags, was: Option<&MemberFlags>) -> Words {
    member_flags(flags)
        .into_iter()
        .filter(|(name, value)| {
            let before = was.and_then(|was| member_flags(was).into_iter().find(|(n, _)| n == name));
            before.is_none_or(|(_, before)| before != *value)
        })
        .fold(Words::default(), |words, (name, value)| words.opt(name, value.map(on_off)))
}

/// The flags of a member by name.
pub(crate) fn member_flags(x: &MemberFlags) -> [(&'static str, Option<bool>); 5] {
    [
        ("hairpin", x.hairpin),
        ("isolated", x.isolated),
        ("learning", x.learning),
        ("flood", x.flood),
        ("neigh_suppress", x.neigh_suppress),
    ]
}

/// A VLAN of a member.
pub(crate) fn member_vlan(x: &MemberVlan) -> Words {
    Words::default().opt("vid", Some(x.id)).flag(x.pvid, "pvid").flag(x.untagged, "untagged")
}

/// An address with all that is said when it is added.
pub(crate) fn addr(x: &Addr) -> Words {
    let ip = x.key.net.addr();
    // ip(8) takes host scope for 127.0.0.0/8 unless told; IPv6 has no choice.
    let scope = (ip.is_ipv4() && (x.scope != Scope::GLOBAL || ip.is_loopback())).then_some(x.scope);
    let seconds = |n: u32| match n {
        Lifetime::FOREVER => "forever".to_owned(),
        n => n.to_string(),
    };
    addr_key(x)
        .opt("broadcast", x.broadcast)
        .opt("metric", x.metric)
        .opt("scope", scope)
        .opt("valid_lft", x.lifetime.map(|life| seconds(life.valid)))
        .opt("preferred_lft", x.lifetime.map(|life| seconds(life.preferred)))
        .flag(x.nodad, "nodad")
        .flag(x.noprefixroute, "noprefixroute")
}

/// What tells an address from others.
pub(crate) fn addr_key(x: &Addr) -> Words {
    let words = match x.peer {
        None => Words::default().word(x.key.net),
        Some(peer) => {
            let peer = format!("{peer}/{}", x.key.net.prefix_len());
            Words::default().word(x.key.net.addr()).say("peer").word(peer)
        }
    };
    words.opt("dev", Some(&x.key.dev))
}

/// A route with all that is said when it is added.
pub(crate) fn route(x: &Route) -> Words {
    let kind = if x.nhid.is_some() { RouteKind::Unicast } else { x.kind };
    let words = Words::default().then(route_key(&x.key, kind)).opt("nhid", x.nhid);
    let hops = if x.nhid.is_some() { &[] } else { x.hops.as_slice() };
    let words = match hops {
        // IPv6 names the loopback device as the hop of a route that leads nowhere.
        [hop] if !leads_nowhere(x.kind) => words.then(hop_words(&x.key, hop)),
        _ => words,
    };
    let words = words
        .opt("proto", (x.proto != 0).then_some(Proto(x.proto)))
        .opt("scope", (x.key.dst.addr().is_ipv4() && x.scope != usual_scope(x)).then_some(x.scope))
        .opt("src", x.prefsrc)
        .opt("mtu", x.mtu)
        .opt("advmss", x.advmss);
    match hops {
        [] | [_] => words,
        hops => hops.iter().fold(words, |words, hop| {
            words
                .say("nexthop")
                .then(hop_words(&x.key, hop))
                .opt("weight", (hop.weight != 1).then_some(hop.weight))
        }),
    }
}

/// What tells a route from others.
pub(crate) fn route_key(key: &RouteKey, kind: RouteKind) -> Words {
    let words = Words::default().flag(kind != RouteKind::Unicast, kind.name());
    let words = if key.dst.prefix_len() == 0 { words.say("default") } else { words.word(key.dst) };
    let usual = RouteKey::new(key.table, key.dst, 0).metric;
    let home = matches!(kind, RouteKind::Local | RouteKind::Broadcast | RouteKind::Anycast);
    words
        .opt("metric", (key.metric != usual).then_some(key.metric))
        .opt("table", (home || key.table != table::MAIN).then_some(key.table))
}

fn hop_words(key: &RouteKey, hop: &NextHop) -> Words {
    let other = hop.via.is_some_and(|via| via.is_ipv6() != key.dst.addr().is_ipv6());
    let words = match hop.via {
        Some(IpAddr::V6(via)) if other => Words::default().say("via inet6").word(via),
        Some(IpAddr::V4(via)) if other => Words::default().say("via inet").word(via),
        via => Words::default().opt("via", via),
    };
    words.opt("dev", hop.dev.as_ref()).flag(hop.onlink, "onlink")
}

/// The scope that ip(8) gives to an IPv4 route when none is said.
fn usual_scope(x: &Route) -> Scope {
    match x.kind {
        RouteKind::Local => Scope::HOST,
        RouteKind::Broadcast | RouteKind::Multicast | RouteKind::Anycast => Scope::LINK,
        RouteKind::Unicast if x.hops.len() == 1 && x.hops.iter().all(|hop| hop.via.is_none()) => {
            Scope::LINK
        }
        RouteKind::Unicast
        | RouteKind::Blackhole
        | RouteKind::Unreachable
        | RouteKind::Prohibit
        | RouteKind::Throw => Scope::GLOBAL,
    }
}

struct Proto(u8);

impl Display for Proto {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            proto::KERNEL => f.write_str("kernel"),
            proto::BOOT => f.write_str("boot"),
            proto::STATIC => f.write_str("static"),
            proto::RA => f.write_str("ra"),
            n => write!(f, "{n}"),
        }
    }
}

/// A policy rule.
pub(crate) fn rule(x: &Rule) -> Words {
    let words = Words::default()
        .flag(x.not, "not")
        .opt("from", Some(x.from.map_or("all".into(), |net| net.to_string())))
        .opt("to", x.to)
        .opt("iif", x.iif.as_ref())
        .opt("oif", x.oif.as_ref());
    let words = match x.mark {
        Some((mark, u32::MAX)) => words.say("fwmark").word(format_args!("{mark:#x}")),
        Some((mark, mask)) => words.say("fwmark").word(format_args!("{mark:#x}/{mask:#x}")),
        None => words,
    };
    let ports = |range: Option<(u16, u16)>| range.map(|(first, last)| format!("{first}-{last}"));
    words
        .opt("ipproto", x.ipproto)
        .opt("sport", ports(x.sport))
        .opt("dport", ports(x.dport))
        .opt("pref", Some(x.priority))
        .say(&x.action.to_string())
        .opt("suppress_prefixlength", x.suppress)
        .opt("protocol", (x.proto != 0).then_some(Proto(x.proto)))
}

/// A neighbour.
pub(crate) fn neigh(x: &Neigh) -> Words {
    let words = Words::default().flag(x.key.proxy, "proxy").word(x.key.ip);
    words
        .opt("lladdr", x.mac)
        .opt("dev", Some(&x.key.dev))
        .opt("nud", (!x.key.proxy).then(|| nud(x.state)))
        .opt("protocol", (x.proto != 0).then_some(Proto(x.proto)))
}

fn nud(state: u16) -> String {
    match state {
        Neigh::PERMANENT => "permanent".into(),
        0x40 => "noarp".into(),
        0x04 => "stale".into(),
        0x02 => "reachable".into(),
        state => format!("{state:#x}"),
    }
}

/// A forwarding entry.
pub(crate) fn fdb(x: &Fdb) -> Words {
    let state = match x.state {
        Neigh::PERMANENT => "permanent",
        0x40 => "static",
        _ => "dynamic",
    };
    fdb_key(&x.key).say(state)
}

/// What tells a forwarding entry from others.
pub(crate) fn fdb_key(key: &FdbKey) -> Words {
    Words::default()
        .word(key.mac)
        .opt("dev", Some(&key.dev))
        .say(if key.own { "self" } else { "master" })
        .opt("dst", key.dst)
        .opt("vlan", key.vlan)
}

/// True for the entry of a tunnel that says where unknown frames go: there may be several.
pub(crate) fn floods(key: &FdbKey) -> bool {
    key.own && key.mac == Mac([0; 6])
}
