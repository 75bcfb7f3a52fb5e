//! The causes: what each looks like, how it is said, what repairs it.
//!
//!     fn NAME(case, add)    looks at where the trip stops and adds the candidates that it knows
//!
//! A new cause is a new function and a line in the list.  Never here: whether a candidate is
//! right; that is tried in [`crate::diagnose()`].

mod bridge;
mod edit;
mod filter;
mod hops;
mod link;
mod nat;
mod neighbour;
mod own;
mod policy;
mod publish;
mod routing;
mod segment;
mod service;
mod size;
mod source;
mod tunnel;
mod v6;

use ropewalk_facts::nft::{ChainKey, Family};
use ropewalk_facts::{IfName, Ns};

use crate::diagnose::{Candidate, Case, Evidence};
use crate::question::called;
use crate::trace::{Stop, Why};

/// A cause: looks, and adds what it finds.
type Cause = fn(&Case<'_>, &mut Vec<Candidate>);

const CAUSES: &[Cause] = &[
    bridge::ip_on_port,
    bridge::no_address,
    bridge::not_on_bridge,
    bridge::port_flags,
    bridge::wrong_station,
    filter::filter,
    link::down,
    link::traffic_control,
    link::macvlan,
    link::vlan,
    nat::no_way_back,
    nat::other_source,
    nat::conntrack,
    nat::notrack,
    publish::stale_target,
    publish::shadowed,
    neighbour::silent,
    neighbour::wrong_entry,
    neighbour::duplicate,
    neighbour::nobody,
    neighbour::proxy,
    neighbour::full,
    policy::refused,
    policy::rules,
    policy::settings,
    source::source,
    source::bound_source,
    policy::no_main,
    routing::no_route,
    routing::host_route,
    routing::wrong_route,
    routing::mask,
    v6::addresses,
    routing::redirect,
    v6::advertisements,
    segment::duplicate_mac,
    segment::subnets,
    segment::overlap,
    segment::captured,
    segment::readdressed,
    publish::too_broad,
    service::listener,
    size::mtu,
    tunnel::vxlan,
    tunnel::foreign_local,
    tunnel::wrong_entry,
];

pub(crate) use nat::translates_v6;
pub(crate) use neighbour::taken_for_own;
pub(crate) use service::advice;

/// A packet that goes round in circles dies of its hop limit, whatever route sends it there.
pub(crate) fn rename(trip: &crate::trace::Trip, found: &mut [Candidate]) {
    let round = trip.stop().is_some_and(|s| matches!(s.why, Why::Ttl | Why::Loop));
    for cause in found.iter_mut().filter(|_| round) {
        if matches!(cause.code, "WRONG_ROUTE" | "WRONG_NEXTHOP") {
            cause.code = "TTL_EXPIRED";
            cause.sentence = format!(
                "it goes round in circles until it may take no more hops: {}",
                cause.sentence
            );
        }
    }
}

/// All that may be the cause.
pub(crate) fn candidates(case: &Case<'_>) -> Vec<Candidate> {
    let mut all = Vec::new();
    CAUSES.iter().for_each(|cause| cause(case, &mut all));
    all
}

/// `netns` or `netns:device`.
pub(crate) fn place(ns: &Ns, dev: Option<&IfName>) -> String {
    match dev {
        Some(dev) => format!("{}:{dev}", called(ns)),
        None => called(ns).to_owned(),
    }
}

/// `netns:family/table/chain`, where tables of iptables-legacy are of the family `legacy`.
pub(crate) fn chain_place(ns: &Ns, chain: &ChainKey) -> String {
    format!("{}:{}", called(ns), crate::nft::path(chain))
}

/// The command that writes a chain in the words of iptables.
pub(crate) fn iptables(chain: &ChainKey) -> Option<&'static str> {
    let upper = chain.chain.chars().all(|c| c.is_ascii_uppercase());
    match chain.table.family {
        Family::Iptables => Some("iptables-legacy"),
        Family::Ip6tables => Some("ip6tables-legacy"),
        Family::Arptables => Some("arptables-legacy"),
        Family::Ip if upper => Some("iptables"),
        Family::Ip6 if upper => Some("ip6tables"),
        _ => None,
    }
}

