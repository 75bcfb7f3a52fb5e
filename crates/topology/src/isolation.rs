//! Isolation: networks do not reach each other, nor the host, unless they are told to.
//!
//!     inside: GROUP · closed: GROUP · joined: GROUP . GROUP · hosted: GROUP · gateways4: GROUP . 10.9.0.1
//!
//! All links of a network are in one group of the kernel's (`ip link set group`): its bridge, or its
//! legs. So what a network reaches is said once, not for each attachment.  Never here: the rules.

use ropewalk_facts::Ns;
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::Network;
use ropewalk_spec::names;

use crate::firewall;

/// Whom the sandboxes of a network are reached by, beside each other and networks that are joined.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    /// Those who are not on networks of ours: it is what the network is for.
    Lan,
    /// Nobody, but for published ports.
    Published,
}

/// Shuts `network` against others, but for its joins.
pub(crate) fn isolation(plan: &mut Plan, network: &Network, open: Open) -> Result<(), Duplicate> {
    let own = names::group(&network.name);
    let mut elements = firewall::inside(own, open == Open::Published);
    let others = network.joins.networks.iter();
    elements.extend(others.map(|name| firewall::joined(own, names::group(name))));
    elements.extend(network.joins.host.then(|| firewall::hosted(own)));
    elements.extend(network.gateways().map(|ip| firewall::gateway(own, ip)));
    // Two subnets of one family may have one gateway, that of routed legs.
    elements.into_iter().try_for_each(|body| {
        let stated = plan.states(&body.id().at(Ns::HOST));
        if stated { Ok(()) } else { plan.ensure(&Ns::HOST, body) }
    })
}
