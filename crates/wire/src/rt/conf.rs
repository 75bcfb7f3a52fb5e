//! Settings of a device that its link message carries along: no file is opened for them.
//!
//!     IFLA_AF_SPEC / AF_INET  / IFLA_INET_CONF   u32[], IPV4_DEVCONF_x stands at x-1
//!     IFLA_AF_SPEC / AF_INET6 / IFLA_INET6_CONF  i32[], DEVCONF_x stands at x
//!
//! The table below is what is taken over; names are those under /proc/sys/net/ipv{4,6}/conf/DEV.

use ropewalk_facts::{IfName, Sysctl, SysctlPath};

use super::consts::*;
use crate::nl::Attr;

const V4: [(usize, &str); 12] = [
    (IPV4_DEVCONF_FORWARDING, "forwarding"),
    (IPV4_DEVCONF_PROXY_ARP, "proxy_arp"),
    (IPV4_DEVCONF_ACCEPT_REDIRECTS, "accept_redirects"),
    (IPV4_DEVCONF_SEND_REDIRECTS, "send_redirects"),
    (IPV4_DEVCONF_RP_FILTER, "rp_filter"),
    (IPV4_DEVCONF_ARPFILTER, "arp_filter"),
    (IPV4_DEVCONF_ARP_ANNOUNCE, "arp_announce"),
    (IPV4_DEVCONF_ARP_IGNORE, "arp_ignore"),
    (IPV4_DEVCONF_ARP_NOTIFY, "arp_notify"),
    (IPV4_DEVCONF_ACCEPT_LOCAL, "accept_local"),
    (IPV4_DEVCONF_SRC_VMARK, "src_valid_mark"),
    (IPV4_DEVCONF_ROUTE_LOCALNET, "route_localnet"),
];

const V6: [(usize, &str); 8] = [
    (DEVCONF_FORWARDING, "forwarding"),
    (DEVCONF_HOPLIMIT, "hop_limit"),
    (DEVCONF_ACCEPT_RA, "accept_ra"),
    (DEVCONF_AUTOCONF, "autoconf"),
    (DEVCONF_PROXY_NDP, "proxy_ndp"),
    (DEVCONF_ACCEPT_DAD, "accept_dad"),
    (DEVCONF_DISABLE_IPV6, "disable_ipv6"),
    (DEVCONF_KEEP_ADDR_ON_DOWN, "keep_addr_on_down"),
];

/// The settings of `dev` in its `IFLA_AF_SPEC`.
pub(super) fn sysctls(dev: &IfName, spec: Attr<'_>) -> Vec<Sysctl> {
    let within = |family: u8, kind: u16| {
        let found = spec.attrs().first(u16::from(family)).and_then(|a| a.attrs().first(kind));
        found.map(|a| a.data).unwrap_or_default()
    };
    let v4 = within(AF_INET, IFLA_INET_CONF);
    let v6 = within(AF_INET6, IFLA_INET6_CONF);
    let v4 = V4.iter().filter_map(|(at, leaf)| {
        let value = value(v4, at.checked_sub(1)?)?;
        Some(Sysctl { path: SysctlPath::conf4(dev, leaf), value })
    });
    let v6 = V6.iter().filter_map(|(at, leaf)| {
        Some(Sysctl { path: SysctlPath::conf6(dev, leaf), value: value(v6, *at)? })
    });
    v4.chain(v6).collect()
}

/// The number at `at`, as /proc prints it.
fn value(array: &[u8], at: usize) -> Option<String> {
    let (numbers, _) = array.as_chunks::<4>();
    numbers.get(at).map(|n| i32::from_ne_bytes(*n).to_string())
}
