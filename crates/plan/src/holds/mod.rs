//! Wish and reality: whether a found fact is as wished, and what it becomes when it is not.
//!
//!     wish  link br0 bridge up               (mtu, mac: left to the kernel)
//!     found link br0 bridge down mtu 1450    ──merge──▶ link br0 bridge up mtu 1450
//!
//! `None` in a wish keeps what is found.  Figures of counters are never compared.
//! Never here: which changes follow from a change (that is `predict`).

mod link;
mod net;
mod nft;
mod traffic;

pub(crate) use link::marks;

use ropewalk_facts::{Body, Fact};

use crate::Conflict;

/// True when `found` is as `wish` says. Facts about two different objects never hold.
#[must_use]
pub fn holds(wish: &Fact, found: &Fact) -> bool {
    wish.ns == found.ns
        && match (&wish.body, &found.body) {
            (Body::Link(w), Body::Link(f)) => link::holds(w, f),
            (Body::Member(w), Body::Member(f)) => {
                link::member_merge(w, f) == link::member_merge(f, f)
            }
            (Body::Sysctl(w), Body::Sysctl(f)) => net::sysctl_holds(w, f),
            (Body::Addr(w), Body::Addr(f)) => net::addr_holds(w, f),
            (Body::Route(w), Body::Route(f)) => net::route_holds(w, f),
            (Body::Neigh(w), Body::Neigh(f)) => net::neigh_holds(w, f),
            (Body::Fdb(w), Body::Fdb(f)) => w.key == f.key && w.state == f.state,
            (Body::NftRule(w), Body::NftRule(f)) => nft::rule_holds(w, f),
            (Body::Element(w), Body::Element(f)) => w.key == f.key && w.value == f.value,
            (wish, found) => wish == found,
        }
}

/// What `found` becomes when it is made as `wish` says: the wish, with what it leaves open taken
/// from `found`.
#[must_use]
pub fn merge(wish: &Fact, found: &Fact) -> Fact {
    let body = match (&wish.body, &found.body) {
        (Body::Link(w), Body::Link(f)) => Body::Link(link::merge(w, f)),
        (Body::Member(w), Body::Member(f)) => Body::Member(link::member_merge(w, f)),
        (Body::Addr(w), Body::Addr(f)) => Body::Addr(net::addr_merge(w, f)),
        (Body::Route(w), Body::Route(f)) => Body::Route(net::route_merge(w, f)),
        (Body::Neigh(w), Body::Neigh(f)) => Body::Neigh(net::neigh_merge(w, f)),
        (Body::NftRule(w), Body::NftRule(f)) => Body::NftRule(nft::rule_merge(w, f)),
        (wish, _) => wish.clone(),
    };
    body.at(wish.ns.clone())
}

/// Refuses a difference between `wish` and `found` that is settled when the object is made.
///
/// # Errors
/// [`Conflict`] says what differs.
pub(crate) fn check_fixed(wish: &Fact, found: &Fact) -> Result<(), Conflict> {
    let what = match (&wish.body, &found.body) {
        (Body::Link(w), Body::Link(f)) if !link::kind_holds(&w.kind, &f.kind) => {
            return Err(Conflict::OtherKind {
                key: Box::new(wish.key()),
                wanted: Box::new(w.kind.clone()),
                found: Box::new(f.kind.clone()),
            });
        }
        (Body::Addr(w), Body::Addr(f)) => net::addr_fixed(w, f),
        (Body::Set(w), Body::Set(f)) => nft::set_fixed(w, f),
        (Body::Chain(w), Body::Chain(f)) => nft::chain_fixed(w, f),
        (Body::Qdisc(w), Body::Qdisc(f)) => traffic::qdisc_fixed(w, f),
        (Body::Filter(w), Body::Filter(f)) => traffic::filter_fixed(w, f),
        _ => None,
    };
    what.map_or(Ok(()), |what| Err(Conflict::Fixed { key: Box::new(wish.key()), what }))
}

/// True when `found` looks like the object that was made as `made`: its mark, its kind, where it
/// leads; what people may have changed since does not matter.
#[must_use]
pub(crate) fn ours(made: &Fact, found: &Fact) -> bool {
    match (&made.body, &found.body) {
        (Body::Link(m), Body::Link(f)) => link::ours(m, f),
        (Body::Route(m), Body::Route(f)) => m.proto == f.proto && net::route_holds(m, f),
        (Body::Neigh(_), Body::Neigh(_))
        | (Body::Fdb(_), Body::Fdb(_))
        | (Body::Element(_), Body::Element(_)) => holds(made, found),
        _ => made.key() == found.key() && !found.derived(),
    }
}
