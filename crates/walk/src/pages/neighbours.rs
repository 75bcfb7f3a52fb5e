//! Neighbours: who answers for an address on a link.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "NEIGH_UNRESOLVED",
        what: "Somebody has the address, and still never answers who asks for it.",
        looks: "\"Destination Host Unreachable\"; the neighbour is INCOMPLETE, then FAILED.",
        see: &["ip neigh show ADDRESS", "tcpdump -e arp or icmp6        (on both sides)"],
        repair: "Look at what is between the two: bridge ports, filters, rp_filter of who is asked.",
    },
    Page {
        code: "NO_PROXY_ARP",
        what: "The address is asked for on a link where its owner is not, and the host that leads there does not answer in its place.",
        looks: "The LAN cannot reach the container, though its host can.",
        see: &[
            "sysctl net.ipv4.conf.DEV.proxy_arp net.ipv6.conf.DEV.proxy_ndp",
            "ip neigh show proxy",
        ],
        repair: "sysctl -w net.ipv4.conf.DEV.proxy_arp=1; IPv6: proxy_ndp=1 and ip -6 neigh add proxy ADDRESS dev DEV.",
    },
    Page {
        code: "ARP_IGNORE",
        what: "arp_ignore keeps the host from answering ARP for an address that sits on another link, or at all (8).",
        looks: "ARP for one of its addresses is unanswered on one link.",
        see: &["sysctl net.ipv4.conf.all.arp_ignore net.ipv4.conf.DEV.arp_ignore"],
        repair: "sysctl -w net.ipv4.conf.all.arp_ignore=0 and for the link; the greater counts.",
    },
    Page {
        code: "ARP_FILTER",
        what: "arp_filter lets a host answer ARP only on the link that it would itself use to reach who asks.",
        looks: "Two links to one LAN, and one of the addresses is unreachable.",
        see: &["sysctl net.ipv4.conf.all.arp_filter", "ip route get ASKER from ADDRESS"],
        repair: "sysctl -w net.ipv4.conf.all.arp_filter=0 and for the link, or a route back by that link.",
    },
    Page {
        code: "NOARP",
        what: "ARP is switched off on a link, so it neither asks nor answers; neighbour discovery neither.",
        looks: "Everything on that link fails unless entries are put in by hand.",
        see: &["ip link show dev DEV        (NOARP)"],
        repair: "ip link set dev DEV arp on",
    },
    Page {
        code: "NEIGH_WRONG_MAC",
        what: "The table of neighbours has a hardware address for somebody that is not his: put in by hand, or old.",
        looks: "Frames leave to a station that nobody is.",
        see: &[
            "ip neigh show ADDRESS        (PERMANENT)",
            "ip link show        (on the neighbour)",
        ],
        repair: "ip neigh del ADDRESS dev DEV",
    },
    Page {
        code: "NEIGH_TABLE_FULL",
        what: "The table of neighbours has no room: it is one for all namespaces of the machine, so one that scans a subnet takes it from all.",
        looks: "\"No buffer space available\"; \"neighbour: arp_cache: neighbor table overflow!\" in the log.",
        see: &[
            "ip ntable show name arp_cache        (thresh3, table_fulls)",
            "ip neigh show | wc -l",
        ],
        repair: "sysctl -w net.ipv4.neigh.default.gc_thresh3=8192 (in the machine's own namespace), and end who floods. Sandboxes of ropewalk's are kept to their part.",
    },
    Page {
        code: "ARP_FILTER_DROP",
        what: "A rule drops ARP: arptables, nft's family arp, or a rule for ARP in the families bridge and netdev.",
        looks: "Neighbours stay FAILED, while IP rules allow everything.",
        see: &["nft list ruleset", "arptables-legacy -nL", "ebtables -L"],
        repair: "Take the rule away, or accept ARP before it.",
    },
    Page {
        code: "ND_FILTERED",
        what: "A rule drops neighbour solicitations or advertisements, which IPv6 needs as IPv4 needs ARP.",
        looks: "IPv6 works until the neighbour's entry ages, then stops.",
        see: &["ip6tables -S", "nft list ruleset", "ip -6 neigh show"],
        repair: "Accept icmpv6 types nd-neighbor-solicit and nd-neighbor-advert, in both directions.",
    },
    Page {
        code: "DUP_IP",
        what: "Two stations of one segment have the same address; who asks gets the one or the other.",
        looks: "Works for some, or for some time; the hardware address of the neighbour changes.",
        see: &["arping -D -I DEV ADDRESS", "ip neigh show ADDRESS"],
        repair: "Give one of them another address, and flush the neighbours that know the wrong one.",
    },
];
