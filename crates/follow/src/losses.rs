//! Drops that kernels told of: those that mean something, by place and reason.
//!
//!     NETFILTER_DROP in nf_hook_slow < ip_forward   ×3
//!
//! A kernel lets go of packets for many reasons that are none to worry: a copy that no socket wanted.

use ropewalk_facts::Ns;
use ropewalk_walk::{Dropped, called};

use crate::follower::Part;

/// One drop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// The namespace.
    pub ns: Ns,
    /// The link's name; empty where there is none.
    pub dev: String,
    /// The kernel's word.
    pub reason: String,
    /// Where in the kernel, and who called.
    pub stack: Vec<u64>,
    /// Which packet.
    pub part: Part,
}

/// Functions that only carry out what others decided, or tell of it.
const BENEATH: &[&str] =
    &["kfree_skb", "skb_reason_drop", "bpf_", "__traceiter", "__bpf", "nf_hook_slow"];
/// So many callers are told of.
const CALLERS: usize = 4;

/// The drops by place and reason; `functions` names places in the kernel.
#[must_use]
pub fn losses(all: Vec<Loss>, functions: impl Fn(&[u64]) -> Vec<String>) -> Vec<Dropped> {
    let mut found: Vec<(Dropped, Vec<u64>)> = Vec::new();
    for loss in all {
        let reply = match loss.part {
            Part::Request(_) => false,
            Part::Answer(_) => true,
            Part::Told(_) | Part::Asked { .. } => continue,
        };
        let netns = called(&loss.ns).to_owned();
        let device = Some(loss.dev).filter(|dev| !dev.is_empty());
        let same = |(d, _): &&mut (Dropped, Vec<u64>)| {
            d.netns == netns && d.device == device && d.reason == loss.reason && d.reply == reply
        };
        if let Some((known, _)) = found.iter_mut().find(same) {
            known.count += 1;
            continue;
        }
        let stack = Vec::new();
        let dropped = Dropped { netns, device, reason: loss.reason, stack, reply, count: 1 };
        found.push((dropped, loss.stack));
    }
    for (dropped, stack) in &mut found {
        dropped.stack = callers(functions(stack));
    }
    let dropped = found.into_iter().map(|(dropped, _)| dropped);
    dropped.filter(|d| !harmless(d)).collect()
}

/// The function that dropped it, and those that had called it.
#[must_use]
pub fn callers(functions: Vec<String>) -> Vec<String> {
    let mut names = functions.into_iter().filter(|n| !BENEATH.iter().any(|b| n.contains(b)));
    let first = names.next();
    let rest = names.filter(|name| Some(name) != first.as_ref());
    first.iter().cloned().chain(rest.take(CALLERS - 1)).collect()
}

/// The answer to an echo is for raw sockets: the kernel's own for pings has nobody who waits.
fn harmless(dropped: &Dropped) -> bool {
    let within = |name: &str| dropped.stack.iter().any(|f| f.contains(name));
    match dropped.reason.as_str() {
        "NO_SOCKET" => within("ping_rcv"),
        "CONSUMED" | "NOT_DROPPED_YET" | "QUEUE_PURGE" => true,
        "NETFILTER_DROP" => within("__icmp_send"),
        _ => within("ip6_mc_input") || within("packet_rcv"),
    }
}
