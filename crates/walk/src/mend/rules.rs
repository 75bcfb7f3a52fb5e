//! Rules as the kernel runs them, from what nft(8) and iptables(8) are told.
//!
//!     ip saddr 10.0.0.0/8 ip daddr 10.1.2.3 tcp dport 80 accept
//!
//! In tables of iptables what iptables itself can list is written: a table with one rule that it
//! does not know is shown by it no more.  Never here: which table.

use std::net::IpAddr;

use ipnet::IpNet;
use ropewalk_facts::nft::{
    Bytes, CmpOp, Expr, Family, MetaKey, Payload, Reg, Verdict, VerdictCode,
};

use super::{ByHand, NO_WORDS};

/// What a rule asks for, and what it does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) src: Option<IpNet>,
    pub(super) dst: Option<IpNet>,
    pub(super) proto: Option<u8>,
    pub(super) dport: Option<u16>,
    /// A link's name, and whether it must not be that.
    pub(super) iif: Option<(String, bool)>,
    pub(super) oif: Option<(String, bool)>,
    pub(super) does: Option<Does>,
}

/// What becomes of the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    Accept,
    Drop,
    Return,
    Masquerade,
    To(IpAddr, Option<u16>),
}

/// The number of a protocol.
pub(super) fn proto(word: &str) -> Result<u8, ByHand> {
    match word {
        "tcp" => Ok(6),
        "udp" => Ok(17),
        "icmp" => Ok(1),
        "icmpv6" | "ipv6-icmp" | "icmp6" => Ok(58),
        _ => word.parse().map_err(|_| NO_WORDS),
    }
}

impl Wish {
    /// The expressions of nf_tables.
    pub(super) fn exprs(&self, family: Family) -> Result<Vec<Expr>, ByHand> {
        let mut all = Vec::new();
        self.protocol(family, &mut all);
        let v6 = self.v6(family);
        for (net, offset) in
            [(self.src, if v6 { 8 } else { 12 }), (self.dst, if v6 { 24 } else { 16 })]
        {
            net.into_iter().for_each(|net| address(net, offset, &mut all));
        }
        for (name, key) in [(&self.iif, MetaKey::IIFNAME), (&self.oif, MetaKey::OIFNAME)] {
            if let Some((name, not)) = name {
                let op = if *not { CmpOp::Neq } else { CmpOp::Eq };
                all.push(Expr::Meta { key, dreg: Reg(0) });
                all.push(Expr::Cmp { sreg: Reg(0), op, data: Bytes(named(name)) });
            }
        }
        if let Some(number) = self.proto {
            all.push(Expr::Meta { key: MetaKey::L4PROTO, dreg: Reg(0) });
            all.push(equals(vec![number]));
        }
        if let Some(port) = self.dport {
            let what = Payload { base: 2, offset: 2, len: 2 };
            all.push(Expr::Payload { what, dreg: Reg(0) });
            all.push(equals(port.to_be_bytes().to_vec()));
        }
        all.push(Expr::Counter { packets: 0, bytes: 0 });
        all.push(self.end(v6)?);
        Ok(all)
    }

    /// What a rule of iptables-legacy holds.
    pub(super) fn legacy(&self, family: Family) -> Result<Vec<Expr>, ByHand> {
        let mut all = Vec::new();
        for (name, key) in [(&self.iif, MetaKey::IIFNAME), (&self.oif, MetaKey::OIFNAME)] {
            if let Some((name, not)) = name {
                let op = if *not { CmpOp::Neq } else { CmpOp::Eq };
                all.push(Expr::Meta { key, dreg: Reg(0) });
                all.push(Expr::Cmp { sreg: Reg(0), op, data: Bytes(named(name)) });
            }
        }
        if self.dport.is_some() {
            return Err(NO_WORDS);
        }
        let v6 = self.v6(family);
        let mut header = Vec::new();
        let len = if v6 { 16 } else { 4 };
        for mask in [false, true] {
            for net in [self.src, self.dst] {
                header.extend(net.map_or_else(|| vec![0; len], |net| half(net, mask)));
            }
        }
        header.extend(u16::from(self.proto.unwrap_or(0)).to_ne_bytes());
        // IP6T_F_PROTO, include/uapi/linux/netfilter_ipv6/ip6_tables.h, after the class.
        let flags = u8::from(v6 && self.proto.is_some());
        header.extend(if v6 { vec![0, flags, 0] } else { vec![0, 0] });
        if header.iter().any(|byte| *byte != 0) {
            all.push(Expr::Opaque { name: "ip".to_owned(), data: Bytes(header) });
        }
        all.push(Expr::Counter { packets: 0, bytes: 0 });
        match self.does {
            Some(Does::Accept | Does::Drop | Does::Return) => all.push(self.end(v6)?),
            _ => return Err(NO_WORDS),
        }
        Ok(all)
    }

