//! What leads to other hosts' blocks, at once: one batch, before a round that writes it down.
//!
//!     block, host ─▶ element, route, neighbour, forwarding entry ─▶ kernel      nothing is read or written
//!
//! What is made so bears the mark, or is on the network's own tunnel: the round that follows finds it
//! there and takes it into the record, and does all that did not work out here.  Never here: which hosts
//! there are, links.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::{Body, Fact, IfName, Ns, Snapshot, proto};
use ropewalk_kernel::Kernel;
use ropewalk_plan::{Plan, Step, predict};
use ropewalk_spec::{Network, NetworkName, Peer, names};
use ropewalk_store::State;
use ropewalk_topology::{HostFacts, Near};

use crate::fault::Fault;
use crate::{Engine, host};

/// A network of which the ways can be changed at once, as the host was when this was made.
pub struct Lead {
    kernel: Kernel,
    network: Network,
    facts: HostFacts,
    /// The host's own addresses with their prefixes.
    own: Vec<(IpNet, IfName)>,
}

/// Other hosts by their addresses, and their blocks.
pub type Peers = BTreeMap<IpAddr, Peer>;

impl Engine {
    /// For the ways of a network that is made, if it has any to other hosts; `like` is one of them.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`], [`crate::Code::StateUnusable`].
    pub fn lead(
        &mut self,
        name: &NetworkName,
        like: Option<IpAddr>,
    ) -> Result<Option<Lead>, Fault> {
        let head = self.store.network_head(name)?.filter(|head| head.state == State::Ready);
        let Some(head) = head.filter(|head| head.network.mode.ways().is_some()) else {
            return Ok(None);
        };
        let links = self.kernel.read_links(&Ns::HOST)?;
        let mut network = head.network;
        if let Some(ways) = network.mode.ways_mut().filter(|ways| ways.peers.is_empty()) {
            ways.peers.extend(like.map(|ip| (ip, Peer::default())));
        }
        let facts = host::facts_by(&network, &links, head.parent);
        if let Some(ways) = network.mode.ways_mut() {
            ways.peers.clear();
        }
        let own = links.of(&Ns::HOST).filter_map(|fact| fact.body.as_addr());
        let own = own.map(|own| (own.key.net, own.key.dev.clone())).collect();
        Ok(Some(Lead { kernel: Kernel::new()?, network, facts, own }))
    }
}

impl Lead {
    /// Has the ways to `before` be those to `after`.
    ///
    /// # Errors
    /// [`crate::Code::Kernel`]; nothing is changed then.
    pub fn change(&mut self, before: Peers, after: Peers) -> Result<(), Fault> {
        let mut found: Snapshot = self.plan(before)?.steps().iter().filter_map(stated).collect();
        let changes = predict(&self.plan(after)?, &mut found)?;
        Ok(self.kernel.apply(&changes)?)
    }

    fn plan(&mut self, peers: Peers) -> Result<Plan, Fault> {
        self.facts.near.clear();
        for ip in peers.iter().flat_map(|(ip, peer)| [Some(*ip), peer.also]).flatten() {
            let near = self.near(ip);
            self.facts.near.extend(near.map(|near| (ip, near)));
        }
        if let Some(ways) = self.network.mode.ways_mut() {
            ways.peers = peers;
        }
        Ok(ropewalk_topology::lead(&self.network, &self.facts)?)
    }

    /// The link that has the address of a host in one of its own prefixes.
    fn near(&self, ip: IpAddr) -> Option<Near> {
        let around = self.own.iter().filter(|(net, _)| net.contains(&ip) && net.addr() != ip);
        let (net, dev) = around.max_by_key(|(net, _)| net.prefix_len())?;
        Some(Near { dev: dev.clone(), own: Some(net.addr()) })
    }
}

fn stated(step: &Step) -> Option<Fact> {
    match step {
        Step::Create(fact) | Step::Ensure(fact) => Some(fact.clone()),
        Step::Absent(_) => None,
    }
}

/// True for what leads to other hosts of `network` and can be nobody else's: it was made by [`Lead`].
pub(crate) fn made(network: &Network, body: &Body) -> bool {
    let own = names::tunnel(&network.name);
    body.as_route().is_some_and(|route| route.proto == proto::ROPEWALK)
        || matches!(body, Body::Neigh(neigh) if neigh.key.dev == own)
        || matches!(body, Body::Fdb(fdb) if fdb.key.dev == own)
        || matches!(body, Body::Element(element) if host::is_ours(&element.key.set.table))
}
