//! An address outside this host's blocks, for a sandbox that asks for it: it is asked of the cluster first.
//!
//!     exc/NETWORK/IP  {asked}  ─▶ the agents see to it ─▶ this host's network has it ─▶ attach
//!
//! With the store away that is refused; an address of the host's own blocks needs none of it.
//! Never here: who may have it (`cluster`), attaching.

use std::net::IpAddr;
use std::time::Duration;

use ropewalk_cluster::{Memory, Site, Wish, verbs};
use ropewalk_engine::{Code, Engine, Fault, Paths};
use ropewalk_spec::{Endpoint, NetworkName};
use tokio::time::{Instant, sleep};

use super::{now, refused, unusable, wait};

/// How long an address is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether it is there.
const OFTEN: Duration = Duration::from_millis(50);

/// Gets the addresses that `endpoint` asks for, where another host could have them.
pub(crate) fn ask_for(endpoint: &Endpoint) -> Result<(), Fault> {
    ropewalk_engine::need_root()?;
    let paths = Paths::from_env();
    let Some(site) = Site::read(&paths.config).map_err(unusable)? else { return Ok(()) };
    let memory = Memory::read(&paths.state, &site).map_err(unusable)?;
    let Some(wish) = memory.made.get(&endpoint.network) else { return Ok(()) };
    for ip in endpoint.ips.iter().copied().filter(|ip| wish.holds(*ip)) {
        if !shares(&paths, &endpoint.network, ip)? {
            one(&paths, &site, wish, &endpoint.network, ip)?;
        }
    }
    Ok(())
}

fn shares(paths: &Paths, network: &NetworkName, ip: IpAddr) -> Result<bool, Fault> {
    Engine::open(paths)?.shares(network, ip)
}

fn one(
    paths: &Paths,
    site: &Site,
    wish: &Wish,
    network: &NetworkName,
    ip: IpAddr,
) -> Result<(), Fault> {
    let doing = |fault: Fault| fault.doing(format!("get {ip} of network {network} for this host"));
    if !wish.lends() {
        let what = format!("{ip} is not of this host's blocks");
        let why = "a sandbox's neighbours on its bridge look for it there: only routed and flat networks can";
        return Err(doing(Fault::new(Code::ClusterRefused, what).cause(why)));
    }
    let mut store = site.open(&paths.config).map_err(unusable)?;
    wait(async {
        let owner = verbs::ask(&mut store, &site.id, network, ip, now()).await.map_err(refused)?;
        let until = Instant::now() + PATIENCE;
        while Instant::now() < until {
            if shares(paths, network, ip)? {
                return Ok(());
            }
            sleep(OFTEN).await;
        }
        verbs::unask(&mut store, &site.id, network, ip).await.map_err(refused)?;
        let why = match owner {
            Some(host) => format!("its block is of host {host}, which has it in use, or is away"),
            None => "the agent of this host has not taken it".to_owned(),
        };
        let fault = Fault::new(Code::ClusterRefused, format!("this host has not got {ip}"));
        Err(fault.cause(why).or_try("ropewalk cluster status").or_try("leave out --ip"))
    })?
    .map_err(doing)
}
