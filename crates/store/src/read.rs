//! Reading: networks, attachments and leases as they were when the transaction began.

use std::net::IpAddr;

use heed::{RoTxn, RwTxn, WithoutTls};
use ropewalk_facts::{IfName, Ns};
use ropewalk_plan::{Change, Plan};
use ropewalk_spec::NetworkName;

use crate::error::StoreError;
use crate::key;
use crate::record::{
    AttachmentKey, AttachmentRecord, Cni, Holding, NetworkHead, NetworkRecord, RepairRecord, Works,
};
use crate::store::Store;

/// A transaction of the store.
#[derive(Debug)]
pub struct Tx<'s, T> {
    pub(crate) store: &'s Store,
    pub(crate) txn: T,
}

/// A transaction that reads.
pub type Reader<'s> = Tx<'s, RoTxn<'s, WithoutTls>>;

/// What can be read from: a transaction of either kind.
pub trait Readable {
    #[doc(hidden)]
    fn txn(&self) -> &RoTxn<'_>;
}

impl Readable for RoTxn<'_, WithoutTls> {
    fn txn(&self) -> &RoTxn<'_> {
        self
    }
}

impl Readable for RwTxn<'_> {
    fn txn(&self) -> &RoTxn<'_> {
        self
    }
}

/// What the database holds under a key.
///
/// A transaction is generic, so what it does is compiled where it is used, in each crate anew: not
/// the parsing too, which is much, and many times slower where little is optimised.
pub(crate) trait Entry: Sized {
    /// Parses it.
    fn read(text: &[u8]) -> serde_json::Result<Self>;
}

macro_rules! entries {
    ($($kind:ty),*) => {$(
        impl Entry for $kind {
            #[inline(never)]
            fn read(text: &[u8]) -> serde_json::Result<Self> {
                serde_json::from_slice(text)
            }
        }
    )*};
}

entries!(NetworkRecord, NetworkHead, Works<Plan, Vec<Change>>);
entries!(AttachmentRecord, Holding, RepairRecord);

