//! A host that was removed answers for nothing of the cluster's any more, until a person decides.
//!
//!     gone/ME        networks that nobody is on go; of the others nothing is leased, and nothing answers
//!     member again   what is the host's own again is answered for, the rest is said
//!
//! The sandboxes stay as they are.  That the host was removed is a record that somebody wrote, seen in a
//! whole view of this cluster; nothing that is missing, and no store that is away, leads here.
//! Never here: whose an address is (`cluster`), what answers (`engine`).

use std::collections::BTreeSet;
use std::net::IpAddr;

use ropewalk_cluster::own::Standing;
use ropewalk_cluster::{BlockState, View};
use ropewalk_engine::Fenced;
use ropewalk_spec::NetworkName;

use super::Stay;
use crate::hands::{self, held, line};

/// So many sandboxes are named one by one.
const FEW: usize = 4;

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
        let again = "or, where nobody else has it by now, ropewalk join";
        Ok(said(name, &left, None, again))
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
                    let first = rest.first().and_then(|one| one.addresses.first());
                    let whose = self.member.view().zip(first);
                    let whose = whose.and_then(|(view, ip)| whose_is(view, name, *ip));
                    let again = "and attach it again for an address of this host's";
                    faults.extend(said(name, &rest, whose, again));
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

/// The name of the host that has an address by now.
fn whose_is(view: &View, network: &NetworkName, ip: IpAddr) -> Option<String> {
    let single = view.exceptions.get(&(network.clone(), ip)).filter(|one| !one.value.asked);
    let mut blocks = view.blocks.iter().filter(|(place, block)| {
        let owned = block.value.state == BlockState::Own;
        owned && place.network == *network && place.block.contains(&ip)
    });
    let block = || blocks.next().map(|(_, block)| &block.value.h);
    let host = view.hosts.get(single.map(|one| &one.value.h).or_else(block)?)?;
    Some(host.value.name.clone())
}

/// What a person should know of a network: whose addresses are fenced, why, and what to do.
fn said(
    name: &NetworkName,
    fenced: &[Fenced],
    whose: Option<String>,
    again: &str,
) -> Option<String> {
    let first = fenced.first()?;
    let ip = first.addresses.first()?;
    let sandbox = &first.sandbox;
    let more: Vec<&str> = fenced.iter().skip(1).map(|one| one.sandbox.as_str()).collect();
    let more = match more.as_slice() {
        [] => String::new(),
        some if some.len() <= FEW => format!(" (the same for {})", some.join(", ")),
        some => format!(" (the same for {} others: ropewalk ps)", some.len()),
    };
    let whose = match whose {
        Some(host) => format!("host {host}'s by now"),
        None => "not this host's any more".to_owned(),
    };
    Some(format!(
        "{ip} of {sandbox} on network {name} is {whose}, and nothing here answers for it{more}: \
         ropewalk detach {sandbox} {name}, {again}"
    ))
}
