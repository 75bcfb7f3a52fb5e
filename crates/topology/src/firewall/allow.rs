//! Allow lists: whom a sandbox speaks with, as elements.
//!
//!     inet    a packet from a sandbox ─▶ leave ─▶ out: an answer? in its list?
//!             a packet to a sandbox   ─▶ reach ─▶ in:  the same, from the other side
//!     bridge  a frame between members ─▶ forward ─▶ leave, reach: the same without connections
//!
//!     held_out4 { address } · allow_out4 { address . peer . protocol . port }, ranges in each field
//!
//! A sandbox is known by its addresses, to which the guard keeps it. Between members of one bridge no
//! connections are tracked: there, of TCP all but the first packet is an answer, of ICMP all but what
//! asks, and UDP asked is remembered for a minute, with both ports, by the rules themselves.
//! A set of ranges takes none that overlap, so the lines of a list are cut into what they have not
//! in common.  Never here: how lists are written.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::nft::{Bytes, Element, ElementKey, Family, TableKey, VerdictCode};
use ropewalk_facts::{Body, IfName, Mac};
use ropewalk_spec::Allow;

use super::element::{name, octets};
use super::line::{Line, Side};
use super::rules::{Chained, Tagged};
use super::sets::{self, Version};
use super::{guard, own, rules};

/// Hook numbers (`NF_INET_*`, `NF_BR_*`).
const PREROUTING: u32 = 0;
const FORWARD: u32 = 2;
const POSTROUTING: u32 = 4;

/// Bits of TCP: the first packet of a connection has the second alone.
const SYN_ACK: u8 = 0x12;
const SYN: u8 = 0x02;

/// Which way a list looks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    Out,
    In,
}

impl Way {
    const BOTH: [Self; 2] = [Self::Out, Self::In];

    fn held(self) -> &'static str {
        if self == Self::Out { sets::HELD_OUT } else { sets::HELD_IN }
    }

    fn allow(self) -> &'static str {
        if self == Self::Out { sets::ALLOW_OUT } else { sets::ALLOW_IN }
    }

    fn tag(self) -> &'static str {
        if self == Self::Out { "allow-out" } else { "allow-in" }
    }

    /// The chain for a version of IP.
    fn chain(self, v: Version) -> &'static str {
        match (self, v) {
            (Self::Out, Version::V4) => "out4",
            (Self::Out, Version::V6) => "out6",
            (Self::In, Version::V4) => "in4",
            (Self::In, Version::V6) => "in6",
        }
    }

    /// Which address is the sandbox's.
    fn side(self) -> Side {
        if self == Self::Out { Side::Source } else { Side::Destination }
    }
}

/// Who is held to lists: an attachment on a leg.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The leg, where it is a member of a bridge.
    pub member: Option<&'a IfName>,
    /// The sandbox's hardware address.
    pub mac: Mac,
    /// Its addresses.
    pub addresses: &'a [IpAddr],
}

/// What the lists of an attachment add; an empty one is none.
#[must_use]
pub fn allowed(held: Held<'_>, allow_in: &[Allow], allow_out: &[Allow]) -> Vec<Body> {
    let mut all = Vec::new();
    if let Some(leg) = held.member.filter(|_| !(allow_in.is_empty() && allow_out.is_empty())) {
        all.push(element(&super::of(Family::Bridge), sets::HELD, name(leg), None));
    }
    for (way, list) in [(Way::Out, allow_out), (Way::In, allow_in)] {
        if !list.is_empty() {
            all.extend(one_way(held, way, list));
        }
    }
    all
}

fn one_way(held: Held<'_>, way: Way, list: &[Allow]) -> Vec<Body> {
    let (inet, bridge) = (super::table(), super::of(Family::Bridge));
    let mut all = Vec::new();
    all.extend(held.member.map(|leg| element(&bridge, way.held(), name(leg), None)));
    let link_local = own::link_local(held.mac, held.addresses);
    for ip in held.addresses.iter().copied().chain(link_local) {
        let v = if ip.is_ipv4() { Version::V4 } else { Version::V6 };
        all.push(element(&inet, &v.name(way.held()), octets(ip), None));
        let tables = [Some(&inet), held.member.map(|_| &bridge)];
        for space in apart(list, ip.is_ipv4()) {
            let (first, last) = space.keys(ip);
            let set = v.name(way.allow());
            let in_table =
                |table: &TableKey| element(table, &set, first.clone(), Some(last.clone()));
            all.extend(tables.into_iter().flatten().map(in_table));
        }
    }
    all
}