/// A prefix as ip-route(8) writes it.
pub(crate) fn written(net: ipnet::IpNet) -> String {
    if net.prefix_len() == 0 { "default".to_owned() } else { net.to_string() }
}

/// A command in a namespace.
pub(crate) fn within(ns: &Ns, command: &str) -> String {
    if ns.is_host() {
        return command.to_owned();
    }
    let here = !ns.as_str().contains('@');
    if let Some(name) = ns.as_str().strip_prefix("netns:").filter(|_| here) {
        return format!("ip netns exec {name} {command}");
    }
    if let Some(pid) = ns.as_str().strip_prefix("pid:").filter(|_| here) {
        let pid = pid.split(':').next().unwrap_or(pid);
        return format!("nsenter -t {pid} -n {command}");
    }
    // Of another host, whose snapshot stands beside.
    if let Some((there, host)) = ns.as_str().split_once('@') {
        return format!("ssh {host} {}", within(&Ns::new(there), command));
    }
    if let Some(host) = ns.as_str().strip_prefix("host:") {
        return format!("ssh {host} {command}");
    }
    let id = ns.as_str().strip_prefix("sandbox:").unwrap_or(ns.as_str());
    format!("nsenter --net=/run/docker/netns/{id} {command}")
}

pub(crate) fn evidence(
    ns: &Ns,
    object: impl Into<String>,
    value: impl Into<String>,
    command: &str,
) -> Evidence {
    Evidence { object: object.into(), value: value.into(), command: within(ns, command) }
}

