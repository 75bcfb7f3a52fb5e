//! A scan made ready for walking: by namespace what is in it, cheap to copy and to change.
//!
//!     Scan ──▶ World { nodes: Ns → Node { devs, addrs, routes, rules, neighs, nft, … } }
//!
//! A copy shares every node until it changes one, so asking "what if" costs next to nothing.
//! Of namespaces that were read in part it is noted whether the rest was looked at: then the answer
//! hangs on it, and they have to be read wholly.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::ops::{Deref, DerefMut};
use std::rc::Rc;

use ipnet::IpNet;
use ropewalk_facts::nft::Family;
use ropewalk_facts::seen::{
    Device, Flow, Listener, NeighTable, Port, Scan, Seen, SeenRoute, SeenRule, Unusable,
};
use ropewalk_facts::{
    Addr, Body, Fdb, IfName, Link, Mac, Neigh, Ns, Peer, Route, RouteKey, RouteKind, Rule,
};

use crate::nft::Ruleset;

/// All namespaces that may be looked into.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// By namespace.
    pub nodes: BTreeMap<Ns, Rc<Node>>,
}

/// One namespace.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// Which.
    pub ns: Ns,
    /// Its links by name.
    pub devs: BTreeMap<IfName, Dev>,
    /// Its addresses.
    pub addrs: Vec<Addr>,
    /// Its routes of all tables.
    pub routes: Vec<Route>,
    /// Its policy rules, in order.
    pub rules: Vec<Rule>,
    /// Its neighbours and proxies.
    pub neighs: Vec<Neigh>,
    /// Its forwarding entries.
    pub fdb: Vec<Fdb>,
    /// Its settings, by path below /proc/sys; of one that was read in part, not all.
    pub settings: BTreeMap<String, String>,
    /// Addresses that cannot be used.
    pub unusable: Vec<Unusable>,
    /// Redirects that it remembers.
    pub learned: Vec<Route>,
    /// Routes that stand beside others of the same key, in order, and those with a hop limit.
    pub seen_routes: Vec<SeenRoute>,
    /// Policy rules of which facts do not say all.
    pub seen_rules: Vec<SeenRule>,
    /// Neighbours where nobody may look that were asked in vain.
    pub mute: Vec<(IfName, IpAddr)>,
    /// Chains that packets come to from a hook, by family: known of every namespace.
    pub(crate) hooked: BTreeSet<Family>,
    /// It was read in part.
    pub(crate) bare: bool,
    /// The rest of it was looked at, in this copy or another.
    pub(crate) looked: Rc<Cell<bool>>,
    pub(crate) rest: Rest,
}

/// What is read of a namespace only where an answer hangs on it. A [`Node`] stands for it, and notes
/// who looks.
#[derive(Clone, Debug, Default)]
pub struct Rest {
    /// Its rules of nf_tables and iptables-legacy.
    pub nft: Ruleset,
    /// Who listens.
    pub listeners: Vec<Listener>,
    /// Connections that it has.
    pub flows: Vec<Flow>,
    /// Tables of iptables-legacy.
    pub legacy: Vec<String>,
    /// The tables of neighbours.
    pub tables: Vec<NeighTable>,
}

impl Deref for Node {
    type Target = Rest;

    fn deref(&self) -> &Rest {
        self.look();
        &self.rest
    }
}

impl DerefMut for Node {
    fn deref_mut(&mut self) -> &mut Rest {
        self.look();
        &mut self.rest
    }
}

/// A link.
#[derive(Clone, Debug)]
pub struct Dev {
    /// The fact.
    pub link: Link,
    /// What is seen of it.
    pub seen: Device,
}

/// `IFF_NOARP`
const NOARP: u32 = 0x80;
/// `IFF_LOOPBACK`
const LOOPBACK: u32 = 8;

