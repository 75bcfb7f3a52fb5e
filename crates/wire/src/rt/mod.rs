//! rtnetlink: links, members, addresses, routes, rules, neighbours, forwarding entries, queueing
//! disciplines and filters.
//!
//!     create / change / delete (fact)  ──▶ Requests     what `ip`, `bridge`, `tc` would send
//!     read (id) / dumps ()             ──▶ Requests     for sockets with NETLINK_GET_STRICT_CHK
//!     decode (message)                 ──▶ facts        after Links has learned every link
//!
//! Requests carry the flags that belong to their meaning; whether an acknowledgement
//! ([`flag::ACK`]) or the object itself ([`flag::ECHO`]) is wanted back, the sender adds.
//! Never here: sysctls by file, names of namespaces, nf_tables.

mod addr;
mod conf;
mod consts;
mod event;
mod fdb;
mod index;
mod ip;
mod keys;
mod kinds;
mod link;
mod links;
mod member;
mod neigh;
mod nsid;
mod route;
mod rule;
pub mod seen;
#[cfg(test)]
mod tests;
mod traffic;

use ropewalk_facts::{Body, Id, Link};

use crate::Error;
use crate::nl::{Message, Request, flag};
use consts::*;

pub use event::{Event, GROUPS, INSIDE, LinkState, event};
pub use index::{OtherEnd, link_at, link_move, other_end};
pub use links::Links;
pub use nsid::{nsid_get, nsid_of};
pub use route::{learned, learned_dump, route_get, route_seen, route_taken};
pub use rule::rule_seen;

/// What is to happen when the object exists already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Make {
    /// The request is refused (`EEXIST`).
    Exclusive,
    /// It is made as stated. Policy rules and alternative names are refused with `EEXIST` even so,
    /// being their own keys: that answer then means that all is well. Of links only a bridge is
    /// sure to take it: other kinds have settings that the kernel does not change.
    Shared,
}

impl Make {
    fn flags(self) -> u16 {
        match self {
            Self::Exclusive => flag::CREATE | flag::EXCL,
            Self::Shared => flag::CREATE | flag::REPLACE,
        }
    }
}

/// What a link has to do with another namespace than that of the request: where the other end of a
/// veth is born, and how; or where a link is born that stands on one of the request's namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Far<'a> {
    /// A file descriptor of that namespace; `None` for the namespace of the request.
    pub ns: Option<i32>,
    /// The index of the link that this one stands on, for one that is born elsewhere.
    pub lower: Option<u32>,
    /// The index that it is to have itself.
    pub index: Option<u32>,
    /// Its own wish, of which hardware address and MTU are taken. It is born down, without master
    /// and alternative names: [`change`] sets those afterwards, in its own namespace.
    pub link: Option<&'a Link>,
}

