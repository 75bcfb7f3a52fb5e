//! What is suspected where nothing is wrong in all that may be looked at, and yet no answer came.
//!
//!     a neighbour that somebody has written down for good · a source of the site's own, sent to the world
//!     · the host at the other end of a tunnel
//!
//! Only asked once a packet was really sent.  Never here: sending.

use std::net::IpAddr;

use crate::causes;
use crate::l2::far_end;
use crate::route::{self, Answer};
use crate::trace::{Ending, Trip};
use crate::world::World;

/// Something that would explain it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suspect {
    /// The cause.
    pub code: &'static str,
    /// Where it is.
    pub place: String,
    /// In words.
    pub sentence: String,
    /// What a person does about it where no command is known.
    pub advice: Option<String>,
    /// Commands that would repair it.
    pub fix: Vec<String>,
}

/// `NUD_PERMANENT`
const PERMANENT: u16 = 0x80;

/// What would explain that nobody answers a packet that has left for where nobody may look.
#[must_use]
pub fn suspected(world: &World, trip: &Trip) -> Option<Suspect> {
    let Ending::Left { ns, dev, packet, .. } = &trip.request.end else { return None };
    let node = world.node(ns)?;
    let place = causes::place(ns, Some(dev));
    if let Some((vni, remote)) = far_end(node, node.devs.get(dev)?, packet.dmac) {
        return Some(silent_tunnel(place, vni, remote));
    }
    let ask = route::Ask { oif: Some(dev.clone()), ..route::Ask::of(packet) };
    let via = match route::lookup(node, packet.dst, &ask) {
        Answer::Route(taken) => taken.route.hops.iter().find_map(|hop| hop.via),
        _ => None,
    };
    let next = via.unwrap_or(packet.dst);
    let fixed = node.neighs.iter().find(|n| {
        n.key.dev == *dev && n.key.ip == next && !n.key.proxy && n.state & PERMANENT != 0
    });
    if let Some(mac) = fixed.and_then(|n| n.mac).filter(|_| world.owners(next).next().is_none()) {
        return Some(Suspect {
            code: "NEIGH_WRONG_MAC",
            sentence: format!(
                "nobody answers, and {mac} is written down for {next} on {place}, whoever has it now"
            ),
            place,
            advice: None,
            fix: vec![causes::within(ns, &format!("ip neigh del {next} dev {dev}"))],
        });
    }
    let site = |ip: IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unique_local());
    if site(packet.src) && !site(packet.dst) && *ns != trip_from(trip) {
        let net = node.addrs.iter().map(|a| a.key.net).find(|net| net.contains(&packet.src));
        let net = net.map_or_else(|| packet.src.to_string(), |net| net.trunc().to_string());
        let rule = format!("ip6tables -t nat -I POSTROUTING -s {net} -o {dev} -j MASQUERADE");
        return Some(Suspect {
            code: "NO_SNAT",
            sentence: format!(
                "nobody answers, and {} is an address of the site's own: nothing translates it on its way out of {dev}",
                packet.src
            ),
            place,
            advice: None,
            fix: vec![causes::within(ns, &rule)],
        });
    }
    None
}

/// What goes into a tunnel and is not answered: that is to be looked at on the host at its other end.
fn silent_tunnel(place: String, vni: u32, remote: IpAddr) -> Suspect {
    Suspect {
        code: "TUNNEL_SILENT",
        place,
        sentence: format!(
            "nothing comes back through the tunnel {vni} from the host {remote}: it is down, a firewall drops the \
             tunnel's UDP packets, or it does not lead them on or back"
        ),
        advice: Some(format!(
            "look on {remote}: ropewalk check, and what drops the tunnel's UDP port there"
        )),
        fix: Vec::new(),
    }
}

/// Who has sent it.
fn trip_from(trip: &Trip) -> ropewalk_facts::Ns {
    trip.request.hops.first().map(|hop| hop.ns.clone()).unwrap_or_default()
}
