#![expect(clippy::unwrap_used, reason = "tests")]

use expect_test::expect;
use ropewalk_facts::nft::{
    Base, Bytes, Chain, CmpOp, Element, ElementKey, Expr, Family, MetaKey, Payload, Reg, Rule,
    RuleKey, SetFlags, Table, TableKey, Value, Verdict, VerdictCode,
};
use ropewalk_facts::{IfName, Ns};

use super::*;

fn bytes(b: &[u8]) -> Bytes {
    Bytes(b.to_vec())
}

fn tell(family: Family, exprs: &[Expr]) -> Said {
    rule_text(family, exprs, &|_| None)
}

fn verdict(code: VerdictCode) -> Expr {
    Expr::Verdict(Verdict { code, chain: None })
}

fn cmp(op: CmpOp, data: &[u8]) -> Expr {
    Expr::Cmp { sreg: Reg(0), op, data: bytes(data) }
}

fn meta(key: u32) -> Expr {
    Expr::Meta { key: MetaKey(key), dreg: Reg(0) }
}

fn payload(base: u32, offset: u32, len: u32) -> Expr {
    Expr::Payload { what: Payload { base, offset, len }, dreg: Reg(0) }
}

fn mask(mask: &[u8]) -> Expr {
    let xor = bytes(&vec![0; mask.len()]);
    Expr::Bitwise { sreg: Reg(0), dreg: Reg(0), mask: bytes(mask), xor }
}

#[test]
fn conditions_are_said_where_the_next_words_do_not_imply_them() {
    let ip4 = [meta(15), cmp(CmpOp::Eq, &[2])];
    let tcp = [meta(16), cmp(CmpOp::Eq, &[6])];
    let addr = [payload(1, 12, 4), cmp(CmpOp::Neq, &[10, 0, 0, 1])];
    let port = [payload(2, 2, 2), cmp(CmpOp::Lt, &[0, 80])];
    let drop = [verdict(VerdictCode::Drop)];
    for (exprs, text) in [
        (
            [&ip4[..], &addr, &tcp, &port, &drop].concat(),
            "ip saddr != 10.0.0.1 tcp dport < 80 drop",
        ),
        ([&ip4[..], &tcp, &drop].concat(), "meta nfproto ipv4 meta l4proto tcp drop"),
        ([&ip4[..], &tcp, &addr, &drop].concat(), "meta l4proto tcp ip saddr != 10.0.0.1 drop"),
        ([&port[..], &drop].concat(), "th dport < 80 drop"),
        ([&addr[..], &drop].concat(), "@nh,96,32 != 167772161 drop"),
    ] {
        let said = tell(Family::Inet, &exprs);
        assert_eq!((said.text.as_str(), said.whole), (text, true));
    }
    assert_eq!(tell(Family::Ip, &addr).text, "ip saddr != 10.0.0.1");
}

#[test]
fn prefixes_flags_and_ranges_have_their_own_words() {
    let ip = |data: &[u8]| [payload(1, 16, 4), mask(data)].to_vec();
    let dnat = 32u32.to_ne_bytes();
    let ct = Expr::Ct { key: 2, dir: None, dreg: Reg(0) };
    for (exprs, text) in [
        (
            [ip(&[255, 128, 0, 0]), vec![cmp(CmpOp::Eq, &[10, 0, 0, 0])]].concat(),
            "ip daddr 10.0.0.0/9",
        ),
        (
            [ip(&[255, 0, 128, 0]), vec![cmp(CmpOp::Eq, &[10, 0, 0, 0])]].concat(),
            "ip daddr & 255.0.128.0 == 10.0.0.0",
        ),
        (vec![payload(1, 16, 2), cmp(CmpOp::Neq, &[10, 1])], "ip daddr != 10.1.0.0/16"),
        (vec![ct.clone(), mask(&dnat), cmp(CmpOp::Neq, &[0; 4])], "ct status dnat"),
        (vec![ct, mask(&dnat), cmp(CmpOp::Eq, &[0; 4])], "ct status & dnat == 0"),
        (
            vec![payload(2, 0, 2), cmp(CmpOp::Gte, &[0, 1]), cmp(CmpOp::Lte, &[0, 9])],
            "th sport 1-9",
        ),
        (vec![meta(4), cmp(CmpOp::Neq, &1u32.to_ne_bytes())], "iif != \"lo\""),
        (vec![meta(6), cmp(CmpOp::Eq, b"eth")], "iifname \"eth*\""),
        (vec![meta(6), cmp(CmpOp::Eq, b"eth0\0\0\0\0\0\0\0\0\0\0\0\0")], "iifname \"eth0\""),
    ] {
        let said = tell(Family::Ip, &exprs);
        assert_eq!((said.text.as_str(), said.whole), (text, true));
    }
}

#[test]
fn what_has_no_words_is_named_and_the_rule_is_not_whole() {
    let limit = Expr::Opaque { name: "limit".into(), data: bytes(&[1]) };
    for (exprs, text) in [
        (vec![meta(6), limit, verdict(VerdictCode::Drop)], "/* limit */ drop"),
        (vec![verdict(VerdictCode::Queue)], "/* Verdict(Verdict { code: Queue, chain: None }) */"),
        (vec![cmp(CmpOp::Eq, &[1])], "/* Cmp { sreg: Reg(0), op: Eq, data: 01 } */"),
    ] {
        let said = tell(Family::Ip, &exprs);
        assert_eq!((said.text.as_str(), said.whole), (text, false));
    }
}

fn table() -> TableKey {
    TableKey::new(Family::Inet, "t")
}

