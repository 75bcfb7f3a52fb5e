//! What a check cannot do without, and whether this machine has it.
//!
//!     ip link add type dummy       in a namespace of its own: refused = this kernel lacks it

use std::collections::BTreeMap;

use ropewalk_testnet::Private;

/// A capability of kernel or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Need {
    /// 802.1q VLANs.
    Vlan,
    /// ipvlan.
    Ipvlan,
    /// dummy.
    Dummy,
    /// VRFs.
    Vrf,
    /// VLAN filtering of bridges.
    VlanFiltering,
    /// ifb.
    Ifb,
    /// macvlan.
    Macvlan,
    /// The token bucket filter.
    Tbf,
    /// /dev/net/tun.
    Tun,
    /// The programs of firewalld and D-Bus.
    Firewalld,
    /// dnsmasq.
    Dnsmasq,
    /// iptables, as a program.
    Iptables,
    /// nft, as a program.
    Nft,
}

impl Need {
    /// Whether many kernels lack it.
    pub(crate) fn is_rare(self) -> bool {
        [Self::Vlan, Self::Ipvlan, Self::Dummy, Self::Vrf, Self::VlanFiltering].contains(&self)
    }

    const ALL: &[(Self, &str, &str)] = &[
        (Self::Vlan, "VLANs", "ip link add p type ifb && ip link add v link p type vlan id 5"),
        (Self::Ipvlan, "ipvlan", "ip link add p type ifb && ip link add v link p type ipvlan"),
        (Self::Dummy, "dummy", "ip link add v type dummy"),
        (Self::Vrf, "VRFs", "ip link add v type vrf table 5"),
        (
            Self::VlanFiltering,
            "VLAN filtering of bridges",
            "ip link add v type bridge vlan_filtering 1",
        ),
        (Self::Ifb, "ifb", "ip link add v type ifb"),
        (Self::Macvlan, "macvlan", "ip link add p type ifb && ip link add v link p type macvlan"),
        (
            Self::Tbf,
            "the token bucket filter",
            "ip link add v type ifb && tc qdisc add dev v root tbf rate 1mbit burst 10k latency 25ms",
        ),
        (Self::Tun, "/dev/net/tun", "ip tuntap add dev v mode tap"),
        (
            Self::Firewalld,
            "the programs firewalld and dbus-daemon",
            "command -v firewalld && command -v dbus-daemon",
        ),
        (Self::Dnsmasq, "the program dnsmasq", "command -v dnsmasq"),
        (Self::Iptables, "the program iptables-save", "command -v iptables-save"),
        (Self::Nft, "the program nft", "command -v nft"),
    ];

    /// What is missing here, with words for it. Enters namespaces of its own.
    pub(crate) fn missing() -> BTreeMap<Self, String> {
        let probe = || {
            let mut missing = BTreeMap::new();
            for (need, words, script) in Self::ALL {
                let net = Private::enter();
                if !net.try_sh(script).0 {
                    missing.insert(*need, format!("this kernel or machine lacks {words}"));
                }
            }
            missing
        };
        std::thread::scope(|scope| scope.spawn(probe).join()).unwrap_or_default()
    }
}
