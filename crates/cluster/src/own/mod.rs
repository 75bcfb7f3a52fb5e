//! Who owns which blocks: what a host does next, from what it knows, remembers and wants.
//!
//!     decide(view, journal, local)  →  journal to write down, then transactions to send, alarms to say
//!
//! A function: the same again is the same again, and a run that was cut short is taken up by the
//! next.  A block is held when the store said so, never because a transaction was sent.  What the
//! store has forgotten is told to it again; what it says is another's is disputed, never fought for.
//! Never here: sending, writing down, the clock.

mod blocks;
mod claim;
mod exceptions;
mod journal;
mod regain;
mod remove;
mod standing;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;
use serde::{Deserialize, Serialize};

pub use journal::{Held, HeldState, Journal, Standing};
pub use remove::removal;

use crate::block::Place;
use crate::id::HostId;
use crate::keep::{Compare, Txn, Write};
use crate::key::Key;
use crate::view::View;

/// How long a block rests that was given up or taken away, in seconds.
pub const QUARANTINE: u64 = 600;
/// How long a store that has forgotten is given to hear of everything again, in seconds.
pub const SETTLE: u64 = 60;

/// What the host has and wants at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Local {
    /// Seconds since 1970. It matters for quarantine and settling alone.
    pub now: u64,
    /// How many blocks of each pool of each network.
    pub wants: BTreeMap<(NetworkName, IpNet), usize>,
    /// How many addresses of each block are in use.
    pub used: BTreeMap<Place, usize>,
    /// Blocks that are not the host's, and of which addresses are in use here: nothing answers for them.
    pub unheld: BTreeSet<Place>,
    /// Addresses in use here, of the host's blocks, that were granted to others, and to whom: a store has
    /// forgotten one of the two.
    pub twice: BTreeMap<(NetworkName, IpAddr), HostId>,
    /// Addresses outside the host's blocks that it has or wants to have.
    pub exceptions: BTreeSet<(NetworkName, IpAddr)>,
    /// Addresses of the host's blocks that another may have: they are not leased any more.
    pub freed: BTreeSet<(NetworkName, IpAddr)>,
}

/// Something that a person should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(tag = "alarm", rename_all = "kebab-case")]
pub enum Alarm {
    /// The store is of another cluster.
    OtherCluster {
        /// Which.
        cluster: String,
    },
    /// The store is written by a later version: it is only read.
    Newer {
        /// Its schema.
        schema: u32,
    },
    /// Something that cannot be read stands where a record should.
    Unreadable {
        /// Its key.
        key: String,
    },
    /// The host was removed from the cluster: nothing here answers for what was its own.
    Removed,
    /// Another host has the same id.
    Duplicate {
        /// What it is called.
        name: String,
    },
    /// The store has forgotten what this host was told: it is told again.
    Forgotten {
        /// Until then nothing is deleted or claimed: seconds since 1970.
        until: u64,
    },
    /// A block in use here is another's, too: nothing more is leased from it.
    Disputed {
        /// The block.
        place: Place,
        /// The other.
        other: HostId,
    },
    /// No block of the pool is free.
    Exhausted {
        /// The network.
        network: NetworkName,
        /// The pool.
        pool: IpNet,
    },
    /// The address is another's.
    Taken {
        /// The network.
        network: NetworkName,
        /// The address.
        ip: IpAddr,
        /// Whose.
        by: HostId,
    },
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OtherCluster { cluster } => {
                write!(f, "the store is of another cluster, {cluster}: nothing is done with it")
            }
            Self::Newer { schema } => {
                write!(f, "the store is of a later version (schema {schema}): it is only read")
            }
            Self::Unreadable { key } => write!(f, "{key} cannot be read: it is left as it is"),
            Self::Removed => f.write_str(
                "this host was removed from the cluster: it leases nothing and answers for nothing of it, \
                 until somebody joins again (ropewalk join) or detaches what is attached",
            ),
            Self::Duplicate { name } => write!(f, "another host, {name}, has the id of this one"),
            Self::Forgotten { .. } => {
                f.write_str("the store has forgotten what it knew: it is told again")
            }
            Self::Disputed { place, other } => {
                write!(f, "block {place} is in use here, and host {other} has it, too")
            }
            Self::Exhausted { network, pool } => {
                write!(f, "no block of {pool} is free for network {network}")
            }
            Self::Taken { network, ip, by } => write!(f, "{ip} of {network} is host {by}'s"),
        }
    }
}

/// What to do, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Is written down first, unless leases were made meanwhile in a block that it gives up.
    pub journal: Journal,
    /// Are sent then. Each says on what it relies; what became of it is seen in the next view.
    pub txns: Vec<Txn>,
    /// Are said.
    pub alarms: BTreeSet<Alarm>,
}

/// What the host with this journal does next.
#[must_use]
pub fn decide(view: &View, journal: &Journal, local: &Local) -> Decision {
    let journal = journal.clone();
    let mut work = Work { view, local, journal, txns: Vec::new(), alarms: BTreeSet::new() };
    if work.same_cluster() && work.stands() {
        work.surplus();
        work.disputes();
        work.blocks();
        work.adopt();
        work.claims();
        work.exceptions();
    }
    if let Some(until) = work.journal.settling(local.now) {
        work.alarms.insert(Alarm::Forgotten { until });
    }
    Decision { journal: work.journal, txns: work.txns, alarms: work.alarms }
}

/// A decision in the making.
struct Work<'a> {
    view: &'a View,
    local: &'a Local,
    journal: Journal,
    txns: Vec<Txn>,
    alarms: BTreeSet<Alarm>,
}

impl Work<'_> {
    fn send(&mut self, compares: Vec<Compare>, writes: Vec<Write>) {
        self.txns.push(Txn { compares, writes });
    }

    /// The store has forgotten something: nothing is given up or claimed for a while.
    fn forgotten(&mut self) {
        self.journal.settle_until = Some(self.local.now.saturating_add(SETTLE));
    }

    fn settling(&self) -> bool {
        self.journal.settling(self.local.now).is_some()
    }

    /// That the host is a member, as it is known to be.
    fn member(&self) -> Compare {
        let key = Key::Host(self.journal.host.clone());
        let host = self.view.hosts.get(&self.journal.host);
        found(&key, host.map(|host| host.modified))
    }

    fn used(&self, place: &Place) -> bool {
        self.local.used.get(place).is_some_and(|used| *used > 0)
    }
}

/// That what is under `key` is as it was seen, or not there as it was not seen.
pub(crate) fn found(key: &Key, modified: Option<u64>) -> Compare {
    match modified {
        Some(modified) => Compare::Modified(key.to_string(), modified),
        None => Compare::Absent(key.to_string()),
    }
}

/// Writes a value. Records are plain data, which JSON can always hold.
fn put<T: Serialize>(key: &Key, value: &T) -> Write {
    Write::Put(key.to_string(), serde_json::to_vec(value).unwrap_or_default())
}
