//! Attach: a sandbox gets an interface on a network.
//!
//!     open the sandbox ─▶ choose name, addresses ─▶ journal ─▶ kernel ─▶ journal
//!
//! What one attachment owns is created exclusively, what it shares is asked for by key: the cost
//! does not depend on how many there are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use ropewalk_facts::{Id, IfName, Key, Ns, RouteKey, Snapshot, SysctlPath};
use ropewalk_kernel::failpoint;
use ropewalk_spec::names::{self, Seed};
use ropewalk_spec::{Direct, Endpoint, Network, Publish, SandboxRef};
use ropewalk_store::{
    AttachmentKey, AttachmentRecord, Dhcp, NetworkHead, Origin, State, StoreError, Writer,
};
use ropewalk_topology::{HostFacts, Wiring};

use crate::code::Code;
use crate::fault::Fault;
use crate::meant::attached;
use crate::sandbox::{Sandbox, usual_names};
use crate::view::Attached;
use crate::{Engine, from};

impl Engine {
    /// Attaches `endpoint.sandbox` to `endpoint.network`. Attached so already, nothing changes.
    ///
    /// # Errors
    /// Any code; nothing is changed then.
    pub fn attach(&mut self, endpoint: &Endpoint) -> Result<Attached, Fault> {
        self.attach_from(endpoint, Origin::Command)
    }

    pub(crate) fn attach_from(
        &mut self,
        endpoint: &Endpoint,
        origin: Origin,
    ) -> Result<Attached, Fault> {
        let doing = format!("attach {} to {}", endpoint.sandbox, endpoint.network);
        self.attach_once_more(endpoint, origin).map_err(|fault| fault.doing(doing))
    }

    /// Attaches; when what the network shares turns out to be gone, restores it and tries again.
    fn attach_once_more(&mut self, endpoint: &Endpoint, origin: Origin) -> Result<Attached, Fault> {
        let network = self.active(&endpoint.network)?;
        endpoint.fits(&network.network)?;
        let mut first = self.attach_lent(&network, endpoint, origin.clone());
        // Somebody on the LAN has what the range gave: the next one then.
        for _ in 0..NEXT_ADDRESSES {
            match &first {
                Err(fault) if fault.code == Code::AddrTaken && endpoint.ips.is_empty() => {
                    first = self.attach_lent(&network, endpoint, origin.clone());
                }
                Ok(_) | Err(_) => break,
            }
        }
        match first {
            Err(fault) if from::shared_is_gone(&fault) => {
                self.restore(&endpoint.network)?;
                self.attach_lent(&network, endpoint, origin)
            }
            other => other,
        }
    }

    /// Attaches, where need be with an address that a server lends: nothing is locked while that is
    /// waited for.
    fn attach_lent(
        &mut self,
        network: &NetworkHead,
        endpoint: &Endpoint,
        origin: Origin,
    ) -> Result<Attached, Fault> {
        if !network.network.dhcp {
            return self.try_attach(network, endpoint, origin, None);
        }
        if let Some(done) = self.attached_before(endpoint)? {
            return Ok(done);
        }
        let borrowed = self.borrow_address(network, endpoint)?;
        let Some(borrowed) = borrowed else {
            return self.try_attach(network, endpoint, origin, None);
        };
        let (network, endpoint) = borrowed.lent(network, endpoint);
        let done = self.try_attach(&network, &endpoint, origin, Some(borrowed.dhcp.clone()));
        if let Err(fault) = &done {
            borrowed.give_back(fault.code == Code::AddrTaken);
        }
        done
    }

