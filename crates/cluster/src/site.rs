//! What a host keeps of its cluster in files.
//!
//!     /etc/ropewalk/cluster.toml    which store, who this host is: outlives a reboot
//!     /etc/ropewalk/cluster-networks.json    which networks were defined for it
//!     /run/ropewalk/cluster.json    its journal, and the networks that were made
//!
//! Each is written whole or not at all.  Who makes something of the cluster's holds the host's part in it
//! meanwhile, so that after [`Site::forget`] nothing more is made.  Never here: the store.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ropewalk_spec::NetworkName;
use serde::{Deserialize, Serialize};

use crate::id::HostId;
use crate::keep::etcd::{Access, Address, Etcd};
use crate::keep::{Either, Embedded};
use crate::own::{Alarm, Journal};
use crate::record::Host;
use crate::wish::Wish;

/// The address of the host's own store.
pub const HERE: &str = "here";

/// Who this host is, and where its store is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// The store.
    pub store: String,
    /// The cluster.
    pub cluster: String,
    /// The host.
    pub id: HostId,
    /// Made when it joined.
    pub token: String,
    /// How often it has joined.
    pub generation: u64,
    /// What people call it.
    pub name: String,
    /// Where the other hosts reach it.
    pub addresses: Vec<IpAddr>,
    /// The file of who signed the store's certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The file of the host's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert: Option<PathBuf>,
    /// The file of its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<PathBuf>,
    /// The file of the user's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
}

/// What the agent remembers until a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The journal.
    pub journal: Journal,
    /// The networks that were made or begun, as they were wished for.
    #[serde(default)]
    pub made: BTreeMap<NetworkName, Wish>,
    /// Those that are not known to be whole: written down before anything is there.
    #[serde(default)]
    pub begun: BTreeSet<NetworkName>,
    /// What a person should know.
    #[serde(default)]
    pub alarms: BTreeSet<Alarm>,
    /// What could not be done.
    #[serde(default)]
    pub faults: BTreeSet<String>,
    /// How far it is.
    #[serde(default)]
    pub progress: Progress,
    /// Why the store is away; none when it is there.
    #[serde(default)]
    pub away: Option<String>,
}

/// How far the agent is with what it hears.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The revision of the store that the kernel is as of.
    pub revision: u64,
    /// When the store was heard last: seconds since 1970.
    pub heard: u64,
    /// How long it took from there to the kernel, in milliseconds.
    pub took_ms: u64,
    /// How much was put right on this host since the agent began.
    pub repaired: u64,
}

/// The networks of the cluster that have a definition on this host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Defined {
    /// As of which revision of the store: one that is behind has forgotten, and says nothing of them.
    pub revision: u64,
    /// Which.
    pub networks: BTreeSet<NetworkName>,
}

/// Where that is kept.
const DEFINED: &str = "cluster-networks.json";

/// A file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use {}: {why}", path.display())]
pub struct Unusable {
    /// The file.
    pub path: PathBuf,
    /// In the words of whoever tried.
    pub why: String,
}

impl Site {
    /// Where it is kept.
    #[must_use]
    pub fn path(config: &Path) -> PathBuf {
        config.join("cluster.toml")
    }

