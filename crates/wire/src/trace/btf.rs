//! The kernel's own description of its structures: where in them what is.
//!
//!     bpftool btf dump file /sys/kernel/btf/vmlinux      struct sk_buff { … dev; head; … }
//!
//! Documentation/bpf/btf.rst.  Never here: reading the file.

use std::collections::BTreeMap;

/// Where a drop's facts are, in bytes from the begin of their structure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Layout {
    /// `sk_buff.protocol`
    pub protocol: i16,
    /// `sk_buff.head`
    pub head: i16,
    /// `sk_buff.network_header`
    pub network: i16,
    /// `sk_buff.dev`
    pub dev: i16,
    /// `sk_buff.sk`
    pub sk: i16,
    /// `net_device.ifindex`
    pub index: i16,
    /// `net_device.name`
    pub name: i16,
    /// `net_device.nd_net`
    pub dev_net: i16,
    /// `sock.__sk_common.skc_net`
    pub sk_net: i16,
    /// `net.ns.inum`
    pub inum: i16,
    /// The tracepoint says why (since Linux 5.17).
    pub says_why: bool,
    /// What its numbers mean, without what they all begin with.
    pub reasons: BTreeMap<u32, String>,
}

const MAGIC: u16 = 0xeb9f;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const POINTER: u32 = 2;
const PROTOTYPE: u32 = 13;
/// All reasons begin with it.
const PREFIX: &str = "SKB_DROP_REASON_";
/// Structures without a name within one another.
const DEEPEST: u32 = 8;

/// Reads what is needed; none where something of it is missing.
#[must_use]
pub fn read(bytes: &[u8]) -> Option<Layout> {
    let types = Types::read(bytes)?;
    let [skb, dev, net, common, ns] =
        ["sk_buff", "net_device", "net", "sock_common", "ns_common"].map(|n| types.structure(n));
    let at = |of: Option<usize>, member: &str| -> Option<i16> {
        let bits = types.member(of?, member, 0)?;
        i16::try_from(bits / 8).ok()
    };
    Some(Layout {
        protocol: at(skb, "protocol")?,
        head: at(skb, "head")?,
        network: at(skb, "network_header")?,
        dev: at(skb, "dev")?,
        sk: at(skb, "sk")?,
        index: at(dev, "ifindex")?,
        name: at(dev, "name")?,
        dev_net: at(dev, "nd_net")?,
        // `struct sock` begins with it.
        sk_net: at(common, "skc_net")?,
        inum: at(net, "ns")?.checked_add(at(ns, "inum")?)?,
        says_why: types.arguments("btf_trace_kfree_skb")? >= 4,
        reasons: types.reasons(),
    })
}

/// Where each type is.
struct Types<'a> {
    bytes: &'a [u8],
    strings: &'a [u8],
    /// The first is the type 1.
    starts: Vec<usize>,
}

/// Of each type: its name, kind, flag, number of members, and size or type.
#[derive(Clone, Copy)]
struct Head {
    name: usize,
    kind: u32,
    flag: bool,
    count: usize,
    of: usize,
}

impl<'a> Types<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        if u16::from_le_bytes(bytes.first_chunk().copied()?) != MAGIC {
            return None;
        }
        let header = word(bytes, 4)?;
        let part = |at: usize| {
            let from = header.checked_add(word(bytes, at)?)?;
            bytes.get(from..from.checked_add(word(bytes, at + 4)?)?)
        };
        let mut all = Self { bytes: part(8)?, strings: part(16)?, starts: Vec::new() };
        let mut at = 0;
        while at < all.bytes.len() {
            let head = all.head_at(at)?;
            all.starts.push(at);
            at += 12 + head.rest()?;
        }
        Some(all)
    }

    fn head_at(&self, at: usize) -> Option<Head> {
        let info = u32::try_from(word(self.bytes, at + 4)?).ok()?;
        Some(Head {
            name: word(self.bytes, at)?,
            kind: info >> 24 & 0x1f,
            flag: info >> 31 == 1,
            count: usize::try_from(info & 0xffff).ok()?,
            of: word(self.bytes, at + 8)?,
        })
    }

    /// Where a type begins, and what it begins with.
    fn head(&self, id: usize) -> Option<(usize, Head)> {
        let at = *self.starts.get(id.checked_sub(1)?)?;
        Some((at, self.head_at(at)?))
    }

    fn named(&self, name: usize, wanted: &str) -> bool {
        let end = name + wanted.len();
        self.strings.get(name..end) == Some(wanted.as_bytes()) && self.strings.get(end) == Some(&0)
    }

    fn find(&self, kind: u32, name: &str) -> Option<usize> {
        let fits = |at: &usize| {
            self.head_at(*at).is_some_and(|h| h.kind == kind && self.named(h.name, name))
        };
        self.starts.iter().position(fits).map(|index| index + 1)
    }

    fn structure(&self, name: &str) -> Option<usize> {
        self.find(STRUCT, name)
    }

    /// Where a member is, in bits; members of structures without a name are its own.
    fn member(&self, id: usize, wanted: &str, depth: u32) -> Option<usize> {
        let (at, head) = self.head(id)?;
        if depth > DEEPEST || !matches!(head.kind, STRUCT | UNION) {
            return None;
        }
        (0..head.count).find_map(|index| {
            let at = at + 12 + index * 12;
            let (name, of) = (word(self.bytes, at)?, word(self.bytes, at + 4)?);
            let bits = word(self.bytes, at + 8)?;
            let bits = if head.flag { bits & 0xff_ffff } else { bits };
            if self.named(name, wanted) {
                return Some(bits);
            }
            let inner = self.named(name, "").then(|| self.member(of, wanted, depth + 1));
            inner.flatten().map(|inner| bits + inner)
        })
    }

    /// How many arguments a tracepoint has, its own data among them.
    fn arguments(&self, name: &str) -> Option<usize> {
        let (_, alias) = self.head(self.find(TYPEDEF, name)?)?;
        let (_, pointer) = self.head(alias.of)?;
        let (_, function) = self.head(pointer.of)?;
        (pointer.kind == POINTER && function.kind == PROTOTYPE).then_some(function.count)
    }

    fn reasons(&self) -> BTreeMap<u32, String> {
        let found = self.find(ENUM, "skb_drop_reason").and_then(|id| self.head(id));
        let Some((at, head)) = found else { return BTreeMap::new() };
        let read = |index: usize| {
            let at = at + 12 + index * 8;
            let name = self.strings.get(word(self.bytes, at)?..)?;
            let name = name.split(|byte| *byte == 0).next()?;
            let name = String::from_utf8_lossy(name);
            let number = u32::try_from(word(self.bytes, at + 4)?).ok()?;
            Some((number, name.strip_prefix(PREFIX).unwrap_or(&name).to_owned()))
        };
        (0..head.count).filter_map(read).collect()
    }
}

impl Head {
    /// Bytes behind the first twelve; none for a kind that came later than this.
    fn rest(self) -> Option<usize> {
        Some(match self.kind {
            1 | 14 | 17 => 4,
            3 => 12,
            STRUCT | UNION | 15 | 19 => self.count * 12,
            ENUM | PROTOTYPE => self.count * 8,
            POINTER | 7..=12 | 16 | 18 => 0,
            _ => return None,
        })
    }
}

fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk().copied()?;
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
