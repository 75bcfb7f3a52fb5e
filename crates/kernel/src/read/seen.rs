//! Reading what is no fact: carriers, pairs, traffic control, listeners, a few more settings.
//!
//!     ip -d link · tc -s qdisc · tc filter · ss -Hlntu · sysctl
//!
//! Never here: facts, connections (those are asked for one by one), what any of it means.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ropewalk_facts::seen::{Device, Listener, QUEUES, RECENT, Seen, SeenRoute, Tuple, Unusable};
use ropewalk_facts::{IfName, Ns, Peer, Route, RouteKey};
use ropewalk_wire::rt::seen::{self as wire, Way};
use ropewalk_wire::rt::{self, Links, OtherEnd};
use ropewalk_wire::{ct, diag};

use super::all::Look;
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

/// Those that tell who answers for others.
const PROXIES: [&str; 2] = ["net/ipv4/conf/all/proxy_arp", "net/ipv6/conf/all/proxy_ndp"];

/// The counter of advertisements of routers.
const HEARD: &str = "Icmp6InRouterAdvertisements";

/// Tables of iptables-legacy that are loaded, one a line.
const LEGACY: [(&str, &str); 3] = [
    ("ip", "/proc/thread-self/net/ip_tables_names"),
    ("ip6", "/proc/thread-self/net/ip6_tables_names"),
    ("arp", "/proc/thread-self/net/arp_tables_names"),
];

impl Kernel {
    /// What is seen in one namespace beside its facts, as far as rtnetlink told it, or may be asked.
    /// What cannot be read is named.
    pub(crate) fn read_bare(&mut self, ns: &Ns, look: &Look) -> Result<Seen, Error> {
        let mut seen = Seen { inode: self.inode(ns)?, bare: true, ..Seen::default() };
        seen.devices = self.devices(ns, look)?;
        self.traffic_control(ns, look, &mut seen)?;
        seen.unusable = unusable(look, &seen.devices);
        seen.order = order(look, &seen.devices);
        seen.learned = self.learned(ns)?;
        seen.routes = twins(look, &self.space(ns)?.links);
        seen.rules = look.replies.iter().filter_map(|r| rt::rule_seen(&r.message())).collect();
        match self.read_hooked(ns) {
            Ok(chains) => seen.chains = chains,
            Err(_) => seen.gaps.push("the order of chains".to_owned()),
        }
        self.inside(ns, || settings(&mut seen, &PROXIES))?;
        Ok(seen)
    }

    /// All the rest of it.
    pub(crate) fn read_seen(&mut self, ns: &Ns, seen: &mut Seen) -> Result<(), Error> {
        let tables = self.space_mut(ns)?.rt.dump(&wire::tables(), |m| wire::table(&m));
        seen.tables = tables.unwrap_or_default();
        seen.bare = false;
        self.inside(ns, || {
            settings(seen, &SETTINGS);
            heard(seen);
            sockets(seen);
        })
    }

    fn inode(&self, ns: &Ns) -> Result<u64, Error> {
        let stat = rustix::fs::fstat(self.fd(ns)?);
        Ok(stat.map(|stat| stat.st_ino).unwrap_or_default())
    }

