//! One rule, word by word: each word adds the expressions that nft(8) makes of it.
//!
//!     Line::new().ip(V4).addr(V4, Source, 0).within("masq4").masquerade()
//!     = ip saddr @masq4 masquerade
//!
//! The same expressions in the same registers as nft 1.0.6 chooses, so that a table loaded from
//! the printed text reads back as these facts. Registers count in 32-bit units.

use ropewalk_facts::nft::{
    Bytes, CmpOp, Expr, Family, FibFlags, FibResult, MetaKey, NatKind, Payload, Reg, Verdict,
    VerdictCode,
};

use super::sets::Version;

/// Which address of a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Source,
    Destination,
}

/// `NFTA_FIB_F_DADDR`.
const DADDR: FibFlags = FibFlags(2);
/// `NFTA_FIB_F_IIF`.
const IIF: u32 = 8;
/// `RTN_LOCAL`: an address of this host.
const LOCAL: u32 = 2;
/// `NFT_CT_STATUS`.
const CT_STATUS: u32 = 2;
/// `NFT_CT_STATE`, and its bits for an answer and for what belongs to one.
const CT_STATE: u32 = 0;
const KNOWN: u32 = 2 | 4;
/// `IPS_DST_NAT`: the destination of the connection was changed.
const DST_NAT: u32 = 0x20;
/// `ARPHRD_ETHER`.
const ETHER: u16 = 1;
/// `NEXTHDR_FRAGMENT`.
const FRAGMENT: u8 = 44;
/// `LOOPBACK_IFINDEX`: `lo` has this index in every namespace.
const LO: u32 = 1;

impl Version {
    fn nfproto(self) -> u8 {
        self.family().number()
    }

    fn ethertype(self) -> [u8; 2] {
        if self == Self::V4 { [0x08, 0x00] } else { [0x86, 0xdd] }
    }

    fn family(self) -> Family {
        if self == Self::V4 { Family::Ip } else { Family::Ip6 }
    }

    /// Length of an address in bytes.
    fn len(self) -> u8 {
        if self == Self::V4 { 4 } else { 16 }
    }

    /// Where the address begins in the IP header (RFC 791, RFC 8200).
    fn offset(self, side: Side) -> u32 {
        match (self, side) {
            (Self::V4, Side::Source) => 12,
            (Self::V4, Side::Destination) => 16,
            (Self::V6, Side::Source) => 8,
            (Self::V6, Side::Destination) => 24,
        }
    }

    /// How many registers an address fills.
    pub(super) fn regs(self) -> u8 {
        self.len() / 4
    }
}

/// A rule in the making, in a table of a family.
#[derive(Clone)]
pub(super) struct Line {
    family: Family,
    exprs: Vec<Expr>,
}

impl Line {
    /// In the table of IP packets.
    pub(super) fn new() -> Self {
        Self::of(Family::Inet)
    }

    pub(super) fn of(family: Family) -> Self {
        Self { family, exprs: Vec::new() }
    }

    pub(super) fn done(self) -> Vec<Expr> {
        self.exprs
    }

    fn and(mut self, exprs: impl IntoIterator<Item = Expr>) -> Self {
        self.exprs.extend(exprs);
        self
    }

    fn cmp(self, op: CmpOp, data: &[u8]) -> Self {
        self.and([Expr::Cmp { sreg: Reg(0), op, data: Bytes(data.to_vec()) }])
    }

    fn meta(self, key: MetaKey, at: u8) -> Self {
        self.and([Expr::Meta { key, dreg: Reg(at) }])
    }

    /// The packet is of this version.
    pub(super) fn ip(self, v: Version) -> Self {
        if self.family == Family::Bridge {
            return self.meta(MetaKey::PROTOCOL, 0).cmp(CmpOp::Eq, &v.ethertype());
        }
        self.meta(MetaKey::NFPROTO, 0).cmp(CmpOp::Eq, &[v.nfproto()])
    }

    /// Bytes of the packet go to register `at`.
    fn bytes(self, base: u32, offset: u32, len: u32, at: u8) -> Self {
        self.and([Expr::Payload { what: Payload { base, offset, len }, dreg: Reg(at) }])
    }

