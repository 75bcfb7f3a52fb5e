//! Writing: records, and what follows from them.
//!
//!     let mut tx = store.write()?;
//!     let ip = tx.lease(&web, &subnet, None, &key)?;     the next free address
//!     tx.put(&record_with(ip))?;                         record, lease, claims, index: all or none
//!     tx.commit()?;
//!
//! Putting a record takes what it has gained and gives back what it has lost against the one before.

use std::net::IpAddr;

use heed::RwTxn;
use ipnet::IpNet;
use ropewalk_spec::{NetworkName, Subnet, pool};
use serde::Serialize;

use crate::error::StoreError;
use crate::key;
use crate::read::Tx;
use crate::record::{
    AttachmentKey, AttachmentRecord, Holding, NetworkRecord, Origin, RepairRecord, Works,
};

/// A transaction that writes.
pub type Writer<'s> = Tx<'s, RwTxn<'s>>;

impl Writer<'_> {
    /// Chooses an address for an attachment: `wish` if that is free, else the next after the one
    /// chosen last. It is leased by the [`Tx::put`] of a record that has it.
    ///
    /// # Errors
    /// The wish is taken or unusable, or none is free.
    pub fn lease(
        &mut self,
        network: &NetworkName,
        subnet: &Subnet,
        wish: Option<IpAddr>,
        key: &AttachmentKey,
    ) -> Result<IpAddr, StoreError> {
        if let Some(ip) = wish {
            self.check_wish(network, subnet, ip, key)?;
            return Ok(ip);
        }
        let cursor = key::cursor(network, subnet.net);
        let last = self.value(&cursor)?.and_then(|text| std::str::from_utf8(text).ok());
        let last = last.and_then(|text| text.parse().ok());
        let mut failed = None;
        let ip = pool::next(subnet, last, |ip| match self.value(&key::lease(network, ip)) {
            Ok(holder) => holder.is_some(),
            Err(error) => {
                failed = Some(error);
                false
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let exhausted = || StoreError::Exhausted {
            network: network.clone(),
            subnet: subnet.net,
            size: pool::size(subnet),
        };
        let ip = ip.ok_or_else(exhausted)?;
        self.set(&cursor, ip.to_string().as_bytes())?;
        Ok(ip)
    }

    fn check_wish(
        &self,
        network: &NetworkName,
        subnet: &Subnet,
        ip: IpAddr,
        key: &AttachmentKey,
    ) -> Result<(), StoreError> {
        subnet.check(ip).map_err(|problem| StoreError::Unusable {
            network: network.clone(),
            problem: Box::new(problem),
        })?;
        self.check_free(network, ip, key)
    }

    fn check_free(
        &self,
        network: &NetworkName,
        ip: IpAddr,
        key: &AttachmentKey,
    ) -> Result<(), StoreError> {
        match self.holder(network, ip)?.filter(|holder| holder != key) {
            Some(holder) => {
                let (network, holder) = (network.clone(), Box::new(holder));
                Err(StoreError::Taken { ip, network, holder })
            }
            None => Ok(()),
        }
    }

    /// Writes the record of an attachment, with its leases, its claims and its place on the network.
    ///
    /// # Errors
    /// An address or a port of it is taken by another; then the transaction is to be dropped.
    pub fn put(&mut self, record: &AttachmentRecord) -> Result<(), StoreError> {
        let key = record.key();
        let tail = key::tail(&key)?;
        let old = self.holding(&tail)?;
        let moved = old.network.as_ref() != Some(&record.network);
        let kept =
            |list: &[IpNet], net: &IpNet| !moved && list.iter().any(|n| n.addr() == net.addr());
        for net in old.addresses.iter().filter(|net| !kept(&record.addresses, net)) {
            self.release(old.network.as_ref(), *net)?;
        }
        if let Some(network) = old.network.as_ref().filter(|_| moved) {
            self.delete(&key::index(network, &tail))?;
        }
        let (held, wanted) = (old.ports(), record.ports());
        for publish in held.iter().filter(|publish| !wanted.contains(publish)) {
            self.unclaim(publish)?;
        }
        for net in record.addresses.iter().filter(|net| !kept(&old.addresses, net)) {
            self.check_free(&record.network, net.addr(), &key)?;
            self.set(&key::lease(&record.network, net.addr()), &tail)?;
        }
        for publish in wanted.iter().filter(|publish| !held.contains(publish)) {
            self.claim(publish, &tail)?;
        }
        if moved {
            self.set(&key::index(&record.network, &tail), &[])?;
        }
        if old.origin.as_ref() != Some(&record.origin) {
            self.uncall(&old, &key)?;
            if let Some(cni) = record.origin.cni() {
                self.set(&key::called(cni, &key.ifname), &tail)?;
            }
        }
        self.set_record(&key::attachment(&tail), record)
    }

    /// Removes the record of an attachment and all it has; false if there is none.
    ///
    /// # Errors
    /// The database failed, or the record is damaged.
    pub fn remove(&mut self, key: &AttachmentKey) -> Result<bool, StoreError> {
        let tail = key::tail(key)?;
        let old = self.holding(&tail)?;
        for net in &old.addresses {
            self.release(old.network.as_ref(), *net)?;
        }
        for publish in &old.ports() {
            self.unclaim(publish)?;
        }
        if let Some(network) = &old.network {
            self.delete(&key::index(network, &tail))?;
        }
        self.uncall(&old, key)?;
        self.delete(&key::attachment(&tail))
    }

    /// Writes the record of a network.
    ///
    /// # Errors
    /// The database failed.
    pub fn put_network(&mut self, record: &NetworkRecord) -> Result<(), StoreError> {
        let works = Works { plan: &record.plan, changes: &record.changes };
        self.set_record(&key::works(&record.network.name), &works)?;
        self.set_record(&key::network(&record.network.name), record)
    }

    /// Removes the record of a network; false if there is none.
    ///
    /// # Errors
    /// It has attachments.
    pub fn remove_network(&mut self, name: &NetworkName) -> Result<bool, StoreError> {
        let count = self.count_on(name)?;
        if count > 0 {
            return Err(StoreError::InUse { network: name.clone(), count });
        }
        let prefix = key::cursors_of(name);
        for cursor in self.scan(&prefix, |rest, _| [&prefix, rest].concat())? {
            self.delete(&cursor)?;
        }
        self.delete(&key::works(name))?;
        self.delete(&key::network(name))
    }

    /// Writes the record of a repair.
    ///
    /// # Errors
    /// The database failed.
    pub fn put_repair(&mut self, record: &RepairRecord) -> Result<(), StoreError> {
        self.set_record(&key::repair(record.id), record)
    }

    /// Removes the record of a repair; false if there is none.
    ///
    /// # Errors
    /// The database failed.
    pub fn remove_repair(&mut self, id: u32) -> Result<bool, StoreError> {
        self.delete(&key::repair(id))
    }

    /// Makes what was written seen by all.
    ///
    /// # Errors
    /// There is no room, or the database failed; then nothing is written.
    pub fn commit(self) -> Result<(), StoreError> {
        self.txn.commit().map_err(StoreError::db(&self.store.dir))
    }

    /// Forgets what a runtime called an attachment.
    fn uncall(&mut self, old: &Holding, key: &AttachmentKey) -> Result<(), StoreError> {
        let cni = old.origin.as_ref().and_then(Origin::cni);
        cni.map_or(Ok(()), |cni| self.delete(&key::called(cni, &key.ifname)).map(|_| ()))
    }

    fn holding(&self, tail: &[u8]) -> Result<Holding, StoreError> {
        Ok(self.record(&key::attachment(tail))?.unwrap_or_default())
    }

    fn release(&mut self, network: Option<&NetworkName>, net: IpNet) -> Result<(), StoreError> {
        if let Some(network) = network {
            self.delete(&key::lease(network, net.addr()))?;
        }
        Ok(())
    }

    fn set_record<R: Serialize>(&mut self, key: &[u8], record: &R) -> Result<(), StoreError> {
        let value = serde_json::to_vec(record).map_err(|source| {
            let what = String::from_utf8_lossy(key).replace('\0', " ");
            StoreError::Record { path: self.store.dir.clone(), what, source }
        })?;
        self.set(key, &value)
    }

    pub(crate) fn set(&mut self, key: &[u8], value: &[u8]) -> Result<(), StoreError> {
        let put = self.store.db.put(&mut self.txn, key, value);
        put.map_err(StoreError::db(&self.store.dir))
    }

    pub(crate) fn delete(&mut self, key: &[u8]) -> Result<bool, StoreError> {
        let deleted = self.store.db.delete(&mut self.txn, key);
        deleted.map_err(StoreError::db(&self.store.dir))
    }
}
