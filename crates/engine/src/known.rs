//! Which networks there are, made or only defined, and what is on them.
//!
//!     ropewalk network ls · ropewalk network inspect web
//!
//! Never here: making and removing them (`network`).

use ropewalk_plan::Plan;
use ropewalk_spec::{Network, NetworkName};
use ropewalk_store::{NetworkRecord, Origin, State};

use crate::Engine;
use crate::code::Code;
use crate::fault::Fault;
use crate::view::{self, NetworkView, Row};

/// The plan of a network that is only defined.
fn inactive(network: Network, path: std::path::PathBuf) -> NetworkRecord {
    NetworkRecord {
        mtu: network.mtu.unwrap_or_default(),
        network,
        origin: Origin::File(path),
        uplink: None,
        parent: None,
        plan: Plan::new(),
        changes: Vec::new(),
        state: State::Pending,
        with_definition: false,
        trial_until_ms: None,
        shared: Vec::new(),
        created_ms: 0,
    }
}

impl Engine {
    /// All networks, made or only defined, by name.
    ///
    /// # Errors
    /// [`Code::StateUnusable`], [`Code::BadFile`].
    pub fn networks(&self) -> Result<Vec<NetworkView>, Fault> {
        let mut all = self.store.networks()?;
        for name in self.definitions.names()? {
            if !all.iter().any(|record| record.network.name == name) {
                let network = self.definitions.read(&name)?;
                all.extend(network.map(|n| inactive(n, self.definitions.path(&name))));
            }
        }
        all.sort_by(|a, b| a.network.name.cmp(&b.network.name));
        all.iter().map(|record| self.view(record)).collect()
    }

    /// One network with what is attached to it.
    ///
    /// # Errors
    /// [`Code::NetworkUnknown`].
    pub fn network(&self, name: &NetworkName) -> Result<NetworkView, Fault> {
        let record = match self.store.network(name)? {
            Some(record) => record,
            None => match self.definitions.read(name)? {
                Some(network) => inactive(network, self.definitions.path(name)),
                None => return Err(self.unknown(name)),
            },
        };
        let mut view = self.view(&record)?;
        view.sandboxes = self.rows(&self.store.attachments_on(name)?);
        Ok(view)
    }

    /// What is attached to a network that is made.
    ///
    /// # Errors
    /// [`Code::NetworkUnknown`].
    pub fn rows_on(&self, name: &NetworkName) -> Result<Vec<Row>, Fault> {
        let made = self.store.network_head(name)?.is_some();
        if !made && self.definitions.read(name)?.is_none() {
            return Err(self.unknown(name));
        }
        Ok(self.rows(&self.store.attachments_on(name)?))
    }

    fn view(&self, record: &NetworkRecord) -> Result<NetworkView, Fault> {
        let name = &record.network.name;
        let origin = match &record.origin {
            Origin::Command => self.definitions.path(name).display().to_string(),
            other @ (Origin::File(_) | Origin::Cni(_)) => view::origin(other),
        };
        let network = self.whole(&record.network)?;
        Ok(view::network(record, &network, origin, self.store.count_on(name)?))
    }

    /// A network as it is defined.
    ///
    /// # Errors
    /// [`Code::NetworkUnknown`].
    pub fn definition(&self, name: &NetworkName) -> Result<Network, Fault> {
        let made = self.store.network(name)?.map(|record| record.network);
        let known = match made {
            Some(network) => Some(network),
            None => self.definitions.read(name)?,
        };
        known.ok_or_else(|| self.unknown(name))
    }

    /// The fault that there is no such network.
    pub(crate) fn unknown(&self, name: &NetworkName) -> Fault {
        let known = self.networks().unwrap_or_default();
        let names: Vec<&str> = known.iter().map(|view| view.name.as_str()).collect();
        let fault = Fault::new(Code::NetworkUnknown, format!("there is no network {name}"));
        if names.is_empty() {
            fault.or_try(format!("ropewalk network create {name} --subnet 192.168.15.0/24"))
        } else {
            fault.cause(format!("there are: {}", names.join(", "))).or_try("ropewalk network ls")
        }
    }
}