    /// The frame's type, the tag of a VLAN before it.
    pub(super) fn ethertype(self, number: [u8; 2]) -> Self {
        self.bytes(0, 12, 2, 0).cmp(CmpOp::Eq, &number)
    }

    /// The frame is for a group that no bridge forwards to (IEEE 802.1D table 7-10).
    pub(super) fn for_bridge_group(self) -> Self {
        let mask = Bytes(vec![0xff, 0xff, 0xff, 0xff, 0xff, 0xf0]);
        let masked = Expr::Bitwise { sreg: Reg(0), dreg: Reg(0), mask, xor: Bytes(vec![0; 6]) };
        self.bytes(0, 0, 6, 0).and([masked]).cmp(CmpOp::Eq, &[0x01, 0x80, 0xc2, 0, 0, 0])
    }

    /// What nft asks on a bridge before it looks into ARP.
    fn arp(self) -> Self {
        if self.family == Family::Bridge { self.ethertype([0x08, 0x06]) } else { self }
    }

    /// The message of ARP is not one about IPv4 on Ethernet.
    pub(super) fn arp_is_odd(self) -> Self {
        self.bytes(1, 0, 6, 0).cmp(CmpOp::Neq, &[0, 1, 8, 0, 6, 4])
    }

    /// The link and the hardware address that ARP names as the sender's are not in a set.
    pub(super) fn arp_mac_not_in(self, set: &str) -> Self {
        self.arp().meta(MetaKey::IIFNAME, 0).bytes(1, 8, 6, 4).lookup(set, None, true)
    }

    /// The sender asks whether somebody has an address (RFC 5227), and has none yet.
    pub(super) fn arp_probe(self) -> Self {
        self.arp().bytes(1, 14, 4, 0).cmp(CmpOp::Eq, &[0; 4])
    }

    /// The link and the address that ARP names as the sender's are not in a set.
    pub(super) fn arp_ip_not_in(self, set: &str) -> Self {
        self.arp().meta(MetaKey::IIFNAME, 0).bytes(1, 14, 4, 4).lookup(set, None, true)
    }

    /// The link and the frame's source are not in a set.
    pub(super) fn mac_not_in(self, set: &str) -> Self {
        self.meta(MetaKey::IIFNAME, 0).bytes(0, 6, 6, 4).lookup(set, None, true)
    }

    /// The link and the packet's source are not in a set.
    pub(super) fn source_not_in(self, v: Version, set: &str) -> Self {
        // IPv6 by its place: its set is of bytes, as the targets are looked up in it, too.
        let line = if v == Version::V4 { self.ip(v) } else { self };
        line.meta(MetaKey::IIFNAME, 0).addr(v, Side::Source, 4).lookup(set, None, true)
    }

    /// The link and the address that a neighbour message is about are in a set.
    pub(super) fn target_in(self, set: &str) -> Self {
        self.meta(MetaKey::IIFNAME, 0).bytes(2, 8, 16, 4).within(set)
    }

    /// The packet has no source yet.
    pub(super) fn without_source(self, v: Version) -> Self {
        let none = vec![0; v.len().into()];
        self.ip(v).addr(v, Side::Source, 0).cmp(CmpOp::Eq, &none)
    }

    /// The packet is of this transport protocol.
    pub(super) fn proto(self, number: u8) -> Self {
        self.meta(MetaKey::L4PROTO, 0).cmp(CmpOp::Eq, &[number])
    }

    /// The packet is of another transport protocol, which is found behind the headers of IPv6.
    pub(super) fn proto_is_not(self, number: u8) -> Self {
        self.meta(MetaKey::L4PROTO, 0).cmp(CmpOp::Neq, &[number])
    }

    /// The message of ICMP, of a version, has this type.
    pub(super) fn icmp(self, v: Version, kind: u8) -> Self {
        let proto = if v == Version::V4 { 1 } else { 58 };
        // What nft asks first, unless something of the packet's version was asked before.
        let line = match (self.exprs.is_empty(), self.family) {
            (false, _) => self,
            (true, Family::Bridge) => self.ethertype(v.ethertype()),
            (true, _) => self.ip(v),
        };
        line.proto(proto).bytes(2, 0, 1, 0).cmp(CmpOp::Eq, &[kind])
    }

