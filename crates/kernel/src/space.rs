//! The namespaces that are open, each with its sockets.
//!
//!     Ns::HOST     ─▶ descriptor · number · rtnetlink socket · netfilter socket, when first needed
//!     netns:red    ─▶ …
//!
//! Never here: what is asked over the sockets.

use std::collections::BTreeMap;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::rc::Rc;

use ropewalk_facts::Ns;
use ropewalk_wire::nft::Ruleset;
use ropewalk_wire::rt::Links;

use crate::enter::enter_from;
use crate::error::Error;
use crate::netns;
use crate::socket::{Protocol, Socket};

/// The open namespaces. It belongs to the thread that made it, for it enters namespaces with it.
#[derive(Debug)]
pub struct Kernel {
    /// The namespace of the thread, to which it comes back.
    home: Rc<OwnedFd>,
    spaces: BTreeMap<Ns, Space>,
}

/// One open namespace.
#[derive(Debug)]
pub(crate) struct Space {
    /// The namespace.
    pub(crate) fd: Rc<OwnedFd>,
    /// That of the thread.
    home: Rc<OwnedFd>,
    /// Its number, the same for every name it is known by.
    pub(crate) cookie: u64,
    /// For links, addresses, routes, rules, neighbours.
    pub(crate) rt: Socket,
    nf: Option<Socket>,
    /// What is known of its links.
    pub(crate) links: Links,
    /// What is known of its sets and rules.
    pub(crate) ruleset: Ruleset,
}

impl Space {
    fn open(ns: Ns, fd: Rc<OwnedFd>, home: Rc<OwnedFd>) -> Result<Self, Error> {
        let rt = socket(&home, &fd, Protocol::Route)?;
        let cookie = rt.cookie()?;
        let (links, ruleset) = (Links::new(ns), Ruleset::new());
        Ok(Self { fd, home, cookie, rt, nf: None, links, ruleset })
    }

    /// For nf_tables and connection tracking.
    pub(crate) fn nf(&mut self) -> Result<&mut Socket, Error> {
        if self.nf.is_none() {
            self.nf = Some(socket(&self.home, &self.fd, Protocol::Netfilter)?);
        }
        self.nf.as_mut().ok_or(Error::UnknownNs(Ns::HOST))
    }
}

/// A socket in the namespace `fd`, for a thread that is in `home`.
fn socket(home: &Rc<OwnedFd>, fd: &Rc<OwnedFd>, protocol: Protocol) -> Result<Socket, Error> {
    if Rc::ptr_eq(home, fd) {
        return Socket::open(protocol);
    }
    enter_from(home.as_fd(), fd.as_fd(), || Socket::open(protocol))?
}

impl Kernel {
    /// With the namespace of the calling thread open, as [`Ns::HOST`].
    ///
    /// # Errors
    /// When there is no /proc, or no netlink.
    pub fn new() -> Result<Self, Error> {
        let home = Rc::new(netns::current()?);
        let host = Space::open(Ns::HOST, Rc::clone(&home), Rc::clone(&home))?;
        Ok(Self { home, spaces: BTreeMap::from([(Ns::HOST, host)]) })
    }

    /// Opens one more: what plans call `ns` is the namespace `fd`. One already known by that name
    /// is replaced.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn add(&mut self, ns: Ns, fd: OwnedFd) -> Result<(), Error> {
        let space = Space::open(ns.clone(), Rc::new(fd), Rc::clone(&self.home))?;
        self.spaces.insert(ns, space);
        Ok(())
    }

    /// Lets go of a namespace, so that it can vanish.
    pub fn forget(&mut self, ns: &Ns) {
        self.spaces.remove(ns);
    }

    /// The namespaces that are open.
    pub fn open(&self) -> impl Iterator<Item = &Ns> {
        self.spaces.keys()
    }

    /// The kernel's number of a namespace (`SO_NETNS_COOKIE`), which no other has until the next
    /// boot.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]
    pub fn cookie(&self, ns: &Ns) -> Result<u64, Error> {
        self.space(ns).map(|space| space.cookie)
    }

    /// The descriptor of a namespace.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]
    pub fn fd(&self, ns: &Ns) -> Result<BorrowedFd<'_>, Error> {
        self.space(ns).map(|space| space.fd.as_fd())
    }

    /// Runs `work` in a namespace, on this thread.
    ///
    /// # Errors
    /// [`Error::UnknownNs`], or when it cannot be entered.
    pub fn inside<T>(&self, ns: &Ns, work: impl FnOnce() -> T) -> Result<T, Error> {
        if ns.is_host() {
            return Ok(work());
        }
        enter_from(self.home.as_fd(), self.fd(ns)?, work)
    }

    pub(crate) fn spaces(&self) -> impl Iterator<Item = (&Ns, &Space)> {
        self.spaces.iter()
    }

    pub(crate) fn space(&self, ns: &Ns) -> Result<&Space, Error> {
        self.spaces.get(ns).ok_or_else(|| Error::UnknownNs(ns.clone()))
    }

    pub(crate) fn space_mut(&mut self, ns: &Ns) -> Result<&mut Space, Error> {
        self.spaces.get_mut(ns).ok_or_else(|| Error::UnknownNs(ns.clone()))
    }
}
