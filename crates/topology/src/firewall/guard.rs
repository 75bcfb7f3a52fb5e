//! Who a sandbox may say it is: the chains that every packet from a protected leg passes first.
//!
//!     bridge  a frame from a leg ─▶ its hardware address? ─▶ IPv4 · IPv6 · ARP ─▶ its address?
//!     inet    a packet from a leg without a bridge ─▶ its address?
//!     arp     a message from a leg without a bridge ─▶ its addresses?
//!
//! On a bridge this comes before the bridge learns an address, and before anything of IP. A frame
//! of any other type is dropped, tags of VLANs with it: the payload expression puts a tag that
//! hardware or the kernel took off back in its place. Fragments cannot hide what is looked for:
//! IPv4 has the ports and the type of ICMP in the first 8 bytes, which are never divided; an IPv6
//! packet whose transport header is not in its first part is dropped, and so is a neighbour
//! advertisement that is divided before its target (RFC 6980).  Never here: which legs there are.

use ropewalk_facts::nft::{Family, MetaKey, VerdictCode};

use super::line::Line;
use super::rules::{Chained, Tagged, drop};
use super::sets::{self, Version};

/// The chain where a protected leg's packets go.
pub(super) const GUARD: &str = "guard";

/// The priority that frames of a sandbox on the host's own LAN have when they are handed up to the
/// host: to IP they come by the bridge, as those of the LAN do. It is no mark, which others use and
/// routes can depend on. A packet that is sent on loses it before it can be looked at (`ip_forward`):
/// there the hardware address tells.
pub(super) const GUEST: u32 = 0x7277_0001;

/// Hook numbers (`NF_BR_*`, `NF_ARP_IN`).
const PREROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;
const ARP_IN: u32 = 0;

/// Types of ICMP and ICMPv6.
const REDIRECT4: u8 = 5;
const DONE6: u8 = 132;
const REPORT6: u8 = 131;
const ADVERT6: u8 = 134;
pub(super) const SOLICIT6: u8 = 135;
pub(super) const NEIGHBOUR6: u8 = 136;
const REDIRECT6: u8 = 137;
pub(super) const REPORT6_V2: u8 = 143;

/// The chains of the table of frames.
pub(super) fn bridge() -> Vec<Chained> {
    let family = Family::Bridge;
    let line = || Line::of(family);
    let from = |set: &str| line().link_within(MetaKey::IIFNAME, set);
    let hooks = vec![
        ("protected".into(), from(sets::LEGS).goto(GUARD)),
        ("wires".into(), from(sets::WIRES).goto("wire")),
    ];
    // These do not pass prerouting, and their senders are learned too (`br_handle_local_finish`).
    let group = |set: &str| line().for_bridge_group().link_within(MetaKey::IIFNAME, set);
    let groups = vec![
        drop("groups", group(sets::LEGS)),
        drop("groups-wires", group(sets::WIRES)),
        ("guests".into(), from(sets::GUESTS).set_priority(GUEST)),
    ];
    let to = |number, chain: &str| line().ethertype(number).goto(chain);
    let guard = vec![
        drop("own-mac", line().mac_not_in(sets::MACS)),
        ("ipv4".into(), to([0x08, 0x00], "v4")),
        ("ipv6".into(), to([0x86, 0xdd], "v6")),
        ("arp".into(), to([0x08, 0x06], "arp4")),
        drop("other", line()),
    ];
    let wire = vec![
        drop("own-mac", line().mac_not_in(sets::MACS)),
        ("ipv4".into(), to([0x08, 0x00], "wire4")),
        ("ipv6".into(), to([0x86, 0xdd], "wire6")),
        ("arp".into(), to([0x08, 0x06], "wire_arp")),
        drop("other", line()),
    ];
    let mut all = vec![
        ("prerouting", Some(("filter", PREROUTING, -300)), hooks),
        ("input", Some(("filter", LOCAL_IN, -300)), groups),
        (GUARD, None, guard),
        ("wire", None, wire),
        ("wire4", None, servant4(family)),
        ("wire6", None, [router(family), servant6(family)].concat()),
        ("wire_arp", None, arp_mac(family)),
        ("arp4", None, arp_sender(family)),
    ];
    all.extend(ip(family));
    all
}

