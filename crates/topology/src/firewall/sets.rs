//! The sets and maps of the three tables, one of each for IPv4 and IPv6.
//!
//! Interval sets grow with the networks, hash sets with attachments and ports: an element of
//! `publish4` costs the same beside ten thousand others.

use ropewalk_facts::nft::{Family, RAW, Set, SetFlags, TableKey};

/// Pairs (subnet, subnet) of one network: between them nothing is changed.
pub(super) const DIRECT: &str = "direct";
/// Subnets whose outgoing traffic takes the host's address.
pub(super) const MASQ: &str = "masq";
/// Subnets whose outgoing traffic takes a fixed address.
pub(super) const SNAT: &str = "snat";
/// Subnets the traffic to which takes the host's address.
pub(super) const MASQ_IN: &str = "masq_in";
/// Subnets the traffic to which takes a fixed address.
pub(super) const SNAT_IN: &str = "snat_in";
/// Published on every address of the host: (protocol, port) → (address, port).
pub(super) const PUBLISH: &str = "publish";
/// Published on one: (address, protocol, port) → (address, port).
pub(super) const PUBLISH_AT: &str = "publish_at";
/// Bridges and legs of internal networks.
pub(super) const INTERNAL: &str = "internal";
/// Bridges of internal networks, each twice: frames that stay within one.
pub(super) const BRIDGED: &str = "bridged";

/// Groups of links: the networks that are shut against each other.
pub(super) const INSIDE: &str = "inside";
/// Groups of links: networks of which others reach what is published alone.
pub(super) const CLOSED: &str = "closed";
/// Pairs of groups: the first reaches the second.
pub(super) const JOINED: &str = "joined";
/// Groups of links whose sandboxes reach all of the host.
pub(super) const HOSTED: &str = "hosted";
/// (group, address): the gateway of a network, which answers a ping.
pub(super) const GATEWAYS: &str = "gateways";
/// By the address of another host's sandbox that a published port leads to: the address of this host
/// that its answers come back to.
pub(super) const FAR: &str = "far";

/// Sandboxes with an allow list, by address; in the table of frames by leg: with any list.
pub(super) const HELD: &str = "held";
/// See [`HELD`]: of what they send.
pub(super) const HELD_OUT: &str = "held_out";
/// See [`HELD`]: of what they receive.
pub(super) const HELD_IN: &str = "held_in";
/// (sandbox, destination, protocol, port) that it may send to.
pub(super) const ALLOW_OUT: &str = "allow_out";
/// (sandbox, source, protocol, port of the sandbox) that may be sent to it.
pub(super) const ALLOW_IN: &str = "allow_in";
/// (source, destination, their ports) of UDP between members of a bridge, not long ago.
pub(super) const HEARD: &str = "heard";

/// (source, next hop) that were asked for not long ago.
pub(super) const HOPS: &str = "hops";
/// By source: how fast it asks for next hops.
pub(super) const PACE: &str = "pace";
/// By source: how many connections it began.
pub(super) const CONNECTIONS: &str = "connections";

/// Legs under protection.
pub(super) const LEGS: &str = "legs";
/// Legs whose sandbox has no addresses of ours: its hardware address is watched, no more.
pub(super) const WIRES: &str = "wires";
/// Legs on the bridge of a host's own NIC: to the host, their sandboxes are not of the LAN. In the
/// table of IP packets, (bridge, hardware address of the sandbox).
pub(super) const GUESTS: &str = "guests";
/// (leg, hardware address) of its sandbox.
pub(super) const MACS: &str = "macs";
/// (leg, address) of its sandbox.
pub(super) const OWN: &str = "own";

/// IPv4 or IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

impl Version {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    /// The name of this version's set of the pair called `stem`.
    pub(super) fn name(self, stem: &str) -> String {
        format!("{stem}{}", if self == Self::V4 { '4' } else { '6' })
    }

    fn addr(self) -> &'static str {
        if self == Self::V4 { "ipv4_addr" } else { "ipv6_addr" }
    }
}

