//! The namespaces of a lab host, and going into them.
//!
//!     make    unshare --net --mount --uts, then in it:
//!               tmpfs on /run      its own /run/netns and /run/ropewalk
//!               overlay on /etc    its own /etc/ropewalk, the rest as on the machine
//!               sysfs on /sys      /sys/class/net shows its interfaces
//!     keep    make, and bind the mount namespace to a file; the other two are bound inside of it
//!     open    the way back from that file
//!
//! A namespace is entered by a thread of its own, which ends there: nobody has to come back.
//! Never here: links and addresses, other hosts.

use std::fs::{self, File};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;
use std::{io, thread};

use ropewalk_kernel::failpoint;
use rustix::mount::{
    MountFlags, MountPropagationFlags, mount, mount_bind, mount_bind_recursive, mount_change,
    mount_move,
};
use rustix::thread::{
    CpuSet, LinkNameSpaceType, UnshareFlags, move_into_link_name_space, sched_getaffinity,
    sched_setaffinity,
};

use crate::error::{Doing, Error, system};
use crate::name::Name;

/// Where the lab keeps what is its own on a host: commands, logs, two namespaces.
pub(crate) const OWN: &str = "/run/lab";

/// The folder of commands that stands first in the PATH of a host.
pub(crate) const BIN: &str = "/run/lab/bin";

/// Where a host keeps the files of its networks.
const CONFIG: &str = "/etc/ropewalk";

/// The namespaces of a host, open.
#[derive(Debug)]
pub(crate) struct Doors {
    mnt: OwnedFd,
    net: OwnedFd,
    uts: OwnedFd,
}

impl Doors {
    /// Makes a host called `name`, where `ropewalk` is the command of that name.
    pub(crate) fn make(name: &str, ropewalk: &Path) -> Result<Self, Error> {
        Self::make_on(None, name, ropewalk)
    }

    /// Makes a host as [`Doors::make`] does and keeps it without a process, by the file `at`, on a
    /// mount that does not propagate.
    ///
    /// A mount namespace can only be kept by one with a lower number (`mnt_ns_loop`,
    /// fs/namespace.c), and since Linux 6.18 each processor numbers by itself (`ns_tree_gen_id`,
    /// kernel/nstree.c): on the one that made the namespace we are in, numbers are higher.
    pub(crate) fn keep(name: &str, ropewalk: &Path, at: &Path) -> Result<Self, Error> {
        write(at, "")?;
        let allowed = sched_getaffinity(None).map_err(system(Doing::Split, name))?;
        let processors = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu)).map(Some);
        let mut refused = rustix::io::Errno::INVAL;
        for cpu in std::iter::once(None).chain(processors) {
            let doors = Self::make_on(cpu, name, ropewalk)?;
            let door = format!("/proc/self/fd/{}", doors.mnt.as_raw_fd());
            failpoint::hit("lab bind");
            match mount_bind(door, at) {
                Ok(()) => return Ok(doors),
                Err(rustix::io::Errno::INVAL) => {}
                Err(e) => {
                    refused = e;
                    break;
                }
            }
        }
        Err(system(Doing::Mount, at)(refused))
    }

    /// Makes a host, on the processor `cpu`.
    fn make_on(cpu: Option<usize>, name: &str, ropewalk: &Path) -> Result<Self, Error> {
        failpoint::hit("lab host");
        on_thread(|| {
            if let Some(cpu) = cpu {
                let mut only = CpuSet::new();
                only.set(cpu);
                sched_setaffinity(None, &only).map_err(system(Doing::Split, name))?;
            }
            unshare(UnshareFlags::NEWNS | UnshareFlags::NEWNET | UnshareFlags::NEWUTS)
                .map_err(system(Doing::Split, name))?;
            write("/proc/sys/kernel/hostname", name)?;
            mounts()?;
            for dir in ["/run/netns", "/run/ropewalk", CONFIG, BIN] {
                fs::create_dir_all(dir).map_err(system(Doing::Write, dir))?;
            }
            // The networks of the machine are none of this host's.
            mount("tmpfs", CONFIG, "tmpfs", MountFlags::empty(), c"mode=755")
                .map_err(system(Doing::Mount, CONFIG))?;
            let link = format!("{BIN}/ropewalk");
            std::os::unix::fs::symlink(ropewalk, &link).map_err(system(Doing::Write, &link))?;
            for kind in ["net", "uts"] {
                let pin = format!("{OWN}/{kind}");
                write(&pin, "")?;
                mount_bind(format!("/proc/thread-self/ns/{kind}"), &pin)
                    .map_err(system(Doing::Mount, &pin))?;
            }
            let own = |kind: &str| open(format!("/proc/thread-self/ns/{kind}"));
            Ok(Self { mnt: own("mnt")?, net: own("net")?, uts: own("uts")? })
        })
    }

    /// Opens the host that is kept by the file `at`.
    pub(crate) fn open(at: &Path) -> Result<Self, Error> {
        let mnt = open(at)?;
        on_thread(|| {
            unshare(UnshareFlags::FS).map_err(system(Doing::Enter, at))?;
            into(&mnt, LinkNameSpaceType::Mount).map_err(system(Doing::Enter, at))?;
            Ok((open(format!("{OWN}/net"))?, open(format!("{OWN}/uts"))?))
        })
        .map(|(net, uts)| Self { mnt, net, uts })
    }

    /// The network namespace of the host.
    pub(crate) fn net(&self) -> &OwnedFd {
        &self.net
    }

    /// Moves the calling thread into the host for good, or into the network namespace `net` on it.
    pub(crate) fn enter(&self, net: Option<&OwnedFd>) -> io::Result<()> {
        unshare(UnshareFlags::FS)?;
        into(&self.mnt, LinkNameSpaceType::Mount)?;
        into(&self.uts, LinkNameSpaceType::HostNameAndNISDomainName)?;
        into(net.unwrap_or(&self.net), LinkNameSpaceType::Network)
    }

    /// Runs `work` on a thread in the host, or in the network namespace `net` on it.
    pub(crate) fn inside<T: Send>(
        &self,
        net: Option<&OwnedFd>,
        work: impl FnOnce() -> T + Send,
    ) -> io::Result<T> {
        on_thread(|| self.enter(net).map(|()| work()))
    }

    /// Makes a network namespace on the host, listed there by its name if it has one.
    pub(crate) fn container(&self, name: Option<&Name>) -> Result<OwnedFd, Error> {
        let made = self.inside(None, || match name {
            Some(name) => Ok(ropewalk_kernel::netns::create(name.as_str())?),
            None => {
                unshare(UnshareFlags::NEWNET).map_err(system(Doing::Split, "a container"))?;
                open("/proc/thread-self/ns/net")
            }
        });
        made.map_err(system(Doing::Enter, "a host"))?
    }
}

