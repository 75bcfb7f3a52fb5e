//! Links that are not made by a request in their own namespace: those that stand on a link of another
//! one, taps, and those that are moved.
//!
//!     ip link add link eth1 name eth0 netns red type macvlan      from the namespace of eth1
//!     ip tuntap add dev tap0 mode tap                             through /dev/net/tun
//!     ip link set dev eth1 netns red name eth0                    from the namespace of eth1
//!
//! A link that stands on another is born where it belongs, in one request: nothing is moved. Kernels
//! before 6.15 refuse a name that is taken where the request is sent (`__rtnl_newlink`,
//! net/core/rtnetlink.c), as eth0 often is, unless they are told the index that the link shall have.

use std::os::fd::AsRawFd as _;

use ropewalk_facts::{Body, IfName, Link, Ns, Peer, TapSpec};
use ropewalk_plan::Change;
use ropewalk_wire::Error as WireError;
use ropewalk_wire::nl::Request;
use ropewalk_wire::rt::{self, Far, Make};

use crate::batch::{Lane, Stop, mark, stop};
use crate::error::Error;
use crate::run::Run;
use crate::{failpoint, tap};

impl Run<'_> {
    /// Makes a link on one of another namespace.
    pub(crate) fn stack(
        &mut self,
        at: usize,
        change: &Change,
        link: &Link,
        lower: &Peer,
    ) -> Result<(), Stop> {
        if !self.batch.takes(&lower.ns, Lane::Rt) {
            self.send()?;
        }
        self.forget(change);
        let index = self.index_of(at, &lower.ns, lower)?;
        let taken = link.name == lower.name || self.is_there(at, &lower.ns, &link.name)?;
        let own = taken.then(|| link.name.index());
        let mut born = loop {
            match self.born(&change.key.ns, link, index, own) {
                Err(Error::Wire(WireError::NoIndex(name))) => {
                    let near = Peer { ns: change.key.ns.clone(), name };
                    self.index_of(at, &change.key.ns, &near)?;
                }
                other => break other.map_err(|e| stop(self.changes, at, e))?,
            }
        };
        let rest = born.split_off(born.len().min(1));
        // No echo is asked for: the kernel would send it to the other namespace.
        self.batch.push(&lower.ns, Lane::Rt, at, born);
        if !rest.is_empty() {
            self.send()?;
            self.batch.push(&change.key.ns, Lane::Rt, at, rest);
        }
        Ok(())
    }

    /// The requests for it: the first to the namespace of its lower link, the rest to its own.
    fn born(
        &self,
        ns: &Ns,
        link: &Link,
        lower: u32,
        index: Option<u32>,
    ) -> Result<Vec<Request>, Error> {
        let space = self.kernel.space(ns)?;
        let far = Far { ns: Some(space.fd.as_raw_fd()), lower: Some(lower), index, link: None };
        let body = Body::Link(link.clone());
        Ok(rt::create(&body, Make::Exclusive, Some(&far), &space.links)?)
    }

    /// True when there is a link `name`.
    fn is_there(&mut self, at: usize, ns: &Ns, name: &IfName) -> Result<bool, Stop> {
        self.send()?;
        match self.kernel.find_link(ns, name) {
            Ok(()) => Ok(true),
            Err(Error::NoLink { .. }) => Ok(false),
            Err(error) => Err(stop(self.changes, at, error)),
        }
    }

    /// The index of a link, which may be one that waits to be made.
    fn index_of(&mut self, at: usize, ns: &Ns, link: &Peer) -> Result<u32, Stop> {
        let known = |run: &Self| run.kernel.space(ns).map(|space| space.links.index(&link.name));
        let wrong = |error| stop(self.changes, at, error);
        if let Some(index) = known(self).map_err(wrong)? {
            return Ok(index);
        }
        self.send()?;
        let found = self.kernel.find_link(ns, &link.name).and_then(|()| known(self));
        let absent = || Error::NoLink { ns: ns.clone(), name: link.name.clone() };
        let found = found.and_then(|index| index.ok_or_else(absent));
        found.map_err(|error| stop(self.changes, at, error))
    }

    /// Makes a tap, then what of it takes a request.
    pub(crate) fn tap(
        &mut self,
        at: usize,
        change: &Change,
        link: &Link,
        spec: &TapSpec,
    ) -> Result<(), Stop> {
        self.send()?;
        self.forget(change);
        failpoint::hit("tap");
        let ns = &change.key.ns;
        let made = self.kernel.inside(ns, || tap::create(&link.name, link.mac, spec));
        made.and_then(|made| made).map_err(|error| stop(self.changes, at, error))?;
        mark(&mut self.done, at);
        let born =
            Link { up: false, mac: link.mac, ..Link::up(link.name.clone(), link.kind.clone()) };
        let born = Some(Body::Link(born).at(ns.clone()));
        self.rt(at, &Change { old: born, ..change.clone() })
    }

    /// Moves a link here, then sets what of it is to be otherwise.
    pub(crate) fn move_here(
        &mut self,
        at: usize,
        change: &Change,
        link: &Link,
        from: &Peer,
    ) -> Result<(), Stop> {
        self.send()?;
        self.forget(change);
        let here = Peer { ns: change.key.ns.clone(), name: link.name.clone() };
        if let Err(refusal) = self.relocate(at, from, &here) {
            // It may have come, and not got its name.
            let under = |name: &IfName| Peer { ns: here.ns.clone(), name: name.clone() };
            if here.ns != from.ns && self.index_of(at, &here.ns, &under(&from.name)).is_ok() {
                self.relocate(at, &under(&from.name), from).ok();
            }
            return Err(refusal);
        }
        mark(&mut self.done, at);
        let born = self.before(at, from).map_or_else(
            || Link { mac: link.mac, ..Link::up(link.name.clone(), link.kind.clone()) },
            |was| Link { name: link.name.clone(), kind: link.kind.clone(), ..was.clone() },
        );
        let born = Link { up: false, master: None, ..born };
        let born = Some(Body::Link(born).at(change.key.ns.clone()));
        self.rt(at, &Change { old: born, ..change.clone() })
    }

    /// Moves a link back; one that is not here has gone already.
    pub(crate) fn give_back(
        &mut self,
        at: usize,
        change: &Change,
        link: &Link,
        from: &Peer,
    ) -> Result<(), Stop> {
        self.send()?;
        self.forget(change);
        let here = Peer { ns: change.key.ns.clone(), name: link.name.clone() };
        match self.relocate(at, &here, from) {
            Err(Stop { error: Error::NoLink { .. }, .. }) => {}
            other => other?,
        }
        mark(&mut self.done, at);
        Ok(())
    }

    /// Moves the link `from` to `to`. Names are settled in the same request, or one that is taken in
    /// the other namespace would stand in the way.
    fn relocate(&mut self, at: usize, from: &Peer, to: &Peer) -> Result<(), Stop> {
        let index = self.index_of(at, &from.ns, from)?;
        let wrong = |error| stop(self.changes, at, error);
        let fd = self.kernel.space(&to.ns).map_err(wrong)?.fd.as_raw_fd();
        let request = rt::link_move(index, fd, &to.name);
        let request = request.map_err(|error| wrong(Error::Wire(error)))?;
        self.batch.push(&from.ns, Lane::Rt, at, vec![request]);
        self.send()?;
        for place in [from, to] {
            if let Ok(space) = self.kernel.space_mut(&place.ns)
                && let Some(index) = space.links.index(&place.name)
            {
                space.links.forget(index);
            }
        }
        Ok(())
    }

    /// What the list says of the link that is moved by the change at `at`.
    fn before(&self, at: usize, from: &Peer) -> Option<&Link> {
        let before = self.changes.get(..at).unwrap_or_default();
        let gone = before.iter().rev().take_while(|change| change.implied);
        gone.filter_map(|change| change.old.as_ref())
            .filter(|fact| fact.ns == from.ns)
            .find_map(|fact| fact.body.as_link().filter(|link| link.name == from.name))
    }
}
