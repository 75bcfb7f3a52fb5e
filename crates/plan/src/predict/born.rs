//! What comes with an object that is made.
//!
//!     veth leg        ─▶ its other end, as the plan states it, else down
//!     link of a bridge ─▶ its flags as a member, at the kernel's defaults
//!     namespace       ─▶ its loopback device, down
//!     moved link      ─▶ where it came from it goes, with its addresses and routes there

use ropewalk_facts::{Addr, Body, Fact, Id, IfName, Key, Link, LinkKind, MemberFlags, Ns, Peer};

use super::Run;
use crate::lineage::named;
use crate::{Conflict, Step};

impl Run<'_> {
    /// Makes an object that is not there, with what comes along.
    pub(super) fn make(&mut self, wish: &Fact) -> Result<(), Conflict> {
        if let Body::Link(link) = &wish.body {
            return self.make_link(&wish.ns, link);
        }
        if let Body::Addr(addr) = &wish.body {
            let secondary = self.subnet(&wish.ns, addr).any(|other| !other.secondary);
            let addr = Addr { secondary, ..addr.clone() };
            self.record(wish.key(), Some(Body::Addr(addr).at(wish.ns.clone())), false);
            return Ok(());
        }
        self.alter_unknown(wish);
        if let Body::Netns(name) = &wish.body
            && let Ok(lo) = IfName::new("lo")
        {
            self.bring(Body::Link(loopback(lo)).at(named(name)));
        }
        Ok(())
    }

    /// Records something that comes with an object just made.
    fn bring(&mut self, fact: Fact) {
        self.born.insert(fact.key());
        self.record(fact.key(), Some(fact), true);
    }

    fn make_link(&mut self, ns: &Ns, wish: &Link) -> Result<(), Conflict> {
        let fact = Body::Link(wish.clone()).at(ns.clone());
        match &wish.kind {
            LinkKind::Loopback => {
                self.bring_silently(Body::Link(loopback(wish.name.clone())).at(ns.clone()));
                return self.ensure(&fact);
            }
            LinkKind::Other(_)
            | LinkKind::Veth { peer: None }
            | LinkKind::Macvlan { lower: None, .. }
            | LinkKind::Ipvlan { lower: None, .. }
            | LinkKind::Vlan { lower: None, .. } => {
                return Err(Conflict::CannotMake(Box::new(fact.key())));
            }
            LinkKind::Veth { peer: Some(peer) } => {
                let far = self.far_end(ns, wish, peer)?;
                self.record(fact.key(), Some(fact), false);
                self.bring(far);
            }
            LinkKind::Moved { from } => {
                let was = self.link(&from.ns, &from.name).cloned();
                self.link_leaves(&from.ns, &from.name);
                let link = was.map_or_else(|| wish.clone(), |was| arrives(wish, &was));
                self.record(fact.key(), Some(Body::Link(link).at(ns.clone())), false);
            }
            LinkKind::Bridge
            | LinkKind::Dummy
            | LinkKind::Ifb
            | LinkKind::Vrf { .. }
            | LinkKind::Tap(_)
            | LinkKind::Macvlan { .. }
            | LinkKind::Ipvlan { .. }
            | LinkKind::Vlan { .. }
            | LinkKind::Vxlan(_) => {
                self.record(fact.key(), Some(fact), false);
            }
        }
        self.joined(ns, wish);
        Ok(())
    }

    /// Every namespace has its loopback device, read or not.
    fn bring_silently(&mut self, fact: Fact) {
        self.snap.insert(fact);
    }

    /// The other end of a pair as it is born: what the plan states of it, less what takes requests
    /// of its own once both ends are there.
    fn far_end(&self, ns: &Ns, near: &Link, peer: &Peer) -> Result<Fact, Conflict> {
        let key = Id::Link(peer.name.clone()).at(peer.ns.clone());
        if self.snap.contains(&key) {
            return Err(Conflict::AlreadyThere(Box::new(key)));
        }
        let back = LinkKind::Veth { peer: Some(Peer { ns: ns.clone(), name: near.name.clone() }) };
        let link = match self.stated_link(&key) {
            None => Link { up: false, ..Link::up(peer.name.clone(), back) },
            Some(wish) if matches!(wish.kind, LinkKind::Veth { .. }) => born(wish, back),
            Some(wish) => {
                return Err(Conflict::OtherKind {
                    key: Box::new(key),
                    wanted: Box::new(wish.kind.clone()),
                    found: Box::new(back),
                });
            }
        };
        Ok(Body::Link(link).at(peer.ns.clone()))
    }

    fn stated_link(&self, key: &Key) -> Option<&Link> {
        self.steps.iter().filter(|step| step.key() == *key).find_map(|step| match step {
            Step::Create(fact) | Step::Ensure(fact) => fact.body.as_link(),
            Step::Absent(_) => None,
        })
    }

    /// A link that just got a master has flags as a member.
    pub(super) fn joined(&mut self, ns: &Ns, link: &Link) {
        let Some(master) = &link.master else { return };
        if self.link(ns, master).is_none_or(|master| master.kind == LinkKind::Bridge) {
            self.bring(Body::Member(new_member(link.name.clone())).at(ns.clone()));
        }
    }
}

/// A link that is moved keeps what is not wished otherwise.
fn arrives(wish: &Link, was: &Link) -> Link {
    Link {
        mac: wish.mac.or(was.mac),
        mtu: wish.mtu.or(was.mtu),
        altnames: wish.altnames.union(&was.altnames).cloned().collect(),
        alias: wish.alias.clone().or_else(|| was.alias.clone()),
        promisc: wish.promisc.or(was.promisc),
        allmulti: wish.allmulti.or(was.allmulti),
        txqlen: wish.txqlen.or(was.txqlen),
        ..wish.clone()
    }
}

/// A link as it is born together with another: down, since the kernel opens it before the pair is
/// joined (`veth_newlink`, drivers/net/veth.c: ENOTCONN), with no master and no other names.
pub(crate) fn born(wish: &Link, kind: LinkKind) -> Link {
    Link { up: false, mac: wish.mac, mtu: wish.mtu, ..Link::up(wish.name.clone(), kind) }
}

/// The loopback device of a new namespace.
pub(crate) fn loopback(lo: IfName) -> Link {
    Link { up: false, ..Link::up(lo, LinkKind::Loopback) }
}

/// The flags of a link that just became a member (`new_nbp`, net/bridge/br_if.c).
pub(crate) fn new_member(dev: IfName) -> MemberFlags {
    MemberFlags {
        dev,
        hairpin: Some(false),
        isolated: Some(false),
        learning: Some(true),
        flood: Some(true),
        neigh_suppress: Some(false),
        vlans: None,
    }
}
