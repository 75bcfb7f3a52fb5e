//! Requests that wait to be sent together, and what became of them.
//!
//!     [3: new link] [3: new altname] [4: address]   one send over one socket of one namespace
//!
//! rtnetlink goes on after a refusal, so that every request has its own outcome; an nft batch is
//! one transaction. The index of a new link comes back as its echo; kernels before 6.2 send none
//! (`rtnl_newlink_create` in net/core/rtnetlink.c), so that it is asked for when it is needed.
//! It is not asked for at once: RTM_GETLINK settles first what carriers have become
//! (`linkwatch_sync_dev`), and a leg whose other end is still down would leave its bridge and come
//! back, which took 2 ms with 1000 others on it.  Never here: what the requests are.

use ropewalk_facts::{Id, Ns, Peer};
use ropewalk_plan::Change;
use ropewalk_wire::nft::{self, Ruleset};
use ropewalk_wire::nl::{Outcome, Request, flag};
use ropewalk_wire::rt;

use crate::errno::Errno;
use crate::error::{Doing, Error};
use crate::failpoint;
use crate::socket::End;
use crate::space::{Kernel, Space};

/// How many requests go out in one send, so that what they bring back fits the socket.
const AT_ONCE: usize = 64;

/// Over which socket requests go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lane {
    #[default]
    Rt,
    Nf,
}

/// A change that was refused.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) at: usize,
    pub(crate) error: Error,
}

/// What a request is for.
#[derive(Debug)]
struct For {
    /// The place of its change in the list.
    at: usize,
    /// The other end of the veth that it makes, whose index is wanted.
    peer: Option<Peer>,
}

/// Requests for one socket.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    ns: Ns,
    lane: Lane,
    uses: Vec<For>,
    requests: Vec<Request>,
}

impl Batch {
    /// True when more can join it that go over `lane` of `ns`.
    pub(crate) fn takes(&self, ns: &Ns, lane: Lane) -> bool {
        self.requests.is_empty() || (self.ns == *ns && self.lane == lane)
    }

    /// Adds the requests of the change at `at`.
    pub(crate) fn push(&mut self, ns: &Ns, lane: Lane, at: usize, requests: Vec<Request>) {
        self.ns = ns.clone();
        self.lane = lane;
        self.uses.extend(requests.iter().map(|_| For { at, peer: None }));
        self.requests.extend(requests);
    }

    /// Adds the requests that make a link; its index is to be learned, and that of its other end.
    pub(crate) fn push_link(
        &mut self,
        ns: &Ns,
        at: usize,
        mut requests: Vec<Request>,
        peer: Option<Peer>,
    ) {
        let place = self.uses.len();
        if let Some(first) = requests.first_mut() {
            first.flags |= flag::ECHO;
        }
        self.push(ns, Lane::Rt, at, requests);
        if let Some(what) = self.uses.get_mut(place) {
            what.peer = peer;
        }
    }

    /// Sends all, and marks in `done` the changes of which anything was done.
    pub(crate) fn send(
        self,
        kernel: &mut Kernel,
        changes: &[Change],
        done: &mut [bool],
    ) -> Result<(), Stop> {
        if self.requests.is_empty() {
            return Ok(());
        }
        match self.lane {
            Lane::Rt => self.send_rt(kernel, changes, done),
            Lane::Nf => self.transact(kernel, changes, done),
        }
    }

    /// Up to the first part that holds a refusal.
    fn send_rt(
        mut self,
        kernel: &mut Kernel,
        changes: &[Change],
        done: &mut [bool],
    ) -> Result<(), Stop> {
        let size = if failpoint::active() { 1 } else { AT_ONCE };
        while !self.requests.is_empty() {
            let rest = self.split_off(size.min(self.requests.len()));
            self.part(kernel, changes, done)?;
            self = rest;
        }
        Ok(())
    }

    fn split_off(&mut self, at: usize) -> Self {
        Self {
            ns: self.ns.clone(),
            lane: self.lane,
            uses: self.uses.split_off(at),
            requests: self.requests.split_off(at),
        }
    }

    fn part(&self, kernel: &mut Kernel, changes: &[Change], done: &mut [bool]) -> Result<(), Stop> {
        failpoint::hit("rtnetlink request");
        let mut born = Vec::new();
        let exchange = |space: &mut Space| {
            let links = &mut space.links;
            space.rt.exchange(&self.requests, |place, message| {
                links.learn(&message);
                if let Some(For { peer: Some(peer), .. }) = self.uses.get(place)
                    && let Some(end) = rt::other_end(&message)
                {
                    born.push((peer.clone(), end.index));
                }
            })
        };
        let outcomes = kernel
            .space_mut(&self.ns)
            .and_then(exchange)
            .map_err(|error| stop(changes, self.first(), error))?;
        for (peer, index) in born {
            if let Ok(space) = kernel.space_mut(&peer.ns) {
                space.links.insert(peer.name, index);
            }
        }
        self.judge(outcomes, changes, done)
    }

