//! Endpoints: the attachments of all hosts on networks of the cluster, by name, for whoever asks.
//!
//!     /ropewalk/ep/NETWORK/HOST/0a050107
//!         {"id": "docker:web", "name": "web", "aliases": ["shop"], "addresses": ["10.5.1.7"], …}
//!
//! A host writes its own and no others, as it finds them; agents do not hear those of others, for no
//! packet's way depends on them.  Never here: who owns what, the engine.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ropewalk_spec::NetworkName;
use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::keep::{Compare, Item, Listing, Txn, Write};
use crate::key::hex;

/// What every key begins with.
pub const ENDPOINTS: &str = "/ropewalk/ep/";

/// How many keys are written at a time: etcd takes 128 in a transaction.
const MOST: usize = 100;

/// An attachment, as other hosts see it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The sandbox, as its host names it: `docker:web`.
    pub id: String,
    /// What it is called: `web`.
    pub name: String,
    /// What else it is called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// The interface in it.
    pub interface: String,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// Its hardware address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// The ports of its host that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub published: Vec<String>,
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// The network.
    pub network: NetworkName,
    /// The host.
    pub host: HostId,
    /// Its first address.
    pub ip: IpAddr,
}

impl Spot {
    /// The key of its record.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{}{}", own(&self.network, &self.host), hex(self.ip))
    }
}

/// What the keys of the endpoints on a network begin with.
#[must_use]
pub fn of(network: &NetworkName) -> String {
    format!("{ENDPOINTS}{network}/")
}

/// What the keys of a host's endpoints on a network begin with.
#[must_use]
pub fn own(network: &NetworkName, host: &HostId) -> String {
    format!("{}{host}/", of(network))
}

/// As records, each under its key.
#[must_use]
pub fn written(all: &BTreeMap<Spot, Endpoint>) -> BTreeMap<String, Vec<u8>> {
    let one = |(spot, endpoint): (&Spot, &Endpoint)| {
        (spot.key(), serde_json::to_vec(endpoint).unwrap_or_default())
    };
    all.iter().map(one).collect()
}

/// Those of a listing, with network and host. What cannot be read is nobody's.
#[must_use]
pub fn read(listing: &Listing) -> Vec<(NetworkName, HostId, Endpoint)> {
    let one = |item: &Item| {
        let mut parts = item.key.strip_prefix(ENDPOINTS)?.splitn(3, '/');
        let (network, host) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some((network, host, serde_json::from_slice(&item.value).ok()?))
    };
    listing.items.iter().filter_map(one).collect()
}

/// What makes `known` into `wanted`, as long as each of `compares` holds.
#[must_use]
pub fn told(
    wanted: &BTreeMap<String, Vec<u8>>,
    known: &BTreeMap<String, Vec<u8>>,
    compares: &[Compare],
) -> Vec<Txn> {
    let gone = known.keys().filter(|key| !wanted.contains_key(*key));
    let come = wanted.iter().filter(|(key, value)| known.get(*key) != Some(value));
    let writes: Vec<Write> = gone
        .map(|key| Write::Delete(key.clone()))
        .chain(come.map(|(key, value)| Write::Put(key.clone(), value.clone())))
        .collect();
    let txn = |writes: &[Write]| Txn { compares: compares.to_vec(), writes: writes.to_vec() };
    writes.chunks(MOST).map(txn).collect()
}

/// What takes away all that a host has told, of a listing of everything.
#[must_use]
pub fn forgotten(listing: &Listing, host: &HostId) -> Vec<Txn> {
    let of_host = |item: &&Item| {
        let rest = item.key.strip_prefix(ENDPOINTS);
        rest.and_then(|rest| rest.split('/').nth(1)) == Some(&host.to_string())
    };
    let known = listing.items.iter().filter(of_host);
    let known = known.map(|item| (item.key.clone(), item.value.clone())).collect();
    told(&BTreeMap::new(), &known, &[])
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::keep::memory::Memory;

    fn endpoints(names: &[(&str, [u8; 4])]) -> BTreeMap<String, Vec<u8>> {
        let one = |(name, ip): &(&str, [u8; 4])| {
            let (network, host) = ("over".parse().unwrap(), HostId::new(7));
            let ip = IpAddr::from(*ip);
            let endpoint = Endpoint {
                id: format!("netns:{name}"),
                name: (*name).to_owned(),
                addresses: vec![ip],
                ..Endpoint::default()
            };
            (Spot { network, host, ip }, endpoint)
        };
        written(&names.iter().map(one).collect())
    }

    #[test]
    fn the_store_says_what_there_is_and_again_when_it_has_forgotten() {
        let mut store = Memory::default();
        let listed = |store: &Memory| store.list(ENDPOINTS);
        let known = |store: &Memory| -> BTreeMap<String, Vec<u8>> {
            listed(store).items.into_iter().map(|item| (item.key, item.value)).collect()
        };
        let both = endpoints(&[("red", [10, 5, 1, 2]), ("blue", [10, 5, 1, 3])]);
        let one = endpoints(&[("green", [10, 5, 1, 2])]);
        for wanted in [&both, &one, &both] {
            for txn in told(wanted, &known(&store), &[]) {
                store.txn(&txn);
            }
            assert_eq!(known(&store), *wanted);
            assert_eq!(told(wanted, &known(&store), &[]), []);
        }
        let (network, host, endpoint) = read(&listed(&store)).remove(0);
        assert_eq!(
            (network.as_str(), host, endpoint.name.as_str()),
            ("over", HostId::new(7), "red")
        );
        assert_eq!(forgotten(&listed(&store), &HostId::new(8)), []);
        for txn in forgotten(&listed(&store), &HostId::new(7)) {
            store.txn(&txn);
        }
        assert!(known(&store).is_empty());
        assert!(!ENDPOINTS.starts_with(crate::PREFIX), "agents do not hear them");
    }
}
