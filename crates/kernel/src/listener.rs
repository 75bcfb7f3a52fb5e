//! Who listens on a port. Asked only when [`crate::port_free`] says that it is taken.
//!
//!     ss -Hlntup 'sport = :8080'
//!
//! Never here: whether that stands in anybody's way.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_wire::diag;

use crate::error::Error;
use crate::holder::{Holder, holders};
use crate::socket::{Protocol, Socket};

/// A socket that takes what is sent to a port of this namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// The address it is bound to; all zero for any.
    pub addr: IpAddr,
    /// Bound to any IPv6 address it takes IPv4 too.
    pub both: bool,
    /// The process that has it open, where one may be seen.
    pub holder: Option<Holder>,
}

impl Listener {
    /// True when it takes what is sent to `addr`; where that is all zero, to any of its family.
    #[must_use]
    pub fn takes(&self, addr: IpAddr) -> bool {
        if self.addr.is_ipv4() != addr.is_ipv4() {
            return self.both && self.addr.is_unspecified();
        }
        self.addr == addr || self.addr.is_unspecified() || addr.is_unspecified()
    }
}

/// The sockets that listen on `port` by `proto` (6, 17, 132) in the namespace of this thread.
///
/// # Errors
/// When the kernel cannot tell.
pub fn listeners(proto: u8, port: u16) -> Result<Vec<Listener>, Error> {
    let mut socket = Socket::open(Protocol::SockDiag)?;
    let mut found = Vec::new();
    for v6 in [false, true] {
        let request = diag::listeners(proto, v6, Some(port));
        let replies = socket.dump(&request, |m| Some(diag::listener(&m)))?;
        for listener in replies {
            found.extend(listener?);
        }
    }
    let inodes: BTreeSet<u64> = found.iter().map(|l| u64::from(l.inode)).collect();
    let holders = if inodes.is_empty() { Default::default() } else { holders(&inodes) };
    let named = found.into_iter().map(|l| Listener {
        addr: l.addr,
        both: l.addr.is_ipv6() && !l.v6only,
        holder: holders.get(&u64::from(l.inode)).cloned(),
    });
    Ok(named.collect())
}
