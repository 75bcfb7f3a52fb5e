//! Ways to other hosts beside the record: of a network whose other hosts are thousands.
//!
//!     NETWORK.peers ─▶ what leads to each block ─┐
//!     kernel: routes proto 114 by a gateway,     ├─▶ what differs, a thousand at a time ─▶ kernel
//!     all that is known on the network's tunnel ─┘
//!
//! What there shall be follows from the file, what is ours from the marks; so nothing of it is planned,
//! journalled or undone by itself.  A run that was cut short is taken up by the next: agent, repair,
//! or removal.  Never here: who the other hosts are, the tunnel itself.

mod gap;

use ropewalk_facts::{Body, IfName, Ns, Snapshot, proto, table};
use ropewalk_kernel::failpoint;
use ropewalk_plan::{Change, Plan};
use ropewalk_spec::{Mode, Network, NetworkName, names};
use ropewalk_store::{NetworkRecord, State};
use ropewalk_topology::HostFacts;

use crate::fault::Fault;
use crate::view::Finding;
use crate::{Engine, Written, check, host, parent, tunnel, ways};
use gap::Gap;

/// So many findings are told one by one.
const FEW: usize = 16;
/// So many changes are sent, and held in memory, at a time.
const BATCH: usize = 1000;

impl Engine {
    /// A network with its other hosts, wherever they are written down; none when it is not made.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`].
    pub fn made_network(&self, name: &NetworkName) -> Result<Option<Network>, Fault> {
        let head = self.store.network_head(name)?;
        head.map(|head| self.whole(&head.network)).transpose()
    }

    /// `network` with its other hosts.
    pub(crate) fn whole(&self, network: &Network) -> Result<Network, Fault> {
        self.definitions.whole(network)
    }

    /// All of the host but what leads to other hosts beside the records.
    pub(crate) fn read_host(&mut self) -> Result<Snapshot, Fault> {
        let heads = self.store.network_heads()?;
        let led: Vec<Marks> =
            heads.iter().filter(|h| h.network.led()).map(|h| Marks::of(&h.network)).collect();
        let out = |body: &Body| led.iter().any(|marks| marks.are_on(body));
        Ok(self.kernel.read_all_but(&Ns::HOST, &out)?)
    }

    /// Gives the made network of `old` the other hosts of `network`. The caller holds the lock.
    pub(crate) fn follow(
        &mut self,
        old: &NetworkRecord,
        network: &Network,
    ) -> Result<NetworkRecord, Fault> {
        let found = self.read_host()?;
        if let Some(fault) = tunnel::objection(network, &found) {
            return Err(fault);
        }
        let facts = host::facts_by(network, &found, parent::of(network, &found));
        if as_planned(old, network, &facts)? {
            self.lead_all(network, &facts)?;
            return Ok(old.clone());
        }
        self.change_peers(old, network)
    }

    /// Has the kernel lead to the other hosts of `network`, and to nobody else, and writes down who
    /// they are. The caller holds the lock.
    pub(crate) fn lead_all(&mut self, network: &Network, facts: &HostFacts) -> Result<(), Fault> {
        if !network.led() {
            return Ok(());
        }
        self.definitions.write_peers(network)?;
        self.mend_ways(network, facts, true, |_| {})
    }

    /// The same for a network that was read, as the host is now.
    pub(crate) fn lead_anew(&mut self, network: &Network) -> Result<(), Fault> {
        if !network.led() {
            return Ok(());
        }
        let (whole, found) = (self.whole(network)?, self.read_host()?);
        let facts = host::facts_by(&whole, &found, parent::of(&whole, &found));
        self.mend_ways(&whole, &facts, true, |_| {})
    }

    /// What of the ways is not as it shall be; put right if `repair`.
    pub(crate) fn look_at_ways(
        &mut self,
        record: &NetworkRecord,
        found: &Snapshot,
        repair: bool,
    ) -> Result<Vec<Finding>, Fault> {
        if record.state != State::Ready || !record.network.led() || self.written == Written::Soon {
            return Ok(Vec::new());
        }
        let whole = self.whole(&record.network)?;
        // While the uplink is away, all stays as it was; a tunnel that is to be made is for `review`.
        if tunnel::objection(&whole, found).is_some() {
            return Ok(Vec::new());
        }
        let facts = host::facts_by(&whole, found, parent::of(&whole, found));
        // Over which link a routed network's ways go, is for `review`; a tunnel leads as it did when it was made.
        let routed = matches!(whole.mode, Mode::Routed(_));
        if routed && !as_planned(record, &whole, &facts)? {
            return Ok(Vec::new());
        }
        let owner = format!("network {}", record.network.name);
        let (mut count, mut all) = (0, Vec::new());
        self.mend_ways(&whole, &facts, repair, |changes| {
            count += changes.len();
            if all.len() <= FEW {
                let before = changes.iter().filter_map(|change| change.old.clone()).collect();
                let told = changes.iter().take(FEW + 1);
                all.extend(told.map(|one| check::finding(&owner, one, &before, &before, repair)));
            }
        })?;
        if count > FEW {
            all = vec![Finding {
                owner,
                object: "ways to other hosts".into(),
                wanted: "as the other hosts' blocks are".into(),
                found: format!("{count} missing or not as they shall be"),
                repaired: repair,
                change: None,
            }];
        }
        Ok(all)
    }

