//! `ip link set`: up, down, MTU, hardware address, bridge; a macvlan on a link that is there.
//!
//! Never here: links that go.

use ropewalk_facts::{Body, Id, IfName, Link, LinkKind, MacvlanMode, MemberFlags, Ns, Peer};
use ropewalk_plan::Step;

use super::words::Words;
use super::{NO_WORDS, Read, Work};

impl Work {
    /// `ip link set DEV up|down|mtu N|address MAC|master BRIDGE|nomaster …`
    pub(super) fn link_set(&mut self, ns: &Ns, mut words: Words<'_>) -> Read {
        let mut name = words.next();
        if name == Some("dev") {
            name = words.next();
        }
        let name = name.and_then(|name| IfName::new(name).ok()).ok_or(NO_WORDS)?;
        let key = Id::Link(name).at(ns.clone());
        let found = self.now.fact(&key).and_then(|fact| fact.body.as_link()).cloned();
        let mut link = found.ok_or("there is no such link")?;
        let before = link.clone();
        while let Some(word) = words.next() {
            match word {
                "up" => link.up = true,
                "down" => link.up = false,
                "mtu" => link.mtu = Some(words.read()?),
                "address" => link.mac = Some(words.read()?),
                "master" => {
                    let bridge = words.next().and_then(|name| IfName::new(name).ok());
                    link.master = Some(bridge.ok_or(NO_WORDS)?);
                }
                "arp" => return Err("the kernel's flag NOARP is none of ropewalk's facts"),
                _ => return Err(NO_WORDS),
            }
        }
        self.altered(ns, &before, link)
    }

    /// A bridge is left before another is joined.
    fn altered(&mut self, ns: &Ns, before: &Link, link: Link) -> Read {
        self.ensure(Body::Link(link.clone()).at(ns.clone()))?;
        let joined = link.master.is_some() && before.master != link.master;
        let member = Id::Member(link.name.clone()).at(ns.clone());
        if joined && !self.now.contains(&member) {
            return Err("the bridge was not looked into");
        }
        Ok(())
    }

    /// `ip link add NAME link LOWER type macvlan mode MODE`
    pub(super) fn macvlan(&mut self, ns: &Ns, words: Words<'_>) -> Read {
        let words = words.rest();
        let [name, "link", lower, "type", "macvlan", "mode", mode] = words.as_slice() else {
            return Err("links of this kind are not made for a repair");
        };
        let named = |name: &str| IfName::new(name).map_err(|_| NO_WORDS);
        let lower = Peer { ns: ns.clone(), name: named(lower)? };
        let mode = MacvlanMode::from_word(mode).ok_or(NO_WORDS)?;
        let kind = LinkKind::Macvlan { lower: Some(lower), mode, queue: None };
        let link = Link { up: false, ..Link::up(named(name)?, kind) };
        let key = Id::Link(link.name.clone()).at(ns.clone());
        if self.now.contains(&key) {
            return Err("there is such a link already");
        }
        self.step(Step::Create(Body::Link(link).at(ns.clone())))
    }

    /// `bridge link set dev DEV isolated|hairpin|learning|flood|neigh_suppress on|off`
    pub(super) fn member(&mut self, ns: &Ns, mut words: Words<'_>) -> Read {
        let ("dev", Some(name)) = (words.next().unwrap_or_default(), words.next()) else {
            return Err(NO_WORDS);
        };
        let dev = IfName::new(name).map_err(|_| NO_WORDS)?;
        let key = Id::Member(dev.clone()).at(ns.clone());
        if !self.now.contains(&key) {
            return Err("it is a member of no bridge");
        }
        let mut flags = MemberFlags {
            dev,
            hairpin: None,
            isolated: None,
            learning: None,
            flood: None,
            neigh_suppress: None,
            vlans: None,
        };
        while let Some(word) = words.next() {
            let flag = match word {
                "hairpin" => &mut flags.hairpin,
                "isolated" => &mut flags.isolated,
                "learning" => &mut flags.learning,
                "flood" => &mut flags.flood,
                "neigh_suppress" => &mut flags.neigh_suppress,
                _ => return Err("this flag of a bridge's member is none of ropewalk's facts"),
            };
            *flag = match words.next() {
                Some("on") => Some(true),
                Some("off") => Some(false),
                _ => return Err(NO_WORDS),
            };
        }
        self.ensure(Body::Member(flags).at(ns.clone()))
    }
}
