//! What hosts do by their settings.

use super::Page;

pub(super) const PAGES: &[Page] = &[
    Page {
        code: "IP_FORWARD_OFF",
        what: "The host does not forward IPv4: by ip_forward, or for the one link that the packet comes in by.",
        looks: "Silence behind the first host; its own addresses answer.",
        see: &["sysctl net.ipv4.ip_forward net.ipv4.conf.DEV.forwarding"],
        repair: "sysctl -w net.ipv4.ip_forward=1; where ropewalk has a network: ropewalk repair",
    },
    Page {
        code: "IP6_FORWARD_OFF",
        what: "The host does not forward IPv6. Unlike IPv4, net.ipv6.conf.all.forwarding alone decides.",
        looks: "IPv4 works beyond the host, and IPv6 does not.",
        see: &["sysctl net.ipv6.conf.all.forwarding"],
        repair: "sysctl -w net.ipv6.conf.all.forwarding=1 (and accept_ra=2 on an uplink that learns its routes).",
    },
    Page {
        code: "RP_FILTER",
        what: "The reverse path filter drops the packet: the way back to its source leads by another link (strict, 1), or by none (loose, 2). The greater of conf.all and conf.DEV counts.",
        looks: "tcpdump shows the packet arriving, and nothing happens; ARP may be swallowed, too.",
        see: &[
            "sysctl net.ipv4.conf.all.rp_filter net.ipv4.conf.DEV.rp_filter",
            "nstat -z TcpExtIPReversePathFilter",
        ],
        repair: "A route back by that link, or sysctl -w net.ipv4.conf.DEV.rp_filter=2 (or 0, and conf.all).",
    },
    Page {
        code: "MARTIAN_SOURCE",
        what: "The packet comes from outside with a source that is the host's own, or can be nobody's.",
        looks: "Silence; with log_martians a line in the kernel's log.",
        see: &["ip addr show to SOURCE", "sysctl net.ipv4.conf.all.log_martians"],
        repair: "Take the address from one of the two; for a container that reaches itself, masquerade (HAIRPIN_NO_SNAT).",
    },
    Page {
        code: "DUP_IP_ON_HOST",
        what: "The host carries the address of its own container, so it takes packets for it as its own.",
        looks: "Ping works, as the host answers, and the service is \"refused\".",
        see: &[
            "ip addr show to ADDRESS        (on the host)",
            "ip route get ADDRESS        (local ...)",
        ],
        repair: "ip addr del ADDRESS dev DEV on the host; put back the route to the container.",
    },
    Page {
        code: "ROUTE_LOCALNET_OFF",
        what: "Addresses of 127.0.0.0/8 neither leave a link nor come in by one unless route_localnet is on for it.",
        looks: "A port that is published to 127.0.0.1, or led to it, gives nothing.",
        see: &["sysctl net.ipv4.conf.DEV.route_localnet"],
        repair: "sysctl -w net.ipv4.conf.DEV.route_localnet=1, with a rule that keeps strangers away from 127.0.0.1.",
    },
    Page {
        code: "TTL_EXPIRED",
        what: "The packet may take too few hops: by the host's default, its link (IPv6), its route or a rule; or it goes round in circles.",
        looks: "\"Time to live exceeded\" from a host on the way.",
        see: &[
            "sysctl net.ipv4.ip_default_ttl net.ipv6.conf.DEV.hop_limit",
            "ip route show | grep hoplimit",
            "traceroute -n ADDRESS",
        ],
        repair: "sysctl -w net.ipv4.ip_default_ttl=64, the route without hoplimit, the rule away, or the loop's route mended.",
    },
    Page {
        code: "CONNTRACK_FULL",
        what: "The table of connections has no room, so packets of new ones are dropped. Each namespace has its count; the maximum is the machine's.",
        looks: "Old connections go on and new ones do not come about; \"nf_conntrack: table full\" in the log.",
        see: &["sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max"],
        repair: "sysctl -w net.netfilter.nf_conntrack_max=N on the machine, shorter timeouts, or conntrack -D for whoever fills it.",
    },
    Page {
        code: "STALE_CONNTRACK",
        what: "A connection that is remembered still translates as the rules once said; rules are asked for the first packet alone.",
        looks: "UDP from one client goes to a container that is gone; other clients are fine.",
        see: &["conntrack -L -s SOURCE -d DESTINATION"],
        repair: "conntrack -D for that flow (twice, if packets still wait for a neighbour).",
    },
    Page {
        code: "TC_DROP",
        what: "A filter of tc on the link drops the packet.",
        looks: "Silence; the drops of clsact or ingress rise.",
        see: &[
            "tc filter show dev DEV ingress",
            "tc filter show dev DEV egress",
            "tc -s qdisc show dev DEV",
        ],
        repair: "tc filter del for that filter, or tc qdisc del dev DEV clsact",
    },
    Page {
        code: "QDISC_DROP",
        what: "The queueing discipline of the link drops what it is given: too small a queue, a class without a place, a blackhole.",
        looks: "Everything or much is lost behind one link; its drops rise.",
        see: &["tc -s qdisc show dev DEV"],
        repair: "tc qdisc del dev DEV root, or one with room.",
    },
    Page {
        code: "XDP_DROP",
        what: "An XDP program drops frames before anything else sees them, tcpdump included.",
        looks: "Frames are sent, and never seen on the other side.",
        see: &["ip link show dev DEV        (xdp or xdpgeneric, prog/xdp id N)"],
        repair: "ip link set dev DEV xdp off (or xdpgeneric off)",
    },
];
