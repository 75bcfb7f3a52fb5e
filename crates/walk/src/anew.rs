//! Neighbours that are being asked for in vain, and are asked for anew once it is repaired.
//!
//!     ip neigh del 10.0.0.7 dev eth0
//!
//! The kernel asks three times, a second apart; what is sent meanwhile waits, and is lost with the third
//! (`neigh_timer_handler`, net/core/neighbour.c).  Without the entry the next packet asks at once.
//! Never here: who is asked for, whether somebody answers.

use ropewalk_facts::Neigh;

use crate::causes;
use crate::trace::Trip;
use crate::world::World;

/// `NUD_INCOMPLETE`. Where the kernel has given up (`NUD_FAILED`), the next packet asks at once anyway.
const INCOMPLETE: u16 = 1;

/// The commands that make the neighbours be asked for anew that a trip needs, but for those that the
/// fix deals with itself.
pub(crate) fn asked_anew(world: &World, trip: &Trip, fix: &[String]) -> Vec<String> {
    let open = |(ns, dev, ip): &&(_, _, _)| {
        let of = |n: &&Neigh| n.key.dev == *dev && n.key.ip == *ip && !n.key.proxy;
        let found = world.node(ns).and_then(|node| node.neighs.iter().find(of));
        found.is_some_and(|entry| entry.state & INCOMPLETE != 0)
    };
    let said = |line: &String| fix.iter().any(|fix| fix.starts_with(line.as_str()));
    trip.needed
        .iter()
        .filter(open)
        .map(|(ns, dev, ip)| causes::within(ns, &format!("ip neigh del {ip} dev {dev}")))
        .filter(|line| !said(line))
        .collect()
}
