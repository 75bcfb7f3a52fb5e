//! The ways to other hosts, as the host's own links change under them.
//!
//!     reached   192.168.1.11 is on eth0, which has fd00:1::11, too, and takes 1500 bytes
//!     review    a peer that is on a link now, or is not any more: by that link, or by a tunnel
//!
//! Peers are what somebody says (`peers`); whether one is on a link, the host's routes say.
//! Never here: who the peers are.

use std::net::IpAddr;

use ropewalk_facts::{LinkKind, Ns};
use ropewalk_plan::{Plan, Step};
use ropewalk_spec::{Mode, NetworkName};
use ropewalk_store::{NetworkRecord, State};
use ropewalk_topology::beside;

use crate::fault::Fault;
use crate::tend::Tended;
use crate::view::Finding;
use crate::{Engine, host, parent, tunnel};

/// How other hosts reach this one by one of its links.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// The address of the link in the other family, if it has one.
    pub also: Option<IpAddr>,
    /// What fits through the link.
    pub mtu: Option<u32>,
}

impl Engine {
    /// How other hosts reach this one at `ip`; none when it has no such address.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`].
    pub fn reached_at(&mut self, ip: IpAddr) -> Result<Option<Reached>, Fault> {
        let found = self.kernel.read_links(&Ns::HOST)?;
        let links = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
        let mut links = links.filter(|link| link.kind != LinkKind::Loopback);
        let has = |net: &ipnet::IpNet| net.addr() == ip;
        let link = links.find(|link| host::addresses(&found, &link.name).iter().any(has));
        Ok(link.map(|link| {
            let all = host::addresses(&found, &link.name);
            let other = |ip2: &IpAddr| ip2.is_ipv4() != ip.is_ipv4();
            Reached { also: all.iter().map(|net| net.addr()).find(other), mtu: link.mtu }
        }))
    }

    /// Whether this host may lease an address of a network, as far as other hosts are concerned.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`], [`crate::Code::NetworkUnknown`].
    pub fn shares(&self, network: &NetworkName, ip: IpAddr) -> Result<bool, Fault> {
        let head = self.store.network_head(network)?.ok_or_else(|| self.unknown(network))?;
        let inside = head.network.subnet_of(ip).is_some();
        Ok(inside && head.network.shares(ip))
    }

    /// How many sandboxes are on a network.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`].
    pub fn count_on(&self, network: &NetworkName) -> Result<usize, Fault> {
        Ok(self.store.count_on(network)?)
    }

    /// Gives routed networks the ways that lead to their peers as the host is now. None when another
    /// verb is at work: come again.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`]; what goes wrong with one network is among the faults.
    pub fn review_ways(&mut self) -> Result<Option<Tended>, Fault> {
        let mut tended = Tended::default();
        if !self.store.networks()?.iter().any(concerned) {
            return Ok(Some(tended));
        }
        let Some(_lock) = self.store.try_exclusive()? else { return Ok(None) };
        for record in self.store.networks()?.iter().filter(|record| concerned(record)) {
            match self.review(record) {
                Ok(finding) => tended.findings.extend(finding),
                Err(fault) => {
                    tended
                        .faults
                        .push(fault.doing(format!("repair network {}", record.network.name)));
                }
            }
        }
        Ok(Some(tended))
    }

    fn review(&mut self, record: &NetworkRecord) -> Result<Option<Finding>, Fault> {
        let network = &self.whole(&record.network)?;
        let found = self.read_host()?;
        // While the uplink is away, all stays as it was.
        if tunnel::objection(network, &found).is_some() {
            return Ok(None);
        }
        let facts = host::facts_by(network, &found, parent::of(network, &found));
        let now = ropewalk_topology::network(network, &facts)?;
        if own(&now) == own(&record.plan) {
            return Ok(None);
        }
        self.change_peers(record, network)?;
        Ok(Some(Finding {
            owner: format!("network {}", network.name),
            object: "the ways to other hosts".into(),
            wanted: "those of the host's links as they are now".into(),
            found: "those of its links as they were".into(),
            repaired: true,
            change: None,
        }))
    }
}

/// True for a network whose ways depend on what is on a link.
fn concerned(record: &NetworkRecord) -> bool {
    let routed = matches!(record.network.mode, Mode::Routed(_));
    let ways = tunnel::of(&record.network).is_some() || record.network.led();
    routed && record.state == State::Ready && ways
}

/// What a plan says, but for the answers to others' rules.
pub(crate) fn own(plan: &Plan) -> Vec<&Step> {
    plan.steps().iter().filter(|step| !beside::is_answer(&step.key())).collect()
}
