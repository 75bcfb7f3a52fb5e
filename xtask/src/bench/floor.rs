//! What the floor sends: the requests of an attach and of a detach, and no others.
//!
//!     attach   host: one veth on the bridge, its peer born in the namespace · nft: two elements
//!              · inside, one send: link up, address, default route
//!     detach   host: the veth goes · nft: the two elements go
//!
//! Never here: sending (`src/bin/floor.rs`).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use ipnet::{IpNet, Ipv4Net};
use ropewalk_facts::{Addr, Body, IfName, Link, LinkKind, Mac, Ns, Peer, Route, RouteKey};
use ropewalk_topology::firewall;
use ropewalk_wire::nl::{Request, flag};
use ropewalk_wire::rt::{Far, Links, Make};
use ropewalk_wire::{nft, rt};

use crate::Fault;

/// Where a part goes, as `src/bin/floor.rs` reads it.
const HOST: u32 = 0;
const NETFILTER: u32 = 1;
const INSIDE: u32 = 2;

/// The descriptor under which the floor has opened the namespace.
const NAMESPACE: i32 = 3;

/// One attachment of the floor's, among many.
pub(crate) struct Wish {
    /// Tells it apart: its address, its port, the name of its leg.
    pub(crate) number: u16,
    /// The bridge's name and index.
    pub(crate) bridge: (String, u32),
    /// The index that the next link of the namespace gets.
    pub(crate) index: u32,
}

impl Wish {
    /// The parts of an attach.
    pub(crate) fn attach(&self) -> Result<Vec<u8>, Fault> {
        let (leg, inside) = self.pair()?;
        let far = Far { ns: Some(NAMESPACE), link: Some(&inside), ..Far::default() };
        let mut links = Links::new(Ns::HOST);
        links.insert(IfName::new(self.bridge.0.as_str())?, self.bridge.1);
        let made = rt::create(&Body::Link(leg), Make::Exclusive, Some(&far), &links)?;

        let mut links = Links::new(Ns::new("netns:floor"));
        links.insert(inside.name.clone(), self.index);
        let net = IpNet::V4(Ipv4Net::new(self.address(), 16)?);
        let addr = Addr::global(inside.name.clone(), net);
        let gateway = IpAddr::V4(Ipv4Addr::new(10, 66, 0, 1));
        let route = Route::unicast(RouteKey::default_v4(), inside.name.clone(), Some(gateway));
        let down = Link { up: false, ..inside.clone() };
        let mut within = rt::change(&Body::Link(down), &Body::Link(inside), &links)?;
        for body in [Body::Addr(addr), Body::Route(route)] {
            within.extend(rt::create(&body, Make::Exclusive, None, &links)?);
        }

        let mut ruleset = ruleset();
        let mut elements = Vec::new();
        for element in self.elements() {
            elements.extend(nft::create(&element, Make::Exclusive, &mut ruleset)?);
        }
        Ok([part(HOST, made)?, transaction(elements)?, part(INSIDE, within)?].concat())
    }

    /// The parts of a detach.
    pub(crate) fn detach(&self) -> Result<Vec<u8>, Fault> {
        let (leg, _) = self.pair()?;
        let gone = rt::delete(&Body::Link(leg), &Links::new(Ns::HOST))?;
        let mut ruleset = ruleset();
        let mut elements = Vec::new();
        for element in self.elements() {
            elements.extend(nft::delete(&element.id(), &mut ruleset)?);
        }
        Ok([part(HOST, gone)?, transaction(elements)?].concat())
    }

    fn address(&self) -> Ipv4Addr {
        let [high, low] = self.number.to_be_bytes();
        Ipv4Addr::new(10, 66, 128 | high, low)
    }

    /// The leg and the other end, named after each other.
    fn pair(&self) -> Result<(Link, Link), Fault> {
        let (leg, inside) = (IfName::new(format!("fl{}", self.number))?, IfName::new("eth0")?);
        let end =
            |ns: Ns, name: &IfName| LinkKind::Veth { peer: Some(Peer { ns, name: name.clone() }) };
        let mut outer = Link::up(leg.clone(), end(Ns::new("netns:floor"), &inside));
        outer.mtu = Some(1500);
        outer.master = Some(IfName::new(self.bridge.0.as_str())?);
        let mut inner = Link::up(inside, end(Ns::HOST, &leg));
        inner.mtu = Some(1500);
        let [a, b, c, d] = self.address().octets();
        inner.mac = Some(Mac([2, 0x72, a, b, c, d]));
        Ok((outer, inner))
    }

    /// A port published on every address, and on one.
    fn elements(&self) -> impl Iterator<Item = Body> {
        let to = SocketAddr::from((self.address(), 80));
        let from = 40_000 + self.number;
        let at = [None, Some(IpAddr::V4(Ipv4Addr::LOCALHOST))];
        at.into_iter().filter_map(move |at| firewall::publish(6, at, from, to))
    }
}

/// The sets of ropewalk's table, which elements are written by.
fn ruleset() -> nft::Ruleset {
    let mut ruleset = nft::Ruleset::new();
    for body in firewall::facts() {
        if let Body::Set(set) = body {
            ruleset.learn_set(set);
        }
    }
    ruleset
}

/// A part of requests that are one transaction: the last but one is acknowledged.
fn transaction(requests: Vec<Request>) -> Result<Vec<u8>, Fault> {
    let last = requests.len();
    encode(NETFILTER, nft::transaction(requests), last)
}

/// A part of which the last request is acknowledged.
fn part(place: u32, requests: Vec<Request>) -> Result<Vec<u8>, Fault> {
    let last = requests.len().saturating_sub(1);
    encode(place, requests, last)
}

/// Place, length, number of the request at `last`; then the messages, numbered from 1.
fn encode(place: u32, requests: Vec<Request>, last: usize) -> Result<Vec<u8>, Fault> {
    let mut messages = Vec::new();
    for (at, mut request) in requests.into_iter().enumerate() {
        if at == last {
            request.flags |= flag::ACK;
        }
        request.encode(u32::try_from(at)? + 1, 0, &mut messages);
    }
    let head = [place, u32::try_from(messages.len())?, u32::try_from(last)? + 1];
    Ok([head.map(u32::to_ne_bytes).concat(), messages].concat())
}
