//! Tables of iptables-legacy: read whole, changed whole.
//!
//!     iptables-legacy -S      iptables-legacy -A …
//!
//! Who writes holds the lock file that iptables holds, and starts again when somebody wrote all the
//! same. A table that nobody has made yet is never asked for: asking would make it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;

use ropewalk_facts::nft::{Family, TableKey};
use ropewalk_facts::{Body, Id, Key, Ns};
use ropewalk_plan::Change;
use ropewalk_wire::xt::{self, Info, Refusal, Table};
use rustix::fs::{FlockOperation, flock};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with};

use crate::errno::Errno;
use crate::error::{Doing, Error, file, sys as refused};
use crate::failpoint;
use crate::space::Kernel;
use crate::sys::xt::{Xt, xt_add_counters, xt_get, xt_replace};

/// The lock of iptables (`XT_LOCK_NAME`).
const LOCK: &str = "/run/xtables.lock";
/// How often a table that changes is read anew.
const TRIES: usize = 20;

/// The families, and where the kernel lists their tables.
const FAMILIES: [(Family, &str); 2] = [
    (Family::Iptables, "/proc/thread-self/net/ip_tables_names"),
    (Family::Ip6tables, "/proc/thread-self/net/ip6_tables_names"),
];
/// The tables of arptables-legacy, of which none is changed.
const ARP: [(Family, &str); 1] = [(Family::Arptables, "/proc/thread-self/net/arp_tables_names")];
/// The table that is read.
const FILTER: &str = "filter";
/// All others.
const OTHERS: [&str; 4] = ["nat", "mangle", "raw", "security"];

impl Kernel {
    /// True when iptables-legacy, or ip6tables-legacy, has tables in the host's namespace.
    #[must_use]
    pub fn legacy(&self, v6: bool) -> bool {
        let family = if v6 { Family::Ip6tables } else { Family::Iptables };
        let path = FAMILIES.iter().find(|(known, _)| *known == family).map(|(_, path)| *path);
        let names = || path.and_then(|path| std::fs::read_to_string(path).ok());
        self.inside(&Ns::HOST, names).is_ok_and(|names| names.is_some_and(|all| !all.is_empty()))
    }

    /// The chains and rules of the filter tables.
    pub(crate) fn read_xt(&self, ns: &Ns) -> Result<Vec<Body>, Error> {
        self.inside(ns, || tables(&FAMILIES, |name| name == FILTER))?
    }

    /// The chains and rules of all tables that are no filter tables, and those of ARP. They are seen, never
    /// stated.
    pub(crate) fn read_xt_others(&self, ns: &Ns) -> Result<Vec<Body>, Error> {
        self.inside(ns, || {
            let mut all = tables(&FAMILIES, |name| OTHERS.contains(&name))?;
            all.extend(tables(&ARP, |_| true)?);
            Ok(all)
        })?
    }

    /// Those of the tables that `ids` are in.
    pub(crate) fn read_xt_ids(&self, ns: &Ns, ids: &[&Id]) -> Result<Vec<Body>, Error> {
        if ids.is_empty() { Ok(Vec::new()) } else { self.read_xt(ns) }
    }

    /// Makes one change of a chain or rule.
    pub(crate) fn write_xt(&self, change: &Change) -> Result<(), Error> {
        self.inside(&change.key.ns, || write(change))?
    }
}

/// The table that an object is in.
fn table_of(key: &Key) -> Option<&TableKey> {
    if let Id::Chain(chain) = &key.id {
        Some(&chain.table)
    } else if let Id::NftRule(rule) = &key.id {
        Some(&rule.chain.table)
    } else {
        None
    }
}

