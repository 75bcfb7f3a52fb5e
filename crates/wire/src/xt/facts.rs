//! A table as facts: the chains, and the rules in the expressions that iptables-nft would use.
//!
//!     -i rw+ -m comment --comment x -j ACCEPT  =  iifname "rw*" counter accept, called x
//!
//! What is not spoken of here is kept as one opaque expression: it is a condition.

use ropewalk_facts::Body;
use ropewalk_facts::nft::{
    self, Base, Bytes, ChainKey, CmpOp, Expr, Family, MetaKey, Reg, Rule, RuleKey, TableKey,
    Verdict, VerdictCode,
};

use super::block::verdict;
use super::{
    ACCEPT, Chain, DROP, EXTENSION, Entry, IFNAME, Layout, Next, RETURN, Table, arp, layout, text,
    u16_at,
};

/// The match that says nothing but a text.
pub(super) const COMMENT: &str = "comment";
/// What a rule asks for beside interfaces: addresses, masks, protocol, what is inverted.
pub(super) const HEADER: &str = "ip";

impl Table {
    /// What the table has, in order.
    #[must_use]
    pub fn facts(&self) -> Vec<Body> {
        let table = TableKey::new(self.family, self.name.clone());
        let mut all = Vec::new();
        for chain in &self.chains {
            let key = table.chain(chain.name.clone());
            all.push(Body::Chain(nft::Chain { key: key.clone(), base: self.base(chain) }));
            let tags = tags(layout(self.family), &chain.rules);
            for ((at, rule), tag) in (0..).zip(&chain.rules).zip(tags) {
                all.push(Body::NftRule(self.rule(&key, rule, tag, at)));
            }
        }
        all
    }

    fn base(&self, chain: &Chain) -> Option<Base> {
        let hook = u32::try_from(chain.hook?).ok()?;
        let drop = verdict(layout(self.family), &chain.policy.bytes) == Some(DROP);
        let (kind, priority) = place(&self.name, hook);
        Some(Base { kind: kind.into(), hook, priority, drop, devs: Vec::new() })
    }

    fn rule(&self, chain: &ChainKey, entry: &Entry, tag: String, at: u32) -> Rule {
        let layout = layout(self.family);
        let arp = self.family == Family::Arptables;
        let asked = if arp { arp_header } else { header };
        let mut exprs = asked(layout, &entry.bytes);
        exprs.extend(matches(layout, &entry.bytes));
        exprs.push(counter(layout, &entry.bytes));
        exprs.extend(end(self.family, entry));
        Rule { key: RuleKey { chain: chain.clone(), tag }, exprs, at: Some(at) }
    }
}

/// The kind of a table's chains, and where they stand at a hook (`NF_IP_PRI_*`).
fn place(table: &str, hook: u32) -> (&'static str, i32) {
    match table {
        "nat" => ("nat", if matches!(hook, 0 | 3) { -100 } else { 100 }),
        "raw" => ("filter", -300),
        "mangle" => ("filter", -150),
        "security" => ("filter", 50),
        _ => ("filter", 0),
    }
}

/// The names of the rules of a chain: their comments, and their places where there is none, or an
/// earlier rule has the same.
pub(super) fn tags(layout: Layout, rules: &[Entry]) -> Vec<String> {
    let mut tags: Vec<String> = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let comment = comment(layout, &rule.bytes).filter(|text| !text.starts_with('#'));
        let new = comment.filter(|text| !tags.contains(text));
        tags.push(new.unwrap_or_else(|| format!("#{at}")));
    }
    tags
}

