//! Checksums that a link leaves to those below it, and whether they are filled in there.
//!
//!     ethtool -k DEV | grep tx-checksumming              kernel.leaves_checksums(…)
//!     ethtool -K DEV tx off                              kernel.fill_checksums(…)
//!     two datagrams to a closed port of a host           ask_hosts(…)
//!
//! The checksum of one of the two is left to the link, that of the other is in it from the start.
//! A host looks at it before it says by ICMP that nobody listens.  Never here: what follows from that.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use ropewalk_facts::{Id, IfName, Ns};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socket_with};

use crate::error::{Doing, Error, sys};
use crate::space::Kernel;
use crate::sys::{Ethtool, ethtool};

/// What is sent, in two halves.
const HALVES: [&[u8]; 2] = [b"ropewalk", b"checksum"];

/// Which datagrams some host has read and refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// One whose checksum was left to the link.
    pub left: bool,
    /// One whose checksum was filled in.
    pub filled: bool,
}

impl Kernel {
    /// True when checksums of what `dev` sends are left to it and those below it.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]; there is no such link, or its driver does not tell.
    pub fn leaves_checksums(&self, ns: &Ns, dev: &IfName) -> Result<bool, Error> {
        self.driver(ns, dev, Ethtool::TxChecksum, Doing::Read).map(|value| value != 0)
    }

    /// Has the checksums of what `dev` sends filled in before.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]; there is no such link, or its driver does not do so.
    pub fn fill_checksums(&self, ns: &Ns, dev: &IfName) -> Result<(), Error> {
        self.driver(ns, dev, Ethtool::SetTxChecksum, Doing::Change).map(|_| ())
    }

    fn driver(&self, ns: &Ns, dev: &IfName, what: Ethtool, doing: Doing) -> Result<u32, Error> {
        let ask = || {
            let flags = SocketFlags::CLOEXEC;
            let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
            ethtool(socket.as_fd(), dev.as_str(), what, 0)
        };
        let key = || Id::Link(dev.clone()).at(ns.clone());
        self.inside(ns, ask)?.map_err(|errno| sys(doing)(errno).about(&key()))
    }
}

/// Sends two datagrams to each of `hosts`, at a port that nobody listens on, from the namespace of the
/// calling thread, and waits until one whose checksum was left to the link is refused, or for `wait`. A
/// host to which there is no way has not answered.
#[must_use]
pub fn ask_hosts(hosts: &[SocketAddr], wait: Duration) -> Refused {
    let until = Instant::now() + wait;
    let both = |to: &SocketAddr| [Asked::new(*to, false), Asked::new(*to, true)];
    hear(hosts.iter().flat_map(both).flatten().collect(), until)
}

/// A datagram that is under way.
struct Asked {
    socket: UdpSocket,
    filled: bool,
}

impl Asked {
    fn new(to: SocketAddr, filled: bool) -> Option<Self> {
        let any: IpAddr = match to {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind(SocketAddr::new(any, 0)).ok()?;
        socket.connect(to).ok()?;
        if filled {
            // What comes in parts, the kernel sums up itself (`__ip_append_data`).
            let [first, second] = HALVES;
            send(&socket, first, SendFlags::MORE).ok()?;
            send(&socket, second, SendFlags::empty()).ok()?;
        } else {
            send(&socket, &HALVES.concat(), SendFlags::empty()).ok()?;
        }
        Some(Self { socket, filled })
    }

    fn is_refused(&self) -> bool {
        let error = self.socket.take_error().ok().flatten();
        error.is_some_and(|error| error.kind() == ErrorKind::ConnectionRefused)
    }
}

fn hear(mut asked: Vec<Asked>, until: Instant) -> Refused {
    let mut heard = Refused::default();
    loop {
        asked.retain(|one| {
            let refused = one.is_refused();
            heard.filled |= refused && one.filled;
            heard.left |= refused && !one.filled;
            !refused
        });
        let left = until.saturating_duration_since(Instant::now());
        if heard.left || asked.iter().all(|one| one.filled) || left.is_zero() {
            return heard;
        }
        let Ok(left) = Timespec::try_from(left) else { return heard };
        // Errors alone; those are told of unasked.
        let mut fds: Vec<PollFd<'_>> =
            asked.iter().map(|one| PollFd::new(&one.socket, PollFlags::empty())).collect();
        let _woken = poll(&mut fds, Some(&left));
    }
}
