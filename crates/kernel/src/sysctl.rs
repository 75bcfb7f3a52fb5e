//! Settings under /proc/sys, of the namespace that the calling thread is in.
//!
//!     read("net/ipv4/ip_forward")          sysctl -n net.ipv4.ip_forward
//!     write("net/ipv4/ip_forward", "1")    sysctl -w net.ipv4.ip_forward=1
//!
//! Never here: which settings, and in which namespace.

use std::path::{Path, PathBuf};

use ropewalk_facts::{Sysctl, SysctlPath};
use rustix::fs::{Mode, OFlags, open};
use rustix::io;

use crate::error::{Doing, Error, sys};

fn file(path: &SysctlPath) -> PathBuf {
    Path::new("/proc/sys").join(path.as_str())
}

/// The value, without its final newline; `None` where there is no such setting.
pub(crate) fn read(path: &SysctlPath) -> Result<Option<Sysctl>, Error> {
    let fd = match open(file(path), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) {
        Ok(fd) => fd,
        Err(io::Errno::NOENT) => return Ok(None),
        Err(e) => return Err(Error::sys(Doing::Read, e)),
    };
    let mut bytes = [0; 4096];
    let len = io::read(&fd, &mut bytes).map_err(sys(Doing::Read))?;
    let text = String::from_utf8_lossy(bytes.get(..len).unwrap_or_default());
    let value = text.trim_end_matches('\n').to_owned();
    Ok(Some(Sysctl { path: path.clone(), value }))
}

/// Sets the value.
pub(crate) fn write(setting: &Sysctl) -> Result<(), Error> {
    let flags = OFlags::WRONLY | OFlags::CLOEXEC;
    let fd = open(file(&setting.path), flags, Mode::empty()).map_err(sys(Doing::Change))?;
    io::write(&fd, setting.value.as_bytes()).map_err(sys(Doing::Change))?;
    Ok(())
}