/// Runs `work` on a thread of its own.
pub(crate) fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let done = thread::scope(|scope| scope.spawn(work).join());
    done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// What a host sees differently from the machine.
fn mounts() -> Result<(), Error> {
    // What the machine unmounts goes here too; what is mounted here stays here.
    let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
    mount_change("/", slave).map_err(system(Doing::Mount, "/"))?;
    let none = MountFlags::empty();
    mount("tmpfs", "/run", "tmpfs", none, c"mode=755").map_err(system(Doing::Mount, "/run"))?;
    for dir in ["etc", "work", "cgroup"] {
        let dir = format!("{OWN}/{dir}");
        fs::create_dir_all(&dir).map_err(system(Doing::Write, &dir))?;
    }
    let layers = c"lowerdir=/etc,upperdir=/run/lab/etc,workdir=/run/lab/work";
    mount("overlay", "/etc", "overlay", none, layers).map_err(system(Doing::Mount, "/etc"))?;
    // The control groups are mounted inside of the old /sys.
    let (old, aside) = ("/sys/fs/cgroup", "/run/lab/cgroup");
    mount_bind_recursive(old, aside).map_err(system(Doing::Mount, old))?;
    mount("sysfs", "/sys", "sysfs", none, c"").map_err(system(Doing::Mount, "/sys"))?;
    mount_move(aside, old).map_err(system(Doing::Mount, old))
}

fn write(path: impl AsRef<Path>, text: &str) -> Result<(), Error> {
    fs::write(&path, text).map_err(system(Doing::Write, path))
}

fn open(path: impl AsRef<Path>) -> Result<OwnedFd, Error> {
    File::open(&path).map(OwnedFd::from).map_err(system(Doing::Read, path))
}

fn into(fd: &OwnedFd, kind: LinkNameSpaceType) -> io::Result<()> {
    Ok(move_into_link_name_space(fd.as_fd(), Some(kind))?)
}

#[expect(unsafe_code, reason = "rustix marks unshare so for the sake of file descriptors")]
fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: no caller unshares the table of file descriptors (`UnshareFlags::FILES`).
    Ok(unsafe { rustix::thread::unshare_unsafe(flags) }?)
}
