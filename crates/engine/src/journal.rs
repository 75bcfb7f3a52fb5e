//! The journal: the store by single operations, each a transaction of its own.

use ropewalk_facts::{IfName, Ns};
use ropewalk_spec::NetworkName;
use ropewalk_store::{
    AttachmentKey, AttachmentRecord, Cni, Held, NetworkHead, NetworkRecord, RepairRecord, Store,
    StoreError, Writer,
};

/// The store of this host.
pub(crate) struct Journal(Store);

type Result<T> = std::result::Result<T, StoreError>;

impl Journal {
    pub(crate) fn new(store: Store) -> Self {
        Self(store)
    }

    /// Attachments come and go meanwhile, networks stay as they are.
    pub(crate) fn shared(&self) -> Result<Held> {
        self.0.share_structure()
    }

    /// Nobody else changes anything meanwhile.
    pub(crate) fn exclusive(&self) -> Result<Held> {
        self.0.lock_structure()
    }

    /// As [`Journal::exclusive`], if that is so at once.
    pub(crate) fn try_exclusive(&self) -> Result<Option<Held>> {
        self.0.try_lock_structure()
    }

    /// Nobody else changes this sandbox meanwhile.
    pub(crate) fn sandbox_lock(&self, ns: &Ns) -> Result<Held> {
        self.0.lock_sandbox(ns)
    }

    /// Nobody else of ropewalk's changes the rules of others meanwhile.
    pub(crate) fn rules_lock(&self) -> Result<Held> {
        self.0.lock_rules()
    }

    pub(crate) fn write(&self) -> Result<Writer<'_>> {
        self.0.write()
    }

    pub(crate) fn network(&self, name: &NetworkName) -> Result<Option<NetworkRecord>> {
        self.0.read()?.network(name)
    }

    pub(crate) fn network_head(&self, name: &NetworkName) -> Result<Option<NetworkHead>> {
        self.0.read()?.network_head(name)
    }

    pub(crate) fn network_heads(&self) -> Result<Vec<NetworkHead>> {
        self.0.read()?.network_heads()
    }

    pub(crate) fn networks(&self) -> Result<Vec<NetworkRecord>> {
        self.0.read()?.networks()
    }

    /// Which attachment a runtime calls so.
    pub(crate) fn key_called(&self, cni: &Cni, ifname: &IfName) -> Result<Option<AttachmentKey>> {
        self.0.read()?.key_called(cni, ifname)
    }

    /// What a runtime calls so.
    pub(crate) fn called(&self, cni: &Cni, ifname: &IfName) -> Result<Option<AttachmentRecord>> {
        self.0.read()?.called(cni, ifname)
    }

    pub(crate) fn attachments(&self) -> Result<Vec<AttachmentRecord>> {
        self.0.read()?.attachments()
    }

    pub(crate) fn attachments_of(&self, ns: &Ns) -> Result<Vec<AttachmentRecord>> {
        self.0.read()?.attachments_of(ns)
    }

    pub(crate) fn attachments_on(&self, network: &NetworkName) -> Result<Vec<AttachmentRecord>> {
        self.0.read()?.attachments_on(network)
    }

    pub(crate) fn count_on(&self, network: &NetworkName) -> Result<usize> {
        self.0.read()?.count_on(network)
    }

    pub(crate) fn put_network(&self, record: &NetworkRecord) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.put_network(record)?;
        tx.commit()
    }

    /// Writes several at once.
    pub(crate) fn put_networks<'a>(
        &self,
        records: impl IntoIterator<Item = &'a NetworkRecord>,
    ) -> Result<()> {
        let mut tx = self.0.write()?;
        records.into_iter().try_for_each(|record| tx.put_network(record))?;
        tx.commit()
    }

    /// Removes the network `name`, and writes what `others` have inherited.
    pub(crate) fn replace_network(
        &self,
        name: &NetworkName,
        others: &[NetworkRecord],
    ) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.remove_network(name)?;
        others.iter().try_for_each(|other| tx.put_network(other))?;
        tx.commit()
    }

    pub(crate) fn put_attachment(&self, record: &AttachmentRecord) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.put(record)?;
        tx.commit()
    }

    /// Removes the attachment `key`, and writes what `others` have inherited.
    pub(crate) fn replace_attachment(
        &self,
        key: &AttachmentKey,
        others: &[AttachmentRecord],
    ) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.remove(key)?;
        others.iter().try_for_each(|other| tx.put(other))?;
        tx.commit()
    }

    /// Repairs that were not undone, the first one first.
    pub(crate) fn repairs(&self) -> Result<Vec<RepairRecord>> {
        self.0.read()?.repairs()
    }

    pub(crate) fn put_repair(&self, record: &RepairRecord) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.put_repair(record)?;
        tx.commit()
    }

    pub(crate) fn remove_repair(&self, id: u32) -> Result<()> {
        let mut tx = self.0.write()?;
        tx.remove_repair(id)?;
        tx.commit()
    }
}