    /// The first refusal, if any.
    fn judge(
        &self,
        outcomes: Vec<Outcome>,
        changes: &[Change],
        done: &mut [bool],
    ) -> Result<(), Stop> {
        let mut refusal = None;
        for (what, outcome) in self.uses.iter().zip(outcomes) {
            match outcome.ok() {
                Ok(()) => mark(done, what.at),
                Err(outcome) if gone_already(changes, what.at, &outcome) => {}
                Err(outcome) if refusal.is_none() => refusal = Some((what.at, outcome)),
                Err(_) => {}
            }
        }
        refusal.map_or(Ok(()), |(at, outcome)| Err(refused(changes, at, outcome)))
    }

    /// All or nothing. What is to go and has gone already is left out, and the rest sent again.
    fn transact(
        mut self,
        kernel: &mut Kernel,
        changes: &[Change],
        done: &mut [bool],
    ) -> Result<(), Stop> {
        while !self.requests.is_empty() {
            failpoint::hit("nft transaction");
            let outcomes = self.send_nf(kernel).map_err(|e| stop(changes, self.first(), e))?;
            if outcomes.iter().all(|outcome| outcome.errno == 0) {
                self.uses.iter().for_each(|what| mark(done, what.at));
                return Ok(());
            }
            self = self.without_gone(changes, outcomes)?;
        }
        Ok(())
    }

    /// The outcome of each request, and of the beginning of the transaction before them.
    fn send_nf(&self, kernel: &mut Kernel) -> Result<Vec<Outcome>, Error> {
        let all = nft::transaction(self.requests.clone());
        let space = kernel.space_mut(&self.ns)?;
        let outcomes = space.nf()?.exchange_until(
            &all,
            End { last: self.requests.len(), acked: true },
            |_, _| {},
        )?;
        if outcomes.iter().any(|outcome| outcome.errno != 0) {
            // What it was taken to become.
            space.ruleset = Ruleset::new();
        }
        Ok(outcomes)
    }

    /// What is left when removals of what is not there are left out.
    fn without_gone(mut self, changes: &[Change], outcomes: Vec<Outcome>) -> Result<Self, Stop> {
        let first = self.first();
        let mut outcomes = outcomes.into_iter();
        // That to the beginning is about the whole.
        if let Some(outcome) = outcomes.next().filter(|outcome| outcome.errno != 0) {
            return Err(refused(changes, first, outcome));
        }
        let all = self.uses.drain(..).zip(self.requests.drain(..)).zip(outcomes);
        let mut kept = Self { ns: self.ns.clone(), lane: self.lane, ..Self::default() };
        for ((what, request), outcome) in all {
            if outcome.errno == 0 {
                kept.uses.push(what);
                kept.requests.push(request);
            } else if !gone_already(changes, what.at, &outcome) {
                return Err(refused_nft(changes, what.at, &request, outcome));
            }
        }
        Ok(kept)
    }

    fn first(&self) -> usize {
        self.uses.first().map_or(0, |what| what.at)
    }
}

/// As [`refused`]; that the table is not there is said as such.
fn refused_nft(changes: &[Change], at: usize, request: &Request, outcome: Outcome) -> Stop {
    match changes.get(at) {
        Some(change)
            if names_table(request, &outcome) && !matches!(change.key.id, Id::Table(_)) =>
        {
            Stop { at, error: Error::NoTable(Box::new(change.key.clone())) }
        }
        _ => refused(changes, at, outcome),
    }
}

/// True when the change is a removal and its object is not there.
fn gone_already(changes: &[Change], at: usize, outcome: &Outcome) -> bool {
    changes.get(at).is_some_and(|change| change.new.is_none()) && Errno(outcome.errno).absent()
}

/// True when what is not there is the table: of every request of nf_tables it is attribute 1.
fn names_table(request: &Request, outcome: &Outcome) -> bool {
    /// Length of `struct nlmsghdr`.
    const HEADER: usize = 16;
    let at = outcome.offset.and_then(|at| usize::try_from(at).ok());
    let attr = at.and_then(|at| request.body.get(at.checked_sub(HEADER)?..)?.get(2..4));
    let kind = attr.and_then(|kind| kind.first_chunk().copied()).map(u16::from_ne_bytes);
    outcome.errno == libc::ENOENT && kind == Some(1)
}

pub(crate) fn mark(done: &mut [bool], at: usize) {
    if let Some(done) = done.get_mut(at) {
        *done = true;
    }
}

/// The change at `at` failed with `error`, which is said of its object.
pub(crate) fn stop(changes: &[Change], at: usize, error: Error) -> Stop {
    let error = match changes.get(at) {
        Some(change) => error.about(&change.key),
        None => error,
    };
    Stop { at, error }
}

/// The kernel refused a request of the change at `at`.
fn refused(changes: &[Change], at: usize, outcome: Outcome) -> Stop {
    let change = changes.get(at);
    let doing = match change {
        Some(Change { old: None, .. }) => Doing::Create,
        Some(Change { new: None, .. }) => Doing::Delete,
        _ => Doing::Change,
    };
    stop(changes, at, Error::refused(doing, outcome))
}
