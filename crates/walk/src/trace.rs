//! What a walk leaves behind: hops in order, and how it ended.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_facts::nft::ChainKey;
use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, Mac, Ns};

use crate::nft::{Decision, Doubt, Hook, Who};
use crate::packet::Packet;
use crate::resolve::Silence;
use crate::route::Refusal;

/// One thing that happens to the packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// Where.
    pub ns: Ns,
    /// At what: a link, a chain.
    pub at: String,
    /// What happens.
    pub what: String,
    /// The packet afterwards.
    pub tuple: Tuple,
    /// The link: that it is at, or that a route leads to.
    pub dev: Option<IfName>,
    /// The link that it comes over to, of this namespace or another.
    pub over: Option<(Ns, IfName)>,
    /// The link where somebody who listens sees it pass.
    pub link: Option<IfName>,
}

impl Hop {
    /// What happens at a link, a chain or (`route`) a routing table.
    pub(crate) fn new(ns: &Ns, at: String, what: String, tuple: Tuple) -> Self {
        let dev = IfName::new(at.as_str()).ok().filter(|_| at != ROUTE);
        Self { ns: ns.clone(), at, what, tuple, link: dev.clone(), dev, over: None }
    }
}

/// What a hop is at when it is a routing table that decides.
pub(crate) const ROUTE: &str = "route";

/// Where and why a packet goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stop {
    /// The namespace.
    pub ns: Ns,
    /// The link, where it is one.
    pub dev: Option<IfName>,
    /// Why.
    pub why: Why,
    /// The packet.
    pub packet: Packet,
}

/// Why a packet goes no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The namespace is not among those that were read.
    NotRead,
    /// No route.
    NoRoute,
    /// A rule or route refuses it.
    Refused(Box<Refusal>),
    /// A policy rule is not understood.
    UnknownRule,
    /// There is no address to send from.
    NoSource,
    /// The protocol is switched off on the link (`disable_ipv6`).
    Disabled,
    /// Packets of this link are not forwarded.
    NotForwarding,
    /// The way back to the source is another link.
    RpFilter {
        /// The mode, 1 strict or 2 loose.
        mode: i64,
        /// The link that the way back leads to, where there is one.
        back: Option<IfName>,
    },
    /// The source cannot come from outside: it is one of this host's own, or of loopback.
    Martian,
    /// An address of loopback comes from outside.
    Localnet,
    /// It has taken too many hops.
    Ttl,
    /// It is longer than the link or route takes, and must not be broken.
    TooBig {
        /// What is taken.
        mtu: u32,
        /// The limit is the route's.
        route: bool,
        /// The sender is told.
        told: bool,
        /// Where the message about it gets lost.
        lost: Option<Box<Stop>>,
    },
    /// A rule or policy.
    Filter {
        /// Which.
        who: Who,
        /// What it does.
        decision: Decision,
        /// At which hook.
        hook: Hook,
        /// In the midst of a bridge (br_netfilter).
        bridged: bool,
    },
    /// Nobody answers for the address.
    Unresolved {
        /// Whose hardware address was asked for.
        ip: IpAddr,
        /// Why those who might answer do not.
        because: Vec<Stop>,
    },
    /// There is no room for one neighbour more: so many may be there.
    NeighboursFull(u32),
    /// It does not answer, by a setting of its own.
    Silent(Silence),
    /// The link is down.
    Down,
    /// The other end of the link is down.
    NoCarrier,
    /// Nothing is connected to the link.
    Loose,
    /// The state of the member forbids it.
    PortState(u8),
    /// The member is locked and does not know the sender.
    Locked,
    /// Both members are isolated.
    Isolated(IfName),
    /// Frames like this are not flooded to the member.
    NoFlood,
    /// It would have to leave by the member that it came in by.
    Hairpin,
    /// The bridge has learned, or was told, another member for the station.
    FdbElsewhere,
    /// The VLANs do not fit.
    Vlan,
    /// The other end takes less.
    TooLong {
        /// What it takes.
        mtu: u32,
    },
    /// Children of a macvlan do not reach each other in this mode.
    MacvlanMode(u32),
    /// A macvlan does not reach the link that it sits upon.
    MacvlanParent,
    /// A program or filter of the link drops it.
    Tc,
    /// An XDP program drops it.
    Xdp,
    /// A queueing discipline drops it.
    Qdisc,
    /// The tunnel does not know where to send it.
    VxlanNoRemote,
    /// No tunnel of this network and port takes it.
    VxlanNoDevice {
        /// The network.
        vni: u32,
        /// The port.
        port: u16,
    },
    /// The outer packet of a tunnel got lost.
    Outer(Box<Stop>),
    /// It is for another hardware address.
    NotForUs(Mac),
    /// The frame is swallowed by the kind of link.
    Swallowed,
    /// The table of connections is full.
    ConntrackFull,
    /// The service takes no more connections: too many wait.
    Overflow,
    /// Nobody takes what is sent to the port.
    NoListener,
    /// The answer comes from another address or port than was asked.
    OtherSource {
        /// As it should have been.
        wanted: Tuple,
    },
    /// It leaves for outside, though somebody here has the address.
    WrongWay(Ns),
    /// The answer ends somewhere else than the request began.
    Astray,
    /// Nobody outside knows the way to the address.
    NoWayBack(IpAddr),
    /// It goes round in circles.
    Loop,
}

