//! Locks between processes: byte ranges of one file, which the kernel lets go when a process dies.
//!
//!     byte 0             the structure: shared by attach, detach, publish; alone for gc, purge, networks
//!     byte 1 + hash      one sandbox, so that two verbs on it wait for each other
//!     byte 2^41          making the folder ready
//!     byte 2^41 + 1      the rules of others, from looking at them to writing
//!
//! Order: structure, then one sandbox, then the rules of others, then a transaction of the database.  A lock belongs to the
//! open file, so each has its own; taking the structure twice in one thread, once alone, never ends.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ropewalk_facts::Ns;
use ropewalk_spec::names;

use crate::error::StoreError;

/// A lock, held until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is let go at once"]
pub struct Held {
    _file: File,
}

/// Which byte.
#[derive(Clone, Copy)]
pub(crate) struct Byte(i64);

impl Byte {
    pub(crate) const STRUCTURE: Self = Self(0);
    pub(crate) const FOLDER: Self = Self(1 << 41);
    pub(crate) const RULES: Self = Self((1 << 41) + 1);

    pub(crate) fn sandbox(ns: &Ns) -> Self {
        let hash = names::hash(&[ns.as_str()]);
        Self(i64::try_from(hash >> 24).unwrap_or(0).saturating_add(1))
    }
}

/// Waits until no other has the byte, or none has it alone if `shared`.
pub(crate) fn take(dir: &Path, byte: Byte, shared: bool) -> Result<Held, StoreError> {
    let (path, file) = open(dir)?;
    let kind = if shared { libc::F_RDLCK } else { libc::F_WRLCK };
    wait(&file, byte, kind, libc::F_OFD_SETLKW).map_err(StoreError::io(&path))?;
    Ok(Held { _file: file })
}

/// Takes the byte alone if no other has it.
pub(crate) fn try_take(dir: &Path, byte: Byte) -> Result<Option<Held>, StoreError> {
    let (path, file) = open(dir)?;
    match wait(&file, byte, libc::F_WRLCK, libc::F_OFD_SETLK) {
        Ok(()) => Ok(Some(Held { _file: file })),
        // EACCES or EAGAIN, as fcntl(2) has it.
        Err(e) if matches!(e.raw_os_error(), Some(libc::EAGAIN | libc::EACCES)) => Ok(None),
        Err(e) => Err(StoreError::io(&path)(e)),
    }
}

fn open(dir: &Path) -> Result<(PathBuf, File), StoreError> {
    let path = dir.join("lock");
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(&path).map_err(StoreError::io(&path))?;
    Ok((path, file))
}

#[expect(unsafe_code, reason = "locks of an open file description have no safe wrapper")]
fn wait(file: &File, byte: Byte, kind: libc::c_int, command: libc::c_int) -> io::Result<()> {
    // SAFETY: flock is plain numbers, for which zero is a value.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = i16::try_from(kind).map_err(io::Error::other)?;
    lock.l_whence = i16::try_from(libc::SEEK_SET).map_err(io::Error::other)?;
    lock.l_start = byte.0;
    lock.l_len = 1;
    loop {
        // SAFETY: the descriptor is open, and the kernel only reads `lock`, which outlives the call.
        let done = unsafe { libc::fcntl(file.as_raw_fd(), command, &raw const lock) };
        if done == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}
