//! A network of the cluster that this host has no part of, or no address: why.
//!
//!     there is no network over ─▶ net/over is in the store ─▶ no agent, what it says of it, or patience
//!     no address is left ─▶ the host was removed
//!
//! Never here: attaching, making networks.

use std::os::unix::net::UnixStream;

use ropewalk_cluster::own::Standing;
use ropewalk_cluster::{Memory, Site, verbs};
use ropewalk_engine::{Code, Fault, Paths};
use ropewalk_spec::NetworkName;

use super::wait;

/// What starts an agent.
const START: &str = "systemctl start ropewalk-agent   or: ropewalk agent";

/// Whether an agent of this host answers.
pub(super) fn agent_runs(paths: &Paths) -> bool {
    UnixStream::connect(paths.state.join("agent.sock")).is_ok()
}

/// What stands at the end of what was told to the cluster by a host on which nobody makes it.
pub(super) fn without_agent() -> String {
    match agent_runs(&Paths::from_env()) {
        true => String::new(),
        false => format!("(no agent of this host runs, and it makes nothing of it: {START})"),
    }
}

/// The fault that there is no such network, where it is one of the cluster's: why not here. The fault that
/// no address is left, where the host was removed: it gets none.
pub(crate) fn unmade(fault: Fault, network: &NetworkName) -> Fault {
    let paths = Paths::from_env();
    if fault.code == Code::NetworkUnknown && in_the_cluster(&paths, network) {
        return said(&paths, &fault, network);
    }
    if fault.code == Code::PoolExhausted {
        return removed(&paths, &fault, network).unwrap_or(fault);
    }
    fault
}

fn removed(paths: &Paths, fault: &Fault, network: &NetworkName) -> Option<Fault> {
    let site = Site::read(&paths.config).ok()??;
    let memory = Memory::read(&paths.state, &site).ok()?;
    if memory.journal.standing != Standing::Removed || !memory.made.contains_key(network) {
        return None;
    }
    let what = format!("this host was removed from the cluster that network {network} is of");
    let new = Fault::new(fault.code, what).doing(fault.doing.clone());
    Some(new.cause("it owns no address of it").or_try(format!("ropewalk join {}", site.store)))
}

/// Whether the store has it. One that is away does not say so.
fn in_the_cluster(paths: &Paths, network: &NetworkName) -> bool {
    let Ok(Some(site)) = Site::read(&paths.config) else { return false };
    let Ok(mut store) = site.open(&paths.config) else { return false };
    let view = wait(verbs::view(&mut store));
    view.is_ok_and(|view| view.is_ok_and(|view| view.nets.contains_key(network)))
}

fn said(paths: &Paths, fault: &Fault, network: &NetworkName) -> Fault {
    let what = format!("network {network} is the cluster's, and not made on this host yet");
    let new = Fault::new(Code::NetworkUnknown, what).doing(fault.doing.clone());
    if !agent_runs(paths) {
        return new.cause("the agent makes it, and none of this host runs").or_try(START);
    }
    match told(paths, network) {
        Some(why) => new.cause(why).or_try("ropewalk cluster status"),
        None => {
            let new = new.cause("the agent makes it, as soon as this host has a block of it");
            new.or_try("again in a few seconds").or_try("ropewalk cluster status")
        }
    }
}

/// What the agent has said of a network.
fn told(paths: &Paths, network: &NetworkName) -> Option<String> {
    let memory = Memory::read(&paths.state, &Site::read(&paths.config).ok()??).ok()?;
    let alarms = memory.alarms.iter().map(ToString::to_string);
    let of = |what: &String| {
        let words = what.split(|c: char| c.is_whitespace() || ":,;".contains(c));
        let words: Vec<&str> = words.collect();
        words.windows(2).any(|pair| pair == ["network", network.as_str()])
    };
    alarms.chain(memory.faults).find(of)
}
