//! Frames sent to and heard from the LAN behind a link: to ask who has an address, and to say it.
//!
//!     let lan = kernel.lan(&Ns::HOST, &up0, &[Protocol::Arp])?;      socket(AF_PACKET, SOCK_RAW), bound
//!     lan.send(&frame)?;   lan.hear(until)? ──▶ the next frame, none when the time is over
//!
//! The socket stays in the namespace that it was opened in.  Never here: what a frame says (`wire`),
//! how long to wait.

use std::os::fd::{AsFd as _, OwnedFd};
use std::time::Instant;

use ropewalk_facts::{Id, IfName, Mac, Ns};
use ropewalk_wire::lan::Protocol;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Sys;
use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send};

use crate::error::{Doing, Error, sys};
use crate::space::Kernel;
use crate::sys as calls;

/// More than a frame on Ethernet has; what is longer is cut, and says nothing.
const FRAME: usize = 2048;

/// A link's LAN, as one process hears it.
#[derive(Debug)]
pub struct Lan {
    /// A socket for each protocol. What is sent goes by that of its own, which is how the kernel
    /// knows what it is.
    sockets: Vec<(Protocol, OwnedFd)>,
    dev: IfName,
    ns: Ns,
    mac: Mac,
}

impl Kernel {
    /// Opens the LAN behind the link `dev`, to hear frames of `protocols`; of IPv6 the
    /// solicitations and advertisements only, of IPv4 what is sent to DHCP clients.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]; there is no such link, or it has no hardware addresses of Ethernet.
    pub fn lan(&self, ns: &Ns, dev: &IfName, protocols: &[Protocol]) -> Result<Lan, Error> {
        self.inside(ns, || Lan::open(ns, dev, protocols))?
            .map_err(|error| error.about(&Id::Link(dev.clone()).at(ns.clone())))
    }
}

impl Lan {
    fn open(ns: &Ns, dev: &IfName, protocols: &[Protocol]) -> Result<Self, Error> {
        let refused = sys(Doing::OpenLan);
        let (mut sockets, mut mac) = (Vec::new(), None);
        for protocol in protocols {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            // Of no protocol it hears nothing yet.
            let socket =
                rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, None)
                    .map_err(&refused)?;
            let index = name_to_index(&socket, dev.as_str()).map_err(&refused)?;
            let filter = match protocol {
                Protocol::Arp => None,
                Protocol::Ipv4 => Some(DHCP),
                Protocol::Ipv6 => Some(NEIGHBOUR_DISCOVERY),
            };
            if let Some(filter) = filter {
                calls::hear_only(socket.as_fd(), filter).map_err(&refused)?;
            }
            calls::bind_to_link(socket.as_fd(), index, protocol.number()).map_err(&refused)?;
            mac = calls::mac_of_bound(socket.as_fd()).map_err(&refused)?.map(Mac);
            sockets.push((*protocol, socket));
        }
        let mac = mac.ok_or_else(|| refused(Sys::NOTSUP))?;
        Ok(Self { sockets, dev: dev.clone(), ns: ns.clone(), mac })
    }

    /// The link.
    #[must_use]
    pub fn dev(&self) -> &IfName {
        &self.dev
    }

    /// The link's hardware address.
    #[must_use]
    pub fn mac(&self) -> Mac {
        self.mac
    }

    /// Sends a frame of one of the protocols that it was opened for.
    ///
    /// # Errors
    /// The link is down, or went away.
    pub fn send(&self, frame: &[u8]) -> Result<(), Error> {
        let number = frame.get(12..14);
        let socket = self.sockets.iter().find_map(|(protocol, socket)| {
            (number == Some(&protocol.number().to_be_bytes())).then_some(socket)
        });
        let socket = socket.ok_or_else(|| Error::sys(Doing::SendLan, Sys::PROTONOSUPPORT))?;
        let sent = send(socket, frame, SendFlags::empty()).map_err(self.refused(Doing::SendLan))?;
        if sent == frame.len() { Ok(()) } else { Err(Error::sys(Doing::SendLan, Sys::MSGSIZE)) }
    }

    fn refused(&self, doing: Doing) -> impl Fn(Sys) -> Error + '_ {
        let key = Id::Link(self.dev.clone()).at(self.ns.clone());
        move |errno| Error::sys(doing, errno).about(&key)
    }

    /// The next frame from another host that is heard before `until`.
    ///
    /// # Errors
    /// The link went down, or away.
    pub fn hear(&self, until: Instant) -> Result<Option<Vec<u8>>, Error> {
        let refused = self.refused(Doing::HearLan);
        let mut frame = vec![0; FRAME];
        loop {
            for (_, socket) in &self.sockets {
                match recv(socket, frame.as_mut_slice(), RecvFlags::empty()) {
                    Ok((length, _)) => {
                        frame.truncate(length);
                        return Ok(Some(frame));
                    }
                    Err(Sys::AGAIN | Sys::INTR) => {}
                    Err(e) => return Err(refused(e)),
                }
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec::try_from(left).map_err(|_| refused(Sys::INVAL))?;
            let mut all: Vec<PollFd<'_>> =
                self.sockets.iter().map(|(_, socket)| PollFd::new(socket, PollFlags::IN)).collect();
            match poll(&mut all, Some(&left)) {
                Ok(_) | Err(Sys::INTR) => {}
                Err(e) => return Err(refused(e)),
            }
        }
    }
}

/// Accepts ICMPv6 of the types 135 and 136 in a frame: a classic BPF program, an instruction a line
/// (`code, jump if true, jump if false, value`; include/uapi/linux/filter.h).
const NEIGHBOUR_DISCOVERY: &[(u16, u8, u8, u32)] = &[
    (LOAD_BYTE, 0, 0, 14 + 6),
    (JUMP_IF_EQUAL, 0, 4, 58),
    (LOAD_BYTE, 0, 0, 14 + 40),
    (JUMP_IF_EQUAL, 1, 0, 135),
    (JUMP_IF_EQUAL, 0, 1, 136),
    (RETURN, 0, 0, 0xffff),
    (RETURN, 0, 0, 0),
];
/// Accepts UDP to port 68, of DHCP clients.
const DHCP: &[(u16, u8, u8, u32)] = &[
    (LOAD_BYTE, 0, 0, 14 + 9),
    (JUMP_IF_EQUAL, 0, 4, 17),
    (HEADER_LENGTH, 0, 0, 14),
    (LOAD_HALF_BEHIND, 0, 0, 14 + 2),
    (JUMP_IF_EQUAL, 0, 1, 68),
    (RETURN, 0, 0, 0xffff),
    (RETURN, 0, 0, 0),
];
/// `BPF_LDX | BPF_B | BPF_MSH`: the length of an IPv4 header, as it says itself.
const HEADER_LENGTH: u16 = 0xb1;
/// `BPF_LD | BPF_H | BPF_IND`: two bytes behind the header.
const LOAD_HALF_BEHIND: u16 = 0x48;
/// `BPF_LD | BPF_B | BPF_ABS`
const LOAD_BYTE: u16 = 0x30;
/// `BPF_JMP | BPF_JEQ | BPF_K`
const JUMP_IF_EQUAL: u16 = 0x15;
/// `BPF_RET | BPF_K`: how many bytes of the frame are wanted.
const RETURN: u16 = 0x06;
