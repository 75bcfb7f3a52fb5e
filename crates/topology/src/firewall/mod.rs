//! ropewalk's own packet filter: three tables named `ropewalk`, the same on every host.
//!
//!     bridge, arp           a frame from a sandbox ─▶ guard: only its own addresses
//!     bridge                a frame between members ─▶ forward: allow lists
//!     a packet from or to a sandbox ─▶ leave, reach: allow lists
//!     a packet to this host ─▶ prerouting ─▶ publish: map (address, protocol, port) → sandbox
//!     a packet to this host ─▶ input ─▶ visit: from a sandbox, a ping of its gateway
//!     a packet forwarded    ─▶ forward ─▶ internal: only within its own network
//!                           ─▶ limits: what is new from a sandbox, not too much of it
//!                                      ─▶ enter: own network, joined ones, published ports
//!     a packet leaving      ─▶ postrouting: set of subnets → masquerade, map subnet → source
//!
//! What differs from host to host is elements: a few for a network, one for a published port. The
//! number of rules is constant, so a packet costs the same whatever is attached. Found by trial:
//! * Under `bridge-nf-call-iptables`, frames within a bridge come by here too, so that multicast
//!   and broadcast must be left alone: else they leave with the bridge's address as their source.
//! * A sandbox that reaches itself by its published port needs `hairpin` on its member of the
//!   bridge where `bridge-nf-call-iptables` is on; else nothing.
//! * 127.0.0.1 needs `route_localnet` on the bridge or leg; `raw` then shuts out what others send
//!   there. `::1` needs a route `local ::1 dev BRIDGE table local` with a metric of its own, as the
//!   kernel insists on the device of a loopback address (`rt6_need_strict`).
//!
//! Never here: netlink, the text of nft(8).

mod allow;
mod element;
mod guard;
mod line;
mod own;
mod rules;
mod sets;
#[cfg(test)]
mod tests;

use ropewalk_facts::Body;
use ropewalk_facts::Ns;
use ropewalk_facts::nft::{Family, Set, SetKey, Table, TableKey};
use ropewalk_plan::{Duplicate, Plan};

pub use allow::{Held, allowed};
pub use element::{
    bridged, direct, direct_between, far, gateway, hosted, inside, internal, joined, leads,
    masquerade, masquerade_in, publish, snat, snat_in,
};
pub use own::{bridged_leg, guest, routed_leg, wire_leg};
pub use rules::{CONNECTIONS, HOPS_BURST, HOPS_RATE, TRIAL};

/// The key of the table of IP packets.
#[must_use]
pub fn table() -> TableKey {
    of(Family::Inet)
}

fn of(family: Family) -> TableKey {
    TableKey::new(family, "ropewalk")
}

/// The keys of all tables.
pub fn tables() -> impl Iterator<Item = TableKey> {
    [Family::Inet, Family::Bridge, Family::Arp].into_iter().map(of)
}

/// Everything that is the same on every host, in the order in which it is made.
#[must_use]
pub fn facts() -> Vec<Body> {
    let mut all = Vec::new();
    for table in tables() {
        all.push(Body::Table(Table { key: table.clone(), dormant: false }));
        all.extend(sets::all(&table).into_iter().map(Body::Set));
        all.extend(match table.family {
            Family::Bridge => rules::written(&table, [guard::bridge(), allow::bridge()].concat()),
            Family::Arp => rules::written(&table, guard::arp()),
            Family::Inet
            | Family::Ip
            | Family::Ip6
            | Family::Netdev
            | Family::Iptables
            | Family::Ip6tables
            | Family::Arptables => rules::inet(&table),
        });
    }
    all
}

/// [`facts`] as a plan for the host: each is ensured.
///
/// # Errors
/// None: no two of them have one key, as the tests show.
pub fn base() -> Result<Plan, Duplicate> {
    let mut plan = Plan::new();
    facts().into_iter().try_for_each(|body| plan.ensure(&Ns::HOST, body))?;
    Ok(plan)
}

/// The set or map of [`facts`] with this key, by which its elements are written and read.
#[must_use]
pub fn set(key: &SetKey) -> Option<Set> {
    sets::all(&key.table).into_iter().find(|set| set.key == *key)
}
