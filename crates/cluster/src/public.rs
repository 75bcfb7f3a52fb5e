//! Ports that lead to a sandbox on every host: which ones, of all that hosts have told of.
//!
//!     pub/over/h2/10.5.2.7  8080:80     →   on h1, h3 …:  8080 leads to 10.5.2.7
//!
//! Only what a member says of an address that is its own counts. Where two want one port, it is the
//! elder's, on every host.  Never here: what else has the port on a host.

use std::collections::BTreeSet;
use std::fmt;

use ropewalk_spec::{Far, Publish};

use crate::endpoint::Spot;
use crate::id::HostId;
use crate::keep::{Compare, Txn, Write};
use crate::key::Key;
use crate::own::found;
use crate::record::{BlockState, Public};
use crate::view::{Kept, View};

/// A port that leads to a sandbox on every host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lead {
    /// Where the sandbox is.
    pub spot: Spot,
    /// What it is called.
    pub name: String,
    /// The port, and where it leads to.
    pub far: Far,
}

/// Two want one port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contest {
    /// The port.
    pub port: Publish,
    /// What has it.
    pub has: String,
    /// What does not.
    pub wants: String,
}

impl fmt::Display for Contest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { port, has, wants } = self;
        write!(
            f,
            "port {port} is published for {wants}, and leads to {has}, which was there before"
        )
    }
}

/// The ports that lead to sandboxes on every host, and what two want.
#[must_use]
pub fn leads(view: &View) -> (Vec<Lead>, BTreeSet<Contest>) {
    let mut all: Vec<(&Spot, &Public)> =
        view.publics.iter().filter(|(spot, _)| is_of_its_host(view, spot)).map(plain).collect();
    all.sort_by_key(|(spot, public)| (&public.since, *spot));
    let (mut leads, mut contests) = (Vec::<Lead>::new(), BTreeSet::new());
    for (spot, public) in all {
        for port in public.ports.iter().map(|port| port.on_this_host()) {
            let far = Far { port, to: spot.ip };
            let meets = |lead: &&Lead| lead.far.publish().conflicts(&far.publish());
            match leads.iter().find(meets) {
                Some(lead) => {
                    let has = called(view, &lead.spot, &lead.name);
                    let wants = called(view, spot, &public.name);
                    contests.insert(Contest { port, has, wants });
                }
                None => {
                    let (spot, name) = (spot.clone(), public.name.clone());
                    leads.push(Lead { spot, name, far });
                }
            }
        }
    }
    (leads, contests)
}

/// `shop on h2`
#[must_use]
pub fn called(view: &View, spot: &Spot, name: &str) -> String {
    let host = view.hosts.get(&spot.host);
    let host = host.map_or_else(|| spot.host.to_string(), |host| host.value.name.clone());
    format!("{name} on {host}")
}

/// What makes the store say of the host `me` what `wanted` says, as long as it is as `member` says.
#[must_use]
pub fn told(view: &View, me: &HostId, wanted: &[(Spot, Public)], member: &Compare) -> Vec<Txn> {
    let known = view.publics.iter().filter(|(spot, _)| spot.host == *me);
    let gone = known.filter(|(spot, _)| !wanted.iter().any(|(other, _)| other == *spot));
    let gone = gone.map(|(spot, kept)| {
        let key = Key::Public(spot.clone());
        (found(&key, Some(kept.modified)), Write::Delete(key.to_string()))
    });
    let come = wanted.iter().filter_map(|(spot, public)| {
        let kept = view.publics.get(spot);
        let key = Key::Public(spot.clone());
        let value = serde_json::to_vec(public).unwrap_or_default();
        kept.is_none_or(|kept| kept.value != *public).then(|| {
            (found(&key, kept.map(|kept| kept.modified)), Write::Put(key.to_string(), value))
        })
    });
    let txn = |(found, write)| Txn { compares: vec![member.clone(), found], writes: vec![write] };
    gone.chain(come).map(txn).collect()
}

fn plain<'a>((spot, kept): (&'a Spot, &'a Kept<Public>)) -> (&'a Spot, &'a Public) {
    (spot, &kept.value)
}

/// Whether an address is of a block, or an exception, of the host that speaks of it.
fn is_of_its_host(view: &View, spot: &Spot) -> bool {
    let exception = view.exceptions.get(&(spot.network.clone(), spot.ip));
    let own = match (exception, view.block_of(&spot.network, spot.ip)) {
        (Some(exception), _) => exception.value.h == spot.host,
        (None, Some((_, block))) => {
            block.value.h == spot.host && block.value.state == BlockState::Own
        }
        (None, None) => false,
    };
    own && view.hosts.contains_key(&spot.host)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests fail by panicking")]
    use super::*;
    use crate::keep::{Item, Listing};

    #[test]
    fn a_port_leads_to_the_elder_of_two_that_are_where_they_say() {
        let id = |n: u8| HostId::new(u128::from(n));
        let mut items = Vec::new();
        let mut put = |key: String, value: String| {
            let (key, value) = (format!("{}{key}", crate::PREFIX), value.into_bytes());
            items.push(Item { key, value, created: 1, modified: 1 });
        };
        for n in 1..4 {
            put(format!("host/{}", id(n)), format!(r#"{{"name":"h{n}","token":"t","gen":1}}"#));
            let block = format!(r#"{{"h":"{}","gen":1,"state":"own"}}"#, id(n));
            put(format!("blk/over/0a050{n}00-24"), block);
        }
        let public = |name: &str, since: &str| {
            format!(r#"{{"name":"{name}","ports":["everywhere:80:80/tcp"],"since":"{since}"}}"#)
        };
        put(format!("pub/over/{}/0a050102", id(1)), public("late", "2026-01-02T00:00:00Z"));
        put(format!("pub/over/{}/0a050202", id(2)), public("early", "2026-01-01T00:00:00Z"));
        put(format!("pub/over/{}/0a050103", id(3)), public("astray", "2025-01-01T00:00:00Z"));
        let view = View::new(&Listing { items, revision: 1 });
        let (leads, contests) = leads(&view);
        let all: Vec<String> = leads.iter().map(|lead| lead.far.to_string()).collect();
        assert_eq!(all, ["80:80/tcp=10.5.2.2"]);
        let said: Vec<String> = contests.iter().map(ToString::to_string).collect();
        let words = "port 80:80/tcp is published for late on h1, and leads to early on h2, which was there before";
        assert_eq!(said, [words]);
        // A host takes back what it told and does not hold any more.
        let member = Compare::Absent("m".into());
        let txns = told(&view, &id(2), &[], &member);
        assert_eq!(txns.len(), 1);
        assert!(matches!(txns.first().unwrap().writes.as_slice(), [Write::Delete(_)]));
    }
}
