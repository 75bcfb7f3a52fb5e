#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail by panicking")]

use ropewalk_facts::Body;
use ropewalk_facts::nft::{
    self, Bytes, CmpOp, Expr, MetaKey, Reg, Rule, RuleKey, TableKey, Verdict, VerdictCode,
};

use super::edit::{bearer, entry, standard};
use super::*;

/// A table as the kernel makes it, with FORWARD dropping.
fn fresh(family: Family) -> Table {
    let layout = layout(family);
    let chain = |(hook, verdict): (usize, i32)| Chain {
        name: HOOK_NAMES[hook].into(),
        hook: Some(hook),
        head: None,
        rules: Vec::new(),
        policy: entry(layout, &[], standard(verdict)),
    };
    let chains = [(1, ACCEPT), (2, DROP), (3, ACCEPT)].map(chain).into();
    let tail = entry(layout, &[], bearer("ERROR")).bytes;
    Table { family, name: "filter".into(), valid: 0b1110, chains, tail, number: 4 }
}

/// What the kernel would say of a table that was written.
fn read_back(family: Family, block: &[u8]) -> Option<Table> {
    let word = |at: usize| u32_at(block, NAME + 4 * at);
    let five = |from: usize| {
        let all: Option<Vec<u32>> = (from..from + HOOKS).map(word).collect();
        all?.try_into().ok()
    };
    let info = Info {
        name: "filter".into(),
        valid: word(0)?,
        number: word(1)?,
        size: word(2)?,
        entry: five(3)?,
        underflow: five(8)?,
    };
    let mut answer = vec![0; ENTRIES];
    answer.extend(block.get(REPLACE..)?);
    Table::read(family, &info, &answer)
}

fn rule(family: Family, chain: &str, tag: &str, exprs: Vec<Expr>, at: Option<u32>) -> Body {
    let chain = TableKey::new(family, "filter").chain(chain);
    Body::NftRule(Rule { key: RuleKey { chain, tag: tag.into() }, exprs, at })
}

fn chain(family: Family, name: &str) -> Body {
    let key = TableKey::new(family, "filter").chain(name);
    Body::Chain(nft::Chain { key, base: None })
}

fn link(key: MetaKey, op: CmpOp, name: &[u8]) -> [Expr; 2] {
    let cmp = Expr::Cmp { sreg: Reg(0), op, data: Bytes(name.to_vec()) };
    [Expr::Meta { key, dreg: Reg(0) }, cmp]
}

fn ends(code: VerdictCode, chain: Option<&str>) -> [Expr; 2] {
    let verdict = Verdict { code, chain: chain.map(ToOwned::to_owned) };
    [Expr::Counter { packets: 0, bytes: 0 }, Expr::Verdict(verdict)]
}

/// The facts that are put into a fresh table.
fn some(family: Family) -> Vec<Body> {
    let mut eth0 = b"eth0".to_vec();
    eth0.resize(IFNAME, 0);
    let from = link(MetaKey::IIFNAME, CmpOp::Eq, b"rw");
    let to = link(MetaKey::OIFNAME, CmpOp::Neq, &eth0);
    let accept = [&from[..], &to, &ends(VerdictCode::Accept, None)].concat();
    let jump = |name| ends(VerdictCode::Jump, Some(name)).to_vec();
    let ret = [&to[..], &ends(VerdictCode::Return, None)].concat();
    let width = if family == Family::Ip6tables { 16 } else { 4 };
    let addresses = [vec![10; width], vec![20; width], vec![255; width], vec![255; width]].concat();
    // A protocol (and a class that nobody asks for), and that it is asked for.
    let rest: &[u8] = if width == 16 { &[6, 0, 0, 1, 8] } else { &[6, 0, 0, 8] };
    let header = Expr::Opaque { name: "ip".into(), data: Bytes([&addresses[..], rest].concat()) };
    let known =
        Expr::Xt { target: false, name: "conntrack".into(), rev: 3, data: Bytes(vec![7; 168]) };
    let near = [&from[..], &[header, known], &ends(VerdictCode::Accept, None)].concat();
    vec![
        rule(family, "INPUT", "near", near, Some(0)),
        chain(family, "ROPEWALK"),
        chain(family, "A"),
        rule(family, "ROPEWALK", "accept", accept, Some(0)),
        rule(family, "ROPEWALK", "return", ret, Some(0)),
        rule(family, "ROPEWALK", "on", jump("A"), None),
        rule(family, "FORWARD", "jump", jump("ROPEWALK"), Some(9)),
        rule(family, "FORWARD", "first", jump("A"), Some(0)),
    ]
}

