//! A cluster in words: its hosts, its networks, and what is wrong.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_cluster::own::Standing;
use ropewalk_cluster::{Endpoint, HostId, Progress, Site};
use ropewalk_spec::NetworkName;
use serde::Serialize;

use super::columns::{cell, table};

/// A cluster, as one of its hosts sees it.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) cluster: String,
    pub(crate) store: String,
    pub(crate) host: String,
    pub(crate) standing: Standing,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) away: Option<String>,
    pub(crate) alarms: Vec<String>,
    pub(crate) progress: Progress,
    /// Seconds since 1970, by the clock here.
    pub(crate) now: u64,
    pub(crate) hosts: Vec<HostRow>,
    pub(crate) networks: Vec<NetRow>,
}

/// A host of it.
#[derive(Debug, Serialize)]
pub(crate) struct HostRow {
    pub(crate) name: String,
    pub(crate) id: HostId,
    pub(crate) here: bool,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) blocks: Vec<String>,
    /// Whether it shall own nothing any more.
    pub(crate) draining: bool,
    /// Whether its agent says that it is up; none in a cluster of one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) up: Option<bool>,
    /// How far it has said it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) far: Option<Far>,
    /// By how many seconds its clock is ahead, if that is much.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ahead_s: Option<u64>,
}

/// How far a host has said it is.
#[derive(Debug, Serialize)]
pub(crate) struct Far {
    /// When: seconds since 1970, by its own clock.
    pub(crate) at: u64,
    /// Whether its kernel is as of what the store says now.
    pub(crate) caught_up: bool,
    pub(crate) took_ms: u64,
    pub(crate) repaired: u64,
    pub(crate) alarms: usize,
}

/// An attachment to a network of it.
#[derive(Debug, Serialize)]
pub(crate) struct EndpointRow {
    pub(crate) network: NetworkName,
    pub(crate) host: String,
    #[serde(flatten)]
    pub(crate) endpoint: Endpoint,
}

/// A pool of a network of it.
#[derive(Debug, Serialize)]
pub(crate) struct NetRow {
    pub(crate) name: NetworkName,
    pub(crate) pool: IpNet,
    pub(crate) block: u8,
    pub(crate) blocks: u64,
    pub(crate) owned: usize,
}

/// The whole of it.
pub(crate) fn status(status: &Status) -> String {
    let standing = match status.standing {
        Standing::Joining => "joining",
        Standing::Member => "member",
        Standing::Removed => "removed",
    };
    let mut text = format!("host {}: {standing} of the cluster at {}\n", status.host, status.store);
    for what in status.away.iter().chain(&status.alarms) {
        text += &format!("  beware: {what}\n");
    }
    if status.progress.heard > 0 {
        let ago = status.now.saturating_sub(status.progress.heard);
        let Progress { revision, took_ms, repaired, .. } = &status.progress;
        text += &format!(
            "  heard {ago} s ago, as of revision {revision}, in the kernel after {took_ms} ms; {repaired} put right\n"
        );
    }
    if !status.hosts.is_empty() {
        text += &format!("\n{}", hosts(&status.hosts));
    }
    if !status.networks.is_empty() {
        text += &format!("\n{}", networks(&status.networks));
    }
    text
}

/// Its hosts.
pub(crate) fn hosts(all: &[HostRow]) -> String {
    let row = |host: &HostRow| {
        let name = format!("{}{}", host.name, if host.here { " (this one)" } else { "" });
        let addresses = host.addresses.iter().map(ToString::to_string).collect();
        vec![
            cell(name),
            addresses,
            host.blocks.clone(),
            cell(state(host)),
            cell(host.id.to_string()),
        ]
    };
    table(&["HOST", "ADDRESS", "BLOCKS", "STATE", "ID"], &all.iter().map(row).collect::<Vec<_>>())
}

/// How far it is, in words.
fn state(host: &HostRow) -> String {
    let down = if host.up == Some(false) { "down, " } else { "" };
    let far = match &host.far {
        None => "not heard of".to_owned(),
        Some(far) if far.caught_up => format!("in step, {} ms", far.took_ms),
        Some(_) => "behind".to_owned(),
    };
    let alarms = host.far.as_ref().map_or(0, |far| far.alarms);
    let alarms = match alarms {
        0 => String::new(),
        1 => ", 1 alarm".to_owned(),
        more => format!(", {more} alarms"),
    };
    let drained = match (host.draining, host.blocks.is_empty()) {
        (false, _) => "",
        (true, false) => ", draining",
        (true, true) => ", drained",
    };
    format!("{down}{far}{alarms}{drained}")
}

/// What is attached to its networks.
pub(crate) fn endpoints(all: &[EndpointRow]) -> String {
    let row = |row: &EndpointRow| {
        let Endpoint { name, id, addresses, mac, published, .. } = &row.endpoint;
        vec![
            cell(row.network.as_str()),
            cell(&row.host),
            cell(name),
            addresses.iter().map(ToString::to_string).collect(),
            cell(mac.clone().unwrap_or_default()),
            published.clone(),
            cell(id),
        ]
    };
    let heads = ["NETWORK", "HOST", "NAME", "ADDRESS", "MAC", "PUBLISHED", "SANDBOX"];
    table(&heads, &all.iter().map(row).collect::<Vec<_>>())
}

fn networks(all: &[NetRow]) -> String {
    let row = |net: &NetRow| {
        let owned = format!("{} of {}", net.owned, net.blocks);
        vec![
            cell(net.name.as_str()),
            cell(net.pool.to_string()),
            cell(format!("/{}", net.block)),
            cell(owned),
        ]
    };
    table(&["NETWORK", "ADDRESSES", "BLOCK", "OWNED"], &all.iter().map(row).collect::<Vec<_>>())
}

/// A host that has joined: another one of its name, if there is one, and whether its agent runs.
pub(crate) fn joined(site: &Site, namesake: Option<&HostId>, runs: bool) -> String {
    let addresses: Vec<String> = site.addresses.iter().map(ToString::to_string).collect();
    let (name, store, addresses) = (&site.name, &site.store, addresses.join(", "));
    let mut text = match site.alone() {
        true => format!("host {name} is a cluster of one\n"),
        false => {
            format!(
                "host {name} joined the cluster at {store}; the others reach it at {addresses}\n"
            )
        }
    };
    if let Some(id) = namesake {
        text += &format!(
            "beware: another host is called {name}, too: {id}; `ropewalk leave`, then join with --name, unless it is gone\n"
        );
    }
    if !runs {
        text += "next: systemctl start ropewalk-agent    or: ropewalk agent\n";
    }
    text
}
