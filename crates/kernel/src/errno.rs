//! Numbers of errors, with the names that people know them by.

use std::fmt;

/// What the kernel gave as the reason, `EEXIST` being 17.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(pub i32);

impl Errno {
    /// Operation not permitted.
    pub const PERM: Self = Self(libc::EPERM);
    /// No such object.
    pub const NOENT: Self = Self(libc::ENOENT);
    /// No such process, or no such route.
    pub const SRCH: Self = Self(libc::ESRCH);
    /// Not now; or nothing to be had.
    pub const AGAIN: Self = Self(libc::EAGAIN);
    /// In use.
    pub const BUSY: Self = Self(libc::EBUSY);
    /// It exists.
    pub const EXIST: Self = Self(libc::EEXIST);
    /// No such device.
    pub const NODEV: Self = Self(libc::ENODEV);
    /// Not valid.
    pub const INVAL: Self = Self(libc::EINVAL);
    /// An answer that cannot be read, or none.
    pub const BADMSG: Self = Self(libc::EBADMSG);
    /// No such address.
    pub const ADDRNOTAVAIL: Self = Self(libc::EADDRNOTAVAIL);
    /// An answer is larger than the buffer.
    pub const MSGSIZE: Self = Self(libc::EMSGSIZE);
    /// The answers did not fit into the socket.
    pub const NOBUFS: Self = Self(libc::ENOBUFS);

    /// True when it says that the object is not there, in the words of any family.
    #[must_use]
    pub fn absent(self) -> bool {
        matches!(self, Self::NOENT | Self::SRCH | Self::NODEV | Self::ADDRNOTAVAIL)
    }

    /// The name in errno(3), where it is one of those that netlink uses.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        NAMES.iter().find(|(n, _)| *n == self.0).map(|(_, name)| *name)
    }
}

const NAMES: &[(i32, &str)] = &[
    (libc::EPERM, "EPERM"),
    (libc::ENOENT, "ENOENT"),
    (libc::ESRCH, "ESRCH"),
    (libc::EIO, "EIO"),
    (libc::EBADF, "EBADF"),
    (libc::EAGAIN, "EAGAIN"),
    (libc::ENOMEM, "ENOMEM"),
    (libc::EACCES, "EACCES"),
    (libc::EBUSY, "EBUSY"),
    (libc::EEXIST, "EEXIST"),
    (libc::ENODEV, "ENODEV"),
    (libc::ENOTDIR, "ENOTDIR"),
    (libc::EINVAL, "EINVAL"),
    (libc::EMFILE, "EMFILE"),
    (libc::ENOSPC, "ENOSPC"),
    (libc::EROFS, "EROFS"),
    (libc::ERANGE, "ERANGE"),
    (libc::ENAMETOOLONG, "ENAMETOOLONG"),
    (libc::ELOOP, "ELOOP"),
    (libc::EBADMSG, "EBADMSG"),
    (libc::EMSGSIZE, "EMSGSIZE"),
    (libc::EPROTONOSUPPORT, "EPROTONOSUPPORT"),
    (libc::EOPNOTSUPP, "EOPNOTSUPP"),
    (libc::EAFNOSUPPORT, "EAFNOSUPPORT"),
    (libc::EADDRINUSE, "EADDRINUSE"),
    (libc::EADDRNOTAVAIL, "EADDRNOTAVAIL"),
    (libc::ENETDOWN, "ENETDOWN"),
    (libc::ENETUNREACH, "ENETUNREACH"),
    (libc::ENOBUFS, "ENOBUFS"),
    (libc::EHOSTUNREACH, "EHOSTUNREACH"),
];

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.0),
        }
    }
}

impl From<rustix::io::Errno> for Errno {
    fn from(e: rustix::io::Errno) -> Self {
        Self(e.raw_os_error())
    }
}

impl From<&std::io::Error> for Errno {
    fn from(e: &std::io::Error) -> Self {
        Self(e.raw_os_error().unwrap_or(libc::EIO))
    }
}