#[test]
fn what_is_put_in_is_read_back_and_taken_out_again() {
    for family in [Family::Iptables, Family::Ip6tables] {
        let start = fresh(family);
        let mut table = start.clone();
        for body in &some(family) {
            table.change(None, Some(body)).unwrap();
        }
        let read = read_back(family, &table.replacement().unwrap().block).unwrap();
        assert_eq!(read.facts(), table.facts());
        let names: Vec<_> = read.chains.iter().map(|chain| chain.name.as_str()).collect();
        assert_eq!(names, ["INPUT", "FORWARD", "OUTPUT", "A", "ROPEWALK"]);
        for body in &some(family) {
            let mut found = read.facts().into_iter().find(|fact| fact.id() == body.id()).unwrap();
            if let (Body::NftRule(found), Body::NftRule(put)) = (&mut found, body) {
                found.at = put.at;
            }
            assert_eq!(found, *body);
        }
        let rules = read.facts();
        let rules = rules.iter().filter_map(|fact| Some(fact.as_nft_rule()?.key.tag.as_str()));
        assert_eq!(rules.collect::<Vec<_>>(), ["near", "first", "jump", "return", "accept", "on"]);
        let mut table = read;
        assert_eq!(table.change(Some(&chain(family, "A")), None), Err(Refusal::Busy));
        for body in some(family).iter().rev() {
            table.change(Some(body), None).unwrap();
        }
        assert_eq!(
            table.replacement().unwrap().block[REPLACE..],
            start.replacement().unwrap().block[REPLACE..]
        );
    }
}

#[test]
fn what_cannot_be_is_refused_and_changes_nothing() {
    let family = Family::Iptables;
    let mut table = fresh(family);
    let start = table.clone();
    let x = |chain: &str, exprs: &[Expr]| rule(family, chain, "x", exprs.to_vec(), None);
    let jump = |to| ends(VerdictCode::Jump, Some(to));
    let refused = [
        (None, Some(x("NONE", &jump("FORWARD"))), Refusal::Unknown),
        (None, Some(x("NONE", &ends(VerdictCode::Drop, None))), Refusal::Absent),
        (None, Some(x("FORWARD", &jump("NONE"))), Refusal::Absent),
        (None, Some(x("FORWARD", &[Expr::Notrack])), Refusal::Unknown),
        (Some(x("FORWARD", &[])), None, Refusal::Absent),
        (None, Some(chain(family, "INPUT")), Refusal::Exists),
        (Some(chain(family, "INPUT")), None, Refusal::Busy),
        (Some(chain(family, "NONE")), None, Refusal::Absent),
        (None, Some(chain(family, &"x".repeat(40))), Refusal::Unknown),
    ];
    for (old, new, refusal) in refused {
        assert_eq!(table.change(old.as_ref(), new.as_ref()), Err(refusal), "{old:?} {new:?}");
        assert_eq!(table, start);
    }
}