/// The sets of one of our tables.
pub(super) fn all(table: &TableKey) -> Vec<Set> {
    let legs = set(table, LEGS, &["ifname"], &[], false);
    let macs = set(table, MACS, &["ifname", "ether_addr"], &[], false);
    let own4 = set(table, &Version::V4.name(OWN), &["ifname", "ipv4_addr"], &[], false);
    let own6 = set(table, &Version::V6.name(OWN), &["ifname", RAW.name], &[], false);
    match table.family {
        Family::Bridge => {
            let links = |name| set(table, name, &["ifname"], &[], false);
            let mut all = vec![legs, links(WIRES), links(GUESTS), macs, own4, own6];
            all.extend([HELD, HELD_OUT, HELD_IN].map(links));
            for v in Version::BOTH {
                let (ip, port) = (v.addr(), "inet_service");
                all.extend(lists(table, v));
                all.push(filled(table, &v.name(HEARD), &[ip, ip, port, port], MINUTE));
                all.push(filled(table, &v.name(PACE), &[ip], MINUTE));
            }
            all
        }
        Family::Arp => vec![legs, macs, own4],
        Family::Inet
        | Family::Ip
        | Family::Ip6
        | Family::Netdev
        | Family::Iptables
        | Family::Ip6tables
        | Family::Arptables => [vec![legs, own4, own6], inet(table)].concat(),
    }
}

fn inet(table: &TableKey) -> Vec<Set> {
    let mut sets = vec![
        set(table, INTERNAL, &["ifname"], &[], false),
        set(table, BRIDGED, &["ifname", "ifname"], &[], false),
        set(table, INSIDE, &["devgroup"], &[], false),
        set(table, CLOSED, &["devgroup"], &[], false),
        set(table, JOINED, &["devgroup", "devgroup"], &[], false),
        set(table, HOSTED, &["devgroup"], &[], false),
        set(table, GUESTS, &["ifname", "ether_addr"], &[], false),
    ];
    for v in Version::BOTH {
        let (ip, proto, port) = (v.addr(), "inet_proto", "inet_service");
        sets.extend([HELD_OUT, HELD_IN].map(|stem| set(table, &v.name(stem), &[ip], &[], false)));
        sets.extend(lists(table, v));
        sets.extend([
            set(table, &v.name(GATEWAYS), &["devgroup", ip], &[], false),
            filled(table, &v.name(HOPS), &[ip, ip], MINUTE),
            filled(table, &v.name(PACE), &[ip], MINUTE),
            filled(table, &v.name(CONNECTIONS), &[ip], 0),
            set(table, &v.name(DIRECT), &[ip, ip], &[], true),
            set(table, &v.name(MASQ), &[ip], &[], true),
            set(table, &v.name(SNAT), &[ip], &[ip], true),
            set(table, &v.name(MASQ_IN), &[ip], &[], true),
            set(table, &v.name(SNAT_IN), &[ip], &[ip], true),
            set(table, &v.name(FAR), &[ip], &[ip], false),
            set(table, &v.name(PUBLISH), &[proto, port], &[ip, port], false),
            set(table, &v.name(PUBLISH_AT), &[ip, proto, port], &[ip, port], false),
        ]);
    }
    sets
}

/// What is allowed, of a version of IP.
fn lists(table: &TableKey, v: Version) -> [Set; 2] {
    let key = [v.addr(), v.addr(), "inet_proto", "inet_service"];
    [ALLOW_OUT, ALLOW_IN].map(|stem| set(table, &v.name(stem), &key, &[], true))
}

/// In milliseconds.
const MINUTE: u64 = 60_000;

/// A set that rules fill.
fn filled(table: &TableKey, name: &str, key: &[&str], timeout_ms: u64) -> Set {
    let flags = SetFlags { dynamic: true, ..SetFlags::default() };
    Set { flags, timeout_ms, ..set(table, name, key, &[], false) }
}

fn set(table: &TableKey, name: &str, key: &[&str], value: &[&str], interval: bool) -> Set {
    let names = |types: &[&str]| types.iter().map(ToString::to_string).collect();
    Set {
        key: table.set(name),
        key_types: names(key),
        value_types: names(value),
        flags: SetFlags { interval, ..SetFlags::default() },
        timeout_ms: 0,
    }
}
