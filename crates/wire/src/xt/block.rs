//! The block: entries one behind the other, chains told by where they begin.
//!
//!     INPUT: rules, policy · FORWARD: … · OUTPUT: … · name A, rules, return · name B, … · end
//!
//! No place and no length is believed before it is checked.

use std::collections::BTreeMap;

use ropewalk_facts::nft::Family;

use super::{
    COUNTERS, Chain, ENTRIES, EXTENSION, Entry, HOOKS, Info, Layout, Next, REPLACE, Replacement,
    Table, i32_at, layout, name, put, text, u16_at,
};

/// The target of an entry that bears a name.
const ERROR: &str = "ERROR";

/// An entry and where it stands.
struct Placed<'a> {
    at: usize,
    number: u32,
    bytes: &'a [u8],
}

impl Table {
    /// Reads what the question for entries has become. None when it makes no sense.
    #[must_use]
    pub fn read(family: Family, info: &Info, bytes: &[u8]) -> Option<Self> {
        let size = usize::try_from(info.size).ok()?;
        let block = bytes.get(ENTRIES..ENTRIES.checked_add(size)?)?;
        let entries = entries(layout(family), block)?;
        let starts = starts(layout(family), &entries);
        let (tail, mut rest) = entries.split_last()?;
        let mut chains = Vec::new();
        while !rest.is_empty() {
            let (chain, after) = chain(layout(family), info, &starts, rest)?;
            chains.push(chain);
            rest = after;
        }
        let (name, tail) = (info.name.clone(), tail.bytes.to_vec());
        Some(Self { family, name, valid: info.valid, chains, tail, number: info.number })
    }

    /// The block, with every jump where its chain is. None of arptables, which is only read.
    #[must_use]
    pub fn replacement(&self) -> Option<Replacement> {
        if self.family == Family::Arptables {
            return None;
        }
        let (mut at, mut starts, mut hooks) = (0, BTreeMap::new(), [[0u32; 2]; HOOKS]);
        for chain in &self.chains {
            at += chain.head.as_ref().map_or(0, |head| head.bytes.len());
            let begin = u32::try_from(at).ok()?;
            starts.insert(chain.name.as_str(), begin);
            at += chain.rules.iter().map(|rule| rule.bytes.len()).sum::<usize>();
            if let Some(ends) = chain.hook.and_then(|hook| hooks.get_mut(hook)) {
                *ends = [begin, u32::try_from(at).ok()?];
            }
            at += chain.policy.bytes.len();
        }
        let mut block = Vec::new();
        let mut was = Vec::new();
        for entry in self.chains.iter().flat_map(Chain::entries) {
            let bytes = entry.written(layout(self.family), block.len(), &starts)?;
            block.extend(bytes);
            was.push(entry.was);
        }
        block.extend(&self.tail);
        was.push(self.number.checked_sub(1));
        let mut out = name(&self.name);
        let words = [self.valid, u32::try_from(was.len()).ok()?, u32::try_from(block.len()).ok()?];
        let ends = (0..2).flat_map(|end| hooks.iter().filter_map(move |hook| hook.get(end)));
        for word in words.iter().chain(ends).chain([&self.number]) {
            out.extend(word.to_ne_bytes());
        }
        out.resize(REPLACE, 0);
        out.extend(block);
        let counters = usize::try_from(self.number).ok()?.checked_mul(COUNTERS)?;
        Some(Replacement { block: out, counters, name: self.name.clone(), was })
    }
}

/// All entries, each with its matches and target within its bounds.
fn entries(layout: Layout, block: &[u8]) -> Option<Vec<Placed<'_>>> {
    let (mut all, mut at) = (Vec::new(), 0);
    while at < block.len() {
        let rest = block.get(at..)?;
        let target = u16_at(rest, layout.offsets)?;
        let len = u16_at(rest, layout.offsets + 2)?;
        if target < layout.len || target.checked_add(EXTENSION)? > len {
            return None;
        }
        let number = u32::try_from(all.len()).ok()?;
        all.push(Placed { at, number, bytes: rest.get(..len)? });
        at += len;
    }
    Some(all)
}