    /// The message of ICMP, of a version, has a type from `first` to `last`.
    pub(super) fn icmp_between(self, v: Version, first: u8, last: u8) -> Self {
        let proto = if v == Version::V4 { 1 } else { 58 };
        let bridge = self.family == Family::Bridge;
        let line = if bridge { self.ethertype(v.ethertype()) } else { self.ip(v) };
        let line = line.proto(proto).bytes(2, 0, 1, 0);
        line.cmp(CmpOp::Gte, &[first]).cmp(CmpOp::Lte, &[last])
    }

    /// Of the flags `mask` of TCP, others are set than `flags`.
    pub(super) fn tcp_flags_are_not(self, mask: u8, flags: u8) -> Self {
        let (mask, xor) = (Bytes(vec![mask]), Bytes(vec![0]));
        let masked = Expr::Bitwise { sreg: Reg(0), dreg: Reg(0), mask, xor };
        self.proto(6).bytes(2, 13, 1, 0).and([masked]).cmp(CmpOp::Neq, &[flags])
    }

    /// It is a part of a packet that was divided, but the first. The packet's version was asked
    /// before. (Of IPv6, where the header of the part comes first.)
    pub(super) fn later_part(self, v: Version) -> Self {
        let masked = |mask: [u8; 2]| Expr::Bitwise {
            sreg: Reg(0),
            dreg: Reg(0),
            mask: Bytes(mask.to_vec()),
            xor: Bytes(vec![0; 2]),
        };
        let line = match v {
            Version::V4 => self.bytes(1, 6, 2, 0).and([masked([0x1f, 0xff])]),
            Version::V6 => {
                let part = self.bytes(1, 6, 1, 0).cmp(CmpOp::Eq, &[FRAGMENT]);
                part.bytes(1, 42, 2, 0).and([masked([0xff, 0xf8])])
            }
        };
        line.cmp(CmpOp::Neq, &[0, 0])
    }

    /// Both addresses and both ports go to the first registers, those of the source first. The
    /// packet's version and that it has ports were asked before.
    pub(super) fn flow(self, v: Version) -> Self {
        self.ends(v, [Side::Source, Side::Destination], [0, 2])
    }

    /// The same, those of the destination first.
    pub(super) fn flow_back(self, v: Version) -> Self {
        self.ends(v, [Side::Destination, Side::Source], [2, 0])
    }

    fn ends(self, v: Version, [first, second]: [Side; 2], [one, two]: [u32; 2]) -> Self {
        let n = v.regs();
        let line = self.addr(v, first, 0).addr(v, second, n);
        line.bytes(2, one, 2, 2 * n).bytes(2, two, 2, 2 * n + 1)
    }

    /// The address of one `side`, that of the other, the protocol and the destination's port go to
    /// the first registers. The packet's version was asked before. (The byte order of one byte is
    /// what nft thinks a range needs.)
    pub(super) fn peering(self, v: Version, side: Side) -> Self {
        let other = if side == Side::Source { Side::Destination } else { Side::Source };
        let (n, proto) = (v.regs(), Reg(2 * v.regs()));
        let line = self.addr(v, side, 0).addr(v, other, n).meta(MetaKey::L4PROTO, proto.0);
        let order = Expr::Byteorder { sreg: proto, dreg: proto, to_host: false, len: 1, size: 2 };
        line.and([order]).bytes(2, 2, 2, proto.0 + 1)
    }

    /// UDP to a port.
    pub(super) fn udp_to(self, port: u16) -> Self {
        self.proto(17).bytes(2, 2, 2, 0).cmp(CmpOp::Eq, &port.to_be_bytes())
    }

    /// UDP from one port to another.
    pub(super) fn udp(self, from: u16, to: u16) -> Self {
        let ports = [from.to_be_bytes(), to.to_be_bytes()].concat();
        self.proto(17).bytes(2, 0, 4, 0).cmp(CmpOp::Eq, &ports)
    }

