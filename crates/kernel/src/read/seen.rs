//! Reading what is no fact: carriers, pairs, traffic control, listeners, a few more settings.
//!
//!     ip -d link · tc -s qdisc · tc filter · ss -Hlntu · sysctl
//!
//! Never here: facts, connections (those are asked for one by one), what any of it means.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ropewalk_facts::seen::{Device, Listener, Seen, SeenRoute, Tuple, Unusable};
use ropewalk_facts::{IfName, Ns, Peer, Route, RouteKey};
use ropewalk_wire::rt::seen::{self as wire, Way};
use ropewalk_wire::rt::{self, OtherEnd};
use ropewalk_wire::{ct, diag};

use crate::error::Error;
use crate::reply::Reply;
use crate::socket::{Protocol, Socket};
use crate::space::Kernel;
use crate::sys::bpf::program;

/// Protocols with ports that are listened on: TCP, UDP.
const PROTOCOLS: [u8; 2] = [6, 17];

/// Settings that are no facts, below /proc/sys.
const SETTINGS: [&str; 17] = [
    "net/ipv4/ip_default_ttl",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/icmp_echo_ignore_broadcasts",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/conf/all/arp_filter",
    "net/ipv4/conf/all/accept_local",
    "net/ipv4/conf/all/src_valid_mark",
    "net/ipv4/neigh/default/gc_thresh3",
    "net/ipv6/neigh/default/gc_thresh3",
    "net/ipv6/conf/all/proxy_ndp",
    "net/ipv6/conf/all/hop_limit",
    "net/ipv6/icmp/echo_ignore_all",
    "net/ipv6/bindv6only",
    "net/netfilter/nf_conntrack_count",
    "net/netfilter/nf_conntrack_max",
    "net/netfilter/nf_conntrack_tcp_be_liberal",
    "net/ipv4/tcp_mtu_probing",
];

/// The counter of advertisements of routers.
const HEARD: &str = "Icmp6InRouterAdvertisements";

/// Tables of iptables-legacy that are loaded, one a line.
const LEGACY: [(&str, &str); 3] = [
    ("ip", "/proc/thread-self/net/ip_tables_names"),
    ("ip6", "/proc/thread-self/net/ip6_tables_names"),
    ("arp", "/proc/thread-self/net/arp_tables_names"),
];

impl Kernel {
    /// Reads what is seen in one namespace beside its facts. What cannot be read is named.
    ///
    /// # Errors
    /// [`Error::UnknownNs`], or the kernel's refusal to show the links.
    pub fn read_seen(&mut self, ns: &Ns) -> Result<Seen, Error> {
        let mut seen = Seen { inode: self.inode(ns)?, ..Seen::default() };
        seen.devices = self.devices(ns)?;
        self.traffic_control(ns, &mut seen)?;
        seen.unusable = self.unusable(ns, &seen.devices)?;
        seen.order = self.order(ns, &seen.devices)?;
        seen.learned = self.learned(ns)?;
        seen.routes = self.twins(ns)?;
        match self.read_hooked(ns) {
            Ok(chains) => seen.chains = chains,
            Err(_) => seen.gaps.push("the order of chains".to_owned()),
        }
        for v6 in [false, true] {
            let found = self.space_mut(ns)?.rt.dump(&rt::rules_dump(v6), |m| rt::rule_seen(&m));
            seen.rules.extend(found.unwrap_or_default());
        }
        seen.tables =
            self.space_mut(ns)?.rt.dump(&wire::tables(), |m| wire::table(&m)).unwrap_or_default();
        self.inside(ns, || {
            settings(&mut seen);
            sockets(&mut seen);
        })?;
        Ok(seen)
    }

    fn inode(&self, ns: &Ns) -> Result<u64, Error> {
        let stat = rustix::fs::fstat(self.fd(ns)?);
        Ok(stat.map(|stat| stat.st_ino).unwrap_or_default())
    }