impl Dev {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &IfName {
        &self.link.name
    }
    /// Its hardware address, zero for one without.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.link.mac.unwrap_or(Mac([0; 6]))
    }
    /// Its MTU.
    #[must_use]
    pub fn mtu(&self) -> u32 {
        self.link.mtu.unwrap_or(65536)
    }
    /// Kind, as in `ip link add type KIND`.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.seen.kind
    }
    /// A tunnel to other hosts.
    #[must_use]
    pub fn tunnel(&self) -> bool {
        matches!(self.link.kind, ropewalk_facts::LinkKind::Vxlan(_))
    }
    /// The loopback device.
    #[must_use]
    pub fn loopback(&self) -> bool {
        self.seen.flags & LOOPBACK != 0
    }
    /// It does not ask for hardware addresses, nor answer.
    #[must_use]
    pub fn noarp(&self) -> bool {
        self.seen.flags & NOARP != 0
    }
    /// As a member of a bridge.
    #[must_use]
    pub fn port(&self) -> Option<&Port> {
        self.seen.port.as_ref()
    }
    /// The other end of a pair, or what it sits upon.
    #[must_use]
    pub fn other(&self) -> Option<&Peer> {
        self.seen.other.as_ref()
    }
}

impl World {
    /// The namespaces of a scan.
    #[must_use]
    pub fn new(scan: &Scan) -> Self {
        let mut nodes: BTreeMap<Ns, Node> = BTreeMap::new();
        for (ns, seen) in &scan.seen {
            nodes.insert(ns.clone(), Node::seen(ns, seen));
        }
        // Facts are ordered by namespace.
        let mut facts = scan.facts.iter().peekable();
        while let Some(ns) = facts.peek().map(|fact| &fact.ns) {
            let node = nodes.entry(ns.clone()).or_default();
            node.ns = ns.clone();
            while let Some(fact) = facts.next_if(|fact| fact.ns == *ns) {
                node.take(&fact.body, scan.seen.get(ns));
            }
        }
        let ready = |(ns, mut node): (Ns, Node)| {
            node.rules.sort_by_key(|rule| rule.priority);
            node.beside();
            node.in_order(scan.seen.get(&ns).map(|seen| &seen.order));
            node.rest.nft.arrange();
            let made = scan.seen.get(&ns).map(|seen| seen.chains.clone()).unwrap_or_default();
            node.hooked = made.iter().map(|chain| chain.table.family).collect();
            node.rest.nft.made = made;
            (ns, Rc::new(node))
        };
        Self { nodes: nodes.into_iter().map(ready).collect() }
    }

    /// A namespace.
    #[must_use]
    pub fn node(&self, ns: &Ns) -> Option<&Rc<Node>> {
        self.nodes.get(ns)
    }

    /// Namespaces that were read in part, and of which somebody looked for the rest.
    pub fn wanted(&self) -> impl Iterator<Item = &Ns> {
        self.nodes.iter().filter(|(_, node)| node.bare && node.looked.get()).map(|(ns, _)| ns)
    }

    /// A namespace, to be changed.
    pub fn node_mut(&mut self, ns: &Ns) -> Option<&mut Node> {
        self.nodes.get_mut(ns).map(Rc::make_mut)
    }

    /// Forgets that asking for a neighbour has failed: once something has changed, it is asked
    /// again (`NUD_INCOMPLETE`, `NUD_FAILED`). Those where nobody may look and nothing was in the
    /// way stay silent.
    pub fn forget(&mut self) {
        let failed = |n: &Neigh| !n.key.proxy && n.state & 0x21 != 0;
        for node in self.nodes.values_mut().filter(|node| node.neighs.iter().any(failed)) {
            let node = Rc::make_mut(node);
            let mute = std::mem::take(&mut node.mute);
            let stays =
                |n: &Neigh| mute.iter().any(|(dev, ip)| *dev == n.key.dev && *ip == n.key.ip);
            node.neighs.retain(|n| !failed(n) || stays(n));
            node.mute = mute;
        }
    }

    /// A link.
    #[must_use]
    pub fn dev(&self, ns: &Ns, name: &IfName) -> Option<&Dev> {
        self.node(ns)?.devs.get(name)
    }

    /// Who carries an address, and on which link.
    pub fn owners(&self, ip: IpAddr) -> impl Iterator<Item = (&Ns, &Addr)> {
        self.nodes.iter().flat_map(move |(ns, node)| {
            node.addrs.iter().filter(move |a| a.key.net.addr() == ip).map(move |a| (ns, a))
        })
    }
}

