//! Looking links up, and finding where the other ends of veths are.
//!
//!     name ─▶ index ─▶ name          one request each, kept for as long as the namespace is open
//!     eth0@if7, link-netnsid 3  ─▶  the open namespace known here as 3  ─▶  its link 7
//!
//! Never here: what is done with them.

use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use ropewalk_facts::{IfName, Ns};
use ropewalk_wire::nl::Request;
use ropewalk_wire::rt::{self, Links, OtherEnd};

use crate::error::Error;
use crate::reply::Reply;
use crate::space::Kernel;

/// How many questions go out in one send, so that the answers fit the socket.
const AT_ONCE: usize = 32;

/// How long [`Kernel::settle`] waits at most, and how often it asks.
const PATIENCE: Duration = Duration::from_millis(250);
const EVERY: Duration = Duration::from_millis(1);

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

    /// Has links carry packets that are connected just now, in this order: a bridge after its ports.
    ///
    /// The kernel takes notice of that some time later, in a queue behind all who change links; until then, what
    /// is sent by the link is dropped, and the next ARP request comes a second after. Since 6.8 it takes notice when it
    /// is asked (`linkwatch_sync_dev` in `rtnl_getlink`, net/core/rtnetlink.c); before that it is waited for, a
    /// quarter of a second at most.
    ///
    /// # Errors
    /// The kernel's refusal.
    #[expect(
        clippy::disallowed_methods,
        reason = "only before 6.8; news would need a socket open since before"
    )]
    pub fn settle(&mut self, ns: &Ns, names: &[IfName]) -> Result<(), Error> {
        let questions: Result<Vec<_>, _> =
            names.iter().map(|name| rt::link_get(name.as_str())).collect();
        let (questions, begun) = (questions?, Instant::now());
        loop {
            let replies = self.ask(ns, &questions)?;
            let settling = replies.iter().flatten().any(|reply| rt::settling(&reply.message()));
            if !settling || begun.elapsed() > PATIENCE {
                return Ok(());
            }
            std::thread::sleep(EVERY);
        }
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
    /// Links that are `known` already are not asked for. The numbers that lead to them are returned.
    pub(crate) fn see_peers(
        &mut self,
        ns: &Ns,
        replies: &[Reply],
        known: bool,
    ) -> Result<BTreeMap<i32, Ns>, Error> {
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
        let numbers = self.nsids(ns, &wanted.keys().copied().collect())?;
        for (nsid, other) in &numbers {
            let Some(indices) = wanted.get(nsid) else { continue };
            let links = &self.space(other)?.links;
            let new = indices.iter().filter(|i| !known || links.name(**i).is_none());
            let questions: Result<Vec<_>, _> = new.map(|i| rt::link_at(*i)).collect();
            self.ask(other, &questions?)?;
            let links = &self.space(other)?.links;
            let mut ends = Links::new(other.clone());
            for index in indices {
                links.name(*index).into_iter().for_each(|name| ends.insert(name.clone(), *index));
            }
            self.space_mut(ns)?.links.see(*nsid, &ends);
        }
        Ok(numbers)
    }

    /// The open namespaces that `ns` knows by these numbers. Where one is open by two names, the
    /// first counts. The host is asked about first: nearly all pairs lead there.
    fn nsids(&mut self, ns: &Ns, wanted: &BTreeSet<i32>) -> Result<BTreeMap<i32, Ns>, Error> {
        let mut asked = BTreeSet::from([self.cookie(ns)?]);
        let mut others: Vec<(Ns, i32)> = Vec::new();
        for (name, space) in self.spaces() {
            if asked.insert(space.cookie) {
                others.push((name.clone(), space.fd.as_raw_fd()));
            }
        }
        let (first, rest) = others.split_at(others.len().min(1));
        let mut found = BTreeMap::new();
        for some in std::iter::once(first).chain(rest.chunks(AT_ONCE)) {
            if wanted.iter().all(|number| found.contains_key(number)) {
                break;
            }
            let questions: Result<Vec<_>, _> =
                some.iter().map(|(_, fd)| rt::nsid_get(*fd)).collect();
            let replies = self.ask(ns, &questions?)?;
            let numbers = replies.iter().map(|r| r.iter().find_map(|r| rt::nsid_of(&r.message())));
            let named = some.iter().zip(numbers);
            found.extend(named.filter_map(|((name, _), number)| Some((number?, name.clone()))));
        }
        Ok(found)
    }
}
