//! A chain or rule more or less: those that ropewalk writes.

use ropewalk_facts::Body;
use ropewalk_facts::nft::{
    self, CmpOp, Expr, Family, MetaKey, Rule, RuleKey, Verdict, VerdictCode,
};

use super::facts::{COMMENT, HEADER, tags};
use super::{
    ACCEPT, Chain, DROP, EXTENSION, Entry, IFNAME, Layout, Next, RETURN, Table, layout, put,
};

/// Length of the data of a comment (`XT_MAX_COMMENT_LEN`).
const COMMENT_LEN: usize = 256;
/// Length of a chain's name (`XT_FUNCTION_MAXNAMELEN`), and of the target that bears it.
const CHAIN_LEN: usize = 30;
const BEARER: usize = 64;
/// Length of a standard target.
const STANDARD: usize = 40;

/// Why a table cannot be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The chain or rule is not there.
    Absent,
    /// The chain is there already.
    Exists,
    /// The chain has rules, or rules lead to it.
    Busy,
    /// The rule is none of those that can be written here.
    Unknown,
}

impl Table {
    /// Makes `old` be `new`; what is not there before or after is none.
    ///
    /// # Errors
    /// [`Refusal`]; the table is then as before.
    pub fn change(&mut self, old: Option<&Body>, new: Option<&Body>) -> Result<(), Refusal> {
        match (old, new) {
            _ if self.family == Family::Arptables => Err(Refusal::Unknown),
            (None, Some(Body::Chain(chain))) => self.add_chain(chain),
            (Some(Body::Chain(chain)), None) => self.remove_chain(&chain.key.chain),
            (None, Some(Body::NftRule(rule))) => self.add_rule(rule, rule.at),
            (Some(Body::NftRule(rule)), None) => self.remove_rule(&rule.key).map(|_| ()),
            (Some(Body::NftRule(old)), Some(Body::NftRule(new))) => {
                let mut next = self.clone();
                let at = next.remove_rule(&old.key)?;
                next.add_rule(new, new.at.or(u32::try_from(at).ok()))?;
                *self = next;
                Ok(())
            }
            _ => Err(Refusal::Unknown),
        }
    }

    fn chain(&mut self, name: &str) -> Result<&mut Chain, Refusal> {
        self.chains.iter_mut().find(|chain| chain.name == name).ok_or(Refusal::Absent)
    }

    /// By name among those of its kind, as iptables does it.
    fn add_chain(&mut self, chain: &nft::Chain) -> Result<(), Refusal> {
        let name = chain.key.chain.as_str();
        if chain.base.is_some() || name.len() >= CHAIN_LEN {
            return Err(Refusal::Unknown);
        }
        if self.chain(name).is_ok() {
            return Err(Refusal::Exists);
        }
        let layout = layout(self.family);
        let head = Some(entry(layout, &[], bearer(name)));
        let policy = entry(layout, &[], standard(RETURN));
        let name = name.to_owned();
        let after = |other: &Chain| other.hook.is_none() && other.name > name;
        let at = self.chains.iter().position(after).unwrap_or(self.chains.len());
        self.chains.insert(at, Chain { name, hook: None, head, rules: Vec::new(), policy });
        Ok(())
    }

    fn remove_chain(&mut self, name: &str) -> Result<(), Refusal> {
        let place = self.chains.iter().position(|chain| chain.name == name);
        let place = place.ok_or(Refusal::Absent)?;
        let leads = |rule: &Entry| rule.next == Next::Chain(name.to_owned());
        let led_to = self.chains.iter().flat_map(|chain| &chain.rules).any(leads);
        let full = self.chains.get(place).is_some_and(|c| !c.rules.is_empty() || c.hook.is_some());
        if led_to || full {
            return Err(Refusal::Busy);
        }
        self.chains.remove(place);
        Ok(())
    }

    fn add_rule(&mut self, rule: &Rule, at: Option<u32>) -> Result<(), Refusal> {
        let entry = self.write(rule)?;
        let rules = &mut self.chain(&rule.key.chain.chain)?.rules;
        let at = at.and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
        rules.insert(at.min(rules.len()), entry);
        Ok(())
    }

    /// Returns the place where it was.
    fn remove_rule(&mut self, key: &RuleKey) -> Result<usize, Refusal> {
        let layout = layout(self.family);
        let rules = &mut self.chain(&key.chain.chain)?.rules;
        let place = tags(layout, rules).iter().position(|tag| *tag == key.tag);
        let place = place.ok_or(Refusal::Absent)?;
        rules.remove(place);
        Ok(place)
    }

    /// Interfaces, addresses, a protocol, matches, a comment and a verdict.
    fn write(&mut self, rule: &Rule) -> Result<Entry, Refusal> {
        let layout = layout(self.family);
        if rule.key.tag.starts_with('#') || rule.key.tag.len() >= COMMENT_LEN {
            return Err(Refusal::Unknown);
        }
        let said = Said::of(&rule.exprs)?;
        let mut matches = said.matches;
        matches.push(comment(&rule.key.tag));
        let mut entry = entry(layout, &matches, standard(said.verdict));
        for (place, name) in said.names.iter().enumerate() {
            let Some((name, invert)) = name else { continue };
            put(&mut entry.bytes, layout.names + place * IFNAME, name);
            put(&mut entry.bytes, layout.names + (place + 2) * IFNAME, &mask(name));
            if let Some(flags) = entry.bytes.get_mut(layout.flags + 1) {
                *flags |= u8::from(*invert) << place;
            }
        }
        if let Some(header) = &said.header {
            ask(layout, &mut entry.bytes, header)?;
        }
        if let Some(chain) = said.jump {
            if self.chain(&chain)?.hook.is_some() {
                return Err(Refusal::Unknown);
            }
            entry.next = Next::Chain(chain);
        }
        Ok(entry)
    }
}

