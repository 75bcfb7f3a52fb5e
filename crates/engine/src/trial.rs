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
use ropewalk_kernel::{Refused, ask_hosts};
use ropewalk_spec::{Mode, Network, NetworkName, Vxlan, names};
use ropewalk_store::State;
use ropewalk_topology::firewall;

use crate::fault::Fault;
use crate::view::Finding;
use crate::{Engine, tunnel};

/// How long an answer is waited for.
const WAIT: Duration = Duration::from_millis(200);
/// The same while somebody waits for a new network, whose peers are often not there yet.
const SOON: Duration = Duration::from_millis(100);
/// A datagram may be lost, but hardly twice. (Linux says six times at once that nobody listens, then
/// once a second.)
const ROUNDS: usize = 2;
/// The hardware is this host's own, so that a few peers tell.
const PEERS: usize = 8;

/// The trial of one tunnel that leaves checksums to what is below it: whom to ask.
#[derive(Clone, Debug)]
pub struct Trial {
    network: NetworkName,
    families: [Vec<SocketAddr>; 2],
}

impl Trial {
    /// Asks them, from the namespace of the calling thread, and waits for their answers: 0.2 s where
    /// nobody answers, 0.8 s at most. True when what reaches one of them with its checksum filled in does
    /// not reach it without.
    #[must_use]
    pub fn spoils(&self) -> bool {
        self.spoils_within(WAIT)
    }

    fn spoils_within(&self, wait: Duration) -> bool {
        let spoilt = Refused { left: false, filled: true };
        self.families.iter().any(|hosts| (0..ROUNDS).all(|_| ask_hosts(hosts, wait) == spoilt))
    }
}

impl Engine {
    /// Tries all tunnels. One whose checksums are left to what does not fill them in has them
    /// filled in from now on, if `repair`.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`]
    pub(crate) fn try_tunnels(&mut self, repair: bool) -> Result<Vec<Finding>, Fault> {
        let spoil = self.trials()?.into_iter().filter(Trial::spoils);
        Ok(spoil.map(|trial| self.spoilt(&trial, repair)).collect())
    }

    /// The trials of all tunnels that leave checksums to what is below them.
    ///
    /// # Errors
    /// [`crate::Code::StateUnusable`]
    pub fn trials(&mut self) -> Result<Vec<Trial>, Fault> {
        let networks = self.store.networks()?;
        let ready = networks.iter().filter(|record| record.state == State::Ready);
        let mut all = Vec::new();
        for record in ready {
            all.extend(self.trial(&self.whole(&record.network)?));
        }
        Ok(all)
    }

    /// What was found by a trial that [`Trial::spoils`] answered with yes, put right if `repair`.
    pub fn spoilt(&mut self, Trial { network, .. }: &Trial, repair: bool) -> Finding {
        let dev = names::tunnel(network);
        let repaired = repair && self.kernel.fill_checksums(&Ns::HOST, &dev).is_ok();
        Finding {
            owner: format!("network {network}"),
            object: format!("link {dev}"),
            wanted: "checksums are filled in before the tunnel".into(),
            found: "checksums are left to an interface that does not fill them in".into(),
            repaired,
            change: None,
        }
    }

    /// Tries the tunnel of a network that somebody waits for, and puts right what is found.
    pub(crate) fn try_soon(&mut self, network: &Network) {
        let trial = self.trial(network);
        if let Some(trial) = trial.filter(|trial| trial.spoils_within(SOON)) {
            let _put_right = self.spoilt(&trial, true);
        }
    }

    /// The trial of the tunnel of `network`, if it has one. What the kernel refuses here, as for a link
    /// that is gone, others find.
    fn trial(&self, network: &Network) -> Option<Trial> {
        let tunnel = tunnel::of(network)?;
        let left = self.kernel.leaves_checksums(&Ns::HOST, &names::tunnel(&network.name)).ok()?;
        let blocks = matches!(network.mode, Mode::Routed(_));
        let trial = || Trial { network: network.name.clone(), families: families(tunnel, blocks) };
        left.then(trial)
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