    fn devices(&mut self, ns: &Ns) -> Result<BTreeMap<IfName, Device>, Error> {
        let rt = &mut self.space_mut(ns)?.rt;
        let replies = rt.dump(&rt::links_dump()?, |m| Some(Reply::of(&m)))?;
        let mut devices = BTreeMap::new();
        let mut far: BTreeMap<i32, Vec<(IfName, u32)>> = BTreeMap::new();
        for (name, mut device, other) in replies.iter().filter_map(|r| wire::device(&r.message())) {
            match other {
                Some(OtherEnd { nsid: None, index }) => {
                    let here = self.space(ns)?.links.name(index).cloned();
                    device.other = here.map(|name| Peer { ns: ns.clone(), name });
                }
                Some(OtherEnd { nsid: Some(nsid), index }) => {
                    far.entry(nsid).or_default().push((name.clone(), index));
                }
                None => {}
            }
            if let Some(xdp) = &mut device.xdp {
                xdp.always = program(xdp.id).ok().and_then(|code| wire::always(&code));
            }
            devices.insert(name, device);
        }
        if devices.values().any(|device| device.vlan_filtering) {
            let rt = &mut self.space_mut(ns)?.rt;
            let found = rt.dump(&wire::vlans()?, |m| wire::vlans_of(&m))?;
            for (index, vlans) in found {
                let of = devices.values_mut().filter(|device| device.index == index);
                of.for_each(|device| device.vlans.clone_from(&vlans));
            }
        }
        let known = if far.is_empty() { BTreeMap::new() } else { self.nsids(ns)? };
        for (nsid, ends) in far {
            let Some(other) = known.get(&nsid) else { continue };
            for (name, index) in ends {
                let peer = self.link_of(other, index)?;
                if let (Some(device), Some(peer)) = (devices.get_mut(&name), peer) {
                    device.other = Some(Peer { ns: other.clone(), name: peer });
                }
            }
        }
        Ok(devices)
    }

    /// The name of the link `index`, which is asked for when it is not known.
    fn link_of(&mut self, ns: &Ns, index: u32) -> Result<Option<IfName>, Error> {
        if self.space(ns)?.links.name(index).is_none() {
            self.ask(ns, &[rt::link_at(index)?])?;
        }
        Ok(self.space(ns)?.links.name(index).cloned())
    }

    /// Kernels without traffic control have nothing to tell.
    fn traffic_control(&mut self, ns: &Ns, seen: &mut Seen) -> Result<(), Error> {
        let rt = &mut self.space_mut(ns)?.rt;
        let Ok(all) = rt.dump(&wire::qdiscs(), |m| wire::qdisc(&m)) else {
            seen.gaps.push("queueing disciplines".to_owned());
            return Ok(());
        };
        for device in seen.devices.values_mut() {
            let own = all.iter().filter(|(index, _)| *index == device.index);
            device.qdiscs = own.map(|(_, qdisc)| qdisc.clone()).collect();
            if device.qdiscs.iter().any(|q| matches!(q.kind.as_str(), "clsact" | "ingress")) {
                let mut of = |way| {
                    rt.dump(&wire::filters(device.index, way), |m| wire::filter(&m))
                        .unwrap_or_default()
                };
                device.tc_in = of(Way::In);
                device.tc_out = of(Way::Out);
                for way in [Way::In, Way::Out] {
                    let code = rt
                        .dump(&wire::filters(device.index, way), |m| wire::filter_code(&m, way))
                        .unwrap_or_default();
                    device.filters.extend(code.into_iter().map(|(mut filter, id)| {
                        let code =
                            id.filter(|_| filter.code.is_empty()).and_then(|id| program(id).ok());
                        filter.always = code.and_then(|code| wire::always(&code));
                        filter
                    }));
                }
            }
        }
        Ok(())
    }

    /// Redirects that are remembered. Who has none to tell, has none.
    fn learned(&mut self, ns: &Ns) -> Result<Vec<Route>, Error> {
        let mut all = Vec::new();
        for v6 in [false, true] {
            let rt = &mut self.space_mut(ns)?.rt;
            let replies =
                rt.dump(&rt::learned_dump(v6)?, |m| Some(Reply::of(&m))).unwrap_or_default();
            let links = &self.space(ns)?.links;
            all.extend(replies.iter().filter_map(|r| rt::learned(&r.message(), links)));
        }
        all.retain(|route| route.hops.iter().any(|hop| hop.via.is_some()));
        Ok(all)
    }

