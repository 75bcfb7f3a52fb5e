//! Reading nf_tables: all of it, a few objects, or what is needed to write about them.
//!
//!     nft list ruleset      nft get element …      nft -a list chain …
//!
//! Never here: rules of anybody's in particular.

use std::collections::BTreeSet;

use ropewalk_facts::nft::{ChainKey, Set, SetKey};
use ropewalk_facts::{Body, Id, Key, Ns};
use ropewalk_wire::Error as WireError;
use ropewalk_wire::nft::{self, Reader, Ruleset};
use ropewalk_wire::nl::{Request, flag};

use super::RETRIES;
use crate::errno::Errno;
use crate::error::{Doing, Error};
use crate::space::Kernel;

/// How many questions go out in one send, so that the answers fit the socket.
const AT_ONCE: usize = 32;

impl Kernel {
    /// Makes sets known, so that elements of them are written without asking what they are of.
    ///
    /// # Errors
    /// [`Error::UnknownNs`]
    pub fn know_sets(&mut self, ns: &Ns, sets: impl IntoIterator<Item = Set>) -> Result<(), Error> {
        let ruleset = &mut self.space_mut(ns)?.ruleset;
        sets.into_iter().for_each(|set| ruleset.learn_set(set));
        Ok(())
    }

    /// Everything of nf_tables. Where a set goes in the midst of it, all is read again.
    pub(super) fn read_nft(&mut self, ns: &Ns) -> Result<Vec<Body>, Error> {
        for _ in 0..RETRIES {
            match self.try_read_nft(ns) {
                Err(e) if e.errno() == Some(Errno::NOENT) => {}
                other => return other,
            }
        }
        self.try_read_nft(ns)
    }

    fn try_read_nft(&mut self, ns: &Ns) -> Result<Vec<Body>, Error> {
        let mut reader = Reader::new();
        for request in nft::dumps()? {
            self.nft_dump(ns, &request, &mut reader)?;
        }
        let sets: Vec<SetKey> = reader.sets().cloned().collect();
        for set in &sets {
            self.nft_dump(ns, &nft::elements_of(set)?, &mut reader)?;
        }
        let (facts, ruleset) = reader.done();
        self.space_mut(ns)?.ruleset = ruleset;
        Ok(facts)
    }

    /// The chains of hooks, in the order in which they were made.
    pub(super) fn read_hooked(&mut self, ns: &Ns) -> Result<Vec<ChainKey>, Error> {
        let mut reader = Reader::new();
        self.nft_dump(ns, &nft::chains_dump()?, &mut reader)?;
        let facts = reader.done().0;
        let chains = facts.iter().filter_map(Body::as_chain).filter(|chain| chain.base.is_some());
        let chains = chains.map(|chain| chain.key.clone());
        Ok(chains.collect())
    }