    /// The first `len` bytes of an address go to register `at`.
    fn part(self, v: Version, side: Side, len: u8, at: u8) -> Self {
        let what = Payload { base: 1, offset: v.offset(side), len: len.into() };
        self.and([Expr::Payload { what, dreg: Reg(at) }])
    }

    /// An address goes to register `at`.
    pub(super) fn addr(self, v: Version, side: Side, at: u8) -> Self {
        self.part(v, side, v.len(), at)
    }

    /// The packet's address begins with `prefix`.
    pub(super) fn addr_begins(self, v: Version, side: Side, prefix: &[u8]) -> Self {
        let len = u8::try_from(prefix.len()).unwrap_or(u8::MAX);
        self.ip(v).part(v, side, len, 0).cmp(CmpOp::Eq, prefix)
    }

    /// The packet's destination is `least` or more.
    pub(super) fn daddr_from(self, v: Version, least: &[u8]) -> Self {
        self.ip(v).addr(v, Side::Destination, 0).cmp(CmpOp::Gte, least)
    }

    /// Both addresses, source first, are in a set of pairs.
    pub(super) fn pair(self, v: Version, set: &str) -> Self {
        let line = self.ip(v).addr(v, Side::Source, 0).addr(v, Side::Destination, v.regs());
        line.within(set)
    }

    /// One address is in a set.
    pub(super) fn addr_within(self, v: Version, side: Side, set: &str) -> Self {
        self.ip(v).addr(v, side, 0).within(set)
    }

    /// The transport protocol goes to register `at`, the destination port to the next.
    pub(super) fn proto_and_port(self, at: u8) -> Self {
        let what = Payload { base: 2, offset: 2, len: 2 };
        self.meta(MetaKey::L4PROTO, at).and([Expr::Payload { what, dreg: Reg(at + 1) }])
    }

    /// The packet did not come in by `lo`.
    pub(super) fn not_from_lo(self) -> Self {
        self.meta(MetaKey::IIF, 0).cmp(CmpOp::Neq, &LO.to_ne_bytes())
    }

    /// The link the packet came by, or leaves by, is in a set.
    pub(super) fn link_within(self, key: MetaKey, set: &str) -> Self {
        self.meta(key, 0).within(set)
    }

    /// The link is not in a set.
    pub(super) fn link_outside(self, key: MetaKey, set: &str) -> Self {
        self.meta(key, 0).lookup(set, None, true)
    }

    /// The groups of both links, the incoming first, are in a set of pairs.
    pub(super) fn groups_within(self, set: &str) -> Self {
        self.meta(MetaKey::IIFGROUP, 0).meta(MetaKey::OIFGROUP, 1).within(set)
    }

    /// The group of the incoming link and the destination are in a set. The packet's version was
    /// asked before.
    pub(super) fn gateway_within(self, v: Version, set: &str) -> Self {
        self.meta(MetaKey::IIFGROUP, 0).addr(v, Side::Destination, 1).within(set)
    }

    /// Both links, the incoming first, are in a set of pairs.
    pub(super) fn links_within(self, set: &str) -> Self {
        self.meta(MetaKey::IIFNAME, 0).meta(MetaKey::OIFNAME, 4).within(set)
    }

    /// The packet is for this host.
    pub(super) fn for_this_host(self) -> Self {
        let fib = Expr::Fib { flags: DADDR, result: FibResult::AddrType, dreg: Reg(0) };
        self.and([fib]).cmp(CmpOp::Eq, &LOCAL.to_ne_bytes())
    }

    /// The packet is for an address of the link that it came by.
    pub(super) fn for_this_link(self) -> Self {
        let flags = FibFlags(DADDR.0 | IIF);
        let fib = Expr::Fib { flags, result: FibResult::AddrType, dreg: Reg(0) };
        self.and([fib]).cmp(CmpOp::Eq, &LOCAL.to_ne_bytes())
    }

    /// The connection is for a published port.
    pub(super) fn dnatted(self) -> Self {
        self.ct_any(CT_STATUS, DST_NAT)
    }

    /// The packet belongs to a connection that was answered.
    pub(super) fn known(self) -> Self {
        self.ct_any(CT_STATE, KNOWN)
    }

