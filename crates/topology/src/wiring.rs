//! What a topology is given: the host as it is, and one attachment as it shall be.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{
    Addr, Body, IfName, Link, LinkKind, Mac, Ns, Peer, Route, RouteKey, Sysctl, SysctlPath,
};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Allow, Mode, Network, Publish, Rate, names};

use crate::nic::Nic;

/// What the plan of a network depends on beside its definition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HostFacts {
    /// The link of the default route.
    pub uplink: Option<IfName>,
    /// The link that the network hangs on, if it is of such a mode.
    pub parent: Option<IfName>,
    /// That link with all that hangs on it, where the network takes it over.
    pub nic: Option<Nic>,
    /// The uplink takes its IPv6 default route from router advertisements (`accept_ra` is 1), which
    /// the kernel stops doing when forwarding goes on, unless it is told to go on (2).
    pub uplink_takes_ra: bool,
    /// The host's address on the parent by which other hosts reach its end of a tunnel.
    pub underlay: Option<IpAddr>,
    /// Other hosts of a routed network that are on a link of this one.
    pub near: BTreeMap<IpAddr, Near>,
    /// What fits through a tunnel, in bytes.
    pub tunnel_mtu: u32,
    /// MTU of the network's links in bytes.
    pub mtu: u32,
    /// The network's bridge was there before: it is used, not made, and bears no mark of ours.
    pub foreign_bridge: bool,
    /// Bridged packets pass the IP hooks (`bridge-nf-call-iptables`), so that a packet sent back to
    /// where it came from needs hairpin mode.
    pub bridge_netfilter: bool,
}

/// Where another host is on a link of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Near {
    /// The link.
    pub dev: IfName,
    /// This host's address there.
    pub own: Option<IpAddr>,
}

/// One attachment, with everything chosen.
#[derive(Clone, Debug)]
pub struct Wiring<'a> {
    /// The network.
    pub network: &'a Network,
    /// The sandbox's namespace.
    pub ns: Ns,
    /// The namespace is made by this plan.
    pub make_ns: Option<String>,
    /// The host's link that the network hangs on, if it is of such a mode.
    pub parent: Option<IfName>,
    /// The interface in the sandbox.
    pub ifname: IfName,
    /// The host's end of the veth pair.
    pub leg: IfName,
    /// The name that marks the leg as ours.
    pub altname: String,
    /// What people read at the leg.
    pub alias: String,
    /// Hardware address in the sandbox; left to the kernel when `None`.
    pub mac: Option<Mac>,
    /// MTU in bytes.
    pub mtu: u32,
    /// Leased addresses, each with the prefix length of its subnet.
    pub addresses: Vec<IpNet>,
    /// Metric of the default routes of this attachment (0 is the kernel's default); none to set none.
    pub default_metric: Option<u32>,
    /// The sandbox may speak with any address.
    pub allow_spoofing: bool,
    /// The ports that lead here.
    pub publish: &'a [Publish],
    /// How fast the sandbox may receive.
    pub rate_in: Option<Rate>,
    /// How fast it may send.
    pub rate_out: Option<Rate>,
    /// What may come to it, beside answers; anything when empty.
    pub allow_in: &'a [Allow],
    /// What it may send, beside answers; anything when empty.
    pub allow_out: &'a [Allow],
}

