//! Expressions: the instructions that the kernel runs for a rule.
//!
//!     payload 4 bytes at network header + 12 → reg 1 · lookup reg 1 in @masq4 · masq
//!
//! What ropewalk does not know is kept as [`Expr::Opaque`], byte for byte.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ruleset::Family;

/// Bytes, shown and serialised as hexadecimal.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Bytes(pub Vec<u8>);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl From<Bytes> for String {
    fn from(b: Bytes) -> Self {
        b.to_string()
    }
}
impl TryFrom<String> for Bytes {
    type Error = &'static str;
    fn try_from(s: String) -> Result<Self, Self::Error> {
        let digits: Option<Vec<u32>> = s.chars().map(|c| c.to_digit(16)).collect();
        let digits = digits.ok_or("not hexadecimal")?;
        if digits.len() % 2 != 0 {
            return Err("an odd number of hexadecimal digits");
        }
        let byte = |pair: &[u32]| pair.iter().fold(0, |sum, d| sum << 4 | (*d & 15) as u8);
        Ok(Self(digits.chunks(2).map(byte).collect()))
    }
}

/// A register, by its number in 32-bit units from `NFT_REG32_00` = 0 to 15, so that one place has
/// one name: the kernel's `NFT_REG_1` is 0, `NFT_REG_2` is 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Reg(pub u8);

/// One instruction.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "fields bear the kernel's names; nf_tables.h says what they are")]
pub enum Expr {
    /// Loads something that is known of the packet.
    Meta { key: MetaKey, dreg: Reg },
    /// Sets the mark, the priority or the like from a register.
    MetaSet { key: MetaKey, sreg: Reg },
    /// Loads bytes of the packet.
    Payload { what: Payload, dreg: Reg },
    /// Loads something of the connection (`NFT_CT_*`), in a direction (0 original, 1 reply).
    Ct { key: u32, dir: Option<u8>, dreg: Reg },
    /// Sets something of the connection.
    CtSet { key: u32, sreg: Reg },
    /// Goes on when the comparison holds, else ends the rule.
    Cmp { sreg: Reg, op: CmpOp, data: Bytes },
    /// Goes on when the value lies in the range (or not, when `invert`).
    Range { sreg: Reg, invert: bool, from: Bytes, to: Bytes },
    /// `dreg = sreg & mask ^ xor`.
    Bitwise { sreg: Reg, dreg: Reg, mask: Bytes, xor: Bytes },
    /// Swaps bytes of fields `size` bytes wide, over `len` bytes.
    Byteorder { sreg: Reg, dreg: Reg, to_host: bool, len: u32, size: u32 },
    /// Looks a key up; in a map, what it gives goes to `dreg`, a verdict when that is none.
    Lookup { set: String, sreg: Reg, dreg: Option<Reg>, map: bool, invert: bool },
    /// Loads a constant.
    Immediate { dreg: Reg, data: Bytes },
    /// Decides.
    Verdict(Verdict),
    /// Changes source or destination.
    Nat { kind: NatKind, family: Family, addr: Option<Reg>, proto: Option<Reg>, flags: u32 },
    /// Changes the source to the address of the outgoing link.
    Masq { flags: u32, proto: Option<Reg> },
    /// Changes the destination to the address of the incoming link.
    Redir { flags: u32, proto: Option<Reg> },
    /// Asks the routing tables.
    Fib { flags: FibFlags, result: FibResult, dreg: Reg },
    /// Counts. The figures are read, never compared.
    Counter { packets: u64, bytes: u64 },
    /// Drops and tells the sender (`NFT_REJECT_*` and the ICMP code).
    Reject { kind: u32, code: Option<u8> },
    /// Loads something of the packet's route (`NFT_RT_*`).
    Rt { key: u32, dreg: Reg },
    /// Goes on for so many packets in `unit` seconds, and `burst` at once; `over`: for those beyond.
    Limit { rate: u64, unit: u64, burst: u32, over: bool },
    /// Goes on while there are no more than `count` connections; `over`: when there are.
    Connlimit { count: u32, over: bool },
    /// Adds a key to a set, or makes it new (`update`); an expression `with` it is kept for each key.
    Dynset { set: String, sreg: Reg, update: bool, with: Option<Box<Expr>> },
    /// Leaves the packet out of connection tracking.
    Notrack,
    /// A match or target of iptables, with its own data.
    Xt { target: bool, name: String, rev: u32, data: Bytes },
    /// Anything else: its name, and its attributes as they came.
    Opaque { name: String, data: Bytes },
}

/// A place in the packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Payload {
    /// Which header (`NFT_PAYLOAD_*`: 0 link, 1 network, 2 transport).
    pub base: u32,
    /// Bytes from its beginning.
    pub offset: u32,
    /// Number of bytes.
    pub len: u32,
}

/// Something known of a packet (`NFT_META_*`), by its kernel number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MetaKey(pub u32);

impl MetaKey {
    /// Type of the frame's contents, two bytes.
    pub const PROTOCOL: Self = Self(1);
    /// The packet's priority.
    pub const PRIORITY: Self = Self(2);
    /// The packet's mark.
    pub const MARK: Self = Self(3);
    /// Index of the incoming link.
    pub const IIF: Self = Self(4);
    /// Index of the outgoing link.
    pub const OIF: Self = Self(5);
    /// Name of the incoming link, 16 bytes.
    pub const IIFNAME: Self = Self(6);
    /// Name of the outgoing link, 16 bytes.
    pub const OIFNAME: Self = Self(7);
    /// Kind of the incoming link (`ARPHRD_*`), two bytes.
    pub const IIFTYPE: Self = Self(8);
    /// Family of the packet (`NFPROTO_*`), one byte.
    pub const NFPROTO: Self = Self(15);
    /// Transport protocol, one byte.
    pub const L4PROTO: Self = Self(16);
    /// Group of the incoming link.
    pub const IIFGROUP: Self = Self(21);
    /// Group of the outgoing link.
    pub const OIFGROUP: Self = Self(22);
}

/// How two values are compared (`NFT_CMP_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names say it")]
pub enum CmpOp {
    Eq,
    Neq,
    Lt,
    Lte,
    Gt,
    Gte,
}

/// What becomes of the packet, or which chain goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// What is done.
    pub code: VerdictCode,
    /// Where a jump or goto leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<String>,
}

/// A decision (`NF_*` and `NFT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of nft(8)")]
pub enum VerdictCode {
    Drop,
    Accept,
    Continue,
    Break,
    Jump,
    Goto,
    Return,
    Queue,
    Other(i32),
}

/// Which side is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NatKind {
    /// The source.
    Snat,
    /// The destination.
    Dnat,
}

/// What the routing tables are asked with (`NFTA_FIB_F_*`: 1 saddr, 2 daddr, 4 mark, 8 iif, 16 oif).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct FibFlags(pub u32);

/// What they answer (`NFT_FIB_RESULT_*`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FibResult {
    /// Index of the link.
    Oif,
    /// Name of the link.
    OifName,
    /// Type of the address (`RTN_*`), in host byte order.
    AddrType,
}