    fn devices(&mut self, ns: &Ns, look: &Look) -> Result<BTreeMap<IfName, Device>, Error> {
        let mut devices = BTreeMap::new();
        let mut far: BTreeMap<i32, Vec<(IfName, u32)>> = BTreeMap::new();
        let links = look.replies.iter().filter_map(|r| wire::device(&r.message()));
        for (name, mut device, other) in links {
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
        for (nsid, ends) in far {
            let Some(other) = look.numbers.get(&nsid) else { continue };
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

    fn traffic_control(&mut self, ns: &Ns, look: &Look, seen: &mut Seen) -> Result<(), Error> {
        let rt = &mut self.space_mut(ns)?.rt;
        let all: Vec<_> = look.replies.iter().filter_map(|r| wire::qdisc(&r.message())).collect();
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

/// Routes that stand beside another of the same key, and those with a hop limit, a class of
/// service or a source: facts have one route a key, and nothing of these.
fn twins(look: &Look, links: &Links) -> Vec<SeenRoute> {
    let messages = look.replies.iter().filter_map(|r| rt::route_seen(&r.message(), links));
    // Every link has its own of these.
    let own = |ip: IpAddr| match ip {
        IpAddr::V6(ip) => ip.is_unicast_link_local() || ip.is_multicast(),
        IpAddr::V4(_) => false,
    };
    let mut all: Vec<SeenRoute> = messages.filter(|r| !own(r.route.key.dst.addr())).collect();
    let mut seen: BTreeMap<RouteKey, usize> = BTreeMap::new();
    for route in &all {
        *seen.entry(route.route.key.clone()).or_default() += 1;
    }
    let twin = |key: &RouteKey| seen.get(key).is_some_and(|n| *n > 1);
    all.retain(|r| r.hops.is_some() || r.tos != 0 || r.from.is_some() || twin(&r.route.key));
    all
}

/// The addresses of links that have several, in their order.
fn order(look: &Look, devices: &BTreeMap<IfName, Device>) -> BTreeMap<IfName, Vec<IpAddr>> {
    let all: Vec<_> = look.replies.iter().filter_map(|r| wire::address(&r.message())).collect();
    let of = |index| all.iter().filter(move |(i, _)| *i == index).map(|(_, ip)| *ip);
    let named = devices.iter().map(|(dev, d)| (dev.clone(), of(d.index).collect::<Vec<_>>()));
    named.filter(|(_, ips)| ips.len() > 1).collect()
}

fn unusable(look: &Look, devices: &BTreeMap<IfName, Device>) -> Vec<Unusable> {
    let all = look.replies.iter().filter_map(|r| wire::unusable(&r.message()));
    let named = all.filter_map(|(index, addr, failed)| {
        let (dev, _) = devices.iter().find(|(_, d)| d.index == index)?;
        Some(Unusable { dev: dev.clone(), addr, failed })
    });
    named.collect()
}

/// The settings of the namespace that this thread is in.
fn settings(seen: &mut Seen, paths: &[&str]) {
    for path in paths {
        if let Ok(text) = std::fs::read_to_string(format!("/proc/sys/{path}")) {
            seen.settings.insert((*path).to_owned(), text.trim_end().to_owned());
        }
    }
}

/// How many advertisements of routers came to it, listened to or not; its tables of iptables-legacy.
fn heard(seen: &mut Seen) {
    let counters = std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap_or_default();
    let heard = counters.lines().find_map(|l| l.strip_prefix(HEARD)).map(str::trim);
    if let Some(count) = heard.filter(|count| *count != "0") {
        seen.settings.insert(HEARD.to_owned(), count.to_owned());
    }
    noted(seen);
    for (family, file) in LEGACY {
        let names = std::fs::read_to_string(file).unwrap_or_default();
        seen.legacy.extend(names.lines().map(|name| format!("{family}/{name}")));
    }
    if seen.devices.values().any(|device| device.kind == "bridge") {
        let modules = std::fs::read_to_string("/proc/modules").unwrap_or_default();
        seen.legacy.extend(ebtables(&modules));
    }
}

/// The queues that programs have asked for, and the lists of addresses that rules have filled.
fn noted(seen: &mut Seen) {
    let net = "/proc/thread-self/net";
    let first = |line: &str| line.split_whitespace().next().map(str::to_owned);
    if let Ok(queues) = std::fs::read_to_string(format!("{net}/netfilter/nfnetlink_queue")) {
        let asked: Vec<String> = queues.lines().filter_map(first).collect();
        seen.settings.insert(QUEUES.to_owned(), asked.join(" "));
    }
    let lists = std::fs::read_dir(format!("{net}/xt_recent"));
    for list in lists.into_iter().flatten().flatten() {
        let text = std::fs::read_to_string(list.path()).unwrap_or_default();
        let source = |line: &str| first(line.strip_prefix("src=")?);
        let all: Vec<String> = text.lines().filter_map(source).collect();
        let name = list.file_name().to_string_lossy().into_owned();
        seen.settings.insert(format!("{RECENT}{name}"), all.join(" "));
    }
}

/// The tables that ebtables-legacy may have. The kernel lists none, and one that is asked for is made; but
/// each has a module that is loaded when somebody uses it first.
fn ebtables(modules: &str) -> impl Iterator<Item = String> {
    let loaded = modules.lines().filter_map(|line| line.split(' ').next());
    let tables = loaded.filter_map(|module| module.strip_prefix("ebtable_"));
    tables.map(|table| format!("bridge/{table}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_ebtables_are_told_by_their_modules() {
        let modules = "ebtable_nat 12288 0 - Live 0x0\nebtables 45056 2 ebtable_nat,ebtable_filter, Live 0x0\n\
                       ebtable_filter 12288 1 - Live 0x0\nbridge 380928 1 br_netfilter, Live 0x0\n";
        assert_eq!(ebtables(modules).collect::<Vec<_>>(), ["bridge/nat", "bridge/filter"]);
        assert_eq!(ebtables("").next(), None);
    }
}
