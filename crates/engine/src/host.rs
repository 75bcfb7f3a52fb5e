//! What a new network must know of the host: read once, when the network is made.
//!
//! Pure: a snapshot of the host in, facts and objections out.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::nft::TableKey;
use ropewalk_facts::{
    Addr, Body, Id, IfName, Key, Link, LinkKind, Ns, Route, RouteKind, Snapshot, SysctlPath, proto,
    table,
};
use ropewalk_plan::Change;
use ropewalk_spec::{Mode, Network, Vxlan, names};
use ropewalk_topology::{HostFacts, Near, beside, bridge_name, firewall};

use crate::{parent, tunnel};

/// MTU where there is no uplink to take it from: Ethernet's (RFC 894).
const ETHERNET_MTU: u32 = 1500;

/// What the plan of `network` depends on.
pub(crate) fn facts(network: &Network, host: &Snapshot) -> HostFacts {
    facts_by(network, host, parent::of(network, host))
}

/// As [`facts`], where the interface that it hangs on is known.
pub(crate) fn facts_by(network: &Network, host: &Snapshot, parent: Option<IfName>) -> HostFacts {
    let uplink = uplink(host);
    let tunnel = tunnel::of(network).zip(parent.as_ref());
    let underlay = tunnel.and_then(|(tunnel, dev)| tunnel::underlay(tunnel, host, dev));
    let way_out = parent.as_ref().or(uplink.as_ref());
    let uplink_mtu = way_out.and_then(|dev| link(host, dev)).and_then(|link| link.mtu);
    let overhead = underlay.map_or(0, Vxlan::overhead);
    let whole = uplink_mtu.unwrap_or(ETHERNET_MTU);
    let through_tunnel = whole.saturating_sub(overhead);
    // A routed network's sandboxes use what the link has; what goes through a tunnel is told.
    let routed = matches!(network.mode, Mode::Routed(_));
    let bridge = bridge(network).and_then(|name| link(host, &name));
    let foreign = bridge.filter(|link| !ours(link));
    HostFacts {
        uplink_takes_ra: uplink.as_ref().is_some_and(|dev| takes_ra(host, dev)),
        uplink,
        parent,
        nic: None,
        mtu: network.mtu.or(foreign.and_then(|link| link.mtu)).unwrap_or(if routed {
            whole
        } else {
            through_tunnel
        }),
        tunnel_mtu: through_tunnel,
        near: near(network, host),
        underlay,
        foreign_bridge: foreign.is_some(),
        bridge_netfilter: is(host, "net/bridge/bridge-nf-call-iptables", "1"),
    }
}

/// The peers of a routed network that are on a link of the host.
fn near(network: &Network, host: &Snapshot) -> BTreeMap<IpAddr, Near> {
    let Mode::Routed(ways) = &network.mode else { return BTreeMap::new() };
    let all = ways.peers.iter().flat_map(|(ip, peer)| [Some(*ip), peer.also]).flatten();
    // No block of a peer's is what another peer is reached by.
    let main = |r: &&Route| r.key.table == table::MAIN && r.proto != proto::ROPEWALK;
    let routes: Vec<&Route> = self::routes(host).filter(main).collect();
    let mut known: BTreeMap<IfName, Vec<IpNet>> = BTreeMap::new();
    let mut link = |ip: IpAddr| {
        let dev = tunnel::on_link(&routes, ip)?;
        let all = known.entry(dev.clone()).or_insert_with(|| addresses(host, &dev));
        let mut own = all.clone();
        own.retain(|net| net.addr().is_ipv4() == ip.is_ipv4());
        own.sort_by_key(|net| !net.contains(&ip));
        let own = own.first().map(IpNet::addr);
        Some((ip, Near { dev, own }))
    };
    all.filter_map(&mut link).collect()
}

