//! Opening network namespaces: by name, by path, by process.
//!
//! Nothing is entered, so no call here needs more than the right to look.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{AtFlags, FsWord, OFlags, StatxAttributes, StatxFlags, fstatfs, statx};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::error::Error;

/// Where `ip netns` keeps the namespaces that have a name.
const NAMED: &str = "/run/netns";

/// The file system that namespaces are files of (`NSFS_MAGIC`, include/uapi/linux/magic.h).
const NSFS: FsWord = 0x6e73_6673;

/// The namespace with this name.
pub(crate) fn named(name: &str) -> Result<OwnedFd, Error> {
    match at(&Path::new(NAMED).join(name)) {
        Err(Error::Open { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            Err(Error::NoNetns { name: name.to_owned() })
        }
        other => other,
    }
}

/// The namespace that a file stands for.
pub(crate) fn at(path: &Path) -> Result<OwnedFd, Error> {
    let refused = |source: io::Error| Error::Open { path: path.to_owned(), source };
    // A pipe that stands at the path must not hold up the opening.
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(refused)?;
    match is_netns(&file).map_err(refused)? {
        true => Ok(file.into()),
        false => Err(Error::NotNetns { path: path.to_owned() }),
    }
}

/// The namespace of a process.
///
/// The pidfd says whether the process was still there after its namespace was opened: only then
/// was its number not another's by that time.
pub(crate) fn of_process(pid: u32) -> Result<OwnedFd, Error> {
    let gone = || Error::NoProcess { pid };
    let number = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or_else(gone)?;
    let path = PathBuf::from(format!("/proc/{pid}/ns/net"));
    let pidfd = pidfd_open(number, PidfdFlags::empty()).map_err(|errno| match errno {
        rustix::io::Errno::SRCH => gone(),
        other => Error::Open { path: path.clone(), source: other.into() },
    })?;
    let namespace = at(&path);
    if has_ended(&pidfd).map_err(|source| Error::Open { path, source })? {
        return Err(gone());
    }
    namespace
}

/// A pidfd is readable once its process has ended.
fn has_ended(pidfd: &impl AsFd) -> io::Result<bool> {
    let mut waiting = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    Ok(poll(&mut waiting, Some(&at_once))? > 0)
}

/// Whether an open file is a network namespace. One of another sort shows by its name in /proc,
/// except where it is mounted over a file: then the kernel refuses it when it is entered.
fn is_netns(file: &File) -> io::Result<bool> {
    if fstatfs(file)?.f_type != NSFS {
        return Ok(false);
    }
    // Most are mounted, and a look into /proc takes longer than all else here.
    let found = statx(file, "", AtFlags::EMPTY_PATH, StatxFlags::TYPE)?;
    if found.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
        return Ok(true);
    }
    let name = std::fs::read_link(format!("/proc/thread-self/fd/{}", file.as_raw_fd()))?;
    let name = name.to_string_lossy();
    Ok(name.starts_with('/') || name.starts_with("net:["))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;

    fn refusal(found: Result<OwnedFd, Error>) -> String {
        found.unwrap_err().to_string()
    }

    #[test]
    fn a_process_has_a_namespace() {
        assert!(of_process(std::process::id()).is_ok());
        assert!(at(Path::new("/proc/thread-self/ns/net")).is_ok());
    }

    #[test]
    fn what_is_no_network_namespace_is_refused() {
        let said = "/proc/self/ns/mnt is not a network namespace";
        assert_eq!(refusal(at(Path::new("/proc/self/ns/mnt"))), said);
        assert_eq!(refusal(at(Path::new("/dev/null"))), "/dev/null is not a network namespace");
        assert_eq!(refusal(at(Path::new("/proc"))), "/proc is not a network namespace");
        assert!(
            refusal(at(Path::new("/nowhere"))).starts_with("cannot open /nowhere: No such file")
        );
    }

    #[test]
    fn processes_that_are_not_there_are_refused() {
        // Above the kernel's greatest limit of numbers of processes, 2^22.
        for pid in [5_000_000, u32::MAX, 0] {
            assert_eq!(refusal(of_process(pid)), format!("there is no process {pid}"));
        }
    }

    #[test]
    fn a_name_without_a_namespace_is_refused() {
        let said = "there is no network namespace not-made-by-anyone";
        assert_eq!(refusal(named("not-made-by-anyone")), said);
    }
}
