//! Every network namespace of this machine, found and read.
//!
//!     /run/netns/* · /run/docker/netns/* · /proc/PID/ns/net      one each, the first name counts
//!
//! Never here: what the namespaces are for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use ropewalk_facts::seen::{Scan, Seen};
use ropewalk_facts::{Body, Ns, Snapshot};

use crate::error::Error;
use crate::netns;
use crate::space::Kernel;

/// A namespace under the name that it is called by.
#[derive(Debug)]
pub struct Found {
    /// The name.
    pub ns: Ns,
    /// The namespace.
    pub fd: OwnedFd,
    /// The first process that lives there.
    pub pid: Option<u32>,
}

/// Folders with a file for each namespace, and what the names of those begin with.
const FOLDERS: [(&str, &str); 2] = [(netns::DIR, "netns:"), ("/run/docker/netns", "sandbox:")];

/// All namespaces but that of this thread. Those that vanish meanwhile are left out.
#[must_use]
pub fn spaces() -> Vec<Found> {
    let mut known: BTreeSet<u64> =
        netns::current().ok().and_then(|fd| inode(&fd)).into_iter().collect();
    let lives = processes();
    let mut all = Vec::new();
    let mut take = |ns: String, path: &Path| {
        let Ok(fd) = netns::open_path(path) else { return };
        if let Some(inode) = inode(&fd).filter(|inode| known.insert(*inode)) {
            all.push(Found { ns: Ns::new(ns), fd, pid: lives.get(&inode).copied() });
        }
    };
    for (folder, kind) in FOLDERS {
        for name in sorted(folder) {
            take(format!("{kind}{name}"), &Path::new(folder).join(&name));
        }
    }
    let mut rest: Vec<u32> = lives.values().copied().collect();
    rest.sort_unstable();
    for pid in rest {
        take(format!("pid:{pid}"), &file_of(pid));
    }
    all
}

/// By namespace, the process with the lowest number that lives there.
fn processes() -> BTreeMap<u64, u32> {
    let mut pids: Vec<u32> = sorted("/proc").iter().filter_map(|name| name.parse().ok()).collect();
    pids.sort_unstable();
    let mut all = BTreeMap::new();
    for pid in pids {
        if let Ok(found) = fs::metadata(file_of(pid)) {
            all.entry(found.ino()).or_insert(pid);
        }
    }
    all
}

fn file_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/ns/net"))
}

fn sorted(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    names
}

fn inode(fd: &OwnedFd) -> Option<u64> {
    rustix::fs::fstat(fd).ok().map(|stat| stat.st_ino)
}

impl Kernel {
    /// Reads the namespaces that are open under these names. One that vanishes meanwhile, or may
    /// not be read, is left out.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]
    pub fn scan(&mut self, names: &[Ns]) -> Result<Scan, Error> {
        self.scan_in_part(names, |_| true)
    }

    /// The same; of those that are not `whole`, without rules, sockets and most settings, for a
    /// fraction of the time.
    ///
    /// # Errors
    /// As for [`Kernel::scan`].
    pub fn scan_in_part(
        &mut self,
        names: &[Ns],
        whole: impl Fn(&Ns) -> bool,
    ) -> Result<Scan, Error> {
        // The links of all come first, so that no pair has to be asked where it leads.
        let mut links = BTreeMap::new();
        for ns in names {
            self.space(ns)?;
            links.insert(ns, self.learn_links(ns).ok());
        }
        let mut scan = Scan { version: Scan::VERSION, ..Scan::default() };
        let mut parts: Vec<Snapshot> = Vec::new();
        for (ns, links) in links {
            let Some(look) = links.and_then(|links| self.look(ns, links).ok()) else { continue };
            let Ok(mut seen) = self.read_bare(ns, &look) else { continue };
            let mut facts = look.facts;
            if whole(ns) && self.complete(ns, &mut facts, &mut seen).is_err() {
                continue;
            }
            parts.push(facts.into_iter().map(|body| body.at(ns.clone())).collect());
            scan.seen.insert(ns.clone(), seen);
        }
        scan.facts = Snapshot::join(parts);
        Ok(scan)
    }

    /// Reads what rtnetlink does not tell.
    fn complete(&mut self, ns: &Ns, facts: &mut Vec<Body>, seen: &mut Seen) -> Result<(), Error> {
        let (rest, whole) = self.read_rest(ns)?;
        facts.extend(rest);
        if !whole {
            seen.gaps.push("tables of iptables-legacy".to_owned());
        }
        self.read_seen(ns, seen)
    }
}
