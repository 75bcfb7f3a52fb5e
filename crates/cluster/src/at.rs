//! How far each host is: what its kernel is as of, told now and then beside the records that agents hear.
//!
//!     /ropewalk/at/ID     {revision, at, repaired, alarms}
//!
//! Nobody watches it: a thousand hosts that tell of a change wake no one.  Never here: who owns what.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::keep::{Listing, Txn, Write};

/// What every key begins with.
pub const AT: &str = "/ropewalk/at/";
/// How often a host tells it, in seconds, if it has changed.
pub const OFTEN: u64 = 30;

/// How far a host is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The revision of the store that its kernel is as of.
    pub revision: u64,
    /// When that was: seconds since 1970, by its own clock.
    pub at: u64,
    /// How long it took from hearing of it to the kernel, in milliseconds.
    #[serde(default)]
    pub took_ms: u64,
    /// How many things its agent has put right since it began.
    #[serde(default)]
    pub repaired: u64,
    /// How much a person should know there.
    #[serde(default)]
    pub alarms: usize,
}

impl At {
    /// Tells it.
    #[must_use]
    pub fn told(&self, host: &HostId) -> Txn {
        let value = serde_json::to_vec(self).unwrap_or_default();
        Txn { compares: Vec::new(), writes: vec![Write::Put(key(host), value)] }
    }

    /// Those of all hosts. What cannot be read is nobody's.
    #[must_use]
    pub fn all(listing: &Listing) -> BTreeMap<HostId, Self> {
        let read = |item: &crate::keep::Item| {
            let host = item.key.strip_prefix(AT)?.parse().ok()?;
            Some((host, serde_json::from_slice(&item.value).ok()?))
        };
        listing.items.iter().filter_map(read).collect()
    }
}

/// The key of a host's.
#[must_use]
pub fn key(host: &HostId) -> String {
    format!("{AT}{host}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keep::memory::Memory;

    #[test]
    fn what_is_told_is_read_and_what_is_odd_is_nobodys() {
        let mut store = Memory::default();
        let at = At { revision: 7, at: 1, ..At::default() };
        store.txn(&at.told(&HostId::new(7)));
        let odd = Write::Put(format!("{AT}x"), b"{}".to_vec());
        store.txn(&Txn { compares: Vec::new(), writes: vec![odd] });
        assert_eq!(At::all(&store.list(AT)), BTreeMap::from([(HostId::new(7), at)]));
        assert!(!AT.starts_with(crate::PREFIX), "agents do not hear it");
    }
}