    /// What would put the ways right.
    pub(crate) fn gap_of_ways(&mut self, record: &NetworkRecord) -> Result<Vec<Change>, Fault> {
        let mut all = Vec::new();
        if record.network.led() {
            let (whole, found) = (self.whole(&record.network)?, self.read_host()?);
            let facts = host::facts_by(&whole, &found, parent::of(&whole, &found));
            self.mend_ways(&whole, &facts, false, |changes| all.extend(changes.iter().cloned()))?;
        }
        Ok(all)
    }

    /// Tells `tell` what differs, a batch at a time, and puts it right if `repair`.
    fn mend_ways(
        &mut self,
        network: &Network,
        facts: &HostFacts,
        repair: bool,
        mut tell: impl FnMut(&[Change]),
    ) -> Result<(), Fault> {
        let marks = Marks::of(network);
        let mut gap = Gap::new(network, facts);
        if self.written == Written::Older {
            gap.only_missing();
        }
        let devs = std::slice::from_ref(&marks.tunnel);
        self.kernel.each_way(&Ns::HOST, proto::ROPEWALK, devs, |body| {
            if marks.are_on(&body) {
                gap.see(body);
            }
        })?;
        while let Some(changes) = gap.next(BATCH)? {
            if repair && !changes.is_empty() {
                failpoint::hit("ways to other hosts");
                self.kernel.apply(&changes)?;
            }
            tell(&changes);
        }
        Ok(())
    }

    /// Takes away what leads to other hosts of `network`, but for what goes with its tunnel.
    pub(crate) fn unlead(&mut self, network: &Network) -> Result<(), Fault> {
        if !network.led() {
            return Ok(());
        }
        let marks = Marks::of(network);
        let mut gone = Vec::new();
        self.kernel.each_way(&Ns::HOST, proto::ROPEWALK, &[], |body| {
            if marks.are_on(&body) && !marks.by_tunnel(&body) {
                gone.push(Change::gone(body.at(Ns::HOST)));
            }
        })?;
        for some in gone.chunks(BATCH) {
            failpoint::hit("ways to other hosts");
            self.kernel.apply(some)?;
        }
        Ok(())
    }
}

/// True when what is planned for a network beside its ways stays as it is with these other hosts: the
/// tunnel is there if one is needed, and ports that lead to other hosts are spoken for.
fn as_planned(record: &NetworkRecord, network: &Network, facts: &HostFacts) -> Result<bool, Fault> {
    let routed = matches!(network.mode, Mode::Routed(_));
    let now: Plan = ropewalk_topology::network(network, facts)?;
    let parent = !routed || record.parent == facts.parent;
    Ok(parent && record.network == network.bare() && ways::own(&now) == ways::own(&record.plan))
}

/// By what the ways of a network are known.
pub(crate) struct Marks {
    network: Network,
    tunnel: IfName,
}

impl Marks {
    fn of(network: &Network) -> Self {
        Self { network: network.bare(), tunnel: names::tunnel(&network.name) }
    }

    /// True for what leads to other hosts: a route of ours by a gateway into the network, or what is
    /// known on its tunnel.
    fn are_on(&self, body: &Body) -> bool {
        if let Some(route) = body.as_route() {
            let pools = self.network.pools();
            return route.proto == proto::ROPEWALK
                && route.key.table == table::MAIN
                && route.hops.first().is_some_and(|hop| hop.via.is_some())
                && pools.iter().any(|pool| pool.contains(&route.key.dst));
        }
        let neigh = matches!(body, Body::Neigh(neigh)
            if neigh.key.dev == self.tunnel && !neigh.key.proxy && !neigh.derived);
        let end = matches!(body, Body::Fdb(fdb)
            if fdb.key.dev == self.tunnel && fdb.key.own && fdb.key.dst.is_some() && !fdb.derived);
        neigh || end
    }

    fn by_tunnel(&self, body: &Body) -> bool {
        let by = |route: &ropewalk_facts::Route| {
            route.hops.iter().all(|hop| hop.dev.as_ref() == Some(&self.tunnel))
        };
        body.as_route().is_none_or(by)
    }
}
