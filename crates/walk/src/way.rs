//! A trip as it is shown: a numbered step for each hop, one for where it stops, and those that
//! would follow if that were repaired.
//!
//!     1 c1 route … ok      2 c1 eth0 → h vc1[br0] … ok      3 h ip/filter/FORWARD policy drop
//!
//! Never here: what the cause is, what the steps look like on a page.

use ropewalk_facts::Ns;
use serde::Serialize;

use crate::nft::{self, Decision};
use crate::question::called;
use crate::trace::{Ending, Hop, Journey, ROUTE, Stop, Trip, Why};
use crate::world::World;

/// A hop as it is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// Its number, from 1 on.
    pub n: usize,
    /// The namespace.
    pub netns: String,
    /// What decides there: `route`, `nat`, `filter`, `link`, or `deliver` at the end.
    pub stage: &'static str,
    /// The link that it is at, or that the route leads to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<String>,
    /// The link that it comes over to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub over: Option<Over>,
    /// The link, chain or table.
    pub object: String,
    /// What happens there.
    pub action: String,
    /// The packet afterwards.
    pub packet: String,
    /// `ok`, or where it stops `drop`, `reject` (by a rule) or `stop`.
    pub verdict: &'static str,
    /// How many of those that were sent were seen here, or dropped where it stops; nothing where
    /// none can be seen, or none was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<u16>,
}

/// The other end of a wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Over {
    /// Its namespace.
    pub netns: String,
    /// The link.
    pub dev: String,
    /// The bridge that it is a member of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<String>,
}

/// What would follow where it stops, with the fix.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Would {
    /// The rest of the request's way.
    pub path: Vec<Step>,
    /// The answer's way, or the rest of it.
    pub reply: Vec<Step>,
}

/// The steps of a journey, that of its end included.
pub(crate) fn steps(world: &World, journey: &Journey) -> Vec<Step> {
    let mut all = hops(world, &journey.hops, 0);
    if let Ending::Stopped(stop) = &journey.end {
        all.push(stopped(stop, all.len() + 1));
    }
    all
}

/// What follows in `after` on what was walked before; nothing where the way is another one.
pub(crate) fn would(world: &World, before: &Trip, after: &Trip) -> Would {
    let rest = |was: &Journey, is: &Journey| {
        let left = is.hops.strip_prefix(was.hops.as_slice()).unwrap_or_default();
        // The step that stopped it has a number, too.
        hops(world, left, was.hops.len() + 1)
    };
    let back = after.reply.as_ref();
    match &before.reply {
        None => Would {
            path: rest(&before.request, &after.request),
            reply: back.map(|reply| hops(world, &reply.hops, 0)).unwrap_or_default(),
        },
        Some(reply) => Would {
            path: Vec::new(),
            reply: back.map(|after| rest(reply, after)).unwrap_or_default(),
        },
    }
}

fn hops(world: &World, hops: &[Hop], before: usize) -> Vec<Step> {
    hops.iter().enumerate().map(|(i, hop)| step(world, hop, before + i + 1)).collect()
}

fn step(world: &World, hop: &Hop, n: usize) -> Step {
    let over = hop.over.as_ref().map(|(ns, dev)| Over {
        netns: called(ns).to_owned(),
        dev: dev.to_string(),
        bridge: world.dev(ns, dev).and_then(|d| d.link.master.as_ref()).map(ToString::to_string),
    });
    let stage = match hop.at.as_str() {
        ROUTE => "route",
        at if at.contains('/') => "nat",
        _ if hop.what.starts_with("delivers") => "deliver",
        _ => "link",
    };
    Step {
        n,
        netns: called(&hop.ns).to_owned(),
        stage,
        dev: hop.dev.as_ref().map(ToString::to_string),
        over,
        object: hop.at.clone(),
        action: hop.what.clone(),
        packet: packet(hop.tuple),
        verdict: "ok",
        seen: None,
    }
}

fn packet(t: ropewalk_facts::seen::Tuple) -> String {
    let end = |ip: std::net::IpAddr, port: u16| match t.proto {
        6 | 17 if ip.is_ipv6() => format!("[{ip}]:{port}"),
        6 | 17 => format!("{ip}:{port}"),
        _ => ip.to_string(),
    };
    format!("{} > {}", end(t.src, t.sport), end(t.dst, t.dport))
}

