//! Rules that drop or refuse.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "FILTER_DROP",
        what: "A rule or policy of nft, iptables-nft or iptables-legacy drops the request. An accept in one table does not outvote a drop in another.",
        looks: "Silence.",
        see: &["nft -a list ruleset", "iptables-save -c", "iptables-legacy-save -c"],
        repair: "An accept before it in the same chain, or the rule away; ropewalk never flushes. A rule of ropewalk's own says which option lifts it.",
    },
    Page {
        code: "FILTER_DROP_REPLY",
        what: "The request passes, and a rule or policy drops the answer: mostly an accept for established connections is missing.",
        looks: "Requests arrive, answers are sent, and never come back.",
        see: &["nft -a list ruleset", "iptables-save -c"],
        repair: "iptables -I FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; nft: ct state established,related accept",
    },
    Page {
        code: "FILTER_REJECT",
        what: "A rule refuses the packet and tells the sender.",
        looks: "\"Connection refused\", \"Packet filtered\" or \"No route to host\", at once.",
        see: &["nft -a list ruleset", "iptables-save -c"],
        repair: "As for FILTER_DROP.",
    },
    Page {
        code: "L2_FILTER_DROP",
        what: "A rule of the families bridge (ebtables) or netdev drops the frame, before or beside anything of IP.",
        looks: "tcpdump shows it on one port of a bridge and not on the next.",
        see: &["nft list tables bridge; nft list tables netdev", "ebtables -L --Lc"],
        repair: "Take the rule away, or accept before it.",
    },
    Page {
        code: "BRIDGE_NF_DROP",
        what: "bridge-nf-call-iptables is on, so frames between two ports of one bridge are shown to iptables' FORWARD, which drops them.",
        looks: "Containers on one bridge reach the world, and not each other.",
        see: &[
            "sysctl net.bridge.bridge-nf-call-iptables net.bridge.bridge-nf-call-ip6tables",
            "iptables-save -c",
        ],
        repair: "Accept BRIDGE to BRIDGE in FORWARD, or sysctl -w net.bridge.bridge-nf-call-iptables=0",
    },
    Page {
        code: "RATE_LIMIT",
        what: "A rule lets through so many packets or connections in a time, and they are used up.",
        looks: "The first packets pass, then none.",
        see: &[
            "iptables-save -c | grep -E 'limit|recent|quota'",
            "nft list ruleset | grep -E 'limit|quota|ct count'",
        ],
        repair: "A wider limit, or an accept before it for who should not be limited.",
    },
];