fn element(table: &TableKey, set: &str, key: Vec<u8>, end: Option<Vec<u8>>) -> Body {
    let end = end.filter(|end| *end != key).map(Bytes);
    let key = ElementKey { set: table.set(set), key: Bytes(key), end };
    Body::Element(Element { key, value: None, derived: false })
}

/// The peers, protocols and ports that a line allows: a first and a last of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Space([(u128, u128); 3]);

impl Space {
    /// What `allow` says of a version of IP.
    fn of(allow: &Allow, v4: bool) -> Option<Self> {
        let Allow::Only { net, carried } = allow else { return None };
        let net = net.filter(|net| net.addr().is_ipv4() == v4).or(match (net, v4) {
            (Some(_), _) => None,
            (None, true) => Some(IpNet::V4(ipnet::Ipv4Net::default())),
            (None, false) => Some(IpNet::V6(ipnet::Ipv6Net::default())),
        })?;
        let proto = carried.map_or((0, u8::MAX), |x| (x.number(v4), x.number(v4)));
        let ports =
            carried.and_then(|x| x.ports()).map_or((0, u16::MAX), |p| (p.first(), p.last()));
        Some(Self([
            (number(net.network()), number(net.broadcast())),
            (proto.0.into(), proto.1.into()),
            (ports.0.into(), ports.1.into()),
        ]))
    }

    /// With another first and last in one of the three.
    fn with(mut self, axis: usize, ends: (u128, u128)) -> Self {
        self.0.iter_mut().skip(axis).take(1).for_each(|now| *now = ends);
        self
    }

    /// The parts of it that `other` has not.
    fn without(self, other: &Self) -> Vec<Self> {
        let meets = |((a, b), (c, d)): (&(u128, u128), &(u128, u128))| a <= d && c <= b;
        if !self.0.iter().zip(&other.0).all(meets) {
            return vec![self];
        }
        let (mut parts, mut rest) = (Vec::new(), self);
        for (axis, ((from, to), (first, last))) in self.0.into_iter().zip(other.0).enumerate() {
            if from < first {
                parts.push(rest.with(axis, (from, first.saturating_sub(1))));
            }
            if to > last {
                parts.push(rest.with(axis, (last.saturating_add(1), to)));
            }
            rest = rest.with(axis, (from.max(first), to.min(last)));
        }
        parts
    }

    /// As the first and last key of an element, for the sandbox's address `own`.
    fn keys(&self, own: IpAddr) -> (Vec<u8>, Vec<u8>) {
        let key = |pick: fn(&(u128, u128)) -> u128| {
            let mut fields = self.0.iter().map(pick);
            let mut next = || fields.next().unwrap_or_default().to_be_bytes();
            let (peer, proto, port) = (next(), next(), next());
            let width = if own.is_ipv4() { 4 } else { 16 };
            let tail = |bytes: &[u8; 16], n: usize| bytes.get(16 - n..).unwrap_or(&[]).to_vec();
            let padded = |bytes: Vec<u8>| [bytes.clone(), vec![0; 4 - bytes.len()]].concat();
            let (proto, port) = (padded(tail(&proto, 1)), padded(tail(&port, 2)));
            [octets(own), tail(&peer, width), proto, port].concat()
        };
        (key(|ends| ends.0), key(|ends| ends.1))
    }
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => ip.to_bits().into(),
        IpAddr::V6(ip) => ip.to_bits(),
    }
}

