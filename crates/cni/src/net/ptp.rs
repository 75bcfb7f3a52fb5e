//! `ptp`: a pair between container and host, and a host route; no bridge.
//!
//!     {"ipMasq": true, "mtu": 1400, "ipam": {"type": "host-local", …}}

use ropewalk_spec::{Shared, Told, Wired};

use super::masquerade::{self, By};
use super::{Draft, Task, dns, forwarding, mtu, ways};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let conf = task.conf;
    let outcome = task.add(None, |outcome| draft(conf, outcome))?;
    masquerade::add(task, None, outcome)
}

fn draft(conf: &Conf, outcome: Option<Outcome>) -> Result<Draft, Fault> {
    let missing = || Fault::new(Code::Config, "ptp: the configuration names no ipam.type");
    let mut outcome = outcome.ok_or_else(missing)?;
    let mut shared = forwarding(&outcome);
    let masquerade = By::read(conf)? == By::Us;
    if masquerade {
        let nets = outcome.ips.iter().map(|ip| ip.address.trunc());
        shared.extend(nets.map(|net| Shared::Turning { net }));
    }
    outcome.dns = dns(conf, &outcome);
    let told = Told {
        wired: Wired::Pair { gateways: outcome.ips.iter().map(|ip| ip.gateway).collect() },
        mac: None,
        mtu: mtu(conf)?,
        addresses: outcome.ips.iter().map(|ip| ip.address).collect(),
        ways: ways(&outcome),
        masquerade,
        dad: false,
        up: true,
        inside: false,
    };
    Ok(Draft { bridge: None, shared, force_address: false, told, outcome, entry: None })
}
