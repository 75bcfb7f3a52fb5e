//! Ways to new blocks at once: what is simple of what was heard is in the kernel before a round decides.
//!
//!     blk/over/0a050200-28 is h2's ─▶ who had it ─▶ one batch                 a round follows, and writes it down
//!
//! Only ways are changed, of networks that are made, to hosts that are known; nothing is taken away.
//! What is not so simple, or fails, is left to the round.  Never here: what is decided.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use ipnet::IpNet;
use ropewalk_cluster::{Block, BlockState, HostId, Memory, Place, Pool, Reached, View, reached};
use ropewalk_engine::{Engine, Lead, Paths, Peers};
use ropewalk_spec::{NetworkName, Peer};

/// The networks that are made, and where their blocks are.
#[derive(Default)]
pub(crate) struct Swift(BTreeMap<NetworkName, Led>);

/// A network, as the kernel has it.
struct Led {
    lead: Lead,
    /// The hosts that the last round led to: what leads to them themselves is there.
    peers: Arc<Peers>,
    /// What was led elsewhere since, and a block of each host that was new.
    moved: BTreeMap<IpNet, IpAddr>,
    hosts: BTreeMap<IpAddr, IpNet>,
}

/// A block that has come to a host, with what is known of that one, and where it was before.
struct News {
    block: IpNet,
    ip: IpAddr,
    more: Reached,
    before: Option<IpAddr>,
}

impl Swift {
    /// Knows how things are after a round. Where that cannot be told, rounds do everything.
    pub(crate) fn learn(&mut self, paths: &Paths, memory: &Memory) {
        self.0.clear();
        let Ok(mut engine) = Engine::open(paths) else { return };
        for (name, wish) in &memory.made {
            if memory.begun.contains(name) {
                continue;
            }
            let like = wish.peers.keys().next().copied();
            let Ok(Some(lead)) = engine.lead(name, like) else { continue };
            let (moved, hosts) = Default::default();
            let peers = Arc::clone(&wish.peers);
            self.0.insert(name.clone(), Led { lead, peers, moved, hosts });
        }
    }

    /// Leads to these blocks as the store says; true when that is all that was to be done for them.
    pub(crate) fn lead(
        &mut self,
        view: &View,
        memory: &Memory,
        places: &BTreeMap<Place, Option<HostId>>,
    ) -> bool {
        let v4 = memory.journal.me.addresses.first().is_none_or(IpAddr::is_ipv4);
        let mut whole = true;
        let mut news: BTreeMap<&NetworkName, Vec<News>> = BTreeMap::new();
        let known = |id: &HostId| reached(&view.hosts.get(id)?.value, v4);
        for (place, before) in places {
            let at = view.blocks.get(place).filter(|kept| simple(view, &kept.value, memory, place));
            match at.and_then(|kept| known(&kept.value.h)) {
                Some((ip, more)) => {
                    let before = before.as_ref().and_then(known).map(|(ip, _)| ip);
                    let one = News { block: place.block, ip, more, before };
                    news.entry(&place.network).or_default().push(one);
                }
                None => whole = false,
            }
        }
        for (network, news) in news {
            whole &= self.0.get_mut(network).is_some_and(|led| led.change(news));
        }
        whole
    }
}

/// A block of the network's pools that is another host's, and has nothing to do with this one.
fn simple(view: &View, block: &Block, memory: &Memory, place: &Place) -> bool {
    let ours = memory.journal.held.contains_key(place) || memory.journal.given.contains_key(place);
    let pools = view.nets.get(&place.network).map(|net| net.value.pools.as_slice());
    let cut = |pool: &Pool| pool.len == place.block.prefix_len() && pool.net.contains(&place.block);
    let whole = pools.is_some_and(|pools| pools.iter().any(cut));
    block.state == BlockState::Own && block.h != memory.journal.host && !ours && whole
}

impl Led {
    fn change(&mut self, news: Vec<News>) -> bool {
        let (mut before, mut after) = (Peers::new(), Peers::new());
        for News { block, ip, more: Reached { also, mtu }, before: old } in news {
            let old = self.moved.insert(block, ip).or_else(|| {
                old.filter(|old| self.leads(*old, block)).or_else(|| self.leader(block))
            });
            if old == Some(ip) {
                continue;
            }
            let peer = || Peer { blocks: Vec::new(), also, mtu };
            after.entry(ip).or_insert_with(peer).blocks.push(block);
            if let Some(old) = old {
                before.entry(old).or_insert_with(peer).blocks.push(block);
            }
            let first = self.peers.get(&ip).and_then(|peer| peer.blocks.first()).copied();
            let known = first.unwrap_or_else(|| *self.hosts.entry(ip).or_insert(block));
            let there = &mut before.entry(ip).or_insert_with(peer).blocks;
            if known != block && !there.contains(&known) {
                there.push(known);
            }
        }
        after.is_empty() || self.lead.change(before, after).is_ok()
    }

    /// By which host the last round led to a block, where the store does not say: it was wiped, or the
    /// block is new.
    fn leader(&self, block: IpNet) -> Option<IpAddr> {
        self.peers.keys().copied().find(|ip| self.leads(*ip, block))
    }

    /// Whether the last round led to a block by that host.
    fn leads(&self, ip: IpAddr, block: IpNet) -> bool {
        self.peers.get(&ip).is_some_and(|peer| peer.blocks.binary_search(&block).is_ok())
    }
}