/// The chains of the table of ARP.
pub(super) fn arp() -> Vec<Chained> {
    let family = Family::Arp;
    let from = Line::of(family).link_within(MetaKey::IIFNAME, sets::LEGS).goto(GUARD);
    vec![
        ("input", Some(("filter", ARP_IN, 0)), vec![("protected".into(), from)]),
        (GUARD, None, arp_sender(family)),
    ]
}

/// The chains that the table of IP packets has of these.
pub(super) fn inet() -> Vec<Chained> {
    let to = |v: Version, chain: &str| Line::new().ip(v).goto(chain);
    let guard =
        vec![("ipv4".into(), to(Version::V4, "v4")), ("ipv6".into(), to(Version::V6, "v6"))];
    let mut all = vec![(GUARD, None, guard)];
    all.extend(ip(Family::Inet));
    all
}

/// What ARP says of its sender is true of the leg's sandbox.
fn arp_sender(family: Family) -> Vec<Tagged> {
    let line = || Line::of(family);
    let mut rules = arp_mac(family);
    rules.extend([
        ("probe".into(), line().arp_probe().verdict(VerdictCode::Accept)),
        drop("sender-ip", line().arp_ip_not_in(&Version::V4.name(sets::OWN))),
    ]);
    rules
}

/// The hardware address that ARP names as its sender's is that of the leg's sandbox.
fn arp_mac(family: Family) -> Vec<Tagged> {
    let line = || Line::of(family);
    vec![drop("shape", line().arp_is_odd()), drop("sender-mac", line().arp_mac_not_in(sets::MACS))]
}

/// A sandbox is no DHCP server, and knows no better way.
fn servant4(family: Family) -> Vec<Tagged> {
    let line = || Line::of(family);
    vec![
        drop("dhcp-server", line().udp(67, 68)),
        drop("redirect", line().icmp(Version::V4, REDIRECT4)),
    ]
}

/// The same of IPv6, and that nothing is hidden in a fragment.
fn servant6(family: Family) -> Vec<Tagged> {
    let line = || Line::of(family);
    vec![
        drop("dhcp-server", line().udp(547, 546)),
        // 255 is reserved; this ends every packet that has a transport header.
        ("whole".into(), line().proto_is_not(255).verdict(VerdictCode::Return)),
        drop("hidden", line()),
    ]
}

/// A sandbox is no router.
fn router(family: Family) -> Vec<Tagged> {
    let icmp = |kind| Line::of(family).icmp(Version::V6, kind);
    vec![drop("router", icmp(ADVERT6)), drop("redirect", icmp(REDIRECT6))]
}

/// The packet's source is the sandbox's, and it does not speak as a router or DHCP server.
fn ip(family: Family) -> Vec<Chained> {
    let line = || Line::of(family);
    let accept = |tag: &str, line: Line| (tag.to_owned(), line.verdict(VerdictCode::Accept));
    let (own4, own6) = (Version::V4.name(sets::OWN), Version::V6.name(sets::OWN));
    let mut v4 = vec![
        accept("dhcp-client", line().without_source(Version::V4).udp(68, 67)),
        drop("own4", line().source_not_in(Version::V4, &own4)),
    ];
    v4.extend(servant4(family));
    let mut v6 = vec![
        ("icmp".into(), line().proto(58).jump("neighbour")),
        drop("own6", line().source_not_in(Version::V6, &own6)),
    ];
    v6.extend(servant6(family));
    let icmp = |kind| line().icmp(Version::V6, kind);
    let nobody = |kind| line().without_source(Version::V6).icmp(Version::V6, kind);
    let own_target = icmp(NEIGHBOUR6).target_in(&own6).verdict(VerdictCode::Return);
    let mut neighbour = router(family);
    neighbour.extend([
        ("own-target".into(), own_target),
        drop("target", icmp(NEIGHBOUR6)),
        accept("detect", nobody(SOLICIT6).target_in(&own6)),
        accept("listen", nobody(REPORT6_V2)),
        accept("listen1", nobody(REPORT6)),
        accept("listen1-done", nobody(DONE6)),
    ]);
    vec![("v4", None, v4), ("v6", None, v6), ("neighbour", None, neighbour)]
}
