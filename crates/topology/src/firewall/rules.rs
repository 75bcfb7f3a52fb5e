//! The chains and their rules, in the order in which packets meet them.

use ropewalk_facts::Body;
use ropewalk_facts::nft::{Base, Chain, Expr, MetaKey, Rule, RuleKey, TableKey, VerdictCode};

use super::line::{Line, Side};
use super::sets::{self, Version};
use super::{allow, guard};

/// A rule's tag and what it does.
pub(super) type Tagged = (String, Line);

/// Hook numbers (`NF_INET_*`).
const PREROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;
const FORWARD: u32 = 2;
const OUTPUT: u32 = 3;
const POSTROUTING: u32 = 4;

/// A chain: its name, its hook if it has one (type, number, priority), its rules.
pub(super) type Chained = (&'static str, Option<(&'static str, u32, i32)>, Vec<Tagged>);

/// The chains of the table of IP packets.
pub(super) fn inet(table: &TableKey) -> Vec<Body> {
    let mut chains = vec![
        ("raw", Some(("filter", PREROUTING, -300)), raw()),
        ("prerouting", Some(("nat", PREROUTING, -100)), to_publish("from-outside")),
        ("output", Some(("nat", OUTPUT, -100)), to_publish("from-host")),
        ("publish", None, publish()),
        ("postrouting", Some(("nat", POSTROUTING, 100)), postrouting()),
        ("forward", Some(("filter", FORWARD, 0)), forward()),
        ("internal", None, internal()),
        ("enter", None, enter()),
        ("limits", None, limits()),
        ("count", None, count()),
        ("input", Some(("filter", LOCAL_IN, 0)), input()),
        ("visit", None, visit()),
    ];
    chains.extend(guard::inet());
    chains.extend(allow::inet());
    written(table, chains)
}

/// How many connections a sandbox can have begun, by each of its addresses.
pub const CONNECTIONS: u32 = 8192;
/// How many neighbours of the host it can make the host ask for: in a second, and at once. The
/// kernel keeps a question for 3 s, and has room for 1024 (`gc_thresh3`).
pub const HOPS_RATE: u32 = 32;
/// See [`HOPS_RATE`].
pub const HOPS_BURST: u32 = 128;

/// Chains as facts, before all their rules.
pub(super) fn written(table: &TableKey, chains: Vec<Chained>) -> Vec<Body> {
    let (mut heads, mut rules) = (Vec::new(), Vec::new());
    for (name, hook, lines) in chains {
        heads.push(Body::Chain(Chain { key: table.chain(name), base: hook.map(base) }));
        for ((tag, line), at) in lines.into_iter().zip(0..) {
            let key = RuleKey { chain: table.chain(name), tag };
            rules.push(Body::NftRule(Rule { key, exprs: line.done(), at: Some(at) }));
        }
    }
    heads.append(&mut rules);
    heads
}

fn base((kind, hook, priority): (&str, u32, i32)) -> Base {
    Base { kind: kind.into(), hook, priority, drop: false, devs: Vec::new() }
}

/// `one` for IPv4 and for IPv6, tagged `TAG4` and `TAG6`.
fn both(tag: &str, one: impl Fn(Version) -> Line) -> [Tagged; 2] {
    Version::BOTH.map(|v| (v.name(tag), one(v)))
}

/// With `route_localnet`, a neighbour could send to 127.0.0.1 and be heard. (The kernel itself
/// refuses packets to ::1 that come from outside.)
fn raw() -> Vec<Tagged> {
    let line = || Line::new().not_from_lo().addr_begins(Version::V4, Side::Destination, &[127]);
    let legs = Line::new().link_within(MetaKey::IIFNAME, sets::LEGS).goto(guard::GUARD);
    let open = line().link_outside(MetaKey::IIFGROUP, sets::HOSTED);
    vec![("loopback-guard".into(), open.verdict(VerdictCode::Drop)), ("protected".into(), legs)]
}

fn to_publish(tag: &str) -> Vec<Tagged> {
    vec![(tag.into(), Line::new().for_this_host().jump("publish"))]
}

