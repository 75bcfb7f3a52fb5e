//! A lab as a picture in text: hosts as boxes, LANs as double lines, cables between them.
//!
//!      wan 203.0.113.0/24
//!     ════╤═════════════════
//!         │
//!     ┌───┴─ h1 ────────┐
//!     │ eth0 203.0.113.1│
//!     └─────────────────┘
//!
//! A host hangs from the first of its LANs in the order of the file; its further cables lead down.
//! Never here: the kernel; what is attached is passed in.

mod canvas;
mod card;

use std::net::IpAddr;

use crate::model::{Host, Lab, Lan};
use crate::name::Name;
use canvas::Canvas;
use card::{CABLE, Card, STEP, TITLE};

/// How many columns a picture takes, unless one box alone takes more.
const WIDTH: usize = 79;

/// A network that ropewalk made on a host, for the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The host.
    pub host: Name,
    /// What it is called.
    pub name: String,
    /// How it works: `bridge`, `routed`.
    pub mode: String,
    /// The addresses of its gateway.
    pub gateways: Vec<IpAddr>,
    /// What is attached to it.
    pub members: Vec<Member>,
}

/// One attachment, for the picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The container, by its name in the lab.
    pub sandbox: String,
    /// Its interface.
    pub nic: String,
    /// Its addresses.
    pub addrs: Vec<IpAddr>,
    /// Its published ports, as ropewalk writes them.
    pub published: Vec<String>,
}

/// Draws `lab` and the `networks` on its hosts.
#[must_use]
pub fn picture(lab: &Lab, networks: &[Network]) -> String {
    let mut sheet = Sheet::default();
    let reach = |host: &Host| lans_of(lab, host);
    for (i, lan) in lab.lans.iter().enumerate() {
        let mut hosts: Vec<_> = lab.hosts.iter().filter(|h| reach(h).first() == Some(&i)).collect();
        // Those that lead further down stand at the left, so that their cables are in nobody's way.
        hosts.sort_by_key(|h| reach(h).len() < 2);
        let boxes = hosts.iter().map(|h| (Card::new(h, networks), reach(h).split_off(1)));
        sheet.lan(i, lan, boxes.collect());
    }
    let alone = lab.hosts.iter().filter(|h| reach(h).is_empty());
    let boxes: Vec<_> = alone.map(|h| (Card::new(h, networks), Vec::new())).collect();
    sheet.row(boxes, None);
    sheet.canvas.to_string()
}