    /// Routes that stand beside another of the same key, and those with a hop limit, a class of
    /// service or a source: facts have one route a key, and nothing of these.
    fn twins(&mut self, ns: &Ns) -> Result<Vec<SeenRoute>, Error> {
        let mut all = Vec::new();
        for v6 in [false, true] {
            let rt = &mut self.space_mut(ns)?.rt;
            let replies =
                rt.dump(&rt::routes_dump(v6)?, |m| Some(Reply::of(&m))).unwrap_or_default();
            let links = &self.space(ns)?.links;
            all.extend(replies.iter().filter_map(|r| rt::route_seen(&r.message(), links)));
        }
        // Every link has its own of these.
        let own = |ip: IpAddr| match ip {
            IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast(),
            IpAddr::V4(_) => false,
        };
        all.retain(|r| !own(r.route.key.dst.addr()));
        let mut seen: BTreeMap<RouteKey, usize> = BTreeMap::new();
        for route in &all {
            *seen.entry(route.route.key.clone()).or_default() += 1;
        }
        let twin = |key: &RouteKey| seen.get(key).is_some_and(|n| *n > 1);
        all.retain(|r| r.hops.is_some() || r.tos != 0 || r.from.is_some() || twin(&r.route.key));
        Ok(all)
    }

    /// The addresses of links that have several, in their order.
    fn order(
        &mut self,
        ns: &Ns,
        devices: &BTreeMap<IfName, Device>,
    ) -> Result<BTreeMap<IfName, Vec<IpAddr>>, Error> {
        let rt = &mut self.space_mut(ns)?.rt;
        let all = rt.dump(&rt::addresses_dump(), |m| wire::address(&m))?;
        let of = |index| all.iter().filter(move |(i, _)| *i == index).map(|(_, ip)| *ip);
        let named = devices.iter().map(|(dev, d)| (dev.clone(), of(d.index).collect::<Vec<_>>()));
        Ok(named.filter(|(_, ips)| ips.len() > 1).collect())
    }

    fn unusable(
        &mut self,
        ns: &Ns,
        devices: &BTreeMap<IfName, Device>,
    ) -> Result<Vec<Unusable>, Error> {
        let rt = &mut self.space_mut(ns)?.rt;
        let all = rt.dump(&rt::addresses_dump(), |m| wire::unusable(&m))?;
        let named = all.into_iter().filter_map(|(index, addr, failed)| {
            let (dev, _) = devices.iter().find(|(_, d)| d.index == index)?;
            Some(Unusable { dev: dev.clone(), addr, failed })
        });
        Ok(named.collect())
    }

    /// The tracked connection that a packet like `tuple` belongs to, if there is one. One
    /// question, answered in microseconds; the table is not looked through.
    ///
    /// # Errors
    /// [`Error::UnknownNs`], or the kernel's refusal.
    pub fn flow(
        &mut self,
        ns: &Ns,
        tuple: &Tuple,
    ) -> Result<Option<ropewalk_facts::seen::Flow>, Error> {
        let mut found = None;
        let nf = self.space_mut(ns)?.nf()?;
        let asked = [ct::get(tuple)?];
        let outcomes = nf.exchange(&asked, |_, message| {
            found = found.or_else(|| ct::tracked(&message));
        })?;
        outcomes.into_iter().try_for_each(crate::reply::answered)?;
        Ok(found)
    }
}

/// The settings of the namespace that this thread is in.
fn settings(seen: &mut Seen) {
    for path in SETTINGS {
        if let Ok(text) = std::fs::read_to_string(format!("/proc/sys/{path}")) {
            seen.settings.insert(path.to_owned(), text.trim_end().to_owned());
        }
    }
    // How many advertisements of routers came, listened to or not.
    let counters = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    let heard = counters.lines().find_map(|l| l.strip_prefix(HEARD)).map(str::trim);
    if let Some(count) = heard.filter(|count| *count != "0") {
        seen.settings.insert(HEARD.to_owned(), count.to_owned());
    }
    for (family, file) in LEGACY {
        let names = std::fs::read_to_string(file).unwrap_or_default();
        seen.legacy.extend(names.lines().map(|name| format!("{family}/{name}")));
    }
}

/// The sockets of the namespace that this thread is in.
fn sockets(seen: &mut Seen) {
    let Ok(mut socket) = Socket::open(Protocol::SockDiag) else {
        seen.gaps.push("listeners".to_owned());
        return;
    };
    for proto in PROTOCOLS {
        for v6 in [false, true] {
            let request = diag::listeners(proto, v6, None);
            let found = socket.dump(&request, |m| diag::listener(&m).ok().flatten());
            seen.listeners.extend(found.unwrap_or_default().into_iter().map(|l| Listener {
                proto,
                addr: l.addr,
                port: l.port,
                v6only: l.v6only,
                dev: l.dev,
                backlog: (proto == 6).then_some((l.waiting, l.room)),
            }));
        }
    }
}
