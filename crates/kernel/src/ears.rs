//! Packets overheard in many namespaces at once, from one thread.
//!
//!     ip netns exec NS tcpdump -i any …        one packet socket in each, which stays there
//!
//! A socket hears all links of its namespace, members of bridges too, in both directions, and of
//! those packets only that the kernel finds to be of the flow.  Never here: what they say.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::time::Instant;

use ropewalk_facts::Ns;
use ropewalk_wire::heard::Layer;
use ropewalk_wire::heard::listen::{Flow, program};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Sys;
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};

use crate::error::{Doing, Error, sys};
use crate::space::Kernel;
use crate::sys as calls;

/// `ETH_P_ALL`
const ALL: u16 = 3;
/// Room for what is not taken yet.
const ROOM: usize = 4 << 20;
/// More than a packet has, but for those that a link is left to cut up.
const PACKET: usize = 1 << 16;

/// Sockets that hear.
#[derive(Debug)]
pub struct Ears {
    all: Vec<(Ns, OwnedFd)>,
    buffer: Vec<u8>,
}

/// A packet that passed a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overheard {
    /// The namespace.
    pub ns: Ns,
    /// The link, by index.
    pub index: u32,
    /// Which way.
    pub toward: Toward,
    /// What the bytes begin with.
    pub layer: Layer,
    /// Nanoseconds since 1970.
    pub at: u64,
    /// Its length on the link.
    pub len: u32,
    /// Its bytes, as many as were asked for.
    pub bytes: Vec<u8>,
}

/// Which way a packet passes a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Toward {
    /// It comes in.
    In,
    /// It comes in, for another hardware address than the link's.
    Past,
    /// It goes out.
    Out,
}

impl Kernel {
    /// Begins to hear packets of the flow in all of these namespaces.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]; the kernel's refusal.
    pub fn ears(&self, spaces: &[Ns], flow: &Flow) -> Result<Ears, Error> {
        let filter = program(flow);
        let open = |ns: &Ns| Ok((ns.clone(), self.inside(ns, || ear(&filter))??));
        let all = spaces.iter().map(open).collect::<Result<Vec<_>, Error>>()?;
        Ok(Ears { all, buffer: vec![0; PACKET] })
    }
}

fn ear(filter: &[(u16, u8, u8, u32)]) -> Result<OwnedFd, Error> {
    let refused = sys(Doing::Listen);
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    // Of no protocol it hears nothing yet.
    let socket = socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None);
    let socket = socket.map_err(&refused)?;
    calls::packet::stamp(socket.as_fd()).map_err(&refused)?;
    set_socket_recv_buffer_size_force(&socket, ROOM).map_err(&refused)?;
    calls::hear_only(socket.as_fd(), filter).map_err(&refused)?;
    calls::bind_to_link(socket.as_fd(), 0, ALL).map_err(&refused)?;
    Ok(socket)
}

impl Ears {
    /// The sockets, to be waited for.
    pub fn fds(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.all.iter().map(|(_, fd)| fd.as_fd())
    }

    /// Waits until something is heard, one of `also` has something to say, or the time is over.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn wait(&self, also: &[BorrowedFd<'_>], until: Instant) -> Result<(), Error> {
        let refused = sys(Doing::Listen);
        let left = until.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| refused(Sys::INVAL))?;
        let fds = self.fds().chain(also.iter().copied());
        let mut fds: Vec<PollFd<'_>> =
            fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        match poll(&mut fds, Some(&left)) {
            Ok(_) | Err(Sys::INTR) => Ok(()),
            Err(errno) => Err(refused(errno)),
        }
    }

    /// What was heard since, in the order of time; at most so many.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn take(&mut self, most: usize) -> Result<Vec<Overheard>, Error> {
        let mut heard: Vec<Overheard> = Vec::new();
        for (ns, fd) in &self.all {
            while heard.len() < most {
                match calls::packet::take(fd.as_fd(), &mut self.buffer) {
                    Ok(taken) => heard.push(overheard(ns, taken, &self.buffer)),
                    // A link that went down is said once.
                    Err(Sys::INTR | Sys::NETDOWN) => {}
                    Err(Sys::AGAIN) => break,
                    Err(errno) => return Err(Error::sys(Doing::Listen, errno)),
                }
            }
        }
        heard.sort_by_key(|heard| heard.at);
        Ok(heard)
    }
}

fn overheard(ns: &Ns, taken: calls::packet::Taken, buffer: &[u8]) -> Overheard {
    let calls::packet::Taken { len, whole, index, toward, link, at } = taken;
    Overheard {
        ns: ns.clone(),
        index,
        toward: match toward {
            4 => Toward::Out,
            3 => Toward::Past,
            _ => Toward::In,
        },
        // `ARPHRD_ETHER`, `ARPHRD_LOOPBACK`
        layer: if matches!(link, 1 | 772) { Layer::Ethernet } else { Layer::Network },
        at,
        len: whole,
        bytes: buffer.get(..len).unwrap_or_default().to_vec(),
    }
}
