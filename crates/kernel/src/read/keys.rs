//! Reading a few objects, by one narrow question each.
//!
//!     link br0, address on br0, route …   one send for what the links are known of, then one for the rest
//!
//! Nothing is dumped that grows with the number of sandboxes. The answer may hold neighbours of
//! what was asked for; only what was asked for is kept.  Never here: reading all.

use std::collections::{BTreeMap, BTreeSet};

use ropewalk_facts::{Body, Id, IfName, Key, Ns, Snapshot};
use ropewalk_wire::Error as WireError;
use ropewalk_wire::nl::{Request, flag};
use ropewalk_wire::rt;

use crate::errno::Errno;
use crate::error::Error;
use crate::reply::Reply;
use crate::space::Kernel;
use crate::{netns, sysctl};

impl Kernel {
    /// Reads the objects that `keys` name; those that are not there are not in the snapshot.
    /// A namespace that has a name in plans only (`netns:red`, not yet made) holds nothing.
    ///
    /// # Errors
    /// [`Error::UnknownNs`], or the kernel's refusal.
    pub fn read_keys(&mut self, keys: &[Key]) -> Result<Snapshot, Error> {
        let mut by_ns: BTreeMap<&Ns, BTreeSet<&Id>> = BTreeMap::new();
        for key in keys {
            by_ns.entry(&key.ns).or_default().insert(&key.id);
        }
        let mut found = Snapshot::default();
        for (ns, ids) in by_ns {
            if self.space(ns).is_err() && to_be_made(ns) {
                continue;
            }
            self.read_ids(ns, &ids, &mut found)?;
        }
        Ok(found)
    }

    fn read_ids(
        &mut self,
        ns: &Ns,
        ids: &BTreeSet<&Id>,
        found: &mut Snapshot,
    ) -> Result<(), Error> {
        let mut rt = Vec::new();
        let mut settings = Vec::new();
        let (mut nft, mut xt) = (Vec::new(), Vec::new());
        for id in ids {
            match id {
                Id::Netns(name) if netns::exists(name) => {
                    found.insert(Body::Netns(name.clone()).at(ns.clone()));
                }
                Id::Netns(_) => {}
                Id::Sysctl(path) => settings.push(path),
                id if id.is_legacy() => xt.push(*id),
                Id::Table(_) | Id::Set(_) | Id::Chain(_) | Id::NftRule(_) | Id::Element(_) => {
                    nft.push(*id);
                }
                Id::Link(_)
                | Id::Member(_)
                | Id::Addr(_)
                | Id::Route(_)
                | Id::Rule(_)
                | Id::Neigh(_)
                | Id::Fdb(_)
                | Id::Qdisc(_)
                | Id::Filter(_) => rt.push(*id),
            }
        }
        for body in self.read_rt_ids(ns, &rt)? {
            if ids.contains(&body.id()) {
                found.insert(body.at(ns.clone()));
            }
        }
        let filters = self.read_nft_ids(ns, &nft)?.into_iter().chain(self.read_xt_ids(ns, &xt)?);
        for body in filters {
            if ids.contains(&body.id()) {
                found.insert(body.at(ns.clone()));
            }
        }
        if settings.is_empty() {
            return Ok(());
        }
        let read = || settings.iter().map(|path| sysctl::read(path)).collect::<Result<Vec<_>, _>>();
        let values = self.inside(ns, read)??;
        for value in values.into_iter().flatten() {
            found.insert(Body::Sysctl(value).at(ns.clone()));
        }
        Ok(())
    }

    /// The objects of rtnetlink among `ids`, and what else the answers hold.
    fn read_rt_ids(&mut self, ns: &Ns, ids: &[&Id]) -> Result<Vec<Body>, Error> {
        let mut replies = Vec::new();
        let later = self.question(ns, ids, &mut replies)?;
        if !later.is_empty() {
            // What is left over now is on links that are not there.
            self.question(ns, &later, &mut replies)?;
        }
        self.see_peers(ns, &replies, false)?;
        let mut found = self.decode(ns, &replies)?;
        let wide = self.read_wide(ns, ids, &found)?;
        found.extend(wide);
        if self.on_a_filter(ns, ids, &found)? {
            self.learn_vlans(ns, &mut found)?;
        }
        Ok(found)
    }

