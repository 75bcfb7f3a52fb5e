//! Tables, sets, maps, chains, rules and elements of nf_tables.

use ropewalk_facts::nft::{
    Base, Bytes, Chain, ChainKey, CmpOp, Element, ElementKey, Expr, Family, MetaKey, Payload, Reg,
    Rule, RuleKey, Set, SetFlags, SetKey, Table, TableKey, Value, Verdict, VerdictCode,
};
use ropewalk_facts::{Body, Fact, Ns};

use super::{Forge, Maker, create};
use crate::Step;

pub(super) const BUILD: [Maker; 8] = [
    Forge::table,
    Forge::set,
    Forge::set,
    Forge::element,
    Forge::element,
    Forge::chain,
    Forge::nft_rule,
    Forge::nft_rule,
];

pub(super) const CHANGE: [Maker; 6] = [
    |forge| forge.drop_any(|_, x| x.body.as_element().is_some()),
    |forge| forge.drop_any(|_, x| x.body.as_nft_rule().is_some()),
    |forge| forge.drop_any(|forge, x| forge.unused(x)),
    |forge| forge.drop_any(|_, x| x.body.as_table().is_some()),
    Forge::policy,
    Forge::other_rule,
];

const SADDR: Payload = Payload { base: 1, offset: 12, len: 4 };
const DPORT: Payload = Payload { base: 2, offset: 2, len: 2 };
const REG: Reg = Reg(0);

impl Forge {
    fn table(&mut self) -> Option<Vec<Step>> {
        let (ns, n) = (self.space()?, self.next());
        let family = self.dice.pick(&[Family::Inet, Family::Ip]).copied()?;
        let key = TableKey::new(family, format!("t{n}"));
        create(&ns, Body::Table(Table { key, dormant: false }))
    }

    fn any_table(&mut self) -> Option<(Ns, TableKey)> {
        let fact = self.any(|_, x| x.body.as_table().is_some())?;
        Some((fact.ns.clone(), fact.body.as_table()?.key.clone()))
    }

    fn set(&mut self) -> Option<Vec<Step>> {
        let ((ns, table), n) = (self.any_table()?, self.next());
        let shapes: [(&[&str], &[&str], bool); 6] = [
            (&["ipv4_addr"], &[], false),
            (&["ipv4_addr"], &[], true),
            (&["ipv6_addr"], &[], false),
            (&["inet_service"], &[], false),
            (&["inet_proto", "inet_service"], &["ipv4_addr", "inet_service"], false),
            (&["ipv4_addr"], &["verdict"], false),
        ];
        let (keys, values, interval) = self.dice.pick(&shapes).copied()?;
        let names = |types: &[&str]| types.iter().map(ToString::to_string).collect();
        let set = Set {
            key: table.set(format!("s{n}")),
            key_types: names(keys),
            value_types: names(values),
            flags: SetFlags { interval, ..SetFlags::default() },
            timeout_ms: 0,
        };
        create(&ns, Body::Set(set))
    }

