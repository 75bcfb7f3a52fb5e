//! What hangs on one of the host's interfaces, and the same on another.
//!
//!     eth1: 192.168.2.10/24 · default via 192.168.2.1 · rule iif eth1 · neigh · rp_filter
//!     ──moved──▶ rw-lan: the same
//!
//! What the kernel makes by itself out of this is left to it: routes to the prefixes of addresses,
//! link-local addresses, and what it takes from router advertisements.  Never here: the order.

use ropewalk_facts::{
    Addr, Body, Id, IfName, Key, Link, Neigh, Ns, Route, RouteKind, Rule, Scope, Snapshot, Sysctl,
    SysctlPath, proto,
};

/// The settings of an interface that come along where they are not those of a new one.
const SETTINGS: [(Family, &str); 29] = [
    (SysctlPath::conf4, "accept_local"),
    (SysctlPath::conf4, "accept_redirects"),
    (SysctlPath::conf4, "accept_source_route"),
    (SysctlPath::conf4, "arp_accept"),
    (SysctlPath::conf4, "arp_announce"),
    (SysctlPath::conf4, "arp_filter"),
    (SysctlPath::conf4, "arp_ignore"),
    (SysctlPath::conf4, "arp_notify"),
    (SysctlPath::conf4, "forwarding"),
    (SysctlPath::conf4, "log_martians"),
    (SysctlPath::conf4, "promote_secondaries"),
    (SysctlPath::conf4, "proxy_arp"),
    (SysctlPath::conf4, "route_localnet"),
    (SysctlPath::conf4, "rp_filter"),
    (SysctlPath::conf4, "send_redirects"),
    (SysctlPath::conf4, "src_valid_mark"),
    (SysctlPath::conf6, "accept_ra"),
    (SysctlPath::conf6, "accept_ra_defrtr"),
    (SysctlPath::conf6, "accept_ra_pinfo"),
    (SysctlPath::conf6, "accept_ra_rt_info_max_plen"),
    (SysctlPath::conf6, "accept_redirects"),
    (SysctlPath::conf6, "addr_gen_mode"),
    (SysctlPath::conf6, "autoconf"),
    (SysctlPath::conf6, "disable_ipv6"),
    (SysctlPath::conf6, "forwarding"),
    (SysctlPath::conf6, "hop_limit"),
    (SysctlPath::conf6, "keep_addr_on_down"),
    (SysctlPath::conf6, "proxy_ndp"),
    (SysctlPath::conf6, "use_tempaddr"),
];

/// The path of a setting of one family.
type Family = fn(&IfName, &str) -> SysctlPath;

/// An interface of the host with all that hangs on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nic {
    /// The interface.
    pub link: Link,
    /// Its addresses, and the routes, rules and neighbours that name it. None of them is marked as
    /// the kernel's: whatever has to be moved is stated.
    pub bodies: Vec<Body>,
    /// Its settings that are not those of a new interface.
    pub settings: Vec<Sysctl>,
    /// It carries IPv6.
    pub v6: bool,
}

impl Nic {
    /// The settings that [`Nic::of`] wants to know of the interface `name`.
    #[must_use]
    pub fn questions(name: &IfName) -> Vec<Key> {
        let of = |dev: Option<IfName>| {
            let paths = dev.map(|dev| SETTINGS.map(|(family, leaf)| family(&dev, leaf)));
            paths.into_iter().flatten()
        };
        let all = of(Some(name.clone())).chain(of(default()));
        all.map(|path| Id::Sysctl(path).at(Ns::HOST)).collect()
    }

    /// The interface `name` of the host as it was `found`, if it is there.
    #[must_use]
    pub fn of(found: &Snapshot, name: &IfName) -> Option<Self> {
        let link = found.fact(&Id::Link(name.clone()).at(Ns::HOST))?.body.as_link()?.clone();
        let value =
            |path: SysctlPath| Some(found.fact(&key(&path))?.body.as_sysctl()?.value.trim());
        let is = |leaf, wish| value(SysctlPath::conf6(name, leaf)) == Some(wish);
        let takes_ra = is("accept_ra", "2") || is("accept_ra", "1") && is("forwarding", "0");
        let all = || found.of(&Ns::HOST).map(|fact| &fact.body);
        let addrs: Vec<&Addr> =
            all().filter_map(Body::as_addr).filter(|addr| addr.key.dev == *name).collect();
        let mut bodies: Vec<Body> =
            all().filter(|body| moves(body, name, &addrs, takes_ra)).map(stated).collect();
        bodies.sort_by_key(rank);
        let settings = SETTINGS.into_iter().filter_map(|(family, leaf)| {
            let own = value(family(name, leaf))?;
            let new = default().and_then(|dev| value(family(&dev, leaf)));
            let setting = || Sysctl { path: family(name, leaf), value: own.to_owned() };
            (new != Some(own)).then(setting)
        });
        let settings = settings.collect();
        Some(Self { link, bodies, settings, v6: is("disable_ipv6", "0") })
    }
}

