//! Networks in words.

use ropewalk_engine::{NetworkView, SubnetView};

use super::attachments;
use super::columns::{cell, table};

/// A network that has just been made.
pub(crate) fn created(network: &NetworkView) -> String {
    let name = &network.name;
    let (kind, mtu) = (kind(network), mtu(network));
    let mut text = format!("network {name}: {kind}, masquerade {}, {mtu}\n", network.masquerade);
    for net in &network.subnets {
        text += &format!("  {}\n", subnet(net));
    }
    for chain in &network.let_through {
        text += &format!("  let through in {chain}, which would have dropped its traffic\n");
    }
    for chain in &network.closed {
        text += &format!("  beware: {chain}\n");
    }
    if let Some(seconds) = network.confirm_within_s {
        return text + &format!("next: ropewalk confirm {name}    within {seconds} s\n");
    }
    text + &format!("next: ropewalk attach SANDBOX {name}\n")
}

/// A network that may stay.
pub(crate) fn confirmed(network: &NetworkView) -> String {
    let name = &network.name;
    format!("network {name} stays\nnext: ropewalk attach SANDBOX {name}\n")
}

/// A network that is gone.
pub(crate) fn removed(network: &NetworkView) -> String {
    format!("network {} is gone\n", network.name)
}

/// All networks.
pub(crate) fn networks(all: &[NetworkView]) -> String {
    if all.is_empty() {
        return "no networks\nnext: ropewalk network create NAME --subnet PREFIX\n".to_owned();
    }
    let row = |n: &NetworkView| {
        let nets = n.subnets.iter().map(|s| s.net.clone()).collect();
        let mtu = if n.mtu == 0 { "-".to_owned() } else { n.mtu.to_string() };
        let masquerade = n.masquerade.split(", ").map(str::to_owned).collect();
        vec![
            cell(&n.name),
            cell(kind(n)),
            nets,
            masquerade,
            cell(mtu),
            cell(n.attachments.to_string()),
            cell(state(n)),
        ]
    };
    let head = ["NETWORK", "KIND", "SUBNETS", "MASQUERADE", "MTU", "ATTACHED", "STATE"];
    table(&head, &all.iter().map(row).collect::<Vec<_>>())
}

/// One network and what is on it.
pub(crate) fn network(network: &NetworkView) -> String {
    let mut lines = vec![("kind", kind(network))];
    lines.extend(network.subnets.iter().map(|s| ("subnet", subnet(s))));
    if let Some(tunnel) = &network.tunnel {
        lines.push(("tunnel", format!("number {}, port {}", tunnel.vni, tunnel.port)));
        lines.extend(tunnel.peers.iter().map(|peer| ("peer", peer.replace('=', "  "))));
    }
    let masquerade = format!("{} out, {} in", network.masquerade, network.masquerade_in);
    lines.push(("masquerade", masquerade));
    lines.extend(network.let_through.iter().map(|chain| ("through", chain.clone())));
    lines.push(("mtu", mtu(network).trim_start_matches("mtu ").to_owned()));
    lines.push(("state", state(network).to_owned()));
    lines.push(("defined by", network.origin.clone()));
    let mut text = format!("network {}\n", network.name);
    for (label, value) in lines {
        text += &format!("  {label:<10}  {value}\n");
    }
    text + "\n" + &attachments::on(&network.name, &network.sandboxes)
}

fn state(network: &NetworkView) -> &'static str {
    match (network.active, network.confirm_within_s) {
        (true, Some(_)) => "on trial",
        (true, None) => "active",
        (false, _) => "defined",
    }
}

fn kind(network: &NetworkView) -> String {
    let mut text = network.mode.to_string();
    if let Some(bridge) = &network.bridge {
        text += &format!(" {bridge}");
    }
    if let Some(parent) = &network.parent {
        text += &format!(" on {parent}");
    }
    if let Some(mode) = &network.link_mode {
        text += &format!(", {mode}");
    }
    match network.reach.as_ref().map(|reach| reach.to_string()).as_deref() {
        None | Some("open") => text,
        Some(reach) => text + ", " + reach,
    }
}

fn subnet(subnet: &SubnetView) -> String {
    let mut text = subnet.net.clone();
    if let Some(gateway) = &subnet.gateway {
        text += &format!(" gateway {gateway}");
    }
    if let Some(range) = &subnet.range {
        text += &format!(" range {range}");
    }
    text
}

fn mtu(network: &NetworkView) -> String {
    match network.mtu {
        0 => "mtu of the uplink".to_owned(),
        mtu => format!("mtu {mtu}"),
    }
}
