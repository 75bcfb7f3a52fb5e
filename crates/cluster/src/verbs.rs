//! What people do with a cluster: each waits until the store has done it, or says why not.
//!
//!     join    which cluster, then host/ME       create   net/NAME
//!     leave, remove    gone/ID, then its blocks rest      drain    drain/ID
//!
//! What a later version wrote is only read.
//!
//! Never here: the kernel; what is made on hosts (the agents do that).

use crate::block::Place;
use crate::id::HostId;
use crate::keep::{Compare, Fault, Outcome, Store, Txn, Write};
use crate::key::{Key, PREFIX};
use crate::own::{Alarm, Journal, Local, Standing, decide, removal};
use crate::record::{Block, BlockState, Drain, Meta, Net};
use crate::view::View;

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
            let at = Write::Delete(crate::at::key(host));
            store.txn(&Txn { compares: Vec::new(), writes: vec![at] }).await?;
            return Ok(());
        };
        if matches!(store.txn(&txn).await?, Outcome::Refused(_)) {
            tries += 1;
        }
    }
    Err(Refused::Busy)
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
    writable(&view(store).await?)?;
    let key = Key::Net(name.clone());
    match store.txn(&one(&key, net, Compare::Absent(key.to_string()))).await? {
        Outcome::Done(_) => Ok(()),
        Outcome::Refused(_) => Err(Refused::Exists(name.to_string())),
    }
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

fn owned<'a>(view: &'a View, host: &HostId) -> impl Iterator<Item = &'a Place> {
    let own = move |block: &Block| block.h == *host && block.state == BlockState::Own;
    view.blocks.iter().filter(move |(_, kept)| own(&kept.value)).map(|(place, _)| place)
}

fn one<T: serde::Serialize>(key: &Key, value: &T, compare: Compare) -> Txn {
    let value = serde_json::to_vec(value).unwrap_or_default();
    Txn { compares: vec![compare], writes: vec![Write::Put(key.to_string(), value)] }
}