    fn element(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_set().is_some())?;
        let set = fact.body.as_set()?;
        let [_, _, c, d] = self.next().to_be_bytes();
        let key = set.key_types.iter().flat_map(|name| field(name, c, d, set.key_types.len()));
        let key = Bytes(key.collect());
        let end = set.flags.interval.then(|| Bytes(vec![10, c, d, 9]));
        let value = match set.value_types.first().map(String::as_str) {
            None => None,
            Some("verdict") => Some(Value::Verdict(self.verdict(&fact.ns, &set.key.table))),
            Some(_) => Some(Value::Data(Bytes(vec![10, 9, c, d, c, d, 0, 0]))),
        };
        let key = ElementKey { set: set.key.clone(), key, end };
        create(&fact.ns, Body::Element(Element { key, value, derived: false }))
    }

    /// A jump to a chain of the table where there is one.
    fn verdict(&mut self, ns: &Ns, table: &TableKey) -> Verdict {
        let chain = self.any(|_, x| {
            let plain = x.body.as_chain().filter(|chain| chain.base.is_none());
            x.ns == *ns && plain.is_some_and(|chain| chain.key.table == *table)
        });
        let chain = chain.as_ref().and_then(|x| x.body.as_chain());
        match chain.filter(|_| self.dice.chance(60)) {
            Some(chain) => {
                let code = VerdictCode::Jump;
                Verdict { code, chain: Some(chain.key.chain.clone()) }
            }
            None => Verdict { code: VerdictCode::Accept, chain: None },
        }
    }

    fn chain(&mut self) -> Option<Vec<Step>> {
        let ((ns, table), n) = (self.any_table()?, self.next());
        let bases = [None, None, Some(("filter", 2)), Some(("filter", 1)), Some(("nat", 4))];
        let base = self.dice.pick(&bases).copied()?.map(|(kind, hook)| Base {
            kind: kind.into(),
            hook,
            priority: if kind == "nat" { 100 } else { 0 },
            drop: kind == "filter" && self.dice.chance(30),
            devs: vec![],
        });
        create(&ns, Body::Chain(Chain { key: table.chain(format!("c{n}")), base }))
    }

    fn nft_rule(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_chain().is_some())?;
        let chain = fact.body.as_chain()?;
        let key = RuleKey { chain: chain.key.clone(), tag: format!("rule {}", self.next()) };
        let exprs = self.exprs(&fact.ns, chain)?;
        create(&fact.ns, Body::NftRule(Rule { key, exprs, at: None }))
    }

    fn other_rule(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| x.body.as_nft_rule().is_some())?;
        let rule = fact.body.as_nft_rule()?;
        let chain = self.any(|_, x| {
            x.ns == fact.ns && x.body.as_chain().is_some_and(|c| c.key == rule.key.chain)
        })?;
        let exprs = self.exprs(&fact.ns, chain.body.as_chain()?)?;
        self.alter(Body::NftRule(Rule { exprs, ..rule.clone() }).at(fact.ns))
    }

    /// What a rule of `chain` could do. Only base chains jump, so that there are no loops.
    fn exprs(&mut self, ns: &Ns, chain: &Chain) -> Option<Vec<Expr>> {
        let nat = chain.base.as_ref().is_some_and(|base| base.kind == "nat");
        let verdict = Verdict { code: VerdictCode::Accept, chain: None };
        let verdict = match chain.base {
            Some(_) if !nat => self.verdict(ns, &chain.key.table),
            _ => verdict,
        };
        let eq = |data: Vec<u8>| Expr::Cmp { sreg: REG, op: CmpOp::Eq, data: Bytes(data) };
        // A table of one family needs no such test, and nft(8) does not write it.
        let v4 = match chain.key.table.family {
            Family::Inet => vec![Expr::Meta { key: MetaKey::NFPROTO, dreg: REG }, eq(vec![2])],
            Family::Ip
            | Family::Ip6
            | Family::Arp
            | Family::Bridge
            | Family::Netdev
            | Family::Iptables
            | Family::Ip6tables
            | Family::Arptables => vec![],
        };
        let mut exprs = if self.dice.chance(50) {
            let set = self.set_of_sources(ns, &chain.key)?;
            let saddr = Expr::Payload { what: SADDR, dreg: REG };
            let (set, invert) = (set.set, self.dice.chance(30));
            let lookup = Expr::Lookup { set, sreg: REG, dreg: None, map: false, invert };
            [&v4[..], &[saddr, lookup]].concat()
        } else {
            let tcp = [Expr::Meta { key: MetaKey::L4PROTO, dreg: REG }, eq(vec![6])];
            let dport = Expr::Payload { what: DPORT, dreg: REG };
            let [.., c, d] = self.next().to_be_bytes();
            [&tcp[..], &[dport, eq(vec![c, d])]].concat()
        };
        if self.dice.chance(40) {
            exprs.push(Expr::Counter { packets: 0, bytes: 0 });
        }
        exprs.push(match nat {
            true => Expr::Masq { flags: 0, proto: None },
            false => Expr::Verdict(verdict),
        });
        Some(exprs)
    }

    fn set_of_sources(&mut self, ns: &Ns, chain: &ChainKey) -> Option<SetKey> {
        let fact = self.any(|_, x| {
            x.ns == *ns
                && x.body.as_set().is_some_and(|set| {
                    set.key.table == chain.table
                        && set.key_types == ["ipv4_addr"]
                        && set.value_types.is_empty()
                })
        })?;
        Some(fact.body.as_set()?.key.clone())
    }

    fn policy(&mut self) -> Option<Vec<Step>> {
        let fact = self.any(|_, x| {
            let base = x.body.as_chain().and_then(|chain| chain.base.as_ref());
            base.is_some_and(|base| base.kind == "filter")
        })?;
        let mut chain = fact.body.as_chain()?.clone();
        if let Some(base) = &mut chain.base {
            base.drop = !base.drop;
        }
        self.alter(Body::Chain(chain).at(fact.ns))
    }

    /// True for a set or chain of which no rule and no element speaks.
    fn unused(&self, fact: &Fact) -> bool {
        let set = fact.body.as_set().map(|x| (&x.key.table, &x.key.set));
        let chain = fact.body.as_chain().map(|x| (&x.key.table, &x.key.chain));
        let Some((table, name)) = set.or(chain) else { return false };
        let speaks = |expr: &Expr| {
            matches!(expr, Expr::Lookup { set, .. } if set == name)
                || matches!(expr, Expr::Verdict(v) if v.chain.as_ref() == Some(name))
        };
        !self.world.of(&fact.ns).any(|x| {
            x.body
                .as_nft_rule()
                .is_some_and(|rule| rule.key.chain.table == *table && rule.exprs.iter().any(speaks))
                || x.body.as_element().is_some_and(|element| {
                    let verdict = element.value.as_ref().is_some_and(|value| {
                    matches!(value, Value::Verdict(v) if v.chain.as_ref() == Some(name))
                });
                    element.key.set.table == *table && verdict
                })
        })
    }
}

/// The bytes of a field of a key; in a concatenation each is padded to four.
fn field(name: &str, c: u8, d: u8, fields: usize) -> Vec<u8> {
    let mut bytes = match name {
        "ipv6_addr" => vec![0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, c, d],
        "inet_service" => vec![c, d],
        "inet_proto" => vec![17],
        _ => vec![10, c, d, 1],
    };
    while fields > 1 && bytes.len() % 4 != 0 {
        bytes.push(0);
    }
    bytes
}