fn stopped(stop: &Stop, n: usize) -> Step {
    let (stage, object, verdict) = match &stop.why {
        Why::Filter { who, decision, .. } => {
            let verdict = if *decision == Decision::Reject { "reject" } else { "drop" };
            let chain = if who.rule.is_some() { &who.chain } else { &who.base };
            ("filter", nft::path(chain), verdict)
        }
        Why::NoRoute | Why::Refused(_) | Why::UnknownRule => ("route", ROUTE.to_owned(), "stop"),
        _ => ("link", stop.dev.as_ref().map_or_else(String::new, ToString::to_string), "stop"),
    };
    Step {
        n,
        netns: called(&stop.ns).to_owned(),
        stage,
        dev: stop.dev.as_ref().map(ToString::to_string),
        over: None,
        object,
        action: words(&stop.ns, stop),
        packet: packet(stop.packet.tuple()),
        verdict,
        seen: None,
    }
}

/// Why it goes no further, in a few words.
fn words(ns: &Ns, stop: &Stop) -> String {
    let p = &stop.packet;
    match &stop.why {
        Why::NotRead => "may not be looked into".to_owned(),
        Why::NoRoute => format!("no route to {}", p.dst),
        Why::Refused(refusal) => format!("{} {}", refusal.kind.name(), p.dst),
        Why::UnknownRule => "a policy rule that is not understood".to_owned(),
        Why::NoSource => "no address to send from".to_owned(),
        Why::Disabled => "IPv6 is switched off".to_owned(),
        Why::NotForwarding => "does not forward".to_owned(),
        Why::RpFilter { back: Some(back), .. } => {
            format!("rp_filter: the way back to {} is {back}", p.src)
        }
        Why::RpFilter { .. } => format!("rp_filter: no way back to {}", p.src),
        Why::Martian => format!("{} is its own address", p.src),
        Why::Localnet => "addresses of loopback do not leave or come in".to_owned(),
        Why::Ttl => "too many hops".to_owned(),
        Why::Loop => "goes round in circles".to_owned(),
        Why::TooBig { mtu, .. } | Why::TooLong { mtu } => {
            format!("{} bytes, and {mtu} are taken", p.len)
        }
        Why::Filter { who, .. } => match &who.rule {
            Some(rule) if rule.tag.starts_with('#') => format!("rule {}", rule.tag),
            Some(rule) => format!("rule \"{}\"", rule.tag),
            None => "no rule accepts, the policy is drop".to_owned(),
        },
        Why::Unresolved { ip, .. } => format!("nobody answers for {ip}"),
        Why::Silent(_) => format!("does not answer for {}", p.dst),
        Why::NeighboursFull(room) => format!("the table of neighbours is full: {room}"),
        Why::Down => "is down".to_owned(),
        Why::NoCarrier => "its other end is down".to_owned(),
        Why::Loose => "leads nowhere".to_owned(),
        Why::PortState(_) => "the member's state lets nothing through".to_owned(),
        Why::Locked => "the member is locked".to_owned(),
        Why::Isolated(other) => format!("isolated, as {other} is"),
        Why::NoFlood => "is not flooded to".to_owned(),
        Why::Hairpin => "would leave where it came in".to_owned(),
        Why::FdbElsewhere => "the bridge has the station elsewhere".to_owned(),
        Why::Vlan => "the VLANs do not fit".to_owned(),
        Why::MacvlanMode(_) => "the mode of the macvlan keeps them apart".to_owned(),
        Why::MacvlanParent => "a macvlan does not reach its parent".to_owned(),
        Why::Tc => "a tc filter drops it".to_owned(),
        Why::Xdp => "an XDP program drops it".to_owned(),
        Why::Qdisc => "a queueing discipline drops it".to_owned(),
        Why::VxlanNoRemote => "the tunnel knows no other end for it".to_owned(),
        Why::VxlanNoDevice { vni, port } => format!("no tunnel {vni} at port {port}"),
        Why::Outer(inner) => format!("inside the tunnel: {}", words(&inner.ns, inner)),
        Why::NotForUs(mac) => format!("for {mac}, which is not its address"),
        Why::Swallowed => "this kind of link swallows it".to_owned(),
        Why::ConntrackFull => "the table of connections is full".to_owned(),
        Why::Overflow => "the service takes no more connections".to_owned(),
        Why::NoListener => format!("nobody listens on port {}", p.dport),
        Why::OtherSource { .. } => format!("the answer comes from {}", p.src),
        Why::WrongWay(owner) => format!("leaves, though {} has {}", called(owner), p.dst),
        Why::Astray => format!("the answer ends in {}", called(ns)),
        Why::NoWayBack(ip) => format!("nobody outside knows the way to {ip}"),
    }
}
