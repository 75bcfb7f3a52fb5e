//! Translation of addresses.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "NO_SNAT",
        what: "The request leaves with a private source address, which nobody outside has a way back to: masquerading is missing, or for another subnet, link or protocol.",
        looks: "tcpdump at the uplink shows the container's own address as the source, and no answer.",
        see: &["iptables -t nat -S POSTROUTING", "nft list ruleset | grep -E 'masquerade|snat'"],
        repair: "iptables -t nat -A POSTROUTING -s SUBNET -o UPLINK -j MASQUERADE; a network of ropewalk's: ropewalk repair",
    },
    Page {
        code: "NAT_RULE_SHADOWED",
        what: "A rule before the one that translates decides otherwise (ACCEPT, RETURN), so that one is never reached.",
        looks: "The rule is there, and its counter stands still.",
        see: &["iptables -t nat -vnL POSTROUTING", "nft -a list ruleset"],
        repair: "Put the translation first, or narrow what stands before it.",
    },
    Page {
        code: "NOTRACK_NO_NAT",
        what: "A rule takes the packets out of connection tracking, and what is not tracked is not translated.",
        looks: "Rules of nat are right and never count.",
        see: &["iptables -t raw -S", "nft list ruleset | grep notrack"],
        repair: "Take the notrack rule away, or keep it from these packets.",
    },
    Page {
        code: "SNAT_WRONG_SOURCE",
        what: "The source is translated to an address that is not this host's, or that nobody finds, so the answer goes elsewhere.",
        looks: "Requests leave with a strange source, and answers never come.",
        see: &["iptables -t nat -S POSTROUTING", "ip addr show"],
        repair: "MASQUERADE, or SNAT to an address of the uplink.",
    },
    Page {
        code: "DNAT_MISSING",
        what: "No rule publishes this address, port and protocol, though a service is there behind.",
        looks: "\"Connection refused\" from the host.",
        see: &["iptables -t nat -S PREROUTING", "nft list ruleset | grep dnat", "ropewalk ps"],
        repair: "ropewalk publish SANDBOX PORT; by hand a DNAT rule in PREROUTING (and OUTPUT for the host itself).",
    },
    Page {
        code: "DNAT_WRONG_PORT",
        what: "The published port leads to a port of the container where nothing listens.",
        looks: "\"Connection refused\", by the container.",
        see: &["iptables -t nat -S PREROUTING", "ss -ltn        (in the container)"],
        repair: "Publish the port that the service listens on.",
    },
    Page {
        code: "DNAT_STALE_TARGET",
        what: "The published port leads to an address that nobody has any more.",
        looks: "Silence, then \"No route to host\".",
        see: &["iptables -t nat -S PREROUTING", "ip neigh show"],
        repair: "Take the old rule away and publish the container as it is now.",
    },
    Page {
        code: "DNAT_TOO_BROAD",
        what: "A rule that publishes a port asks for no destination address, so it also takes what containers send to that port of others.",
        looks: "Containers reach the wrong server on one port, or themselves.",
        see: &["iptables -t nat -S PREROUTING        (no -d, no -i)"],
        repair: "Name the address or the incoming link in the rule, or except the others before it.",
    },
    Page {
        code: "DNAT_NOT_FOR_LOCAL",
        what: "The port is published for what comes in (PREROUTING), and what the host itself sends passes OUTPUT instead.",
        looks: "Reachable from the LAN, and \"refused\" on the host; for 127.0.0.1 route_localnet and a masquerade are needed, too.",
        see: &["iptables -t nat -S OUTPUT"],
        repair: "The same DNAT in OUTPUT. What ropewalk publishes is published for the host, too.",
    },
    Page {
        code: "HAIRPIN_NO_SNAT",
        what: "A container reaches itself, or its neighbour, through the published port, and its source is not translated: the answer goes round the translation, or comes from its own address.",
        looks: "Works from everywhere but from the container itself.",
        see: &["iptables -t nat -S POSTROUTING"],
        repair: "Masquerade what goes from the subnet to the published target, on its way back into the bridge.",
    },
    Page {
        code: "NAT_BYPASSED_REPLY",
        what: "The answer does not come back by the host that translated, so it comes from another address than was asked.",
        looks: "SYN, then a SYN+ACK from a stranger, then a reset.",
        see: &["tcpdump -n        (in the client)", "ip route get CLIENT        (on the server)"],
        repair: "Masquerade on the translating host, or bridge-nf-call-iptables=1, so that the answer passes it.",
    },
];
