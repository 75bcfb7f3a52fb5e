//! What can go wrong with the state folder, and what is not there to be had.

use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use heed::MdbError;
use ipnet::IpNet;
use ropewalk_facts::Ns;
use ropewalk_spec::{NetworkName, Problem, Publish};

use crate::record::AttachmentKey;

/// Why the store refused.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be made, read or written.
    #[error("cannot use {path}: {source}")]
    Folder {
        /// Which.
        path: PathBuf,
        /// The kernel's words.
        source: io::Error,
    },
    /// The path of the state folder leads to something else.
    #[error("{path} is not a folder")]
    NotAFolder {
        /// The path.
        path: PathBuf,
    },
    /// Others may write in the folder.
    #[error("{path} belongs to others or is open to them (owner {uid}, mode {mode:03o})")]
    Exposed {
        /// The folder.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Its permission bits.
        mode: u32,
    },
    /// There is a database that ropewalk did not make.
    #[error("{path} is not ropewalk's")]
    Foreign {
        /// The database.
        path: PathBuf,
    },
    /// The state was made in another network namespace.
    #[error("the state in {path} belongs to another network namespace")]
    OtherNetns {
        /// The folder.
        path: PathBuf,
        /// The cookie of the namespace it belongs to.
        found: u64,
        /// The cookie of this one.
        own: u64,
    },
    /// The state was made by a version that writes it differently.
    #[error("{path} was made by another version of ropewalk")]
    Version {
        /// The file that says so.
        path: PathBuf,
    },
    /// The database is damaged.
    #[error("{path} is damaged")]
    Corrupt {
        /// The file.
        path: PathBuf,
    },
    /// A record of the database cannot be read.
    #[error("the record of {what} in {path} cannot be read: {source}")]
    Record {
        /// The folder.
        path: PathBuf,
        /// What it is the record of.
        what: String,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// There is no room for more.
    #[error("{path} is full")]
    Full {
        /// The folder.
        path: PathBuf,
    },
    /// The database refused for another reason.
    #[error("the database in {path} failed: {source}")]
    Database {
        /// The folder.
        path: PathBuf,
        /// Its words.
        source: Box<heed::Error>,
    },
    /// The name of a namespace is too long to be a key, or holds a zero byte.
    #[error("the name of the sandbox {ns} is too long")]
    Key {
        /// The namespace.
        ns: Ns,
    },
    /// All addresses of a subnet are taken.
    #[error("network {network} has no free address left in {subnet} ({size} in all)")]
    Exhausted {
        /// The network.
        network: NetworkName,
        /// The subnet.
        subnet: IpNet,
        /// How many addresses it has for sandboxes.
        size: u128,
    },
    /// An address is taken.
    #[error("{ip} of network {network} is taken by {holder}")]
    Taken {
        /// The address.
        ip: IpAddr,
        /// The network.
        network: NetworkName,
        /// Who has it.
        holder: Box<AttachmentKey>,
    },
    /// An address cannot be leased.
    #[error("network {network}: {problem}")]
    Unusable {
        /// The network.
        network: NetworkName,
        /// What is wrong with the address.
        problem: Box<Problem>,
    },
    /// A port of the host is taken.
    #[error("port {port}/{} of the host is taken by {holder}", publish.proto)]
    PortTaken {
        /// The publication that asks for it.
        publish: Publish,
        /// The port.
        port: u16,
        /// Who has it.
        holder: Box<AttachmentKey>,
    },
    /// A network cannot go while it has attachments.
    #[error("network {network} has {count} attachments")]
    InUse {
        /// The network.
        network: NetworkName,
        /// How many.
        count: usize,
    },
}

impl StoreError {
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |source| {
            let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded];
            let full = full.contains(&source.kind()) || cut_short(&path, &source);
            if full { Self::Full { path } } else { Self::Folder { path, source } }
        }
    }

    pub(crate) fn db(dir: &Path) -> impl FnOnce(heed::Error) -> Self {
        let path = dir.to_owned();
        |error| {
            let kind = match error {
                heed::Error::Io(source) => return Self::io(&path)(source),
                heed::Error::Mdb(kind) => kind,
                heed::Error::Encoding(_)
                | heed::Error::Decoding(_)
                | heed::Error::EnvAlreadyOpened => {
                    return Self::Database { path, source: Box::new(error) };
                }
            };
            let full = [MdbError::MapFull, MdbError::TxnFull];
            let damaged = [
                MdbError::Invalid,
                MdbError::VersionMismatch,
                MdbError::Corrupted,
                MdbError::PageNotFound,
            ];
            if full.contains(&kind) {
                Self::Full { path }
            } else if damaged.contains(&kind) {
                Self::damaged(&path)
            } else {
                Self::Database { path, source: Box::new(error) }
            }
        }
    }

    pub(crate) fn damaged(dir: &Path) -> Self {
        Self::Corrupt { path: dir.join("data.mdb") }
    }
}

/// Less room than this in a file system is none for the database.
const LEAST_ROOM: u64 = 256 << 10;

/// True when a write that the database calls an I/O error was cut short for want of room
/// (`mdb_page_flush` in LMDB's mdb.c).
fn cut_short(path: &Path, error: &io::Error) -> bool {
    let room = || {
        let found = rustix::fs::statvfs(path).ok()?;
        Some(found.f_bavail.saturating_mul(found.f_frsize))
    };
    let io = error.raw_os_error() == Some(rustix::io::Errno::IO.raw_os_error());
    io && room().is_some_and(|room| room < LEAST_ROOM)
}