/// The chain that begins here, and what is behind it.
fn chain<'e, 'b>(
    layout: Layout,
    info: &Info,
    starts: &BTreeMap<usize, String>,
    entries: &'e [Placed<'b>],
) -> Option<(Chain, &'e [Placed<'b>])> {
    let first = entries.first()?;
    let is_at = |ends: &[u32; HOOKS], hook: usize, at: usize| {
        let place = ends.get(hook).and_then(|end| usize::try_from(*end).ok());
        info.valid >> hook & 1 == 1 && place == Some(at)
    };
    let hook = (0..HOOKS).find(|hook| is_at(&info.entry, *hook, first.at));
    let (name, head, own, after) = if let Some(hook) = hook {
        let last = entries.iter().position(|e| is_at(&info.underflow, hook, e.at))?;
        let (own, after) = entries.split_at_checked(last + 1)?;
        ((*layout.hooks.get(hook)?).to_owned(), None, own, after)
    } else {
        let (_, behind) = entries.split_first()?;
        let next = behind.iter().position(|e| named(layout, e.bytes).is_some());
        let (own, after) = behind.split_at_checked(next.unwrap_or(behind.len()))?;
        let head = first.kept(layout, starts)?;
        (named(layout, first.bytes)?.to_owned(), Some(head), own, after)
    };
    let (policy, rules) = own.split_last()?;
    let rules = rules.iter().map(|rule| rule.kept(layout, starts)).collect::<Option<_>>()?;
    let policy = policy.kept(layout, starts)?;
    Some((Chain { name, hook, head, rules, policy }, after))
}

impl Placed<'_> {
    /// The entry by itself. A rule without a target goes on behind itself.
    fn kept(&self, layout: Layout, starts: &BTreeMap<usize, String>) -> Option<Entry> {
        let place = verdict(layout, self.bytes).and_then(|verdict| usize::try_from(verdict).ok());
        let next = match place {
            None => Next::Target,
            Some(at) if at == self.at.checked_add(self.bytes.len())? => Next::Behind,
            Some(at) => Next::Chain(starts.get(&at)?.clone()),
        };
        Some(Entry { bytes: self.bytes.to_vec(), next, was: Some(self.number) })
    }
}

/// The name that an entry bears.
fn named(layout: Layout, bytes: &[u8]) -> Option<&str> {
    let target = bytes.get(u16_at(bytes, layout.offsets)?..)?;
    (text(target.get(2..31)?)? == ERROR).then(|| text(target.get(EXTENSION..)?))?
}

/// Where the chains begin that are jumped to: behind their names.
fn starts(layout: Layout, entries: &[Placed<'_>]) -> BTreeMap<usize, String> {
    let pairs = entries.iter().zip(entries.iter().skip(1));
    let start = |(name, first): (&Placed<'_>, &Placed<'_>)| {
        Some((first.at, named(layout, name.bytes)?.to_owned()))
    };
    pairs.filter_map(start).collect()
}

impl Chain {
    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.head.iter().chain(&self.rules).chain([&self.policy])
    }
}

/// The verdict of a standard target; one that is not negative is a place.
pub(super) fn verdict(layout: Layout, bytes: &[u8]) -> Option<i32> {
    let target = bytes.get(u16_at(bytes, layout.offsets)?..)?;
    (text(target.get(2..31)?)?.is_empty()).then(|| i32_at(target, EXTENSION))?
}

impl Entry {
    /// Its bytes as they are at `at`.
    fn written(&self, layout: Layout, at: usize, starts: &BTreeMap<&str, u32>) -> Option<Vec<u8>> {
        let mut bytes = self.bytes.clone();
        let place = match &self.next {
            Next::Target => return Some(bytes),
            Next::Behind => u32::try_from(at.checked_add(bytes.len())?).ok()?,
            Next::Chain(name) => *starts.get(name.as_str())?,
        };
        let target = u16_at(&bytes, layout.offsets)?;
        put(&mut bytes, target.checked_add(EXTENSION)?, &place.to_ne_bytes());
        Some(bytes)
    }
}
