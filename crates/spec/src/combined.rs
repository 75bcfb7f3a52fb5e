//! Which options of a network go together.
//!
//!     reach = "internal", masquerade = "yes"   →   masquerade: cannot be combined with internal
//!
//! Never here: what one option may be by itself (`network`, `raw`).

use crate::direct::Direct;
use crate::error::{Object, Problem, SpecError};
use crate::joins::Joins;
use crate::masquerade::Masquerade;
use crate::mode::{Mode, Reach};
use crate::network::Network;
use crate::raw::At;

/// Options that need each other: what has no gateway has nothing to do at its edge.
pub(crate) fn check_combination(network: &Network, object: &Object) -> Result<(), SpecError> {
    let at = |field| At::field(object, field);
    let no = |wish| wish == Masquerade::No;
    check_dhcp(network, object)?;
    if let Some(direct) = network.mode.direct() {
        check_direct(network, direct, object)?;
    }
    // To other networks, its sandboxes and the LAN are one.
    if matches!(network.mode, Mode::Uplink { .. }) && !network.joins.networks.is_empty() {
        let mode = network.mode.word();
        return at("reach").fail(Problem::ConflictMode { mode });
    }
    let (without, masquerade, masquerade_in) = match network.mode.reach() {
        Reach::Open if !network.mode.through_host() => {
            let mode = network.mode.word();
            let odd =
                [("masquerade", network.masquerade), ("masquerade_in", network.masquerade_in)];
            return match odd.into_iter().find(|(_, wish)| !no(*wish)) {
                Some((field, _)) => at(field).fail(Problem::ConflictMode { mode }),
                None => check_mtu(at("mtu"), network.mtu, network.has_v6()),
            };
        }
        Reach::Open => return check_mtu(at("mtu"), network.mtu, network.has_v6()),
        Reach::Internal => ("internal", no(network.masquerade), true),
        Reach::L2 => ("l2", no(network.masquerade), no(network.masquerade_in)),
    };
    let odd = [
        ("masquerade", !masquerade),
        ("masquerade_in", !masquerade_in),
        ("default_route", network.default_route),
    ];
    match odd.into_iter().find(|(_, odd)| *odd) {
        Some((field, _)) => at(field).fail(Problem::Conflict { with: without }),
        None => check_mtu(at("mtu"), network.mtu, network.has_v6()),
    }
}

/// Options that need an address to be known before a server lends it, and the time to wait for that.
fn check_dhcp(network: &Network, object: &Object) -> Result<(), SpecError> {
    let at = |field| At::field(object, field);
    let (least, most) = DHCP_TIMEOUTS;
    match network.dhcp_timeout {
        Some(_) if !network.dhcp => {
            return at("dhcp_timeout").fail(Problem::Conflict { with: "addresses without dhcp" });
        }
        Some(value) if !(least..=most).contains(&value) => {
            return at("dhcp_timeout").fail(Problem::Seconds { value, least, most });
        }
        Some(_) | None => {}
    }
    let odd = [
        ("masquerade", network.masquerade != Masquerade::No),
        ("masquerade_in", network.masquerade_in != Masquerade::No),
        ("host_link", network.mode.direct().is_some_and(Direct::host_link)),
    ];
    match odd.into_iter().find(|(_, odd)| network.dhcp && *odd) {
        Some((field, _)) => at(field).fail(Problem::Conflict { with: "dhcp" }),
        None => Ok(()),
    }
}

/// Seconds that a DHCP server can be waited for.
const DHCP_TIMEOUTS: (u32, u32) = (1, 300);

/// Options that need packets to pass the host.
fn check_direct(network: &Network, direct: &Direct, object: &Object) -> Result<(), SpecError> {
    let mode = direct.word();
    let odd = [
        ("masquerade", network.masquerade != Masquerade::No),
        ("masquerade_in", network.masquerade_in != Masquerade::No),
        ("reach", network.joins != Joins::default()),
        ("default_route", network.default_route && !direct.leads_out()),
    ];
    match odd.into_iter().find(|(_, odd)| *odd) {
        Some((field, _)) => At::field(object, field).fail(Problem::ConflictMode { mode }),
        None => Ok(()),
    }
}

/// Checks an MTU: IPv4 needs 68 bytes (RFC 791), IPv6 1280 (RFC 8200 §5).
pub(crate) fn check_mtu(at: At<'_>, mtu: Option<u32>, v6: bool) -> Result<(), SpecError> {
    let min = if v6 { 1280 } else { 68 };
    match mtu.filter(|value| !(min..=65535).contains(value)) {
        Some(value) => at.fail(Problem::Mtu { value, min }),
        None => Ok(()),
    }
}
