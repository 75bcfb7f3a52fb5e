//! Which process has a socket open. Asked only when a port turns out to be taken.
//!
//!     inode 4711  →  readlink /proc/*/fd/* = socket:[4711]  →  pid 812, nginx
//!
//! Never here: which socket holds the port.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A process that holds something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Holder {
    /// Its number.
    pub pid: u32,
    /// Its command (`/proc/PID/comm`).
    pub command: String,
}

/// The first process found for each of the sockets with these inodes. Processes that may not be
/// looked into are passed over.
pub(crate) fn holders(inodes: &BTreeSet<u64>) -> BTreeMap<u64, Holder> {
    let mut found = BTreeMap::new();
    let Ok(processes) = fs::read_dir("/proc") else { return found };
    for process in processes.flatten() {
        let name = process.file_name();
        let Some(pid) = name.to_str().and_then(|n| n.parse().ok()) else { continue };
        for inode in sockets(&process.path()).filter(|inode| inodes.contains(inode)) {
            found.entry(inode).or_insert_with(|| Holder { pid, command: command(&process.path()) });
        }
        if found.len() == inodes.len() {
            break;
        }
    }
    found
}

/// The inodes of the sockets that a process has open.
fn sockets(process: &Path) -> impl Iterator<Item = u64> {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    files.filter_map(|file| {
        let target = fs::read_link(file.path()).ok()?;
        target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
    })
}

fn command(process: &Path) -> String {
    let comm = fs::read_to_string(process.join("comm")).unwrap_or_default();
    comm.trim_end().to_owned()
}
