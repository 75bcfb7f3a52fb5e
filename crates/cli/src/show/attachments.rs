//! Attachments in words.

use ropewalk_engine::{Attached, Row};
use ropewalk_spec::Publish;

use super::columns::{Cell, cell, table};

/// A sandbox that is on a network now.
pub(crate) fn attached(attached: &Attached) -> String {
    let row = &attached.row;
    let already = if attached.changed { "" } else { " already" };
    let mut parts = vec![at(row)];
    if !row.gateway.is_empty() {
        parts.push(format!("gateway {}", row.gateway.join(" and ")));
    }
    parts.extend(row.leg.as_ref().map(|leg| format!("leg {leg}")));
    parts.extend(rates(row));
    parts.extend(lists(row).into_iter().map(|line| format!("allowed {line}")));
    let mut text =
        format!("{} is on {}{already}: {}\n", row.sandbox, row.network, parts.join(", "));
    for port in &row.published {
        text += &format!("  {port} is published\n");
    }
    text
}

/// Attachments that are gone.
pub(crate) fn detached(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nothing to detach\n".to_owned();
    }
    let line = |row: &Row| format!("{} is off {}: {} is gone\n", row.sandbox, row.network, at(row));
    rows.iter().map(line).collect()
}

/// Ports that lead to a sandbox now.
pub(crate) fn published(row: &Row, ports: &[Publish]) -> String {
    let line = |port: &Publish| format!("{port} leads to {} on {}\n", row.sandbox, row.network);
    ports.iter().map(line).collect()
}

/// Ports that no longer lead to a sandbox.
pub(crate) fn unpublished(row: &Row, ports: &[Publish]) -> String {
    let (sandbox, network) = (&row.sandbox, &row.network);
    let line = |port: &Publish| format!("{port} no longer leads to {sandbox} on {network}\n");
    ports.iter().map(line).collect()
}

/// All attachments.
pub(crate) fn attachments(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "no attachments\nnext: ropewalk attach SANDBOX NETWORK\n".to_owned();
    }
    let limited = rows.iter().any(|row| !rates(row).is_empty());
    let held = rows.iter().any(|row| !lists(row).is_empty());
    let mut head = vec!["SANDBOX", "NETWORK", "INTERFACE", "LEG", "ADDRESSES, MAC", "PUBLISHED"];
    if limited {
        head.push("RATES");
    }
    if held {
        head.push("ALLOWED");
    }
    head.push("AGE");
    let shown: Vec<_> = rows.iter().map(|row| cells(row, limited, held)).collect();
    let table = table(&head, &shown);
    table + &limits(rows)
}

/// What each of them can take of what all share.
fn limits(rows: &[Row]) -> String {
    let Some(most) = rows.iter().find_map(|row| row.limits) else { return String::new() };
    format!(
        "limits of each address: {} connections; {} new neighbours a second, {} at once\n",
        most.connections, most.neighbours_per_second, most.neighbours_at_once
    )
}

/// The attachments of one network.
pub(crate) fn on(network: &str, rows: &[Row]) -> String {
    match rows {
        [] => format!("no sandbox is on it\nnext: ropewalk attach SANDBOX {network}\n"),
        _ => attachments(rows),
    }
}

/// How fast it may receive and send, where that is limited.
fn rates(row: &Row) -> Vec<String> {
    let way = |word: &str, rate: &Option<String>| Some(format!("{word} {}", rate.as_ref()?));
    way("in", &row.rate_in).into_iter().chain(way("out", &row.rate_out)).collect()
}

/// Its allow lists.
fn lists(row: &Row) -> Vec<String> {
    let way = |word: &'static str, list: &[String]| -> Vec<String> {
        list.iter().map(|line| format!("{word} {line}")).collect()
    };
    [way("in", &row.allow_in), way("out", &row.allow_out)].concat()
}

fn cells(row: &Row, limited: bool, held: bool) -> Vec<Cell> {
    let mut age = cell(short_age(row.age_s));
    if row.state != "ready" {
        age.push(row.state.to_string());
    }
    let mut sandbox = cell(&row.sandbox);
    if let Some(pod) = &row.pod {
        sandbox.insert(0, format!("pod:{pod}"));
    }
    let mut cells = vec![
        sandbox,
        cell(&row.network),
        cell(&row.interface),
        cell(row.leg.as_deref().unwrap_or("-")),
        row.addresses.iter().chain(&row.mac).cloned().collect(),
        row.published.clone(),
    ];
    if limited {
        cells.push(rates(row));
    }
    if held {
        cells.push(lists(row));
    }
    cells.push(age);
    cells
}

fn at(row: &Row) -> String {
    let parts: Vec<&str> =
        [&row.interface].into_iter().chain(&row.addresses).map(String::as_str).collect();
    parts.join(" ")
}

/// An age in its largest unit.
fn short_age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        86_400.. => format!("{}d", seconds / 86_400),
    }
}
