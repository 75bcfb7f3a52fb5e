//! What people do with a cluster: each waits until the store has done it, or says why not.
//!
//!     join    which cluster, then host/ME       create   net/NAME
//!     leave, remove    gone/ID, then its blocks rest      drain    drain/ID
//!
//! What a later version wrote is only read.
//!
//! Never here: the kernel; what is made on hosts (the agents do that).

use std::collections::BTreeMap;

use crate::block::Place;
use crate::endpoint;
use crate::id::HostId;
use crate::keep::{Compare, Fault, Outcome, Store, Txn, Write};
use crate::key::{Key, PREFIX};
use crate::own::{Alarm, Journal, Local, Standing, decide, removal};
use crate::record::{Block, BlockState, Drain, Exception, Meta, Net};
use crate::view::{Kept, View};

/// How often a step that others were quicker with is tried anew.
const TRIES: usize = 20;

/// Why a verb was not done.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] Fault),
    /// The host cannot act in this cluster.
    #[error("{0}")]
    Alarm(Alarm),
    /// Others were quicker, again and again.
    #[error("the store changes faster than this host can follow")]
    Busy,
    /// Something of that name is there.
    #[error("the cluster has a network {0} already")]
    Exists(String),
    /// It cannot be brought along.
    #[error("{0}: it cannot be brought into the cluster")]
    Other(String),
    /// Its addresses are another network's.
    #[error("{net} overlaps {other} of network {network} of the cluster")]
    Overlap {
        /// Its addresses.
        net: ipnet::IpNet,
        /// The other's.
        other: ipnet::IpNet,
        /// Which.
        network: String,
    },
    /// Another host of the cluster is reached at the address of this one.
    #[error("host {name} of the cluster, {id}, is reached at {ip} already")]
    Taken {
        /// The address.
        ip: std::net::IpAddr,
        /// What people call the host.
        name: String,
        /// The host.
        id: HostId,
    },
    /// The address is another host's.
    #[error("{ip} of network {network} is on host {host}")]
    Elsewhere {
        /// The address.
        ip: std::net::IpAddr,
        /// Of which network.
        network: ropewalk_spec::NetworkName,
        /// The host.
        host: String,
    },
    /// The block of the address was another host's, which may not know yet that it is no more.
    #[error("the block of {ip} was host {host}'s, and rests for another {rest} s")]
    Rests {
        /// The address.
        ip: std::net::IpAddr,
        /// The host.
        host: String,
        /// For how long: seconds.
        rest: u64,
    },
    /// What stands there cannot be read.
    #[error("{0} cannot be read: it is somebody's, and left as it is")]
    Unreadable(Key),
    /// Nothing of that name is there.
    #[error("the cluster has no {0}")]
    Unknown(String),
}

/// Everything in the store.
///
/// # Errors
/// The store failed.
pub async fn view<S: Store>(store: &mut S) -> Result<View, Fault> {
    Ok(View::new(&store.list(PREFIX).await?))
}

/// Which cluster the store is of; `new`, where it is of none yet.
///
/// # Errors
/// The store failed.
pub async fn cluster<S: Store>(store: &mut S, new: &str) -> Result<String, Refused> {
    for _ in 0..TRIES {
        let view = view(store).await?;
        if let Some(meta) = view.meta {
            return Ok(meta.value.cluster);
        }
        if view.occupied(&Key::Meta) {
            return Err(Refused::Alarm(Alarm::Unreadable { key: Key::Meta.to_string() }));
        }
        let meta = Meta { schema: crate::SCHEMA, cluster: new.to_owned() };
        store.txn(&one(&Key::Meta, &meta, Compare::Absent(Key::Meta.to_string()))).await?;
    }
    Err(Refused::Busy)
}

