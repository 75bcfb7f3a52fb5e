//! Who else has the host forward: engines of containers and of machines, told by what they make.
//!
//!     ip nat DOCKER · inet netavark · ip nat KUBE-SERVICES        there: forwarding is theirs, too
//!
//! They look once, when they start, whether forwarding is on, and count on it from then on.

use ropewalk_facts::{Ns, Snapshot};

/// What the chains begin with that an engine makes in iptables' tables.
const CHAINS: [&str; 5] = ["DOCKER", "NETAVARK", "CNI-", "KUBE-", "LIBVIRT_"];
/// The tables of nf_tables that engines make for themselves.
const TABLES: [&str; 7] =
    ["docker-bridges", "netavark", "kube-proxy", "libvirt_network", "lxc", "lxd", "incus"];

/// True when somebody else has the host forward, as far as its packet filters tell.
#[must_use]
pub fn others_forward(host: &Snapshot) -> bool {
    host.of(&Ns::HOST).filter_map(|fact| fact.body.as_chain()).any(|chain| {
        let table = chain.key.table.table.as_str();
        TABLES.contains(&table) || CHAINS.iter().any(|begin| chain.key.chain.starts_with(begin))
    })
}
