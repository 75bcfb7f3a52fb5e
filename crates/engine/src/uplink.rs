//! Taking over a NIC: what must be known of it, whether it is fit, and who shall still answer
//! afterwards.
//!
//!     gateways of the NIC that answer before (ARP or ND, ICMP echo) ──move──▶ the same, or all back
//!
//! Never here: how the move is made (`topology`), who watches over it (`guard`).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use ropewalk_facts::{Body, Fact, Id, IfName, Link, LinkKind, NeighKey, Ns, RouteKind, Snapshot};
use ropewalk_plan::Change;
use ropewalk_spec::{Mode, Network};
use ropewalk_store::NetworkRecord;
use ropewalk_topology::{Nic, bridge_name, uplink};

use crate::code::Code;
use crate::fault::Fault;
use crate::{Engine, host};

/// How long an answer of a gateway is waited for before the move, and after it.
const BEFORE: Duration = Duration::from_millis(1500);
const AFTER: Duration = Duration::from_secs(6);
/// How long one echo is waited for.
const ECHO: Duration = Duration::from_millis(250);

/// A router that is asked, and what it did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gateway {
    ip: IpAddr,
    /// It answered ARP or a neighbour solicitation.
    resolves: bool,
    /// It answered an ICMP echo.
    echoes: bool,
}

impl std::fmt::Display for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let asked = if self.ip.is_ipv4() { "ARP" } else { "neighbour discovery" };
        let word = |yes| if yes { "answers" } else { "does not answer" };
        write!(f, "{} {} {asked}, {} ping", self.ip, word(self.resolves), word(self.echoes))
    }
}

/// True for a network that takes over a NIC.
pub(crate) fn takes_over(network: &Network) -> bool {
    matches!(network.mode, Mode::Uplink { .. })
}

/// Why the NIC `link` cannot be taken over, if it cannot, but for what holds for any parent.
pub(crate) fn objection(network: &Network, link: &Link, found: &Snapshot) -> Option<Fault> {
    let name = &link.name;
    let unfit = |what: String| Some(Fault::new(Code::ParentUnfit, what));
    if link.kind == LinkKind::Bridge {
        let fault = Fault::new(Code::ParentUnfit, format!("{name} is a bridge itself"));
        return Some(fault.or_try(format!("--mode bridge --bridge {name}")));
    }
    if link.mac.is_none_or(|mac| !mac.is_unicast()) {
        return unfit(format!("{name} has no hardware address, and cannot be on a bridge"));
    }
    let bridge = bridge_name(network, None);
    if host::link(found, &bridge).is_some() {
        let fault = Fault::new(Code::Foreign, format!("there is an interface {bridge} already"));
        return Some(fault.or_try("ropewalk gc").or_try("choose another name for the network"));
    }
    network.subnets.iter().find_map(|subnet| {
        let (first, last) = subnet.range?;
        let addresses = host::addresses(found, name).into_iter().map(|net| net.addr());
        let own = addresses.into_iter().find(|ip| (first..=last).contains(ip))?;
        let what = format!("the range {first}-{last} holds {own}, which is this host's");
        Some(Fault::new(Code::AddrTaken, what).or_try("choose another --range"))
    })
}

/// Who else needs the interface `name` to stay as it is, if somebody does.
pub(crate) fn in_use(
    network: &Network,
    name: &IfName,
    others: &[NetworkRecord],
    found: &Snapshot,
) -> Option<Fault> {
    let taken = |what: String| {
        Some(Fault::new(Code::ParentTaken, what).or_try("name another with --parent"))
    };
    let hangs = |other: &&NetworkRecord| {
        other.parent.as_ref() == Some(name) && other.network.name != network.name
    };
    if let Some(other) = others.iter().find(hangs) {
        return taken(format!("{name} is the parent of network {}", other.network.name));
    }
    // A link has one receiver of its frames: it cannot be a bridge's port beside.
    let upper = |link: &&Link| {
        let receives = matches!(link.kind, LinkKind::Macvlan { .. } | LinkKind::Ipvlan { .. });
        let lower = link.kind.lower().filter(|_| receives);
        lower.is_some_and(|lower| lower.ns.is_host() && lower.name == *name)
    };
    let link = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_link()).find(upper)?;
    taken(format!("{} stands on {name}, which cannot be a port then", link.name))
}

