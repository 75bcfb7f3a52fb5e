//! Tables of iptables-legacy and arptables-legacy: one block of bytes each, which socket options read and
//! replace (those of ARP are only read).
//!
//!     SO_GET_INFO ──▶ Info ──▶ SO_GET_ENTRIES ──▶ Table ──▶ facts, as iptables-nft would write them
//!     Table with a chain or rule more or less ──▶ SO_SET_REPLACE, SO_SET_ADD_COUNTERS
//!
//! A rule is kept byte for byte; only where it jumps to is a place in the block, and so is worked
//! out anew when it is written (include/uapi/linux/netfilter_ipv4/ip_tables.h, x_tables.h, for 64-bit
//! kernels).  Never here: sockets, and which rules.

mod arp;
mod block;
mod edit;
mod facts;
#[cfg(test)]
mod tests;

use ropewalk_facts::nft::Family;

pub use edit::Refusal;

/// Number of hooks (`NF_INET_NUMHOOKS`).
const HOOKS: usize = 5;
/// Names of the chains at the hooks.
const HOOK_NAMES: [&str; HOOKS] = ["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"];
/// Length of a table's name (`XT_TABLE_MAXNAMELEN`).
const NAME: usize = 32;
/// Length of `struct xt_entry_target` and `struct xt_entry_match`.
const EXTENSION: usize = 32;
/// Length of a name of an interface (`IFNAMSIZ`).
const IFNAME: usize = 16;
/// Length of `struct xt_counters`.
const COUNTERS: usize = 16;
/// Where `struct ipt_replace` has the address of the counters, and its entries.
pub const COUNTERS_AT: usize = 88;
const REPLACE: usize = 96;

/// `NF_DROP`, `NF_ACCEPT` and `XT_RETURN` as verdicts.
const DROP: i32 = -1;
const ACCEPT: i32 = -2;
const RETURN: i32 = -5;

/// Where things stand in an entry of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Layout {
    /// The names of the chains at the hooks.
    hooks: &'static [&'static str],
    /// Names of the incoming and outgoing interface, then their masks.
    names: usize,
    flags: usize,
    /// What is inverted.
    inverts: usize,
    /// The flag of a goto.
    goto: u8,
    /// Where the target begins, then where the next entry does, two bytes each.
    offsets: usize,
    counters: usize,
    /// Length without matches and target.
    len: usize,
}

const V4: Layout = Layout {
    hooks: &HOOK_NAMES,
    names: 16,
    flags: 82,
    inverts: 83,
    goto: 2,
    offsets: 88,
    counters: 96,
    len: 112,
};
const V6: Layout = Layout {
    hooks: &HOOK_NAMES,
    names: 64,
    flags: 131,
    inverts: 132,
    goto: 4,
    offsets: 140,
    counters: 152,
    len: 168,
};

fn layout(family: Family) -> Layout {
    let others = [(Family::Ip6tables, V6), (Family::Arptables, arp::ARP)];
    others.into_iter().find(|(other, _)| *other == family).map_or(V4, |(_, layout)| layout)
}

/// What the kernel says of a table before its entries (`struct ipt_getinfo`, `struct arpt_getinfo`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Info {
    name: String,
    valid: u32,
    entry: [u32; HOOKS],
    underflow: [u32; HOOKS],
    number: u32,
    size: u32,
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    family: Family,
    name: String,
    valid: u32,
    chains: Vec<Chain>,
    /// The entry that ends the block.
    tail: Vec<u8>,
    /// How many entries it had when it was read.
    number: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Chain {
    name: String,
    hook: Option<usize>,
    /// The entry that bears the name of a chain that is no hook's.
    head: Option<Entry>,
    rules: Vec<Entry>,
    /// What the last entry does to all that comes there.
    policy: Entry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    bytes: Vec<u8>,
    next: Next,
    /// Its number in the block that was read.
    was: Option<u32>,
}

/// Where a packet goes on that the entry is for.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Next {
    /// As its target says.
    Target,
    /// To the next entry.
    Behind,
    /// To a chain.
    Chain(String),
}

/// A block to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// `struct ipt_replace`; the address of a place for the old counters goes to [`COUNTERS_AT`].
    pub block: Vec<u8>,
    /// How many bytes the old counters take.
    pub counters: usize,
    name: String,
    /// For each entry which one it was.
    was: Vec<Option<u32>>,
}

/// The question for [`Info`] about a table, into which the answer is written.
#[must_use]
pub fn info_question(family: Family, table: &str) -> Vec<u8> {
    let mut out = name(table);
    out.resize(NAME + 4 + 8 * layout(family).hooks.len() + 8, 0);
    out
}

/// The question for the entries of a table, into which the answer is written.
#[must_use]
pub fn entries_question(info: &Info) -> Vec<u8> {
    let mut out = name(&info.name);
    out.extend(info.size.to_ne_bytes());
    out.resize(ENTRIES.saturating_add(usize::try_from(info.size).unwrap_or(usize::MAX)), 0);
    out
}

/// Where `struct ipt_get_entries` and `struct xt_counters_info` have what follows.
const ENTRIES: usize = 40;

impl Info {
    /// Reads what [`info_question`] has become.
    #[must_use]
    pub fn read(family: Family, table: &str, bytes: &[u8]) -> Option<Self> {
        let mut at = NAME;
        let mut next = || {
            let word = u32_at(bytes, at);
            at += 4;
            word
        };
        let valid = next()?;
        let (mut entry, mut underflow) = ([0; HOOKS], [0; HOOKS]);
        let hooks = layout(family).hooks.len();
        for place in entry.iter_mut().take(hooks).chain(underflow.iter_mut().take(hooks)) {
            *place = next()?;
        }
        Some(Self { name: table.into(), valid, entry, underflow, number: next()?, size: next()? })
    }
}

impl Replacement {
    /// `struct xt_counters_info`, which gives the entries back what they had counted. `old` is what
    /// the kernel has written.
    #[must_use]
    pub fn give_back(&self, old: &[u8]) -> Vec<u8> {
        let mut out = name(&self.name);
        out.extend(u32::try_from(self.was.len()).unwrap_or_default().to_ne_bytes());
        out.resize(ENTRIES, 0);
        for was in &self.was {
            let at = was.and_then(|was| usize::try_from(was).ok()?.checked_mul(COUNTERS));
            let counted = at.and_then(|at| old.get(at..at.checked_add(COUNTERS)?));
            out.extend(counted.unwrap_or(&[0; COUNTERS]));
        }
        out
    }
}

fn name(table: &str) -> Vec<u8> {
    let mut out = table.as_bytes().to_vec();
    out.resize(NAME, 0);
    out
}

fn u16_at(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|b| usize::from(u16::from_ne_bytes(*b)))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|b| u32::from_ne_bytes(*b))
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    bytes.get(at..)?.first_chunk().map(|b| i32::from_ne_bytes(*b))
}

/// Writes `value` at a place that is there.
fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    if let Some(place) = at.checked_add(value.len()).and_then(|end| bytes.get_mut(at..end)) {
        place.copy_from_slice(value);
    }
}

/// Text up to its zero.
fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes.split(|b| *b == 0).next()?).ok()
}