/// What is said where no cause was found: what stops it, as a code.
pub(crate) fn fallback(stop: &Stop, back: bool, owned: bool) -> (&'static str, String) {
    let (ns, p) = (called(&stop.ns), &stop.packet);
    let to = p.dst;
    match &stop.why {
        Why::NoRoute if back => ("NO_RETURN_ROUTE", format!("{ns} has no route back to {to}")),
        Why::NoRoute | Why::NoSource => ("NO_ROUTE", format!("{ns} has no route to {to}")),
        Why::Refused(r) if r.kind == ropewalk_facts::RouteKind::Blackhole => {
            ("BLACKHOLE_ROUTE", format!("{ns} drops what goes to {to} by a blackhole route"))
        }
        Why::Refused(_) => ("PROHIBIT_ROUTE", format!("{ns} refuses what goes to {to} by a route")),
        Why::Disabled => ("IPV6_DISABLED", format!("IPv6 is switched off in {ns}")),
        Why::NotForwarding if p.v6() => ("IP6_FORWARD_OFF", format!("{ns} does not forward IPv6")),
        Why::NotForwarding => ("IP_FORWARD_OFF", format!("{ns} does not forward")),
        Why::RpFilter { .. } => ("RP_FILTER", format!("{ns} expects {} from another link", p.src)),
        Why::Martian => ("MARTIAN_SOURCE", format!("{ns} takes {} for its own address", p.src)),
        Why::Localnet => {
            ("ROUTE_LOCALNET_OFF", format!("{ns} does not route addresses of loopback"))
        }
        Why::Ttl | Why::Loop => {
            ("TTL_EXPIRED", format!("the packet takes too many hops, last in {ns}"))
        }
        Why::TooBig { route: true, .. } => {
            ("ROUTE_MTU", format!("a route of {ns} has a smaller MTU"))
        }
        Why::TooBig { .. } => {
            ("MTU_BLACKHOLE", format!("{} bytes are too long for a link of {ns}", p.len))
        }
        Why::TooLong { .. } => {
            ("MTU_MISMATCH", format!("{} bytes are too long for a link of {ns}", p.len))
        }
        Why::Filter { .. } if back => {
            ("FILTER_DROP_REPLY", format!("a rule of {ns} drops the answer"))
        }
        Why::Filter { .. } => ("FILTER_DROP", format!("a rule of {ns} drops it")),
        Why::Unresolved { ip, .. } if owned => {
            ("NEIGH_UNRESOLVED", format!("{ip} does not answer {ns}, which asks for it"))
        }
        Why::Unresolved { ip, .. } if *ip == to => {
            ("NO_SUCH_HOST", format!("nobody answers for {ip}, asked by {ns}"))
        }
        Why::Unresolved { ip, .. } => {
            ("GATEWAY_UNREACHABLE", format!("nobody answers for {ip}, asked by {ns}"))
        }
        Why::Down => ("LINK_DOWN", format!("a link of {ns} is down")),
        Why::NoCarrier => ("NO_CARRIER", format!("the other end of a link of {ns} is down")),
        Why::Loose => ("NO_INTERFACE", format!("a link of {ns} leads nowhere")),
        Why::Isolated(_) => {
            ("PORT_ISOLATED", format!("both members of the bridge in {ns} are isolated"))
        }
        Why::PortState(_) => {
            ("STP_STATE", format!("a member of the bridge in {ns} does not forward"))
        }
        Why::Locked => ("PORT_LOCKED", format!("a member of the bridge in {ns} is locked")),
        Why::NoFlood => {
            ("BRIDGE_FLOOD_OFF", format!("the bridge in {ns} does not flood to the member"))
        }
        Why::Hairpin => {
            ("HAIRPIN_OFF", format!("the bridge in {ns} sends nothing back where it came from"))
        }
        Why::MacvlanMode(_) => {
            ("MACVLAN_MODE", format!("macvlans of {ns} do not reach each other"))
        }
        Why::MacvlanParent => {
            ("MACVLAN_HOST_ISOLATION", format!("a macvlan does not reach its parent in {ns}"))
        }
        Why::Tc => ("TC_DROP", format!("a tc filter in {ns} drops it")),
        Why::Xdp => ("XDP_DROP", format!("an XDP program in {ns} drops it")),
        Why::Qdisc => ("QDISC_DROP", format!("a queueing discipline in {ns} drops it")),
        Why::VxlanNoRemote => {
            ("VXLAN_NO_REMOTE", format!("a tunnel of {ns} does not know where to send it"))
        }
        Why::VxlanNoDevice { .. } => ("VXLAN_VNI_MISMATCH", format!("no tunnel of {ns} takes it")),
        Why::ConntrackFull => ("CONNTRACK_FULL", format!("the connection table of {ns} is full")),
        Why::Overflow => (
            "LISTEN_OVERFLOW",
            format!("the service of {ns} on port {} takes no more connections", p.dport),
        ),
        Why::NoListener => ("NO_LISTENER", format!("nothing in {ns} listens on port {}", p.dport)),
        Why::OtherSource { .. } => (
            "NAT_BYPASSED_REPLY",
            format!("the answer comes from {} and not from whom was asked", p.src),
        ),
        Why::NoWayBack(ip) => ("NO_SNAT", format!("nobody outside knows the way back to {ip}")),
        Why::NeighboursFull(room) => (
            "NEIGH_TABLE_FULL",
            format!("the table of neighbours has {room} entries, and {ns} needs one more"),
        ),
        Why::Silent(_) => ("ARP_IGNORE", format!("{ns} does not answer ARP for {to}")),
        Why::NotForUs(_) => {
            ("NEIGH_WRONG_MAC", format!("{ns} gets it with another hardware address"))
        }
        Why::WrongWay(_) => ("WRONG_ROUTE", format!("{ns} sends it where {to} is not")),
        Why::Outer(inner) => fallback(inner, back, owned),
        Why::Astray => ("NO_RETURN_ROUTE", format!("the answer goes astray in {ns}")),
        Why::Vlan => ("VLAN_MISMATCH", format!("the VLANs of {ns} do not fit")),
        Why::NotRead | Why::UnknownRule | Why::FdbElsewhere | Why::Swallowed => {
            ("UNKNOWN", format!("it ends in {ns}"))
        }
    }
}