impl Node {
    fn seen(ns: &Ns, seen: &Seen) -> Self {
        Self {
            ns: ns.clone(),
            settings: seen.settings.clone(),
            unusable: seen.unusable.clone(),
            learned: seen.learned.clone(),
            seen_routes: seen.routes.clone(),
            seen_rules: seen.rules.clone(),
            bare: seen.bare,
            rest: Rest {
                nft: Ruleset::default(),
                listeners: seen.listeners.clone(),
                flows: seen.flows.clone(),
                legacy: seen.legacy.clone(),
                tables: seen.tables.clone(),
            },
            ..Self::default()
        }
    }

    /// Notes that an answer hangs on what may not have been read.
    fn look(&self) {
        if self.bare {
            self.looked.set(true);
        }
    }

    /// There are chains of these families.
    pub(crate) fn hooks(&self, families: &[Family]) -> bool {
        !self.bare || families.iter().any(|family| self.hooked.contains(family))
    }

    /// Puts addresses in the kernel's order, which facts do not tell.
    fn in_order(&mut self, order: Option<&BTreeMap<IfName, Vec<IpAddr>>>) {
        let at = |a: &Addr| {
            let of_link = order.and_then(|order| order.get(&a.key.dev));
            of_link.and_then(|all| all.iter().position(|ip| *ip == a.key.net.addr()))
        };
        let links: BTreeMap<IfName, u32> =
            self.devs.iter().map(|(name, dev)| (name.clone(), dev.seen.index)).collect();
        self.addrs.sort_by_key(|a| (links.get(&a.key.dev).copied(), at(a)));
    }

    /// Puts routes that facts do not tell apart in their places: the first of them counts. Those for
    /// a class of service are none of ours: what walks here has none.
    fn beside(&mut self) {
        let seen = std::mem::take(&mut self.seen_routes);
        let same = |key| seen.iter().filter(move |s: &&SeenRoute| s.route.key == key);
        let mut keys: Vec<RouteKey> = seen.iter().map(|s| s.route.key.clone()).collect();
        keys.sort();
        keys.dedup();
        for key in keys {
            if same(key.clone()).count() < 2 && same(key.clone()).all(|s| s.tos == 0) {
                continue;
            }
            let at = self.routes.iter().position(|r| r.key == key).unwrap_or(self.routes.len());
            self.routes.retain(|r| r.key != key);
            let ours = same(key).filter(|s| s.tos == 0).map(|s| s.route.clone());
            self.routes.splice(at..at, ours);
        }
        self.seen_routes = seen;
    }

    /// The sources that a route is for, where it is not for all.
    #[must_use]
    pub fn from_of(&self, route: &Route) -> Option<IpNet> {
        self.seen_routes.iter().find(|s| s.route == *route).and_then(|s| s.from)
    }

    /// What the fact of a policy rule does not say.
    #[must_use]
    pub fn more_of(&self, rule: &Rule) -> Option<&SeenRule> {
        self.seen_rules.iter().find(|s| s.rule == *rule)
    }

    /// How many hops packets that take a route may take, where it says so.
    #[must_use]
    pub fn hops_of(&self, route: &Route) -> Option<u32> {
        self.seen_routes.iter().find(|s| s.route == *route).and_then(|s| s.hops)
    }

    /// A neighbour more has no room.
    #[must_use]
    pub fn crowded(&self, v6: bool) -> Option<NeighTable> {
        self.tables.iter().find(|t| t.v6 == v6 && t.room > 0 && t.entries >= t.room).copied()
    }

    fn take(&mut self, body: &Body, seen: Option<&Seen>) {
        match body {
            Body::Link(link) => {
                let seen = seen.and_then(|s| s.devices.get(&link.name)).cloned();
                let dev = Dev { link: link.clone(), seen: seen.unwrap_or_default() };
                self.devs.insert(link.name.clone(), dev);
            }
            Body::Sysctl(x) => {
                self.settings.insert(x.path.as_str().to_owned(), x.value.clone());
            }
            Body::Addr(x) => self.addrs.push(x.clone()),
            Body::Route(x) => self.routes.push(x.clone()),
            Body::Rule(x) => self.rules.push(x.clone()),
            Body::Neigh(x) => self.neighs.push(x.clone()),
            Body::Fdb(x) => self.fdb.push(x.clone()),
            other => self.rest.nft.take(other),
        }
    }

