//! A host that was removed answers for nothing of the cluster's any more, until a person decides.
//!
//!     gone/ME        networks that nobody is on go; of the others nothing is leased, and nothing answers
//!     member again   what is the host's own again is answered for, the rest is said
//!
//! The sandboxes stay as they are.  That the host was removed is a record that somebody wrote, seen in a
//! whole view of this cluster; nothing that is missing, and no store that is away, leads here.
//! Never here: whose an address is (`cluster`), what answers (`engine`).

use std::collections::BTreeSet;

use ropewalk_cluster::own::Standing;
use ropewalk_engine::Fenced;
use ropewalk_spec::NetworkName;

use super::Stay;
use crate::hands::{self, held, line};

impl Stay<'_> {
    /// Takes away what answers, where the host was removed.
    pub(super) fn fence(&mut self, faults: &mut BTreeSet<String>) {
        if self.memory.journal.standing != Standing::Removed {
            return;
        }
        let names = self.memory.made.keys().chain(&self.defined.networks);
        let names: BTreeSet<NetworkName> = names.cloned().collect();
        for name in &names {
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            match self.fenced(name) {
                Ok(said) => faults.extend(said),
                Err(fault) => drop(faults.insert(fault)),
            }
        }
    }

    fn fenced(&mut self, name: &NetworkName) -> Result<Option<String>, String> {
        if hands::crowd(self.paths, name).map_err(|fault| line(&fault))? == 0 {
            return self.unmade(name).map(|()| None);
        }
        let left = hands::fence(self.paths, name).map_err(|fault| line(&fault))?;
        if let Some(wish) = self.memory.made.get_mut(name) {
            wish.fence();
        }
        Ok(said(name, &left))
    }

    /// Answers again for what is the host's own, where it is a member again.
    pub(super) fn lift_fences(&mut self, now: u64, faults: &mut BTreeSet<String>) {
        let journal = &self.memory.journal;
        let doubtful = journal.settling(now).is_some() || self.echo.twin();
        if !self.fences || doubtful || journal.standing != Standing::Member {
            return;
        }
        let mut left = false;
        for name in self.memory.made.keys() {
            let Some(_held) = held(self.site, self.paths, faults) else { return };
            match hands::lift(self.paths, name, &|ip| journal.leases(name, ip)) {
                Ok(rest) => {
                    left |= !rest.is_empty();
                    faults.extend(said(name, &rest));
                }
                Err(fault) => {
                    left = true;
                    faults.insert(line(&fault));
                }
            }
        }
        self.fences = left;
    }
}

/// What a person should know of a network.
fn said(name: &NetworkName, fenced: &[Fenced]) -> Option<String> {
    let first = fenced.first()?;
    let ip = first.addresses.first()?;
    let (many, sandbox) = (fenced.len(), &first.sandbox);
    let all = if many == 1 { String::new() } else { format!(", {many} sandboxes in all") };
    Some(format!(
        "{ip} of {sandbox} on network {name} is not this host's any more, and nothing here answers for it{all}: \
         ropewalk detach {sandbox} {name}, or, where nobody else has it by now, ropewalk join"
    ))
}