impl Wiring<'_> {
    /// The gateway for addresses of the family of `ip`, of the subnet that holds it.
    pub(crate) fn gateway(&self, ip: IpAddr) -> Option<IpAddr> {
        self.network.subnet_of(ip).and_then(|subnet| subnet.gateway)
    }

    /// Starts the plan: the namespace where it is to be made, the veth pair born up on both sides,
    /// and loopback.
    ///
    ///     ip link add LEG master BRIDGE mtu MTU up type veth peer name IFNAME netns NS
    pub(crate) fn pair(&self, master: Option<IfName>) -> Result<Plan, Duplicate> {
        self.pair_up(master, true)
    }

    /// As [`Wiring::pair`]; the end in the sandbox may be left down.
    pub(crate) fn pair_up(&self, master: Option<IfName>, up: bool) -> Result<Plan, Duplicate> {
        let mut plan = self.begin()?;
        let mut leg = Link::up(self.leg.clone(), self.end(&self.ns, &self.ifname));
        leg.mtu = Some(self.mtu);
        leg.mac = self.mac.map(high);
        leg.master = master;
        leg.altnames.insert(self.altname.clone());
        leg.alias = Some(self.alias.clone());
        // Networks of runtimes are open to each other.
        if leg.master.is_none() && !matches!(self.network.mode, Mode::Cni { .. }) {
            leg.group = names::group(&self.network.name);
        }
        plan.create(&Ns::HOST, Body::Link(leg))?;
        let mut inside = Link::up(self.ifname.clone(), self.end(&Ns::HOST, &self.leg));
        inside.up = up;
        inside.mtu = Some(self.mtu);
        inside.mac = self.mac;
        plan.create(&self.ns, Body::Link(inside))?;
        self.finish(&mut plan)?;
        Ok(plan)
    }

    /// An interface in the sandbox that has no end on the host, and loopback.
    ///
    ///     ip link add link PARENT name IFNAME netns NS mtu MTU up type KIND
    pub(crate) fn single(&self, kind: LinkKind) -> Result<Plan, Duplicate> {
        self.single_on(kind, None)
    }

    /// The same, as a member of a bridge in the sandbox.
    pub(crate) fn single_on(
        &self,
        kind: LinkKind,
        bridge: Option<&IfName>,
    ) -> Result<Plan, Duplicate> {
        let mut plan = self.begin()?;
        let mut inside = Link::up(self.ifname.clone(), kind);
        inside.master = bridge.cloned();
        inside.mtu = Some(self.mtu);
        inside.mac = self.mac;
        plan.create(&self.ns, Body::Link(inside))?;
        self.finish(&mut plan)?;
        Ok(plan)
    }

    /// An interface of another namespace, which comes to the sandbox, and loopback. It bears our
    /// mark, as it may come back by itself when the sandbox dies. `alias` is a text for people.
    ///
    ///     ip link set dev PARENT netns NS name IFNAME
    pub(crate) fn moved(&self, from: Peer, alias: Option<String>) -> Result<Plan, Duplicate> {
        let mut plan = self.begin()?;
        let mut inside = Link::up(self.ifname.clone(), LinkKind::Moved { from });
        inside.mtu = Some(self.mtu);
        inside.altnames.insert(self.altname.clone());
        inside.alias = alias;
        plan.create(&self.ns, Body::Link(inside))?;
        self.finish(&mut plan)?;
        Ok(plan)
    }

    /// Starts the plan: the namespace where it is to be made.
    fn begin(&self) -> Result<Plan, Duplicate> {
        let mut plan = Plan::new();
        if let Some(name) = &self.make_ns {
            plan.create(&Ns::HOST, Body::Netns(name.clone()))?;
        }
        Ok(plan)
    }

    /// What goes with the interface in the sandbox: loopback, and IPv6 where it has addresses.
    fn finish(&self, plan: &mut Plan) -> Result<(), Duplicate> {
        if let Ok(lo) = IfName::new("lo") {
            plan.ensure(&self.ns, Body::Link(Link::up(lo, LinkKind::Loopback)))?;
        }
        if self.addresses.iter().any(|a| matches!(a, IpNet::V6(_))) {
            plan.ensure(&self.ns, v6_on(&self.ifname))?;
        }
        Ok(())
    }

    /// The leased addresses and the hardware address that protection holds the sandbox to; none
    /// where it is lifted.
    pub(crate) fn own(&self) -> Option<(Mac, Vec<IpAddr>)> {
        let mac = self.mac.filter(|_| !self.allow_spoofing && !self.network.allow_spoofing)?;
        Some((mac, self.addresses.iter().map(|net| net.addr()).collect()))
    }

    fn end(&self, ns: &Ns, name: &IfName) -> LinkKind {
        LinkKind::Veth { peer: Some(Peer { ns: ns.clone(), name: name.clone() }) }
    }

    /// The address inside, as `net`.
    pub(crate) fn address(&self, plan: &mut Plan, net: IpNet) -> Result<(), Duplicate> {
        plan.create(&self.ns, Body::Addr(Addr::global(self.ifname.clone(), net)))
    }

    /// The default route of the family of `via`, once, if this attachment has one.
    pub(crate) fn default_route(&self, plan: &mut Plan, via: IpAddr) -> Result<(), Duplicate> {
        self.way_out(plan, via.is_ipv4(), Some(via))
    }

    /// The default route of a family, once, if this attachment has one; by no gateway where that is
    /// none.
    pub(crate) fn way_out(
        &self,
        plan: &mut Plan,
        v4: bool,
        via: Option<IpAddr>,
    ) -> Result<(), Duplicate> {
        let Some(metric) = self.default_metric else { return Ok(()) };
        let any = if v4 { RouteKey::default_v4() } else { RouteKey::default_v6() };
        let key = RouteKey::new(any.table, any.dst, metric);
        let route = Body::Route(Route::unicast(key, self.ifname.clone(), via));
        if plan.states(&route.id().at(self.ns.clone())) {
            return Ok(());
        }
        plan.create(&self.ns, route)
    }
}

/// The leg's own address: like the sandbox's, but high. A bridge without an address of its own
/// takes the lowest of its members' (`br_stp_recalculate_bridge_id`), which shall not be ours.
#[must_use]
pub fn high(Mac([_, rest @ ..]): Mac) -> Mac {
    let [b, c, d, e, f] = rest;
    Mac([0xfe, b, c, d, e, f])
}

/// A container may have been told to do without IPv6; an address of ours needs it.
fn v6_on(ifname: &IfName) -> Body {
    setting(SysctlPath::conf6(ifname, "disable_ipv6"), "0")
}

/// The setting `path` = `value`.
pub(crate) fn setting(path: SysctlPath, value: &str) -> Body {
    Body::Sysctl(Sysctl { path, value: value.into() })
}

/// Forwarding for the families that `network` has, with what keeps the uplink's own IPv6 alive.
pub(crate) fn forwarding(
    plan: &mut Plan,
    network: &Network,
    host: &HostFacts,
) -> Result<(), Duplicate> {
    let has = [(false, network.has_v4()), (true, network.has_v6())];
    let all = has.into_iter().filter(|(_, has)| *has).flat_map(|(v6, _)| forward(v6, host));
    all.into_iter().try_for_each(|body| plan.ensure(&Ns::HOST, body))
}

/// Forwarding of one family.
pub(crate) fn forward(v6: bool, host: &HostFacts) -> Vec<Body> {
    if !v6 {
        return vec![setting(SysctlPath::ip_forward(), "1")];
    }
    let uplink = host.uplink.as_ref().filter(|_| host.uplink_takes_ra);
    let ra = uplink.map(|uplink| setting(SysctlPath::conf6(uplink, "accept_ra"), "2"));
    ra.into_iter().chain([setting(SysctlPath::ip6_forward(), "1")]).collect()
}
