//! Network namespaces as files: made, opened, removed.
//!
//!     create("red")   ip netns add red         /run/netns/red, a bind mount as iproute2 makes it
//!     delete("red")   ip netns delete red
//!
//! Never here: what is inside a namespace.

use std::fs;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use ropewalk_facts::{Body, Ns, Snapshot};
use rustix::fs::{FlockOperation, Mode, OFlags, flock, open};
use rustix::io::Errno as Sys;
use rustix::mount::{
    MountPropagationFlags, UnmountFlags, mount_bind, mount_bind_recursive, mount_change, unmount,
};
use rustix::process::{Pid, PidfdFlags, pidfd_open, test_kill_process};

use crate::enter::Back;
use crate::errno::Errno;
use crate::error::{Doing, Error, file, sys};
use crate::{failpoint, sys as calls};

/// Where named namespaces are, for ropewalk as for ip-netns(8).
pub const DIR: &str = "/run/netns";

/// The file of the namespace that the calling thread is in.
const CURRENT: &str = "/proc/thread-self/ns/net";

/// `NSFS_MAGIC` of include/uapi/linux/magic.h.
const NSFS_MAGIC: u64 = 0x6e73_6673;

/// The namespace that the calling thread is in.
///
/// # Errors
/// When /proc is not mounted.
pub fn current() -> Result<OwnedFd, Error> {
    open_path(Path::new(CURRENT))
}

/// The namespace that the file at `path` stands for.
///
/// # Errors
/// [`Error::NotNetns`] when it is something else; the kernel's refusal to open it.
pub fn open_path(path: &Path) -> Result<OwnedFd, Error> {
    // Non-blocking: a pipe that stands there must not hold us up.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let fd = open(path, flags, Mode::empty()).map_err(sys(Doing::OpenNetns))?;
    let kind = rustix::fs::fstatfs(&fd).map_err(sys(Doing::OpenNetns))?.f_type;
    if u64::try_from(kind).is_ok_and(|kind| kind == NSFS_MAGIC)
        && calls::is_net_namespace(fd.as_fd())
    {
        Ok(fd)
    } else {
        Err(Error::NotNetns(path.to_owned()))
    }
}

/// The namespace called `name`.
///
/// # Errors
/// As for [`open_path`].
pub fn open_named(name: &str) -> Result<OwnedFd, Error> {
    open_path(&path(name)?)
}

/// The namespace of the process `pid`.
///
/// # Errors
/// When there is no such process, or it may not be looked into.
pub fn open_pid(pid: i32) -> Result<OwnedFd, Error> {
    let refused = sys(Doing::OpenNetns);
    let process = Pid::from_raw(pid).filter(|_| pid > 0).ok_or_else(|| refused(Sys::SRCH))?;
    let pidfd = pidfd_open(process, PidfdFlags::empty()).map_err(&refused)?;
    if let Ok(fd) = calls::netns_of_pidfd(pidfd.as_fd()) {
        return Ok(fd);
    }
    // Before Linux 6.11. A process that is still there after the file was opened was there all
    // along: the pidfd keeps its number from being given to another.
    let found = open_path(&PathBuf::from(format!("/proc/{pid}/ns/net")))?;
    test_kill_process(process).map_err(&refused)?;
    Ok(found)
}

/// The names of all namespaces in [`DIR`].
///
/// # Errors
/// When the folder is there but cannot be read.
pub fn names() -> Result<Vec<String>, Error> {
    let entries = match fs::read_dir(DIR) {
        Ok(entries) => entries,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(file(Doing::Read)(e)),
    };
    let mut names: Vec<String> =
        entries.filter_map(|e| e.ok()?.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// The namespaces that have a name, as facts of the host.
///
/// # Errors
/// As for [`names`].
pub fn facts() -> Result<Snapshot, Error> {
    Ok(names()?.into_iter().map(|name| Body::Netns(name).at(Ns::HOST)).collect())
}

/// True when there is a file for `name`, even one that a crash left half made.
#[must_use]
pub fn exists(name: &str) -> bool {
    path(name).is_ok_and(|path| path.symlink_metadata().is_ok())
}

/// Makes the namespace `name`, and returns it.
///
/// # Errors
/// `EEXIST` when the name is taken; the kernel's refusal.
pub fn create(name: &str) -> Result<OwnedFd, Error> {
    let path = path(name)?;
    share_dir()?;
    failpoint::hit("netns file");
    let flags = OFlags::RDONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    drop(open(&path, flags, Mode::empty()).map_err(sys(Doing::CreateNetns))?);
    mount_new(&path).inspect_err(|_| {
        // What was refused shall leave no file behind.
        let _removed = fs::remove_file(&path);
    })?;
    open_path(&path)
}

/// Removes the name `name`. The namespace itself goes with its last process and descriptor.
///
/// # Errors
/// `ENOENT` when there is none.
pub fn delete(name: &str) -> Result<(), Error> {
    let path = path(name)?;
    failpoint::hit("netns unmount");
    match unmount(&path, UnmountFlags::DETACH) {
        // EINVAL: the file is there, but nothing is mounted on it.
        Ok(()) | Err(Sys::INVAL) => {}
        Err(e) => return Err(Error::sys(Doing::DeleteNetns, e)),
    }
    failpoint::hit("netns unlink");
    fs::remove_file(&path).map_err(file(Doing::DeleteNetns))
}

/// A name is one component of a path.
fn path(name: &str) -> Result<PathBuf, Error> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        return Err(Error::sys(Doing::OpenNetns, Errno::INVAL));
    }
    Ok(Path::new(DIR).join(name))
}

/// Makes a namespace and binds it to the file at `path`. The thread is back afterwards.
fn mount_new(path: &Path) -> Result<(), Error> {
    failpoint::hit("netns mount");
    let home = current()?;
    let back = Back(home.as_fd());
    calls::unshare_net().map_err(sys(Doing::CreateNetns))?;
    let bound = mount_bind(CURRENT, path).map_err(sys(Doing::CreateNetns));
    drop(back);
    bound
}

/// Makes [`DIR`] a mount point that propagates, so that namespaces made or removed later are so
/// in other mount namespaces too. Two processes at once take turns.
fn share_dir() -> Result<(), Error> {
    let refused = sys(Doing::CreateNetns);
    fs::create_dir_all(DIR).map_err(file(Doing::CreateNetns))?;
    let shared = || mount_change(DIR, MountPropagationFlags::SHARED | MountPropagationFlags::REC);
    if shared().is_ok() {
        return Ok(());
    }
    let dir = open(DIR, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(&refused)?;
    flock(&dir, FlockOperation::LockExclusive).map_err(&refused)?;
    match shared() {
        Err(Sys::INVAL) => {
            mount_bind_recursive(DIR, DIR).map_err(&refused)?;
            shared().map_err(&refused)
        }
        other => other.map_err(&refused),
    }
}
