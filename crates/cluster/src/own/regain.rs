//! Addresses in use here that are not the host's own: it was removed, and has joined again.
//!
//!     their block rests after this host, or is nobody's      it is claimed: nobody had it meanwhile
//!     it is another's, or they lie in none                   each is asked for by its number
//!
//! Until they are its own again nothing answers for them.  Never here: how that is done.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;

use super::claim::block_in;
use super::journal::Journal;
use super::{Local, Work};
use crate::block::Place;
use crate::key::Key;
use crate::record::BlockState;
use crate::view::View;
use crate::wish::lends;

impl Local {
    /// Adds what of `leased` is in use and not the host's, to be had again, or is another's, too.
    pub fn regain(
        &mut self,
        view: &View,
        journal: &Journal,
        leased: &BTreeMap<NetworkName, Vec<IpAddr>>,
    ) {
        let all = leased.iter().flat_map(|(network, ips)| ips.iter().map(move |ip| (network, *ip)));
        for (network, ip) in all {
            let mut own = journal.held.keys().chain(journal.exceptions.keys());
            let held = own.any(|place| place.network == *network && place.block.contains(&ip));
            let single = view.exceptions.get(&(network.clone(), ip)).map(|known| &known.value);
            let other = single.filter(|one| held && !one.asked && one.h != journal.host);
            self.twice.extend(other.map(|one| ((network.clone(), ip), one.h.clone())));
            let Some(net) = view.nets.get(network).filter(|_| !held) else { continue };
            let block = block_in(&net.value.pools, ip);
            let place = block.map(|block| Place { network: network.clone(), block });
            let known = place.as_ref().and_then(|place| view.blocks.get(place));
            let owned = known.filter(|block| block.value.state == BlockState::Own);
            match (owned, place) {
                (Some(block), _) if block.value.h == journal.host => {}
                (None, Some(place)) => drop(self.unheld.insert(place)),
                (Some(_), _) | (None, None) if lends(&net.value) => {
                    self.exceptions.insert((network.clone(), ip));
                }
                (Some(_), _) | (None, None) => {}
            }
        }
    }
}

impl Work<'_> {
    /// Claims blocks of which addresses are in use here and that nobody had since. Returns which.
    pub(super) fn regain(&mut self) -> BTreeSet<Place> {
        let local = self.local;
        let back: BTreeSet<Place> =
            local.unheld.iter().filter(|place| self.left(place)).cloned().collect();
        back.iter().for_each(|place| self.claim(place));
        back
    }

    /// Whether a block rests after this host, or is nobody's.
    fn left(&self, place: &Place) -> bool {
        let mine = self.view.blocks.get(place).is_some_and(|block| {
            block.value.h == self.journal.host && block.value.state == BlockState::Quarantine
        });
        let disputed = self.view.disputes.contains_key(place);
        let held = self.journal.held.contains_key(place);
        let readable = !self.view.occupied(&Key::Block(place.clone()));
        (mine && !disputed && !held && readable) || self.free(place)
    }
}

/// How many of `places` are of a pool.
pub(super) fn within(places: &BTreeSet<Place>, network: &NetworkName, pool: &IpNet) -> usize {
    let here = |place: &&Place| place.network == *network && pool.contains(&place.block);
    places.iter().filter(here).count()
}