fn comment(layout: Layout, bytes: &[u8]) -> Option<String> {
    let mut all = extensions(layout, bytes).into_iter();
    let (_, _, data) = all.find(|(name, ..)| *name == COMMENT)?;
    text(data).filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

/// Names, revisions and data of the matches.
fn extensions(layout: Layout, bytes: &[u8]) -> Vec<(&str, u32, &[u8])> {
    let end = u16_at(bytes, layout.offsets).unwrap_or_default();
    let mut rest = bytes.get(layout.len..end).unwrap_or_default();
    let mut all = Vec::new();
    while let Some(one) = extension(rest) {
        all.push(one);
        let len = u16_at(rest, 0).unwrap_or(rest.len());
        rest = rest.get(len..).unwrap_or_default();
    }
    all
}

/// The match or target that begins here.
fn extension(bytes: &[u8]) -> Option<(&str, u32, &[u8])> {
    let len = u16_at(bytes, 0)?;
    let data = bytes.get(EXTENSION..len)?;
    Some((text(bytes.get(2..31)?)?, u32::from(*bytes.get(31)?), data))
}

fn matches(layout: Layout, bytes: &[u8]) -> Vec<Expr> {
    let xt = |(name, rev, data): (&str, u32, &[u8])| Expr::Xt {
        target: false,
        name: name.to_owned(),
        rev,
        data: Bytes(data.to_vec()),
    };
    let says = |(name, ..): &(&str, u32, &[u8])| *name != COMMENT;
    extensions(layout, bytes).into_iter().filter(says).map(xt).collect()
}

/// The interfaces, and all else that the header asks for.
fn header(layout: Layout, bytes: &[u8]) -> Vec<Expr> {
    let invert = bytes.get(layout.inverts).copied().unwrap_or_default();
    let mut exprs = links(layout, bytes, usize::from(invert));
    let addresses = bytes.get(..layout.names).unwrap_or_default();
    let proto = bytes.get(layout.names + 4 * IFNAME..layout.flags).unwrap_or_default();
    let flags = bytes.get(layout.flags).copied().unwrap_or_default() & !layout.goto;
    if addresses.iter().chain(proto).any(|byte| *byte != 0) || flags != 0 || invert & !3 != 0 {
        let data = Bytes([addresses, proto, &[flags, invert & !3]].concat());
        exprs.push(Expr::Opaque { name: HEADER.into(), data });
    }
    exprs
}

/// The interfaces, and the fields of ARP.
fn arp_header(layout: Layout, bytes: &[u8]) -> Vec<Expr> {
    let invert = u16_at(bytes, layout.inverts).unwrap_or_default();
    let mut exprs = links(layout, bytes, invert);
    exprs.extend(arp::asked(bytes, invert));
    exprs
}

fn links(layout: Layout, bytes: &[u8], invert: usize) -> Vec<Expr> {
    let mut exprs = Vec::new();
    for (place, key) in [(0, MetaKey::IIFNAME), (1, MetaKey::OIFNAME)] {
        let name = field(bytes, layout.names + place * IFNAME);
        let mask = field(bytes, layout.names + (place + 2) * IFNAME);
        let len = mask.iter().take_while(|byte| **byte != 0).count();
        // A mask beyond the final zero is a whole name.
        let whole = name.get(..len).is_some_and(|name| name.contains(&0));
        let data = if whole { name } else { name.get(..len).unwrap_or_default() };
        let op = if invert >> place & 1 == 1 { CmpOp::Neq } else { CmpOp::Eq };
        if !data.is_empty() {
            let data = Bytes(data.to_vec());
            exprs.extend([Expr::Meta { key, dreg: Reg(0) }, Expr::Cmp { sreg: Reg(0), op, data }]);
        }
    }
    exprs
}

fn field(bytes: &[u8], at: usize) -> &[u8] {
    bytes.get(at..at.saturating_add(IFNAME)).unwrap_or_default()
}

fn counter(layout: Layout, bytes: &[u8]) -> Expr {
    let word = |at: usize| {
        let chunk = bytes.get(at..).and_then(|bytes| bytes.first_chunk());
        chunk.map(|b| u64::from_ne_bytes(*b)).unwrap_or_default()
    };
    Expr::Counter { packets: word(layout.counters), bytes: word(layout.counters + 8) }
}

/// What is done in the end.
fn end(family: Family, entry: &Entry) -> Option<Expr> {
    let (layout, bytes) = (layout(family), &entry.bytes);
    let decide = |code, chain| Some(Expr::Verdict(Verdict { code, chain }));
    match &entry.next {
        Next::Behind => return None,
        Next::Chain(name) => {
            let goto = bytes.get(layout.flags).is_some_and(|flags| flags & layout.goto != 0);
            let code = if goto { VerdictCode::Goto } else { VerdictCode::Jump };
            return decide(code, Some(name.clone()));
        }
        Next::Target => {}
    }
    match verdict(layout, bytes) {
        Some(DROP) => return decide(VerdictCode::Drop, None),
        Some(ACCEPT) => return decide(VerdictCode::Accept, None),
        Some(RETURN) => return decide(VerdictCode::Return, None),
        Some(other) => return decide(VerdictCode::Other(other), None),
        None => {}
    }
    let (name, rev, data) = extension(bytes.get(u16_at(bytes, layout.offsets)?..)?)?;
    Some(Expr::Xt { target: true, name: name.to_owned(), rev, data: Bytes(data.to_vec()) })
}
