//! A netlink socket, as small as it can be, with strict checking and the kernel's own words.

use std::os::fd::{AsRawFd as _, OwnedFd};

use ropewalk_wire::nl::{Answer, Message, Outcome, Request, flag, messages};
use rustix::net::netlink::{NETFILTER, SOCK_DIAG};
use rustix::net::sockopt::set_socket_recv_buffer_size_force;
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

pub(crate) struct Socket(OwnedFd);

/// A message that is kept.
#[derive(Debug)]
pub(crate) struct Kept {
    kind: u16,
    body: Vec<u8>,
}

impl Kept {
    pub(crate) fn message(&self) -> Message<'_> {
        Message { kind: self.kind, flags: 0, seq: 0, pid: 0, body: &self.body }
    }
}

impl Socket {
    pub(crate) fn route() -> Self {
        Self::open(None)
    }

    pub(crate) fn netfilter() -> Self {
        Self::open(Some(NETFILTER))
    }

    pub(crate) fn diag() -> Self {
        Self::open(Some(SOCK_DIAG))
    }

    fn open(protocol: Option<rustix::net::Protocol>) -> Self {
        let flags = SocketFlags::CLOEXEC;
        let fd = socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, protocol).unwrap();
        for option in [libc::NETLINK_EXT_ACK, libc::NETLINK_CAP_ACK, libc::NETLINK_GET_STRICT_CHK] {
            switch_on(&fd, option);
        }
        // Each request of a large transaction is answered, before the first answer is read.
        set_socket_recv_buffer_size_force(&fd, 4 << 20).unwrap();
        Self(fd)
    }

    /// Sends one request and gathers what comes back before the answer.
    pub(crate) fn ask(&self, request: &Request) -> (Outcome, Vec<Kept>) {
        let mut request = request.clone();
        if request.flags & flag::DUMP != flag::DUMP {
            request.flags |= flag::ACK;
        }
        let mut bytes = Vec::new();
        request.encode(1, 0, &mut bytes);
        send(&self.0, &bytes, SendFlags::empty()).unwrap();
        let mut kept = Vec::new();
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let (len, _) = recv(&self.0, &mut *buffer, RecvFlags::empty()).unwrap();
            for message in messages(buffer.get(..len).unwrap()) {
                match message.unwrap().answer() {
                    Answer::Data(m) => kept.push(Kept { kind: m.kind, body: m.body.to_vec() }),
                    Answer::Ack(outcome) | Answer::Done(outcome) => return (outcome, kept),
                    Answer::Noop => {}
                }
            }
        }
    }

    /// Sends requests as one, and returns the place and the answer of the first that was refused.
    pub(crate) fn transact(&self, requests: &[Request]) -> Option<(usize, Outcome)> {
        let mut bytes = Vec::new();
        let last = requests.len() - 2;
        for (seq, request) in (0..).zip(requests) {
            let mut request = request.clone();
            if (1..=last).contains(&usize::try_from(seq).unwrap()) {
                request.flags |= flag::ACK;
            }
            request.encode(seq, 0, &mut bytes);
        }
        send(&self.0, &bytes, SendFlags::empty()).unwrap();
        let mut buffer = vec![0; 64 * 1024];
        let mut refused = None;
        let mut wait = RecvFlags::empty();
        // The answers are all there when the first comes.
        while let Ok((len, _)) = recv(&self.0, &mut *buffer, wait) {
            for message in messages(buffer.get(..len).unwrap()) {
                let message = message.unwrap();
                if let Answer::Ack(outcome) = message.answer()
                    && outcome.errno != 0
                {
                    refused.get_or_insert((usize::try_from(message.seq).unwrap(), outcome));
                }
            }
            wait = RecvFlags::DONTWAIT;
        }
        refused
    }

    /// Sends requests that must all be carried out.
    #[track_caller]
    pub(crate) fn must(&self, requests: &[Request]) -> Vec<Kept> {
        let mut all = Vec::new();
        for request in requests {
            let (outcome, kept) = self.ask(request);
            assert_eq!(outcome.errno, 0, "{outcome:?} for {request:02x?}");
            assert_eq!(outcome.text, None, "a warning");
            all.extend(kept);
        }
        all
    }
}

#[expect(unsafe_code, reason = "no safe crate of ours sets these options")]
fn switch_on(fd: &OwnedFd, option: libc::c_int) {
    let one: libc::c_int = 1;
    let len = libc::socklen_t::try_from(size_of_val(&one)).unwrap();
    // SAFETY: the pointer is to `one`, whose size is given; the descriptor is open.
    let done = unsafe {
        libc::setsockopt(fd.as_raw_fd(), libc::SOL_NETLINK, option, (&raw const one).cast(), len)
    };
    assert_eq!(done, 0, "{}", std::io::Error::last_os_error());
}