#[test]
fn what_had_been_counted_stays_with_its_rule() {
    let family = Family::Iptables;
    let mut table = read_back(family, &fresh(family).replacement().unwrap().block).unwrap();
    for body in &some(family) {
        table.change(None, Some(body)).unwrap();
    }
    let new = table.replacement().unwrap();
    let old: Vec<u8> = (0..4u8).flat_map(|n| [n; COUNTERS]).collect();
    assert_eq!(new.counters, old.len());
    let back = new.give_back(&old);
    let counted: Vec<u8> = back[ENTRIES..].chunks(COUNTERS).map(|c| c[0]).collect();
    // A new rule and INPUT's policy; two new rules and FORWARD's policy; OUTPUT's; chains A and ROPEWALK; the end.
    assert_eq!(counted, [0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
}

#[test]
fn no_bytes_are_believed() {
    for family in [Family::Iptables, Family::Ip6tables] {
        let mut table = fresh(family);
        for body in &some(family) {
            table.change(None, Some(body)).unwrap();
        }
        let block = table.replacement().unwrap().block;
        for end in 0..block.len() {
            assert_eq!(read_back(family, &block[..end]), None, "{end}");
        }
        // Any byte, replaced by those that lengths and places are made of.
        for at in NAME..block.len() {
            for value in [0, 0x28, 0xff] {
                let mut block = block.clone();
                block[at] = value;
                if let Some(table) = read_back(family, &block) {
                    drop((table.facts(), table.replacement()));
                }
            }
        }
    }
}

/// What the kernel says of a table of arptables-legacy (`ARPT_SO_GET_INFO`, then `ARPT_SO_GET_ENTRIES`):
///
///     -P FORWARD DROP; -A INPUT -s 10.0.0.1 --opcode Request -i eth+ -j DROP
///     -A INPUT ! --source-mac 02:00:00:00:00:01 -j ACCEPT; -N X; -A OUTPUT -o eth0 -j X
///     -A X ! -d 10.0.0.0/8 --h-type 1 --proto-type 0x800 -j RETURN; -A X --h-length 6 -j mangle …
const ARPTABLES: &[u8] = include_bytes!("arptables.bin");
const ARP_INFO: usize = 68;

fn arptables(bytes: &[u8]) -> Option<Table> {
    let info = Info::read(Family::Arptables, "filter", bytes.get(..ARP_INFO)?)?;
    Table::read(Family::Arptables, &info, bytes.get(ARP_INFO..)?)
}

#[test]
fn what_arptables_asks_for_is_said_in_the_fields_of_arp() {
    assert_eq!(info_question(Family::Arptables, "filter").len(), ARP_INFO);
    let mut table = arptables(ARPTABLES).unwrap();
    let chains: Vec<_> = table.chains.iter().map(|c| (c.name.as_str(), c.rules.len())).collect();
    assert_eq!(chains, [("INPUT", 2), ("OUTPUT", 1), ("FORWARD", 0), ("X", 2)]);
    let facts = table.facts();
    let policies = facts.iter().filter_map(|fact| Some(fact.as_chain()?.base.clone()?.drop));
    assert_eq!(policies.collect::<Vec<_>>(), [false, false, true]);
    let field =
        |offset, len| Expr::Payload { what: nft::Payload { base: 1, offset, len }, dreg: Reg(0) };
    let cmp = |op, data: &[u8]| Expr::Cmp { sreg: Reg(0), op, data: Bytes(data.to_vec()) };
    let is = |data: &[u8]| cmp(CmpOp::Eq, data);
    let net = Expr::Bitwise {
        sreg: Reg(0),
        dreg: Reg(0),
        mask: Bytes(vec![255, 0, 0, 0]),
        xor: Bytes(vec![0; 4]),
    };
    let mut eth0 = b"eth0".to_vec();
    eth0.resize(IFNAME, 0);
    let with = |exprs: &[&[Expr]], code, chain| [&exprs.concat()[..], &ends(code, chain)].concat();
    let wanted = [
        with(
            &[
                &link(MetaKey::IIFNAME, CmpOp::Eq, b"eth"),
                &[field(6, 2), is(&[0, 1]), field(14, 4), is(&[10, 0, 0, 1])],
            ],
            VerdictCode::Drop,
            None,
        ),
        with(&[&[field(8, 6), cmp(CmpOp::Neq, &[2, 0, 0, 0, 0, 1])]], VerdictCode::Accept, None),
        with(&[&link(MetaKey::OIFNAME, CmpOp::Eq, &eth0)], VerdictCode::Jump, Some("X")),
        with(
            &[
                &[field(0, 2), is(&[0, 1]), field(2, 2), is(&[8, 0]), field(24, 4), net.clone()],
                &[cmp(CmpOp::Neq, &[10, 0, 0, 0])],
            ],
            VerdictCode::Return,
            None,
        ),
    ];
    let rules = facts.iter().filter_map(|fact| Some(fact.as_nft_rule()?.exprs.clone()));
    let rules: Vec<_> = rules.collect();
    assert_eq!(rules[..4], wanted);
    assert!(matches!(&rules[4][..2], [length, six] if *length == field(4, 1) && *six == is(&[6])));
    assert!(matches!(&rules[4][3], Expr::Xt { target: true, name, .. } if name == "mangle"));
    let drop = Body::NftRule(Rule {
        key: RuleKey {
            chain: TableKey::new(Family::Arptables, "filter").chain("INPUT"),
            tag: "#0".into(),
        },
        exprs: Vec::new(),
        at: None,
    });
    assert_eq!(table.change(Some(&drop), None), Err(Refusal::Unknown), "it is only read");
    assert_eq!(table.replacement(), None);
}

#[test]
fn no_bytes_of_arptables_are_believed() {
    for end in 0..ARPTABLES.len() {
        assert_eq!(arptables(&ARPTABLES[..end]), None, "{end}");
    }
    for at in 32..ARPTABLES.len() {
        for value in [0, 0x28, 0xff] {
            let mut bytes = ARPTABLES.to_vec();
            bytes[at] = value;
            drop(arptables(&bytes).map(|table| table.facts()));
        }
    }
}