/// What the expressions of a rule say.
#[derive(Default)]
struct Said {
    /// Of the interface in and out: the name, and whether it is any other.
    names: [Option<(Vec<u8>, bool)>; 2],
    /// Addresses and protocol, as [`super::facts`] puts them together.
    header: Option<Vec<u8>>,
    /// What else it asks for.
    matches: Vec<Vec<u8>>,
    verdict: i32,
    jump: Option<String>,
}

impl Said {
    fn of(exprs: &[Expr]) -> Result<Self, Refusal> {
        let mut said = Self::default();
        let mut loaded = None;
        for expr in exprs {
            if let Expr::Meta { key, .. } = expr {
                loaded = place(*key);
            } else if let Expr::Cmp { op, data, .. } = expr {
                let slot = loaded.take().and_then(|at: usize| said.names.get_mut(at));
                let invert = *op == CmpOp::Neq;
                if !matches!(op, CmpOp::Eq | CmpOp::Neq) {
                    return Err(Refusal::Unknown);
                }
                let name = data.0.get(..IFNAME).unwrap_or(&data.0).to_vec();
                *slot.ok_or(Refusal::Unknown)? = Some((name, invert));
            } else if let Expr::Opaque { name, data } = expr
                && name == HEADER
            {
                said.header = Some(data.0.clone());
            } else if let Expr::Xt { target: false, name, rev, data } = expr {
                said.matches.push(revised(name, *rev, &data.0)?);
            } else if let Expr::Verdict(verdict) = expr {
                said.decide(verdict)?;
            } else if !matches!(expr, Expr::Counter { .. }) {
                return Err(Refusal::Unknown);
            }
        }
        Ok(said)
    }

    fn decide(&mut self, verdict: &Verdict) -> Result<(), Refusal> {
        self.jump.clone_from(&verdict.chain);
        let plain = [
            (VerdictCode::Accept, ACCEPT),
            (VerdictCode::Drop, DROP),
            (VerdictCode::Return, RETURN),
        ];
        let plain = plain.iter().find(|(code, _)| *code == verdict.code);
        let jumps = verdict.code == VerdictCode::Jump && verdict.chain.is_some();
        let jump = jumps.then_some(0);
        self.verdict = plain.map(|(_, n)| *n).or(jump).ok_or(Refusal::Unknown)?;
        Ok(())
    }
}

/// Writes what the header asks for beside interfaces: addresses and masks, protocol, what is inverted.
fn ask(layout: Layout, entry: &mut [u8], header: &[u8]) -> Result<(), Refusal> {
    let proto = layout.names + 4 * IFNAME;
    let (addresses, rest) = header.split_at_checked(layout.names).ok_or(Refusal::Unknown)?;
    let (number, flags) = rest.split_at_checked(layout.flags - proto).ok_or(Refusal::Unknown)?;
    let [flags, invert] = flags else { return Err(Refusal::Unknown) };
    put(entry, 0, addresses);
    put(entry, proto, number);
    for (at, bits) in [(layout.flags, flags), (layout.flags + 1, invert)] {
        *entry.get_mut(at).ok_or(Refusal::Unknown)? |= bits;
    }
    Ok(())
}

fn place(key: MetaKey) -> Option<usize> {
    [MetaKey::IIFNAME, MetaKey::OIFNAME].iter().position(|known| *known == key)
}

/// Ones for what is compared: of a whole name its final zero, too.
fn mask(name: &[u8]) -> Vec<u8> {
    let end = name.iter().position(|byte| *byte == 0).map_or(name.len(), |zero| zero + 1);
    vec![0xff; end]
}

pub(super) fn entry(layout: Layout, matches: &[Vec<u8>], target: Vec<u8>) -> Entry {
    let mut bytes = vec![0; layout.len];
    bytes.extend(matches.concat());
    let begin = u16::try_from(bytes.len()).unwrap_or_default();
    bytes.extend(target);
    let end = u16::try_from(bytes.len()).unwrap_or_default();
    put(&mut bytes, layout.offsets, &begin.to_ne_bytes());
    put(&mut bytes, layout.offsets + 2, &end.to_ne_bytes());
    Entry { bytes, next: Next::Target, was: None }
}

/// A match or target: its length, its name, its data.
fn extension(name: &str, data: &[u8], len: usize) -> Vec<u8> {
    let mut out = u16::try_from(len).unwrap_or_default().to_ne_bytes().to_vec();
    out.extend(name.as_bytes());
    out.resize(EXTENSION, 0);
    out.extend(data);
    out.resize(len, 0);
    out
}

/// A match of a revision.
fn revised(name: &str, rev: u32, data: &[u8]) -> Result<Vec<u8>, Refusal> {
    let mut out = extension(name, data, EXTENSION + data.len());
    let rev = u8::try_from(rev).map_err(|_| Refusal::Unknown)?;
    *out.get_mut(EXTENSION - 1).ok_or(Refusal::Unknown)? = rev;
    Ok(out)
}

pub(super) fn standard(verdict: i32) -> Vec<u8> {
    extension("", &verdict.to_ne_bytes(), STANDARD)
}

pub(super) fn bearer(name: &str) -> Vec<u8> {
    extension("ERROR", name.as_bytes(), BEARER)
}

fn comment(text: &str) -> Vec<u8> {
    extension(COMMENT, text.as_bytes(), EXTENSION + COMMENT_LEN)
}