/// Makes the host of `journal` a member. One that was removed becomes one anew.
///
/// # Errors
/// The store failed, or refuses the host.
pub async fn join<S: Store>(
    store: &mut S,
    mut journal: Journal,
    now: u64,
) -> Result<Journal, Refused> {
    let local = Local { now, ..Local::default() };
    for _ in 0..TRIES {
        let view = view(store).await?;
        alone_there(&view, &journal)?;
        if let Some(gone) = view.gone.get(&journal.host)
            && gone.value.generation >= journal.me.generation
        {
            journal.me.generation = gone.value.generation + 1;
            journal.standing = Standing::Joining;
        }
        let decision = decide(&view, &journal, &local);
        journal = decision.journal;
        if journal.standing == Standing::Member {
            return Ok(journal);
        }
        if let Some(alarm) = decision.alarms.into_iter().next() {
            return Err(Refused::Alarm(alarm));
        }
        for txn in &decision.txns {
            store.txn(txn).await?;
        }
    }
    Err(Refused::Busy)
}

/// Refuses an address that another host is reached at: the others could not tell the two apart.
fn alone_there(view: &View, journal: &Journal) -> Result<(), Refused> {
    let others = view.hosts.iter().filter(|(id, _)| **id != journal.host);
    for (id, other) in others {
        let shared = other.value.addresses.iter().find(|ip| journal.me.addresses.contains(ip));
        if let Some(ip) = shared {
            let (ip, name, id) = (*ip, other.value.name.clone(), id.clone());
            return Err(Refused::Taken { ip, name, id });
        }
    }
    Ok(())
}

/// Takes a host out of the cluster.
///
/// # Errors
/// The store failed.
pub async fn remove<S: Store>(store: &mut S, host: &HostId, now: u64) -> Result<(), Refused> {
    let mut tries = 0;
    while tries < TRIES {
        let view = view(store).await?;
        writable(&view)?;
        let Some(txn) = removal(&view, host, now) else {
            return forget_beside(store, host).await;
        };
        if matches!(store.txn(&txn).await?, Outcome::Refused(_)) {
            tries += 1;
        }
    }
    Err(Refused::Busy)
}

/// Takes away what a host has told beside what is heard.
async fn forget_beside<S: Store>(store: &mut S, host: &HostId) -> Result<(), Refused> {
    let keys = [crate::at::key(host), crate::live::key(host)];
    let writes = keys.into_iter().map(Write::Delete).collect();
    store.txn(&Txn { compares: Vec::new(), writes }).await?;
    let told = store.list(endpoint::ENDPOINTS).await?;
    for txn in endpoint::forgotten(&told, host) {
        store.txn(&txn).await?;
    }
    Ok(())
}

/// Adds a network.
///
/// # Errors
/// The store failed, or has one of that name.
pub async fn create<S: Store>(
    store: &mut S,
    name: &ropewalk_spec::NetworkName,
    net: &Net,
) -> Result<(), Refused> {
    let known = view(store).await?;
    writable(&known)?;
    let key = Key::Net(name.clone());
    readable(&known, &key)?;
    if !known.nets.contains_key(name) {
        apart(&known, name, net)?;
    }
    match store.txn(&one(&key, net, Compare::Absent(key.to_string()))).await? {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(_) => Err(Refused::Exists(name.to_string())),
    }
}

/// Refuses addresses that another network has.
fn apart(view: &View, name: &ropewalk_spec::NetworkName, net: &Net) -> Result<(), Refused> {
    for (other_name, kept) in view.nets.iter().filter(|(other, _)| *other != name) {
        let pairs = net.pools.iter().flat_map(|a| kept.value.pools.iter().map(move |b| (a, b)));
        let meets = |a: ipnet::IpNet, b: ipnet::IpNet| a.contains(&b) || b.contains(&a);
        for (ours, theirs) in pairs {
            if meets(ours.net, theirs.net) {
                let (net, other, network) = (ours.net, theirs.net, other_name.to_string());
                return Err(Refused::Overlap { net, other, network });
            }
        }
    }
    Ok(())
}

