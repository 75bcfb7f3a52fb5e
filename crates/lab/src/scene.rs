//! What ropewalk has made on the hosts of a lab, as it says itself, for the picture.
//!
//!     ropewalk network ls --json · ropewalk ps --json
//!
//! Never here: the kernel.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::model::Host;
use crate::name::Place;
use crate::picture::{Member, Network};
use crate::process::shell;
use crate::standing::Standing;

/// A network, of what ropewalk says the part that is drawn.
#[derive(Deserialize)]
struct Listed {
    name: String,
    mode: String,
    reach: Option<String>,
    #[serde(default)]
    subnets: Vec<Subnet>,
}

#[derive(Deserialize)]
struct Subnet {
    gateway: Option<IpAddr>,
}

/// An attachment, of what ropewalk says the part that is drawn.
#[derive(Deserialize)]
struct Attached {
    sandbox: String,
    network: String,
    interface: String,
    addresses: Vec<IpNet>,
    published: Vec<String>,
}

/// The networks on every host that has containers.
pub(crate) fn scene(standing: &Standing) -> Result<Vec<Network>, Error> {
    let mut all = Vec::new();
    for host in standing.lab().hosts.iter().filter(|host| !host.containers.is_empty()) {
        let networks: Vec<Listed> = ask(standing, host, "ropewalk network ls --json")?;
        let attached: Vec<Attached> = ask(standing, host, "ropewalk ps --json")?;
        all.extend(networks.into_iter().map(|network| {
            let ours = attached.iter().filter(|row| row.network == network.name);
            let members = ours.map(|row| member(standing, host, row)).collect();
            drawn(host, network, members)
        }));
    }
    Ok(all)
}

/// What a command prints as JSON; nothing where it cannot be run, for a picture is not worth more.
fn ask<T: DeserializeOwned>(standing: &Standing, host: &Host, line: &str) -> Result<Vec<T>, Error> {
    let printed = standing.inside(&Place::host(&host.name), || shell(line).output())?;
    Ok(printed.ok().and_then(|out| serde_json::from_slice(&out.stdout).ok()).unwrap_or_default())
}

fn drawn(host: &Host, network: Listed, members: Vec<Member>) -> Network {
    let mode = match network.reach.as_deref() {
        None | Some("open") => network.mode,
        Some(reach) => format!("{reach} {}", network.mode),
    };
    let gateways = network.subnets.iter().filter_map(|subnet| subnet.gateway).collect();
    Network { host: host.name.clone(), name: network.name, mode, gateways, members }
}

fn member(standing: &Standing, host: &Host, row: &Attached) -> Member {
    Member {
        sandbox: sandbox(standing, host, &row.sandbox),
        nic: row.interface.clone(),
        addrs: row.addresses.iter().map(IpNet::addr).collect(),
        published: row.published.clone(),
    }
}

/// What the lab calls a sandbox: `red` for `netns:red`, and for the pid of a process in it.
fn sandbox(standing: &Standing, host: &Host, text: &str) -> String {
    match text.split_once(':') {
        Some(("netns" | "new", name)) => name.to_owned(),
        Some(("pid", pid)) => {
            let ours = |p: &&Place| p.host == host.name && p.container.is_some();
            let mut places = standing.pids().filter(|(_, of)| of.to_string() == pid);
            let place = places.find(|(place, _)| ours(place)).map(|(place, _)| place);
            place.and_then(|p| p.container.as_ref()).map_or(text.to_owned(), ToString::to_string)
        }
        Some(_) | None => text.to_owned(),
    }
}