/// The requests that make an object. A bridge member's flags are set rather than made.
///
/// # Errors
/// [`Error::NoIndex`] when an interface it needs is not in `links`, [`Error::NoPeer`],
/// [`Error::Fixed`] for a link of a kind that is not made by request, [`Error::Foreign`].
pub fn create(
    body: &Body,
    make: Make,
    far: Option<&Far<'_>>,
    links: &Links,
) -> Result<Vec<Request>, Error> {
    match body {
        Body::Link(x) => link::create(x, make, far, links),
        Body::Member(x) => member::set(None, x, links),
        Body::Addr(x) => addr::create(x, make, links),
        Body::Route(x) => route::create(x, make, links),
        Body::Rule(x) => rule::create(x),
        Body::Neigh(x) => neigh::create(x, make, links),
        Body::Fdb(x) => fdb::create(x, make, links),
        Body::Qdisc(x) => traffic::create_qdisc(x, make, links),
        Body::Filter(x) => traffic::create_filter(x, links),
        Body::Netns(_)
        | Body::Sysctl(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => Err(Error::Foreign),
    }
}

/// The requests that make `new` of `old`, which is the same object. For links and members only
/// what differs is sent; a link's master and alternative names become exactly those of `new`.
///
/// # Errors
/// As for [`create`]; [`Error::Fixed`] also when the kernel cannot change it so.
pub fn change(old: &Body, new: &Body, links: &Links) -> Result<Vec<Request>, Error> {
    match (old, new) {
        _ if old == new => Ok(Vec::new()),
        (Body::Link(old), Body::Link(new)) => link::change(old, new, links),
        (Body::Member(old), Body::Member(new)) => member::set(Some(old), new, links),
        (Body::Addr(old), Body::Addr(new)) => addr::change(old, new, links),
        (Body::Rule(_), Body::Rule(_)) => Err(Error::Fixed),
        (Body::Filter(old), Body::Filter(new)) => traffic::change_filter(old, new, links),
        _ => create(new, Make::Shared, None, links),
    }
}

/// The requests that remove an object. Nothing removes a member's flags but the link's leaving.
///
/// # Errors
/// As for [`create`].
pub fn delete(body: &Body, links: &Links) -> Result<Vec<Request>, Error> {
    match body {
        Body::Link(x) => link::delete(&x.name),
        Body::Member(_) => Ok(Vec::new()),
        Body::Addr(x) => addr::delete(x, links),
        Body::Route(x) => route::delete(x, links),
        Body::Rule(x) => rule::delete(x),
        Body::Neigh(x) => neigh::delete(&x.key, links),
        Body::Fdb(x) => fdb::delete(&x.key, links),
        Body::Qdisc(x) => traffic::delete_qdisc(&x.key, links),
        Body::Filter(x) => traffic::delete_filter(&x.key, links),
        Body::Netns(_)
        | Body::Sysctl(_)
        | Body::Table(_)
        | Body::Set(_)
        | Body::Chain(_)
        | Body::NftRule(_)
        | Body::Element(_) => Err(Error::Foreign),
    }
}

/// The narrowest request whose answer holds the object, if it exists. It may hold others too:
/// compare ids. Where [`flag::DUMP`] is set several answers come, else one or an error.
///
/// Where nothing is found, [`read_wide`] may know more.
///
/// # Errors
/// As for [`create`].
pub fn read(id: &Id, links: &Links) -> Result<Request, Error> {
    match id {
        Id::Link(name) | Id::Member(name) => link::read(name.as_str()),
        Id::Addr(key) => addr::read(key, links),
        Id::Route(key) if key.table == ropewalk_facts::table::MAIN => {
            route_get(route::probe(key), true)
        }
        Id::Route(key) => routes_of(key.table, key.dst.addr().is_ipv6()),
        Id::Rule(x) => Ok(rule::dump(x.v6)),
        Id::Neigh(key) => neigh::read(key, links),
        Id::Fdb(key) => fdb::read(key, links),
        Id::Qdisc(key) => traffic::read_qdisc(key, links),
        Id::Filter(key) => traffic::read_filters(links.need(&key.dev)?),
        Id::Sysctl(path) => link::read(path.dev().ok_or(Error::Foreign)?.as_str()),
        Id::Netns(_)
        | Id::Table(_)
        | Id::Set(_)
        | Id::Chain(_)
        | Id::NftRule(_)
        | Id::Element(_) => Err(Error::Foreign),
    }
}

/// What to ask when [`read`] found nothing: for a route of the main table it asked which entry
/// decides about one address, and a longer prefix, another metric, another rule or an answer that
/// is a refusal (a blackhole's) may hide it.
///
/// # Errors
/// None in practice: the message is short.
pub fn read_wide(id: &Id) -> Result<Option<Request>, Error> {
    let Id::Route(key) = id else { return Ok(None) };
    if key.table != ropewalk_facts::table::MAIN {
        return Ok(None);
    }
    routes_of(key.table, key.dst.addr().is_ipv6()).map(Some)
}

/// Asks for one link by any of its names.
///
/// # Errors
/// None in practice: the message is short.
pub fn link_get(name: &str) -> Result<Request, Error> {
    link::read(name)
}

/// True for the message of a link that is connected to something.
#[must_use]
pub fn carrier(message: &Message<'_>) -> bool {
    link::carrier(message)
}

/// True for the message of a link that is connected to something, of which the kernel has not taken notice yet:
/// until it has (`linkwatch_event`, net/core/link_watch.c), the link drops what it is given.
#[must_use]
pub fn settling(message: &Message<'_>) -> bool {
    link::settling(message)
}

/// All routes of one table and family.
///
/// # Errors
/// None in practice: the message is short.
pub fn routes_of(table: u32, v6: bool) -> Result<Request, Error> {
    route::dump(v6, Some(table))
}

/// All links, with members' flags and settings: to be asked for, and learned, first.
///
/// # Errors
/// None in practice: the message is short.
pub fn links_dump() -> Result<Request, Error> {
    link::dump()
}

/// Everything but the links: addresses, routes, rules, neighbours, proxies, forwarding entries, queueing
/// disciplines; filters follow from these ([`filters_at`]).
///
/// # Errors
/// None in practice: the messages are short.
pub fn dumps() -> Result<Vec<Request>, Error> {
    Ok(vec![
        addr::dump(),
        route::dump(false, None)?,
        route::dump(true, None)?,
        rule::dump(false),
        rule::dump(true),
        neigh::dump(false),
        neigh::dump(true),
        fdb::dump(),
        traffic::dump_qdiscs(),
    ])
}

/// The requests for what leads to other hosts: the routes that bear a mark, and what is known on links
/// with these indices of neighbours and stations.
///
/// # Errors
/// None in practice: the messages are short.
pub fn ways_dumps(proto: u8, links: &[u32]) -> Result<Vec<Request>, Error> {
    let mut all = vec![route::dump_of(false, proto), route::dump_of(true, proto)];
    for index in links {
        all.push(neigh::dump_on(AF_UNSPEC, *index)?);
        all.push(neigh::dump_on(AF_BRIDGE, *index)?);
    }
    Ok(all)
}

/// The question after the filters of the link of a message about a qdisc that may have some.
///
/// # Errors
/// None in practice: the message is short.
pub fn filters_at(message: &Message<'_>) -> Result<Option<Request>, Error> {
    traffic::ingress_of(message).map(traffic::read_filters).transpose()
}

/// The request for all addresses of a namespace.
#[must_use]
pub fn addresses_dump() -> Request {
    addr::dump()
}

/// The facts that a message holds; none for a message of another kind. A message that an object
/// is gone (`RTM_DEL…`) is read like one that it is there.
///
/// # Errors
/// [`Error::NoName`] when it speaks of a link that `links` does not know, [`Error::Malformed`].
pub fn decode(message: &Message<'_>, links: &Links) -> Result<Vec<Body>, Error> {
    let body = message.body;
    let one = match message.kind {
        RTM_NEWLINK | RTM_DELLINK => return link::decode(body, links),
        RTM_NEWADDR | RTM_DELADDR => addr::decode(body, links)?.map(Body::Addr),
        RTM_NEWROUTE | RTM_DELROUTE => route::decode(body, links)?.map(Body::Route),
        RTM_NEWRULE | RTM_DELRULE => rule::decode(body)?.map(Body::Rule),
        RTM_NEWNEIGH | RTM_DELNEIGH => {
            let head = neigh::Head::of(body)?;
            if head.family == AF_BRIDGE {
                fdb::decode(&head, body, links)?.map(Body::Fdb)
            } else {
                neigh::decode(&head, body, links)?.map(Body::Neigh)
            }
        }
        RTM_NEWQDISC | RTM_DELQDISC => traffic::qdisc(body, links)?.map(Body::Qdisc),
        RTM_NEWTFILTER | RTM_DELTFILTER => traffic::filter(body, links)?.map(Body::Filter),
        _ => None,
    };
    Ok(one.into_iter().collect())
}
