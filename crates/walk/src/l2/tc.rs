//! What traffic control does with a frame: queueing disciplines, filters of BPF.
//!
//!     tc qdisc show dev X · tc filter show dev X ingress|egress
//!
//! Never here: rules of nftables.

use ropewalk_facts::Ns;

use super::Frame;
use crate::packet::Packet;
use crate::trace::Why;
use crate::walker::Walker;
use crate::world::Dev;

impl Walker<'_> {
    /// What tc and queueing disciplines do on the way out.
    pub(super) fn queue(&mut self, ns: &Ns, dev: &Dev, frame: &Frame) -> Option<Why> {
        if let Some(why) = self.filters(ns, dev, true, frame) {
            return Some(why);
        }
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

    /// The filters of tc of one way. Programs of BPF are run; of others, and of long ones, it is
    /// only known that something was dropped there.
    pub(super) fn filters(&mut self, ns: &Ns, dev: &Dev, out: bool, frame: &Frame) -> Option<Why> {
        let kinds = if out { &dev.seen.tc_out } else { &dev.seen.tc_in };
        if kinds.is_empty() {
            return None;
        }
        let own: Vec<_> = dev.seen.filters.iter().filter(|f| f.out == out).collect();
        let known = own.len() == kinds.len();
        for filter in own.into_iter().filter(|_| known) {
            match filter_says(filter, &frame.packet) {
                Some(Said::Drop) => return Some(Why::Tc),
                Some(Said::Pass) => return None,
                Some(Said::Next) => {}
                None => return self.unknown_filter(ns, dev),
            }
        }
        if known { None } else { self.unknown_filter(ns, dev) }
    }

    fn unknown_filter(&mut self, ns: &Ns, dev: &Dev) -> Option<Why> {
        self.opaque.push((ns.clone(), dev.name().clone(), "tc".to_owned()));
        let counts = |q: &&ropewalk_facts::seen::Qdisc| {
            matches!(q.kind.as_str(), "clsact" | "ingress") && q.drops > 0
        };
        dev.seen.qdiscs.iter().find(counts).map(|_| Why::Tc)
    }
}

/// What a filter of tc makes of a packet.
enum Said {
    Drop,
    Pass,
    Next,
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
        (true, 2 | 4 | 5 | 8) => Some(Said::Drop),
        (true, 0 | 1) => Some(Said::Pass),
        (true, 3 | u32::MAX) => Some(Said::Next),
        (false, 0) => Some(Said::Next),
        (false, _) if !filter.acts => Some(Said::Pass),
        _ => None,
    }
}