/// `network`, with the LAN's gateways where none is given: those of the host's own default routes.
pub(crate) fn with_gateways(network: &Network, found: &Snapshot) -> Network {
    let mut network = network.clone();
    if takes_over(&network) {
        for subnet in &mut network.subnets {
            let inside = |(_, ip): &(IfName, IpAddr)| subnet.net.contains(ip);
            let way = || defaults(found).find(inside).map(|(_, ip)| ip);
            subnet.gateway = subnet.gateway.or_else(way);
        }
    }
    network
}

/// True when `made` is `wanted`, the gateways that were found when it was made left out.
pub(crate) fn same(made: &Network, wanted: &Network) -> bool {
    let mut made = made.clone();
    if takes_over(&made) && made.subnets.len() == wanted.subnets.len() {
        for (subnet, wish) in made.subnets.iter_mut().zip(&wanted.subnets) {
            subnet.gateway = wish.gateway.and(subnet.gateway);
        }
    }
    made == *wanted
}

/// The gateways of default routes, each with its link.
fn defaults(found: &Snapshot) -> impl Iterator<Item = (IfName, IpAddr)> {
    let routes = host::routes(found)
        .filter(|route| route.key.dst.prefix_len() == 0 && route.kind == RouteKind::Unicast);
    routes.flat_map(|route| &route.hops).filter_map(|hop| Some((hop.dev.clone()?, hop.via?)))
}

/// The routers that are asked whether the host is still on the LAN: those of the network, and of
/// the default routes over the NIC.
fn routers(network: &Network, nic: &IfName, found: &Snapshot) -> Vec<IpAddr> {
    let mut all: Vec<IpAddr> = network.subnets.iter().filter_map(|s| s.gateway).collect();
    all.extend(defaults(found).filter(|(dev, _)| dev == nic).map(|(_, ip)| ip));
    all.sort_unstable();
    all.dedup();
    all
}

impl Engine {
    /// What the plan of a network that takes over a NIC must know of it, and what is known then.
    pub(crate) fn nic(
        &mut self,
        name: &IfName,
        found: &mut Snapshot,
        world: &mut Snapshot,
    ) -> Result<Option<Nic>, Fault> {
        found.merge(self.kernel.read_keys(&Nic::questions(name))?);
        let nic = Nic::of(found, name);
        for body in nic.iter().flat_map(|nic| &nic.bodies) {
            world.insert(body.clone().at(Ns::HOST));
        }
        Ok(nic)
    }

    /// Refuses a NIC that leads nowhere.
    pub(crate) fn connected(&mut self, name: &IfName) -> Result<(), Fault> {
        if self.kernel.carrier(&Ns::HOST, name)? {
            return Ok(());
        }
        let fault = Fault::new(Code::ParentUnfit, format!("{name} has no carrier"));
        Err(fault
            .cause("no cable, or nobody at its other end")
            .or_try("name another with --parent"))
    }

    /// Asks the routers of the LAN before the move: those that answer have to afterwards.
    pub(crate) fn gateways(&mut self, record: &NetworkRecord) -> Result<Vec<Gateway>, Fault> {
        let Some(nic) = &record.parent else { return Ok(Vec::new()) };
        let found = self.read_host()?;
        let mut all = Vec::new();
        for ip in routers(&record.network, nic, &found) {
            all.push(self.ask(ip, nic, BEFORE, None)?);
        }
        let tell = "--confirm-within 30s, and answer with `ropewalk confirm` or y";
        if all.is_empty() {
            let what = format!("there is no gateway on {nic} to make sure of afterwards");
            return Err(Fault::new(Code::GatewaySilent, what)
                .or_try("name one with --gateway")
                .or_try(tell));
        }
        let silent = all.clone();
        all.retain(|gateway| gateway.resolves || gateway.echoes);
        match silent.first().filter(|_| all.is_empty()) {
            None => Ok(all),
            Some(first) => {
                let what = format!("no gateway on {nic} answers, so none could afterwards");
                Err(Fault::new(Code::GatewaySilent, what).cause(first.to_string()).or_try(tell))
            }
        }
    }