/// The bridge that `network` uses, whether it is there or not.
pub(crate) fn bridge(network: &Network) -> Option<IfName> {
    match &network.mode {
        Mode::Bridge { bridge, .. } => Some(bridge_name(network, bridge.as_ref())),
        Mode::Uplink { .. } | Mode::Vxlan(_) => Some(bridge_name(network, None)),
        Mode::Cni { bridge } => bridge.clone(),
        Mode::Routed(_) | Mode::Flat { .. } | Mode::Direct(_) => None,
    }
}

/// The link of the host that `network` made for itself, or uses as its bridge.
pub(crate) fn shared_link(network: &Network) -> Option<IfName> {
    let own = network.mode.direct().filter(|direct| direct.host_link());
    bridge(network).or_else(|| own.map(|_| names::bridge(&network.name)))
}

/// True for a link that bears ropewalk's mark.
pub(crate) fn ours(link: &Link) -> bool {
    link.altnames.iter().any(|name| name.starts_with(ropewalk_spec::names::MARK))
}

/// The link of the host's default route, IPv4's before IPv6's, the best metric first.
pub(crate) fn uplink(host: &Snapshot) -> Option<IfName> {
    let mut defaults: Vec<&Route> = default_routes(host).collect();
    defaults.sort_by_key(|r| (matches!(r.key.dst, IpNet::V6(_)), r.key.metric));
    defaults.into_iter().flat_map(|r| &r.hops).find_map(|hop| hop.dev.clone())
}

fn default_routes(host: &Snapshot) -> impl Iterator<Item = &Route> {
    routes(host).filter(|route| {
        let lasting = route.key.table == table::MAIN && route.kind == RouteKind::Unicast;
        lasting && route.key.dst.prefix_len() == 0
    })
}

/// Global addresses on `dev`.
pub(crate) fn addresses(host: &Snapshot, dev: &IfName) -> Vec<IpNet> {
    let on = |a: &&Addr| a.key.dev == *dev && a.scope == ropewalk_facts::Scope::GLOBAL;
    let all = host.of(&Ns::HOST).filter_map(|fact| fact.body.as_addr());
    all.filter(on).map(|a| a.key.net).collect()
}

/// The addresses by which other hosts know this one: those of the uplink, else those of every link
/// that ropewalk did not make.
pub(crate) fn known_by(host: &Snapshot) -> Vec<IpNet> {
    if let Some(uplink) = uplink(host) {
        return addresses(host, &uplink);
    }
    let links = host.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
    let others = links.filter(|link| link.kind != LinkKind::Loopback && !ours(link));
    others.flat_map(|link| addresses(host, &link.name)).collect()
}

/// A route of the host that already leads to part of `net`, other than the default routes, what
/// ropewalk made, and the connected route of the bridge that is used.
pub(crate) fn routed<'a>(
    host: &'a Snapshot,
    net: IpNet,
    own: Option<&IfName>,
) -> Option<&'a Route> {
    leading(host, own).find(|route| overlap(route.key.dst, net))
}

/// The routes of the main table that lead somewhere, but for default routes and those by `own`.
pub(crate) fn leading<'a>(
    host: &'a Snapshot,
    own: Option<&IfName>,
) -> impl Iterator<Item = &'a Route> {
    routes(host).filter(move |route| {
        let through_own = route.hops.iter().any(|hop| hop.dev.as_ref() == own && own.is_some());
        route.key.dst.prefix_len() > 0
            && route.key.table == table::MAIN
            && route.kind == RouteKind::Unicast
            && !through_own
    })
}

/// True when one contains the other.
pub(crate) fn overlap(a: IpNet, b: IpNet) -> bool {
    a.contains(&b.network()) || b.contains(&a.network())
}

pub(crate) fn routes(host: &Snapshot) -> impl Iterator<Item = &Route> {
    host.of(&Ns::HOST).filter_map(|fact| fact.body.as_route())
}

/// The link `name` of the host.
pub(crate) fn link<'a>(host: &'a Snapshot, name: &IfName) -> Option<&'a Link> {
    host.fact(&Id::Link(name.clone()).at(Ns::HOST))?.body.as_link()
}

