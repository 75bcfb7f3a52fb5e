//! Addresses, routes, policy rules, neighbours and forwarding entries.

use ropewalk_facts::{Body, Fact};

use super::sh::line;
use crate::Change;
use crate::words::{Words, addr, addr_key, fdb, fdb_key, floods, neigh, route, route_key, rule};

/// The command for a change of one of these.
pub(super) fn command(change: &Change, fact: &Fact) -> Option<String> {
    let ns = &change.key.ns;
    let gone = change.removes();
    let verb = match () {
        () if gone => "del",
        () if change.old.is_some() => "replace",
        () => "add",
    };
    let say = |verb| Words::default().say(verb);
    Some(match &fact.body {
        Body::Addr(x) if gone => line(ns, "ip addr", say(verb).then(addr_key(x))),
        Body::Addr(x) => line(ns, "ip addr", say(verb).then(addr(x))),
        Body::Route(x) => {
            let tool = if x.key.dst.addr().is_ipv6() { "ip -6 route" } else { "ip route" };
            let words = if gone { route_key(&x.key, x.kind) } else { route(x) };
            line(ns, tool, say(verb).then(words))
        }
        Body::Rule(x) => {
            let tool = if x.v6 { "ip -6 rule" } else { "ip rule" };
            line(ns, tool, say(verb).then(rule(x)))
        }
        Body::Neigh(x) if gone => {
            let words = say(verb).flag(x.key.proxy, "proxy").word(x.key.ip);
            line(ns, "ip neigh", words.opt("dev", Some(&x.key.dev)))
        }
        // The kernel may have learned the neighbour meanwhile.
        Body::Neigh(x) => line(ns, "ip neigh", say("replace").then(neigh(x))),
        Body::Fdb(x) if gone => line(ns, "bridge fdb", say(verb).then(fdb_key(&x.key))),
        Body::Fdb(x) => {
            let verb = if floods(&x.key) { "append" } else { "replace" };
            line(ns, "bridge fdb", say(verb).then(fdb(x)))
        }
        Body::Netns(_)
        | Body::Link(_)
        | Body::Member(_)
        | Body::Sysctl(_)
        | Body::Qdisc(_)
        | Body::Filter(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => return None,
    })
}
