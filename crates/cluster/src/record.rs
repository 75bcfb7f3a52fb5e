//! The values of the store: JSON, in which fields that are not known are passed over.
//!
//! A generation (`gen`) grows whenever a thing changes its owner. Of two owners the later one has the
//! higher, also when the store has forgotten (it was restored, or wiped) what it had been told.
//! Never here: keys, decisions.

use std::net::IpAddr;

use ropewalk_spec::{Publish, RawNetwork};
use serde::{Deserialize, Serialize};

use crate::block::Pool;
use crate::id::HostId;

/// The schema that is written here. A store with a higher one is read, and not written to.
pub const SCHEMA: u32 = 1;

/// Which cluster the store is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Meta {
    /// How keys and values are to be read.
    pub schema: u32,
    /// A number that no other cluster has.
    pub cluster: String,
}

/// A network of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Net {
    /// Its definition but for what is of one host alone: subnet, gateway and peers.
    pub spec: RawNetwork,
    /// Its addresses, a pool for each family.
    pub pools: Vec<Pool>,
}

/// A host of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// What people call it.
    pub name: String,
    /// Made when it joined: another host with the same id has another one.
    pub token: String,
    /// How often it has joined.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Where the other hosts reach it, at most one address of each family.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// What fits through its uplink.
    #[serde(default)]
    pub mtu: Option<u32>,
}

/// A host that was removed: it no longer owns anything, also if it does not know yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// What people called it.
    pub name: String,
    /// As it was when it was removed.
    #[serde(rename = "gen")]
    pub generation: u64,
}

/// Whether a block can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BlockState {
    /// By its owner.
    Own,
    /// By nobody until its time is up: its last owner may not know yet that it was.
    Quarantine,
}

/// A host that shall own nothing any more, once nothing is attached there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// What people call it.
    pub name: String,
}

/// Whose a block is. It stays in the store when nobody's, for the sake of its generation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// Its owner, or the one before.
    pub h: HostId,
    /// How often it has changed hands.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// Whether it can be used.
    pub state: BlockState,
    /// When it is free: seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<u64>,
}

impl Block {
    /// For how many seconds it is nobody's yet; none when it does not rest.
    #[must_use]
    pub fn rest(&self, now: u64) -> Option<u64> {
        let rests = self.state == BlockState::Quarantine;
        self.until.filter(|until| rests && *until > now).map(|until| until - now)
    }
}

/// A host has addresses in use in a block that the store says is another's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispute {
    /// The host.
    pub h: HostId,
    /// The generation in which it owned the block.
    #[serde(rename = "gen")]
    pub generation: u64,
}

/// Ports that lead to a sandbox on all hosts of the cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Public {
    /// What the sandbox is called.
    pub name: String,
    /// The ports.
    pub ports: Vec<Publish>,
    /// Since when it is attached (RFC 3339): of two with one port the elder has it.
    pub since: String,
}

/// An address that lives on a host which does not own its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exception {
    /// The host.
    pub h: HostId,
    /// How often it has moved.
    #[serde(rename = "gen")]
    pub generation: u64,
    /// It is asked for: the owner of its block has not granted it yet.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asked: bool,
}
