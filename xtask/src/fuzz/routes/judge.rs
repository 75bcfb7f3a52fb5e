//! Whether the walk and the kernel say the same of a question.
//!
//!     the entry of the table · one of its ways · the source address         or that there is none

use std::net::IpAddr;

use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, NextHop, Ns, Route, RouteKey, RouteKind, table};
use ropewalk_walk::route::{self, Taken};
use ropewalk_walk::{Packet, Why, World, arrives};

use super::ask::{Answer, Question};

/// What comes of comparing.
pub(super) enum Judged {
    Same,
    /// The walk says that it does not know.
    Unknown(String),
    Differs {
        walk: String,
        kernel: String,
    },
}

/// What the walk says.
enum Walk {
    Takes(Box<Taken>),
    Refuses(String),
    Unknown(String),
}

/// Compares the two.
pub(super) fn compare(world: &World, q: &Question, answer: &Answer) -> Judged {
    let (ask, walk) = walk(world, q, answer);
    let kernel = || match (&answer.entry, &answer.taken) {
        (Ok(entry), Ok(taken)) => format!("{}, taken as {}", entry_of(entry), ways_of(taken)),
        (Ok(entry), Err(errno)) => format!("{}, refused with {errno}", entry_of(entry)),
        (Err(errno), _) => format!("refused with {errno}"),
    };
    match walk {
        Walk::Unknown(what) => Judged::Unknown(what),
        Walk::Refuses(_) if answer.taken.is_err() => Judged::Same,
        // Where no table knows a way, a socket that is bound to a link takes that.
        Walk::Refuses(_) if q.oif.is_some() && answer.entry.is_err() => Judged::Same,
        Walk::Refuses(why) => Judged::Differs { walk: why, kernel: kernel() },
        Walk::Takes(found) => {
            let route = &found.route;
            let said = |more: String| Judged::Differs {
                walk: format!("{}{}: {more}", entry_of(route), ways_of(route)),
                kernel: kernel(),
            };
            let (Ok(entry), Ok(taken)) = (&answer.entry, &answer.taken) else {
                return said("passes".to_owned());
            };
            // Where the kernel has made one of the first two tables, it says so.
            let merged = entry.key.table == table::MAIN && route.key.table == table::LOCAL;
            let same = entry.key == route.key
                || (merged && RouteKey { table: table::LOCAL, ..entry.key.clone() } == route.key);
            if !same || entry.kind != route.kind {
                return said("another entry".to_owned());
            }
            let Some(node) = world.node(&Ns::HOST) else { return said("no node".to_owned()) };
            if route.kind != RouteKind::Unicast {
                return Judged::Same;
            }
            let usable: Vec<&NextHop> =
                route.hops.iter().filter(|hop| route::goes(node, hop, &ask)).collect();
            let Some(hop) = taken.hops.first() else { return said("a way".to_owned()) };
            if !usable.iter().any(|way| of(way) == of(hop)) {
                return said("not that way".to_owned());
            }
            if q.src.is_none() && q.iif.is_none() {
                let source = route::source(node, route, Some(hop), q.dst);
                // Of several ways of IPv6 the source is that of any.
                if source != taken.prefsrc && route.hops.len() > 1 && q.dst.is_ipv6() {
                    return Judged::Unknown("which of several ways".to_owned());
                }
                if source != taken.prefsrc {
                    return said(format!("source {source:?}"));
                }
            }
            Judged::Same
        }
    }
}

/// As many ways as a drawn route has at most, or more: they are counted around.
const WAYS: usize = 6;

fn walk(world: &World, q: &Question, answer: &Answer) -> (route::Ask, Walk) {
    let ask = route::Ask {
        src: q.src,
        iif: q.iif.clone(),
        oif: q.oif.clone(),
        mark: q.mark,
        flow: Some(q.flow),
    };
    let said = match (&q.iif, q.src) {
        (Some(dev), Some(src)) if q.dst.is_ipv4() => {
            let (proto, sport, dport) = q.flow;
            let tuple = Tuple { src, dst: q.dst, proto, sport, dport };
            let packet = Packet { mark: q.mark, ..Packet::new(tuple, 60) };
            let mut ways = Vec::new();
            for way in 0..WAYS {
                ways.push(arrives(world, &Ns::HOST, dev, &packet, way));
            }
            // The source is asked about by the way that the packet takes, which the kernel chooses.
            let same = ways.iter().position(|said| match (said, &answer.taken) {
                (Ok((_, hop)), Ok(taken)) => hop.as_ref().map(of) == taken.hops.first().map(of),
                (said, taken) => said.is_err() && taken.is_err(),
            });
            match ways.swap_remove(same.unwrap_or(0)) {
                Ok((taken, _)) => Walk::Takes(Box::new(taken)),
                Err(Why::UnknownRule) => Walk::Unknown("a policy rule".to_owned()),
                Err(why) => Walk::Refuses(format!("{why:?}")),
            }
        }
        _ => {
            let Some(node) = world.node(&Ns::HOST) else {
                return (ask, Walk::Refuses("not read".to_owned()));
            };
            match route::lookup(node, q.dst, &ask) {
                route::Answer::Route(taken) => Walk::Takes(taken),
                route::Answer::Refused(refusal) => Walk::Refuses(refusal.kind.name().to_owned()),
                route::Answer::Nothing => Walk::Refuses("no route".to_owned()),
                route::Answer::Unknown(rule) => Walk::Unknown(format!("rule: {:?}", rule.action)),
            }
        }
    };
    (ask, said)
}

fn of(hop: &NextHop) -> (Option<IfName>, Option<IpAddr>) {
    (hop.dev.clone(), hop.via)
}

fn entry_of(route: &Route) -> String {
    let key = &route.key;
    format!("{} {} table {} metric {}", route.kind.name(), key.dst, key.table, key.metric)
}

fn ways_of(route: &Route) -> String {
    let hops: Vec<String> = route
        .hops
        .iter()
        .map(|hop| {
            let via = hop.via.map_or_else(String::new, |via| format!(" via {via}"));
            let dev = hop.dev.as_ref().map_or_else(String::new, |dev| format!(" dev {dev}"));
            format!("{via}{dev}")
        })
        .collect();
    let src = route.prefsrc.map_or_else(String::new, |src| format!(" src {src}"));
    format!("{}{src}", hops.join(","))
}
