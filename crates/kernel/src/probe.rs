//! The packet that is asked about, sent as a program in that namespace would send it.
//!
//!     ping -c 3 · a connection that is closed as soon as it is there · a datagram
//!
//! Each carries a mark, by which it is known again.  Never here: when, how often, who hears it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ropewalk_facts::Ns;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno as Sys;
use rustix::net::sockopt::{set_socket_reuseaddr, socket_error};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, connect, getsockname,
    ipproto, recv, send, socket_with,
};

use crate::errno::Errno;
use crate::error::{Doing, Error, sys};
use crate::space::Kernel;
use crate::sys::packet::set;

const TCP: u8 = 6;
const UDP: u8 = 17;
/// What ping sends.
const ECHO: usize = 56;
/// `IP_PMTUDISC_DONT`
const MAY_BREAK: i32 = 0;
/// `IP_PMTUDISC_DO`
const WHOLE: i32 = 2;

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sending {
    /// To whom.
    pub to: IpAddr,
    /// TCP, UDP, or an echo for all else.
    pub proto: u8,
    /// From this address; the kernel's choice where there is none.
    pub from: Option<IpAddr>,
    /// From this port.
    pub sport: Option<u16>,
    /// To this port.
    pub dport: u16,
    /// So many bytes of payload.
    pub size: Option<usize>,
    /// It must not be broken into fragments.
    pub df: bool,
    /// The payload begins with it; its first two bytes are the identifier of echoes.
    pub mark: [u8; 8],
    /// How often, at most.
    pub tries: u16,
}

/// Sockets that send, and hear what comes back.
#[derive(Debug)]
pub struct Probe {
    sending: Sending,
    /// One for each try of TCP, one for all tries of others.
    sockets: Vec<OwnedFd>,
    sent: u16,
    /// Tries of TCP that were told of: an error is said only once.
    over: Vec<u16>,
}

/// What comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The echo, a datagram, a connection.
    Yes,
    /// Nobody listens there.
    Refused,
    /// It could not be sent, or somebody on the way said that it cannot be delivered.
    Failed(Errno),
}

impl Kernel {
    /// Makes ready to send from a namespace; nothing is sent yet.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]; the kernel's refusal, as for an address that nobody has there.
    pub fn probe(&self, ns: &Ns, sending: &Sending) -> Result<Probe, Error> {
        let count = if sending.proto == TCP { sending.tries } else { 1 };
        let open = || (0..count).map(|_| opened(sending)).collect::<Result<Vec<_>, Sys>>();
        let sockets = self.inside(ns, open)?.map_err(sys(Doing::SendProbe))?;
        Ok(Probe { sending: sending.clone(), sockets, sent: 0, over: Vec::new() })
    }
}