/// A port published on the very address goes before one published on every address.
fn publish() -> Vec<Tagged> {
    let mut rules = Vec::from(both("at", |v| {
        let key = Line::new().ip(v).addr(v, Side::Destination, 0).proto_and_port(v.regs());
        key.dnat(v, &v.name(sets::PUBLISH_AT))
    }));
    rules.extend(both("any", |v| {
        Line::new().ip(v).proto_and_port(0).dnat(v, &v.name(sets::PUBLISH))
    }));
    rules
}

/// What the source becomes. In words:
/// multicast and broadcast stay; what a published port leads to another host gets the host's address
/// on the way there, so that the answer comes back by it; a sandbox that reaches its own network by a published port gets
/// the host's address, so that the answer comes back here; else within a network all stays; a host
/// process that came by 127.0.0.1 gets the host's address; then what the networks ask for,
/// traffic out before traffic in.
fn postrouting() -> Vec<Tagged> {
    let stay = |line: Line| line.verdict(VerdictCode::Return);
    let mut rules = vec![
        ("multicast4".into(), stay(Line::new().daddr_from(Version::V4, &[224, 0, 0, 0]))),
        ("multicast6".into(), stay(Line::new().daddr_from(Version::V6, &LINK_LOCAL))),
    ];
    rules.extend(both("far", |v| {
        let line = Line::new().dnatted().ip(v).addr(v, Side::Destination, 0);
        line.snat(v, &v.name(sets::FAR))
    }));
    rules.extend(both("hairpin", |v| {
        Line::new().dnatted().pair(v, &v.name(sets::DIRECT)).masquerade()
    }));
    rules.extend(both("direct", |v| stay(Line::new().pair(v, &v.name(sets::DIRECT)))));
    rules.extend(both("loopback", |v| {
        let prefix: &[u8] = if v == Version::V4 { &[127] } else { &LOOPBACK6 };
        Line::new().dnatted().addr_begins(v, Side::Source, prefix).masquerade()
    }));
    for (side, snat, masq) in
        [(Side::Source, sets::SNAT, sets::MASQ), (Side::Destination, sets::SNAT_IN, sets::MASQ_IN)]
    {
        rules.extend(both(snat, |v| Line::new().ip(v).addr(v, side, 0).snat(v, &v.name(snat))));
        rules.extend(both(masq, |v| Line::new().addr_within(v, side, &v.name(masq)).masquerade()));
    }
    rules
}

/// fe80::, and after it fec0::/10 and ff00::/8: nothing that a router forwards.
const LINK_LOCAL: [u8; 16] = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
const LOOPBACK6: [u8; 16] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// What was let in once, and its answers, pass.
fn forward() -> Vec<Tagged> {
    let to = |key, set: &str, chain: &str| Line::new().link_within(key, set).jump(chain);
    vec![
        accept("known", Line::new().known()),
        ("limits".into(), to(MetaKey::IIFGROUP, sets::INSIDE, "limits")),
        ("guest-limits".into(), Line::new().station_within(sets::GUESTS).jump("limits")),
        ("from-internal".into(), to(MetaKey::IIFNAME, sets::INTERNAL, "internal")),
        ("to-internal".into(), to(MetaKey::OIFNAME, sets::INTERNAL, "internal")),
        ("enter".into(), to(MetaKey::OIFGROUP, sets::INSIDE, "enter")),
    ]
}

/// Frames that stay on their bridge, and networks that are joined; no others.
fn internal() -> Vec<Tagged> {
    vec![
        accept("bridged", Line::new().links_within(sets::BRIDGED)),
        accept("joined", Line::new().groups_within(sets::JOINED)),
        drop("closed", Line::new()),
    ]
}

/// Into a network: from itself and those that are joined, and by published ports. Some, routed
/// ones, are open to all but other networks.
fn enter() -> Vec<Tagged> {
    vec![
        accept("joined", Line::new().groups_within(sets::JOINED)),
        accept("published", Line::new().dnatted()),
        drop("between", Line::new().link_within(MetaKey::IIFGROUP, sets::INSIDE)),
        drop("guest-between", Line::new().station_within(sets::GUESTS)),
        drop("closed", Line::new().link_within(MetaKey::OIFGROUP, sets::CLOSED)),
    ]
}