    /// The attachment, if it is there already. What is left of an earlier one of the sandbox goes
    /// first, as it gives its address back.
    fn attached_before(&mut self, endpoint: &Endpoint) -> Result<Option<Attached>, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&endpoint.sandbox.ns())?;
        let (_, there) = self.open_cleared(&endpoint.sandbox)?;
        let record = attached(endpoint, there)?;
        Ok(record.map(|record| Attached { row: self.row(&record), changed: false }))
    }

    /// Opens the sandbox, and tells what is attached in it; what a crash or a sandbox of the same
    /// name has left is cleared away.
    pub(crate) fn open_cleared(
        &mut self,
        which: &SandboxRef,
    ) -> Result<(Sandbox, Vec<AttachmentRecord>), Fault> {
        let ns = which.ns();
        let there = self.clear(&ns, |record| record.state != State::Ready)?;
        let sandbox = self.open_sandbox(which)?;
        if there.iter().all(|record| record.cookie == sandbox.cookie) {
            return Ok((sandbox, there));
        }
        let there = self.clear(&ns, |record| record.cookie != sandbox.cookie)?;
        Ok((self.open_sandbox(which)?, there))
    }

    fn try_attach(
        &mut self,
        network: &NetworkHead,
        endpoint: &Endpoint,
        origin: Origin,
        dhcp: Option<Dhcp>,
    ) -> Result<Attached, Fault> {
        let _shared = self.store.shared()?;
        let _mine = self.store.sandbox_lock(&endpoint.sandbox.ns())?;
        let (sandbox, there) = self.open_cleared(&endpoint.sandbox)?;
        if let Some(record) = attached(endpoint, there)? {
            return Ok(Attached { row: self.row(&record), changed: false });
        }
        let now = self.share_now(network, endpoint)?;
        let network = now.as_ref().unwrap_or(network);
        let mut world = Snapshot::default();
        self.ports_free(&endpoint.publish)?;
        let lan = self.lan_of(network)?;
        let store = self.store.clone();
        let mut tx = store.write()?;
        let mut record = self.draft_attachment(&mut tx, network, endpoint, &sandbox, &mut world)?;
        record.origin = origin;
        record.dhcp = dhcp;
        failpoint::hit("journal attachment");
        tx.put(&record)?;
        tx.commit()?;
        if let Err(stop) = self.wire(&record, lan.as_ref()) {
            if stop.clean {
                self.forget(&record)?;
            }
            return Err(stop.fault);
        }
        if record.made_netns {
            record.cookie = self.kernel.cookie(&record.ns)?;
        }
        self.forget_udp(&record.publish)?;
        record.state = State::Ready;
        failpoint::hit("journal attachment ready");
        self.store.put_attachment(&record)?;
        Ok(Attached { row: self.row(&record), changed: true })
    }

    /// A network of several hosts as it is now that no block can go any more.
    fn share_now(
        &self,
        network: &NetworkHead,
        endpoint: &Endpoint,
    ) -> Result<Option<NetworkHead>, Fault> {
        let shared = network.network.share.is_some();
        let name = shared.then_some(&network.network.name);
        let now = name.map(|name| self.store.network_head(name)).transpose()?.flatten();
        if let Some(now) = &now {
            endpoint.fits(&now.network)?;
        }
        Ok(now)
    }

    /// Clears away those records of a sandbox that are `over`: left by a crash, or by a sandbox of
    /// the same name that is no more. Returns the others.
    pub(crate) fn clear(
        &mut self,
        ns: &Ns,
        over: impl Fn(&AttachmentRecord) -> bool,
    ) -> Result<Vec<AttachmentRecord>, Fault> {
        loop {
            // What one leaves to another stands in the store, not in a list.
            let all = self.store.attachments_of(ns)?;
            match all.iter().find(|record| over(record)) {
                Some(record) => self.leave(&record.key())?,
                None => return Ok(all),
            }
        }
    }

    /// Decides everything about an attachment: name, addresses, ports, plan and changes.
    pub(crate) fn draft_attachment(
        &mut self,
        tx: &mut Writer<'_>,
        network: &NetworkHead,
        endpoint: &Endpoint,
        sandbox: &Sandbox,
        world: &mut Snapshot,
    ) -> Result<AttachmentRecord, Fault> {
        let ifname = self.choose_name(endpoint, sandbox, tx, world)?;
        let key = AttachmentKey { ns: sandbox.ns.clone(), ifname: ifname.clone() };
        let addresses = lease(tx, &network.network, &key, &endpoint.ips)?;
        let leg = names::leg(sandbox.ns.as_str(), &ifname);
        let seed = match addresses.first() {
            Some(net) => Seed::Ip(net.addr()),
            None => Seed::Text(leg.as_str()),
        };
        let mac = endpoint.mac.unwrap_or_else(|| names::mac(&network.network.name, seed));
        let mac = (!network.network.mode.direct().is_some_and(Direct::parents_mac)).then_some(mac);
        self.parent_carries(network, endpoint, tx, world)?;
        let wiring = Wiring {
            network: &network.network,
            ns: sandbox.ns.clone(),
            make_ns: sandbox.make.clone(),
            parent: network.parent.clone(),
            altname: names::leg_altname(sandbox.ns.as_str(), &ifname),
            alias: names::leg_alias(sandbox.ns.as_str(), &ifname),
            leg: leg.clone(),
            mac,
            mtu: endpoint.mtu.unwrap_or(network.mtu),
            addresses: addresses.clone(),
            default_metric: Self::default_metric(tx, network, endpoint, sandbox, world)?,
            allow_spoofing: endpoint.allow_spoofing,
            publish: &endpoint.publish,
            rate_in: endpoint.rate_in,
            rate_out: endpoint.rate_out,
            allow_in: &endpoint.allow_in,
            allow_out: &endpoint.allow_out,
            ifname: ifname.clone(),
        };
        let plan = ropewalk_topology::attach(&wiring, &self.host_facts(endpoint, world)?)?;
        let changes = self.draft(&plan, world)?;
        Ok(AttachmentRecord {
            sandbox: endpoint.sandbox.there(),
            ns: sandbox.ns.clone(),
            cookie: sandbox.cookie,
            ifname,
            network: network.network.name.clone(),
            leg,
            addresses,
            mac,
            mtu: wiring.mtu,
            publish: endpoint.publish.clone(),
            rate_in: endpoint.rate_in,
            rate_out: endpoint.rate_out,
            allow_in: endpoint.allow_in.clone(),
            allow_out: endpoint.allow_out.clone(),
            default_metric: wiring.default_metric,
            plan,
            changes,
            dhcp: None,
            doubtful: Vec::new(),
            doubtful_publish: Vec::new(),
            fenced: Vec::new(),
            lodged: Vec::new(),
            parts: Vec::new(),
            answer: None,
            state: State::Pending,
            made_netns: sandbox.make.is_some(),
            origin: Origin::Command,
            created_ms: crate::now(),
        })
    }

    /// The name that was asked for, else the first of `eth0`, `eth1` … that is free. `lo` and the
    /// default routes, which are needed next, are asked for on the same occasion.
    fn choose_name(
        &mut self,
        endpoint: &Endpoint,
        sandbox: &Sandbox,
        tx: &Writer<'_>,
        world: &mut Snapshot,
    ) -> Result<IfName, Fault> {
        let link = |name: IfName| Id::Link(name).at(sandbox.ns.clone());
        let mut keys: Vec<Key> = [RouteKey::default_v4(), RouteKey::default_v6()]
            .map(|key| Id::Route(key).at(sandbox.ns.clone()))
            .into();
        keys.extend(IfName::new("lo").ok().map(link));
        if let Some(name) = &endpoint.ifname {
            self.learn(&keys, world)?;
            return Ok(name.clone());
        }
        for name in usual_names() {
            let key = AttachmentKey { ns: sandbox.ns.clone(), ifname: name.clone() };
            if tx.attachment(&key)?.is_some() {
                continue;
            }
            keys.push(link(name.clone()));
            self.learn(&keys, world)?;
            if !world.contains(&link(name.clone())) {
                return Ok(name);
            }
        }
        Err(Fault::new(Code::IfnameTaken, format!("no name is free in {}", sandbox.ns)))
    }

    /// The metric of the default routes, none for no default route: the kernel's own for the first
    /// that the sandbox gets, a worse one for those after it.
    fn default_metric(
        tx: &Writer<'_>,
        network: &NetworkHead,
        endpoint: &Endpoint,
        sandbox: &Sandbox,
        world: &Snapshot,
    ) -> Result<Option<u32>, Fault> {
        if !endpoint.default_route.unwrap_or(network.network.default_route) {
            return Ok(None);
        }
        let has = |key: RouteKey| world.contains(&Id::Route(key).at(sandbox.ns.clone()));
        if !has(RouteKey::default_v4()) && !has(RouteKey::default_v6()) {
            return Ok(Some(0));
        }
        let mut metric = SECOND_METRIC;
        for record in tx.attachments_of(&sandbox.ns)? {
            metric = metric.max(record.default_metric.unwrap_or(0).saturating_add(1));
        }
        Ok(Some(metric))
    }

    /// What an attachment's plan must know of the host.
    pub(crate) fn host_facts(
        &mut self,
        endpoint: &Endpoint,
        world: &mut Snapshot,
    ) -> Result<HostFacts, Fault> {
        self.publish_facts(!endpoint.publish.is_empty(), world)
    }

    /// Whether bridged packets pass the IP hooks; asked only where a port is published.
    pub(crate) fn publish_facts(
        &mut self,
        publishes: bool,
        world: &mut Snapshot,
    ) -> Result<HostFacts, Fault> {
        let Ok(path) = SysctlPath::new("net/bridge/bridge-nf-call-iptables") else {
            return Ok(HostFacts::default());
        };
        let key = Id::Sysctl(path).at(Ns::HOST);
        if publishes {
            self.learn(std::slice::from_ref(&key), world)?;
        }
        Ok(HostFacts { bridge_netfilter: from::is_set(world, &key), ..HostFacts::default() })
    }

    /// Refuses a port that a process of the host listens on, or that leads to another host's sandbox.
    pub(crate) fn ports_free(&self, publish: &[Publish]) -> Result<(), Fault> {
        if !publish.is_empty() {
            self.not_far(publish)?;
        }
        self.unheard(publish)
    }

    /// Refuses a port that a process of the host listens on.
    pub(crate) fn unheard(&self, publish: &[Publish]) -> Result<(), Fault> {
        for wish in publish {
            let hosts = match wish.host {
                Some(ip) => vec![ip],
                None => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            };
            for (port, _) in wish.pairs() {
                hosts.iter().try_for_each(|ip| self.port_free(*ip, wish, port))?;
            }
        }
        Ok(())
    }

    fn port_free(&self, ip: IpAddr, wish: &Publish, port: u16) -> Result<(), Fault> {
        let proto = wish.proto.number();
        if ropewalk_kernel::port_free(ip, proto, port)? {
            return Ok(());
        }
        let mut all = ropewalk_kernel::listeners(proto, port).unwrap_or_default();
        all.retain(|listener| listener.takes(ip));
        Err(from::listening(wish, port, &all))
    }

    /// Removes the record of an attachment that did not come about.
    pub(crate) fn forget(&mut self, record: &AttachmentRecord) -> Result<(), Fault> {
        failpoint::hit("journal attachment gone");
        Ok(self.store.replace_attachment(&record.key(), &[])?)
    }

    /// UDP has no end of a connection: what conntrack remembers of the ports would lead new
    /// packets to where they led before.
    pub(crate) fn forget_udp(&mut self, publish: &[Publish]) -> Result<(), Fault> {
        for wish in publish.iter().filter(|wish| wish.proto == ropewalk_spec::Proto::Udp) {
            for (port, _) in wish.pairs() {
                self.kernel.forget_udp(&Ns::HOST, port, wish.host)?;
            }
        }
        Ok(())
    }
}