fn opened(what: &Sending) -> Result<OwnedFd, Sys> {
    let v6 = what.to.is_ipv6();
    let family = if v6 { AddressFamily::INET6 } else { AddressFamily::INET };
    let (kind, protocol) = match (what.proto, v6) {
        (TCP, _) => (SocketType::STREAM, ipproto::TCP),
        (UDP, _) => (SocketType::DGRAM, ipproto::UDP),
        (_, false) => (SocketType::RAW, ipproto::ICMP),
        (_, true) => (SocketType::RAW, ipproto::ICMPV6),
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, Some(protocol))?;
    if what.proto != TCP {
        let whole = if what.df { WHOLE } else { MAY_BREAK };
        let (level, option) = if v6 {
            (libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER)
        } else {
            (libc::IPPROTO_IP, libc::IP_MTU_DISCOVER)
        };
        set(socket.as_fd(), level, option, whole)?;
    }
    if what.from.is_some() || what.sport.is_some() {
        set_socket_reuseaddr(&socket, true)?;
        let any: IpAddr =
            if v6 { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
        let port = what.sport.filter(|_| matches!(what.proto, TCP | UDP)).unwrap_or(0);
        bind(&socket, &SocketAddr::new(what.from.unwrap_or(any), port))?;
    }
    Ok(socket)
}

impl Probe {
    /// Sends once more; its number, or why it cannot be sent.
    ///
    /// # Errors
    /// The kernel's refusal: no route, too long, forbidden.
    pub fn send(&mut self) -> Result<u16, Errno> {
        let number = self.sent;
        self.sent = self.sent.saturating_add(1);
        let index = if self.sending.proto == TCP { usize::from(number) } else { 0 };
        let Some(socket) = self.sockets.get(index) else { return Err(Errno::INVAL) };
        let port = if matches!(self.sending.proto, TCP | UDP) { self.sending.dport } else { 0 };
        match connect(socket, &SocketAddr::new(self.sending.to, port)) {
            Ok(()) | Err(Sys::INPROGRESS) => {}
            Err(errno) => return Err(errno.into()),
        }
        if self.sending.proto != TCP {
            // What an earlier one was told of is not said of this one.
            let _earlier = socket_error(socket);
            send(socket, &self.payload(number), SendFlags::empty())?;
        }
        Ok(number)
    }

    /// The ports that it is sent from, a try each.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        let port = |fd: &OwnedFd| {
            let addr = SocketAddr::try_from(getsockname(fd).ok()?).ok()?;
            Some(addr.port())
        };
        self.sockets.iter().filter_map(port).collect()
    }

    /// The sockets, to be waited for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        // A connection is not readable when it is there: it is asked for.
        if self.sending.proto == TCP {
            return Vec::new();
        }
        self.sockets.iter().map(|fd| fd.as_fd()).collect()
    }

    /// What has come back since, without waiting, each with the number of its try where that is
    /// known.
    pub fn answers(&mut self) -> Vec<(Option<u16>, Answered)> {
        if self.sending.proto == TCP { self.connections() } else { self.messages() }
    }

    fn connections(&mut self) -> Vec<(Option<u16>, Answered)> {
        let mut all = Vec::new();
        for (number, socket) in (0..self.sent).zip(&self.sockets) {
            if self.over.contains(&number) {
                continue;
            }
            let mut one = [PollFd::new(socket, PollFlags::OUT)];
            let ready = poll(&mut one, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
            if !ready.is_ok_and(|n| n > 0) {
                continue;
            }
            let how = match socket_error(socket) {
                Ok(Ok(())) => Answered::Yes,
                Ok(Err(Sys::CONNREFUSED)) => Answered::Refused,
                Ok(Err(errno)) | Err(errno) => Answered::Failed(errno.into()),
            };
            all.push((Some(number), how));
        }
        self.over.extend(all.iter().filter_map(|(number, _)| *number));
        all
    }

    fn messages(&mut self) -> Vec<(Option<u16>, Answered)> {
        let Some(socket) = self.sockets.first() else { return Vec::new() };
        let mut all = Vec::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match recv(socket, buffer.as_mut_slice(), RecvFlags::empty()) {
                Ok((len, _)) => {
                    let message = buffer.get(..len).unwrap_or_default();
                    if let Some(number) = self.answers_to(message) {
                        all.push((number, Answered::Yes));
                    }
                }
                Err(Sys::INTR) => {}
                Err(Sys::AGAIN) => return all,
                Err(Sys::CONNREFUSED) => all.push((None, Answered::Refused)),
                Err(errno) => {
                    all.push((None, Answered::Failed(errno.into())));
                    return all;
                }
            }
        }
    }

    /// The try that a message answers; none of an echo that is somebody else's.
    fn answers_to(&self, message: &[u8]) -> Option<Option<u16>> {
        if self.sending.proto == UDP {
            return Some(None);
        }
        let v6 = self.sending.to.is_ipv6();
        // An IPv4 raw socket gets the network header, too.
        let header = if v6 { 0 } else { usize::from(message.first()? & 0xf) * 4 };
        let message = message.get(header..)?;
        let [kind, _, _, _, ident @ .., a, b] = message.first_chunk::<8>()?;
        let answer = if v6 { 129 } else { 0 };
        (*kind == answer && *ident == self.ident()).then(|| Some(u16::from_be_bytes([*a, *b])))
    }

    fn ident(&self) -> [u8; 2] {
        let [a, b, ..] = self.sending.mark;
        [a, b]
    }

    /// The bytes of a try: what the question says, beginning with the mark and the number.
    fn payload(&self, number: u16) -> Vec<u8> {
        let echo = self.sending.proto != UDP;
        let usual = if echo { ECHO } else { self.sending.mark.len() + 1 };
        let low = u8::try_from(number & 0xff).unwrap_or(0);
        let mut body = [&self.sending.mark[..], &[low]].concat();
        body.resize(self.sending.size.unwrap_or(usual).min(65_000), b'.');
        if !echo {
            return body;
        }
        let kind = if self.sending.to.is_ipv6() { 128 } else { 8 };
        let mut message = vec![kind, 0, 0, 0];
        message.extend(self.ident());
        message.extend(number.to_be_bytes());
        message.extend(body);
        crate::echo::sum_up(message)
    }
}
