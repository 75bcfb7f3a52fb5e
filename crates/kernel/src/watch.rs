//! Watching: being told by the kernel when something of a namespace changes.
//!
//!     ip monitor · nft monitor
//!
//! What is told arrives in sockets that a caller waits for; where more happened than they hold,
//! that is said, and then only a look at everything can tell what.  Never here: waiting, and what
//! to do about it.

use std::os::fd::BorrowedFd;

use ropewalk_wire::nl::{Message, messages};
use ropewalk_wire::{nft, rt};

use crate::errno::Errno;
use crate::error::Error;
use crate::socket::{Protocol, Socket};

/// Room for what happens while nobody reads, such as a thousand links that go at once.
const ROOM: usize = 4 << 20;

/// Told of by the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// By rtnetlink.
    Rt(rt::Event),
    /// By nf_tables.
    Nft(nft::Event),
    /// An address, or a route of ropewalk's, is gone in the namespace that has this number here:
    /// one behind links of this namespace ([`rt::LinkState::behind`]).
    Behind(i32),
    /// More happened than could be told.
    Overflow,
}

/// The sockets that listen: to this namespace, its rules, and to addresses and routes behind its links.
#[derive(Debug)]
pub struct Watch {
    rt: Socket,
    nf: Socket,
    inside: Socket,
}

impl Watch {
    /// Listens in the namespace of the calling thread, from now on.
    ///
    /// # Errors
    /// When the kernel lacks one of them.
    pub fn open() -> Result<Self, Error> {
        let rt = Socket::open(Protocol::Route)?;
        rt.listen(rt::GROUPS, ROOM)?;
        let nf = Socket::open(Protocol::Netfilter)?;
        nf.listen(nft::GROUPS, ROOM)?;
        // Before it is bound: what is told is not to be only ours.
        let inside = Socket::open(Protocol::Route)?;
        inside.hear_behind_links()?;
        inside.listen(rt::INSIDE, ROOM)?;
        Ok(Self { rt, nf, inside })
    }

    /// The links as they are now. Asked for after listening, so that no change falls between.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn links(&self) -> Result<Vec<rt::LinkState>, Error> {
        let link = |message: Message<'_>| match rt::event(&message) {
            Some(rt::Event::Link(state)) => Some(state),
            _ => None,
        };
        Socket::open(Protocol::Route)?.dump(&rt::links_dump()?, link)
    }

    /// To be waited for.
    #[must_use]
    pub fn fds(&self) -> [BorrowedFd<'_>; 3] {
        [self.rt.fd(), self.nf.fd(), self.inside.fd()]
    }

    /// All that has been told since, without waiting.
    ///
    /// # Errors
    /// When a socket fails otherwise than by holding too little.
    pub fn drain(&mut self) -> Result<Vec<Event>, Error> {
        let mut all = Vec::new();
        drain(&mut self.rt, &mut all, |_, m| rt::event(m).map(Event::Rt))?;
        drain(&mut self.nf, &mut all, |_, m| nft::event(m).map(Event::Nft))?;
        drain(&mut self.inside, &mut all, |number, m| {
            rt::event(m)?;
            number.map(Event::Behind)
        })?;
        Ok(all)
    }
}

fn drain(
    socket: &mut Socket,
    all: &mut Vec<Event>,
    read: impl Fn(Option<i32>, &Message<'_>) -> Option<Event>,
) -> Result<(), Error> {
    loop {
        match socket.receive_numbered() {
            Ok((number, datagram)) => {
                all.extend(messages(datagram).filter_map(|m| read(number, &m.ok()?)));
            }
            Err(e) if e.errno() == Some(Errno::AGAIN) => return Ok(()),
            // Lost for want of room, in the socket or in our buffer.
            Err(e) if matches!(e.errno(), Some(Errno::NOBUFS | Errno::MSGSIZE)) => {
                all.push(Event::Overflow);
            }
            Err(e) => return Err(e),
        }
    }
}
