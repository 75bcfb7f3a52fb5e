//! Netlink sockets: requests out in one send, answers matched by their number.
//!
//!     exchange([a, b, c])   sendmsg(a b c) · answers of a, b, c · acknowledgement of c
//!     dump(list)            sendmsg(list)  · parts … done; again, when it was disturbed
//!
//! The kernel works on a request while it is sent, one after the other, and reports every refusal;
//! so only the last asks for an acknowledgement, and all answers are there when the send returns.
//! Never here: what a request means.

use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ropewalk_wire::nl::{Answer, Message, Outcome, Request, flag, messages};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno as Sys, retry_on_intr};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::sockopt::{set_socket_recv_buffer_size_force, set_socket_send_buffer_size_force};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, netlink, recv, send,
    socket_with,
};

use crate::errno::Errno;
use crate::error::{Doing, Error, sys};
use crate::sys::{NetlinkOption, netns_cookie, receive_numbered, set_netlink_option};

/// Twice the largest part of a dump that the kernel makes (`netlink_dump` in
/// net/netlink/af_netlink.c).
const BUFFER: usize = 64 * 1024;
/// What can be sent without a larger send buffer (`net.core.wmem_default`, less overhead).
const SENDABLE: usize = 128 * 1024;
/// How often a disturbed dump is begun again.
const RETRIES: usize = 20;

/// Which netlink family a socket speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Links, addresses, routes, rules, neighbours.
    Route,
    /// nf_tables and connection tracking.
    Netfilter,
    /// Who listens where.
    SockDiag,
}

/// By what the end of the answers is known.
#[derive(Clone, Copy)]
pub(crate) struct End {
    /// The place of the request that is answered last.
    pub(crate) last: usize,
    /// It is acknowledged; else what it brings is the end.
    pub(crate) acked: bool,
}

impl End {
    fn of(len: usize, acked: bool) -> Self {
        Self { last: len.saturating_sub(1), acked }
    }
}

/// A netlink socket. It stays in the namespace that it was opened in.
#[derive(Debug)]
pub struct Socket {
    fd: OwnedFd,
    seq: u32,
    inbox: Vec<u8>,
    outbox: Vec<u8>,
}

impl Socket {
    /// Opens one in the namespace of the calling thread.
    ///
    /// # Errors
    /// When the kernel lacks the family.
    pub fn open(protocol: Protocol) -> Result<Self, Error> {
        let family = match protocol {
            // NETLINK_ROUTE is 0, the default.
            Protocol::Route => None,
            Protocol::Netfilter => Some(netlink::NETFILTER),
            Protocol::SockDiag => Some(netlink::SOCK_DIAG),
        };
        let refused = sys(Doing::OpenSocket);
        let kind = SocketType::RAW;
        let fd = socket_with(AddressFamily::NETLINK, kind, SocketFlags::CLOEXEC, family)
            .map_err(&refused)?;
        let all = [NetlinkOption::ExtAck, NetlinkOption::CapAck, NetlinkOption::GetStrictChk];
        let strict = protocol == Protocol::Route;
        for option in all.into_iter().filter(|o| strict || *o != NetlinkOption::GetStrictChk) {
            set_netlink_option(fd.as_fd(), option).map_err(&refused)?;
        }
        Ok(Self { fd, seq: 0, inbox: Vec::with_capacity(BUFFER), outbox: Vec::new() })
    }

    /// Joins multicast groups, the lowest 32 of which are bits of `groups`, with `room` bytes for
    /// what arrives.
    pub(crate) fn listen(&self, groups: u32, room: usize) -> Result<(), Error> {
        let refused = sys(Doing::OpenSocket);
        set_socket_recv_buffer_size_force(&self.fd, room).map_err(&refused)?;
        bind(&self.fd, &SocketAddrNetlink::new(0, groups)).map_err(&refused)
    }

    /// Hears what happens in the namespaces behind our links, too, and holds none of them.
    pub(crate) fn hear_behind_links(&self) -> Result<(), Error> {
        set_netlink_option(self.fd(), NetlinkOption::ListenAllNsid).map_err(sys(Doing::OpenSocket))
    }

