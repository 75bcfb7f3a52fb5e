//! Sizes.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "MTU_BLACKHOLE",
        what: "A link on the way takes less than is sent, and the message that says so never gets back: a rule drops ICMP.",
        looks: "Connections come about, small answers pass, and large ones hang.",
        see: &["tracepath -n ADDRESS", "ping -M do -s 1400 ADDRESS"],
        repair: "Let ICMP \"fragmentation needed\" (IPv6: packet too big) through, or clamp the MSS.",
    },
    Page {
        code: "MTU_MISMATCH",
        what: "Two ends of one segment have different MTUs: what is longer than the other end takes is dropped without a word.",
        looks: "Small packets pass, and large ones vanish, between two that are next to each other.",
        see: &["ip link show        (mtu, on both ends and the bridge)"],
        repair: "ip link set DEV mtu N, the same on all of the segment.",
    },
    Page {
        code: "MTU_OVERLAY",
        what: "Links of containers take more than the tunnel beneath them, which needs 50 bytes (IPv6 70) for itself.",
        looks: "As with a black hole, between hosts alone.",
        see: &["ip link show type vxlan", "ip link show dev eth0        (in the container)"],
        repair: "ip link set eth0 mtu TUNNEL_MTU in the containers; ropewalk's networks have it from the underlay.",
    },
    Page {
        code: "ROUTE_MTU",
        what: "A route has an MTU of its own that is smaller than what is sent.",
        looks: "\"Message too long\" for packets that must not be broken.",
        see: &["ip route get ADDRESS        (mtu N)"],
        repair: "ip route replace PREFIX without mtu; ip route flush cache",
    },
];
