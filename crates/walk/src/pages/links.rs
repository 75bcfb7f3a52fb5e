//! Links: none, down, without a partner.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "NO_INTERFACE",
        what: "Nothing was attached: the namespace has no link but loopback, so there is nothing to send by.",
        looks: "\"Network is unreachable\" for every address at once.",
        see: &["ip link show", "ip addr show"],
        repair: "Attach it: ropewalk attach SANDBOX NETWORK; by hand a veth pair, one end moved into the namespace, given an address and set up.",
    },
    Page {
        code: "LINK_DOWN",
        what: "A link on the way is administratively down. What is sent to it is dropped, and routes by it are gone; IPv6 has also lost its addresses.",
        looks: "\"Network is unreachable\", or silence where it is a bridge, its member or a tunnel end.",
        see: &["ip link show dev DEV        (no UP between the angle brackets)"],
        repair: "ip link set DEV up; put back the routes, and the IPv6 addresses, that went with it.",
    },
    Page {
        code: "NO_CARRIER",
        what: "The link is up, but its other end is not: the peer of a veth is down, or the cable has nobody at its end.",
        looks: "Silence, then \"Host is unreachable\"; the neighbour stays FAILED.",
        see: &["ip link show dev DEV        (NO-CARRIER, state LOWERLAYERDOWN or DOWN)"],
        repair: "Set the other end up, in its own namespace: ip link set PEER up.",
    },
    Page {
        code: "LO_DOWN",
        what: "Loopback is down, so a namespace cannot reach its own addresses, 127.0.0.1 and ::1 among them.",
        looks: "Services that talk to themselves fail; the container reaches everybody but itself.",
        see: &["ip link show dev lo"],
        repair: "ip link set lo up",
    },
];
