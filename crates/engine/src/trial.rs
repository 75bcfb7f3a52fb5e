//! The trial of a tunnel: are checksums filled in that it leaves to the hardware below it?
//!
//!     to each peer's gateway, a datagram of either kind ──▶ "nobody listens here"
//!     left refused                  all is well
//!     filled refused, left never    ethtool -K rwv-over tx off
//!     neither                       who knows: a peer that is not there yet, or says nothing
//!
//! Hardware that takes checksums on itself, and sees a tunnel's packet from outside only, sends the
//! inner one unfinished: pings pass, TCP and UDP do not.  Never here: state; it is asked again.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;
use ropewalk_facts::Ns;
use ropewalk_kernel::Refused;
use ropewalk_spec::{Mode, Network, Vxlan, names};
use ropewalk_store::State;
use ropewalk_topology::firewall;

use crate::fault::Fault;
use crate::view::Finding;
use crate::{Engine, tunnel};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_millis(200);
/// The same while somebody waits for a new network, whose peers are often not there yet.
pub(crate) const SOON: Duration = Duration::from_millis(100);
/// A datagram may be lost, but hardly twice. (Linux says six times at once that nobody listens, then
/// once a second.)
const ROUNDS: usize = 2;
/// The hardware is this host's own, so that a few peers tell.
const PEERS: usize = 8;

impl Engine {
    /// Tries all tunnels. One whose checksums are left to what does not fill them in has them
    /// filled in from now on, if `repair`.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`]
    pub fn try_tunnels(&mut self, repair: bool) -> Result<Vec<Finding>, Fault> {
        let networks = self.store.networks()?;
        let ready = networks.iter().filter(|record| record.state == State::Ready);
        let mut all = Vec::new();
        for record in ready {
            let network = self.whole(&record.network)?;
            all.extend(self.try_tunnel(&network, WAIT, repair));
        }
        Ok(all)
    }

    /// The same for the tunnel of `network`, if it has one. What the kernel refuses here, as for a
    /// link that is gone, others find.
    pub(crate) fn try_tunnel(
        &mut self,
        network: &Network,
        wait: Duration,
        repair: bool,
    ) -> Option<Finding> {
        let tunnel = tunnel::of(network)?;
        let dev = names::tunnel(&network.name);
        let left = self.kernel.leaves_checksums(&Ns::HOST, &dev).ok()?;
        let blocks = matches!(network.mode, Mode::Routed(_));
        if !left || !families(tunnel, blocks).iter().any(|hosts| self.spoils(hosts, wait)) {
            return None;
        }
        let repaired = repair && self.kernel.fill_checksums(&Ns::HOST, &dev).is_ok();
        Some(Finding {
            owner: format!("network {}", network.name),
            object: format!("link {dev}"),
            wanted: "checksums are filled in before the tunnel".into(),
            found: "checksums are left to an interface that does not fill them in".into(),
            repaired,
            change: None,
        })
    }

    /// True when what reaches one of `hosts` with its checksum filled in does not reach it without.
    fn spoils(&self, hosts: &[SocketAddr], wait: Duration) -> bool {
        (0..ROUNDS).all(|_| {
            let heard = self.kernel.ask_hosts(&Ns::HOST, hosts, wait);
            matches!(heard, Ok(Refused { left: false, filled: true }))
        })
    }
}

/// Those to be asked, by family: the first address of a block is its host's, unless somebody chose
/// otherwise; then there is no answer. Of a routed network it is the block's own (`of_block`).
fn families(tunnel: &Vxlan, of_block: bool) -> [Vec<SocketAddr>; 2] {
    let blocks: BTreeSet<_> = tunnel.blocks().collect();
    let first = |v4: bool| {
        let blocks = blocks.iter().filter(move |block| block.addr().is_ipv4() == v4);
        let first = |block: &IpNet| match of_block {
            true => Some(block.network()),
            false => block.hosts().find(|ip| *ip != block.network()),
        };
        let hosts = blocks.filter_map(first).take(PEERS);
        hosts.map(|ip| SocketAddr::new(ip, firewall::TRIAL)).collect()
    };
    [first(true), first(false)]
}
