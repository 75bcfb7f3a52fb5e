//! `firewall`: what others drop on the forward hook is let through for the container.
//!
//!     {"ingressPolicy": "open"}            nothing else
//!     {"ingressPolicy": "same-bridge"}     other such bridges do not reach it, but for published ports
//!     {"ingressPolicy": "isolated"}        nor do other such members of its own
//!
//! The networks of runtimes are open to begin with, so the answer to the rules of others is all
//! that `open` takes: one for the bridge, not one for each container. Where chains of iptables or
//! firewalld are asked for, or are there, they have two rules, or a source, for each address.

use ipnet::IpNet;
use ropewalk_engine::{Amendment, Whom};
use ropewalk_facts::{Body, IfName, MemberFlags, Ns};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::{Foreign, Shared};
use ropewalk_topology::chains::{self, ADMIN, FORWARD};
use ropewalk_topology::{HostFacts, Wiring};

use super::{Link, amendment};
use crate::conf::Conf;
use crate::fault::{Code, Fault};
use crate::net::Task;
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let policy = task.conf.fields.text("ingressPolicy")?;
    let Link { whom, bare, bridge, outcome } = Link::of(task)?;
    let isolated = match policy.as_str() {
        "" | "open" => false,
        "same-bridge" | "isolated" => true,
        _ => {
            let what = format!("firewall: unknown ingressPolicy {policy:?}");
            return Err(Fault::new(Code::Config, what).details("open, same-bridge, isolated"));
        }
    };
    let alone = policy == "isolated";
    let draw = |wiring: &Wiring<'_>, _: &HostFacts| -> Result<Plan, Duplicate> {
        let mut plan = Plan::new();
        if alone {
            plan.ensure(&Ns::HOST, alone_on_its_bridge(&wiring.leg))?;
        }
        Ok(plan)
    };
    let backend = Backend::of(task, &bare.addresses)?;
    let asked = if backend == Backend::Native { policy } else { format!("{policy} {backend:?}") };
    let mut amendment = amendment("firewall", asked);
    amendment.draw = &draw;
    backend.asks(&mut amendment, &bare.addresses);
    match bridge {
        Some(bridge) if isolated => amendment.shared.push(Shared::Apart { bridge }),
        None if isolated => {
            let what = "firewall: ingressPolicy same-bridge needs a bridge in prevResult";
            return Err(Fault::new(Code::Config, what));
        }
        Some(_) | None => {}
    }
    task.engine.amend(&whom, &bare, &amendment)?;
    Ok(outcome)
}

/// DEL of what another's plugin has made, by the addresses that the runtime says there were, or
/// that the container is masqueraded by.
pub(crate) fn del_strange(task: &mut Task<'_>, whom: &Whom) -> Result<(), Fault> {
    let addresses: Vec<IpNet> = match &task.conf.previous {
        Some(outcome) => outcome.ips.iter().map(|ip| ip.address).collect(),
        None => task.engine.strange_addresses(&whom.cni)?,
    };
    if addresses.is_empty() {
        return Ok(());
    }
    task.engine.dislodge_rules(chains::firewall(&addresses, ADMIN))?;
    match backend_key(task.conf)?.as_str() {
        "iptables" | "nftables" => Ok(()),
        _ if !task.engine.firewalld_runs() => Ok(()),
        _ => Ok(task.engine.leave_zone(&zone(task.conf)?, &hosts(&addresses))?),
    }
}

/// Whose rules let the container through.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Backend {
    /// ropewalk's own answer to the rules of others.
    Native,
    /// The chains of the reference plugins, with this one for administrators.
    Chains(String),
    /// This zone of firewalld.
    Zone(String),
}

impl Backend {
    /// The one that is named; else firewalld where it runs, and the chains where they are.
    fn of(task: &mut Task<'_>, addresses: &[IpNet]) -> Result<Self, Fault> {
        let admin = task.conf.fields.text("iptablesAdminChainName")?;
        if admin.chars().any(|c| c.is_control() || c.is_whitespace()) || admin.len() > CHAIN_MAX {
            let what = format!("firewall: iptablesAdminChainName {admin:?} cannot be");
            return Err(Fault::new(Code::Config, what));
        }
        let admin = if admin.is_empty() { ADMIN.to_owned() } else { admin };
        let zone = zone(task.conf)?;
        match backend_key(task.conf)?.as_str() {
            "firewalld" => return Ok(Self::Zone(zone)),
            "iptables" => return Ok(Self::Chains(admin)),
            "nftables" => return Ok(Self::Native),
            _ => {}
        }
        if task.engine.firewalld_runs() {
            return Ok(Self::Zone(zone));
        }
        for v6 in [false, true] {
            let has = addresses.iter().any(|net| net.addr().is_ipv6() == v6);
            if has && task.engine.has_chain(v6, "filter", FORWARD)? {
                return Ok(Self::Chains(admin));
            }
        }
        Ok(Self::Native)
    }

    fn asks(&self, amendment: &mut Amendment<'_>, addresses: &[IpNet]) {
        match self {
            Self::Native => amendment.shared.push(Shared::Passing),
            Self::Chains(admin) => {
                let all = chains::firewall(addresses, admin);
                amendment.lodged = all.into_iter().map(Foreign::Chains).collect();
            }
            Self::Zone(zone) => {
                let one = |source| Foreign::Zone { zone: zone.clone(), source };
                amendment.lodged = hosts(addresses).into_iter().map(one).collect();
            }
        }
    }
}

/// The longest name of a chain (`XT_EXTENSION_MAXNAMELEN` less its final zero).
const CHAIN_MAX: usize = 28;

fn backend_key(conf: &Conf) -> Result<String, Fault> {
    conf.fields.text("backend")
}

fn zone(conf: &Conf) -> Result<String, Fault> {
    let zone = conf.fields.text("firewalldZone")?;
    Ok(if zone.is_empty() { "trusted".to_owned() } else { zone })
}

/// Each address alone.
fn hosts(addresses: &[IpNet]) -> Vec<IpNet> {
    addresses.iter().map(|net| IpNet::from(net.addr())).collect()
}

/// Isolated members of a bridge do not reach each other.
fn alone_on_its_bridge(leg: &IfName) -> Body {
    Body::Member(MemberFlags {
        dev: leg.clone(),
        hairpin: None,
        isolated: Some(true),
        learning: None,
        flood: None,
        neigh_suppress: None,
        vlans: None,
    })
}