/// What is new from a sandbox: neighbours are asked for at a pace that leaves room in the host's
/// tables, and connections are counted.
fn limits() -> Vec<Tagged> {
    let hop = |v: Version| Line::new().ip(v).addr(v, Side::Source, 0).next_hop(v, v.regs());
    // Who has no address yet speaks to the link alone, and is not tracked.
    let nobody = Line::new().without_source(Version::V6).verdict(VerdictCode::Return);
    let mut rules = vec![("nobody6".into(), nobody)];
    rules.extend(both("met", |v| hop(v).known_in(&v.name(sets::HOPS)).goto("count")));
    rules.extend(both("pace", |v| {
        let line = Line::new().ip(v).addr(v, Side::Source, 0);
        line.add(&v.name(sets::PACE), Some(pace())).verdict(VerdictCode::Drop)
    }));
    rules.extend(both("meet", |v| hop(v).add(&v.name(sets::HOPS), None)));
    rules.push(("count".into(), Line::new().goto("count")));
    rules
}

/// More than what is new from one source at a usual pace.
pub(super) fn pace() -> Expr {
    Expr::Limit { rate: HOPS_RATE.into(), unit: 1, burst: HOPS_BURST, over: true }
}

fn count() -> Vec<Tagged> {
    let rules = both("connections", |v| {
        let limit = Expr::Connlimit { count: CONNECTIONS, over: true };
        let line = Line::new().ip(v).addr(v, Side::Source, 0);
        line.add(&v.name(sets::CONNECTIONS), Some(limit)).verdict(VerdictCode::Drop)
    });
    rules.into()
}

fn input() -> Vec<Tagged> {
    let from = Line::new().link_within(MetaKey::IIFGROUP, sets::INSIDE);
    let guest = Line::new().priority(guard::GUEST);
    vec![("visit".into(), from.jump("visit")), ("guest".into(), guest.jump("visit"))]
}

/// Where a tunnel's peers are asked whether checksums get there: where traceroute(8) begins, and nobody
/// listens.
pub const TRIAL: u16 = 33434;

/// From a sandbox to the host itself: answers, the search for neighbours, a ping of the gateway, and
/// what it says that it has nothing for.
fn visit() -> Vec<Tagged> {
    let icmp6 = |kind| Line::new().icmp(Version::V6, kind);
    let mut rules = vec![
        accept("known", Line::new().known()),
        accept("solicit", icmp6(guard::SOLICIT6)),
        accept("advert", icmp6(guard::NEIGHBOUR6)),
        ("count".into(), Line::new().jump("count")),
        accept("hosted", Line::new().link_within(MetaKey::IIFGROUP, sets::HOSTED)),
    ];
    rules.extend(both("ping", |v| {
        let kind = if v == Version::V4 { 8 } else { 128 };
        let ping = Line::new().icmp(v, kind).gateway_within(v, &v.name(sets::GATEWAYS));
        ping.verdict(VerdictCode::Accept)
    }));
    rules.extend(both("guest-ping", |v| {
        let kind = if v == Version::V4 { 8 } else { 128 };
        let ping = Line::new().icmp(v, kind).priority(guard::GUEST).for_this_link();
        ping.verdict(VerdictCode::Accept)
    }));
    rules.extend(both("trial", |v| {
        let trial = Line::new().ip(v).udp_to(TRIAL).gateway_within(v, &v.name(sets::GATEWAYS));
        trial.verdict(VerdictCode::Accept)
    }));
    rules.push(drop("host", Line::new()));
    rules
}

fn accept(tag: &str, line: Line) -> Tagged {
    (tag.into(), line.verdict(VerdictCode::Accept))
}

pub(super) fn drop(tag: &str, line: Line) -> Tagged {
    (tag.into(), line.verdict(VerdictCode::Drop))
}