fn rule(tag: &str, at: u32, code: VerdictCode) -> Body {
    let key = RuleKey { chain: table().chain("c"), tag: tag.into() };
    Body::NftRule(Rule { key, exprs: vec![verdict(code)], at: Some(at) })
}

fn change(old: Option<Body>, new: Option<Body>) -> Change {
    let fact = |body: Option<Body>| body.map(|body| body.at(Ns::HOST));
    let (old, new) = (fact(old), fact(new));
    let key = new.as_ref().or(old.as_ref()).unwrap().key();
    Change { key, old, new, implied: false }
}

fn told(changes: &[Change], known: &[Body]) -> String {
    let known: Snapshot = known.iter().map(|body| body.clone().at(Ns::HOST)).collect();
    let changes: Vec<&Change> = changes.iter().collect();
    lines(&changes, &known).join("\n")
}

#[test]
fn a_rule_that_changes_is_said_again_with_its_chain() {
    let mk = |tag: &str, at| rule(tag, at, VerdictCode::Return);
    let known = [mk("a", 0), mk("b", 1), mk("#9", 2)];
    let changes = [
        change(None, Some(mk("c", 3))),
        change(None, Some(mk("first", 0))),
        change(Some(mk("b", 1)), Some(rule("b", 2, VerdictCode::Drop))),
        change(Some(mk("a", 1)), None),
    ];
    expect![[r#"
        add rule inet t c return comment "c"
        insert rule inet t c index 0 return comment "first"
        flush chain inet t c
        add rule inet t c return comment "first"
        add rule inet t c return comment "a"
        add rule inet t c drop comment "b"
        add rule inet t c return
        add rule inet t c return comment "c"
        flush chain inet t c
        add rule inet t c return comment "first"
        add rule inet t c drop comment "b"
        add rule inet t c return
        add rule inet t c return comment "c""#]]
    .assert_eq(&told(&changes, &known));
}

#[test]
fn rules_of_a_chain_that_goes_are_flushed_at_once() {
    let chain = Body::Chain(Chain { key: table().chain("c"), base: None });
    let known = [rule("a", 0, VerdictCode::Drop), rule("b", 1, VerdictCode::Drop), chain];
    let changes: Vec<_> = known.iter().map(|body| change(Some(body.clone()), None)).collect();
    expect![[r#"
        flush chain inet t c
        delete chain inet t c"#]]
    .assert_eq(&told(&changes, &known));
}

#[test]
fn heads_and_elements_by_their_types() {
    let set = |name: &str, keys: &[&str], values: &[&str], interval, timeout_ms| {
        let names = |types: &[&str]| types.iter().map(ToString::to_string).collect();
        let flags = SetFlags { interval, ..SetFlags::default() };
        let (key_types, value_types) = (names(keys), names(values));
        Set { key: table().set(name), key_types, value_types, flags, timeout_ms }
    };
    let element = |set: &str, key: &[u8], end: Option<&[u8]>, value: Option<Value>| {
        let key = ElementKey { set: table().set(set), key: bytes(key), end: end.map(bytes) };
        Some(Body::Element(Element { key, value, derived: false }))
    };
    let data = |b: &[u8]| Some(Value::Data(bytes(b)));
    let jump = Verdict { code: VerdictCode::Jump, chain: Some("c".into()) };
    let dev = |name| IfName::new(name).unwrap();
    let base = Base {
        kind: "filter".into(),
        hook: 0,
        priority: -5,
        drop: true,
        devs: vec![dev("a"), dev("b")],
    };
    let netdev = TableKey::new(Family::Netdev, "n").chain("i");
    let changes = [
        change(None, Some(Body::Table(Table { key: table(), dormant: true }))),
        change(None, Some(Body::Chain(Chain { key: netdev, base: Some(base) }))),
        change(
            None,
            Some(Body::Set(set("p", &["inet_proto", "inet_service"], &["ipv6_addr"], false, 1500))),
        ),
        change(None, Some(Body::Set(set("v", &["mark"], &["verdict"], true, 3000)))),
        change(None, Some(Body::Set(set("r", &["ipv4_addr", "inet_service"], &[], true, 0)))),
        change(None, element("p", &[6, 0, 0, 0, 0, 80, 0, 0], None, data(&[0; 16]))),
        change(element("p", &[], None, data(&[0; 16])), element("p", &[], None, data(&[1; 16]))),
        change(None, element("v", &1u32.to_ne_bytes(), None, Some(Value::Verdict(jump)))),
        change(
            element("r", &[10, 0, 0, 0, 0, 80, 0, 0], Some(&[10, 0, 3, 255, 0, 90, 0, 0]), None),
            None,
        ),
        change(None, element("unknown", &[1], None, None)),
    ];
    expect![[r#"
        add table inet t { flags dormant; }
        add chain netdev n i { type filter hook ingress devices = { "a", "b" } priority -5; policy drop; }
        add map inet t p { type inet_proto . inet_service : ipv6_addr; timeout 1500ms; }
        add map inet t v { type mark : verdict; flags interval; timeout 3s; }
        add set inet t r { type ipv4_addr . inet_service; flags interval; }
        add element inet t p { tcp . 80 : :: }
        delete element inet t p { * }
        add element inet t p { * : 101:101:101:101:101:101:101:101 }
        add element inet t v { 0x00000001 : jump c }
        delete element inet t r { 10.0.0.0/22 . 80-90 }
        # of an unknown set: element inet t unknown 01"#]]
    .assert_eq(&told(&changes, &[]));
}