/// How a journey ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Taken by somebody.
    Delivered {
        /// Where.
        ns: Ns,
        /// The link it came in by.
        dev: IfName,
        /// As it was then.
        packet: Packet,
    },
    /// It left for where nobody may look.
    Left {
        /// From where.
        ns: Ns,
        /// By which link.
        dev: IfName,
        /// As it was then.
        packet: Packet,
        /// Whose hardware address it was sent to.
        via: IpAddr,
    },
    /// It goes no further.
    Stopped(Box<Stop>),
}

/// A chain that the packet was shown to, and what it made of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Where.
    pub ns: Ns,
    /// The packet before.
    pub tuple: Tuple,
    /// The chain, and the rule that decided.
    pub who: Who,
    /// What was decided.
    pub decision: Decision,
    /// Something was not known, though it made no difference: it may have been another rule.
    pub open: bool,
}

/// One way: of the request or of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Journey {
    /// The chains that it was shown to, in order.
    pub shown: Vec<Shown>,
    /// In order.
    pub hops: Vec<Hop>,
    /// How it ended.
    pub end: Ending,
}

/// A link that takes less than was to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Where.
    pub ns: Ns,
    /// The link.
    pub dev: IfName,
    /// What it takes.
    pub mtu: u32,
}

/// There and back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trip {
    /// There.
    pub request: Journey,
    /// Back, when it got there.
    pub reply: Option<Journey>,
    /// What was not known and would have decided.
    pub doubts: Vec<(Ns, Doubt)>,
    /// Programs on the way that nobody can look into: namespace, link, kind.
    pub opaque: Vec<(Ns, IfName, String)>,
    /// It takes one of several ways, and this is the number of the way that fails.
    pub leg: Option<usize>,
    /// A router on the way takes less than was asked about, and says so: a smaller one was walked.
    pub limit: Option<Limit>,
    /// Limits that were taken to be used up.
    pub limited: Vec<(Ns, Doubt)>,
    /// Chains that changed how many hops it may take.
    pub ttls: Vec<(Ns, ChainKey)>,
    /// Rules that translated, with the packet before.
    pub nats: Vec<(Ns, Who, Tuple)>,
    /// Whose hardware addresses were asked for on the way.
    pub asked: Vec<(Ns, IfName, IpAddr)>,
    /// Whose hardware addresses were needed, by questions and by tunnels on the way, too.
    pub needed: BTreeSet<(Ns, IfName, IpAddr)>,
    /// Neighbours where nobody may look that were asked in vain, with nothing in the way.
    pub mute: Vec<(Ns, IfName, IpAddr)>,
    /// Connections that were looked up: where, and as what.
    pub looked_up: Vec<(Ns, Tuple)>,
}

impl Trip {
    /// Request and answer got through.
    #[must_use]
    pub fn passes(&self) -> bool {
        self.stop().is_none()
    }

    /// Where it stops.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        match (&self.request.end, self.reply.as_ref().map(|r| &r.end)) {
            (Ending::Stopped(stop), _) | (_, Some(Ending::Stopped(stop))) => Some(stop),
            _ => None,
        }
    }

    /// It is the answer that stops.
    #[must_use]
    pub fn back(&self) -> bool {
        self.reply.is_some()
    }

    /// How far it came: hops of both ways.
    #[must_use]
    pub fn length(&self) -> usize {
        self.request.hops.len() + self.reply.as_ref().map_or(0, |r| 1000 + r.hops.len())
    }
}