    /// Asks those that answered before, over `bridge`.
    pub(crate) fn still_there(&mut self, before: &[Gateway], bridge: &IfName) -> Result<(), Fault> {
        for gateway in before {
            let now = self.ask(gateway.ip, bridge, AFTER, Some(gateway))?;
            if (gateway.resolves && !now.resolves) || (gateway.echoes && !now.echoes) {
                let what = "the gateway does not answer any more, everything was moved back";
                return Err(Fault::new(Code::GatewaySilent, what)
                    .cause(format!("{now}; before: {gateway}"))
                    .or_try("see whether the switch or hypervisor lets several addresses pass")
                    .or_try("--confirm-within 30s, and answer with `ropewalk confirm` or y"));
            }
        }
        Ok(())
    }

    /// Asks `ip` over `dev` until it does what it did before, or both at best.
    fn ask(
        &mut self,
        ip: IpAddr,
        dev: &IfName,
        limit: Duration,
        before: Option<&Gateway>,
    ) -> Result<Gateway, Fault> {
        let begun = Instant::now();
        let mut now = Gateway { ip, resolves: false, echoes: false };
        let enough = |now: &Gateway| match before {
            Some(before) => before.resolves <= now.resolves && before.echoes <= now.echoes,
            None => now.resolves && now.echoes,
        };
        loop {
            // Why it cannot be sent is the neighbour's silence, or a route that is still to come.
            now.echoes |= ropewalk_kernel::ping(ip, Some(dev), ECHO).is_ok();
            now.resolves |= self.resolved(ip, dev)?;
            if enough(&now) || begun.elapsed() >= limit {
                return Ok(now);
            }
        }
    }

    /// True when the hardware address of `ip` is known on `dev`.
    fn resolved(&mut self, ip: IpAddr, dev: &IfName) -> Result<bool, Fault> {
        /// `NUD_INCOMPLETE` and `NUD_FAILED` of include/uapi/linux/neighbour.h.
        const UNKNOWN: u16 = 0x01 | 0x20;
        let key = Id::Neigh(NeighKey { dev: dev.clone(), ip, proxy: false }).at(Ns::HOST);
        let found = self.kernel.read_keys(std::slice::from_ref(&key))?;
        let neigh = found.fact(&key).map(|fact| &fact.body);
        Ok(matches!(neigh, Some(Body::Neigh(x)) if x.mac.is_some() && x.state & UNKNOWN == 0))
    }

    /// The changes of a record that took over a NIC, as they are to be undone now.
    pub(crate) fn moved_since(&mut self, record: &NetworkRecord) -> Result<Vec<Change>, Fault> {
        let Some(nic) = record.parent.as_ref().filter(|_| takes_over(&record.network)) else {
            return Ok(record.changes.clone());
        };
        let found = self.read_host()?;
        let bridge = bridge_name(&record.network, None);
        Ok(uplink::up_to_date(&record.changes, &found, &bridge, nic))
    }

    /// Gives back the NICs of bridges that bear the mark, of which nothing is written down any
    /// more: a bridge that goes takes the host's addresses with it.
    pub(crate) fn free_nics(&mut self, found: &Snapshot, strays: &[Change]) -> Result<(), Fault> {
        for bridge in strays.iter().filter_map(|change| change.old.as_ref()?.body.as_link()) {
            if bridge.kind != LinkKind::Bridge {
                continue;
            }
            let Some(nic) = port(found, bridge) else { continue };
            let supposed = uplink::supposed(bridge, &nic);
            let changes = uplink::up_to_date(&supposed, found, &bridge.name, &nic.name);
            self.take_back(&changes)?;
        }
        Ok(())
    }
}

/// The one member of `bridge` that ropewalk did not make.
fn port(found: &Snapshot, bridge: &Link) -> Option<Link> {
    let links = found.of(&Ns::HOST).filter_map(|fact: &Fact| fact.body.as_link());
    let mut ports = links.filter(|link| link.master.as_ref() == Some(&bridge.name));
    ports.find(|link| !host::ours(link)).cloned()
}