    /// The objects of nf_tables among `ids`, and what else the answers hold.
    pub(super) fn read_nft_ids(&mut self, ns: &Ns, ids: &[&Id]) -> Result<Vec<Body>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.find_sets(ns, ids)?;
        let ruleset = &self.space(ns)?.ruleset;
        let (mut single, mut chains) = (Vec::new(), BTreeSet::new());
        for id in ids {
            match (id, nft::read(id, ruleset)) {
                (Id::NftRule(key), _) => drop(chains.insert(key.chain.clone())),
                (_, Ok(request)) => single.push(request),
                // The set is not there, so nothing is in it.
                (_, Err(WireError::NoSet(_))) => {}
                (_, Err(e)) => return Err(e.into()),
            }
        }
        let mut reader = Reader::with(ruleset);
        self.nft_ask(ns, &single, &mut reader)?;
        for chain in &chains {
            self.nft_rules(ns, chain, &mut reader)?;
        }
        let (mut facts, ruleset) = reader.done();
        self.space_mut(ns)?.ruleset.renew(None, ruleset);
        for set in self.in_doubt(ns, ids, &facts)? {
            let known = &self.space(ns)?.ruleset;
            let mut reader = Reader::with(known);
            self.nft_dump(ns, &nft::elements_of(&set)?, &mut reader)?;
            facts.retain(|body| body.as_element().is_none_or(|x| x.key.set != set));
            facts.extend(reader.done().0.into_iter().filter(|body| body.as_element().is_some()));
        }
        Ok(facts)
    }

    /// The sets of ranges that answered with other ranges than were asked for. Where a range ends at
    /// the key that the next begins with, the kernel may tell the end of the one with the start of
    /// the other (`__nft_rbtree_get`, net/netfilter/nft_set_rbtree.c).
    fn in_doubt(&self, ns: &Ns, ids: &[&Id], facts: &[Body]) -> Result<BTreeSet<SetKey>, Error> {
        let ruleset = &self.space(ns)?.ruleset;
        let of = |set: &SetKey| {
            let set = set.clone();
            facts.iter().filter_map(|body| body.as_element()).filter(move |x| x.key.set == set)
        };
        let asked =
            ids.iter().filter_map(|id| if let Id::Element(k) = id { Some(k) } else { None });
        let doubtful = asked.filter(|key| {
            let edges = ruleset.set(&key.set).is_some_and(nft::has_edges);
            edges && of(&key.set).next().is_some() && of(&key.set).all(|x| x.key != **key)
        });
        Ok(doubtful.map(|key| key.set.clone()).collect())
    }

    /// Makes the sets known that the elements among `ids` are of, where they are there.
    fn find_sets(&mut self, ns: &Ns, ids: &[&Id]) -> Result<(), Error> {
        let ruleset = &self.space(ns)?.ruleset;
        let mut unknown = BTreeSet::new();
        for id in ids {
            if let Id::Element(key) = id
                && ruleset.set(&key.set).is_none()
            {
                unknown.insert(key.set.clone());
            }
        }
        let unknown: Vec<SetKey> = unknown.into_iter().collect();
        self.learn_sets(ns, &unknown)
    }

    /// Asks for sets, and remembers those that are there.
    pub(crate) fn learn_sets(&mut self, ns: &Ns, sets: &[SetKey]) -> Result<(), Error> {
        let ruleset = Ruleset::new();
        let ask = |set: &SetKey| nft::read(&Id::Set(set.clone()), &ruleset);
        let requests: Result<Vec<Request>, _> = sets.iter().map(ask).collect();
        let mut reader = Reader::new();
        self.nft_ask(ns, &requests?, &mut reader)?;
        self.space_mut(ns)?.ruleset.renew(None, reader.done().1);
        Ok(())
    }

    /// Why the set is not there that the element `key` is of.
    pub(crate) fn no_set(&mut self, key: &Key, set: &SetKey) -> Error {
        let table = Id::Table(set.table.clone()).at(key.ns.clone());
        match self.read_keys(&[table]) {
            Ok(found) if found.is_empty() => Error::NoTable(Box::new(key.clone())),
            Ok(_) => Error::sys(Doing::Read, Errno::NOENT).about(key),
            Err(e) => e,
        }
    }

    /// Reads which rules a chain has, and by what handles.
    pub(crate) fn learn_rules(&mut self, ns: &Ns, chain: &ChainKey) -> Result<(), Error> {
        let mut reader = Reader::new();
        self.nft_rules(ns, chain, &mut reader)?;
        self.space_mut(ns)?.ruleset.renew(Some(chain), reader.done().1);
        Ok(())
    }

    /// Dumps the rules of a chain; none where there is no such chain.
    fn nft_rules(&mut self, ns: &Ns, chain: &ChainKey, reader: &mut Reader) -> Result<(), Error> {
        match self.nft_dump(ns, &nft::rules_of(chain)?, reader) {
            Err(e) if e.errno() == Some(Errno::NOENT) => Ok(()),
            other => other,
        }
    }

    fn nft_dump(&mut self, ns: &Ns, request: &Request, reader: &mut Reader) -> Result<(), Error> {
        let nf = self.space_mut(ns)?.nf()?;
        for reply in nf.dump(request, |m| Some(crate::reply::Reply::of(&m)))? {
            reader.take(&reply.message());
        }
        Ok(())
    }

    /// Asks for single objects; those that are not there bring nothing.
    fn nft_ask(&mut self, ns: &Ns, requests: &[Request], reader: &mut Reader) -> Result<(), Error> {
        debug_assert!(requests.iter().all(|r| r.flags & flag::DUMP == 0));
        for part in requests.chunks(AT_ONCE) {
            let nf = self.space_mut(ns)?.nf()?;
            // A range is answered in two messages, so the end has to be acknowledged.
            let outcomes = nf.exchange(part, |_, message| reader.take(&message))?;
            outcomes.into_iter().try_for_each(crate::reply::answered)?;
        }
        Ok(())
    }
}
