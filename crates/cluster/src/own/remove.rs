//! Taking a host out of the cluster: by its operator, or by itself when it leaves.
//!
//!     1. gone/ID in the place of host/ID     from here on its claims fail
//!     2. its blocks rest, fifty at a time    and its addresses outside of blocks go
//!
//! Each step is made of a view that knows the one before; cut short, it is taken up by asking again.
//! Never here: sending.

use super::{QUARANTINE, found, put};
use crate::id::HostId;
use crate::keep::{Txn, Write};
use crate::key::Key;
use crate::record::{Block, BlockState, Gone};
use crate::view::View;

/// How many keys are written at a time: etcd takes 128 in a transaction.
const MOST: usize = 50;

/// The next step of removing `host`; none when nothing of it is left.
#[must_use]
pub fn removal(view: &View, host: &HostId, now: u64) -> Option<Txn> {
    let (mut compares, mut writes) = (Vec::new(), Vec::new());
    if let Some(kept) = view.hosts.get(host) {
        let (key, gone) = (Key::Host(host.clone()), Key::Gone(host.clone()));
        let before = view.gone.get(host).map(|gone| gone.modified);
        compares.extend([found(&key, Some(kept.modified)), found(&gone, before)]);
        let (name, generation) = (kept.value.name.clone(), kept.value.generation);
        writes.push(put(&gone, &Gone { name, generation }));
        writes.push(Write::Delete(key.to_string()));
        writes.push(Write::Delete(Key::Drain(host.clone()).to_string()));
        return Some(Txn { compares, writes });
    }
    let own = |block: &Block| block.h == *host && block.state == BlockState::Own;
    for (place, kept) in view.blocks.iter().filter(|(_, kept)| own(&kept.value)).take(MOST) {
        let key = Key::Block(place.clone());
        let until = Some(now.saturating_add(QUARANTINE));
        let block = Block { state: BlockState::Quarantine, until, ..kept.value.clone() };
        compares.push(found(&key, Some(kept.modified)));
        writes.push(put(&key, &block));
    }
    let exceptions = view.exceptions.iter().filter(|(_, kept)| kept.value.h == *host);
    let exceptions = exceptions
        .map(|((network, ip), kept)| (Key::Exception(network.clone(), *ip), kept.modified));
    let disputes = view.disputes.iter().filter(|(_, kept)| kept.value.h == *host);
    let disputes = disputes.map(|(place, kept)| (Key::Dispute(place.clone()), kept.modified));
    let publics = view.publics.iter().filter(|(spot, _)| spot.host == *host);
    let publics = publics.map(|(spot, kept)| (Key::Public(spot.clone()), kept.modified));
    for (key, modified) in exceptions.chain(disputes).chain(publics).take(MOST) {
        compares.push(found(&key, Some(modified)));
        writes.push(Write::Delete(key.to_string()));
    }
    (!writes.is_empty()).then_some(Txn { compares, writes })
}