/// How many more addresses of a range are tried when a host of the LAN has one.
const NEXT_ADDRESSES: u32 = 3;

/// Metric of the default routes of a sandbox's second network.
pub(crate) const SECOND_METRIC: u32 = 2048;

/// An address in each subnet, or of each family in the host's share: the one that was asked for, else
/// the next that is free.
fn lease(
    tx: &mut Writer<'_>,
    network: &Network,
    key: &AttachmentKey,
    ips: &[IpAddr],
) -> Result<Vec<IpNet>, Fault> {
    let mut addresses: Vec<IpNet> = Vec::new();
    for subnet in &network.subnets {
        let wish = ips.iter().find(|ip| subnet.net.contains(*ip)).copied();
        if wish.is_some() || network.share.is_none() {
            let ip = tx.lease(&network.name, subnet, wish, key)?;
            addresses.extend(subnet.on_link(ip));
        }
    }
    for v4 in [true, false].into_iter().filter(|_| network.share.is_some()) {
        let family = |ip: IpAddr| ip.is_ipv4() == v4;
        let has = network.subnets.iter().any(|subnet| family(subnet.net.addr()));
        if has && !addresses.iter().any(|net| family(net.addr())) {
            addresses.push(lease_share(tx, network, key, v4)?);
        }
    }
    Ok(addresses)
}

