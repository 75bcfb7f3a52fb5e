//! The program at `skb:kfree_skb`, and its record of each drop.
//!
//!     is it of the addresses that are followed? ─▶ reason · who called · namespace · link · headers ─▶ queue
//!
//! It only reads, and only what `bpf_probe_read_kernel` lets it.

use std::net::IpAddr;

use super::btf::Layout;
use super::insn::{Code, R0, R1, R2, R3, R4, R6, R7, R8, R9};

/// What the program is under: the kernel lends its functions to such alone.
pub const LICENCE: &std::ffi::CStr = c"Dual MIT/GPL";

/// Bytes of a record.
pub const RECORD: usize = 240;
/// Its parts, and where in it they stand.
const SKB: usize = 0;
const PLACE: usize = 8;
const TIME: usize = 16;
const REASON: usize = 24;
const INDEX: usize = 28;
const INUM: usize = 32;
const KIND: usize = 36;
const NAME: usize = 40;
const BYTES: usize = 56;
const STACK: usize = 144;
/// Bytes of the packet.
const PACKET: usize = STACK - BYTES;

const PROBE_READ_KERNEL: i32 = 113;
const KTIME_GET_NS: i32 = 5;
const GET_STACK: i32 = 67;
const MAP_PUSH_ELEM: i32 = 87;

/// Where a part of the record stands in the stack.
fn at(part: usize) -> i16 {
    i16::try_from(part).unwrap_or(0) - i16::try_from(RECORD).unwrap_or(0)
}

/// The program for drops of packets from or to these addresses; `queue` is the descriptor of a map.
#[must_use]
pub fn program(layout: &Layout, addrs: &[IpAddr], queue: i32) -> Option<Vec<u8>> {
    let mut code = Code::default();
    code.copy(R6, R1).load(8, R7, R6, 0);
    for word in 0..RECORD / 8 {
        code.zero(at(word * 8));
    }
    code.store(8, at(SKB), R7).load(8, R1, R6, 8).store(8, at(PLACE), R1);
    if layout.says_why {
        code.load(8, R1, R6, 16).store(4, at(REASON), R1);
    }
    read(&mut code, at(KIND), 2, R7, layout.protocol);
    read(&mut code, at(STACK), 8, R7, layout.head);
    code.fetch(8, R8, at(STACK));
    read(&mut code, at(STACK), 2, R7, layout.network);
    code.fetch(2, R9, at(STACK)).plus(R8, R9);
    read(&mut code, at(BYTES), PACKET, R8, 0);
    code.fetch(2, R1, at(KIND));
    code.if_word(R1, u32::from(0x0800_u16.to_be()), "four");
    code.if_word(R1, u32::from(0x86dd_u16.to_be()), "six");
    code.jump("end");
    wanted(&mut code, addrs);
    code.label("ours");
    whose(&mut code, layout);
    code.label("say").zero(at(STACK)).call(KTIME_GET_NS).store(8, at(TIME), R0);
    let callers = i32::try_from(RECORD - STACK).unwrap_or(0);
    code.copy(R1, R6).stack(R2, at(STACK)).set(R3, callers).set(R4, 0).call(GET_STACK);
    code.map(R1, queue).stack(R2, at(0)).set(R3, 0).call(MAP_PUSH_ELEM);
    code.label("end").set(R0, 0).exit();
    code.bytes()
}

/// `stack[to..] = *(from + off)`
fn read(code: &mut Code, to: i16, bytes: usize, from: u8, off: i16) {
    let bytes = i32::try_from(bytes).unwrap_or(0);
    code.stack(R1, to).set(R2, bytes).sum(R3, from, off).call(PROBE_READ_KERNEL);
}

/// Ends the program for packets of others. Of addresses of IPv6 the last word is enough.
fn wanted(code: &mut Code, addrs: &[IpAddr]) {
    let mut four = Vec::new();
    let mut six = Vec::new();
    for addr in addrs.iter().take(64) {
        match addr {
            IpAddr::V4(ip) => four.push(u32::from_le_bytes(ip.octets())),
            IpAddr::V6(ip) => {
                six.extend(ip.octets().last_chunk().copied().map(u32::from_le_bytes));
            }
        }
    }
    for (label, words, sides) in [("four", four, [12, 16]), ("six", six, [20, 36])] {
        code.label(label);
        for side in sides {
            code.fetch(4, R1, at(BYTES + side));
            for word in &words {
                code.if_word(R1, *word, "ours");
            }
        }
        code.jump("end");
    }
}

/// The link and the namespace; that of the socket where there is no link.
fn whose(code: &mut Code, layout: &Layout) {
    read(code, at(STACK), 8, R7, layout.dev);
    code.fetch(8, R8, at(STACK)).if_equal(R8, 0, "no link");
    read(code, at(INDEX), 4, R8, layout.index);
    read(code, at(NAME), 16, R8, layout.name);
    read(code, at(STACK), 8, R8, layout.dev_net);
    code.fetch(8, R9, at(STACK)).jump("namespace");
    code.label("no link");
    read(code, at(STACK), 8, R7, layout.sk);
    code.fetch(8, R8, at(STACK)).if_equal(R8, 0, "say");
    read(code, at(STACK), 8, R8, layout.sk_net);
    code.fetch(8, R9, at(STACK));
    code.label("namespace").if_equal(R9, 0, "say");
    read(code, at(INUM), 4, R9, layout.inum);
}

/// A packet that was dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost {
    /// Nanoseconds since boot, as clocks of the kind `CLOCK_MONOTONIC` count.
    pub at: u64,
    /// The kernel's number for the reason.
    pub reason: u32,
    /// The inode of the namespace; 0 where it is not known.
    pub inum: u32,
    /// The link, by index; 0 where there is none.
    pub index: u32,
    /// The link's name.
    pub name: String,
    /// From the network header on.
    pub bytes: Vec<u8>,
    /// Where in the kernel: the place itself, then who called.
    pub stack: Vec<u64>,
}

/// Reads a record.
#[must_use]
pub fn record(bytes: &[u8]) -> Option<Lost> {
    let word = |at: usize| -> Option<u64> {
        bytes.get(at..)?.first_chunk().copied().map(u64::from_le_bytes)
    };
    let half = |at: usize| -> Option<u32> {
        bytes.get(at..)?.first_chunk().copied().map(u32::from_le_bytes)
    };
    let name = bytes.get(NAME..BYTES)?.split(|byte| *byte == 0).next()?;
    let callers = (STACK..RECORD).step_by(8).map_while(word).take_while(|place| *place != 0);
    Some(Lost {
        at: word(TIME)?,
        reason: half(REASON)?,
        inum: half(INUM)?,
        index: half(INDEX)?,
        name: String::from_utf8_lossy(name).into_owned(),
        bytes: bytes.get(BYTES..STACK)?.to_vec(),
        stack: std::iter::once(word(PLACE)?).chain(callers).collect(),
    })
}
