//! Addresses outside the host's blocks: asked for by their number, or moved here.
//!
//! One can be had where its block is nobody's: who claims the block later sees it and leaves it out.
//! Never here: routes to them.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_spec::NetworkName;

use super::claim::block_in;
use super::journal::{Held, HeldState};
use super::{Alarm, Work, found, put};
use crate::block::Place;
use crate::keep::Write;
use crate::key::Key;
use crate::record::{BlockState, Exception};

impl Work<'_> {
    /// Compares addresses outside of blocks with the store.
    pub(super) fn exceptions(&mut self) {
        let local = self.local;
        for (network, ip) in &local.exceptions {
            self.wished(network, *ip);
        }
        self.unwished();
        self.left_out();
    }

    fn wished(&mut self, network: &NetworkName, ip: IpAddr) {
        let place = Place { network: network.clone(), block: IpNet::from(ip) };
        let key = Key::Exception(network.clone(), ip);
        let held = self.journal.exceptions.get(&place).map(|held| held.generation);
        let known = self.view.exceptions.get(&(network.clone(), ip));
        match known {
            Some(known) if held.is_none_or(|held| known.value.generation >= held) => {
                if known.value.h == self.journal.host {
                    let (generation, state) = (known.value.generation, HeldState::Own);
                    let held = Held { generation, state, without: Default::default() };
                    self.journal.exceptions.insert(place, held);
                } else {
                    self.taken(network, ip, &known.value.h.clone());
                }
            }
            Some(_) | None => {
                let mut compares = vec![found(&key, known.map(|known| known.modified))];
                match held {
                    Some(_) => self.forgotten(),
                    None if self.settling() => return,
                    None => match self.nobodys(network, ip) {
                        Some(block) => compares.extend(block),
                        None => return,
                    },
                }
                compares.push(self.member());
                let (h, generation) = (self.journal.host.clone(), held.unwrap_or(1));
                self.send(compares, vec![put(&key, &Exception { h, generation })]);
            }
        }
    }

    /// That the block of `ip` is nobody's, as it was seen; none when it is somebody's.
    fn nobodys(&mut self, network: &NetworkName, ip: IpAddr) -> Option<Vec<crate::keep::Compare>> {
        let view = self.view;
        let Some(net) = view.nets.get(network) else { return Some(Vec::new()) };
        let Some(block) = block_in(&net.value.pools, ip) else { return Some(Vec::new()) };
        let place = Place { network: network.clone(), block };
        let known = view.blocks.get(&place);
        let resting = |state, until: Option<u64>| {
            state == BlockState::Quarantine && until.is_none_or(|until| until <= self.local.now)
        };
        match known {
            Some(known) if !resting(known.value.state, known.value.until) => {
                // In a block of its own, an address needs no exception.
                if known.value.h != self.journal.host {
                    self.taken(network, ip, &known.value.h);
                }
                None
            }
            Some(_) | None => {
                Some(vec![found(&Key::Block(place), known.map(|known| known.modified))])
            }
        }
    }

    fn taken(&mut self, network: &NetworkName, ip: IpAddr, by: &crate::id::HostId) {
        let (network, by) = (network.clone(), by.clone());
        self.alarms.insert(Alarm::Taken { network, ip, by });
    }

    /// Gives back what is no longer wished for.
    fn unwished(&mut self) {
        if self.settling() {
            return;
        }
        for place in self.journal.exceptions.clone().into_keys() {
            let id = (place.network.clone(), place.block.addr());
            if self.local.exceptions.contains(&id) {
                continue;
            }
            let known = self.view.exceptions.get(&id);
            match known.filter(|known| known.value.h == self.journal.host) {
                Some(known) => {
                    let key = Key::Exception(id.0, id.1);
                    let compares = vec![found(&key, Some(known.modified))];
                    self.send(compares, vec![Write::Delete(key.to_string())]);
                }
                None => drop(self.journal.exceptions.remove(&place)),
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
