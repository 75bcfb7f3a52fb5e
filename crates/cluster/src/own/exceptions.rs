//! Addresses outside the host's blocks: asked for by their number, or moved here.
//!
//!     its block is nobody's       taken; who claims the block later sees it and leaves it out
//!     its block is another's      asked for; the owner leases it no more, and grants it when nobody has it
//!
//! Never here: routes to them.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;

use super::claim::block_in;
use super::journal::{Held, HeldState};
use super::{Alarm, Work, found, put};
use crate::block::Place;
use crate::id::HostId;
use crate::keep::{Compare, Write};
use crate::key::Key;
use crate::record::{Block, BlockState, Exception};

/// Whose the block of an address is.
enum Lot {
    /// The host's own: the address needs no exception.
    Ours,
    /// Nobody's, as long as this holds.
    Nobodys(Vec<Compare>),
    /// Another host's.
    Anothers(HostId),
    /// Nobody's soon.
    Resting(HostId),
}

impl Work<'_> {
    /// Compares addresses outside of blocks with the store.
    pub(super) fn exceptions(&mut self) {
        let local = self.local;
        for (network, ip) in &local.exceptions {
            self.wished(network, *ip);
        }
        for ((network, ip), by) in &local.twice {
            self.taken(network, *ip, by);
        }
        self.unwished();
        self.grants();
        self.left_out();
    }

    fn wished(&mut self, network: &NetworkName, ip: IpAddr) {
        let place = Place { network: network.clone(), block: IpNet::from(ip) };
        let held = self.journal.exceptions.get(&place).map(|held| held.generation);
        let known = self.view.exceptions.get(&(network.clone(), ip));
        match known {
            Some(known) if held.is_none_or(|held| known.value.generation >= held) => {
                let generation = known.value.generation;
                if known.value.h != self.journal.host {
                    self.taken(network, ip, &known.value.h.clone());
                } else if !known.value.asked {
                    let held = Held { generation, state: HeldState::Own, without: BTreeSet::new() };
                    self.journal.exceptions.insert(place, held);
                } else if held.is_some() {
                    // It was granted before the store was put back.
                    self.take_one(network, ip, Vec::new());
                } else {
                    self.claim_one(network, ip);
                }
            }
            Some(_) | None if held.is_some() => {
                self.forgotten();
                self.take_one(network, ip, Vec::new());
            }
            Some(_) | None => self.claim_one(network, ip),
        }
    }

    /// Takes an address whose block is nobody's, and asks for one whose block is another's.
    fn claim_one(&mut self, network: &NetworkName, ip: IpAddr) {
        if self.settling() {
            return;
        }
        match self.lot(network, ip) {
            Lot::Nobodys(block) => self.take_one(network, ip, block),
            Lot::Anothers(owner) => {
                let known = self.view.exceptions.contains_key(&(network.clone(), ip));
                if !known {
                    self.put_one(network, ip, true, Vec::new());
                }
                self.taken(network, ip, &owner);
            }
            Lot::Resting(owner) => self.taken(network, ip, &owner),
            Lot::Ours => {}
        }
    }

    fn take_one(&mut self, network: &NetworkName, ip: IpAddr, compares: Vec<Compare>) {
        self.put_one(network, ip, false, compares);
    }

    fn put_one(
        &mut self,
        network: &NetworkName,
        ip: IpAddr,
        asked: bool,
        mut compares: Vec<Compare>,
    ) {
        let place = Place { network: network.clone(), block: IpNet::from(ip) };
        let held = self.journal.exceptions.get(&place).map(|held| held.generation);
        let key = Key::Exception(network.clone(), ip);
        let known = self.view.exceptions.get(&(network.clone(), ip));
        compares.push(found(&key, known.map(|known| known.modified)));
        compares.push(self.member());
        let (h, generation) = (self.journal.host.clone(), held.unwrap_or(1));
        self.send(compares, vec![put(&key, &Exception { h, generation, asked })]);
    }

    /// Whose the block of `ip` is.
    fn lot(&self, network: &NetworkName, ip: IpAddr) -> Lot {
        let net = self.view.nets.get(network);
        let Some(block) = net.and_then(|net| block_in(&net.value.pools, ip)) else {
            return Lot::Nobodys(Vec::new());
        };
        let place = Place { network: network.clone(), block };
        let Some(known) = self.view.blocks.get(&place) else {
            return Lot::Nobodys(vec![found(&Key::Block(place), None)]);
        };
        let Block { h, state, until, .. } = &known.value;
        match state {
            BlockState::Quarantine if until.is_none_or(|until| until <= self.local.now) => {
                Lot::Nobodys(vec![found(&Key::Block(place), Some(known.modified))])
            }
            BlockState::Quarantine => Lot::Resting(h.clone()),
            BlockState::Own if *h == self.journal.host => Lot::Ours,
            BlockState::Own => Lot::Anothers(h.clone()),
        }
    }

    /// Leaves addresses of the host's blocks to those who ask for them. That they are leased no more is
    /// written down by then, and nobody has them.
    fn grants(&mut self) {
        if self.settling() {
            return;
        }
        let view = self.view;
        for ((network, ip), known) in view.exceptions.iter().filter(|(_, known)| known.value.asked)
        {
            let place = self.journal.held.iter().find(|(place, held)| {
                let here = place.network == *network && place.block.contains(ip);
                here && held.state == HeldState::Own && held.without.contains(ip)
            });
            let free = self.local.freed.contains(&(network.clone(), *ip));
            let (Some((place, _)), Some(asker)) = (place, view.hosts.get(&known.value.h)) else {
                continue;
            };
            let Some(block) = view.blocks.get(place).filter(|_| free) else { continue };
            if known.value.h == self.journal.host || block.value.h != self.journal.host {
                continue;
            }
            let key = Key::Exception(network.clone(), *ip);
            let compares = vec![
                found(&key, Some(known.modified)),
                found(&Key::Block(place.clone()), Some(block.modified)),
                found(&Key::Host(known.value.h.clone()), Some(asker.modified)),
            ];
            let granted = Exception { asked: false, ..known.value.clone() };
            self.send(compares, vec![put(&key, &granted)]);
        }
    }

    fn taken(&mut self, network: &NetworkName, ip: IpAddr, by: &HostId) {
        let (network, by) = (network.clone(), by.clone());
        self.alarms.insert(Alarm::Taken { network, ip, by });
    }

    /// Gives back what is no longer wished for.
    fn unwished(&mut self) {
        if self.settling() {
            return;
        }
        let held = self.journal.exceptions.keys();
        let mut all: BTreeSet<(NetworkName, IpAddr)> =
            held.map(|place| (place.network.clone(), place.block.addr())).collect();
        let ours = self.view.exceptions.iter().filter(|(_, k)| k.value.h == self.journal.host);
        all.extend(ours.map(|(id, _)| id.clone()));
        for id in all.difference(&self.local.exceptions).cloned().collect::<Vec<_>>() {
            let known = self.view.exceptions.get(&id);
            match known.filter(|known| known.value.h == self.journal.host) {
                Some(known) => {
                    let key = Key::Exception(id.0, id.1);
                    let compares = vec![found(&key, Some(known.modified))];
                    self.send(compares, vec![Write::Delete(key.to_string())]);
                }
                None => {
                    let place = Place { network: id.0, block: IpNet::from(id.1) };
                    self.journal.exceptions.remove(&place);
                }
            }
        }
    }

    /// Which addresses of the host's blocks live elsewhere.
    fn left_out(&mut self) {
        let settling = self.settling();
        for (place, held) in &mut self.journal.held {
            if !settling {
                held.without.clear();
            }
            let all = self.view.exceptions.iter();
            let here = all.filter(|((network, ip), exception)| {
                *network == place.network
                    && place.block.contains(ip)
                    && exception.value.h != self.journal.host
            });
            held.without.extend(here.map(|((_, ip), _)| *ip));
        }
    }
}