    /// A setting as a number, 0 where there is none.
    #[must_use]
    pub fn number(&self, path: &str) -> i64 {
        let Some(value) = self.settings.get(path) else {
            self.look();
            return 0;
        };
        value.trim().parse().unwrap_or(0)
    }

    /// The queues for programs (NFQUEUE) that a program has asked for. None where that was not read.
    #[must_use]
    pub fn queues(&self) -> Option<Vec<u16>> {
        let all = self.settings.get(ropewalk_facts::seen::QUEUES);
        if all.is_none() {
            self.look();
        }
        Some(all?.split_whitespace().filter_map(|n| n.parse().ok()).collect())
    }

    /// Sources that rules have noted in a list (`xt_recent`). None where that was not read.
    #[must_use]
    pub fn recent(&self, list: &str) -> Option<Vec<IpAddr>> {
        let all = self.settings.get(&format!("{}{list}", ropewalk_facts::seen::RECENT));
        if all.is_none() {
            self.look();
        }
        Some(all?.split_whitespace().filter_map(|ip| ip.parse().ok()).collect())
    }

    /// A setting of a link.
    #[must_use]
    pub fn conf(&self, v6: bool, dev: &str, leaf: &str) -> i64 {
        self.number(&format!("net/ipv{}/conf/{dev}/{leaf}", if v6 { 6 } else { 4 }))
    }

    /// The greater of a setting of a link and that of all (`IN_DEV_MAXCONF`, `IN_DEV_ORCONF`).
    #[must_use]
    pub fn conf_max(&self, dev: &IfName, leaf: &str) -> i64 {
        self.conf(false, dev.as_str(), leaf).max(self.conf(false, "all", leaf))
    }

    /// Whether packets that come in by a link are forwarded.
    #[must_use]
    pub fn forwards(&self, v6: bool, dev: &IfName) -> bool {
        if v6 {
            return self.conf(true, "all", "forwarding") != 0
                || self.conf(true, dev.as_str(), "force_forwarding") != 0;
        }
        self.conf(false, dev.as_str(), "forwarding") != 0
    }

    /// The addresses of a link.
    pub fn addrs_of(&self, dev: &IfName) -> impl Iterator<Item = &Addr> {
        self.addrs.iter().filter(move |a| a.key.dev == *dev)
    }

    /// True when the address is one of its own and can be used.
    #[must_use]
    pub fn owns(&self, ip: IpAddr) -> bool {
        self.addrs.iter().any(|a| a.key.net.addr() == ip) && !self.cannot_use(ip)
    }

    /// True when the address is not usable (not, or not yet, found to be unique).
    #[must_use]
    pub fn cannot_use(&self, ip: IpAddr) -> bool {
        self.unusable.iter().any(|u| u.addr == ip)
    }

    /// The tables are not those of every host: there are policy rules beside the kernel's own, or
    /// local routes of somebody. Then the whole of them is asked about a source
    /// (`fib_has_custom_local_routes`, `fib4_has_custom_rules`).
    #[must_use]
    pub fn custom(&self) -> bool {
        let local =
            |r: &Route| r.kind == RouteKind::Local && !r.derived && r.key.dst.addr().is_ipv4();
        !self.plain_rules() || self.routes.iter().any(local)
    }

    /// The policy rules of IPv4 are the kernel's three, and no others.
    #[must_use]
    pub fn plain_rules(&self) -> bool {
        let own = |r: &Rule| r.derived() && matches!(r.priority, 0 | 32766 | 32767);
        let rules = self.rules.iter().filter(|r| !r.v6);
        rules.clone().all(own) && rules.count() == 3
    }

    /// The members of a bridge.
    pub fn members(&self, bridge: &IfName) -> impl Iterator<Item = &Dev> {
        self.devs.values().filter(move |d| d.link.master.as_ref() == Some(bridge))
    }
}
