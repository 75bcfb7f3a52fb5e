//! Numbers of rtnetlink, under the kernel's names, compared with its headers by a test.

use crate::consts::consts;
pub(crate) use crate::family::*;

consts! {
    "linux/rtnetlink.h";
    RTM_NEWLINK: u16 = 16;
    RTM_DELLINK: u16 = 17;
    RTM_GETLINK: u16 = 18;
    RTM_SETLINK: u16 = 19;
    RTM_NEWADDR: u16 = 20;
    RTM_DELADDR: u16 = 21;
    RTM_GETADDR: u16 = 22;
    RTM_NEWROUTE: u16 = 24;
    RTM_DELROUTE: u16 = 25;
    RTM_GETROUTE: u16 = 26;
    RTM_NEWNEIGH: u16 = 28;
    RTM_DELNEIGH: u16 = 29;
    RTM_GETNEIGH: u16 = 30;
    RTM_NEWRULE: u16 = 32;
    RTM_DELRULE: u16 = 33;
    RTM_GETRULE: u16 = 34;
    RTM_NEWQDISC: u16 = 36;
    RTM_DELQDISC: u16 = 37;
    RTM_GETQDISC: u16 = 38;
    RTM_NEWTFILTER: u16 = 44;
    RTM_DELTFILTER: u16 = 45;
    RTM_GETTFILTER: u16 = 46;
    RTM_NEWNSID: u16 = 88;
    RTM_GETNSID: u16 = 90;
    RTM_NEWLINKPROP: u16 = 108;
    RTM_DELLINKPROP: u16 = 109;
    RTMGRP_LINK: u32 = 1;
    RTMGRP_NEIGH: u32 = 4;
    RTMGRP_TC: u32 = 8;
    RTMGRP_IPV4_IFADDR: u32 = 0x10;
    RTMGRP_IPV4_ROUTE: u32 = 0x40;
    RTMGRP_IPV4_RULE: u32 = 0x80;
    RTMGRP_IPV6_IFADDR: u32 = 0x100;
    RTMGRP_IPV6_ROUTE: u32 = 0x400;
    RTNLGRP_IPV6_RULE: u32 = 19;
    RTM_F_CLONED: u32 = 0x200;
    RTM_F_FIB_MATCH: u32 = 0x2000;
    RTEXT_FILTER_SKIP_STATS: u32 = 8;
    RTN_UNICAST: u8 = 1;
    RTN_LOCAL: u8 = 2;
    RTN_BROADCAST: u8 = 3;
    RTN_ANYCAST: u8 = 4;
    RTN_MULTICAST: u8 = 5;
    RTN_BLACKHOLE: u8 = 6;
    RTN_UNREACHABLE: u8 = 7;
    RTN_PROHIBIT: u8 = 8;
    RTN_THROW: u8 = 9;
    RTPROT_REDIRECT: u8 = 1;
    RT_SCOPE_NOWHERE: u8 = 255;
    RT_TABLE_UNSPEC: u8 = 0;
    RTA_DST: u16 = 1;
    RTA_SRC: u16 = 2;
    RTA_OIF: u16 = 4;
    RTA_GATEWAY: u16 = 5;
    RTA_PRIORITY: u16 = 6;
    RTA_PREFSRC: u16 = 7;
    RTA_METRICS: u16 = 8;
    RTA_MULTIPATH: u16 = 9;
    RTA_TABLE: u16 = 15;
    RTA_VIA: u16 = 18;
    RTA_NH_ID: u16 = 30;
    RTAX_MTU: u16 = 2;
    RTAX_HOPLIMIT: u16 = 10;
    RTAX_ADVMSS: u16 = 8;
    RTNH_F_ONLINK: u8 = 4;
    TCA_KIND: u16 = 1;
    TCA_OPTIONS: u16 = 2;
    TCA_CHAIN: u16 = 11;

    "linux/pkt_sched.h";
    TC_H_ROOT: u32 = 0xffff_ffff;
    TC_H_INGRESS: u32 = 0xffff_fff1;
    TC_LINKLAYER_ETHERNET: u8 = 1;
    TCA_TBF_PARMS: u16 = 1;
    TCA_TBF_RATE64: u16 = 4;
    TCA_TBF_BURST: u16 = 6;

    "linux/pkt_cls.h";
    TC_U32_TERMINAL: u8 = 1;
    TCA_U32_LINK: u16 = 3;
    TCA_U32_SEL: u16 = 5;
    TCA_U32_POLICE: u16 = 6;
    TCA_U32_ACT: u16 = 7;
    TCA_U32_INDEV: u16 = 8;
    TCA_U32_MARK: u16 = 10;
    TCA_MATCHALL_ACT: u16 = 2;
    TCA_ACT_KIND: u16 = 1;
    TCA_ACT_OPTIONS: u16 = 2;
    TC_ACT_STOLEN: i32 = 4;

    "linux/tc_act/tc_mirred.h";
    TCA_EGRESS_REDIR: i32 = 1;
    TCA_EGRESS_MIRROR: i32 = 2;
    TCA_INGRESS_MIRROR: i32 = 4;
    TCA_MIRRED_PARMS: u16 = 2;

    "linux/tc_act/tc_gact.h";
    TCA_GACT_PARMS: u16 = 2;

    "linux/if_ether.h";
    ETH_P_ALL: u16 = 3;

    "linux/if_link.h";
    IFLA_ADDRESS: u16 = 1;
    IFLA_IFNAME: u16 = 3;
    IFLA_MTU: u16 = 4;
    IFLA_LINK: u16 = 5;
    IFLA_MASTER: u16 = 10;
    IFLA_TXQLEN: u16 = 13;
    IFLA_LINKINFO: u16 = 18;
    IFLA_IFALIAS: u16 = 20;
    IFLA_GROUP: u16 = 27;
    IFLA_AF_SPEC: u16 = 26;
    IFLA_NET_NS_FD: u16 = 28;
    IFLA_EXT_MASK: u16 = 29;
    IFLA_LINK_NETNSID: u16 = 37;
    IFLA_PROP_LIST: u16 = 52;
    IFLA_ALT_IFNAME: u16 = 53;
    IFLA_INFO_KIND: u16 = 1;
    IFLA_INFO_DATA: u16 = 2;
    IFLA_INFO_SLAVE_KIND: u16 = 4;
    IFLA_INFO_SLAVE_DATA: u16 = 5;
    IFLA_INET_CONF: u16 = 1;
    IFLA_INET6_CONF: u16 = 2;
    IFLA_BR_VLAN_FILTERING: u16 = 7;
    IFLA_BR_MULTI_BOOLOPT: u16 = 46;
    IFLA_BRPORT_MODE: u16 = 4;
    IFLA_BRPORT_LEARNING: u16 = 8;
    IFLA_BRPORT_UNICAST_FLOOD: u16 = 9;
    IFLA_BRPORT_NEIGH_SUPPRESS: u16 = 32;
    IFLA_BRPORT_ISOLATED: u16 = 33;
    IFLA_MACVLAN_MODE: u16 = 1;
    IFLA_MACVLAN_BC_QUEUE_LEN: u16 = 7;
    IFLA_IPVLAN_MODE: u16 = 1;
    IFLA_VLAN_ID: u16 = 1;
    IFLA_VRF_TABLE: u16 = 1;
    IFLA_TUN_OWNER: u16 = 1;
    IFLA_TUN_GROUP: u16 = 2;
    IFLA_TUN_TYPE: u16 = 3;
    IFLA_TUN_MULTI_QUEUE: u16 = 7;
    IFLA_VXLAN_ID: u16 = 1;
    IFLA_VXLAN_LINK: u16 = 3;
    IFLA_VXLAN_LOCAL: u16 = 4;
    IFLA_VXLAN_LEARNING: u16 = 7;
    IFLA_VXLAN_PORT: u16 = 15;
    IFLA_VXLAN_LOCAL6: u16 = 17;

    "linux/if_bridge.h";
    IFLA_BRIDGE_VLAN_INFO: u16 = 2;
    BRIDGE_VLAN_INFO_PVID: u16 = 2;
    BRIDGE_VLAN_INFO_UNTAGGED: u16 = 4;
    BR_BOOLOPT_NO_LL_LEARN: u32 = 0;

    "linux/veth.h";
    VETH_INFO_PEER: u16 = 1;

    "linux/if.h";
    IFF_UP: u32 = 1;
    IFF_LOOPBACK: u32 = 8;
    IFF_RUNNING: u32 = 0x40;
    IFF_PROMISC: u32 = 0x100;
    IFF_ALLMULTI: u32 = 0x200;
    IFF_LOWER_UP: u32 = 0x10000;

    "linux/if_addr.h";
    IFA_ADDRESS: u16 = 1;
    IFA_LOCAL: u16 = 2;
    IFA_BROADCAST: u16 = 4;
    IFA_CACHEINFO: u16 = 6;
    IFA_FLAGS: u16 = 8;
    IFA_RT_PRIORITY: u16 = 9;
    IFA_PROTO: u16 = 11;
    IFA_F_SECONDARY: u32 = 1;
    IFA_F_TEMPORARY: u32 = 1;
    IFA_F_NODAD: u32 = 2;
    IFA_F_NOPREFIXROUTE: u32 = 0x200;
    IFAPROT_KERNEL_LO: u8 = 1;
    IFAPROT_KERNEL_LL: u8 = 3;

    "linux/fib_rules.h";
    FRA_DST: u16 = 1;
    FRA_SRC: u16 = 2;
    FRA_IIFNAME: u16 = 3;
    FRA_GOTO: u16 = 4;
    FRA_PRIORITY: u16 = 6;
    FRA_FWMARK: u16 = 10;
    FRA_FLOW: u16 = 11;
    FRA_SUPPRESS_IFGROUP: u16 = 13;
    FRA_SUPPRESS_PREFIXLEN: u16 = 14;
    FRA_TABLE: u16 = 15;
    FRA_FWMASK: u16 = 16;
    FRA_OIFNAME: u16 = 17;
    FRA_PAD: u16 = 18;
    FRA_UID_RANGE: u16 = 20;
    FRA_PROTOCOL: u16 = 21;
    FRA_IP_PROTO: u16 = 22;
    FRA_SPORT_RANGE: u16 = 23;
    FRA_DPORT_RANGE: u16 = 24;
    FR_ACT_TO_TBL: u8 = 1;
    FR_ACT_BLACKHOLE: u8 = 6;
    FR_ACT_UNREACHABLE: u8 = 7;
    FR_ACT_PROHIBIT: u8 = 8;
    FIB_RULE_INVERT: u32 = 2;

    "linux/neighbour.h";
    NDA_DST: u16 = 1;
    NDA_LLADDR: u16 = 2;
    NDA_VLAN: u16 = 5;
    NDA_IFINDEX: u16 = 8;
    NDA_PROTOCOL: u16 = 12;
    NTF_SELF: u8 = 2;
    NTF_MASTER: u8 = 4;
    NTF_PROXY: u8 = 8;
    NUD_NOARP: u16 = 0x40;
    NUD_PERMANENT: u16 = 0x80;

    "linux/net_namespace.h";
    NETNSA_NSID: u16 = 1;
    NETNSA_FD: u16 = 3;

    "linux/ip.h";
    IPV4_DEVCONF_FORWARDING: usize = 1;
    IPV4_DEVCONF_PROXY_ARP: usize = 3;
    IPV4_DEVCONF_ACCEPT_REDIRECTS: usize = 4;
    IPV4_DEVCONF_SEND_REDIRECTS: usize = 6;
    IPV4_DEVCONF_RP_FILTER: usize = 8;
    IPV4_DEVCONF_ARPFILTER: usize = 13;
    IPV4_DEVCONF_ARP_ANNOUNCE: usize = 18;
    IPV4_DEVCONF_ARP_IGNORE: usize = 19;
    IPV4_DEVCONF_ARP_NOTIFY: usize = 22;
    IPV4_DEVCONF_ACCEPT_LOCAL: usize = 23;
    IPV4_DEVCONF_SRC_VMARK: usize = 24;
    IPV4_DEVCONF_ROUTE_LOCALNET: usize = 26;

    "linux/ipv6.h";
    DEVCONF_FORWARDING: usize = 0;
    DEVCONF_HOPLIMIT: usize = 1;
    DEVCONF_ACCEPT_RA: usize = 3;
    DEVCONF_AUTOCONF: usize = 5;
    DEVCONF_PROXY_NDP: usize = 22;
    DEVCONF_ACCEPT_DAD: usize = 27;
    DEVCONF_DISABLE_IPV6: usize = 26;
    DEVCONF_KEEP_ADDR_ON_DOWN: usize = 42;
}

#[cfg(test)]
mod tests {
    #[test]
    fn numbers_are_those_of_the_kernels_headers() {
        crate::uapi::compare(super::UAPI);
        use ropewalk_facts::{Neigh, Scope, proto, table};
        let facts = [
            ("RTPROT_KERNEL", i128::from(proto::KERNEL)),
            ("RTPROT_BOOT", proto::BOOT.into()),
            ("RTPROT_STATIC", proto::STATIC.into()),
            ("RTPROT_RA", proto::RA.into()),
            ("RT_TABLE_MAIN", table::MAIN.into()),
            ("RT_TABLE_LOCAL", table::LOCAL.into()),
            ("RT_SCOPE_UNIVERSE", Scope::GLOBAL.0.into()),
            ("RT_SCOPE_LINK", Scope::LINK.0.into()),
            ("RT_SCOPE_HOST", Scope::HOST.0.into()),
            ("RT_SCOPE_NOWHERE", Scope::NOWHERE.0.into()),
        ];
        crate::uapi::compare(&facts.map(|(name, value)| ("linux/rtnetlink.h", name, value)));
        let permanent = Neigh::PERMANENT.into();
        crate::uapi::compare(&[("linux/neighbour.h", "NUD_PERMANENT", permanent)]);
    }
}
