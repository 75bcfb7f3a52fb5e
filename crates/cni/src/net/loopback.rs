//! `loopback`: lo is up.

use std::net::IpAddr;

use super::Task;
use crate::fault::Fault;
use crate::outcome::{Interface, Ip, Outcome};

/// ADD.
pub(crate) fn add(task: &mut Task<'_>) -> Result<Outcome, Fault> {
    let sandbox = task.sandbox()?;
    let nets = task.engine.loopback(&sandbox, true)?;
    if let Some(previous) = &task.conf.previous {
        return Ok(previous.clone());
    }
    let netns = task.call.netns.as_ref().map(|path| path.display().to_string());
    let lo = Interface {
        name: "lo".into(),
        mac: "00:00:00:00:00:00".into(),
        sandbox: netns.unwrap_or_default(),
        ..Interface::default()
    };
    let ip = |address| Ip { interface: Some(0), address, gateway: None };
    let own = nets.into_iter().filter(|net| IpAddr::is_loopback(&net.addr()));
    Ok(Outcome { interfaces: vec![lo], ips: own.map(ip).collect(), ..Outcome::default() })
}

/// CHECK.
pub(crate) fn check(task: &mut Task<'_>) -> Result<(), Fault> {
    let sandbox = task.sandbox()?;
    Ok(task.engine.check_loopback(&sandbox)?)
}
