//! The networks of the cluster as they shall be on this host: made, changed, removed, or held back.
//!
//!     wishes ─▶ guard ─▶ begun, written down ─▶ the engine ─▶ made
//!
//! Never here: what is wished for (`cluster`), how a network is made (`engine`).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use ropewalk_cluster::own::Standing;
use ropewalk_cluster::{Passed, Site, Wish};
use ropewalk_kernel::failpoint;
use ropewalk_spec::NetworkName;

use super::Stay;
use crate::hands::{held, line, make, text, there, unmake};

impl Stay<'_> {
    /// Makes the networks as they shall be.
    pub(super) fn make(
        &mut self,
        mut wanted: BTreeMap<NetworkName, Wish>,
        gone: &BTreeSet<NetworkName>,
        now: u64,
        faults: &mut BTreeSet<String>,
    ) {
        if self.memory.journal.standing != Standing::Member {
            return;
        }
        let held_back = self.holds_back(&wanted, gone, now);
        for (name, wish) in &mut wanted {
            if let Some(before) = self.memory.made.get(name) {
                if held_back {
                    *wish = wish.clone().and_before(before);
                }
                if before == wish && !self.memory.begun.contains(name) {
                    continue;
                }
            }
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            self.changed = true;
            if let Err(fault) = self.made(name, wish) {
                faults.insert(fault);
            }
        }
        for name in gone.iter().filter(|_| !held_back) {
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            self.changed = true;
            faults.extend(self.unmade(name).err());
        }
    }

    /// Takes one network away. That it is not whole any more is written down first: it may be wished for
    /// again, just as it was.
    pub(super) fn unmade(&mut self, name: &NetworkName) -> Result<(), String> {
        if self.memory.made.contains_key(name) && self.memory.begun.insert(name.clone()) {
            self.memory.write(&self.paths.state).map_err(text)?;
        }
        unmake(self.paths, name).map_err(|fault| line(&fault))?;
        self.memory.made.remove(name);
        self.memory.begun.remove(name);
        failpoint::hit("network of the cluster gone");
        if self.defined.networks.remove(name) {
            Site::define(&self.paths.config, &self.defined).map_err(text)?;
        }
        Ok(())
    }

    /// Makes one network. That it is begun is written down first, so that whoever leaves meanwhile, or
    /// comes after a crash, knows of it; one of that name that somebody else made is not claimed so.
    fn made(&mut self, name: &NetworkName, wish: &Wish) -> Result<(), String> {
        let before = self.memory.made.get(name).cloned();
        if before.is_none() && !there(self.paths, name).map_err(text)? {
            self.memory.begun.insert(name.clone());
            self.memory.made.insert(name.clone(), wish.clone());
            failpoint::hit("network of the cluster");
            self.memory.write(&self.paths.state).map_err(text)?;
            self.define(name)?;
        }
        let done = make(self.paths, name, wish, before.as_ref());
        if done.is_ok() {
            // What it is made without can be another's from now on.
            let same = |old: &Wish| old.own == wish.own && old.without == wish.without;
            if !before.as_ref().is_some_and(same) {
                self.due = Some(Instant::now());
            }
            self.memory.made.insert(name.clone(), wish.clone());
            self.memory.begun.remove(name);
            self.define(name)?;
        } else if self.memory.begun.contains(name) && matches!(there(self.paths, name), Ok(false)) {
            self.memory.made.remove(name);
            self.memory.begun.remove(name);
        }
        done.map_err(|fault| line(&fault))
    }

    /// Writes down that a network here is the cluster's, which a reboot shall not forget.
    fn define(&mut self, name: &NetworkName) -> Result<(), String> {
        if self.defined.networks.insert(name.clone()) {
            self.defined.revision = self.member.view().map_or(0, |view| view.revision);
            Site::define(&self.paths.config, &self.defined).map_err(text)?;
        }
        Ok(())
    }

    /// Whether what is no longer known stays for now.
    fn holds_back(
        &mut self,
        wanted: &BTreeMap<NetworkName, Wish>,
        gone: &BTreeSet<NetworkName>,
        now: u64,
    ) -> bool {
        let made = &self.memory.made;
        let [ways, networks] = &mut self.guards;
        let (lost, blocks) = Wish::lost(made, wanted);
        let ways = ways.pass(lost, blocks, now);
        let going = made.keys().filter(|name| gone.contains(*name)).count();
        let networks = networks.pass(going, made.len(), now);
        let forgotten = self.memory.journal.settling(now).is_some();
        forgotten || [ways, networks] != [Passed::All; 2]
    }
}
