//! Making a tap.
//!
//!     ip tuntap add dev tap0 mode tap user 1000 group 100
//!
//! It stays when its descriptor is closed, which is the last thing that is asked for: one that was not
//! finished vanishes with the process, and one that stays is known by its hardware address.  Never here: in which namespace.

use std::os::fd::AsFd as _;

use ropewalk_facts::{IfName, Mac, TapSpec};
use rustix::fs::{Mode, OFlags, open};
use rustix::io;

use crate::error::{Doing, Error, sys};
use crate::sys::{TunRequest, tun_mac, tun_name, tun_set};

/// What taps are made through.
const DEVICE: &str = "/dev/net/tun";

/// Makes a tap in the namespace of the calling thread; there must be no link of its name.
pub(crate) fn create(name: &IfName, mac: Option<Mac>, spec: &TapSpec) -> Result<(), Error> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC;
    let fd = open(DEVICE, flags, Mode::empty()).map_err(sys(Doing::OpenTun))?;
    let taken = |errno| if errno == io::Errno::BUSY { io::Errno::EXIST } else { errno };
    let set = |what, value| tun_set(fd.as_fd(), what, value).map_err(sys(Doing::Create));
    tun_name(fd.as_fd(), name.as_str(), spec.multi_queue)
        .map_err(|errno| sys(Doing::Create)(taken(errno)))?;
    if let Some(owner) = spec.owner {
        set(TunRequest::Owner, owner)?;
    }
    if let Some(group) = spec.group {
        set(TunRequest::Group, group)?;
    }
    if let Some(Mac(bytes)) = mac {
        tun_mac(fd.as_fd(), bytes).map_err(sys(Doing::Create))?;
    }
    set(TunRequest::Persist, 1)
}
