//! What was done, what was found, and what other routers should know.

use ropewalk_engine::{Announced, Done, Finding, NetworkView, RouteHint, Row};

/// What was done, a line each.
pub(crate) fn done(all: &[Done]) -> String {
    if all.is_empty() {
        return "nothing to do\n".to_owned();
    }
    let line = |done: &Done| format!("{} {} {}", done.verb, done.object, done.detail);
    all.iter().map(|done| line(done).trim_end().to_owned() + "\n").collect()
}

/// What a LAN was told.
pub(crate) fn announced(all: &[Announced]) -> String {
    if all.is_empty() {
        return "nothing to announce: no sandbox has an address of a LAN\n".to_owned();
    }
    let line = |told: &Announced| {
        let Announced { sandbox, address, parent, mac, .. } = told;
        format!("{parent}: {address} of {sandbox} is at {mac}\n")
    };
    all.iter().map(line).collect()
}

/// What `check` found.
pub(crate) fn checked(findings: &[Finding]) -> String {
    match findings.len() {
        0 => "everything is as it was made\n".to_owned(),
        n => list(findings) + &format!("{} found\nnext: ropewalk repair\n", count(n, "difference")),
    }
}

/// What `repair` did.
pub(crate) fn repaired(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "everything is as it was made\n".to_owned();
    }
    let right = findings.iter().filter(|finding| finding.repaired).count();
    let text = list(findings) + &format!("{} put right", count(right, "difference"));
    match findings.len() - right {
        0 => text + "\n",
        left => text + &format!(", {left} left\nnext: ropewalk gc\n"),
    }
}

fn list(findings: &[Finding]) -> String {
    let mut text = String::new();
    for f in findings {
        let state = if f.repaired { " (put right)" } else { "" };
        text += &format!("{}: {}{state}\n", f.owner, f.object);
        text += &format!("  wanted  {}\n  found   {}\n", f.wanted, f.found);
    }
    text
}

/// `1 network`, `2 networks`
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// How to reach a network from elsewhere.
pub(crate) fn routes(hints: &[RouteHint]) -> String {
    if hints.is_empty() {
        return "no other router needs a route to it\n".to_owned();
    }
    let mut text = String::new();
    for hint in hints {
        let via = if hint.via.is_empty() { "this host" } else { &hint.via.join(" or ") };
        text += &format!("{} via {via}\n", hint.destination);
        for (router, lines) in &hint.commands {
            for line in lines {
                text += &format!("  {:<9} {line}\n", format!("{router}:"));
            }
        }
    }
    text
}

/// What `purge` would take away.
pub(crate) fn at_stake(networks: &[NetworkView], rows: &[Row]) -> String {
    let networks = networks.iter().map(|network| network.name.clone()).collect();
    let rows = rows.iter().map(|row| format!("{} on {}", row.sandbox, row.network)).collect();
    let (networks, rows) = (listed("network", networks), listed("attachment", rows));
    format!("this takes away all that ropewalk made on this host: {networks}, {rows}")
}

fn listed(noun: &str, names: Vec<String>) -> String {
    match names.len() {
        0 => format!("no {noun}s"),
        n => format!("{} ({})", count(n, noun), names.join(", ")),
    }
}