impl<T: Readable> Tx<'_, T> {
    /// The record of a network.
    ///
    /// # Errors
    /// The database failed, or the record is damaged.
    pub fn network(&self, name: &NetworkName) -> Result<Option<NetworkRecord>, StoreError> {
        let Some(record) = self.record(&key::network(name))? else { return Ok(None) };
        self.with_works(record).map(Some)
    }

    /// What attachments need of a network's record.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn network_head(&self, name: &NetworkName) -> Result<Option<NetworkHead>, StoreError> {
        self.record(&key::network(name))
    }

    /// All networks by name, without what was made of them.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn network_heads(&self) -> Result<Vec<NetworkHead>, StoreError> {
        self.records(key::NETWORKS)
    }

    /// All networks, by name.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn networks(&self) -> Result<Vec<NetworkRecord>, StoreError> {
        let records = self.records(key::NETWORKS)?;
        records.into_iter().map(|record| self.with_works(record)).collect()
    }

    fn with_works(&self, mut record: NetworkRecord) -> Result<NetworkRecord, StoreError> {
        let works = self.record(&key::works(&record.network.name))?;
        let Works { plan, changes } = works.ok_or_else(|| self.damaged())?;
        (record.plan, record.changes) = (plan, changes);
        Ok(record)
    }

    /// The record of an attachment.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn attachment(&self, key: &AttachmentKey) -> Result<Option<AttachmentRecord>, StoreError> {
        self.record(&key::attachment(&key::tail(key)?))
    }

    /// Which attachment a runtime calls so.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn key_called(
        &self,
        cni: &Cni,
        ifname: &IfName,
    ) -> Result<Option<AttachmentKey>, StoreError> {
        self.value(&key::called(cni, ifname))?.map(|tail| self.read_tail(tail)).transpose()
    }

    /// What a runtime calls so.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn called(
        &self,
        cni: &Cni,
        ifname: &IfName,
    ) -> Result<Option<AttachmentRecord>, StoreError> {
        let Some(tail) = self.value(&key::called(cni, ifname))? else { return Ok(None) };
        self.record(&key::attachment(tail))
    }

    /// All attachments, by namespace and interface.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn attachments(&self) -> Result<Vec<AttachmentRecord>, StoreError> {
        self.records(key::ATTACHMENTS)
    }

    /// The attachments of a namespace, by interface.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn attachments_of(&self, ns: &Ns) -> Result<Vec<AttachmentRecord>, StoreError> {
        self.records(&key::attachments_of(ns))
    }

    /// Which attachments a network has.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn keys_on(&self, network: &NetworkName) -> Result<Vec<AttachmentKey>, StoreError> {
        let prefix = key::index_of(network);
        let tails = self.scan(&prefix, |rest, _| rest.to_vec())?;
        tails.iter().map(|tail| self.read_tail(tail)).collect()
    }

    /// The attachments of a network, by namespace and interface.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn attachments_on(
        &self,
        network: &NetworkName,
    ) -> Result<Vec<AttachmentRecord>, StoreError> {
        let keys = self.keys_on(network)?;
        let records = keys.iter().map(|key| self.attachment(key));
        records.filter_map(Result::transpose).collect()
    }

    /// How many attachments a network has.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn count_on(&self, network: &NetworkName) -> Result<usize, StoreError> {
        Ok(self.scan(&key::index_of(network), |_, _| ())?.len())
    }

    /// All repairs that were not undone, the first one first.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn repairs(&self) -> Result<Vec<RepairRecord>, StoreError> {
        self.records(key::REPAIRS)
    }

    /// The leases of a network, and who has them.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn leases(
        &self,
        network: &NetworkName,
    ) -> Result<Vec<(IpAddr, AttachmentKey)>, StoreError> {
        let found = self.scan(&key::leases_of(network), |rest, value| {
            (key::read_host(rest).flatten(), value.to_vec())
        })?;
        let lease = |(ip, tail): (Option<IpAddr>, Vec<u8>)| {
            Ok((ip.ok_or_else(|| self.damaged())?, self.read_tail(&tail)?))
        };
        found.into_iter().map(lease).collect()
    }

    /// Who has an address of a network.
    ///
    /// # Errors
    /// As for [`Tx::network`].
    pub fn holder(
        &self,
        network: &NetworkName,
        ip: IpAddr,
    ) -> Result<Option<AttachmentKey>, StoreError> {
        let tail = self.value(&key::lease(network, ip))?;
        tail.map(|tail| self.read_tail(tail)).transpose()
    }

    pub(crate) fn record<R: Entry>(&self, key: &[u8]) -> Result<Option<R>, StoreError> {
        self.value(key)?.map(|value| self.parse(key, value)).transpose()
    }

    pub(crate) fn value(&self, key: &[u8]) -> Result<Option<&[u8]>, StoreError> {
        let found = self.store.db.get(self.txn.txn(), key);
        found.map_err(StoreError::db(&self.store.dir))
    }

    /// What `take` makes of each entry whose key begins with `prefix`: the rest of the key, the value.
    pub(crate) fn scan<R>(
        &self,
        prefix: &[u8],
        mut take: impl FnMut(&[u8], &[u8]) -> R,
    ) -> Result<Vec<R>, StoreError> {
        let entries = self.store.db.prefix_iter(self.txn.txn(), prefix);
        let entries = entries.map_err(StoreError::db(&self.store.dir))?;
        let entries = entries.map(|entry| {
            let (key, value) = entry.map_err(StoreError::db(&self.store.dir))?;
            Ok(take(key.strip_prefix(prefix).unwrap_or_default(), value))
        });
        entries.collect()
    }

    fn records<R: Entry>(&self, prefix: &[u8]) -> Result<Vec<R>, StoreError> {
        let parsed =
            self.scan(prefix, |rest, value| self.parse(&[prefix, rest].concat(), value))?;
        parsed.into_iter().collect()
    }

    fn parse<R: Entry>(&self, key: &[u8], value: &[u8]) -> Result<R, StoreError> {
        R::read(value).map_err(|source| {
            let name = String::from_utf8_lossy(key.get(1..).unwrap_or_default());
            let what = name.replace('\0', " ");
            StoreError::Record { path: self.store.dir.clone(), what, source }
        })
    }

    pub(crate) fn read_tail(&self, tail: &[u8]) -> Result<AttachmentKey, StoreError> {
        key::read_tail(tail).ok_or_else(|| self.damaged())
    }

    pub(crate) fn damaged(&self) -> StoreError {
        StoreError::damaged(&self.store.dir)
    }
}
