//! What a host remembers of its place in the cluster, with the store away.
//!
//! It is written down before anything is sent that relies on it.  Never here: leases.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ropewalk_spec::NetworkName;
use serde::{Deserialize, Serialize};

use crate::block::Place;
use crate::id::HostId;
use crate::record::Host;

/// Where the host stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    /// It asks to be a member.
    Joining,
    /// It is one.
    Member,
    /// It was removed: nothing of the cluster's is its own any more.
    Removed,
}

/// How a block is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeldState {
    /// Leased from.
    Own,
    /// In use, and another's as well: not leased from.
    Disputed,
    /// Not in use, and being given up.
    Leaving,
}

/// A block, or an address outside of blocks, that is the host's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// In which generation.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// How.
    pub state: HeldState,
    /// Addresses of it that live on other hosts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub without: BTreeSet<IpAddr>,
}

/// A host's memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The host.
    pub host: HostId,
    /// Its record, as the store should have it.
    pub me: Host,
    /// Which cluster it is of.
    pub cluster: String,
    /// Where it stands.
    pub standing: Standing,
    /// The highest revision it knows.
    pub seen: u64,
    /// Until then a store that has forgotten is told again: seconds since 1970.
    #[serde(default)]
    pub settle_until: Option<u64>,
    /// The blocks.
    #[serde(default)]
    pub held: BTreeMap<Place, Held>,
    /// Addresses outside of blocks, each as a block of one.
    #[serde(default)]
    pub exceptions: BTreeMap<Place, Held>,
    /// Generations of blocks that were given up: a store that says otherwise has forgotten it.
    #[serde(default)]
    pub given: BTreeMap<Place, u64>,
}

impl Journal {
    /// Of a host that asks to be a member.
    #[must_use]
    pub fn new(host: HostId, me: Host, cluster: String) -> Self {
        Self {
            host,
            me,
            cluster,
            standing: Standing::Joining,
            seen: 0,
            settle_until: None,
            held: BTreeMap::new(),
            exceptions: BTreeMap::new(),
            given: BTreeMap::new(),
        }
    }

    /// Until when the store is being told again; none when it is believed.
    #[must_use]
    pub fn settling(&self, now: u64) -> Option<u64> {
        self.settle_until.filter(|until| *until > now)
    }

    /// Whether `ip` may be leased by this host now, whatever the store would say.
    #[must_use]
    pub fn leases(&self, network: &NetworkName, ip: IpAddr) -> bool {
        let own = |held: &Held| held.state == HeldState::Own && !held.without.contains(&ip);
        let mut all = self.held.iter().chain(&self.exceptions);
        let here = |place: &Place| place.network == *network && place.block.contains(&ip);
        self.standing == Standing::Member && all.any(|(place, held)| here(place) && own(held))
    }

    /// Joins again after it was removed, or for the first time, as somebody has asked for. What it
    /// held may be another's: for what of it is still in use nothing answers until it is had again.
    pub fn rejoin(&mut self, token: String) {
        self.me.generation += 1;
        self.me.token = token;
        self.standing = Standing::Joining;
        self.held.clear();
        self.exceptions.clear();
    }
}
