//! Neighbours and forwarding entries.
//!
//!     ip neigh del|replace|add proxy … · bridge fdb del|append …
//!
//! What was learned is forgotten, what was stated goes and comes back with an undo.

use std::net::IpAddr;

use ropewalk_facts::{Body, Fact, Fdb, FdbKey, Id, IfName, Key, Mac, Neigh, NeighKey, Ns, proto};
use ropewalk_plan::Change;

use super::words::Words;
use super::{NO_WORDS, Read, Work};

impl Work {
    /// `ip neigh del IP dev DEV`, `flush to IP dev DEV`, `add|replace [proxy] IP [lladdr MAC] dev DEV`
    pub(super) fn neigh(&mut self, ns: &Ns, verb: &str, mut words: Words<'_>) -> Read {
        let (mut ip, mut dev, mut mac, mut proxy) = (None, None, None, false);
        while let Some(word) = words.next() {
            match word {
                "to" => ip = Some(words.read::<IpAddr>()?),
                "dev" => dev = words.next().and_then(|name| IfName::new(name).ok()),
                "lladdr" => mac = Some(words.read::<Mac>()?),
                "proxy" => {
                    proxy = true;
                    ip = Some(words.read::<IpAddr>()?);
                }
                "nud" => drop(words.next()),
                word => ip = Some(word.parse().map_err(|_| NO_WORDS)?),
            }
        }
        let (Some(ip), Some(dev)) = (ip, dev) else { return Err(NO_WORDS) };
        let key = NeighKey { dev, ip, proxy };
        match verb {
            "del" | "flush" => self.forgotten(Id::Neigh(key).at(ns.clone())),
            "add" | "replace" if proxy => {
                let fact = Neigh { key, mac: None, state: 0, proto: 0, derived: false };
                self.ensure(Body::Neigh(fact).at(ns.clone()))
            }
            "add" | "replace" if mac.is_some() => {
                let state = Neigh::PERMANENT;
                let fact = Neigh { key, mac, state, proto: proto::STATIC, derived: false };
                self.ensure(Body::Neigh(fact).at(ns.clone()))
            }
            _ => Err(NO_WORDS),
        }
    }

    /// `bridge link set …`, `bridge fdb del|append MAC dev DEV [master|self] [dst IP]`
    pub(super) fn bridge(&mut self, ns: &Ns, mut words: Words<'_>) -> Read {
        match (words.next(), words.next()) {
            (Some("link"), Some("set")) => self.member(ns, words),
            (Some("fdb"), Some(verb @ ("del" | "append" | "add"))) => self.fdb(ns, verb, words),
            _ => Err(NO_WORDS),
        }
    }

    fn fdb(&mut self, ns: &Ns, verb: &str, mut words: Words<'_>) -> Read {
        let mac: Mac = words.read()?;
        let (mut dev, mut own, mut dst) = (None, true, None);
        while let Some(word) = words.next() {
            match word {
                "dev" => dev = words.next().and_then(|name| IfName::new(name).ok()),
                "master" => own = false,
                "self" => own = true,
                "dst" => dst = Some(words.read::<IpAddr>()?),
                _ => return Err(NO_WORDS),
            }
        }
        let key = FdbKey { dev: dev.ok_or(NO_WORDS)?, mac, own, dst, vlan: None };
        if verb == "del" {
            let found: Vec<Key> = self
                .now
                .of(ns)
                .filter_map(|fact| match &fact.body {
                    Body::Fdb(x) if same(&x.key, &key) => Some(fact.key()),
                    _ => None,
                })
                .collect();
            return found.into_iter().try_for_each(|key| self.forgotten(key));
        }
        let fact = Fdb { key, state: Neigh::PERMANENT, derived: false };
        self.ensure(Body::Fdb(fact).at(ns.clone()))
    }

    /// An entry goes: for good where the kernel has learned it.
    fn forgotten(&mut self, key: Key) -> Read {
        let Some(found) = self.now.fact(&key).cloned() else { return Ok(()) };
        if !found.derived() {
            return self.absent(key);
        }
        self.now.remove(&key);
        self.forget.push(Change::gone(stated(found)));
        Ok(())
    }
}

/// The same entry, in whatever VLAN.
fn same(found: &FdbKey, wanted: &FdbKey) -> bool {
    let dst = wanted.dst.is_none() || found.dst == wanted.dst;
    found.dev == wanted.dev && found.mac == wanted.mac && found.own == wanted.own && dst
}

/// As one that somebody states, so that its removal is asked for.
fn stated(fact: Fact) -> Fact {
    let body = match fact.body {
        Body::Neigh(x) => Body::Neigh(Neigh { derived: false, ..x }),
        Body::Fdb(x) => Body::Fdb(Fdb { derived: false, ..x }),
        other => other,
    };
    Fact { body, ..fact }
}