/// True when `link` is a bridge.
pub(crate) fn is_bridge(link: &Link) -> bool {
    link.kind == LinkKind::Bridge
}

/// True too where another network has seen to it that it goes on: each of them states it.
fn takes_ra(host: &Snapshot, dev: &IfName) -> bool {
    let accept = SysctlPath::conf6(dev, "accept_ra");
    let forwarding = SysctlPath::conf6(dev, "forwarding");
    let yet = is(host, accept.as_str(), "1") && !is(host, forwarding.as_str(), "1");
    yet || is(host, accept.as_str(), "2")
}

/// Makes known which interfaces forward while the host as a whole does not: turning that on and off
/// again turns them off.
pub(crate) fn show_forwarding(host: &Snapshot, world: &mut Snapshot) {
    for (all, begin) in [
        (SysctlPath::ip_forward(), "net/ipv4/conf/"),
        (SysctlPath::ip6_forward(), "net/ipv6/conf/"),
    ] {
        if !is(host, all.as_str(), "0") {
            continue;
        }
        for fact in host.of(&Ns::HOST) {
            let own = fact.body.as_sysctl().is_some_and(|setting| {
                let path = setting.path.as_str();
                let of_one = path.starts_with(begin) && path.ends_with("/forwarding");
                of_one && setting.path.dev().is_some() && setting.value != "0"
            });
            if own && !world.contains(&fact.key()) {
                world.insert(fact.clone());
            }
        }
    }
}

/// True when `name` is the [`uplink`], and no other link could take its place.
pub(crate) fn last_way_out(host: &Snapshot, name: &IfName) -> bool {
    let v4 = |route: &Route| route.key.dst.addr().is_ipv4();
    let any_v4 = default_routes(host).any(v4);
    let of_family = default_routes(host).filter(|route| v4(route) == any_v4);
    let mut devs = of_family.flat_map(|route| &route.hops).filter_map(|hop| hop.dev.as_ref());
    devs.next() == Some(name) && devs.all(|dev| dev == name)
}

fn is(host: &Snapshot, path: &str, value: &str) -> bool {
    let Ok(path) = SysctlPath::new(path) else { return false };
    let found = host.fact(&Id::Sysctl(path).at(Ns::HOST)).map(|fact| &fact.body);
    matches!(found, Some(Body::Sysctl(found)) if found.value == value)
}

/// What bears ropewalk's mark but is not among `owned`: links, routes, the nft table whole or by
/// element, what lets its traffic through in the rules of others.
pub(crate) fn strays(host: &Snapshot, owned: &BTreeSet<Key>) -> Vec<Change> {
    let mut removals = Vec::new();
    for fact in host.of(&Ns::HOST).filter(|fact| !owned.contains(&fact.key())) {
        if is_stray(&fact.body, owned) {
            removals.push(Change::gone(fact.clone()));
        }
    }
    // Links last: what leads over them would go with them.
    removals.sort_by_key(|removal| {
        let place = removal.old.as_ref().and_then(|fact| beside::leaving(&fact.body));
        (matches!(removal.key.id, Id::Link(_)), place)
    });
    removals
}

/// True when something that nothing owns bears the mark. Elements go with a table that goes.
fn is_stray(body: &Body, owned: &BTreeSet<Key>) -> bool {
    if let Some(link) = body.as_link() {
        return ours(link);
    }
    if let Some(route) = body.as_route() {
        return route.proto == proto::ROPEWALK && !route.derived;
    }
    if let Body::Element(element) = body {
        let table = &element.key.set.table;
        let kept = owned.contains(&Id::Table(table.clone()).at(Ns::HOST));
        // What packets put into a set is nobody's.
        return is_ours(table) && kept && !element.derived;
    }
    beside::leaving(body).is_some() || matches!(body, Body::Table(found) if is_ours(&found.key))
}

pub(crate) fn is_ours(table: &TableKey) -> bool {
    firewall::tables().any(|ours| ours == *table)
}