    /// Reads it; none when the host is in no cluster.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(config: &Path) -> Result<Option<Self>, Unusable> {
        let path = Self::path(config);
        let Some(text) = text(&path)? else { return Ok(None) };
        toml::from_str(&text).map(Some).map_err(unusable(&path))
    }

    /// Writes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, config: &Path) -> Result<(), Unusable> {
        let path = Self::path(config);
        let text = toml::to_string(self).map_err(unusable(&path))?;
        write(&path, &text)
    }

    /// The host's part in its cluster, for nobody else to change until this is dropped; none when
    /// it is not this one any more.
    ///
    /// # Errors
    /// A file cannot be read, or locked.
    pub fn hold(&self, config: &Path, state: &Path) -> Result<Option<Held>, Unusable> {
        let held = lock(state)?;
        let same = Self::read(config)?.as_ref() == Some(self);
        Ok(same.then_some(held))
    }

    /// The host is in no cluster from here on: its agent, where one is at work, has ended its step.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(config: &Path, state: &Path) -> Result<(), Unusable> {
        let _held = lock(state)?;
        absent(&Self::path(config))
    }

    /// A store of the host's own goes, with its lock.
    ///
    /// # Errors
    /// A file cannot be removed.
    pub fn forget_store(config: &Path) -> Result<(), Unusable> {
        let path = Self::own_store(config);
        absent(&path)?;
        absent(&path.with_extension("lock"))
    }

    /// The networks of the cluster that were defined here, which a reboot does not forget.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn defined(config: &Path) -> Result<Defined, Unusable> {
        let path = config.join(DEFINED);
        match text(&path)? {
            Some(text) => serde_json::from_str(&text).map_err(unusable(&path)),
            None => Ok(Defined::default()),
        }
    }

    /// Writes which they are.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn define(config: &Path, defined: &Defined) -> Result<(), Unusable> {
        let path = config.join(DEFINED);
        if defined.networks.is_empty() {
            return absent(&path);
        }
        write(&path, &serde_json::to_string(defined).map_err(unusable(&path))?)
    }

    /// Whether the store is the host's own.
    #[must_use]
    pub fn alone(&self) -> bool {
        self.store == HERE
    }

    /// The store. Nothing is sent yet.
    ///
    /// # Errors
    /// The address makes no sense, or a file cannot be read.
    pub fn open(&self, config: &Path) -> Result<Either, Unusable> {
        match self.alone() {
            true => Ok(Either::Here(Embedded::new(Self::own_store(config)))),
            false => self.access().map(|access| Either::Etcd(Box::new(Etcd::new(access)))),
        }
    }

    /// Where the host's own store is kept.
    #[must_use]
    pub fn own_store(config: &Path) -> PathBuf {
        config.join("cluster-store.json")
    }

    /// How a store of etcd is reached.
    ///
    /// # Errors
    /// The address makes no sense, or a file cannot be read.
    pub fn access(&self) -> Result<Access, Unusable> {
        let address: Address = self.store.parse().map_err(unusable(Path::new(&self.store)))?;
        let bytes = |path: &Option<PathBuf>| match path {
            Some(path) => std::fs::read(path).map(Some).map_err(unusable(path)),
            None => Ok(None),
        };
        let password = bytes(&self.password_file)?;
        let password = password.map(|bytes| String::from_utf8_lossy(&bytes).trim_end().to_owned());
        let identity = bytes(&self.cert)?.zip(bytes(&self.key)?);
        Ok(Access { address, password, ca: bytes(&self.ca)?, identity })
    }

    /// The journal of a host that remembers nothing else.
    #[must_use]
    pub fn journal(&self) -> Journal {
        let me = Host {
            name: self.name.clone(),
            token: self.token.clone(),
            generation: self.generation,
            addresses: self.addresses.clone(),
            mtu: None,
        };
        Journal::new(self.id.clone(), me, self.cluster.clone())
    }
}

impl Memory {
    /// Where it is kept.
    #[must_use]
    pub fn path(state: &Path) -> PathBuf {
        state.join("cluster.json")
    }

    /// Reads it, or begins a new one for `site`.
    ///
    /// # Errors
    /// The file cannot be read or understood.
    pub fn read(state: &Path, site: &Site) -> Result<Self, Unusable> {
        let path = Self::path(state);
        let kept: Option<Self> = match text(&path)? {
            Some(text) => Some(serde_json::from_str(&text).map_err(unusable(&path))?),
            None => None,
        };
        // Of an earlier life nothing is left but what was made.
        let own = |memory: &Self| {
            memory.journal.host == site.id
                && memory.journal.cluster == site.cluster
                && memory.journal.me.token == site.token
        };
        Ok(kept.filter(own).unwrap_or_else(|| Self {
            journal: site.journal(),
            made: BTreeMap::new(),
            begun: BTreeSet::new(),
            alarms: BTreeSet::new(),
            faults: BTreeSet::new(),
            progress: Progress::default(),
            away: None,
        }))
    }

    /// What somebody has written down of a host that is not a member, or has not quite become one.
    #[must_use]
    pub fn left(state: &Path) -> Option<Self> {
        serde_json::from_str(&text(&Self::path(state)).ok()??).ok()
    }

    /// Forgets it.
    ///
    /// # Errors
    /// The file cannot be removed.
    pub fn forget(state: &Path) -> Result<(), Unusable> {
        absent(&Self::path(state))
    }

    /// Writes it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write(&self, state: &Path) -> Result<(), Unusable> {
        let path = Self::path(state);
        let text = serde_json::to_string(self).map_err(unusable(&path))?;
        write(&path, &text)
    }
}

/// The host's part in its cluster, held until it is dropped.
#[derive(Debug)]
#[must_use = "it is let go at once"]
pub struct Held(#[expect(dead_code, reason = "held, not read")] File);

fn lock(state: &Path) -> Result<Held, Unusable> {
    let path = state.join("cluster.lock");
    let mut options = File::options();
    let file = options.read(true).write(true).create(true).truncate(false).open(&path);
    let file = file.map_err(unusable(&path))?;
    file.lock().map_err(unusable(&path))?;
    Ok(Held(file))
}

fn absent(path: &Path) -> Result<(), Unusable> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(unusable(path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn text(path: &Path) -> Result<Option<String>, Unusable> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unusable(path)(error)),
    }
}

/// Whole or not at all, and for root alone.
fn write(path: &Path, text: &str) -> Result<(), Unusable> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let draft = path.with_extension("new");
    let done = || -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let mut options = std::fs::OpenOptions::new();
        let options = options.write(true).create(true).truncate(true).mode(0o600);
        options.open(&draft)?.write_all(text.as_bytes())?;
        std::fs::rename(&draft, path)
    };
    done().map_err(|error| {
        let _gone = std::fs::remove_file(&draft);
        unusable(path)(error)
    })
}

fn unusable<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> Unusable {
    move |error| Unusable { path: path.to_owned(), why: error.to_string() }
}
