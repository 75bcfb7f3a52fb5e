//! Who on a network reaches whom: every pair walked, in one reading of all namespaces.
//!
//!     ropewalk why --all web
//!
//! Never here: how a packet walks.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::Ns;
use ropewalk_spec::NetworkName;
use ropewalk_walk::{Question, World, diagnose, space};
use serde::Serialize;

use crate::Engine;
use crate::fault::Fault;
use crate::view::Row;

/// One sandbox asks another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pair {
    /// Who asks.
    pub from: String,
    /// Who is asked.
    pub to: String,
    /// By which address.
    pub address: IpAddr,
    /// The cause, `OK` for none.
    pub code: String,
    /// Where it is.
    #[serde(rename = "where")]
    pub place: String,
    /// In words.
    pub sentence: String,
}

/// A sandbox on the network: its name, namespace and addresses.
struct Member {
    name: String,
    ns: Ns,
    addrs: Vec<IpAddr>,
}

/// Every pair of sandboxes on a network, each direction, each family.
///
/// # Errors
/// [`crate::Code::NetworkUnknown`], and as for [`crate::snapshot`].
pub fn why_all(engine: &mut Engine, network: &NetworkName) -> Result<Vec<Pair>, Fault> {
    engine.network(network)?;
    let rows = engine.ps()?;
    let on: Vec<&Row> = rows.iter().filter(|row| row.network == network.as_str()).collect();
    let mut names: Vec<String> = on.iter().map(|row| row.sandbox.clone()).collect();
    // Of a container only its engine knows the namespace; it is told by its address.
    let named = names.iter().all(|name| name.starts_with("netns:"));
    names.push("host".to_owned());
    let scan = crate::snapshot(if named { &names } else { &[] })?;
    let mut world = World::new(&scan);
    let members: Vec<Member> = on.iter().filter_map(|row| member(&world, row)).collect();
    world.nodes.retain(|ns, _| ns.is_host() || members.iter().any(|m| m.ns == *ns));
    let mut pairs = Vec::new();
    for from in &members {
        for to in members.iter().filter(|to| to.ns != from.ns) {
            let shares = |ip: &&IpAddr| from.addrs.iter().any(|a| a.is_ipv6() == ip.is_ipv6());
            for ip in to.addrs.iter().filter(shares) {
                pairs.push(pair(&world, from, to, *ip));
            }
        }
    }
    Ok(pairs)
}

/// Where a sandbox is: the namespace that has its address on its interface.
fn member(world: &World, row: &Row) -> Option<Member> {
    let nets: Vec<IpNet> = row.addresses.iter().filter_map(|a| a.parse().ok()).collect();
    let addrs: Vec<IpAddr> = nets.iter().map(IpNet::addr).collect();
    let first = addrs.first()?;
    let here = |(ns, addr): (&Ns, &ropewalk_facts::Addr)| {
        (addr.key.dev.as_str() == row.interface && !ns.is_host()).then(|| ns.clone())
    };
    let named = Some(space(&row.sandbox)).filter(|ns| world.node(ns).is_some());
    let ns = named.or_else(|| world.owners(*first).find_map(here))?;
    Some(Member { name: row.sandbox.clone(), ns, addrs })
}

fn pair(world: &World, from: &Member, to: &Member, ip: IpAddr) -> Pair {
    let question = Question::ping(from.ns.as_str(), ip);
    let said = diagnose(world, &question);
    Pair {
        from: from.name.clone(),
        to: to.name.clone(),
        address: ip,
        code: said.code,
        place: said.place,
        sentence: said.sentence,
    }
}