/// The name by which the kernel keeps the settings of new interfaces.
fn default() -> Option<IfName> {
    IfName::new("default").ok()
}

fn key(path: &SysctlPath) -> Key {
    Id::Sysctl(path.clone()).at(Ns::HOST)
}

/// True for what hangs on `name` and does not come by itself.
fn moves(body: &Body, name: &IfName, addrs: &[&Addr], takes_ra: bool) -> bool {
    if let Some(x) = body.as_addr() {
        // The kernel's own are link-local; those by router advertisements stay in use.
        return x.key.dev == *name && !(x.derived && x.scope != Scope::GLOBAL);
    }
    if let Some(x) = body.as_route() {
        let over = x.hops.iter().any(|hop| hop.dev.as_ref() == Some(name));
        return over
            && match x.proto {
                proto::KERNEL => by_hand(x, addrs),
                proto::RA => !takes_ra,
                _ => !x.derived,
            };
    }
    if let Body::Rule(x) = body {
        let named = |dev: &Option<IfName>| dev.as_ref() == Some(name);
        return !x.derived() && (named(&x.iif) || named(&x.oif));
    }
    matches!(body, Body::Neigh(x) if x.key.dev == *name && !x.derived)
}

/// True for a route that passes for the kernel's, but was made by a program which told the kernel
/// to make none (`noprefixroute`), as NetworkManager does.
fn by_hand(route: &Route, addrs: &[&Addr]) -> bool {
    let of = |addr: &&&Addr| addr.key.net.trunc() == route.key.dst;
    route.kind == RouteKind::Unicast
        && addrs.iter().any(|addr| of(&addr) && addr.noprefixroute)
        && !addrs.iter().any(|addr| of(&addr) && !addr.noprefixroute)
}

/// The same as a wish of ours.
fn stated(body: &Body) -> Body {
    if let Some(x) = body.as_addr() {
        return Body::Addr(Addr { derived: false, ..x.clone() });
    }
    match body.as_route() {
        Some(x) => Body::Route(Route { derived: false, ..x.clone() }),
        None => body.clone(),
    }
}

/// An order in which they can be made.
fn rank(body: &Body) -> (u8, bool) {
    if let Some(x) = body.as_addr() {
        return (0, x.secondary);
    }
    match body.as_route() {
        Some(x) => (1, x.hops.iter().any(|hop| hop.via.is_some())),
        None => (2, false),
    }
}

/// The same on the interface `to` in place of `from`.
#[must_use]
pub fn moved(body: &Body, from: &IfName, to: &IfName) -> Body {
    let other = |dev: &IfName| if dev == from { to.clone() } else { dev.clone() };
    let maybe = |dev: &Option<IfName>| dev.as_ref().map(other);
    if let Some(x) = body.as_addr() {
        let mut x = x.clone();
        // It has been checked for duplicates where it was.
        (x.key.dev, x.nodad) = (other(&x.key.dev), x.key.net.addr().is_ipv6());
        return Body::Addr(x);
    }
    if let Some(x) = body.as_route() {
        let mut x = x.clone();
        x.hops.iter_mut().for_each(|hop| hop.dev = maybe(&hop.dev));
        return Body::Route(x);
    }
    if let Body::Rule(x) = body {
        return Body::Rule(Rule { iif: maybe(&x.iif), oif: maybe(&x.oif), ..x.clone() });
    }
    let Some(x) = body.as_neigh() else { return body.clone() };
    let mut x: Neigh = x.clone();
    x.key.dev = other(&x.key.dev);
    Body::Neigh(x)
}
