//! The store, and hosts that are in it alone: their records and blocks are there, and nobody behind them.
//!
//!     host/…5001 10.0.20.251     blk/over/0aa0c350-28, exc/over/0a8fa5c1     a hundred keys a transaction

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use ropewalk_cluster::keep::etcd::{Access, Etcd};
use ropewalk_cluster::keep::{Fault as StoreFault, Outcome, Store as _, Txn, Write};
use ropewalk_cluster::{Block, BlockState, Exception, Host, HostId, Key, PREFIX, Place};
use tokio::runtime::Runtime;

use super::stage::NETWORK;
use crate::Fault;

/// How many keys a transaction writes: etcd takes 128.
const MANY: usize = 100;
/// How far single addresses are apart: a hundred thousand are all over the pool, in blocks of others and
/// in nobody's.
const APART: u32 = 83;

/// The store, by a runtime of its own.
pub(super) struct Store {
    runtime: Runtime,
    etcd: Etcd,
    /// Blocks that are somebody's.
    taken: BTreeSet<IpNet>,
    /// Where to look for the next free one.
    next: u32,
}

impl Store {
    pub(super) fn new(address: &str) -> Result<Self, Fault> {
        let runtime = runtime()?;
        let etcd = Etcd::new(Access::plain(address.parse()?));
        Ok(Self { runtime, etcd, taken: BTreeSet::new(), next: 0 })
    }

    /// The revision that it is at.
    pub(super) fn revision(&mut self) -> Result<u64, StoreFault> {
        let meta = Key::Meta.to_string();
        self.runtime.block_on(self.etcd.list(&meta)).map(|listing| listing.revision)
    }

    /// The last revision that hosts hear of: what they say of themselves beside that wakes nobody.
    pub(super) fn told(&mut self) -> Result<u64, Fault> {
        let listing = self.runtime.block_on(self.etcd.list(PREFIX))?;
        Ok(listing.items.iter().map(|item| item.modified).max().unwrap_or_default())
    }

    /// How many blocks are somebody's; they are left alone from here on.
    pub(super) fn learn(&mut self) -> Result<usize, Fault> {
        let listing = self.runtime.block_on(self.etcd.list(&format!("{PREFIX}blk/")))?;
        for item in &listing.items {
            if let Ok(Key::Block(place)) = item.key.parse() {
                self.taken.insert(place.block);
            }
        }
        Ok(listing.items.len())
    }

    /// Writes a host with so many blocks, and tells the last of them and the revision.
    pub(super) fn host(&mut self, n: usize, blocks: usize) -> Result<(Ipv4Net, u64), Fault> {
        let (mut writes, mut last) = (vec![host(n)?], None);
        for _ in 0..blocks {
            let net = self.free()?;
            writes.push(block(net, n)?);
            last = Some(net);
        }
        let revision = self.send(writes)?;
        Ok((last.ok_or("a host without a block")?, revision))
    }

    /// Writes hosts with so many blocks each.
    pub(super) fn hosts(
        &mut self,
        numbers: std::ops::Range<usize>,
        blocks: usize,
    ) -> Result<u64, Fault> {
        let mut writes = Vec::new();
        for n in numbers {
            writes.push(host(n)?);
            for _ in 0..blocks {
                let net = self.free()?;
                writes.push(block(net, n)?);
            }
        }
        self.send_all(&writes)
    }

    /// Gives each of so many hosts so many single addresses outside its blocks.
    pub(super) fn singles(&mut self, hosts: usize, each: usize) -> Result<u64, Fault> {
        let all = (0..hosts * each).map(|n| exception(single(n)?, n / each));
        let writes = all.collect::<Result<Vec<_>, Fault>>()?;
        self.send_all(&writes)
    }

    /// Gives a host one single address.
    pub(super) fn give(&mut self, net: Ipv4Net, n: usize) -> Result<u64, Fault> {
        self.send(vec![exception(net, n)?])
    }

    fn send_all(&mut self, writes: &[Write]) -> Result<u64, Fault> {
        let mut revision = 0;
        for some in writes.chunks(MANY) {
            revision = self.send(some.to_vec())?;
        }
        Ok(revision)
    }

    /// Gives blocks to hosts, whose they are already or not, in one transaction.
    pub(super) fn give_all(&mut self, all: &[(Ipv4Net, usize)]) -> Result<u64, Fault> {
        let writes = all.iter().map(|(net, n)| block(*net, *n)).collect::<Result<_, _>>()?;
        self.send(writes)
    }

    fn send(&mut self, writes: Vec<Write>) -> Result<u64, Fault> {
        let txn = Txn { compares: Vec::new(), writes };
        match self.runtime.block_on(self.etcd.txn(&txn))? {
            Outcome::Done(revision) => Ok(revision),
            Outcome::Refused(_) => Err("the store refused".into()),
        }
    }

    /// A block that is nobody's.
    fn free(&mut self) -> Result<Ipv4Net, Fault> {
        let begin = u32::from(Ipv4Addr::new(10, 128, 0, 0));
        loop {
            let net = Ipv4Net::new(Ipv4Addr::from(begin + self.next * 16), 28)?;
            self.next += 1;
            if self.taken.insert(IpNet::V4(net)) {
                return Ok(net);
            }
        }
    }
}

pub(super) fn runtime() -> Result<Runtime, Fault> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_all().build()?)
}

fn id(n: usize) -> Result<HostId, Fault> {
    Ok(HostId::new(0xbe9c_0000 + u128::try_from(n)?))
}

fn host(n: usize) -> Result<Write, Fault> {
    let (high, low) = (u8::try_from(16 + n / 250)?, u8::try_from(1 + n % 250)?);
    let host = Host {
        name: format!("fake{n}"),
        token: format!("{n:016x}"),
        generation: 1,
        addresses: vec![IpAddr::from([10, 0, high, low])],
        mtu: Some(1500),
    };
    Ok(Write::Put(Key::Host(id(n)?).to_string(), serde_json::to_vec(&host)?))
}

/// A single address by its number.
pub(super) fn single(n: usize) -> Result<Ipv4Net, Fault> {
    let begin = u32::from(Ipv4Addr::new(10, 128, 0, 1));
    Ok(Ipv4Net::from(Ipv4Addr::from(begin + u32::try_from(n)? * APART)))
}

fn exception(net: Ipv4Net, n: usize) -> Result<Write, Fault> {
    let key = Key::Exception(NETWORK.parse()?, net.addr().into());
    let exception = Exception { h: id(n)?, generation: 1, asked: false };
    Ok(Write::Put(key.to_string(), serde_json::to_vec(&exception)?))
}

fn block(net: Ipv4Net, n: usize) -> Result<Write, Fault> {
    let place = Place { network: NETWORK.parse()?, block: IpNet::V4(net) };
    let block = Block { h: id(n)?, generation: 1, state: BlockState::Own, until: None };
    Ok(Write::Put(Key::Block(place).to_string(), serde_json::to_vec(&block)?))
}