/// Takes a network away: the hosts take it down where no sandbox is on it, and give their blocks up.
///
/// # Errors
/// The store failed, or has none of that name.
pub async fn forget<S: Store>(
    store: &mut S,
    name: &ropewalk_spec::NetworkName,
) -> Result<(), Refused> {
    let key = Key::Net(name.clone());
    for _ in 0..TRIES {
        let view = view(store).await?;
        writable(&view)?;
        readable(&view, &key)?;
        let Some(net) = view.nets.get(name) else {
            return Err(Refused::Unknown(format!("network {name}")));
        };
        let compares = vec![Compare::Modified(key.to_string(), net.modified)];
        let txn = Txn { compares, writes: vec![Write::Delete(key.to_string())] };
        if let Outcome::Done(_) = store.txn(&txn).await? {
            return Ok(());
        }
    }
    Err(Refused::Busy)
}

/// Has a host give up what it owns as soon as nothing is attached there, and claim nothing; or no longer.
///
/// # Errors
/// The store failed.
pub async fn drain<S: Store>(store: &mut S, host: &HostId, back: bool) -> Result<(), Refused> {
    let view = view(store).await?;
    writable(&view)?;
    let Some(member) = view.hosts.get(host) else {
        return Err(Refused::Unknown(format!("host {host}")));
    };
    let key = Key::Drain(host.clone()).to_string();
    let value = serde_json::to_vec(&Drain { name: member.value.name.clone() });
    let write = match back {
        true => Write::Delete(key),
        false => Write::Put(key, value.unwrap_or_default()),
    };
    store.txn(&Txn { compares: Vec::new(), writes: vec![write] }).await?;
    Ok(())
}

/// Asks for an address of a network that is in none of the host's blocks; its agent takes it from there.
/// Returns whose block it is in, if it is somebody's.
///
/// # Errors
/// The store failed, another host has the address, or its block rests.
pub async fn ask<S: Store>(
    store: &mut S,
    host: &HostId,
    network: &ropewalk_spec::NetworkName,
    ip: std::net::IpAddr,
    now: u64,
) -> Result<Option<String>, Refused> {
    let key = Key::Exception(network.clone(), ip);
    for _ in 0..TRIES {
        let view = view(store).await?;
        writable(&view)?;
        let name = |id: &HostId| {
            let there = view.hosts.get(id).map(|host| &host.value.name);
            let name = there.or_else(|| view.gone.get(id).map(|gone| &gone.value.name));
            name.cloned().unwrap_or_else(|| id.to_string())
        };
        let block = view.block_of(network, ip).map(|(_, block)| &block.value);
        let owner = block.filter(|block| block.state == BlockState::Own).map(|b| name(&b.h));
        let Some(me) = view.hosts.get(host) else { return Err(Refused::Alarm(Alarm::Removed)) };
        match view.exceptions.get(&(network.clone(), ip)).map(|known| &known.value.h) {
            Some(other) if other != host => {
                let (network, host) = (network.clone(), name(other));
                return Err(Refused::Elsewhere { ip, network, host });
            }
            Some(_) => return Ok(owner),
            None => {}
        }
        if let Some((host, rest)) = block.and_then(|block| Some((name(&block.h), block.rest(now)?)))
        {
            return Err(Refused::Rests { ip, host, rest });
        }
        let wish = Exception { h: host.clone(), generation: 1, asked: true };
        let mut txn = one(&key, &wish, Compare::Absent(key.to_string()));
        txn.compares.push(Compare::Modified(Key::Host(host.clone()).to_string(), me.modified));
        if let Outcome::Done(_) = store.txn(&txn).await? {
            return Ok(owner);
        }
    }
    Err(Refused::Busy)
}

