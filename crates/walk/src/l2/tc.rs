//! What traffic control does with a frame: queueing disciplines, filters.
//!
//!     tc qdisc show dev X · tc filter show dev X ingress|egress
//!
//! Never here: rules of nftables.

use ropewalk_facts::Ns;

use super::{Frame, Spread};
use crate::packet::Packet;
use crate::trace::Why;
use crate::walker::Walker;
use crate::world::Dev;

impl Walker<'_> {
    /// What queueing disciplines do on the way out.
    pub(super) fn queue(dev: &Dev) -> Option<Why> {
        if dev.seen.qdiscs.iter().any(|q| q.kind == "blackhole") {
            return Some(Why::Qdisc);
        }
        let shapes = |q: &&ropewalk_facts::seen::Qdisc| {
            !matches!(
                q.kind.as_str(),
                "noqueue" | "clsact" | "ingress" | "fq_codel" | "mq" | "pfifo_fast"
            )
        };
        let bad = dev
            .seen
            .qdiscs
            .iter()
            .filter(shapes)
            .any(|q| q.drops > 0 && u64::from(q.drops) >= q.packets);
        bad.then_some(Why::Qdisc)
    }

    /// Shows a frame to the filters of tc of one way; true when it goes no further here.
    pub(super) fn filtered(
        &mut self,
        ns: &Ns,
        dev: &Dev,
        way_out: bool,
        frame: &Frame,
        out: &mut Spread,
    ) -> bool {
        match self.filters(ns, dev, way_out, frame) {
            Said::Pass | Said::Next => return false,
            Said::Drop => {}
            Said::Sent(index) => {
                let node = self.node(ns);
                let to = node.and_then(|n| n.devs.values().find(|d| d.seen.index == index));
                // What shapes gives it back.
                if to.is_some_and(|to| to.kind() == "ifb") {
                    return false;
                }
                let mut there = Spread::default();
                if let Some(to) = to {
                    let mut copy = frame.clone();
                    let what = format!("a filter of tc sends it out of {}", to.name());
                    copy.hop(ns, dev.name().as_str(), what);
                    self.egress(ns, to.name(), copy, &mut there);
                }
                if !there.arrivals.is_empty() || !there.outside.is_empty() {
                    out.arrivals.extend(there.arrivals);
                    out.losses.extend(there.losses);
                    out.outside.extend(there.outside);
                    return true;
                }
            }
        }
        Self::lose(out, ns, dev.name(), Why::Tc, frame);
        true
    }

    /// The filters of tc of one way. Of those that are not understood, and of long programs, it is only
    /// known that something was dropped there.
    fn filters(&mut self, ns: &Ns, dev: &Dev, out: bool, frame: &Frame) -> Said {
        let kinds = if out { &dev.seen.tc_out } else { &dev.seen.tc_in };
        if kinds.is_empty() {
            return Said::Pass;
        }
        let own: Vec<_> = dev.seen.filters.iter().filter(|f| f.out == out).collect();
        let known = own.len() == kinds.len();
        for filter in own.into_iter().filter(|_| known) {
            match filter_says(filter, &frame.packet) {
                Some(Said::Next) => {}
                Some(said) => return said,
                None => return self.unknown_filter(ns, dev),
            }
        }
        if known { Said::Pass } else { self.unknown_filter(ns, dev) }
    }

    fn unknown_filter(&mut self, ns: &Ns, dev: &Dev) -> Said {
        self.opaque.push((ns.clone(), dev.name().clone(), "tc".to_owned()));
        let counts = |q: &&ropewalk_facts::seen::Qdisc| {
            matches!(q.kind.as_str(), "clsact" | "ingress") && q.drops > 0
        };
        dev.seen.qdiscs.iter().find(counts).map_or(Said::Pass, |_| Said::Drop)
    }
}

/// What a filter of tc makes of a packet.
enum Said {
    Drop,
    Pass,
    Next,
    /// It goes out of the link with this index instead.
    Sent(u32),
}

/// `None` where it is not known: long programs of eBPF, actions of their own.
fn filter_says(filter: &ropewalk_facts::seen::Filter, packet: &Packet) -> Option<Said> {
    /// `ETH_P_ALL`
    const ALL: u16 = 3;
    if filter.proto != ALL && filter.proto != packet.ethertype() {
        return Some(Said::Next);
    }
    let returned = match filter.always {
        Some(always) => always,
        None if filter.code.is_empty() => return None,
        None => crate::classic::run(&filter.code, packet, true)?,
    };
    match (filter.direct, returned) {
        (true, 4) => Some(filter.to.map_or(Said::Drop, Said::Sent)),
        (true, 2 | 5 | 8) => Some(Said::Drop),
        (true, 0 | 1) => Some(Said::Pass),
        (true, 3 | u32::MAX) => Some(Said::Next),
        (false, 0) => Some(Said::Next),
        (false, _) if !filter.acts => Some(Said::Pass),
        _ => None,
    }
}