    /// To be waited for.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The number of the namespace it is in.
    pub(crate) fn cookie(&self) -> Result<u64, Error> {
        netns_cookie(self.fd.as_fd()).map_err(sys(Doing::OpenSocket))
    }

    /// Sends all `requests` at once. `each` sees what they bring back, with the place of the
    /// request in the list. The outcome of each request stands in the same place of the result.
    ///
    /// # Errors
    /// When they could not be sent or the answers not be read; what was done is then unknown.
    pub fn exchange(
        &mut self,
        requests: &[Request],
        each: impl FnMut(usize, Message<'_>),
    ) -> Result<Vec<Outcome>, Error> {
        self.exchange_until(requests, End::of(requests.len(), true), each)
    }

    /// As [`Socket::exchange`], for a list whose last request is a question with one answer, which
    /// is waited for instead of an acknowledgement.
    pub(crate) fn ask(
        &mut self,
        requests: &[Request],
        each: impl FnMut(usize, Message<'_>),
    ) -> Result<Vec<Outcome>, Error> {
        self.exchange_until(requests, End::of(requests.len(), false), each)
    }

    /// As [`Socket::exchange`], for a list whose end need not be answered: that of an nft
    /// transaction is not, before Linux 6.18.
    pub(crate) fn exchange_until(
        &mut self,
        requests: &[Request],
        end: End,
        mut each: impl FnMut(usize, Message<'_>),
    ) -> Result<Vec<Outcome>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let first = self.post(requests, end.acked.then_some(end.last))?;
        let mut outcomes = vec![Outcome::default(); requests.len()];
        loop {
            let datagram = match self.receive() {
                // More came than the socket could hold. What it holds can still be read.
                Err(e) if e.errno() == Some(Errno::NOBUFS) => continue,
                // A batch that is given up early is answered in part; the refusal is among it.
                Err(e) if e.errno() == Some(Errno::AGAIN) && refused(&outcomes) => {
                    return Ok(outcomes);
                }
                other => other?,
            };
            for message in messages(datagram) {
                let message = message?;
                let Some(place) = place(first, message.seq, requests.len()) else { continue };
                match message.answer() {
                    Answer::Ack(outcome) => {
                        if let Some(slot) = outcomes.get_mut(place) {
                            *slot = outcome;
                        }
                        if place == end.last {
                            return Ok(outcomes);
                        }
                    }
                    Answer::Data(message) => {
                        each(place, message);
                        if place == end.last && !end.acked {
                            return Ok(outcomes);
                        }
                    }
                    Answer::Done(_) | Answer::Noop => {}
                }
            }
        }
    }

    /// Asks for all objects of a kind; `parse` makes one thing of each message, or nothing.
    /// A dump that was disturbed is begun again.
    ///
    /// # Errors
    /// The kernel's refusal, or `EINTR` when it was disturbed time and again.
    pub fn dump<T>(
        &mut self,
        request: &Request,
        mut parse: impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Vec<T>, Error> {
        for _ in 0..RETRIES {
            if let Some(found) = self.try_dump(request, &mut parse)? {
                return Ok(found);
            }
            self.drain()?;
        }
        Err(Error::sys(Doing::Receive, Sys::INTR))
    }

    /// `None` when the dump was disturbed.
    fn try_dump<T>(
        &mut self,
        request: &Request,
        parse: &mut impl FnMut(Message<'_>) -> Option<T>,
    ) -> Result<Option<Vec<T>>, Error> {
        let mut request = request.clone();
        request.flags |= flag::DUMP;
        let first = self.post(&[request], None)?;
        let mut found = Vec::new();
        loop {
            let datagram = match self.receive() {
                Ok(datagram) => datagram,
                Err(e) if matches!(e.errno(), Some(Errno::NOBUFS | Errno::MSGSIZE)) => {
                    return Ok(None);
                }
                Err(e) => return Err(e),
            };
            for message in messages(datagram) {
                let message = message?;
                if message.seq != first {
                    continue;
                }
                if message.interrupted() {
                    return Ok(None);
                }
                match message.answer() {
                    Answer::Data(message) => found.extend(parse(message)),
                    Answer::Done(o) | Answer::Ack(o) => return Ok(end(o)?.then_some(found)),
                    Answer::Noop => {}
                }
            }
        }
    }

    /// Sends, and returns the number of the first request. The one at `acked` is acknowledged.
    fn post(&mut self, requests: &[Request], acked: Option<usize>) -> Result<u32, Error> {
        let first = self.seq.wrapping_add(1);
        self.outbox.clear();
        for (place, request) in requests.iter().enumerate() {
            self.seq = self.seq.wrapping_add(1);
            let at = self.outbox.len();
            request.encode(self.seq, 0, &mut self.outbox);
            if acked == Some(place) {
                acknowledge(self.outbox.get_mut(at..).unwrap_or_default());
            }
        }
        if self.outbox.len() > SENDABLE {
            // Refused without the right to: then the send says so.
            let _set = set_socket_send_buffer_size_force(&self.fd, 2 * self.outbox.len());
        }
        retry_on_intr(|| send(&self.fd, &self.outbox, SendFlags::empty()))
            .map_err(sys(Doing::Send))?;
        Ok(first)
    }

    /// One datagram. One that does not fit is lost (`EMSGSIZE`), but the next of its size is not;
    /// no acknowledgement is that large.
    pub(crate) fn receive(&mut self) -> Result<&[u8], Error> {
        let flags = RecvFlags::DONTWAIT | RecvFlags::TRUNC;
        // Into memory that nobody has touched: the most of it stays so, and costs nothing.
        self.inbox.clear();
        let receive = || recv(&self.fd, spare_capacity(&mut self.inbox), flags);
        let (_, len) = retry_on_intr(receive).map_err(sys(Doing::Receive))?;
        self.received(len)
    }

    /// As [`Socket::receive`], with the number of the namespace that it came from if that is
    /// behind a link ([`Socket::hear_behind_links`]).
    pub(crate) fn receive_numbered(&mut self) -> Result<(Option<i32>, &[u8]), Error> {
        self.inbox.resize(self.inbox.capacity(), 0);
        let receive = || receive_numbered(self.fd.as_fd(), &mut self.inbox);
        let (len, number) = retry_on_intr(receive).map_err(sys(Doing::Receive))?;
        Ok((number, self.received(len)?))
    }

    fn received(&mut self, len: usize) -> Result<&[u8], Error> {
        if len > self.inbox.capacity() {
            self.inbox.clear();
            self.inbox.reserve(len);
            return Err(Error::sys(Doing::Receive, Sys::MSGSIZE));
        }
        Ok(self.inbox.get(..len).unwrap_or_default())
    }

    /// Throws away what is left of an exchange that was given up.
    fn drain(&mut self) -> Result<(), Error> {
        loop {
            match self.receive() {
                Ok(_) => {}
                Err(e) if e.errno() == Some(Errno::AGAIN) => return Ok(()),
                Err(e) if matches!(e.errno(), Some(Errno::NOBUFS | Errno::MSGSIZE)) => {}
                Err(e) => return Err(e),
            }
        }
    }
}

/// Sets the flag that asks for an acknowledgement, in the header of an encoded message.
fn acknowledge(message: &mut [u8]) {
    if let Some([low, high]) = message.get_mut(6..8).and_then(|b| b.first_chunk_mut()) {
        let flags = u16::from_ne_bytes([*low, *high]) | flag::ACK;
        [*low, *high] = flags.to_ne_bytes();
    }
}

/// The place in the list of the request that an answer numbered `seq` belongs to.
fn place(first: u32, seq: u32, len: usize) -> Option<usize> {
    usize::try_from(seq.wrapping_sub(first)).ok().filter(|place| *place < len)
}

fn refused(outcomes: &[Outcome]) -> bool {
    outcomes.iter().any(|o| o.errno != 0)
}

/// False when the dump ended because it was disturbed.
fn end(outcome: Outcome) -> Result<bool, Error> {
    match outcome.errno {
        0 => Ok(true),
        libc::EINTR => Ok(false),
        _ => Err(Error::refused(Doing::Read, outcome)),
    }
}