    /// True when a member that was asked for is on a bridge that tells VLANs apart.
    fn on_a_filter(&mut self, ns: &Ns, ids: &[&Id], found: &[Body]) -> Result<bool, Error> {
        let member = |name: &IfName| {
            let is = |id: &&Id| matches!(id, Id::Member(dev) if dev == name);
            ids.iter().any(is)
        };
        let links = found.iter().filter_map(Body::as_link).filter(|link| member(&link.name));
        let masters: BTreeSet<&IfName> = links.filter_map(|link| link.master.as_ref()).collect();
        let ask = masters.iter().map(|name| rt::link_get(name.as_str()));
        let ask: Vec<Request> = ask.collect::<Result<_, _>>()?;
        if ask.is_empty() {
            return Ok(false);
        }
        let replies: Vec<Reply> = self.ask(ns, &ask)?.into_iter().flatten().collect();
        let bridges = self.decode(ns, &replies)?;
        let mut bridges = bridges.iter().filter_map(Body::as_link);
        Ok(bridges.any(|bridge| bridge.vlan_filtering.is_some()))
    }

    /// Asks for `ids`. Those that are on links not known yet are returned, their links asked for.
    fn question<'i>(
        &mut self,
        ns: &Ns,
        ids: &[&'i Id],
        replies: &mut Vec<Reply>,
    ) -> Result<Vec<&'i Id>, Error> {
        let links = &self.space(ns)?.links;
        let (mut single, mut several) = (BTreeMap::new(), BTreeMap::new());
        let mut later = Vec::new();
        for id in ids {
            match rt::read(id, links) {
                Ok(request) if request.flags & flag::DUMP == flag::DUMP => {
                    several.insert(request.body.clone(), request);
                }
                Ok(request) => drop(single.insert(request.body.clone(), request)),
                Err(WireError::NoIndex(name)) => {
                    let request = rt::link_get(name.as_str())?;
                    single.insert(request.body.clone(), request);
                    later.push(*id);
                }
                Err(e) => return Err(e.into()),
            }
        }
        let single: Vec<Request> = single.into_values().collect();
        replies.extend(self.ask(ns, &single)?.into_iter().flatten());
        for request in several.into_values() {
            let rt = &mut self.space_mut(ns)?.rt;
            replies.extend(rt.dump(&request, |m| Some(Reply::of(&m)))?);
        }
        Ok(later)
    }

    /// The facts in `replies`. A link that they speak of is looked up when it is not known.
    fn decode(&mut self, ns: &Ns, replies: &[Reply]) -> Result<Vec<Body>, Error> {
        let mut found = Vec::new();
        for reply in replies {
            let decoded = match rt::decode(&reply.message(), &self.space(ns)?.links) {
                Err(WireError::NoName(index)) => {
                    self.ask(ns, &[rt::link_at(index)?])?;
                    rt::decode(&reply.message(), &self.space(ns)?.links)
                }
                other => other,
            };
            match decoded {
                Ok(facts) => found.extend(facts),
                // The link went meanwhile, and with it what was said.
                Err(WireError::NoName(_)) => {}
                Err(e) => return Err(e.into()),
            }
        }
        Ok(found)
    }

    /// What the wider question brings for the objects that the narrow one did not.
    fn read_wide(&mut self, ns: &Ns, ids: &[&Id], found: &[Body]) -> Result<Vec<Body>, Error> {
        let known: BTreeSet<Id> = found.iter().map(Body::id).collect();
        let mut requests = BTreeMap::new();
        for id in ids.iter().filter(|id| !known.contains(**id)) {
            if let Some(request) = rt::read_wide(id)? {
                requests.insert(request.body.clone(), request);
            }
        }
        let mut wide = Vec::new();
        for request in requests.into_values() {
            let rt = &mut self.space_mut(ns)?.rt;
            let replies = match rt.dump(&request, |m| Some(Reply::of(&m))) {
                Ok(replies) => replies,
                // A namespace that never had a route of a family has no table of it either.
                Err(e) if e.errno().is_some_and(Errno::absent) => continue,
                Err(e) => return Err(e),
            };
            wide.extend(self.decode(ns, &replies)?);
        }
        Ok(wide)
    }
}

/// True for the name of a namespace that is not there.
fn to_be_made(ns: &Ns) -> bool {
    ns.as_str().strip_prefix("netns:").is_some_and(|name| !netns::exists(name))
}
