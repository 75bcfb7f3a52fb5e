//! Looking links up, and finding where the other ends of veths are.
//!
//!     name ─▶ index ─▶ name          one request each, kept for as long as the namespace is open
//!     eth0@if7, link-netnsid 3  ─▶  the open namespace known here as 3  ─▶  its link 7
//!
//! Never here: what is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd as _;

use ropewalk_facts::{IfName, Ns};
use ropewalk_wire::nl::Request;
use ropewalk_wire::rt::{self, OtherEnd};

use crate::error::Error;
use crate::reply::Reply;
use crate::space::Kernel;

/// How many questions go out in one send, so that the answers fit the socket.
const AT_ONCE: usize = 32;

impl Kernel {
    /// Makes sure that the index of `name` is known.
    ///
    /// # Errors
    /// [`Error::NoLink`] when there is no such link.
    pub(crate) fn find_link(&mut self, ns: &Ns, name: &IfName) -> Result<(), Error> {
        self.ask(ns, &[rt::link_get(name.as_str())?])?;
        match self.space(ns)?.links.index(name) {
            Some(_) => Ok(()),
            None => Err(Error::NoLink { ns: ns.clone(), name: name.clone() }),
        }
    }

    /// True when the link `name` is connected to something (`IFF_LOWER_UP`).
    ///
    /// # Errors
    /// The kernel's refusal; a link that is not there is not connected.
    pub fn carrier(&mut self, ns: &Ns, name: &IfName) -> Result<bool, Error> {
        let replies = self.ask(ns, &[rt::link_get(name.as_str())?])?;
        Ok(replies.iter().flatten().any(|reply| rt::carrier(&reply.message())))
    }

    /// Asks `questions` of rtnetlink. What they bring back stands in the place of the question;
    /// links among it are learned. What is not there brings nothing back.
    ///
    /// # Errors
    /// The kernel's refusal of one that is neither answered nor absent.
    pub(crate) fn ask(&mut self, ns: &Ns, questions: &[Request]) -> Result<Vec<Vec<Reply>>, Error> {
        let space = self.space_mut(ns)?;
        let mut all = Vec::with_capacity(questions.len());
        for part in questions.chunks(AT_ONCE) {
            let mut replies = vec![Vec::new(); part.len()];
            let links = &mut space.links;
            let outcomes = space.rt.ask(part, |place, message| {
                links.learn(&message);
                if let Some(slot) = replies.get_mut(place) {
                    slot.push(Reply::of(&message));
                }
            })?;
            outcomes.into_iter().try_for_each(crate::reply::answered)?;
            all.extend(replies);
        }
        Ok(all)
    }

    /// Finds the other ends of the veths in `replies`, in the namespaces that are open, so that
    /// these can be decoded with their peers.
    pub(crate) fn see_peers(&mut self, ns: &Ns, replies: &[Reply]) -> Result<(), Error> {
        let ends = replies.iter().filter_map(|r| rt::other_end(&r.message()));
        let mut wanted: BTreeMap<i32, BTreeSet<u32>> = BTreeMap::new();
        let mut here = Vec::new();
        for OtherEnd { nsid, index } in ends {
            match nsid {
                Some(nsid) => drop(wanted.entry(nsid).or_default().insert(index)),
                None if self.space(ns)?.links.name(index).is_none() => {
                    here.push(rt::link_at(index)?);
                }
                None => {}
            }
        }
        self.ask(ns, &here)?;
        if wanted.is_empty() {
            return Ok(());
        }
        for (nsid, other) in self.nsids(ns)? {
            let Some(indices) = wanted.get(&nsid) else { continue };
            let questions: Result<Vec<_>, _> = indices.iter().map(|i| rt::link_at(*i)).collect();
            self.ask(&other, &questions?)?;
            let seen = self.space(&other)?.links.clone();
            self.space_mut(ns)?.links.see(nsid, &seen);
        }
        Ok(())
    }

    /// The numbers by which `ns` knows the other open namespaces. Where one is open by two names,
    /// the first counts.
    pub(crate) fn nsids(&mut self, ns: &Ns) -> Result<BTreeMap<i32, Ns>, Error> {
        let own = self.cookie(ns)?;
        let mut others = BTreeMap::new();
        for (name, space) in self.spaces().filter(|(_, space)| space.cookie != own) {
            others.entry(space.cookie).or_insert((name.clone(), space.fd.as_raw_fd()));
        }
        let questions: Result<Vec<_>, _> =
            others.values().map(|(_, fd)| rt::nsid_get(*fd)).collect();
        let replies = self.ask(ns, &questions?)?;
        let numbers = replies.iter().map(|r| r.iter().find_map(|r| rt::nsid_of(&r.message())));
        let named = others.into_values().zip(numbers);
        Ok(named.filter_map(|((name, _), number)| Some((number?, name))).collect())
    }
}
