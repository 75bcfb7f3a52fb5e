//! What the kernel hands to a listening socket: a classic BPF program made for one flow.
//!
//!     tcpdump -d 'arp or (host 10.9.0.2 or host 198.51.100.8) and (icmp or tcp)'
//!
//! Loads are from the network header on (`SKF_NET_OFF`), so that links of every kind will do.
//! Never here: attaching it.

use std::net::IpAddr;

/// An instruction: `code, jump if true, jump if false, value` (include/uapi/linux/filter.h).
pub type Instruction = (u16, u8, u8, u32);

/// Which packets are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// From or to any of these; from and to anybody where there are none.
    pub addrs: Vec<IpAddr>,
    /// Of any of these protocols, and messages of ICMP; of all where there are none.
    pub protos: Vec<u8>,
    /// Ports that VXLAN is spoken on, where what is inside is looked at, too.
    pub tunnels: Vec<u16>,
    /// So many bytes of each.
    pub bytes: u32,
}

const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const JUMP_IF_EQUAL: u16 = 0x15;
const JUMP: u16 = 0x05;
const RETURN: u16 = 0x06;
/// `SKF_AD_OFF + SKF_AD_PROTOCOL`: the type, as the kernel knows it.
const KIND: u32 = 0xffff_f000;
/// `SKF_NET_OFF`
const NET: u32 = 0xfff0_0000;
/// From the outer network header to the inner one: IPv4, UDP, VXLAN, Ethernet.
const INNER: u32 = 20 + 8 + 8 + 14;

/// The program.
#[must_use]
pub fn program(flow: &Flow) -> Vec<Instruction> {
    let (v4, v6) = (block4(flow), block6(flow));
    let skip = |block: &[Instruction]| u32::try_from(block.len()).unwrap_or(u32::MAX);
    let mut all = vec![
        (LOAD_HALF, 0, 0, KIND),
        (JUMP_IF_EQUAL, 0, 1, 0x0806),
        (RETURN, 0, 0, flow.bytes),
        (JUMP_IF_EQUAL, 1, 0, 0x0800),
        (JUMP, 0, 0, skip(&v4)),
    ];
    all.extend(&v4);
    all.extend([(JUMP_IF_EQUAL, 1, 0, 0x86dd), (JUMP, 0, 0, skip(&v6))]);
    all.extend(&v6);
    all.push((RETURN, 0, 0, 0));
    all
}

/// Ends in any case.
fn block4(flow: &Flow) -> Vec<Instruction> {
    let mut all = tunnelled(flow);
    all.extend(protocol(flow, 9, &[1]));
    all.extend(addresses4(flow, 0));
    all.push((RETURN, 0, 0, if flow.addrs.is_empty() { flow.bytes } else { 0 }));
    all
}

fn block6(flow: &Flow) -> Vec<Instruction> {
    // Headers of extensions stand before the protocol: those are taken as they come.
    let mut all = protocol(flow, 6, &[58, 44, 0, 43, 60]);
    all.extend(addresses6(flow, 0));
    all.push((RETURN, 0, 0, if flow.addrs.is_empty() { flow.bytes } else { 0 }));
    all
}

/// Ends the program for a protocol that is not wanted.
fn protocol(flow: &Flow, at: u32, always: &[u8]) -> Vec<Instruction> {
    if flow.protos.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<u8> = flow.protos.iter().chain(always).copied().take(200).collect();
    let mut all = vec![(LOAD_BYTE, 0, 0, NET + at)];
    for (i, proto) in wanted.iter().enumerate() {
        let over = u8::try_from(wanted.len() - i).unwrap_or(u8::MAX);
        all.push((JUMP_IF_EQUAL, over, 0, u32::from(*proto)));
    }
    all.push((RETURN, 0, 0, 0));
    all
}

/// Accepts IPv4 from or to one of the addresses; the header is so far behind the first one.
fn addresses4(flow: &Flow, behind: u32) -> Vec<Instruction> {
    let mut all = Vec::new();
    for side in [12, 16] {
        all.push((LOAD_WORD, 0, 0, NET + behind + side));
        for addr in &flow.addrs {
            if let IpAddr::V4(addr) = addr {
                all.push((JUMP_IF_EQUAL, 0, 1, u32::from(*addr)));
                all.push((RETURN, 0, 0, flow.bytes));
            }
        }
    }
    all
}

fn addresses6(flow: &Flow, behind: u32) -> Vec<Instruction> {
    let mut all = Vec::new();
    for side in [8, 24] {
        for addr in &flow.addrs {
            let IpAddr::V6(addr) = addr else { continue };
            let words = addr.octets();
            let words = words.chunks(4).map(|w| w.iter().fold(0, |n, b| n << 8 | u32::from(*b)));
            for ((word, at), left) in words.zip([0, 4, 8, 12]).zip([7, 5, 3, 1]) {
                all.push((LOAD_WORD, 0, 0, NET + behind + side + at));
                all.push((JUMP_IF_EQUAL, 0, left, word));
            }
            all.push((RETURN, 0, 0, flow.bytes));
        }
    }
    all
}

/// Accepts what comes through a tunnel over IPv4 and is of the flow; goes on for all else.
fn tunnelled(flow: &Flow) -> Vec<Instruction> {
    if flow.tunnels.is_empty() {
        return Vec::new();
    }
    let mut inner = vec![(LOAD_HALF, 0, 0, NET + INNER - 2)];
    let (mut four, six) = (addresses4(flow, INNER), addresses6(flow, INNER));
    let skip = |block: &[Instruction]| u32::try_from(block.len()).unwrap_or(u32::MAX);
    four.push((JUMP, 0, 0, skip(&six) + 2));
    inner.extend([
        // Who asks for an address on the inside is wanted, too.
        (JUMP_IF_EQUAL, 0, 1, 0x0806),
        (RETURN, 0, 0, flow.bytes),
        (JUMP_IF_EQUAL, 1, 0, 0x0800),
        (JUMP, 0, 0, skip(&four)),
    ]);
    inner.extend(four);
    inner.extend([(JUMP_IF_EQUAL, 1, 0, 0x86dd), (JUMP, 0, 0, skip(&six))]);
    inner.extend(six);
    let mut all = vec![
        (LOAD_BYTE, 0, 0, NET),
        (JUMP_IF_EQUAL, 1, 0, 0x45),
        (JUMP, 0, 0, 0),
        (LOAD_BYTE, 0, 0, NET + 9),
        (JUMP_IF_EQUAL, 1, 0, 17),
        (JUMP, 0, 0, 0),
        (LOAD_HALF, 0, 0, NET + 22),
    ];
    let ports: Vec<u16> = flow.tunnels.iter().copied().take(200).collect();
    for (i, port) in ports.iter().enumerate() {
        let over = u8::try_from(ports.len() - i).unwrap_or(u8::MAX);
        all.push((JUMP_IF_EQUAL, over, 0, u32::from(*port)));
    }
    all.push((JUMP, 0, 0, skip(&inner)));
    let whole = all.len() + inner.len();
    for at in [2, 5] {
        if let Some(jump) = all.get_mut(at) {
            jump.3 = u32::try_from(whole - at - 1).unwrap_or(u32::MAX);
        }
    }
    all.extend(inner);
    // What is not of the flow goes on, with the accumulator spoilt: all that follows loads anew.
    all
}