    fn v6(&self, family: Family) -> bool {
        let nets = [self.src, self.dst].into_iter().flatten();
        matches!(family, Family::Ip6 | Family::Ip6tables)
            || nets.into_iter().any(|net| net.addr().is_ipv6())
    }

    /// Tables of several protocols ask for that of the addresses first.
    fn protocol(&self, family: Family, all: &mut Vec<Expr>) {
        if self.src.is_none() && self.dst.is_none() {
            return;
        }
        let v6 = self.v6(family);
        match family {
            Family::Inet => {
                all.push(Expr::Meta { key: MetaKey::NFPROTO, dreg: Reg(0) });
                all.push(equals(vec![if v6 { 10 } else { 2 }]));
            }
            Family::Bridge | Family::Netdev => {
                all.push(Expr::Meta { key: MetaKey::PROTOCOL, dreg: Reg(0) });
                all.push(equals(if v6 { vec![0x86, 0xdd] } else { vec![8, 0] }));
            }
            Family::Ip
            | Family::Ip6
            | Family::Arp
            | Family::Iptables
            | Family::Ip6tables
            | Family::Arptables => {}
        }
    }

    fn end(&self, v6: bool) -> Result<Expr, ByHand> {
        let verdict = |code| Ok(Expr::Verdict(Verdict { code, chain: None }));
        match self.does.ok_or(NO_WORDS)? {
            Does::Accept => verdict(VerdictCode::Accept),
            Does::Drop => verdict(VerdictCode::Drop),
            Does::Return => verdict(VerdictCode::Return),
            Does::Masquerade => Ok(target("MASQUERADE", 0, range(v6, None))),
            Does::To(ip, port) => Ok(target("DNAT", u32::from(v6), range(v6, Some((ip, port))))),
        }
    }
}

fn equals(data: Vec<u8>) -> Expr {
    Expr::Cmp { sreg: Reg(0), op: CmpOp::Eq, data: Bytes(data) }
}

/// A name as the kernel compares it: with zeros up to its full width.
fn named(name: &str) -> Vec<u8> {
    let mut bytes = name.as_bytes().to_vec();
    bytes.resize(16, 0);
    bytes
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

/// The network's address, or its mask.
fn half(net: IpNet, mask: bool) -> Vec<u8> {
    octets(if mask { net.netmask() } else { net.network() })
}

fn address(net: IpNet, offset: u32, all: &mut Vec<Expr>) {
    let (bytes, mask) = (half(net, false), half(net, true));
    let len = if net.addr().is_ipv6() { 16 } else { 4 };
    all.push(Expr::Payload { what: Payload { base: 1, offset, len }, dreg: Reg(0) });
    if net.prefix_len() < net.max_prefix_len() {
        let xor = Bytes(vec![0; mask.len()]);
        all.push(Expr::Bitwise { sreg: Reg(0), dreg: Reg(0), mask: Bytes(mask), xor });
    }
    all.push(equals(bytes));
}

fn target(name: &str, rev: u32, mut data: Vec<u8>) -> Expr {
    // XT_ALIGN, include/uapi/linux/netfilter/x_tables.h.
    data.resize(data.len().next_multiple_of(8), 0);
    Expr::Xt { target: true, name: name.to_owned(), rev, data: Bytes(data) }
}

/// `struct nf_nat_ipv4_multi_range_compat`, or for IPv6 `struct nf_nat_range`
/// (include/uapi/linux/netfilter/nf_nat.h).
fn range(v6: bool, to: Option<(IpAddr, Option<u16>)>) -> Vec<u8> {
    let (ip, port) = to.map_or((None, None), |(ip, port)| (Some(ip), port));
    // NF_NAT_RANGE_MAP_IPS, NF_NAT_RANGE_PROTO_SPECIFIED.
    let flags = u32::from(ip.is_some()) | (u32::from(port.is_some()) << 1);
    let ip = ip.map_or_else(|| vec![0; if v6 { 16 } else { 4 }], octets);
    let port = port.unwrap_or(0).to_be_bytes();
    let mut data = if v6 { Vec::new() } else { 1u32.to_ne_bytes().to_vec() };
    data.extend(flags.to_ne_bytes());
    data.extend(ip.iter().chain(&ip));
    data.extend(port.iter().chain(&port));
    data
}
