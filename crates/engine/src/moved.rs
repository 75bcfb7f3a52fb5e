//! Interfaces of the host that are lent to a sandbox, and how they come back.
//!
//!     detach             ─▶ by the journal: name, state, addresses, routes
//!     the sandbox dies   ─▶ the kernel sends a network card to the first namespace of the machine, where
//!                           it is found by our mark, under any name; an interface that is not hardware
//!                           is deleted with the sandbox, and cannot come back
//!
//! Never here: moving (that is a change like others).

use ropewalk_facts::{Body, Fact, Link, Ns, Snapshot};
use ropewalk_plan::Change;

use crate::Engine;
use crate::fault::Fault;
use crate::host;

/// The interface that `changes` move, as it is in the sandbox.
pub(crate) fn in_changes(changes: &[Change]) -> Option<(&Ns, &Link)> {
    changes.iter().filter_map(|change| change.new.as_ref()).find_map(|fact| {
        let link = fact.body.as_link().filter(|link| link.kind.origin().is_some());
        link.map(|link| (&fact.ns, link))
    })
}

impl Engine {
    /// `changes`, with an interface that came back by itself under the name that it has now.
    pub(crate) fn follow_moved(&mut self, changes: Vec<Change>) -> Result<Vec<Change>, Fault> {
        let Some((there, lent)) = in_changes(&changes) else { return Ok(changes) };
        if self.kernel.open().any(|ns| ns == there) {
            return Ok(changes);
        }
        let host = self.read_host()?;
        let name = marked(&host, lent).map(|link| link.name.clone());
        let (there, lent) = (there.clone(), lent.clone());
        let here = |change: Change| {
            let Some(name) = &name else {
                // It was not moved yet, or is no more: nothing of it is to be put back.
                return (change.key.ns != there && !change.removes()).then_some(change);
            };
            if change.new.as_ref().is_none_or(|fact| fact.body != Body::Link(lent.clone())) {
                return (change.key.ns != there).then_some(change);
            }
            let link = Link { name: name.clone(), ..lent.clone() };
            let fact = Body::Link(link).at(Ns::HOST);
            Some(Change { key: fact.key(), new: Some(fact), ..change })
        };
        Ok(changes.into_iter().filter_map(here).collect())
    }

    /// What the host has that moves with an interface, so that it can be given back with it.
    pub(crate) fn learn_all(&mut self, world: &mut Snapshot) -> Result<(), Fault> {
        let found = self.read_host()?;
        let missing: Vec<Fact> =
            found.iter().filter(|fact| !world.contains(&fact.key())).cloned().collect();
        missing.into_iter().for_each(|fact| drop(world.insert(fact)));
        Ok(())
    }
}

/// The link of the host that bears the marks of `lent`.
fn marked<'a>(found: &'a Snapshot, lent: &Link) -> Option<&'a Link> {
    let links = found.of(&Ns::HOST).filter_map(|fact| fact.body.as_link());
    let marks: Vec<&String> =
        lent.altnames.iter().filter(|name| name.starts_with(ropewalk_spec::names::MARK)).collect();
    let same = |link: &&Link| marks.iter().all(|mark| link.altnames.contains(*mark));
    links.filter(|link| host::ours(link)).find(same)
}