fn write(change: &Change) -> Result<(), Error> {
    let doing = match (&change.old, &change.new) {
        (None, _) => Doing::Create,
        (_, None) => Doing::Delete,
        _ => Doing::Change,
    };
    let gone = || Error::sys(doing, Errno::NOENT);
    let key =
        table_of(&change.key).ok_or_else(|| Error::Impossible(Box::new(change.key.clone())))?;
    let _lock = lock()?;
    let mut tries = TRIES;
    loop {
        let mut table = read(key.family, &key.table)?.ok_or_else(gone)?;
        let body =
            |fact: &Option<ropewalk_facts::Fact>| fact.as_ref().map(|fact| fact.body.clone());
        let (old, new) = (body(&change.old), body(&change.new));
        table.change(old.as_ref(), new.as_ref()).map_err(|refusal| match refusal {
            Refusal::Absent => gone(),
            Refusal::Exists => Error::sys(doing, Errno::EXIST),
            Refusal::Busy => Error::sys(doing, Errno::BUSY),
            Refusal::Unknown => Error::Impossible(Box::new(change.key.clone())),
        })?;
        failpoint::hit("iptables table");
        match replace(key.family, &table) {
            Err(error) if error.errno() == Some(Errno::AGAIN) && tries > 0 => tries -= 1,
            other => return other,
        }
    }
}

/// Waits until nobody else writes.
fn lock() -> Result<File, Error> {
    let open = OpenOptions::new().create(true).append(true).mode(0o600).open(LOCK);
    let lock = open.map_err(file(Doing::Change))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(refused(Doing::Change))?;
    Ok(lock)
}

/// What is in the tables that have been made and are wanted.
fn tables(families: &[(Family, &str)], wanted: impl Fn(&str) -> bool) -> Result<Vec<Body>, Error> {
    let mut all = Vec::new();
    for (family, path) in families {
        for name in made(path)?.lines().filter(|name| wanted(name)) {
            all.extend(fetch(*family, name)?.facts());
        }
    }
    Ok(all)
}

/// The table, if it has been made.
fn read(family: Family, name: &str) -> Result<Option<Table>, Error> {
    let path = FAMILIES.iter().find(|(known, _)| *known == family).map(|(_, path)| *path);
    let names = path.map(made).transpose()?.unwrap_or_default();
    names.lines().find(|line| *line == name).map(|name| fetch(family, name)).transpose()
}

fn fetch(family: Family, name: &str) -> Result<Table, Error> {
    let (socket, level) = open(family)?;
    let arp = family == Family::Arptables;
    let (what, all) = if arp { (Xt::ArpInfo, Xt::ArpEntries) } else { (Xt::Info, Xt::Entries) };
    for _ in 0..TRIES {
        let mut info = xt::info_question(family, name);
        xt_get(socket.as_fd(), level, what, &mut info).map_err(refused(Doing::Read))?;
        let info = Info::read(family, name, &info).ok_or_else(nonsense)?;
        let mut entries = xt::entries_question(&info);
        match xt_get(socket.as_fd(), level, all, &mut entries) {
            Ok(()) => return Table::read(family, &info, &entries).ok_or_else(nonsense),
            // Its size has changed meanwhile.
            Err(rustix::io::Errno::AGAIN) => {}
            Err(errno) => return Err(Error::sys(Doing::Read, errno)),
        }
    }
    Err(Error::sys(Doing::Read, Errno::AGAIN))
}

/// The names of the tables that have been made, one a line.
fn made(path: &str) -> Result<String, Error> {
    match std::fs::read_to_string(path) {
        Ok(names) => Ok(names),
        // A kernel without them.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        Err(error) => Err(file(Doing::Read)(error)),
    }
}

fn replace(family: Family, table: &Table) -> Result<(), Error> {
    let (socket, level) = open(family)?;
    let mut new = table.replacement().ok_or_else(nonsense)?;
    let mut old = vec![0; new.counters];
    xt_replace(socket.as_fd(), level, &mut new.block, &mut old).map_err(refused(Doing::Change))?;
    xt_add_counters(socket.as_fd(), level, &new.give_back(&old)).map_err(refused(Doing::Change))
}

fn open(family: Family) -> Result<(OwnedFd, libc::c_int), Error> {
    let (domain, level) = if family == Family::Ip6tables {
        (AddressFamily::INET6, libc::IPPROTO_IPV6)
    } else {
        (AddressFamily::INET, libc::IPPROTO_IP)
    };
    let socket = socket_with(domain, SocketType::RAW, SocketFlags::CLOEXEC, Some(ipproto::RAW));
    Ok((socket.map_err(refused(Doing::Read))?, level))
}

fn nonsense() -> Error {
    Error::sys(Doing::Read, Errno::BADMSG)
}
