//! The leases that a daemon keeps, as files beside its socket: the next daemon goes on with them.
//!
//!     /run/cni/dhcp.sock.leases/<container>.<network>.<interface>

use std::fs;
use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use ropewalk_engine::Tenant;
use ropewalk_store::DhcpLease;
use serde::{Deserialize, Serialize};

use super::word::Key;
use crate::fault::{Code, Fault};

/// A lease that is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    pub(super) key: Key,
    pub(super) tenant: Tenant,
    pub(super) lease: DhcpLease,
    /// When it was last asked for in vain, in milliseconds since 1970.
    pub(super) tried_ms: u64,
}

/// All leases of the daemon at `socket`. A file that cannot be read is none.
pub(super) fn all(socket: &Path) -> Vec<Kept> {
    let Ok(entries) = fs::read_dir(folder(socket)) else { return Vec::new() };
    let read = |path: PathBuf| serde_json::from_slice(&fs::read(path).ok()?).ok();
    entries.flatten().filter_map(|entry| read(entry.path())).collect()
}

/// Writes one, whole or not at all.
pub(super) fn write(socket: &Path, kept: &Kept) -> Result<(), Error> {
    let path = file(socket, &kept.key);
    fs::create_dir_all(folder(socket))?;
    let new = path.with_extension("new");
    fs::write(&new, serde_json::to_vec(kept)?)?;
    fs::rename(&new, &path)
}

/// Forgets one; that there is none is as well.
pub(super) fn forget(socket: &Path, key: &Key) -> Result<(), Fault> {
    let path = file(socket, key);
    match fs::remove_file(&path) {
        Err(why) if why.kind() != ErrorKind::NotFound => {
            let what = format!("cannot remove {}", path.display());
            Err(Fault::new(Code::Io, what).details(why.to_string()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Forgets those of a network that are not among the `valid`.
pub(super) fn keep(socket: &Path, network: &str, valid: &[(String, String)]) -> Result<(), Fault> {
    let over = all(socket).into_iter().filter(|kept| is_over(&kept.key, network, valid));
    over.map(|kept| forget(socket, &kept.key)).fold(Ok(()), Result::and)
}

/// True for an attachment of `network` that is not among the `valid`.
pub(super) fn is_over(key: &Key, network: &str, valid: &[(String, String)]) -> bool {
    let is = |(container, ifname): &(String, String)| {
        *container == key.container && *ifname == key.ifname
    };
    key.network == network && !valid.iter().any(is)
}

fn folder(socket: &Path) -> PathBuf {
    let mut name = socket.as_os_str().to_owned();
    name.push(".leases");
    PathBuf::from(name)
}

/// Containers, networks and interfaces have no slash in their names, which end with the interface's.
fn file(socket: &Path, key: &Key) -> PathBuf {
    let safe = |text: &str| text.replace(['/', '\0'], "_");
    let (container, network, ifname) =
        (safe(&key.container), safe(&key.network), safe(&key.ifname));
    // The lengths tell apart what the dots do not.
    folder(socket).join(format!("{}-{container}.{network}.{ifname}.lease", container.len()))
}