/// What the lines allow of a version of IP, in spaces that have nothing in common. Wide ones come
/// first: what lies within them is gone.
fn apart(list: &[Allow], v4: bool) -> Vec<Space> {
    let mut wanted: Vec<Space> = list.iter().filter_map(|allow| Space::of(allow, v4)).collect();
    let narrow = |space: &Space| space.0.map(|(from, to)| std::cmp::Reverse(to - from));
    wanted.sort_by_key(narrow);
    let mut all: Vec<Space> = Vec::new();
    for space in wanted {
        let mut rest = vec![space];
        for known in &all {
            rest = rest.into_iter().flat_map(|part| part.without(known)).collect();
        }
        all.append(&mut rest);
    }
    all
}

/// The chains of the table of IP packets.
pub(super) fn inet() -> Vec<Chained> {
    let to = |way: Way| {
        Version::BOTH.map(|v| {
            let held = Line::new().addr_within(v, way.side(), &v.name(way.held()));
            (v.name(way.tag()), held.goto(way.chain(v)))
        })
    };
    let mut all = vec![
        // Behind connection tracking and before destinations are changed.
        ("leave", Some(("filter", PREROUTING, -150)), to(Way::Out).into()),
        // Behind sources that are changed.
        ("reach", Some(("filter", POSTROUTING, 150)), to(Way::In).into()),
    ];
    for way in Way::BOTH {
        for v in Version::BOTH {
            let line = || Line::new().ip(v);
            let mut lines = vec![back("known", Line::new().known())];
            lines.extend(life(Family::Inet, v));
            lines.push(back("allowed", listed(line(), way, v)));
            lines.push(rules::drop(way.tag(), Line::new()));
            all.push((way.chain(v), None, lines));
        }
    }
    all
}

/// The chains of the table of frames.
pub(super) fn bridge() -> Vec<Chained> {
    let family = Family::Bridge;
    let line = || Line::of(family);
    use ropewalk_facts::nft::MetaKey;
    let ends = [("from-held", MetaKey::IIFNAME), ("to-held", MetaKey::OIFNAME)];
    let forward = ends
        .map(|(tag, end)| (tag.to_owned(), line().link_within(end, sets::HELD).goto(sets::HELD)));
    let mut held: Vec<Tagged> = vec![
        ("arp".into(), line().ethertype([0x08, 0x06]).verdict(VerdictCode::Accept)),
        ("out".into(), line().link_within(MetaKey::IIFNAME, sets::HELD_OUT).jump("leave")),
        ("in".into(), line().link_within(MetaKey::OIFNAME, sets::HELD_IN).jump("reach")),
    ];
    held.extend(remember());
    let mut all = vec![
        ("forward", Some(("filter", FORWARD, -300)), forward.into()),
        (sets::HELD, None, held),
    ];
    for (way, chain) in [(Way::Out, "leave"), (Way::In, "reach")] {
        let to = |number, v| line().ethertype(number).goto(way.chain(v));
        all.push((
            chain,
            None,
            vec![
                ("ipv4".into(), to([0x08, 0x00], Version::V4)),
                ("ipv6".into(), to([0x86, 0xdd], Version::V6)),
                rules::drop(way.tag(), line()),
            ],
        ));
        all.extend(Version::BOTH.map(|v| (way.chain(v), None, framed(way, v))));
    }
    all
}

/// A frame of a version of IP, on its way between members.
fn framed(way: Way, v: Version) -> Vec<Tagged> {
    let line = || Line::of(Family::Bridge).ip(v);
    // The later parts of a packet are of no use without the first, and have no ports to look at.
    let mut lines = vec![back("part", line().later_part(v))];
    lines.extend(life(Family::Bridge, v));
    lines.extend([
        back("answer-tcp", line().tcp_flags_are_not(SYN_ACK, SYN)),
        back("answer-udp", line().proto(17).flow_back(v).known_in(&v.name(sets::HEARD))),
        back("allowed", listed(line(), way, v)),
        rules::drop(way.tag(), Line::of(Family::Bridge)),
    ]);
    lines
}