    /// One of `bits` is set in what is known of the connection.
    fn ct_any(self, key: u32, bits: u32) -> Self {
        let mask = Bytes(bits.to_ne_bytes().to_vec());
        let zero = [0; 4];
        let masked = Expr::Bitwise { sreg: Reg(0), dreg: Reg(0), mask, xor: Bytes(zero.to_vec()) };
        self.and([Expr::Ct { key, dir: None, dreg: Reg(0) }, masked]).cmp(CmpOp::Neq, &zero)
    }

    /// The address of the next hop goes to register `at` (`NFT_RT_NEXTHOP4`, `NFT_RT_NEXTHOP6`).
    pub(super) fn next_hop(self, v: Version, at: u8) -> Self {
        let key = if v == Version::V4 { 1 } else { 2 };
        self.and([Expr::Rt { key, dreg: Reg(at) }])
    }

    /// What was loaded is in a set.
    pub(super) fn known_in(self, set: &str) -> Self {
        self.within(set)
    }

    /// What was loaded goes into a set, `with` something that counts for each key.
    pub(super) fn add(self, set: &str, with: Option<Expr>) -> Self {
        let with = with.map(Box::new);
        self.and([Expr::Dynset { set: set.into(), sreg: Reg(0), update: false, with }])
    }

    fn within(self, set: &str) -> Self {
        self.lookup(set, None, false)
    }

    fn lookup(self, set: &str, dreg: Option<Reg>, invert: bool) -> Self {
        let map = dreg.is_some();
        self.and([Expr::Lookup { set: set.into(), sreg: Reg(0), dreg, map, invert }])
    }

    /// The source becomes what the map gives for register 0.
    pub(super) fn snat(self, v: Version, map: &str) -> Self {
        let (kind, family) = (NatKind::Snat, v.family());
        let nat = Expr::Nat { kind, family, addr: Some(Reg(0)), proto: None, flags: 0 };
        self.lookup(map, Some(Reg(0)), false).and([nat])
    }

    /// Destination address and port become what the map gives for register 0.
    pub(super) fn dnat(self, v: Version, map: &str) -> Self {
        let (kind, family, proto) = (NatKind::Dnat, v.family(), Some(Reg(v.regs())));
        let nat = Expr::Nat { kind, family, addr: Some(Reg(0)), proto, flags: 0 };
        self.lookup(map, Some(Reg(0)), false).and([nat])
    }

    /// The source becomes the host's.
    pub(super) fn masquerade(self) -> Self {
        self.and([Expr::Masq { flags: 0, proto: None }])
    }

    /// The link and the source of the frame that the packet came in are in a set.
    pub(super) fn station_within(self, set: &str) -> Self {
        let ethernet = self.meta(MetaKey::IIFTYPE, 0).cmp(CmpOp::Eq, &ETHER.to_ne_bytes());
        ethernet.meta(MetaKey::IIFNAME, 0).bytes(0, 6, 6, 4).within(set)
    }

    /// The packet has this priority within the host.
    pub(super) fn priority(self, value: u32) -> Self {
        self.meta(MetaKey::PRIORITY, 0).cmp(CmpOp::Eq, &value.to_ne_bytes())
    }

    /// Gives the packet a priority within the host.
    pub(super) fn set_priority(self, value: u32) -> Self {
        let (dreg, key) = (Reg(0), MetaKey::PRIORITY);
        let data = Bytes(value.to_ne_bytes().to_vec());
        self.and([Expr::Immediate { dreg, data }, Expr::MetaSet { key, sreg: dreg }])
    }

    /// The rule decides.
    pub(super) fn verdict(self, code: VerdictCode) -> Self {
        self.and([Expr::Verdict(Verdict { code, chain: None })])
    }

    /// Another chain goes on, and what it does not decide passes.
    pub(super) fn goto(self, chain: &str) -> Self {
        let verdict = Verdict { code: VerdictCode::Goto, chain: Some(chain.into()) };
        self.and([Expr::Verdict(verdict)])
    }

    /// Another chain goes on.
    pub(super) fn jump(self, chain: &str) -> Self {
        let verdict = Verdict { code: VerdictCode::Jump, chain: Some(chain.into()) };
        self.and([Expr::Verdict(verdict)])
    }
}
