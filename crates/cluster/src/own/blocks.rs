//! The blocks a host holds, against what the store says of them.
//!
//!     held, and the store   says so             nothing to do
//!                           says nothing, or
//!                           what is older       it has forgotten: it is told again
//!                           says another's      in use: disputed; not in use: given up
//!     not held, and it says it is ours          held from now on
//!
//! Never here: claims of new blocks.

use super::journal::{Held, HeldState};
use super::{Alarm, QUARANTINE, Work, found, put};
use crate::block::Place;
use crate::id::HostId;
use crate::keep::Write;
use crate::key::Key;
use crate::record::{Block, BlockState, Dispute};
use crate::view::Kept;

impl Work<'_> {
    /// Hears of others who use what is ours, and takes back what was disputed and is no longer.
    pub(super) fn disputes(&mut self) {
        let view = self.view;
        for (place, dispute) in &view.disputes {
            let ours = dispute.value.h == self.journal.host;
            let mine = view.blocks.get(place).is_some_and(|block| self.is_mine(&block.value));
            let void = match ours {
                true => {
                    mine || self
                        .journal
                        .held
                        .get(place)
                        .is_none_or(|h| h.state != HeldState::Disputed)
                }
                false => mine && view.gone.contains_key(&dispute.value.h),
            };
            if void {
                let key = Key::Dispute(place.clone());
                let compares = vec![found(&key, Some(dispute.modified))];
                self.send(compares, vec![Write::Delete(key.to_string())]);
            } else if mine && !ours {
                self.contested(place, dispute);
            }
        }
    }

    /// The store says it is ours, and another has addresses in use there.
    fn contested(&mut self, place: &Place, dispute: &Kept<Dispute>) {
        let used = self.used(place);
        let Some(held) = self.journal.held.get_mut(place) else { return };
        if !used {
            held.state = HeldState::Leaving;
        } else if held.state == HeldState::Own {
            held.state = HeldState::Disputed;
        }
        if used {
            let other = dispute.value.h.clone();
            self.alarms.insert(Alarm::Disputed { place: place.clone(), other });
        }
    }

    /// Compares what is held with the store.
    pub(super) fn blocks(&mut self) {
        let view = self.view;
        for (place, held) in self.journal.held.clone() {
            let key = Key::Block(place.clone());
            if view.occupied(&key) {
                self.alarms.insert(Alarm::Unreadable { key: key.to_string() });
                continue;
            }
            match view.blocks.get(&place) {
                None if held.state == HeldState::Leaving => self.drop_held(&place, held.generation),
                None => self.assert(&place, held.generation, None),
                Some(block) if block.value.generation < held.generation => {
                    self.behind(&place, &held, block);
                }
                Some(block) if self.is_mine(&block.value) => self.ours(&place, &held, block),
                Some(block) => self.lost(&place, &held, block),
            }
        }
    }

    /// Holds what the store says is ours: a claim that went through, or what an earlier run had.
    pub(super) fn adopt(&mut self) {
        let settling = self.settling();
        let view = self.view;
        let me = self.journal.host.clone();
        for (place, block) in view.blocks.iter().filter(|(_, block)| is_own(&block.value, &me)) {
            let given = self.journal.given.get(place).copied();
            if given.is_some_and(|given| given >= block.value.generation) {
                // It was given up, and may be another's since: the store does not know any more.
                if !settling {
                    self.forgotten();
                }
                self.rest(place, given.unwrap_or_default(), block.modified);
            } else if !settling && !self.journal.held.contains_key(place) {
                let (generation, state) = (block.value.generation, HeldState::Own);
                let held = Held { generation, state, without: Default::default() };
                self.journal.held.insert(place.clone(), held);
                self.journal.given.remove(place);
            }
        }
    }

    fn is_mine(&self, block: &Block) -> bool {
        is_own(block, &self.journal.host)
    }

    /// The store and the host agree.
    fn ours(&mut self, place: &Place, held: &Held, block: &Kept<Block>) {
        let dispute = self.view.disputes.get(place);
        let dispute = dispute.filter(|dispute| dispute.value.h != self.journal.host);
        let generation = block.value.generation;
        match (held.state, dispute) {
            (HeldState::Leaving, None) => self.rest(place, generation, block.modified),
            (HeldState::Leaving, Some(dispute)) => {
                let block_key = Key::Block(place.clone());
                let key = Key::Dispute(place.clone());
                let compares = vec![
                    found(&block_key, Some(block.modified)),
                    found(&key, Some(dispute.modified)),
                ];
                let heir = Block {
                    h: dispute.value.h.clone(),
                    generation: generation.max(dispute.value.generation) + 1,
                    state: BlockState::Own,
                    until: None,
                };
                let writes = vec![put(&block_key, &heir), Write::Delete(key.to_string())];
                self.send(compares, writes);
            }
            (HeldState::Own | HeldState::Disputed, dispute) => {
                let state = if dispute.is_none() { HeldState::Own } else { held.state };
                if let Some(held) = self.journal.held.get_mut(place) {
                    (held.generation, held.state) = (generation, state);
                }
            }
        }
    }

    /// The store is behind: it has forgotten what it had been told.
    fn behind(&mut self, place: &Place, held: &Held, block: &Kept<Block>) {
        match held.state {
            HeldState::Leaving => self.rest(place, held.generation, block.modified),
            HeldState::Own | HeldState::Disputed => {
                self.assert(place, held.generation, Some(block.modified));
            }
        }
    }

    /// Tells the store again what it has forgotten.
    fn assert(&mut self, place: &Place, generation: u64, before: Option<u64>) {
        self.forgotten();
        let key = Key::Block(place.clone());
        let (h, state) = (self.journal.host.clone(), BlockState::Own);
        let block = Block { h, generation, state, until: None };
        let compares = vec![found(&key, before), self.member()];
        self.send(compares, vec![put(&key, &block)]);
    }

    /// Gives up in the store.
    fn rest(&mut self, place: &Place, generation: u64, before: u64) {
        let key = Key::Block(place.clone());
        let until = Some(self.local.now.saturating_add(QUARANTINE));
        let (h, state) = (self.journal.host.clone(), BlockState::Quarantine);
        let block = Block { h, generation, state, until };
        self.send(vec![found(&key, Some(before))], vec![put(&key, &block)]);
    }

    /// The store says that it is another's, or nobody's.
    fn lost(&mut self, place: &Place, held: &Held, block: &Kept<Block>) {
        if !self.used(place) {
            self.drop_held(place, held.generation);
            return;
        }
        let resting = block.value.state == BlockState::Quarantine;
        if resting && block.value.until.is_none_or(|until| until <= self.local.now) {
            self.assert(place, block.value.generation + 1, Some(block.modified));
            return;
        }
        if let Some(held) = self.journal.held.get_mut(place) {
            held.state = HeldState::Disputed;
        }
        let other = block.value.h.clone();
        self.alarms.insert(Alarm::Disputed { place: place.clone(), other });
        let key = Key::Dispute(place.clone());
        if !resting && !self.view.disputes.contains_key(place) {
            let (h, generation) = (self.journal.host.clone(), held.generation);
            let compares = vec![found(&key, None), self.member()];
            self.send(compares, vec![put(&key, &Dispute { h, generation })]);
        }
    }

    fn drop_held(&mut self, place: &Place, generation: u64) {
        self.journal.held.remove(place);
        let given = self.journal.given.entry(place.clone()).or_default();
        *given = generation.max(*given);
    }
}

fn is_own(block: &Block, host: &HostId) -> bool {
    block.h == *host && block.state == BlockState::Own
}
