//! What stands in the box of a host: its addresses, its networks, who is attached to them.

use crate::model::{Container, Host};
use crate::picture::Network;

/// The box of a host, to be placed.
pub(super) struct Card {
    /// What stands in its upper border.
    pub(super) title: String,
    /// What stands inside.
    pub(super) lines: Vec<String>,
}

/// How far right of a box's edge a cable meets it, and how far its title begins.
pub(super) const CABLE: usize = 3;
pub(super) const TITLE: usize = 6;
/// How far apart the cables of one box are.
pub(super) const STEP: usize = 4;

impl Card {
    pub(super) fn new(host: &Host, networks: &[Network]) -> Self {
        let title =
            if host.forward { format!("{} · forwards", host.name) } else { host.name.to_string() };
        let mut lines = Vec::new();
        for nic in &host.nics {
            let addrs: Vec<String> = nic.addrs.iter().map(|net| net.addr().to_string()).collect();
            list(&mut lines, &format!("{} ", nic.name), &addrs);
        }
        for bridge in &host.bridges {
            let addrs: Vec<String> =
                bridge.addrs.iter().map(|net| net.addr().to_string()).collect();
            list(&mut lines, &format!("{} ", bridge.name), &addrs);
        }
        let ours = || networks.iter().filter(|n| n.host == host.name);
        ours().for_each(|network| self::network(&mut lines, network));
        let attached =
            |c: &&Container| !ours().flat_map(|n| &n.members).any(|m| m.sandbox == c.name.as_str());
        for c in host.containers.iter().filter(attached) {
            lines.push(format!("{} (no network)", c.name));
        }
        Self { title, lines }
    }

    /// The width of the box, for `cables` at its lower edge.
    pub(super) fn width(&self, cables: usize) -> usize {
        let inside = self.lines.iter().map(|l| l.chars().count() + 4).max().unwrap_or(0);
        let title = TITLE + self.title.chars().count() + 4;
        inside.max(title).max(CABLE + STEP * cables)
    }
}

/// One line for each of `items`, the first behind `head`, the others below it.
fn list(lines: &mut Vec<String>, head: &str, items: &[String]) {
    let blank = " ".repeat(head.chars().count());
    let heads = std::iter::once(head).chain(std::iter::repeat(blank.as_str()));
    if items.is_empty() {
        lines.push(head.trim_end().to_owned());
    }
    lines.extend(heads.zip(items).map(|(head, item)| format!("{head}{item}")));
}

fn network(lines: &mut Vec<String>, network: &Network) {
    let gateways: String = network.gateways.iter().map(|ip| format!(" {ip}")).collect();
    lines.push(format!("{}: {}{gateways}", network.name, network.mode));
    let width = network.members.iter().map(|m| m.sandbox.chars().count()).max().unwrap_or(0);
    for (i, member) in network.members.iter().enumerate() {
        let last = i + 1 == network.members.len();
        let (branch, below) = if last { ("└─", "  ") } else { ("├─", "│ ") };
        let mut items: Vec<String> = member.addrs.iter().map(ToString::to_string).collect();
        items.extend(member.published.iter().map(|p| format!("⇠ {p}")));
        let mut rows = Vec::new();
        list(&mut rows, &format!("{:width$} {} ", member.sandbox, member.nic), &items);
        let marks = std::iter::once(branch).chain(std::iter::repeat(below));
        lines.extend(marks.zip(rows).map(|(mark, row)| format!("{mark} {row}")));
    }
}
