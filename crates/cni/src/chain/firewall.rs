//! `firewall`: what others drop on the forward hook is let through for the container.
//!
//!     {"ingressPolicy": "open"}            nothing else
//!     {"ingressPolicy": "same-bridge"}     other such bridges do not reach it, but for published ports
//!
//! The networks of runtimes are open to begin with, so the answer to the rules of others is all
//! that `open` takes: one for the bridge, not one for each container.

use ropewalk_spec::Shared;

use super::{Link, amendment};
use crate::fault::{Code, Fault};
use crate::net::Task;
use crate::outcome::Outcome;

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let policy = task.conf.fields.text("ingressPolicy")?;
    let backend = task.conf.fields.text("backend")?;
    if !["", "iptables", "firewalld", "nftables"].contains(&backend.as_str()) {
        return Err(Fault::new(Code::Config, format!("firewall: unknown backend {backend:?}")));
    }
    let Link { whom, bare, bridge, outcome } = Link::of(task)?;
    let isolated = match policy.as_str() {
        "" | "open" => false,
        "same-bridge" => true,
        "isolated" => {
            let what = "firewall: ingressPolicy isolated is not supported yet";
            return Err(Fault::new(Code::Unsupported, what).details("same-bridge is"));
        }
        _ => {
            let what = format!("firewall: unknown ingressPolicy {policy:?}");
            return Err(Fault::new(Code::Config, what).details("open, same-bridge, isolated"));
        }
    };
    let mut amendment = amendment("firewall", policy);
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