/// Asks no more for an address that was not granted.
///
/// # Errors
/// The store failed.
pub async fn unask<S: Store>(
    store: &mut S,
    host: &HostId,
    network: &ropewalk_spec::NetworkName,
    ip: std::net::IpAddr,
) -> Result<(), Refused> {
    let view = view(store).await?;
    let known = view.exceptions.get(&(network.clone(), ip));
    if let Some(known) = known.filter(|known| known.value.h == *host && known.value.asked) {
        let key = Key::Exception(network.clone(), ip).to_string();
        let compares = vec![Compare::Modified(key.clone(), known.modified)];
        store.txn(&Txn { compares, writes: vec![Write::Delete(key)] }).await?;
    }
    Ok(())
}

/// What cannot be read is left alone.
fn readable(view: &View, key: &Key) -> Result<(), Refused> {
    match view.occupied(key) {
        true => Err(Refused::Unreadable(key.clone())),
        false => Ok(()),
    }
}

/// A store that a later version writes is only read.
fn writable(view: &View) -> Result<(), Refused> {
    let later = view.meta.as_ref().map(|meta| meta.value.schema).filter(|s| *s > crate::SCHEMA);
    later.map_or(Ok(()), |schema| Err(Refused::Alarm(Alarm::Newer { schema })))
}

/// Whether what the host has in its own store can be brought into another.
///
/// # Errors
/// A network there is another one, or a block another host's.
pub fn fits(own: &View, there: &View, host: &HostId) -> Result<(), Refused> {
    for (name, net) in &own.nets {
        apart(there, name, &net.value)?;
        if there.nets.get(name).is_some_and(|other| other.value != net.value) {
            return Err(Refused::Other(format!("another network is called {name} there")));
        }
    }
    for place in owned(own, host) {
        let other = there.blocks.get(place).filter(|block| block.value.h != *host);
        if other.is_some() {
            return Err(Refused::Other(format!("block {place} is another host's there")));
        }
    }
    Ok(())
}

/// Brings the networks and blocks of a host, a member by now, from its own store into another.
///
/// # Errors
/// The store failed, or somebody was quicker.
pub async fn bring<S: Store>(store: &mut S, own: &View, host: &HostId) -> Result<(), Refused> {
    for (name, net) in &own.nets {
        match create(store, name, &net.value).await {
            Ok(()) | Err(Refused::Exists(_)) => {}
            Err(other) => return Err(other),
        }
    }
    for place in owned(own, host) {
        let Some(block) = own.blocks.get(place) else { continue };
        let key = Key::Block(place.clone());
        store.txn(&one(&key, &block.value, Compare::Absent(key.to_string()))).await?;
    }
    // Done before is done; done by others meanwhile is not.
    fits(own, &view(store).await?, host)
}

/// What a host has alone, as if it stood in a store of its own: `nets`, with a block for each of its
/// subnets.
#[must_use]
pub fn alone(
    nets: BTreeMap<ropewalk_spec::NetworkName, (Net, Vec<ipnet::IpNet>)>,
    host: &HostId,
) -> View {
    let mut view = View::default();
    for (network, (net, subnets)) in nets {
        for block in subnets {
            let (h, state) = (host.clone(), BlockState::Own);
            let value = Block { h, generation: 1, state, until: None };
            let place = Place { network: network.clone(), block };
            view.blocks.insert(place, Kept { value, modified: 0 });
        }
        view.nets.insert(network, Kept { value: net, modified: 0 });
    }
    view
}

fn owned<'a>(view: &'a View, host: &HostId) -> impl Iterator<Item = &'a Place> {
    let own = move |block: &Block| block.h == *host && block.state == BlockState::Own;
    view.blocks.iter().filter(move |(_, kept)| own(&kept.value)).map(|(place, _)| place)
}

fn one<T: serde::Serialize>(key: &Key, value: &T, compare: Compare) -> Txn {
    let value = serde_json::to_vec(value).unwrap_or_default();
    Txn { compares: vec![compare], writes: vec![Write::Put(key.to_string(), value)] }
}
