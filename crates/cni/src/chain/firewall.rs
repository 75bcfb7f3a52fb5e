//! `firewall`: what others drop on the forward hook is let through for the container.
//!
//!     {"ingressPolicy": "open"}            nothing else
//!     {"ingressPolicy": "same-bridge"}     other such bridges do not reach it, but for published ports
//!     {"ingressPolicy": "isolated"}        nor do other such members of its own
//!
//! The networks of runtimes are open to begin with, so the answer to the rules of others is all
//! that `open` takes: one for the bridge, not one for each container.

use ropewalk_facts::{Body, IfName, MemberFlags, Ns};
use ropewalk_plan::{Duplicate, Plan};
use ropewalk_spec::Shared;
use ropewalk_topology::{HostFacts, Wiring};

use super::{Link, amendment};
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
    let mut amendment = amendment("firewall", policy);
    amendment.draw = &draw;
    amendment.shared.push(Shared::Passing);
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

/// Isolated members of a bridge do not reach each other.
fn alone_on_its_bridge(leg: &IfName) -> Body {
    Body::Member(MemberFlags {
        dev: leg.clone(),
        hairpin: None,
        isolated: Some(true),
        learning: None,
        flood: None,
        neigh_suppress: None,
    })
}
