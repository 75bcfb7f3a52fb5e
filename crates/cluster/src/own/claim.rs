//! New blocks for networks that want them, and back with those they have too many of.
//!
//! One block of a pool is asked for at a time; whoever else was quicker is seen in the next view.
//! Never here: what was held before.

use super::journal::HeldState;
use super::regain::within;
use super::{Alarm, Work, found, put};
use crate::block::{Place, Pool};
use crate::key::Key;
use crate::record::{Block, BlockState};

impl Work<'_> {
    /// Gives up a block that is not in use, where there are more than are wanted.
    pub(super) fn surplus(&mut self) {
        if self.settling() {
            return;
        }
        let idle: Vec<Place> = self
            .journal
            .held
            .iter()
            .filter(|(place, held)| held.state == HeldState::Own && !self.used(place))
            .map(|(place, _)| place.clone())
            .collect();
        for place in idle.into_iter().rev() {
            let pool = |net: &ipnet::IpNet| net.contains(&place.block);
            let wanted: usize = self
                .local
                .wants
                .iter()
                .filter(|((network, net), _)| *network == place.network && pool(net))
                .map(|(_, count)| count)
                .sum();
            let nets = self.local.wants.keys().find(|(n, net)| *n == place.network && pool(net));
            let have = nets.map_or(usize::MAX, |(network, net)| self.have(network, net));
            if have > wanted
                && let Some(held) = self.journal.held.get_mut(&place)
            {
                held.state = HeldState::Leaving;
            }
        }
    }

    /// Asks for a block, where there are fewer than are wanted.
    pub(super) fn claims(&mut self) {
        if self.settling() {
            return;
        }
        let (view, local) = (self.view, self.local);
        let back = self.regain();
        for ((network, net), wanted) in &local.wants {
            if self.have(network, net) + within(&back, network, net) >= *wanted {
                continue;
            }
            let kept = view.nets.get(network);
            let pools = kept.map(|kept| kept.value.pools.as_slice()).unwrap_or_default();
            let Some(pool) = pools.iter().find(|pool| pool.net == *net) else { continue };
            let place = |block| Place { network: network.clone(), block };
            let free = pool.order(&self.journal.host).map(place).find(|place| self.free(place));
            match free {
                Some(place) => self.claim(&place),
                None => {
                    let (network, pool) = (network.clone(), *net);
                    self.alarms.insert(Alarm::Exhausted { network, pool });
                }
            }
        }
    }

    fn have(&self, network: &ropewalk_spec::NetworkName, pool: &ipnet::IpNet) -> usize {
        let here = |place: &Place| place.network == *network && pool.contains(&place.block);
        let held = self.journal.held.iter();
        held.filter(|(place, held)| here(place) && held.state == HeldState::Own).count()
    }

    pub(super) fn free(&self, place: &Place) -> bool {
        let now = self.local.now;
        let rested = |block: &Block| {
            block.state == BlockState::Quarantine && block.until.is_none_or(|until| until <= now)
        };
        let known = self.view.blocks.get(place);
        known.is_none_or(|block| rested(&block.value))
            && !self.journal.held.contains_key(place)
            && !self.view.disputes.contains_key(place)
            && !self.view.occupied(&Key::Block(place.clone()))
    }

    pub(super) fn claim(&mut self, place: &Place) {
        let key = Key::Block(place.clone());
        let before = self.view.blocks.get(place);
        let last = before.map_or(0, |block| block.value.generation);
        let given = self.journal.given.get(place).copied().unwrap_or_default();
        let block = Block {
            h: self.journal.host.clone(),
            generation: last.max(given) + 1,
            state: BlockState::Own,
            until: None,
        };
        let compares = vec![found(&key, before.map(|block| block.modified)), self.member()];
        self.send(compares, vec![put(&key, &block)]);
    }
}

/// The block of `pools` that an address belongs to.
pub(super) fn block_in(pools: &[Pool], ip: std::net::IpAddr) -> Option<ipnet::IpNet> {
    let pool = pools.iter().find(|pool| pool.net.contains(&ip))?;
    ipnet::IpNet::new(ip, pool.len).ok().map(|block| block.trunc())
}