/// The next free address of the host's share, from the first of its blocks that has one.
fn lease_share(
    tx: &mut Writer<'_>,
    network: &Network,
    key: &AttachmentKey,
    v4: bool,
) -> Result<IpNet, Fault> {
    for range in network.share.iter().flat_map(|share| share.ranges(v4)) {
        let Some(subnet) = network.subnet_of(range.0) else { continue };
        let mut part = subnet.clone();
        part.range = Some(range);
        match tx.lease(&network.name, &part, None, key) {
            Err(StoreError::Exhausted { .. }) => {}
            leased => return subnet.on_link(leased?).ok_or_else(|| full(network, v4)),
        }
    }
    Err(full(network, v4))
}

/// The fault that every block of this host is full.
fn full(network: &Network, v4: bool) -> Fault {
    let blocks = network.share.iter().flat_map(|share| &share.own);
    let blocks = blocks.filter(|net| net.addr().is_ipv4() == v4);
    let blocks: Vec<String> = blocks.map(ToString::to_string).collect();
    let name = &network.name;
    let what = format!("every address of this host's blocks of network {name} is leased");
    Fault::new(Code::PoolExhausted, what)
        .cause(format!("it has {}; the agent asks the cluster for another", blocks.join(", ")))
        .or_try("again in a few seconds")
        .or_try("ropewalk cluster status    says when none is free")
}
