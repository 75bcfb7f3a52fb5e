//! Carrying out a list of changes, in few sends.
//!
//!     link, link ─one send─▶ │ address, route, route ─one send─▶ │ setting │ nft ─one transaction─▶
//!
//! Changes that stand next to each other and go over the same socket of the same namespace are one
//! send. What needs the index of a link that waits to be made sends that off first.
//! The order is that of the list.  Never here: which changes, and what to do after a refusal.

use std::collections::BTreeSet;
use std::os::fd::AsRawFd as _;

use ropewalk_facts::nft::{ChainKey, RuleKey, SetKey};
use ropewalk_facts::{Body, Fact, Id, Key, Link, LinkKind, Ns, Peer};
use ropewalk_plan::Change;
use ropewalk_wire::Error as WireError;
use ropewalk_wire::nft;
use ropewalk_wire::nl::Request;
use ropewalk_wire::rt::{self, Far, Make};

use crate::batch::{Batch, Lane, Stop, mark, stop};
use crate::error::{Doing, Error};
use crate::space::Kernel;
use crate::{Errno, failpoint, netns, sysctl};

/// The work on one list.
pub(crate) struct Run<'a> {
    pub(crate) kernel: &'a mut Kernel,
    pub(crate) changes: &'a [Change],
    pub(crate) batch: Batch,
    pub(crate) done: Vec<bool>,
    /// Chains of which all rules are known.
    chains: BTreeSet<(Ns, ChainKey)>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(kernel: &'a mut Kernel, changes: &'a [Change]) -> Self {
        let done = vec![false; changes.len()];
        Self { kernel, changes, batch: Batch::default(), done, chains: BTreeSet::new() }
    }

    /// Makes every change that is not implied, up to the first that is refused.
    pub(crate) fn all(&mut self) -> Result<(), Stop> {
        for (at, change) in self.changes.iter().enumerate() {
            self.put(at, change)?;
        }
        self.send()
    }

    /// Makes the change at `at` alone.
    pub(crate) fn one(&mut self, at: usize) -> Result<(), Stop> {
        if let Some(change) = self.changes.get(at) {
            self.put(at, change)?;
        }
        self.send()
    }

    /// For each change whether it was made, wholly or in part.
    pub(crate) fn done(&self) -> &[bool] {
        &self.done
    }

    fn put(&mut self, at: usize, change: &Change) -> Result<(), Stop> {
        if change.implied {
            self.forget(change);
            return Ok(());
        }
        if let (None, Some(Fact { body: Body::Link(link), .. })) = (&change.old, &change.new) {
            match (&link.kind, link.kind.lower()) {
                (LinkKind::Tap(spec), _) => return self.tap(at, change, link, spec),
                (LinkKind::Moved { from }, _) => return self.move_here(at, change, link, from),
                (_, Some(lower)) if lower.ns != change.key.ns => {
                    return self.stack(at, change, link, lower);
                }
                (_, _) => {}
            }
        }
        if let (Some(Fact { body: Body::Link(link), .. }), None) = (&change.old, &change.new)
            && let Some(from) = link.kind.origin()
        {
            return self.give_back(at, change, link, from);
        }
        let made = match &change.key.id {
            Id::Netns(name) => {
                self.send()?;
                self.netns(at, name, change.new.is_some())
            }
            Id::Sysctl(_) => {
                self.send()?;
                self.sysctl(change)
            }
            id if id.is_legacy() => {
                self.send()?;
                self.xt(change)
            }
            Id::Table(_) | Id::Set(_) | Id::Chain(_) | Id::NftRule(_) | Id::Element(_) => {
                return self.nft(at, change);
            }
            Id::Link(_)
            | Id::Member(_)
            | Id::Addr(_)
            | Id::Route(_)
            | Id::Rule(_)
            | Id::Neigh(_)
            | Id::Fdb(_)
            | Id::Qdisc(_)
            | Id::Filter(_) => return self.rt(at, change),
        };
        made.map_err(|error| stop(self.changes, at, error))?;
        mark(&mut self.done, at);
        Ok(())
    }

    /// Sends what waits.
    pub(crate) fn send(&mut self) -> Result<(), Stop> {
        std::mem::take(&mut self.batch).send(self.kernel, self.changes, &mut self.done)
    }

    /// The index of a link that comes or goes is no longer what it was.
    pub(crate) fn forget(&mut self, change: &Change) {
        if let Id::Link(name) = &change.key.id
            && (change.old.is_none() || change.new.is_none())
            && let Ok(space) = self.kernel.space_mut(&change.key.ns)
            && let Some(index) = space.links.index(name)
        {
            space.links.forget(index);
        }
    }

    /// Puts the requests of a change of rtnetlink into the batch.
    pub(crate) fn rt(&mut self, at: usize, change: &Change) -> Result<(), Stop> {
        let ns = &change.key.ns;
        if !self.batch.takes(ns, Lane::Rt) {
            self.send()?;
        }
        self.forget(change);
        let requests = match self.compile(at, change) {
            // The link that it was on is not there, so it has gone already.
            Err(Stop { error: Error::NoLink { .. }, .. }) if change.new.is_none() => Vec::new(),
            other => other?,
        };
        if requests.is_empty() {
            mark(&mut self.done, at);
        }
        match (&change.old, &change.new) {
            (None, Some(Fact { body: Body::Link(link), .. })) => {
                self.batch.push_link(ns, at, requests, peer(link).cloned());
            }
            _ => self.batch.push(ns, Lane::Rt, at, requests),
        }
        Ok(())
    }

    /// The requests of a change. The links that it speaks of are looked up where need be.
    fn compile(&mut self, at: usize, change: &Change) -> Result<Vec<Request>, Stop> {
        loop {
            let missing = match self.requests(at, change) {
                Err(Error::Wire(WireError::NoIndex(name))) => name,
                other => return other.map_err(|e| stop(self.changes, at, e)),
            };
            // It may be one that waits to be made.
            self.send()?;
            self.kernel
                .find_link(&change.key.ns, &missing)
                .map_err(|e| stop(self.changes, at, e))?;
        }
    }

    fn requests(&self, at: usize, change: &Change) -> Result<Vec<Request>, Error> {
        let links = &self.kernel.space(&change.key.ns)?.links;
        Ok(match (&change.old, &change.new) {
            (None, Some(new)) => {
                let far = self.far(at, new)?;
                rt::create(&new.body, make(&new.body), far.as_ref(), links)?
            }
            (Some(old), Some(new)) => rt::change(&old.body, &new.body, links)?,
            (Some(old), None) => rt::delete(&old.body, links)?,
            (None, None) => Vec::new(),
        })
    }

    /// Where the other end of a new veth is born, and as what.
    fn far(&self, at: usize, new: &Fact) -> Result<Option<Far<'a>>, Error> {
        let Body::Link(link) = &new.body else { return Ok(None) };
        let Some(peer) = peer(link) else { return Ok(None) };
        let ns = if peer.ns == new.ns {
            None
        } else {
            Some(self.kernel.space(&peer.ns)?.fd.as_raw_fd())
        };
        Ok(Some(Far { ns, link: self.born_with(at, peer), ..Far::default() }))
    }

    /// What the list says of the other end of the veth that the change at `at` makes.
    fn born_with(&self, at: usize, peer: &Peer) -> Option<&'a Link> {
        let after = self.changes.get(at + 1..).unwrap_or_default();
        after.iter().take_while(|c| c.implied).find_map(|c| match &c.new {
            Some(Fact { ns, body: Body::Link(link) })
                if *ns == peer.ns && link.name == peer.name =>
            {
                Some(link)
            }
            _ => None,
        })
    }

    fn sysctl(&self, change: &Change) -> Result<(), Error> {
        let Some(Fact { ns, body: Body::Sysctl(setting) }) = &change.new else { return Ok(()) };
        failpoint::hit("sysctl");
        self.kernel.inside(ns, || sysctl::write(setting))?
    }

    /// What is to go and is not there has gone already.
    fn xt(&self, change: &Change) -> Result<(), Error> {
        match self.kernel.write_xt(change) {
            Err(e) if change.new.is_none() && e.errno() == Some(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    fn netns(&mut self, at: usize, name: &str, make: bool) -> Result<(), Error> {
        let ns = Ns::new(format!("netns:{name}"));
        if make {
            let fd = netns::create(name)?;
            return self.kernel.add(ns, fd);
        }
        self.part_pairs(at, &ns)?;
        self.kernel.forget(&ns);
        netns::delete(name)
    }

    /// A namespace vanishes some time after its name, and with it the other ends of its veths, and
    /// what stands on links of other namespaces or they on its. Those that the list says go are
    /// removed here and now.
    fn part_pairs(&mut self, at: usize, gone: &Ns) -> Result<(), Error> {
        let before = self.changes.get(..at).unwrap_or_default();
        for change in before.iter().rev().take_while(|c| c.implied) {
            let (Some(old), None) = (&change.old, &change.new) else { continue };
            let Body::Link(link) = &old.body else { continue };
            let joined = peer(link).or(link.kind.lower()).map(|other| &other.ns);
            let pair = peer(link).is_some();
            let parts = |other: &Ns| (*other == *gone) != (old.ns == *gone);
            if joined.is_none_or(|other| !parts(other)) || (pair && old.ns == *gone) {
                continue;
            }
            let space = self.kernel.space_mut(&old.ns)?;
            let requests = rt::delete(&old.body, &space.links)?;
            failpoint::hit("rtnetlink request");
            for outcome in space.rt.exchange(&requests, |_, _| {})? {
                let absent = Errno(outcome.errno).absent();
                outcome.ok().or_else(|o| {
                    if absent {
                        Ok(())
                    } else {
                        Err(Error::refused(Doing::Delete, o).about(&change.key))
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Puts the requests of a change of nf_tables into the batch.
    fn nft(&mut self, at: usize, change: &Change) -> Result<(), Stop> {
        let ns = &change.key.ns;
        if !self.batch.takes(ns, Lane::Nf) {
            self.send()?;
        }
        self.know_chain(at, change)?;
        let requests = match self.compile_nft(at, change) {
            // The rule or the set is not there, so what is to go has gone already.
            Err(Stop { error, .. })
                if change.new.is_none() && error.errno() == Some(Errno::NOENT) =>
            {
                Vec::new()
            }
            other => other?,
        };
        if requests.is_empty() {
            mark(&mut self.done, at);
        }
        self.batch.push(ns, Lane::Nf, at, requests);
        Ok(())
    }

    /// The requests of a change. What has to be known for them is read where need be.
    fn compile_nft(&mut self, at: usize, change: &Change) -> Result<Vec<Request>, Stop> {
        let ns = &change.key.ns;
        loop {
            match self.nft_requests(change) {
                Err(Error::Wire(WireError::NoSet(set))) => self.know_set(at, &change.key, &set)?,
                Err(Error::Wire(WireError::NoHandle(rule))) => self.know_rule(at, ns, &rule)?,
                other => return other.map_err(|e| stop(self.changes, at, e)),
            }
        }
    }

    fn nft_requests(&mut self, change: &Change) -> Result<Vec<Request>, Error> {
        let ruleset = &mut self.kernel.space_mut(&change.key.ns)?.ruleset;
        Ok(match (&change.old, &change.new) {
            (None, Some(new)) => nft::create(&new.body, Make::Exclusive, ruleset)?,
            (Some(old), Some(new)) => nft::change(&old.body, &new.body, ruleset)?,
            (Some(_), None) => nft::delete(&change.key.id, ruleset)?,
            (None, None) => Vec::new(),
        })
    }

    /// A rule that has a place among others needs the others to be known. Those of a chain that
    /// the list makes are.
    fn know_chain(&mut self, at: usize, change: &Change) -> Result<(), Stop> {
        let ns = &change.key.ns;
        if let (Id::Chain(chain), None) = (&change.key.id, &change.old) {
            self.chains.insert((ns.clone(), chain.clone()));
        }
        let Id::NftRule(rule) = &change.key.id else { return Ok(()) };
        let placed = [&change.old, &change.new]
            .into_iter()
            .flatten()
            .any(|fact| fact.body.as_nft_rule().is_some_and(|rule| rule.at.is_some()));
        if placed && self.chains.insert((ns.clone(), rule.chain.clone())) {
            self.send()?;
            return self.learn_rules(at, ns, &rule.chain);
        }
        Ok(())
    }

    fn learn_rules(&mut self, at: usize, ns: &Ns, chain: &ChainKey) -> Result<(), Stop> {
        self.kernel.learn_rules(ns, chain).map_err(|e| stop(self.changes, at, e))
    }

    /// Makes a set known that elements are of.
    fn know_set(&mut self, at: usize, key: &Key, set: &SetKey) -> Result<(), Stop> {
        let ns = &key.ns;
        self.kernel
            .learn_sets(ns, std::slice::from_ref(set))
            .map_err(|e| stop(self.changes, at, e))?;
        match self.kernel.space(ns) {
            Ok(space) if space.ruleset.set(set).is_some() => Ok(()),
            _ => Err(stop(self.changes, at, self.kernel.no_set(key, set))),
        }
    }

    /// Makes the handle of a rule known, which may be one that waits to be made.
    fn know_rule(&mut self, at: usize, ns: &Ns, rule: &RuleKey) -> Result<(), Stop> {
        self.send()?;
        self.learn_rules(at, ns, &rule.chain)?;
        match self.kernel.space(ns) {
            Ok(space) if space.ruleset.handle(rule).is_some() => Ok(()),
            _ => {
                let gone = Error::sys(Doing::Delete, Errno::NOENT);
                Err(stop(self.changes, at, gone))
            }
        }
    }
}

/// An object that is made must not be there; but a bridge or a neighbour table may learn at any
/// moment what is about to be stated, and then that makes room.
fn make(body: &Body) -> Make {
    if matches!(body, Body::Neigh(_) | Body::Fdb(_)) { Make::Shared } else { Make::Exclusive }
}

fn peer(link: &Link) -> Option<&Peer> {
    match &link.kind {
        LinkKind::Veth { peer } => peer.as_ref(),
        LinkKind::Bridge
        | LinkKind::Dummy
        | LinkKind::Ifb
        | LinkKind::Vxlan(_)
        | LinkKind::Macvlan { .. }
        | LinkKind::Ipvlan { .. }
        | LinkKind::Vlan { .. }
        | LinkKind::Vrf { .. }
        | LinkKind::Tap(_)
        | LinkKind::Moved { .. }
        | LinkKind::Loopback
        | LinkKind::Other(_) => None,
    }
}
