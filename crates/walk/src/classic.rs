//! Running classic BPF: the programs of tc filters and of iptables' match `bpf`.
//!
//!     tc filter add … bpf bytecode '1,6 0 0 2,'
//!
//! Kernel: net/core/filter.c.  Bytes of the packet that are not known end it without an answer.
//! Never here: eBPF.

use ropewalk_facts::seen::Classic;

use crate::packet::Packet;

/// Instructions that a run may take; a program has at most 4096 and cannot go back.
const MOST: usize = 5000;
/// Where offsets stand for something else (`SKF_AD_OFF`, `SKF_NET_OFF`, `SKF_LL_OFF`).
const ANCILLARY: u32 = 0xffff_f000;
const NETWORK: u32 = 0xfff0_0000;
const LINK: u32 = 0xffe0_0000;

/// A program's state.
struct Machine<'p> {
    packet: &'p Packet,
    /// What offsets count from: the frame, or the network header.
    bytes: Vec<u8>,
    a: u32,
    x: u32,
    memory: [u32; 16],
}

/// What the program returns for a packet; `frame`: offsets begin at the Ethernet header.
#[must_use]
pub(crate) fn run(code: &[Classic], packet: &Packet, frame: bool) -> Option<u32> {
    let inner = [packet.network(), packet.transport()].concat();
    let bytes = if frame { [packet.link(), inner].concat() } else { inner };
    let mut m = Machine { packet, bytes, a: 0, x: 0, memory: [0; 16] };
    let mut at = 0usize;
    for _ in 0..MOST {
        let Classic(op, t, f, k) = *code.get(at)?;
        at += 1;
        match op & 7 {
            0 => m.a = m.load(op, k)?,
            1 => m.x = m.load_x(op, k)?,
            2 => *m.memory.get_mut(usize::try_from(k).ok()?)? = m.a,
            3 => *m.memory.get_mut(usize::try_from(k).ok()?)? = m.x,
            4 => m.a = m.arithmetic(op, k)?,
            5 => at += m.jump(op, k, t, f)?,
            6 => return Some(if op & 0x18 == 0x10 { m.a } else { k }),
            _ if op & 0xf8 == 0 => m.x = m.a,
            _ => m.a = m.x,
        }
    }
    None
}

impl Machine<'_> {
    fn bytes(&self, at: u32, len: usize) -> Option<u32> {
        let net = [self.packet.network(), self.packet.transport()].concat();
        let (from, offset) = match at {
            ANCILLARY.. => return self.ancillary(at - ANCILLARY),
            NETWORK..ANCILLARY => (net, at - NETWORK),
            LINK..NETWORK => ([self.packet.link(), net].concat(), at - LINK),
            _ => (self.bytes.clone(), at),
        };
        let offset = usize::try_from(offset).ok()?;
        let found = from.get(offset..offset.checked_add(len)?)?;
        Some(found.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
    }

    /// `SKF_AD_*`: protocol, packet type; the rest is not known.
    fn ancillary(&self, what: u32) -> Option<u32> {
        match what {
            0 => Some(u32::from(self.packet.ethertype())),
            20 => Some(self.packet.mark),
            44 | 48 => Some(0),
            _ => None,
        }
    }

    fn load(&self, op: u16, k: u32) -> Option<u32> {
        let len = match op & 0x18 {
            0x08 => 2,
            0x10 => 1,
            _ => 4,
        };
        match op & 0xe0 {
            0x00 => Some(k),
            0x20 => self.bytes(k, len),
            0x40 => self.bytes(k.wrapping_add(self.x), len),
            0x60 => self.memory.get(usize::try_from(k).ok()?).copied(),
            0x80 => Some(self.packet.len + if self.bytes.len() > 34 { 14 } else { 0 }),
            _ => None,
        }
    }

    fn load_x(&self, op: u16, k: u32) -> Option<u32> {
        match op & 0xe0 {
            0x00 => Some(k),
            0x60 => self.memory.get(usize::try_from(k).ok()?).copied(),
            // The length of an IP header: 4 * (byte & 0xf).
            0xa0 => Some((self.bytes(k, 1)? & 0xf) << 2),
            _ => None,
        }
    }

    fn arithmetic(&self, op: u16, k: u32) -> Option<u32> {
        let (a, b) = (self.a, if op & 8 != 0 { self.x } else { k });
        Some(match op & 0xf0 {
            0x00 => a.wrapping_add(b),
            0x10 => a.wrapping_sub(b),
            0x20 => a.wrapping_mul(b),
            0x30 => a.checked_div(b)?,
            0x40 => a | b,
            0x50 => a & b,
            0x60 => a.checked_shl(b).unwrap_or(0),
            0x70 => a.checked_shr(b).unwrap_or(0),
            0x80 => a.wrapping_neg(),
            0x90 => a.checked_rem(b)?,
            0xa0 => a ^ b,
            _ => return None,
        })
    }

    fn jump(&self, op: u16, k: u32, t: u8, f: u8) -> Option<usize> {
        let b = if op & 8 != 0 { self.x } else { k };
        let yes = match op & 0xf0 {
            0x00 => return usize::try_from(k).ok(),
            0x10 => self.a == b,
            0x20 => self.a > b,
            0x30 => self.a >= b,
            0x40 => self.a & b != 0,
            _ => return None,
        };
        Some(usize::from(if yes { t } else { f }))
    }
}
