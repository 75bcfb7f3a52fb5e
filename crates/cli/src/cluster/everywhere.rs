//! `ropewalk publish --everywhere`: whether that can be, as far as this host and the store know.
//!
//! With the store away it is published here at once, and on the other hosts when it is back.  Never
//! here: what other hosts make of it (`agent`).

use std::time::Duration;

use ropewalk_cluster::public::{called, leads};
use ropewalk_cluster::{Memory, Site, verbs};
use ropewalk_engine::{Code, Engine, Fault, Paths};
use ropewalk_spec::{Publish, SandboxRef};

use super::{member, unusable, wait};

/// How long the store may take, a member that does not answer before one that does.
const PATIENCE: Duration = Duration::from_secs(10);

/// `ports` on every host of the cluster.
pub(crate) fn everywhere(
    engine: &mut Engine,
    sandbox: &SandboxRef,
    ports: &[Publish],
) -> Result<Vec<Publish>, Fault> {
    let doing = |fault: Fault| fault.doing(format!("publish ports of {sandbox} everywhere"));
    let one = |port: &Publish| {
        let what = format!("{port} is for one address of this host");
        port.on_every_host().ok_or_else(|| doing(Fault::new(Code::BadInput, what)))
    };
    let ports = ports.iter().map(one).collect::<Result<Vec<_>, _>>()?;
    let (site, _) = member().map_err(doing)?;
    let memory = Memory::read(&Paths::from_env().state, &site).map_err(unusable)?;
    let network = engine.published_by(sandbox).map_err(doing)?;
    let Some(wish) = memory.made.get(&network) else {
        let what = format!("network {network} is none of the cluster's");
        return Err(doing(
            Fault::new(Code::ClusterRefused, what).or_try("ropewalk cluster status"),
        ));
    };
    if !matches!(wish.net.spec.mode.as_deref(), Some("vxlan" | "routed")) {
        let what = format!("what is on network {network} is reached without a host between");
        return Err(doing(Fault::new(Code::ClusterRefused, what)));
    }
    if memory.away.is_none() {
        free(&site, &ports).map_err(doing)?;
    }
    Ok(ports)
}

/// Refuses a port that leads to a sandbox of another host.
fn free(site: &Site, ports: &[Publish]) -> Result<(), Fault> {
    let mut store = site.open(&Paths::from_env().config).map_err(unusable)?;
    let view = wait(async { tokio::time::timeout(PATIENCE, verbs::view(&mut store)).await })?;
    let Ok(Ok(view)) = view else { return Ok(()) };
    let (all, _) = leads(&view);
    for lead in all.iter().filter(|lead| lead.spot.host != site.id) {
        if let Some(port) = ports.iter().find(|port| port.conflicts(&lead.far.publish())) {
            let what = format!("port {} is taken on every host", port.host_ports);
            let whose = format!("it leads to {}", called(&view, &lead.spot, &lead.name));
            let fault = Fault::new(Code::PortTaken, what).cause(whose);
            return Err(fault.or_try("choose another host port"));
        }
    }
    Ok(())
}
