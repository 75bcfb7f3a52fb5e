//! What a program's own packet takes from its socket: the route that it is connected by, its hop limit.
//!
//!     connect(2) ──▶ route ──▶ source address ──▶ route again, from that address
//!
//! Never here: where the packet goes then.

use ropewalk_facts::{NextHop, Route};

use crate::packet::Packet;
use crate::question::proto;
use crate::route::{self, Taken};
use crate::trace::Stop;
use crate::walker::Walker;
use crate::world::Node;

impl Walker<'_> {
    /// A socket that is connected asks again with the source that it was given, so rules that ask for that one
    /// count (`ip_route_connect`, include/net/route.h; not in IPv6). Ping connects one beforehand, and sends as
    /// it was answered first.
    pub(crate) fn connected(
        &mut self,
        node: &Node,
        p: &Packet,
        ask: &route::Ask,
    ) -> Result<Option<Box<Taken>>, Stop> {
        let by_source = node.rules.iter().any(|rule| !rule.v6 && rule.from.is_some());
        if p.v6() || self.depth > 0 || !by_source {
            return Ok(None);
        }
        let ask = route::Ask { src: Some(p.src), ..ask.clone() };
        let taken = self.route(node, p, &ask)?;
        Ok(matches!(p.proto, proto::TCP | proto::UDP).then_some(taken))
    }
}

/// The hops that packets of a route or, in IPv6, of its link may take, where either says so.
pub(crate) fn first_hops(
    node: &Node,
    route: &Route,
    hop: Option<&NextHop>,
    v6: bool,
) -> Option<u8> {
    let of_link = || {
        let dev = hop.and_then(|h| h.dev.as_ref()).filter(|_| v6)?;
        u32::try_from(node.conf(true, dev.as_str(), "hop_limit")).ok()
    };
    let found = node.hops_of(route).or_else(of_link)?;
    u8::try_from(found).ok().filter(|hops| *hops > 0)
}