/// The LANs that a host is plugged into, by their number, each once.
fn lans_of(lab: &Lab, host: &Host) -> Vec<usize> {
    let number = |name: &Name| lab.lans.iter().position(|lan| lan.name == *name);
    let mut all: Vec<usize> = host.nics.iter().filter_map(|nic| number(&nic.lan)).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// A box to place, and the LANs that cables from its lower edge lead to.
type Box = (Card, Vec<usize>);

/// A cable that leads down to a LAN not yet drawn.
struct Cable {
    x: usize,
    to: usize,
}

/// The picture as far as it is drawn.
#[derive(Default)]
struct Sheet {
    canvas: Canvas,
    /// The first line that is free.
    y: usize,
    cables: Vec<Cable>,
}

impl Sheet {
    /// Draws a LAN and the boxes that hang from it, in as many rows as they need.
    fn lan(&mut self, number: usize, lan: &Lan, boxes: Vec<Box>) {
        let (ending, going): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.cables).into_iter().partition(|cable| cable.to == number);
        self.cables = going;
        let subnets: String = lan.subnets.iter().map(|net| format!(" {net}")).collect();
        let label = format!("{}{subnets}", lan.name);
        self.label(&label, &ending);
        let top = self.y;
        self.line();
        ending.iter().for_each(|cable| self.canvas.put(cable.x, top, '╧'));
        let mut rest = self.row(boxes, Some(&ending));
        let mut corner = (top, '╔');
        while !rest.is_empty() {
            self.canvas.put(0, corner.0, corner.1);
            self.canvas.down(0, corner.0 + 1, self.y, '║');
            corner = (self.y, '╠');
            self.line();
            self.canvas.put(0, corner.0, '╚');
            rest = self.row(rest, Some(&[]));
        }
    }

    /// The name of a LAN, beside the cables that come down.
    fn label(&mut self, label: &str, ending: &[Cable]) {
        let cables = || ending.iter().chain(&self.cables);
        let wide = label.chars().count();
        let clear = |x: usize| cables().all(|c| c.x + 1 < x || c.x > x + wide);
        let x = (1..).find(|x| clear(*x)).unwrap_or(1);
        let columns: Vec<usize> = cables().map(|cable| cable.x).collect();
        columns.into_iter().for_each(|x| self.canvas.put(x, self.y, '│'));
        self.canvas.text(x, self.y, label);
        self.y += 1;
    }

    /// The double line of a LAN; cables that lead further down pass it.
    fn line(&mut self) {
        self.canvas.across(0, WIDTH, self.y, '═');
        for cable in &self.cables {
            self.canvas.put(cable.x, self.y, '│');
        }
        self.y += 1;
    }

    /// Draws boxes side by side below a line, as many as fit, and returns the others.
    fn row(&mut self, boxes: Vec<Box>, line: Option<&[Cable]>) -> Vec<Box> {
        let mut rest = boxes.into_iter().peekable();
        let (passing, line_y) = (self.cables.len(), self.y.saturating_sub(1));
        let top = self.y + usize::from(line.is_some());
        let (mut x, mut bottom, mut feet) = (1, top, Vec::new());
        while let Some((card, down)) = rest.peek() {
            let wide = card.width(down.len());
            let left = self.free(x, wide);
            if x > 1 && left + wide > WIDTH {
                break;
            }
            let Some((card, down)) = rest.next() else { break };
            self.card(&card, left, top, wide);
            if let Some(ending) = line {
                let met = ending.iter().any(|cable| cable.x == left + CABLE);
                self.canvas.put(left + CABLE, line_y, if met { '╪' } else { '╤' });
                self.canvas.put(left + CABLE, line_y + 1, '│');
                self.canvas.put(left + CABLE, top, '┴');
            }
            let foot = top + card.lines.len() + 1;
            for (i, to) in down.into_iter().enumerate() {
                feet.push((left + CABLE + STEP * i, foot, to));
            }
            bottom = bottom.max(foot + 1);
            x = left + wide + 2;
        }
        for cable in self.cables.iter().take(passing) {
            self.canvas.down(cable.x, self.y, bottom, '│');
        }
        for (x, foot, to) in feet {
            self.canvas.put(x, foot, '┬');
            self.canvas.down(x, foot + 1, bottom, '│');
            self.cables.push(Cable { x, to });
        }
        self.y = bottom;
        rest.collect()
    }

    /// The first column from `x` on where a box `wide` columns wide is in no cable's way.
    fn free(&self, x: usize, wide: usize) -> usize {
        let mut x = x;
        while let Some(c) = self.cables.iter().find(|c| c.x + 1 >= x && c.x <= x + wide) {
            x = c.x + 2;
        }
        x
    }

    /// A box with its title and what stands in it.
    fn card(&mut self, card: &Card, x: usize, y: usize, wide: usize) {
        let (right, foot) = (x + wide - 1, y + card.lines.len() + 1);
        for (edge, left, end) in [(y, '┌', '┐'), (foot, '└', '┘')] {
            self.canvas.across(x + 1, right, edge, '─');
            self.canvas.put(x, edge, left);
            self.canvas.put(right, edge, end);
        }
        self.canvas.text(x + TITLE - 1, y, &format!(" {} ", card.title));
        self.canvas.down(x, y + 1, foot, '│');
        self.canvas.down(right, y + 1, foot, '│');
        for (i, line) in card.lines.iter().enumerate() {
            self.canvas.text(x + 2, y + 1 + i, line);
        }
    }
}

#[cfg(test)]
mod tests;
