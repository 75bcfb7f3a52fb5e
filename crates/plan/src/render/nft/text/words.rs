//! The names of what a rule may look at, and their types.

use ropewalk_facts::nft::{Expr, Family, FibFlags, FibResult, MetaKey, Payload};

/// A name and a type.
pub(super) type Named = (String, &'static str);
/// The same, of those that are always named so.
type Pair = (&'static str, &'static str);

/// What a packet has been found to be: which version of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
    /// None: it is ARP.
    Arp,
}

impl Version {
    pub(super) fn of_family(family: Family) -> Option<Self> {
        match family {
            Family::Ip | Family::Iptables => Some(Self::V4),
            Family::Ip6 | Family::Ip6tables => Some(Self::V6),
            Family::Arp | Family::Arptables => Some(Self::Arp),
            Family::Inet | Family::Bridge | Family::Netdev => None,
        }
    }

    /// By the type of the frame.
    pub(super) fn of_protocol(number: &[u8]) -> Option<Self> {
        match *number {
            [0x08, 0x00] => Some(Self::V4),
            [0x08, 0x06] => Some(Self::Arp),
            [0x86, 0xdd] => Some(Self::V6),
            _ => None,
        }
    }

    pub(super) fn of_number(number: &[u8]) -> Option<Self> {
        match *number {
            [n] if n == Family::Ip.number() => Some(Self::V4),
            [n] if n == Family::Ip6.number() => Some(Self::V6),
            _ => None,
        }
    }
}

/// A field of a header: base, offset, length, name, type.
type Field = (u32, u32, u32, &'static str, &'static str);

const IP: &[Field] = &[
    (1, 2, 2, "ip length", "integer"),
    (1, 6, 2, "ip frag-off", "integer"),
    (1, 8, 1, "ip ttl", "integer"),
    (1, 9, 1, "ip protocol", "inet_proto"),
    (1, 12, 4, "ip saddr", "ipv4_addr"),
    (1, 16, 4, "ip daddr", "ipv4_addr"),
];
const IP6: &[Field] = &[
    (1, 4, 2, "ip6 length", "integer"),
    (1, 6, 1, "ip6 nexthdr", "inet_proto"),
    (1, 7, 1, "ip6 hoplimit", "integer"),
    (1, 8, 16, "ip6 saddr", "ipv6_addr"),
    (1, 24, 16, "ip6 daddr", "ipv6_addr"),
];
const ARP: &[Field] = &[
    (1, 6, 2, "arp operation", "arp_op"),
    (1, 8, 6, "arp saddr ether", "ether_addr"),
    (1, 14, 4, "arp saddr ip", "ipv4_addr"),
];
const ETHER: &[Field] = &[
    (0, 0, 6, "ether daddr", "ether_addr"),
    (0, 6, 6, "ether saddr", "ether_addr"),
    (0, 12, 2, "ether type", "ether_type"),
];

/// What a payload is called. `part`: it is the beginning of an address.
pub(super) struct Header {
    pub(super) name: Named,
    pub(super) part: bool,
    /// The name says which version of IP it is of.
    pub(super) of_ip: bool,
    /// The name says which transport protocol it is of.
    pub(super) of_transport: bool,
}

pub(super) fn header(what: &Payload, version: Option<Version>, proto: Option<u8>) -> Header {
    let fields = match (what.base, version) {
        (0, _) => ETHER,
        (1, Some(Version::V4)) => IP,
        (1, Some(Version::V6)) => IP6,
        (1, Some(Version::Arp)) => ARP,
        _ => &[],
    };
    let found = fields.iter().find(|(base, offset, len, _, ty)| {
        let begins = what.len < *len && ty.ends_with("_addr");
        (*base, *offset) == (what.base, what.offset) && (*len == what.len || begins)
    });
    if let Some((_, _, len, name, ty)) = found {
        let name = ((*name).to_owned(), *ty);
        let (part, of_ip) = (*len != what.len, what.base == 1);
        return Header { name, part, of_ip, of_transport: false };
    }
    if let Some((name, ty)) = icmp(what, version, proto) {
        let name = (name.to_owned(), ty);
        return Header { name, part: false, of_ip: true, of_transport: true };
    }
    if (what.base, what.offset, what.len, proto) == (2, 13, 1, Some(6)) {
        let name = ("tcp flags".to_owned(), "tcp_flag");
        return Header { name, part: false, of_ip: false, of_transport: true };
    }
    if let Some((port, of_transport)) = port(what, proto) {
        return Header { name: (port, "inet_service"), part: false, of_ip: false, of_transport };
    }
    let base = match what.base {
        0 => "ll",
        1 => "nh",
        _ => "th",
    };
    let bits = |bytes: u32| bytes.saturating_mul(8);
    let name = format!("@{base},{},{}", bits(what.offset), bits(what.len));
    Header { name: (name, "integer"), part: false, of_ip: false, of_transport: false }
}

/// The type of a message of ICMP, a word that says the version of IP as well.
fn icmp(what: &Payload, version: Option<Version>, proto: Option<u8>) -> Option<Pair> {
    if (what.base, what.offset, what.len) != (2, 0, 1) {
        return None;
    }
    match (version, proto) {
        (Some(Version::V4), Some(1)) => Some(("icmp type", "icmp_type")),
        (Some(Version::V6), Some(58)) => Some(("icmpv6 type", "icmpv6_type")),
        _ => None,
    }
}