/// UDP that passed is remembered for its answers, not too much of it.
fn remember() -> Vec<Tagged> {
    let mut all = Vec::new();
    for v in Version::BOTH {
        let udp = || Line::of(Family::Bridge).ip(v).proto(17);
        let (heard, pace) = (v.name(sets::HEARD), v.name(sets::PACE));
        let source = Line::of(Family::Bridge).proto(17).ip(v).addr(v, Side::Source, 0);
        all.extend([
            (v.name("heard"), udp().flow(v).known_in(&heard).verdict(VerdictCode::Return)),
            (
                v.name("heard-pace"),
                source.add(&pace, Some(rules::pace())).verdict(VerdictCode::Return),
            ),
            (v.name("hear"), udp().flow(v).add(&heard, None)),
        ]);
    }
    all
}

/// What IP cannot live without: answers and errors of ICMP, the search for neighbours and routers.
fn life(family: Family, v: Version) -> Vec<Tagged> {
    let line = || Line::of(family);
    let kinds = |tag: &str, first, last| back(tag, line().icmp_between(v, first, last));
    match v {
        // Answers and what cannot be reached, time that is over, what cannot be read.
        Version::V4 => vec![kinds("icmp", 0, 4), kinds("icmp-errors", 11, 12)],
        // Errors; answers, groups, routers, neighbours; groups again.
        Version::V6 => vec![
            kinds("icmp-errors", 1, 4),
            kinds("icmp", 129, 137),
            back("groups", line().icmp(v, guard::REPORT6_V2)),
        ],
    }
}

/// The sandbox's address, the other, the protocol and the port are in its list.
fn listed(line: Line, way: Way, v: Version) -> Line {
    line.peering(v, way.side()).known_in(&v.name(way.allow()))
}

fn back(tag: &str, line: Line) -> Tagged {
    (tag.into(), line.verdict(VerdictCode::Return))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn spaces(list: &[&str], v4: bool) -> Vec<Space> {
        let list: Vec<Allow> = list.iter().map(|text| text.parse().unwrap()).collect();
        apart(&list, v4)
    }

    fn meet(a: &Space, b: &Space) -> bool {
        a.0.iter().zip(&b.0).all(|((a, b), (c, d))| a <= d && c <= b)
    }

    fn holds(spaces: &[Space], point: [u128; 3]) -> usize {
        let within = |space: &&Space| {
            space.0.iter().zip(point).all(|((from, to), at)| *from <= at && at <= *to)
        };
        spaces.iter().filter(within).count()
    }

    #[test]
    fn lines_that_overlap_are_cut_into_what_does_not() {
        let list = ["10.9.0.0/24 tcp:80-90", "10.9.0.5", "tcp:85-99", "10.9.0.0/16 udp", "icmp"];
        let cut = spaces(&list, true);
        for (n, one) in cut.iter().enumerate() {
            assert!(cut.iter().skip(n + 1).all(|other| !meet(one, other)), "{cut:?}");
        }
        let single: Vec<Vec<Space>> = list.iter().map(|line| spaces(&[line], true)).collect();
        let base = number("10.9.0.0".parse().unwrap());
        for peer in [base - 1, base, base + 4, base + 5, base + 255, base + 256, base + 70_000] {
            for proto in [1, 6, 17, 47] {
                for port in [0, 79, 80, 84, 85, 90, 91, 99, 100, 65535] {
                    let point = [peer, proto, port];
                    let wanted = single.iter().any(|space| holds(space, point) > 0);
                    assert_eq!(holds(&cut, point), usize::from(wanted), "{point:?}");
                }
            }
        }
    }

    #[test]
    fn a_line_speaks_of_the_version_of_its_address() {
        assert_eq!(spaces(&["10.9.0.5", "none"], false), []);
        assert_eq!(spaces(&["10.9.0.5", "10.9.0.0/24"], true).len(), 1);
        let [tcp] = spaces(&["tcp:443", "tcp:443"], false).try_into().unwrap();
        assert_eq!(tcp.0, [(0, u128::MAX), (6, 6), (443, 443)]);
        let (first, last) = tcp.keys("fd00::1".parse().unwrap());
        assert_eq!((first.len(), last.len()), (40, 40));
        assert_eq!(
            last.get(16..).unwrap(),
            [&[0xff; 16][..], &[6, 0, 0, 0, 1, 187, 0, 0]].concat()
        );
    }
}
