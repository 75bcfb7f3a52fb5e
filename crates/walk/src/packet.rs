//! The packet that walks: addresses, ports, sizes, marks, and the bytes that rules look at.

use std::net::IpAddr;

use ropewalk_facts::seen::Tuple;
use ropewalk_facts::{IfName, Mac};

use crate::question::proto;

/// One packet at one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol number.
    pub proto: u8,
    /// Source port, or the identifier of an echo.
    pub sport: u16,
    /// Destination port.
    pub dport: u16,
    /// Type and code of ICMP.
    pub icmp: (u8, u8),
    /// Flags of TCP.
    pub flags: u8,
    /// Hops it may still take.
    pub ttl: u8,
    /// Length in bytes, from the network header on.
    pub len: u32,
    /// It must not be broken into fragments.
    pub df: bool,
    /// Its mark within the namespace.
    pub mark: u32,
    /// Its priority within the namespace.
    pub priority: u32,
    /// Hardware address it is from.
    pub smac: Mac,
    /// Hardware address it is for.
    pub dmac: Mac,
    /// It asks for, or tells, a hardware address.
    pub ask: Option<Ask>,
    /// The member of a bridge that it came in by.
    pub physin: Option<IfName>,
    /// The member of a bridge that it leaves by.
    pub physout: Option<IfName>,
    /// Its connection in this namespace, and whether it goes the other way.
    pub conn: Option<(usize, bool)>,
    /// It was taken out of tracking here.
    pub untracked: bool,
    /// The zone of connections that a rule has put it in, until it is looked up (`CT --zone`).
    pub zone: u16,
}

/// An address request or answer, ARP or neighbour discovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Who asks.
    pub from: IpAddr,
    /// Whose hardware address is asked for.
    pub whose: IpAddr,
    /// It is the answer.
    pub answer: bool,
}

/// No hardware address.
pub const NO_MAC: Mac = Mac([0; 6]);
/// Everybody's.
pub const BROADCAST: Mac = Mac([0xff; 6]);

impl Packet {
    /// A packet of so many bytes, with nothing special about it.
    #[must_use]
    pub fn new(tuple: Tuple, len: u32) -> Self {
        let Tuple { src, dst, proto, sport, dport } = tuple;
        let icmp = match proto {
            proto::ICMP => (8, 0),
            proto::ICMP6 => (128, 0),
            _ => (0, 0),
        };
        Self {
            src,
            dst,
            proto,
            sport,
            dport,
            icmp,
            flags: if proto == proto::TCP { 2 } else { 0 },
            ttl: 64,
            len,
            df: false,
            mark: 0,
            priority: 0,
            smac: NO_MAC,
            dmac: NO_MAC,
            ask: None,
            physin: None,
            physout: None,
            conn: None,
            untracked: false,
            zone: 0,
        }
    }

    /// Addresses and ports.
    #[must_use]
    pub fn tuple(&self) -> Tuple {
        let Self { src, dst, proto, sport, dport, .. } = *self;
        Tuple { src, dst, proto, sport, dport }
    }

    /// True for IPv6.
    #[must_use]
    pub fn v6(&self) -> bool {
        self.dst.is_ipv6()
    }

    /// The answer to it, as the one that it reached sends it.
    #[must_use]
    pub fn answered(&self) -> Self {
        let t = self.tuple().reversed();
        let icmp = match (self.proto, self.icmp.0) {
            (proto::ICMP, 8) => (0, 0),
            (proto::ICMP6, 128) => (129, 0),
            _ => self.icmp,
        };
        let tcp = self.proto == proto::TCP;
        let (flags, df) = (if tcp { 0x12 } else { 0 }, self.df && tcp);
        Self { icmp, flags, df, ..Self::new(t, self.len) }
    }

    /// The bytes of its network header.
    #[must_use]
    pub fn network(&self) -> Vec<u8> {
        if let Some(arp) = self.arp() {
            return arp;
        }
        let len = u16::try_from(self.len).unwrap_or(u16::MAX);
        match (self.src, self.dst) {
            (IpAddr::V4(src), IpAddr::V4(dst)) => {
                let mut b = vec![0x45, 0];
                b.extend(len.to_be_bytes());
                b.extend([0, 0, if self.df { 0x40 } else { 0 }, 0, self.ttl, self.proto, 0, 0]);
                b.extend(src.octets());
                b.extend(dst.octets());
                b
            }
            (IpAddr::V6(src), IpAddr::V6(dst)) => {
                let mut b = vec![0x60, 0, 0, 0];
                b.extend(len.saturating_sub(40).to_be_bytes());
                b.extend([self.proto, self.ttl]);
                b.extend(src.octets());
                b.extend(dst.octets());
                b
            }
            _ => Vec::new(),
        }
    }

    /// The bytes of an ARP packet; `None` for any other.
    fn arp(&self) -> Option<Vec<u8>> {
        let ask = self.ask?;
        let (IpAddr::V4(src), IpAddr::V4(dst)) = (self.src, self.dst) else { return None };
        let mut b = vec![0, 1, 8, 0, 6, 4, 0, if ask.answer { 2 } else { 1 }];
        b.extend(self.smac.0);
        b.extend(src.octets());
        b.extend(if ask.answer { self.dmac.0 } else { [0; 6] });
        b.extend(dst.octets());
        Some(b)
    }

    /// True for a packet of ARP, which is none of IP.
    #[must_use]
    pub fn is_arp(&self) -> bool {
        self.ask.is_some() && !self.v6()
    }

    /// The bytes of its transport header, as far as they are known.
    #[must_use]
    pub fn transport(&self) -> Vec<u8> {
        let ports = || [self.sport.to_be_bytes(), self.dport.to_be_bytes()].concat();
        match self.proto {
            proto::TCP => {
                let mut b = ports();
                b.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, self.flags, 0xfa, 0xf0, 0, 0, 0, 0]);
                b
            }
            proto::UDP => {
                let mut b = ports();
                b.extend(
                    u16::try_from(self.len).unwrap_or(u16::MAX).saturating_sub(20).to_be_bytes(),
                );
                b
            }
            proto::ICMP6 if self.ask.is_some() => self.discovery(),
            proto::ICMP | proto::ICMP6 => {
                let mut b = vec![self.icmp.0, self.icmp.1, 0, 0];
                b.extend(self.sport.to_be_bytes());
                b
            }
            _ => Vec::new(),
        }
    }

    /// A solicitation or advertisement (RFC 4861, 4.3 and 4.4), with the sender's hardware address.
    fn discovery(&self) -> Vec<u8> {
        let mut b = vec![self.icmp.0, self.icmp.1, 0, 0];
        b.extend(if self.icmp.0 == 136 { [0x60, 0, 0, 0] } else { [0; 4] });
        if let Some(Ask { whose: IpAddr::V6(ip), .. }) = self.ask {
            b.extend(ip.octets());
        }
        b.extend([if self.icmp.0 == 136 { 2 } else { 1 }, 1]);
        b.extend(self.smac.0);
        b
    }

    /// What the Ethernet header says it is.
    #[must_use]
    pub fn ethertype(&self) -> u16 {
        match (self.is_arp(), self.v6()) {
            (true, _) => 0x0806,
            (_, true) => 0x86dd,
            _ => 0x0800,
        }
    }

    /// The bytes of its Ethernet header.
    #[must_use]
    pub fn link(&self) -> Vec<u8> {
        let kind = self.ethertype().to_be_bytes();
        [&self.dmac.0[..], &self.smac.0[..], &kind[..]].concat()
    }
}