/// A port: of a protocol that is known, or of any.
fn port(what: &Payload, proto: Option<u8>) -> Option<(String, bool)> {
    let side = match (what.base, what.offset, what.len) {
        (2, 0, 2) => "sport",
        (2, 2, 2) => "dport",
        _ => return None,
    };
    let header = match proto {
        Some(6) => "tcp",
        Some(17) => "udp",
        Some(132) => "sctp",
        Some(_) | None => return Some((format!("th {side}"), false)),
    };
    Some((format!("{header} {side}"), true))
}

pub(super) fn meta(key: MetaKey) -> Named {
    let (name, ty) = match key.0 {
        0 => ("meta length", "integer"),
        1 => ("meta protocol", "ether_type"),
        2 => ("meta priority", "classid"),
        3 => ("meta mark", "mark"),
        4 => ("iif", "iface_index"),
        5 => ("oif", "iface_index"),
        6 => ("iifname", "ifname"),
        7 => ("oifname", "ifname"),
        8 => ("iiftype", "iface_type"),
        9 => ("oiftype", "iface_type"),
        10 => ("meta skuid", "uid"),
        11 => ("meta skgid", "gid"),
        12 => ("meta nftrace", "boolean"),
        13 => ("rtclassid", "realm"),
        15 => ("meta nfproto", "nf_proto"),
        16 => ("meta l4proto", "inet_proto"),
        17 => ("ibrname", "ifname"),
        18 => ("obrname", "ifname"),
        19 => ("meta pkttype", "pkt_type"),
        20 => ("meta cpu", "uid"),
        21 => ("iifgroup", "devgroup"),
        22 => ("oifgroup", "devgroup"),
        23 => ("meta cgroup", "uid"),
        33 => ("sdif", "iface_index"),
        34 => ("sdifname", "ifname"),
        _ => return (format!("meta #{}", key.0), "integer"),
    };
    (name.to_owned(), ty)
}

/// None for a key that has no name here.
pub(super) fn ct(key: u32, dir: Option<u8>) -> Option<Named> {
    let (name, ty) = match key {
        0 => ("state", "ct_state"),
        1 => ("direction", "ct_dir"),
        2 => ("status", "ct_status"),
        3 => ("mark", "mark"),
        5 => ("expiration", "time"),
        7 => ("l3proto", "nf_proto"),
        10 => ("protocol", "inet_proto"),
        11 => ("proto-src", "inet_service"),
        12 => ("proto-dst", "inet_service"),
        17 => ("zone", "mark"),
        19 => ("ip saddr", "ipv4_addr"),
        20 => ("ip daddr", "ipv4_addr"),
        21 => ("ip6 saddr", "ipv6_addr"),
        22 => ("ip6 daddr", "ipv6_addr"),
        _ => return None,
    };
    let dir = match dir {
        None => "",
        Some(0) => "original ",
        Some(_) => "reply ",
    };
    Some((format!("ct {dir}{name}"), ty))
}

/// None for a key that has no name here.
pub(super) fn rt(key: u32) -> Option<Named> {
    let (name, ty) = match key {
        0 => ("rt classid", "realm"),
        1 => ("rt ip nexthop", "ipv4_addr"),
        2 => ("rt ip6 nexthop", "ipv6_addr"),
        _ => return None,
    };
    Some((name.to_owned(), ty))
}

/// What counts for itself: none for one that has no words.
pub(super) fn stateful(expr: &Expr) -> Option<String> {
    let over = |over: bool| if over { "over " } else { "" };
    if let Expr::Connlimit { count, over: is_over } = expr {
        return Some(format!("ct count {}{count}", over(*is_over)));
    }
    let Expr::Limit { rate, unit, burst, over: is_over } = expr else { return None };
    let unit = match unit {
        1 => "second",
        60 => "minute",
        3600 => "hour",
        86400 => "day",
        604_800 => "week",
        _ => return None,
    };
    Some(format!("limit rate {}{rate}/{unit} burst {burst} packets", over(*is_over)))
}

/// None for flags that have no name here.
pub(super) fn fib(flags: FibFlags, result: FibResult) -> Option<Named> {
    let names = [(1, "saddr"), (2, "daddr"), (4, "mark"), (8, "iif"), (16, "oif")];
    let set: Vec<_> = names.iter().filter(|(bit, _)| flags.0 & bit != 0).collect();
    if set.iter().map(|(bit, _)| bit).sum::<u32>() != flags.0 {
        return None;
    }
    let key: Vec<_> = set.iter().map(|(_, name)| *name).collect();
    let (word, ty) = match result {
        FibResult::Oif => ("oif", "iface_index"),
        FibResult::OifName => ("oifname", "ifname"),
        FibResult::AddrType => ("type", "fib_addrtype"),
    };
    Some((format!("fib {} {word}", key.join(" . ")), ty))
}

/// `NFT_REJECT_*` and its code.
pub(super) fn reject(kind: u32, code: Option<u8>, version: Option<Version>) -> Option<String> {
    let code = |protocol: &str| Some(format!("reject with {protocol} {}", code?));
    match kind {
        0 => code(if version == Some(Version::V6) { "icmpv6" } else { "icmp" }),
        1 => Some("reject with tcp reset".to_owned()),
        2 => code("icmpx"),
        _ => None,
    }
}

/// ` random,persistent` (`NF_NAT_RANGE_*`); none for a flag that has no word.
pub(super) fn nat_flags(flags: u32) -> Option<String> {
    let names = [(4, "random"), (8, "persistent"), (16, "fully-random")];
    let set: Vec<_> = names.iter().filter(|(bit, _)| flags & bit != 0).collect();
    let sum: u32 = set.iter().map(|(bit, _)| bit).sum();
    let words: Vec<_> = set.iter().map(|(_, name)| *name).collect();
    let space = if words.is_empty() { "" } else { " " };
    (sum == flags).then(|| format!("{space}{}", words.join(",")))
}
